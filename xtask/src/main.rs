//! The project's tasks: `cargo xtask dev | check | test | faults | gen | bench`.
//!
//! Plain Rust and the tools that are there anyway. This crate knows cargo, the tools of the foreign test
//! clients, and how to run a PostgreSQL; it knows nothing of the product beyond the name of its binary.
#![expect(clippy::print_stdout, reason = "its output is what a task is for")]

mod bench;
mod check;
mod faults;
mod generated;
mod guard;
mod install;
mod postgres;
mod run;
mod steps;
mod test;

use std::process::ExitCode;

use anyhow::Result;
use clap::Parser;

use crate::run::{Workspace, cargo};

/// The project's tasks.
#[derive(Parser)]
#[command(bin_name = "cargo xtask")]
enum Task {
    /// Builds and starts the provider and the demo client, as `cargo demo` does
    Dev {
        /// Handed on to `authmachine demo`
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        args: Vec<String>,
    },
    /// Format, clippy, docs, dependencies, generated files
    Check,
    /// `check`, then installs what the tests need where it may, then every suite
    Test(test::Options),
    /// The faults of `e2e/faults/` in full, with a report
    Faults(faults::Options),
    /// Writes the files that are generated from the program
    Gen {
        /// Writes nothing, fails where a file differs
        #[arg(long)]
        check: bool,
    },
    /// Builds for release and measures: the table of figures, `-- --help` for more
    Bench {
        /// Handed on to the benches
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        args: Vec<String>,
    },
}

fn main() -> Result<ExitCode> {
    let workspace = Workspace::find()?;
    match Task::parse() {
        Task::Dev { args } => {
            workspace.run(
                cargo(["run", "--package", "authmachine-cli", "--bin", "authmachine", "--", "demo"])
                    .args(args),
            )?;
        }
        Task::Check => return Ok(check::check(&workspace)),
        Task::Test(options) => return Ok(test::test(&workspace, &options)),
        Task::Faults(options) => return Ok(faults::faults(&workspace, &options)),
        Task::Gen { check } => {
            generated::build(&workspace)?;
            if check { generated::check(&workspace)? } else { generated::write(&workspace)? }
        }
        Task::Bench { args } => bench::bench(&workspace, &args)?,
    }
    Ok(ExitCode::SUCCESS)
}
