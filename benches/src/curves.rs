//! How cost grows: with the tokens and the people in the database, and latency with the load.

use std::fmt::Write as _;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use anyhow::Result;
use authmachine_store::settings::Synchronous;
use tokio::runtime::Runtime;

use crate::docs::Docs;
use crate::installation::Installation;
use crate::load::Times;
use crate::measure::{Round, Side};
use crate::operations::{Connections, Operation};
use crate::process;
use crate::report::{MIB, date, machine, ms, now, thousands};
use crate::rows::{self, Loaded, Rows};
use crate::setting::{Setting, seconds};
use crate::stats::median;
use crate::supplies::{self, FEW};
use crate::svg::{self, Curve, Labels, Log};
use crate::target::Access;

/// What is measured, and for how long.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// Goes on to ten million tokens
    #[arg(long)]
    full: bool,
    /// The largest number of tokens and of people, for a quick look
    #[arg(long, value_name = "N")]
    most: Option<usize>,
    /// How long each operation is measured at each size, in seconds
    #[arg(long, default_value = "1", value_parser = seconds)]
    seconds: Duration,
    /// Puts tables and plots into the documentation
    #[arg(long)]
    docs: bool,
}

const TOKENS: [usize; 4] = [10_000, 100_000, 1_000_000, 10_000_000];
const USERS: [usize; 3] = [1_000, 100_000, 1_000_000];
/// Times that an operation is measured at each size.
const ROUNDS: usize = 3;
const STARTS: usize = 3;
const SETTLE: Duration = Duration::from_secs(1);
const CONNECTIONS: Connections = Connections { usual: 32, durable: 96 };
const WARM_UP: Duration = Duration::from_millis(250);
/// Shares of the capacity at which latency is looked at.
const SHARES: [f64; 6] = [0.1, 0.25, 0.5, 0.7, 0.8, 0.9];

const WITH_TOKENS: [Operation; 7] = [
    Operation::CheckTokenRevoked,
    Operation::Introspection,
    Operation::Userinfo,
    Operation::ClientCredentials,
    Operation::Authorize,
    Operation::CodeEs256,
    Operation::Refresh,
];
const WITH_USERS: [Operation; 6] = [
    Operation::Introspection,
    Operation::Userinfo,
    Operation::Permissions,
    Operation::Authorize,
    Operation::CodeEs256,
    Operation::Refresh,
];

/// The figures at one size.
struct Point {
    rows: usize,
    rounds: Vec<(Operation, Vec<Round>)>,
    start_ms: f64,
    idle_bytes: u64,
}

pub(crate) fn run(setting: &Setting, options: &Options) -> Result<()> {
    setting.pinning.pin_self()?;
    let runtime = setting.runtime()?;
    let docs = Docs::new(&setting.folder, options.docs.then_some(&setting.root))?;
    let times = Times { warm_up: WARM_UP, time: options.seconds };
    let most = options.most.unwrap_or(usize::MAX);

    let mut grown = Grown::new(setting)?;
    let largest = if options.full { 10_000_000 } else { 1_000_000 };
    let mut points = Vec::new();
    for size in TOKENS.into_iter().filter(|size| *size <= largest.min(most)) {
        let users = if points.is_empty() { 1_000 } else { 0 };
        grown.grow(&Rows { users, tokens: size - grown.tokens, ..Rows::default() })?;
        points.push(grown.measure(setting, &runtime, size, &WITH_TOKENS, times)?);
    }
    show(&docs, "tokens", "access tokens, grants and refresh token families", &points)?;
    latency(setting, &runtime, &docs, &mut grown, times)?;

    let mut grown = Grown::new(setting)?;
    let mut points = Vec::new();
    for size in USERS.into_iter().filter(|size| *size <= most) {
        let tokens = if size < 20_000 { size } else { 20_000 };
        grown.grow(&Rows { users: size - grown.users, tokens, ..Rows::default() })?;
        points.push(grown.measure(setting, &runtime, size, &WITH_USERS, times)?);
    }
    show(&docs, "users", "people, each with a session", &points)
}

/// An installation that gets larger.
struct Grown {
    installation: Installation,
    access: Access,
    loaded: Loaded,
    users: usize,
    tokens: usize,
}

impl Grown {
    fn new(setting: &Setting) -> Result<Self> {
        let installation = setting.installation(&setting.binary)?;
        let access = installation.prepare()?;
        Ok(Self { installation, access, loaded: Loaded::default(), users: 0, tokens: 0 })
    }

    fn grow(&mut self, rows: &Rows) -> Result<()> {
        println!("putting {} people and {} tokens into the database …", rows.users, rows.tokens);
        let store = self.installation.store(Synchronous::Off)?;
        rows::load(&store, *rows, &mut self.loaded, self.users + 1)?;
        self.users += rows.users;
        self.tokens += rows.tokens;
        drop(store);
        rows::sync(&self.installation.data())
    }

    async fn side(&self, pid: u32) -> Result<Side> {
        let target = Arc::new(self.installation.target("ours", self.access.clone()).await?);
        let mut supplies = supplies::by_wire(&target, &FEW).await?;
        let sessions = supplies.sessions.clone();
        supplies.draw_from(&self.loaded);
        supplies.sessions = sessions;
        Ok(Side { target, supplies, pid: Some(pid) })
    }

    fn measure(
        &self,
        setting: &Setting,
        runtime: &Runtime,
        rows: usize,
        operations: &[Operation],
        times: Times,
    ) -> Result<Point> {
        let (mut starts, mut idle_bytes) = (Vec::new(), 0);
        for _ in 0..STARTS {
            let server = self.installation.start(None)?;
            starts.push(server.first_answer.as_secs_f64() * 1e3);
            if starts.len() == STARTS {
                thread::sleep(SETTLE);
                idle_bytes = process::memory_bytes(server.pid())?;
            }
            server.stop()?;
        }
        let server = self.installation.start(Some(&setting.pinning))?;
        let side = runtime.block_on(self.side(server.pid()))?;
        let mut rounds: Vec<(Operation, Vec<Round>)> = operations.iter().map(|o| (*o, Vec::new())).collect();
        for _ in 0..ROUNDS {
            for (operation, rounds) in &mut rounds {
                rounds.push(runtime.block_on(side.closed(*operation, CONNECTIONS, times))?);
            }
        }
        for (operation, rounds) in &rounds {
            println!(
                "{} rows: {}: {} /s, {:.1} µs of the server each",
                thousands(rows as f64),
                operation.title(),
                thousands(of(rounds, |round| round.rate)),
                of(rounds, |round| round.cpu_us)
            );
        }
        runtime.block_on(side.check())?;
        server.stop()?;
        Ok(Point { rows, rounds, start_ms: median(starts), idle_bytes })
    }
}

fn of(rounds: &[Round], figure: impl Fn(&Round) -> f64) -> f64 {
    median(rounds.iter().map(figure))
}

/// A table and a plot of what grows with the number of `what`.
fn show(docs: &Docs, name: &str, what: &str, points: &[Point]) -> Result<()> {
    let Some(first) = points.first() else { return Ok(()) };
    let sizes: Vec<String> = points.iter().map(|point| svg::short(point.rows as f64)).collect();
    let mut table = format!("{} · {}\n\n| {what} | {} |\n", date(now()?), machine(), sizes.join(" | "));
    let _ = writeln!(table, "|---|{}", "--:|".repeat(points.len()));
    let mut line = |what: &str, cell: &dyn Fn(&Point) -> String| {
        let cells: Vec<String> = points.iter().map(cell).collect();
        let _ = writeln!(table, "| {what} | {} |", cells.join(" | "));
    };
    let mut plotted = Vec::new();
    for (at, (operation, _)) in first.rounds.iter().enumerate() {
        line(operation.title(), &|point| {
            let rounds = &point.rounds[at].1;
            format!(
                "{:.1} µs, {} /s",
                of(rounds, |round| round.cpu_us),
                thousands(of(rounds, |round| round.rate))
            )
        });
        let points =
            points.iter().map(|point| (point.rows as f64, of(&point.rounds[at].1, |round| round.cpu_us)));
        plotted.push(Curve { name: operation.title().replace('`', ""), points: points.collect() });
    }
    line("start to first answer", &|point| format!("{:.0} ms", point.start_ms));
    line("memory, idle", &|point| format!("{:.1} MiB", point.idle_bytes as f64 / MIB));
    docs.table(name, &table)?;
    let labels = Labels {
        title: "Processor time of one operation as the database grows",
        x: what,
        y: "server's processor time, µs",
    };
    docs.image(&format!("curves-{name}"), &svg::curves(&labels, &plotted, Log::X))
}

/// Latency of a code exchange as the load comes near the capacity, in the open loop.
fn latency(setting: &Setting, runtime: &Runtime, docs: &Docs, grown: &mut Grown, times: Times) -> Result<()> {
    let operation = Operation::CodeEs256;
    let server = grown.installation.start(Some(&setting.pinning))?;
    let side = runtime.block_on(grown.side(server.pid()))?;
    let mut rates = Vec::new();
    for _ in 0..ROUNDS {
        rates.push(runtime.block_on(side.closed(operation, CONNECTIONS, times))?.rate);
    }
    let capacity = median(rates);
    let long = Times { time: times.time * 2, ..times };
    let mut table = format!(
        "{} · {} · capacity {} /s in the closed loop\n\n| of the capacity | p50 | p99 | p99.9 |\n|--:|--:|--:|--:|\n",
        date(now()?),
        machine(),
        thousands(capacity)
    );
    let mut curves = ["p50", "p99", "p99.9"].map(|name| Curve { name: name.to_owned(), points: Vec::new() });
    for share in SHARES {
        let found = runtime.block_on(side.open(operation, CONNECTIONS, long, capacity * share))?;
        let _ = writeln!(
            table,
            "| {:.0} % | {} | {} | {} |",
            share * 100.0,
            ms(found.p50_ms),
            ms(found.p99_ms),
            ms(found.p999_ms)
        );
        for (curve, latency) in curves.iter_mut().zip([found.p50_ms, found.p99_ms, found.p999_ms]) {
            curve.points.push((found.rate, latency));
        }
    }
    server.stop()?;
    docs.table("latency", &table)?;
    let labels = Labels {
        title: "Latency of a code exchange (ES256) in the open loop",
        x: "code exchanges begun in a second",
        y: "latency from the intended start, ms",
    };
    docs.image("latency", &svg::curves(&labels, &curves, Log::Y))
}
