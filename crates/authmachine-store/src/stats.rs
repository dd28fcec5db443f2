//! Counters for metrics.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

/// The store's counters at one moment; totals since the start, if nothing else is said.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Units of work that wait now.
    pub queue: u64,
    /// Units of work that were committed.
    pub units: u64,
    /// Units of work that failed; a refusal that commits is none.
    pub failures: u64,
    /// Units of work that nobody waited for any more, or whose time was up, before they began.
    pub skipped: u64,
    /// Transactions committed. On SQLite one holds up to 256 units.
    pub commits: u64,
    /// Units in the last transaction.
    pub last_batch: u64,
    /// Time spent in COMMIT.
    pub commit_time: Duration,
}

#[derive(Debug, Default)]
pub(crate) struct Counters {
    units: AtomicU64,
    failures: AtomicU64,
    skipped: AtomicU64,
    commits: AtomicU64,
    last_batch: AtomicU64,
    commit_ns: AtomicU64,
}

impl Counters {
    pub(crate) fn committed(&self, batch: usize, took: Duration) {
        let batch = u64::try_from(batch).unwrap_or(u64::MAX);
        self.units.fetch_add(batch, Relaxed);
        self.commits.fetch_add(1, Relaxed);
        self.last_batch.store(batch, Relaxed);
        self.commit_ns.fetch_add(u64::try_from(took.as_nanos()).unwrap_or(u64::MAX), Relaxed);
    }

    pub(crate) fn failed(&self, units: usize) {
        self.failures.fetch_add(u64::try_from(units).unwrap_or(u64::MAX), Relaxed);
    }

    pub(crate) fn skipped(&self) {
        self.skipped.fetch_add(1, Relaxed);
    }

    pub(crate) fn read(&self, queue: usize) -> Stats {
        Stats {
            queue: u64::try_from(queue).unwrap_or(u64::MAX),
            units: self.units.load(Relaxed),
            failures: self.failures.load(Relaxed),
            skipped: self.skipped.load(Relaxed),
            commits: self.commits.load(Relaxed),
            last_batch: self.last_batch.load(Relaxed),
            commit_time: Duration::from_nanos(self.commit_ns.load(Relaxed)),
        }
    }
}
