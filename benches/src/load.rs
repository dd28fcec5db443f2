//! Load: so many connections, each with one request on its way. In the closed loop the next request follows the answer, which finds
//! out the capacity; in the open loop requests have their times, and latency counts from there, whoever was late.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use tokio::sync::{Barrier, Mutex, mpsc};
use tokio::task::{JoinSet, yield_now};
use tokio::time::sleep;

use crate::http::{Answer, Connection};
use crate::stats::percentile;

/// How far an operation has come with an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// It is done.
    Done,
    /// It has another request.
    More,
}

/// What one connection asks, and how it judges the answers.
pub(crate) trait Lane: Send {
    /// The next request; `None` when nothing is left to ask.
    fn request(&mut self) -> Option<&[u8]>;

    /// Looks at the answer.
    fn answer(&mut self, answer: &Answer<'_>) -> Result<Step>;
}

pub(crate) type Lanes = Vec<Box<dyn Lane>>;

/// How long.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Times {
    /// Runs before anything counts.
    pub(crate) warm_up: Duration,
    pub(crate) time: Duration,
}

/// What a run came to.
pub(crate) struct Run {
    pub(crate) elapsed: Duration,
    /// Of the server, while it counted.
    pub(crate) cpu: Duration,
    /// Of every operation, sorted.
    latencies_us: Vec<u32>,
}

/// After an open loop has ended, for what is still on its way.
const DRAIN: Duration = Duration::from_secs(3);

impl Run {
    pub(crate) fn operations(&self) -> usize {
        self.latencies_us.len()
    }

    pub(crate) fn rate(&self) -> f64 {
        self.operations() as f64 / self.elapsed.as_secs_f64()
    }

    /// The latency in milliseconds that `share` of the operations did not exceed.
    pub(crate) fn percentile_ms(&self, share: f64) -> f64 {
        percentile(&self.latencies_us, share) / 1e3
    }
}

/// When operations count.
#[derive(Clone, Copy)]
struct Window {
    from: Instant,
    until: Instant,
}

/// Where a lane's operations come from.
#[derive(Clone)]
enum Pace {
    /// One after the other.
    Closed,
    /// From the clock: the time at which each should begin.
    Open(Arc<Mutex<mpsc::UnboundedReceiver<Instant>>>),
}

/// Runs the lanes one request after the other. `cpu` tells the server's processor time so far.
pub(crate) async fn closed(
    address: SocketAddr,
    lanes: Lanes,
    times: Times,
    cpu: &dyn Fn() -> Result<Duration>,
) -> Result<Run> {
    run(address, lanes, times, cpu, None).await
}

/// Runs the lanes at `rate` operations a second.
pub(crate) async fn open(
    address: SocketAddr,
    lanes: Lanes,
    times: Times,
    cpu: &dyn Fn() -> Result<Duration>,
    rate: f64,
) -> Result<Run> {
    run(address, lanes, times, cpu, Some(rate)).await
}

/// Runs the lanes until nothing is left to ask, at most so long; how many operations that were.
pub(crate) async fn until_done(address: SocketAddr, lanes: Lanes, limit: Duration) -> Result<usize> {
    let start = Arc::new(Barrier::new(lanes.len()));
    let times = Times { warm_up: Duration::ZERO, time: limit };
    let mut running = JoinSet::new();
    for lane in lanes {
        running.spawn(one(address, lane, times, start.clone(), Pace::Closed));
    }
    let mut operations = 0;
    while let Some(ended) = running.join_next().await {
        operations += ended.context("a lane panicked")??.0.len();
    }
    Ok(operations)
}

async fn run(
    address: SocketAddr,
    lanes: Lanes,
    times: Times,
    cpu: &dyn Fn() -> Result<Duration>,
    rate: Option<f64>,
) -> Result<Run> {
    let start = Arc::new(Barrier::new(lanes.len() + 1));
    let (sender, receiver) = mpsc::unbounded_channel();
    let pace = match rate {
        Some(_) => Pace::Open(Arc::new(Mutex::new(receiver))),
        None => Pace::Closed,
    };
    let mut running = JoinSet::new();
    for lane in lanes {
        running.spawn(one(address, lane, times, start.clone(), pace.clone()));
    }
    start.wait().await;
    let pacemaker = rate.map(|rate| tokio::spawn(beat(sender, rate, times)));
    sleep(times.warm_up).await;
    let before = cpu()?;
    sleep(times.time).await;
    let cpu = cpu()?.saturating_sub(before);

    let (mut latencies_us, mut last) = (Vec::new(), Duration::ZERO);
    while let Some(ended) = running.join_next().await {
        let (latencies, until) = ended.context("a lane panicked")??;
        latencies_us.extend(latencies);
        last = last.max(until);
    }
    if let Some(pacemaker) = pacemaker {
        pacemaker.await.context("the pacemaker panicked")?;
    }
    latencies_us.sort_unstable();
    // Shorter when there was nothing left to ask.
    Ok(Run { elapsed: last.min(times.time), cpu, latencies_us })
}

/// Says when each operation should begin. It watches the clock without sleeping, because timers are a millisecond late; the load has
/// a processor of its own.
async fn beat(due: mpsc::UnboundedSender<Instant>, rate: f64, times: Times) {
    let began = Instant::now();
    let all = (rate * (times.warm_up + times.time).as_secs_f64()) as u32;
    for n in 0..all {
        let at = began + Duration::from_secs_f64(f64::from(n) / rate);
        while Instant::now() < at {
            yield_now().await;
        }
        if due.send(at).is_err() {
            return;
        }
    }
}

/// One lane on a connection of its own; its latencies in microseconds, and when the last operation that counts was done.
async fn one(
    address: SocketAddr,
    mut lane: Box<dyn Lane>,
    times: Times,
    start: Arc<Barrier>,
    pace: Pace,
) -> Result<(Vec<u32>, Duration)> {
    let opened = Connection::open(address).await;
    // Whoever fails must not keep the others waiting.
    start.wait().await;
    let mut connection = opened?;
    let mut latencies = Vec::with_capacity(64 * 1024);
    let from = Instant::now() + times.warm_up;
    let window = Window { from, until: from + times.time };
    let mut last = Duration::ZERO;
    let mut now = Instant::now();
    loop {
        let began = match &pace {
            Pace::Closed if now >= window.until => break,
            Pace::Closed => now,
            Pace::Open(due) => match due.lock().await.recv().await {
                Some(at) => at,
                None => break,
            },
        };
        // What is still to be begun by then is not asked any more: it has been late enough.
        let is_given_up = now > window.until + DRAIN;
        if !is_given_up {
            let Some(ended) = operation(&mut connection, lane.as_mut()).await? else { break };
            now = ended;
        }
        let counts = match pace {
            Pace::Closed => now > window.from && now <= window.until,
            // However late: that is what is to be found out.
            Pace::Open(_) => began >= window.from,
        };
        if counts {
            latencies.push(u32::try_from((now - began).as_micros()).unwrap_or(u32::MAX));
            last = now - window.from;
        }
    }
    if now >= window.until || matches!(pace, Pace::Open(_)) {
        last = times.time;
    }
    Ok((latencies, last))
}

/// One operation, by however many requests; when its last answer was there, or `None` when there was nothing to ask.
async fn operation(connection: &mut Connection, lane: &mut dyn Lane) -> Result<Option<Instant>> {
    loop {
        let Some(request) = lane.request() else { return Ok(None) };
        let answer = connection.send(request).await?;
        let answered = Instant::now();
        if lane.answer(&answer)? == Step::Done {
            return Ok(Some(answered));
        }
    }
}
