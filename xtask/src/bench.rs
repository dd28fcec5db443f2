//! `cargo xtask bench`: builds what is measured and what measures, and installs or starts what the arguments ask for.

use std::env;
use std::fs;

use anyhow::{Context, Result};

use crate::install;
use crate::postgres::Cluster;
use crate::run::{Workspace, cargo, find_program};
use crate::test::POSTGRES;

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
    let is_profile = args.first().is_some_and(|arg| arg == "profile");
    let profile = if is_profile { "profiling" } else { "release" };
    let mut build = cargo(["build", "--locked", "--package", "authmachine-cli", "--profile", profile]);
    if is_profile {
        find_program(&["perf"]).context("perf is not in PATH: install Debian's linux-perf")?;
        // The sampler finds callers by frame pointers, those of SQLite too.
        build.env("RUSTFLAGS", "-C force-frame-pointers=yes").env("CFLAGS", "-fno-omit-frame-pointer");
    }
    workspace.run(&mut build)?;
    benches.env("AUTHMACHINE_TEST_BIN", workspace.binary(profile));

    // Lives until the benches are done.
    let mut cluster = None;
    if asks_for("postgres") && env::var_os(POSTGRES).is_none() {
        cluster = Some(Cluster::start_durable(workspace)?);
        benches.envs(cluster.as_ref().map(|cluster| (POSTGRES, cluster.url())));
    }
    let done = workspace.run(&mut benches);
    drop(cluster);
    done
}
