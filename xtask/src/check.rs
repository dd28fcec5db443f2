//! `cargo xtask check`: all that can be said about the code without running the suites.

use std::env;
use std::path::PathBuf;
use std::process::{Command, ExitCode};

use crate::run::{Workspace, cargo, find_program};
use crate::steps::Steps;
use crate::{generated, guard};

pub(crate) fn check(workspace: &Workspace) -> ExitCode {
    let mut steps = Steps::new();
    run(workspace, &mut steps);
    steps.finish()
}

/// Every check, so that one run shows everything that is wrong.
pub(crate) fn run(workspace: &Workspace, steps: &mut Steps) {
    steps.run("format", || workspace.run(&mut cargo(["fmt", "--all", "--check"])));
    steps.run("tracked files", || guard::check(workspace));
    steps.run("clippy", || {
        workspace.run(&mut cargo([
            "clippy",
            "--workspace",
            "--all-targets",
            "--locked",
            "--",
            "-D",
            "warnings",
        ]))
    });
    steps.run("client without axum", || {
        workspace.run(&mut cargo([
            "check",
            "--package",
            "authmachine-client",
            "--no-default-features",
            "--locked",
        ]))
    });
    steps.run("docs", || {
        workspace.run(
            cargo(["doc", "--workspace", "--no-deps", "--locked", "--quiet"])
                .env("RUSTDOCFLAGS", "-D warnings"),
        )
    });
    if find_program(&["cargo-deny"]).is_none() {
        steps.skip("dependencies", "cargo-deny is not installed (`cargo install cargo-deny --locked`)");
    } else {
        steps.run("dependencies", || workspace.run(&mut deny(&["licenses", "bans", "sources"])));
        if advisory_database().is_some_and(|folder| folder.exists()) {
            steps.run("advisories", || workspace.run(&mut deny(&["--disable-fetch", "advisories"])));
        } else {
            steps.skip("advisories", "no database here (`cargo deny fetch` gets one)");
        }
    }
    steps.run("build", || generated::build(workspace));
    steps.run("generated files", || generated::check(workspace));
}

fn deny(checks: &[&str]) -> Command {
    let mut command = cargo(["deny", "--locked", "check"]);
    command.args(checks);
    command
}

/// Where cargo-deny keeps the advisories it fetched.
fn advisory_database() -> Option<PathBuf> {
    let cargo_home = env::var_os("CARGO_HOME").map(PathBuf::from);
    Some(cargo_home.or_else(|| Some(env::home_dir()?.join(".cargo")))?.join("advisory-dbs"))
}
