//! One side of a comparison: a running provider with what the load draws from, and what is measured on it.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde::Serialize;

use crate::http::Connection;
use crate::load::{self, Run, Times};
use crate::operations::{self, Connections, Operation};
use crate::process;
use crate::supplies::{self, Checked, Supplies};
use crate::target::Target;

/// A running provider under load.
pub(crate) struct Side {
    pub(crate) target: Arc<Target>,
    pub(crate) supplies: Supplies,
    /// Of its process; `None` where somebody else started it.
    pub(crate) pid: Option<u32>,
}

/// What the closed loop found in one round.
#[derive(Clone, Copy, Serialize)]
pub(crate) struct Round {
    pub(crate) operations: usize,
    pub(crate) rate: f64,
    pub(crate) p50_ms: f64,
    pub(crate) p99_ms: f64,
    pub(crate) p999_ms: f64,
    /// The server's processor time for each operation.
    pub(crate) cpu_us: f64,
    /// How much of one processor the server used.
    pub(crate) busy: f64,
}

/// What the open loop found.
#[derive(Clone, Copy, Serialize)]
pub(crate) struct Latency {
    /// Operations begun in a second.
    pub(crate) rate: f64,
    pub(crate) p50_ms: f64,
    pub(crate) p99_ms: f64,
    pub(crate) p999_ms: f64,
}

impl Side {
    /// The capacity, in the closed loop.
    pub(crate) async fn closed(
        &self,
        operation: Operation,
        connections: Connections,
        times: Times,
    ) -> Result<Round> {
        let times = self.stock(operation, connections, times).await?;
        let lanes = operation.lanes(&self.target, &self.supplies, connections)?;
        let ran = load::closed(self.target.address, lanes, times, &|| self.cpu_time()).await;
        let run = self.not_empty(operation, ran)?;
        let (cpu_s, elapsed_s) = (run.cpu.as_secs_f64(), run.elapsed.as_secs_f64());
        let is_known = self.pid.is_some();
        Ok(Round {
            operations: run.operations(),
            rate: run.rate(),
            p50_ms: run.percentile_ms(0.5),
            p99_ms: run.percentile_ms(0.99),
            p999_ms: run.percentile_ms(0.999),
            cpu_us: if is_known { cpu_s * 1e6 / run.operations() as f64 } else { f64::NAN },
            busy: if is_known { cpu_s / elapsed_s } else { f64::NAN },
        })
    }

    /// The latency at `rate` operations a second.
    pub(crate) async fn open(
        &self,
        operation: Operation,
        connections: Connections,
        times: Times,
        rate: f64,
    ) -> Result<Latency> {
        let times = self.stock(operation, connections, times).await?;
        let lanes = operation.lanes(&self.target, &self.supplies, connections)?;
        let ran = load::open(self.target.address, lanes, times, &|| self.cpu_time(), rate).await;
        let run = self.not_empty(operation, ran)?;
        let of = |share| run.percentile_ms(share);
        Ok(Latency { rate, p50_ms: of(0.5), p99_ms: of(0.99), p999_ms: of(0.999) })
    }

    fn not_empty(&self, operation: Operation, run: Result<Run>) -> Result<Run> {
        let what = || format!("{}: {}", self.target.name, operation.title());
        let run = run.with_context(what)?;
        if run.operations() == 0 {
            bail!("{}: nothing was answered", what());
        }
        Ok(run)
    }

    /// Gets codes for an operation that redeems them, as many as come in twice its time. What is used up warms up on nothing: the
    /// server has just been busy.
    async fn stock(&self, operation: Operation, connections: Connections, times: Times) -> Result<Times> {
        let cold = Times { warm_up: Duration::ZERO, ..times };
        if operation == Operation::Logout {
            supplies::more_sessions(&self.target, &self.supplies).await?;
            return Ok(cold);
        }
        let Some(algorithm) = operation.algorithm() else { return Ok(times) };
        let client = operations::place(&self.target, algorithm)?;
        let lanes = operations::authorize(&self.target, &self.supplies, client, connections.durable);
        let long = Times { time: times.time * 2, ..cold };
        load::closed(self.target.address, lanes, long, &|| Ok(Duration::ZERO)).await?;
        Ok(cold)
    }

    fn cpu_time(&self) -> Result<Duration> {
        self.pid.map_or(Ok(Duration::ZERO), process::cpu_time)
    }

    /// Looks again at some of the answers.
    pub(crate) async fn check(&self) -> Result<Checked> {
        let mut connection = Connection::open(self.target.address).await?;
        self.supplies.samples.check(&self.target, &mut connection).await
    }
}
