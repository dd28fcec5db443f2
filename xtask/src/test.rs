//! `cargo xtask test`: the checks, what the suites need, then the suites.

use std::env;
use std::fmt;
use std::process::ExitCode;

use clap::{Args, ValueEnum};

use crate::postgres::Cluster;
use crate::run::{Workspace, cargo};
use crate::steps::Steps;
use crate::{check, install};

/// The variable by which the tests find PostgreSQL.
pub(crate) const POSTGRES: &str = "AUTHMACHINE_TEST_POSTGRES";

#[derive(Args)]
pub(crate) struct Options {
    /// Leaves out the tests that need this (again for more)
    #[arg(long, value_name = "SUITE")]
    skip: Vec<Suite>,
    /// Asks the random worlds of permissions as often as the project claims: ten million questions of the index, a million
    /// of SQLite, 100,000 of PostgreSQL; for some of an hour
    #[arg(long)]
    long: bool,
    /// Leaves out `check`
    #[arg(long)]
    no_check: bool,
    /// Handed on to `cargo test` in place of `--workspace`, e.g. `-- -p authmachine-e2e pyoidc`
    #[arg(last = true)]
    args: Vec<String>,
}

/// What a suite needs beyond cargo.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Suite {
    /// PostgreSQL's server; set AUTHMACHINE_TEST_POSTGRES to use one that runs
    Postgres,
    /// Chromium and ChromeDriver
    Browser,
    /// Client programs in Python
    Python,
    /// Client and provider programs for Node.js
    Node,
}

impl fmt::Display for Suite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Postgres => "postgres",
            Self::Browser => "browser",
            Self::Python => "python",
            Self::Node => "node",
        })
    }
}

pub(crate) fn test(workspace: &Workspace, options: &Options) -> ExitCode {
    let mut steps = Steps::new();
    if options.no_check {
        steps.skip("check", "as told");
    } else {
        check::run(workspace, &mut steps);
    }
    if !steps.have_failed() {
        run(workspace, options, &mut steps);
    }
    steps.finish()
}

fn run(workspace: &Workspace, options: &Options, steps: &mut Steps) {
    let skipped = |suite| options.skip.contains(&suite);
    let mut tests = cargo(["test", "--locked", "--no-fail-fast"]);
    if options.args.is_empty() {
        tests.arg("--workspace");
    }
    tests.args(&options.args);
    if options.long {
        tests.env("AUTHMACHINE_TEST_LONG", "1");
    }
    // The end-to-end tests start this one; `check` has built it, unless it was left out.
    steps.run("binary", || workspace.run(&mut cargo(["build", "--workspace", "--bins", "--locked"])));
    tests.env("AUTHMACHINE_TEST_BIN", workspace.binary("debug"));
    let names: Vec<String> = options.skip.iter().map(Suite::to_string).collect();
    tests.env("AUTHMACHINE_TEST_SKIP", names.join(","));

    if skipped(Suite::Python) {
        steps.skip("python packages", "as told");
    } else if let Some(python) = steps.run("python packages", || install::python(workspace)) {
        tests.env("AUTHMACHINE_TEST_PYTHON", python);
    }
    if skipped(Suite::Node) {
        steps.skip("node packages", "as told");
    } else if let Some(folder) = steps.run("node packages", || install::node(workspace)) {
        tests.env("AUTHMACHINE_TEST_NODE", folder);
    }
    if skipped(Suite::Browser) {
        steps.skip("browser", "as told");
    } else if let Some(driver) = steps.run("browser", || install::browser(workspace)) {
        tests.env("AUTHMACHINE_TEST_CHROMEDRIVER", driver);
    }
    // Lives until the tests are done.
    let mut cluster = None;
    if skipped(Suite::Postgres) {
        tests.env_remove(POSTGRES);
        steps.skip("postgres", "as told");
    } else if env::var_os(POSTGRES).is_none() {
        cluster = steps.run("postgres", || Cluster::start(workspace));
        tests.envs(cluster.as_ref().map(|cluster| (POSTGRES, cluster.url())));
    }

    if !steps.have_failed() {
        steps.run("tests", || workspace.run(&mut tests));
    }
    drop(cluster);
}
