//! The table: every operation on one provider, or on two in turn.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use authmachine_store::settings::Synchronous;
use tokio::runtime::Runtime;

use crate::bars::Part;
use crate::docs::Docs;
use crate::floor::{self, Floor};
use crate::foreign::Foreign;
use crate::installation::Installation;
use crate::load::Times;
use crate::measure::Side;
use crate::operations::{self, Connections, Operation};
use crate::process::{self, Server};
use crate::progress::Progress;
use crate::report::{self, Binary, Conditions, Line, Report, SideReport};
use crate::rows::{self, Loaded, Rows};
use crate::setting::{Engine, Setting, seconds};
use crate::supplies::{self, Amounts, FEW, Supplies};
use crate::target::{Access, Client, Extras, Login, Target};

/// Starts that are measured, of each kind.
const STARTS: usize = 5;
/// After a start, before its memory is looked at.
const SETTLE: Duration = Duration::from_secs(1);
/// What is got over the wire where nothing can be put into the database.
const AMOUNTS: Amounts = Amounts { tokens: 1_000, permission_tokens: 100 };
/// Fewer operations have no latency worth a percentile.
const FEWEST: f64 = 10.0;
const ROWS: u32 = 500_000;
/// They go in over a connection.
const POSTGRES_ROWS: u32 = 20_000;
const WARM_UP: Duration = Duration::from_millis(250);

/// What is measured, and for how long.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// Measures these operations alone, by the beginning of their names (again for more)
    #[arg(long, value_name = "NAME")]
    only: Vec<String>,
    /// Measures another provider in turn, with ratios: `oidc-provider`, or the path of another `authmachine` binary
    #[arg(long, value_name = "WHOM")]
    against: Option<PathBuf>,
    /// How often each operation is measured
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u8).range(1..=50))]
    rounds: u8,
    /// How long each time, in seconds
    #[arg(long, default_value = "1", value_parser = seconds)]
    seconds: Duration,
    /// Share of the capacity in the open loop, from which the latencies are; 0 leaves it out
    #[arg(long, default_value = "0.5")]
    share: f64,
    /// Connections, each with one request on its way
    #[arg(long, default_value_t = 32, value_parser = clap::value_parser!(u16).range(1..=1_000))]
    connections: u16,
    /// Connections of operations that wait for the disk
    #[arg(long, default_value_t = 96, value_parser = clap::value_parser!(u16).range(1..=1_000))]
    durable_connections: u16,
    /// Rows in each table of tokens before the load: 500,000, on PostgreSQL 20,000; 0, as beside another provider, has a thousand
    /// that came over the wire
    #[arg(long, value_parser = clap::value_parser!(u32).range(0..=2_000_000))]
    rows: Option<u32>,
    /// Puts the table and the plot into the documentation
    #[arg(long)]
    docs: bool,
    /// Leaves out starts and memory
    #[arg(long)]
    no_starts: bool,
}

/// A provider under load, with the server and what it stands in, where these are ours and go with it.
pub(crate) struct Contestant {
    pub(crate) side: Side,
    /// What its work costs alone.
    floor: Option<Floor>,
    rows: usize,
    server: Option<(Server, Place)>,
}

#[expect(dead_code, reason = "their folders go with them")]
enum Place {
    Ours(Installation),
    Foreign(Foreign),
}

/// A provider that runs already.
#[derive(clap::Args)]
pub(crate) struct Elsewhere {
    /// Where its discovery document is, such as http://localhost:8000/.well-known/openid-configuration
    #[arg(long, value_name = "URL")]
    discovery: String,
    /// A client with client_secret_basic, and with as many grant types as are to be measured
    #[arg(long, value_name = "ID")]
    client_id: String,
    /// Its secret, which the process list shows: only for a provider that is there to be measured
    #[arg(long, value_name = "S")]
    client_secret: String,
    /// Where it has browsers return to
    #[arg(long, value_name = "URI")]
    redirect_uri: String,
    /// Where it has browsers return to after signing out
    #[arg(long, value_name = "URI", default_value = "")]
    post_logout_redirect_uri: String,
    /// What its ID tokens are signed with
    #[arg(long, value_name = "ALG", default_value = "RS256")]
    id_token_alg: String,
    /// What it asks for
    #[arg(long, default_value = "openid profile email")]
    scope: String,
    /// What is typed into the form of the login page, such as username=alice (again for more)
    #[arg(long, value_name = "FIELD=VALUE", value_parser = pair)]
    field: Vec<(String, String)>,
    /// The `Cookie` header of a browser that is signed in, instead
    #[arg(long, conflicts_with = "field")]
    cookie: Option<String>,
    /// The server's process on this machine, for its processor time and memory
    #[arg(long)]
    pid: Option<u32>,
}

fn pair(text: &str) -> Result<(String, String), String> {
    let pair = text.split_once('=').ok_or("not a pair such as username=alice")?;
    Ok((pair.0.to_owned(), pair.1.to_owned()))
}

impl Contestant {
    /// Stops the server, if it is ours.
    pub(crate) fn stop(self) -> Result<()> {
        match self.server {
            Some((server, _place)) => server.stop(),
            None => Ok(()),
        }
    }
}

/// Measures our own binary, alone or in turn with another.
pub(crate) fn run(setting: &Setting, options: &Options) -> Result<Report> {
    let binary = match options.no_starts || options.against.is_some() || !options.only.is_empty() {
        true => None,
        false => Some(starts(setting)?),
    };
    setting.pinning.pin_self()?;
    let runtime = setting.runtime()?;

    let mut contestants = Vec::new();
    let rows = match (options.against.is_some(), setting.engine) {
        (true, _) => 0,
        (false, Engine::Sqlite) => options.rows.unwrap_or(ROWS),
        (false, Engine::Postgres) => options.rows.unwrap_or(POSTGRES_ROWS),
    };
    let waiting = Some(options.durable_connections.into());
    contestants.push(ours(setting, &runtime, &setting.binary, "ours", rows as usize, waiting)?);
    match &options.against {
        None => {}
        Some(name) if name.as_os_str() == "oidc-provider" => {
            contestants.push(runtime.block_on(oidc_provider(setting))?);
        }
        Some(other) => {
            let other = setting.root.join(other);
            contestants.push(ours(setting, &runtime, &other, "the other", 0, None)?);
        }
    }

    let report = measure(setting, options, &runtime, contestants, binary)?;
    let name = match (&options.against, setting.engine) {
        (Some(_), _) => "compared",
        (None, Engine::Sqlite) => "table",
        (None, Engine::Postgres) => "postgres",
    };
    let docs = Docs::new(&setting.folder, options.docs.then_some(&setting.root))?;
    docs.table(name, &report.markdown())?;
    docs.image(name, &report.plot())?;
    println!("written: {}", report.write(&setting.folder)?.display());
    Ok(report)
}

/// Measures a provider that runs already.
pub(crate) fn run_elsewhere(setting: &Setting, options: &Options, elsewhere: &Elsewhere) -> Result<()> {
    setting.pinning.pin_self()?;
    let runtime = setting.runtime()?;
    let client = Client {
        id: elsewhere.client_id.clone(),
        secret: elsewhere.client_secret.clone(),
        redirect_uri: elsewhere.redirect_uri.clone(),
        post_logout_redirect_uri: elsewhere.post_logout_redirect_uri.clone(),
        algorithm: elsewhere.id_token_alg.clone(),
        scope: elsewhere.scope.clone(),
    };
    let login = match &elsewhere.cookie {
        Some(cookie) => Login::Cookie(cookie.clone()),
        None => Login::Form(elsewhere.field.clone()),
    };
    let access = Access { clients: vec![client], login, extras: Extras::default() };
    let side = runtime.block_on(async {
        let target = Arc::new(Target::discover("the provider", &elsewhere.discovery, access).await?);
        let supplies = supplies::by_wire(&target, &AMOUNTS).await?;
        anyhow::Ok(Side { target, supplies, pid: elsewhere.pid })
    })?;
    let contestants = vec![Contestant { side, floor: None, rows: 0, server: None }];
    println!("\n{}", measure(setting, options, &runtime, contestants, None)?.markdown());
    Ok(())
}

fn measure(
    setting: &Setting,
    options: &Options,
    runtime: &Runtime,
    contestants: Vec<Contestant>,
    binary: Option<Binary>,
) -> Result<Report> {
    let operations = choose(&options.only)?;
    let connections =
        Connections { usual: options.connections.into(), durable: options.durable_connections.into() };
    let times = Times { warm_up: WARM_UP, time: options.seconds };
    let line = |operation: Operation, contestant: &Contestant| Line {
        operation,
        absent: operation.absence(&contestant.side.target, &contestant.side.supplies),
        rounds: Vec::new(),
        latency: None,
    };
    let mut lines: Vec<Vec<Line>> = contestants
        .iter()
        .map(|contestant| operations.iter().map(|operation| line(*operation, contestant)).collect())
        .collect();

    let rounds = usize::from(options.rounds) + usize::from(options.share > 0.0);
    let progress = Progress::new(rounds * operations.len() * contestants.len());
    let (mut parts, mut disk_syncs) = (BTreeMap::<Part, Vec<f64>>::new(), Vec::new());
    let needed: BTreeSet<Part> = operations.iter().flat_map(|operation| operation.parts()).copied().collect();
    for round in 1..=options.rounds {
        if let [Contestant { floor: Some(floor), .. }] = contestants.as_slice() {
            progress.now("what the work costs alone");
            disk_syncs.push(floor::disk_syncs(&setting.folder)?);
            for part in &needed {
                if let Some(seconds) = floor.seconds(*part, runtime)? {
                    parts.entry(*part).or_default().push(seconds);
                }
            }
        }
        for (at, operation) in operations.iter().enumerate() {
            for (contestant, lines) in contestants.iter().zip(&mut lines) {
                let line = &mut lines[at];
                let what = format!(
                    "round {round} of {}: {}, {}",
                    options.rounds,
                    contestant.side.target.name,
                    operation.title()
                );
                progress.now(&what);
                if line.absent.is_some() {
                    continue;
                }
                let measured = runtime.block_on(contestant.side.closed(*operation, connections, times))?;
                progress.done(&format!(
                    "{what}: {} /s, {:.1} µs of the server each, busy {:.0} %",
                    report::thousands(measured.rate),
                    measured.cpu_us,
                    measured.busy * 100.0
                ));
                line.rounds.push(measured);
                if *operation == Operation::Empty && contestant.floor.is_some() {
                    parts.entry(Part::Request).or_default().push(1.0 / measured.rate);
                }
            }
        }
    }
    for (at, operation) in operations.iter().enumerate().filter(|_| options.share > 0.0) {
        for (contestant, lines) in contestants.iter().zip(&mut lines) {
            let line = &mut lines[at];
            if line.absent.is_some() || line.rounds.is_empty() {
                continue;
            }
            let rate = line.rate() * options.share;
            if rate * options.seconds.as_secs_f64() < FEWEST {
                continue;
            }
            let latency = runtime.block_on(contestant.side.open(*operation, connections, times, rate))?;
            progress.done(&format!(
                "open loop: {}, {} at {} /s: p99 {:.2} ms",
                contestant.side.target.name,
                operation.title(),
                report::thousands(rate),
                latency.p99_ms
            ));
            line.latency = Some(latency);
        }
    }
    drop(progress);

    let has_bars = matches!(contestants.as_slice(), [Contestant { floor: Some(_), .. }]);
    let rows = contestants.first().map_or(0, |contestant| contestant.rows);
    let mut sides = Vec::new();
    for (contestant, lines) in contestants.into_iter().zip(lines) {
        let peak_bytes = contestant.side.pid.map(process::peak_memory_bytes).transpose()?;
        let checked = runtime.block_on(contestant.side.check())?;
        sides.push(SideReport { name: contestant.side.target.name.clone(), peak_bytes, lines, checked });
        contestant.stop()?;
    }
    Ok(Report {
        run: Conditions {
            at: report::now()?,
            machine: report::machine(),
            is_pinned: setting.pinning.is_on(),
            connections: connections.usual,
            durable_connections: connections.durable,
            engine: setting.engine.title().to_owned(),
            log_level: setting.log_level.clone(),
            rows,
            rounds: options.rounds.into(),
            seconds: options.seconds.as_secs_f64(),
            share: options.share,
            has_bars,
        },
        parts,
        disk_syncs,
        binary,
        sides,
    })
}

/// The operations whose names begin with one of `only`; all without any. A name is a title without what is no letter or digit.
fn choose(only: &[String]) -> Result<Vec<Operation>> {
    if only.is_empty() {
        return Ok(operations::ALL.to_vec());
    }
    let plain = |text: &str| -> String {
        text.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_lowercase()).collect()
    };
    let begins = |operation: &Operation, name: &String| plain(operation.title()).starts_with(&plain(name));
    for name in only {
        let names = || operations::ALL.map(Operation::title).join(", ");
        ensure!(
            operations::ALL.iter().any(|operation| begins(operation, name)),
            "no {name}; there are: {}",
            names()
        );
    }
    // The first is part of the floor of the others.
    let is_chosen = |operation: &Operation| {
        *operation == Operation::Empty || only.iter().any(|name| begins(operation, name))
    };
    Ok(operations::ALL.into_iter().filter(is_chosen).collect())
}

/// Start-up and memory without load.
fn starts(setting: &Setting) -> Result<Binary> {
    println!("start-up and memory …");
    let (mut first_starts_ms, mut later_starts_ms, mut idle_bytes) = (Vec::new(), Vec::new(), 0);
    for _ in 0..STARTS {
        let installation = setting.installation(&setting.binary)?;
        for starts in [&mut first_starts_ms, &mut later_starts_ms] {
            let server = installation.start(None)?;
            starts.push(server.first_answer.as_secs_f64() * 1e3);
            if starts.len() == STARTS {
                thread::sleep(SETTLE);
                idle_bytes = process::memory_bytes(server.pid())?;
            }
            server.stop()?;
        }
    }
    Ok(Binary { bytes: fs::metadata(&setting.binary)?.len(), idle_bytes, first_starts_ms, later_starts_ms })
}

/// A running installation of a binary of ours, with so many rows put into its tables; with `waiting`, what its work costs alone can
/// be measured, so many units of work waiting at a time.
pub(crate) fn ours(
    setting: &Setting,
    runtime: &Runtime,
    binary: &Path,
    name: &str,
    rows: usize,
    waiting: Option<usize>,
) -> Result<Contestant> {
    let installation = setting.installation(binary)?;
    let access = installation.prepare()?;
    let (mut loaded, mut floor) = (Loaded::default(), None);
    if rows > 0 {
        println!("putting {} rows into each table of tokens …", report::thousands(rows as f64));
        let rows = Rows {
            users: (rows / 50).max(1),
            tokens: rows,
            permission_tokens: (rows / 10).max(1),
            sessions: (rows / 5).max(100),
        };
        rows::load(&installation.store(Synchronous::Off)?, rows, &mut loaded, 1)?;
        if setting.engine == Engine::Sqlite {
            rows::sync(&installation.data())?;
        }
        if let Some(waiting) = waiting.filter(|_| setting.engine == Engine::Sqlite) {
            let alone = installation.data().join("alone");
            rows::copy(&installation.data(), &alone)?;
            floor = Some(Floor::with_store(&alone, Arc::new(loaded.clone()), waiting)?);
        }
    }
    let server = installation.start(Some(&setting.pinning))?;
    let target = Arc::new(runtime.block_on(installation.target(name, access))?);
    let amounts = if rows > 0 { FEW } else { AMOUNTS };
    let mut supplies = runtime
        .block_on(supplies::by_wire(&target, &amounts))
        .with_context(|| format!("{name}: getting ready"))?;
    if rows > 0 {
        supplies.draw_from(&loaded);
    }
    let contestant = contestant(target, supplies, server, Place::Ours(installation));
    Ok(Contestant { floor, rows, ..contestant })
}

async fn oidc_provider(setting: &Setting) -> Result<Contestant> {
    let packages =
        setting.node.as_deref().context("AUTHMACHINE_BENCH_NODE is not set; run `cargo xtask bench`")?;
    let foreign = Foreign::new(packages, &setting.folder)?;
    let server = foreign.start(&setting.pinning)?;
    let target = Arc::new(foreign.target().await?);
    let supplies = supplies::by_wire(&target, &AMOUNTS).await.context("oidc-provider: getting ready")?;
    Ok(contestant(target, supplies, server, Place::Foreign(foreign)))
}

fn contestant(target: Arc<Target>, supplies: Supplies, server: Server, place: Place) -> Contestant {
    let pid = Some(server.pid());
    Contestant { side: Side { target, supplies, pid }, floor: None, rows: 0, server: Some((server, place)) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::process::Pinning;

    #[derive(clap::Parser)]
    struct Arguments {
        #[command(flatten)]
        options: Options,
    }

    #[test]
    fn the_built_server_is_measured_and_its_answers_are_looked_at() {
        let args = "bench --no-starts --rounds 1 --seconds 0.3 --rows 500 --durable-connections 8 --connections 4 \
                    --only check --only userinfo --only code-exchange-ES --only refresh --only logout";
        let Arguments { options } = clap::Parser::parse_from(args.split_whitespace());
        let mut setting = Setting::read(Engine::Sqlite, "warn").expect("AUTHMACHINE_TEST_BIN is set");
        setting.pinning = Pinning::off();
        let report = run(&setting, &options).expect("every answer is right");
        let side = &report.sides[0];
        assert_eq!(side.lines.len(), 7);
        for line in &side.lines {
            assert!(line.rate() > 0.0 && report.of_floor(line) > 0.0, "{}", line.operation.title());
        }
        assert!(side.checked.signatures > 0 && side.checked.refused_codes > 0);
        assert!(report.markdown().contains("| refresh with rotation |") && report.plot().contains("<svg"));
    }

    #[test]
    fn operations_are_chosen_by_the_beginning_of_their_names() {
        let chosen = |only: &[&str]| choose(&only.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>());
        assert_eq!(chosen(&[]).expect("all").len(), operations::ALL.len());
        let (empty, es256, rs256) = (Operation::Empty, Operation::CodeEs256, Operation::CodeRs256);
        assert_eq!(chosen(&["code-exchange"]).expect("two"), [empty, es256, rs256]);
        assert_eq!(chosen(&["logout", "JWKS"]).expect("two"), [empty, Operation::Jwks, Operation::Logout]);
        assert!(chosen(&["nothing"]).is_err());
    }
}
