//! `cargo xtask bench`: builds what is measured and what measures, and installs what the arguments ask for.

use std::fs;

use anyhow::{Context, Result};

use crate::install;
use crate::run::{Workspace, cargo};

/// The foreign provider that can be measured in turn with ours, as the benches call it.
const OIDC_PROVIDER: &str = "oidc-provider";
/// The script that runs it.
const SCRIPT: &str = "oidc_provider_bench.mjs";

pub(crate) fn bench(workspace: &Workspace, args: &[String]) -> Result<()> {
    let asks_for = |word: &str| args.iter().any(|arg| arg.split('=').next_back() == Some(word));
    let mut benches = cargo(["run", "--release", "--locked", "--package", "authmachine-benches", "--"]);
    benches.args(args);
    if asks_for(OIDC_PROVIDER) {
        let folder = install::node(workspace)?;
        fs::copy(workspace.root.join("benches").join(SCRIPT), folder.join(SCRIPT))
            .with_context(|| format!("cannot copy {SCRIPT}"))?;
        benches.env("AUTHMACHINE_BENCH_NODE", folder);
    }
    workspace.run(&mut cargo(["build", "--release", "--locked", "--package", "authmachine-cli"]))?;
    benches.env("AUTHMACHINE_TEST_BIN", workspace.binary("release"));
    workspace.run(&mut benches)
}
