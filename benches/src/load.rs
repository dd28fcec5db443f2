//! The closed loop: so many connections, each with one request on its way, for so long.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use tokio::sync::Barrier;
use tokio::task::JoinSet;

use crate::http::{Answer, Connection};

/// What one connection asks, and how it judges the answers.
pub(crate) trait Lane: Send {
    /// The next request; `None` when nothing is left to ask.
    fn request(&mut self) -> Option<&[u8]>;

    /// Looks at the answer.
    fn answer(&mut self, answer: &Answer<'_>) -> Result<()>;
}

/// What a run came to.
pub(crate) struct Run {
    pub(crate) elapsed: Duration,
    /// Of every request, sorted.
    latencies_us: Vec<u32>,
}

impl Run {
    pub(crate) fn requests(&self) -> usize {
        self.latencies_us.len()
    }

    pub(crate) fn rate(&self) -> f64 {
        self.requests() as f64 / self.elapsed.as_secs_f64()
    }

    /// The latency that `share` of the requests did not exceed.
    pub(crate) fn percentile_us(&self, share: f64) -> f64 {
        let at = (share * self.latencies_us.len() as f64) as usize;
        self.latencies_us
            .get(at.min(self.latencies_us.len().saturating_sub(1)))
            .copied()
            .unwrap_or_default()
            .into()
    }
}

/// Runs the lanes against the server at `address` for `time`, and gives them back.
pub(crate) async fn run(
    address: SocketAddr,
    lanes: Vec<Box<dyn Lane>>,
    time: Duration,
) -> Result<(Run, Vec<Box<dyn Lane>>)> {
    let start = Arc::new(Barrier::new(lanes.len()));
    let mut running = JoinSet::new();
    for lane in lanes {
        running.spawn(one(address, lane, time, start.clone()));
    }
    let mut lanes = Vec::new();
    let mut latencies_us = Vec::new();
    let mut elapsed = Duration::ZERO;
    while let Some(ended) = running.join_next().await {
        let (lane, latencies, took) = ended.context("a lane panicked")??;
        lanes.push(lane);
        latencies_us.extend(latencies);
        elapsed = elapsed.max(took);
    }
    latencies_us.sort_unstable();
    Ok((Run { elapsed, latencies_us }, lanes))
}

async fn one(
    address: SocketAddr,
    mut lane: Box<dyn Lane>,
    time: Duration,
    start: Arc<Barrier>,
) -> Result<(Box<dyn Lane>, Vec<u32>, Duration)> {
    let opened = Connection::open(address).await;
    // Whoever fails must not keep the others waiting.
    start.wait().await;
    let mut connection = opened?;
    let mut latencies = Vec::with_capacity(64 * 1024);
    let began = Instant::now();
    let mut now = began;
    while now - began < time {
        let Some(request) = lane.request() else { break };
        let answer = connection.send(request).await?;
        let answered = Instant::now();
        latencies.push(u32::try_from((answered - now).as_micros()).unwrap_or(u32::MAX));
        lane.answer(&answer)?;
        now = Instant::now();
    }
    Ok((lane, latencies, now - began))
}
