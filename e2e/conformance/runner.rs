//! Runs every module with every variant on every engine, and tells as `cargo test` does.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::process::ExitCode;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use authmachine_e2e::Engine;
use tokio::runtime::{Handle, Runtime};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use crate::areas::{MODULES, Module};
use crate::documentation;
use crate::installation::Installation;
use crate::run::Run;
use crate::variant::Variant;

/// Runs at a time. Most of their time is the provider's, in a process of its own.
const AT_ONCE: usize = 12;
/// Longer than the longest wait in a module.
const LIMIT: Duration = Duration::from_secs(180);
/// Pages are long; what matters stands at their beginning.
const MAX_SHOWN: usize = 3_000;
/// The table's own test.
const DOCUMENTATION: &str = "documentation::every_module_is_in_the_table";

tokio::task_local! {
    /// What went wrong in this task.
    static FAILURE: Arc<Mutex<String>>;
}

/// What `cargo test` hands on.
#[derive(Default)]
struct Arguments {
    filters: Vec<String>,
    skipped: Vec<String>,
    is_exact: bool,
    only_list: bool,
}

impl Arguments {
    fn read() -> Self {
        let mut arguments = Self::default();
        let mut given = std::env::args().skip(1);
        while let Some(argument) = given.next() {
            match argument.as_str() {
                "--exact" => arguments.is_exact = true,
                "--list" => arguments.only_list = true,
                "--skip" => arguments.skipped.extend(given.next()),
                // Of libtest's, with a value.
                "--test-threads" | "--format" | "--color" | "-Z" => drop(given.next()),
                flag if flag.starts_with('-') => {}
                filter => arguments.filters.push(filter.to_owned()),
            }
        }
        arguments
    }

    fn wants(&self, name: &str) -> bool {
        let fits =
            |filter: &String| if self.is_exact { filter == name } else { name.contains(filter.as_str()) };
        (self.filters.is_empty() || self.filters.iter().any(fits)) && !self.skipped.iter().any(fits)
    }
}

/// A run to be made.
struct Planned {
    name: String,
    engine: &'static str,
    module: &'static Module,
    variant: Variant,
}

pub(crate) fn main() -> ExitCode {
    let arguments = Arguments::read();
    let mut planned: Vec<Planned> = ["sqlite", "postgres"].into_iter().flat_map(of_engine).collect();
    planned.retain(|run| arguments.wants(&run.name));
    // What waits longest begins first.
    planned.sort_by_key(|run| !run.module.waits());
    if arguments.only_list {
        planned.iter().for_each(|run| tell(&format!("{}: test", run.name)));
        return ExitCode::SUCCESS;
    }
    let mut results = BTreeMap::new();
    if arguments.wants(DOCUMENTATION) {
        let result = std::panic::catch_unwind(documentation::every_module_is_in_the_table);
        results.insert(DOCUMENTATION.to_owned(), result.map_err(|_| "see above".to_owned()));
    }
    let started = Instant::now();
    if !planned.is_empty() {
        note_failures();
        let runtime = Runtime::new().expect("threads can be started");
        results.extend(runtime.block_on(run_all(planned)));
    }
    summarize(&results, started.elapsed())
}

fn of_engine(engine: &'static str) -> impl Iterator<Item = Planned> {
    MODULES.iter().flat_map(move |module| {
        module.variants().map(move |variant| {
            let name = format!("{engine}::{}::{} ({variant})", module.area, module.name);
            Planned { name, engine, module, variant }
        })
    })
}

type Outcome = Result<(), String>;

async fn run_all(planned: Vec<Planned>) -> BTreeMap<String, Outcome> {
    let mut installations = BTreeMap::new();
    for (name, engine) in [("sqlite", Some(Engine::Sqlite)), ("postgres", Engine::postgres())] {
        if let (Some(engine), true) = (engine, planned.iter().any(|run| run.engine == name)) {
            installations.insert(name, Arc::new(start(name, engine)));
        }
    }
    let slots = Arc::new(Semaphore::new(AT_ONCE));
    let mut running = JoinSet::new();
    for Planned { name, engine, module, variant } in planned {
        // An engine that is left out by name.
        let Some(installation) = installations.get(engine).cloned() else { continue };
        let slots = slots.clone();
        running.spawn(async move {
            let failure = Arc::<Mutex<String>>::default();
            let task = tokio::spawn(FAILURE.scope(failure.clone(), async move {
                let run = Run::begin(installation, variant, slots).await;
                tokio::time::timeout(LIMIT, (module.run)(&run)).await.expect("it ends in time");
                run.end().await;
            }));
            let said = || failure.lock().unwrap_or_else(PoisonError::into_inner).clone();
            (name, task.await.map_err(|_| said()))
        });
    }
    let mut results = BTreeMap::new();
    while let Some(done) = running.join_next().await {
        let (name, outcome) = done.expect("what may panic runs in a task of its own");
        tell(&format!("test {name} ... {}", if outcome.is_ok() { "ok" } else { "FAILED" }));
        results.insert(name, outcome);
    }
    results
}

/// Starts an installation on a thread that is called after it, as its log is.
fn start(name: &str, engine: Engine) -> Installation {
    let runtime = Handle::current();
    let start = move || runtime.block_on(Installation::start(&engine));
    let thread = std::thread::Builder::new().name(format!("conformance-{name}")).spawn(start);
    let installation = thread.expect("threads can be started").join();
    installation.unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}

/// What fails in a run is kept for the end, with the place.
fn note_failures() {
    let usual = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        let text = panic.payload_as_str().unwrap_or("it panicked");
        let place = panic.location().map(|place| format!("{}:{}: ", place.file(), place.line()));
        let failure = format!("{}{text}", place.unwrap_or_default());
        let kept = FAILURE.try_with(|kept| *kept.lock().unwrap_or_else(PoisonError::into_inner) = failure);
        if kept.is_err() {
            usual(panic);
        }
    }));
}

fn summarize(results: &BTreeMap<String, Outcome>, took: Duration) -> ExitCode {
    let failed: Vec<_> =
        results.iter().filter_map(|(name, outcome)| Some((name, outcome.as_ref().err()?))).collect();
    for (name, why) in &failed {
        let shown: String = why.chars().take(MAX_SHOWN).collect();
        tell(&format!("\n---- {name} ----\n{shown}"));
    }
    let verdict = if failed.is_empty() { "ok" } else { "FAILED" };
    tell(&format!(
        "\ntest result: {verdict}. {} passed; {} failed; finished in {:.2}s\n",
        results.len() - failed.len(),
        failed.len(),
        took.as_secs_f64()
    ));
    ExitCode::from(u8::from(!failed.is_empty()))
}

fn tell(line: &str) {
    // Without a terminal there is nobody to tell.
    let _ = writeln!(std::io::stdout(), "{line}");
}
