//! One fault, many times: how often, from which seed, and what came of it.

use std::fs::File;
use std::io::Write as _;
use std::str::FromStr;
use std::time::Duration;

use authmachine_e2e::{Engine, Random, note};
use serde_json::json;

/// How often a fault happens in this run. A run says so by `AUTHMACHINE_FAULTS`: a number, or `full`; else it is short.
fn count(short: usize, full: usize) -> usize {
    match std::env::var("AUTHMACHINE_FAULTS") {
        Ok(text) if text == "full" => full,
        Ok(text) => usize::from_str(&text).expect("AUTHMACHINE_FAULTS is `full` or a number"),
        Err(_) => short,
    }
}

/// A fault that happens again and again to one server, and the account of it. What is lost panics; dropped without
/// [`Scenario::end`], the account says that it failed, and with which seed.
pub(crate) struct Scenario {
    name: &'static str,
    /// Rows of the checklist.
    checks: &'static str,
    engine: &'static str,
    seed: u64,
    /// How often the fault happens.
    pub(crate) count: usize,
    /// What is chosen, is chosen by this.
    pub(crate) random: Random,
    faults: usize,
    acknowledged: usize,
    /// Times until normal service.
    recoveries: Vec<Duration>,
    is_over: bool,
}

impl Scenario {
    /// Begins one: what happens, the rows of the checklist, and how often it happens in a short and in a full run.
    pub(crate) fn begin(
        name: &'static str,
        checks: &'static str,
        engine: &Engine,
        short: usize,
        full: usize,
    ) -> Self {
        let seed = Random::seed();
        let count = count(short, full);
        note(format_args!(
            "{name} ({checks}), {} {count} times, AUTHMACHINE_TEST_SEED={seed}",
            engine.name()
        ));
        Self {
            name,
            checks,
            engine: engine.name(),
            seed,
            count,
            random: Random::new(seed),
            faults: 0,
            acknowledged: 0,
            recoveries: Vec::new(),
            is_over: false,
        }
    }

    /// Whether this run has the time for what takes long.
    pub(crate) fn is_full(&self) -> bool {
        std::env::var("AUTHMACHINE_FAULTS").is_ok_and(|text| text == "full")
    }

    /// A fault has happened.
    pub(crate) fn happened(&mut self) {
        self.faults += 1;
    }

    /// A fault has happened, and service was normal again after this long.
    pub(crate) fn recovered(&mut self, after: Duration) {
        self.happened();
        self.recoveries.push(after);
    }

    /// So many more writes were acknowledged.
    pub(crate) fn acknowledged(&mut self, count: usize) {
        self.acknowledged += count;
    }

    /// Nothing was lost. The median of the times until normal service, if any was measured.
    pub(crate) fn end(mut self) -> Option<Duration> {
        self.is_over = true;
        self.recoveries.sort_unstable();
        let (faults, acknowledged) = (self.faults, self.acknowledged);
        note(format_args!(
            "{}, {}: {faults} faults, {acknowledged} acknowledged writes, 0 lost; normal again after (median, worst): {:?}",
            self.name,
            self.engine,
            self.times()
        ));
        self.report();
        self.times().map(|(median, _)| median)
    }

    fn times(&self) -> Option<(Duration, Duration)> {
        let median = self.recoveries.get(self.recoveries.len() / 2)?;
        Some((*median, *self.recoveries.last()?))
    }

    /// Adds a line to the report that `AUTHMACHINE_FAULTS_REPORT` names.
    fn report(&self) {
        let Some(path) = std::env::var_os("AUTHMACHINE_FAULTS_REPORT") else { return };
        let ms = |time: Duration| u64::try_from(time.as_millis()).expect("it does not take ages");
        let line = json!({
            "fault": self.name,
            "checks": self.checks,
            "engine": self.engine,
            "seed": self.seed.to_string(),
            "held": self.is_over,
            "faults": self.faults,
            "acknowledged": self.acknowledged,
            "median_ms": self.times().map(|(median, _)| ms(median)),
            "worst_ms": self.times().map(|(_, worst)| ms(worst)),
        });
        let file = File::options().create(true).append(true).open(path);
        file.and_then(|mut file| writeln!(file, "{line}")).expect("the report can be written");
    }
}

impl Drop for Scenario {
    fn drop(&mut self) {
        if !self.is_over {
            note(format_args!("{}, {}: FAILED, AUTHMACHINE_TEST_SEED={}", self.name, self.engine, self.seed));
            self.report();
        }
    }
}
