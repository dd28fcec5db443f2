//! The figures of `docs/performance.md`: memory, start-up, and the throughput of a closed loop over kept-alive connections.
//!
//! `cargo xtask bench` builds the binary and runs this. Absolute figures are of one machine and one day: beside them stand the
//! same server's `/healthz` as the floor, the disk's rate of syncs and the processor's rate of signatures, from the same run.
#![expect(clippy::print_stdout, reason = "a table is what it is for")]

mod calibration;
mod flow;
mod http;
mod installation;
mod load;
mod report;
mod scenarios;

use std::env;
use std::fs;
use std::num::NonZero;
use std::path::{Path, PathBuf};
use std::process::{self, Command, Stdio};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use clap::Parser;

use crate::http::Connection;
use crate::installation::Installation;
use crate::report::{Report, Round};

/// Measures the binary that AUTHMACHINE_TEST_BIN names.
#[derive(Parser)]
#[command(bin_name = "cargo xtask bench --")]
struct Options {
    /// How often each scenario runs
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u8).range(1..))]
    rounds: u8,
    /// How long, in seconds
    #[arg(long, default_value = "1.5", value_parser = seconds)]
    seconds: Duration,
    /// Connections, each with one request on its way
    #[arg(long, default_value_t = 32, value_parser = clap::value_parser!(u8).range(1..=200))]
    connections: u8,
    /// The server's log level; at `info` it writes a line for each request
    #[arg(long, default_value = "warn")]
    log_level: String,
}

fn seconds(text: &str) -> Result<Duration, String> {
    let seconds = text.parse().ok().and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    seconds
        .filter(|seconds| !seconds.is_zero())
        .ok_or_else(|| "not a number of seconds such as 1.5".to_owned())
}

/// Starts that are measured, of each kind.
const STARTS: usize = 5;
/// After a start, before its memory is looked at.
const SETTLE: Duration = Duration::from_secs(1);

fn main() -> Result<()> {
    let options = Options::parse();
    let binary = env::var_os("AUTHMACHINE_TEST_BIN").map(PathBuf::from);
    let binary = binary.context("AUTHMACHINE_TEST_BIN is not set; run `cargo xtask bench`")?;
    let folder =
        binary.parent().and_then(Path::parent).context("the binary is not in a target folder")?.join("bench");
    fs::create_dir_all(&folder)?;

    println!("start-up and memory …");
    let mut first_starts = Vec::new();
    let mut later_starts = Vec::new();
    let mut idle_bytes = 0;
    for _ in 0..STARTS {
        let installation = Installation::new(&binary, &folder, &options.log_level)?;
        let server = installation.start(None)?;
        first_starts.push(server.first_answer);
        server.stop()?;
        let server = installation.start(None)?;
        later_starts.push(server.first_answer);
        thread::sleep(SETTLE);
        idle_bytes = server.memory_bytes()?;
        server.stop()?;
    }

    let taskset = taskset()?;
    if let Some(taskset) = &taskset {
        pin_self(taskset)?;
    }
    let installation = Installation::new(&binary, &folder, &options.log_level)?;
    let server = installation.start(taskset.as_deref())?;
    flow::prepare(&installation)?;

    // One thread: it shares its processor with nobody.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let connections = usize::from(options.connections);
    let mut scenarios = runtime.block_on(async {
        let mut connection = Connection::open(installation.address).await?;
        scenarios::prepare(&mut connection, connections).await
    })?;

    let mut rounds: Vec<Vec<Round>> = scenarios.iter().map(|_| Vec::new()).collect();
    let mut calibrations = Vec::new();
    for round in 1..=options.rounds {
        calibrations.push(calibration::measure(&folder)?);
        for (scenario, rounds) in scenarios.iter_mut().zip(&mut rounds) {
            let before = server.cpu_time()?;
            let lanes = std::mem::take(&mut scenario.lanes);
            let (run, lanes) = runtime
                .block_on(load::run(installation.address, lanes, options.seconds))
                .with_context(|| format!("{} failed", scenario.name))?;
            scenario.lanes = lanes;
            if run.requests() == 0 {
                bail!("{}: nothing was answered", scenario.name);
            }
            println!("round {round} of {}: {:<36}{:>10.0} /s", options.rounds, scenario.name, run.rate());
            rounds.push(Round::new(&run, server.cpu_time()?.saturating_sub(before)));
        }
    }
    let loaded_bytes = server.memory_bytes()?;
    server.stop()?;

    let report = Report {
        binary_bytes: fs::metadata(&binary)?.len(),
        idle_bytes,
        loaded_bytes,
        first_starts,
        later_starts,
        calibrations,
        scenarios: scenarios.iter().zip(rounds).map(|(s, rounds)| (s.name, s.is_durable, rounds)).collect(),
        connections,
        is_pinned: taskset.is_some(),
        log_level: options.log_level,
    };
    report.print();
    println!("\nwritten to {}", report.write(&folder)?.display());
    Ok(())
}

/// The program that pins processes to processors, if there are two and it is here.
fn taskset() -> Result<Option<PathBuf>> {
    if thread::available_parallelism().map_or(1, NonZero::get) < 2 {
        return Ok(None);
    }
    let path = env::var_os("PATH").context("PATH is not set")?;
    Ok(env::split_paths(&path).map(|folder| folder.join("taskset")).find(|file| file.is_file()))
}

/// Puts this process on the second processor; the server gets the first.
fn pin_self(taskset: &Path) -> Result<()> {
    let pid = process::id().to_string();
    let status =
        Command::new(taskset).args(["--cpu-list", "--pid", "1", &pid]).stdout(Stdio::null()).status()?;
    if !status.success() {
        bail!("taskset cannot pin this process");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_a_number_of_seconds() {
        assert_eq!(seconds("1.5"), Ok(Duration::from_millis(1_500)));
        for bad in ["0", "-1", "NaN", "inf", "1e99", "1s", ""] {
            assert!(seconds(bad).is_err(), "{bad}");
        }
    }
}
