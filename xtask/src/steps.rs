//! Progress: a line when a step starts and when it ends, a table at the end.

use std::fmt;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::Result;

/// The steps of a task so far.
pub(crate) struct Steps {
    started: Instant,
    done: Vec<(&'static str, Outcome)>,
}

enum Outcome {
    Passed(Duration),
    Failed(Duration),
    Skipped,
}

impl Steps {
    pub(crate) fn new() -> Self {
        Self { started: Instant::now(), done: Vec::new() }
    }

    /// Runs one step. A failed one is told at once and remembered; the task decides whether to go on.
    pub(crate) fn run<T>(&mut self, name: &'static str, step: impl FnOnce() -> Result<T>) -> Option<T> {
        println!("==> {name}");
        let started = Instant::now();
        let result = step();
        let took = started.elapsed();
        let outcome = if result.is_ok() { Outcome::Passed(took) } else { Outcome::Failed(took) };
        if let Err(error) = &result {
            println!("{error:#}");
        }
        println!("<== {name}: {outcome}\n");
        self.done.push((name, outcome));
        result.ok()
    }

    /// Notes a step that is left out, and why.
    pub(crate) fn skip(&mut self, name: &'static str, reason: &str) {
        println!("--- {name}: skipped, {reason}\n");
        self.done.push((name, Outcome::Skipped));
    }

    pub(crate) fn have_failed(&self) -> bool {
        self.done.iter().any(|(_, outcome)| matches!(outcome, Outcome::Failed(_)))
    }

    /// Prints the table and says how the task ended.
    pub(crate) fn finish(self) -> ExitCode {
        for (name, outcome) in &self.done {
            println!("{name:<24} {outcome}");
        }
        let verdict = if self.have_failed() { "FAILED" } else { "passed" };
        println!("{:<24} {verdict}, {:.1} s", "all", self.started.elapsed().as_secs_f64());
        let count = |is: fn(&Outcome) -> bool| self.done.iter().filter(|(_, outcome)| is(outcome)).count();
        println!(
            "steps: {} passed, {} failed, {} skipped",
            count(|outcome| matches!(outcome, Outcome::Passed(_))),
            count(|outcome| matches!(outcome, Outcome::Failed(_))),
            count(|outcome| matches!(outcome, Outcome::Skipped)),
        );
        ExitCode::from(u8::from(self.have_failed()))
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Passed(took) => write!(f, "passed, {:.1} s", took.as_secs_f64()),
            Self::Failed(took) => write!(f, "FAILED, {:.1} s", took.as_secs_f64()),
            Self::Skipped => f.write_str("skipped"),
        }
    }
}
