//! A load generator for OpenID Connect and OAuth: the figures of `docs/performance.md`.
//!
//! It speaks the protocols to any provider ([`target`]), in a closed loop for the capacity and in an open one for latency ([`load`]),
//! and looks at the answers. `cargo xtask bench` builds the binary and runs this. Absolute figures are of one machine and one day:
//! beside them stands what the machine does of the same work alone, in the same run ([`bars`]).
#![expect(clippy::print_stdout, reason = "tables are what it is for")]

mod bars;
mod curves;
mod docs;
mod floor;
mod foreign;
mod form;
mod http;
mod installation;
mod load;
mod measure;
mod operations;
mod process;
mod profile;
mod progress;
mod random;
mod report;
mod rows;
mod setting;
mod stats;
mod supplies;
mod svg;
mod table;
mod target;
mod visit;

use anyhow::Result;
use clap::{Parser, Subcommand};

use crate::setting::{Engine, Setting};

/// Measures the binary that AUTHMACHINE_TEST_BIN names; without a command, the table of every operation.
#[derive(Parser)]
#[command(bin_name = "cargo xtask bench --", args_conflicts_with_subcommands = true)]
struct Arguments {
    #[command(subcommand)]
    task: Option<Task>,
    #[command(flatten)]
    table: table::Options,
    /// The database under the server
    #[arg(long, global = true, value_enum, default_value_t = Engine::Sqlite)]
    engine: Engine,
    /// The server's log level; at `info` it writes a line for each request
    #[arg(long, global = true, default_value = "warn")]
    log_level: String,
}

#[derive(Subcommand)]
enum Task {
    /// How cost grows with tokens and people, and latency with the load: tables and plots
    Curves(curves::Options),
    /// A sampling profile of the code flow, as a flame graph (needs `perf`)
    Profile(profile::Options),
    /// The same table for a provider that runs already, whoever wrote it
    Target {
        #[command(flatten)]
        elsewhere: Box<table::Elsewhere>,
        #[command(flatten)]
        table: Box<table::Options>,
    },
}

fn main() -> Result<()> {
    let options = Arguments::parse();
    let setting = Setting::read(options.engine, &options.log_level)?;
    match options.task {
        None => table::run(&setting, &options.table).map(drop),
        Some(Task::Curves(options)) => curves::run(&setting, &options),
        Some(Task::Profile(options)) => profile::run(&setting, &options),
        Some(Task::Target { elsewhere, table }) => table::run_elsewhere(&setting, &table, &elsewhere),
    }
}
