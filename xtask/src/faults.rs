//! `cargo xtask faults`: the faults of `e2e/faults/` in full, and the account of them.

use std::env;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::Args;
use serde_json::Value;

use crate::postgres::Cluster;
use crate::run::{Workspace, cargo};
use crate::steps::Steps;
use crate::test::POSTGRES;

/// All recorded runs, a line each.
const RECORD: &str = "docs/faults.jsonl";
/// What tells about them: the table stands between the marks.
const PAGE: &str = "docs/faults.md";
const MARKS: (&str, &str) = ("<!-- table -->\n", "<!-- end of table -->");

#[derive(Args)]
pub(crate) struct Options {
    /// Only the tests with this in their names
    #[arg(long, value_name = "NAME")]
    only: Option<String>,
    /// The seed that a failed run printed
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
    /// How often each fault happens, in place of a full run
    #[arg(long, value_name = "N")]
    count: Option<usize>,
    /// Leaves out PostgreSQL
    #[arg(long)]
    sqlite: bool,
    /// Adds the runs to docs/faults.jsonl, and renews the table in docs/faults.md
    #[arg(long)]
    record: bool,
}

pub(crate) fn faults(workspace: &Workspace, options: &Options) -> ExitCode {
    let mut steps = Steps::new();
    steps.run("binary", || {
        // The demo client is the client crate at work.
        let packages = ["--package", "authmachine-cli", "--package", "authmachine-demo"];
        workspace.run(cargo(["build", "--release", "--locked", "--bins"]).args(packages))
    });
    // One after the other: times until normal service are measured.
    let mut tests = cargo(["test", "--locked", "--package", "authmachine-e2e", "--test", "faults", "--"]);
    tests.args(["--nocapture", "--test-threads=1"]).args(&options.only);
    tests.env("AUTHMACHINE_TEST_BIN", workspace.binary("release"));
    tests.env("AUTHMACHINE_FAULTS", options.count.map_or("full".to_owned(), |count| count.to_string()));
    tests.envs(options.seed.map(|seed| ("AUTHMACHINE_TEST_SEED", seed.to_string())));
    let report = workspace.target.join("xtask/faults.jsonl");
    tests.env("AUTHMACHINE_FAULTS_REPORT", &report);
    // Lives until the tests are done.
    let mut cluster = None;
    if options.sqlite {
        tests.env("AUTHMACHINE_TEST_SKIP", "postgres");
        steps.skip("postgres", "as told");
    } else if env::var_os(POSTGRES).is_none() {
        cluster = steps.run("postgres", || Cluster::start(workspace));
        tests.envs(cluster.as_ref().map(|cluster| (POSTGRES, cluster.url())));
    }
    if !steps.have_failed() {
        // The report of the run before, if there is one.
        let _ = fs::remove_file(&report);
        steps.run("faults", || workspace.run(&mut tests));
        steps.run("report", || {
            let runs = fs::read_to_string(&report).context("no fault gave an account")?;
            println!("{}", table(&runs)?);
            if options.record { record(&workspace.root, &runs) } else { Ok(()) }
        });
    }
    drop(cluster);
    steps.finish()
}

/// Adds these runs to those before, and renews the table.
fn record(root: &Path, runs: &str) -> Result<()> {
    let all = fs::read_to_string(root.join(RECORD)).unwrap_or_default() + runs;
    let page = fs::read_to_string(root.join(PAGE))?;
    let (before, rest) = page.split_once(MARKS.0).context("docs/faults.md has no table")?;
    let (_, after) = rest.split_once(MARKS.1).context("its table has no end")?;
    let table = table(&all)?;
    fs::write(root.join(PAGE), [before, MARKS.0, &table, MARKS.1, after].concat())?;
    Ok(fs::write(root.join(RECORD), all)?)
}

/// The runs of one fault on one engine.
struct Row {
    fault: [String; 3],
    runs: Vec<Value>,
}

fn table(runs: &str) -> Result<String> {
    let mut rows: Vec<Row> = Vec::new();
    for line in runs.lines() {
        let run: Value = serde_json::from_str(line)?;
        let fault =
            ["fault", "checks", "engine"].map(|name| run[name].as_str().unwrap_or_default().to_owned());
        match rows.iter_mut().find(|row| row.fault == fault) {
            Some(row) => row.runs.push(run),
            None => rows.push(Row { fault, runs: vec![run] }),
        }
    }
    let mut table = "| fault | checklist | engine | runs | faults | acknowledged writes | runs with a loss | normal again: median | worst |\n\
         |---|---|---|--:|--:|--:|--:|--:|--:|\n"
        .to_owned();
    for Row { fault: [fault, checks, engine], runs } in rows {
        let numbers = |name: &str| runs.iter().filter_map(|run| run[name].as_u64()).collect::<Vec<_>>();
        let total = |name: &str| numbers(name).into_iter().sum::<u64>();
        let ms = |time: Option<&u64>| time.map_or("–".to_owned(), |time| format!("{time} ms"));
        let lost = runs.iter().filter(|run| run["held"] != true).count();
        let mut medians = numbers("median_ms");
        medians.sort_unstable();
        writeln!(
            table,
            "| {fault} | {checks} | {engine} | {} | {} | {} | {lost} | {} | {} |",
            runs.len(),
            total("faults"),
            total("acknowledged"),
            ms(medians.get(medians.len() / 2)),
            ms(numbers("worst_ms").iter().max()),
        )?;
    }
    Ok(table)
}
