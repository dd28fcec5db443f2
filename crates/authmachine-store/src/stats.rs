//! Counters for metrics.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use crate::cleanup::Purge;
use crate::client_cache::CacheStats;

/// The store's counters at one moment; totals since the start, if nothing else is said.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Units of work that wait now.
    pub queue: u64,
    /// Units of work that were committed.
    pub units: u64,
    /// Units of work that failed; a refusal that commits is none.
    pub failures: u64,
    /// Units of work that nobody waited for any more, or whose time was up, before they began.
    pub skipped: u64,
    /// Units in a transaction. On SQLite there are up to 256.
    pub batches: Histogram,
    /// Microseconds in COMMIT, which waits for the disk.
    pub commits: Histogram,
    /// Microseconds in which a writer was away from the queue: a batch with its commit and, on SQLite, its checkpoint.
    pub holds: Histogram,
    /// The longest of these.
    pub longest_hold: Duration,
    /// Pages that checkpoints have moved from the log into the file, on SQLite.
    pub checkpoint_pages: u64,
    /// Time in checkpoints.
    pub checkpoint_time: Duration,
    /// Rows that were over and were removed, by table.
    pub purged: Vec<(&'static str, u64)>,
    /// Bytes of the database's file now, on SQLite.
    pub file_bytes: Option<u64>,
    /// Bytes of its log now.
    pub log_bytes: Option<u64>,
    /// The clients in memory.
    pub clients: CacheStats,
}

/// How often something was how large.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Histogram {
    /// The largest value of each bucket, and how many values are in it and not in the one before.
    pub buckets: Vec<(u64, u64)>,
    /// How many values there are.
    pub count: u64,
    /// What they add up to.
    pub sum: u64,
}

/// Ends of buckets: units in a transaction,
const UNITS: [u64; 9] = [1, 2, 4, 8, 16, 32, 64, 128, 256];
/// and microseconds. No writer should be away for longer than 20 ms.
const TIMES_US: [u64; 9] = [200, 500, 1_000, 2_000, 5_000, 10_000, 20_000, 50_000, 200_000];

/// A [`Histogram`] that counts.
#[derive(Debug, Default)]
struct Counts {
    buckets: [AtomicU64; 9],
    count: AtomicU64,
    sum: AtomicU64,
}

impl Counts {
    fn add(&self, ends: &[u64; 9], value: u64) {
        if let Some(bucket) = ends.iter().position(|end| value <= *end) {
            self.buckets[bucket].fetch_add(1, Relaxed);
        }
        self.count.fetch_add(1, Relaxed);
        self.sum.fetch_add(value, Relaxed);
    }

    fn read(&self, ends: &[u64; 9]) -> Histogram {
        let counts = self.buckets.iter().map(|count| count.load(Relaxed));
        Histogram {
            buckets: ends.iter().copied().zip(counts).collect(),
            count: self.count.load(Relaxed),
            sum: self.sum.load(Relaxed),
        }
    }
}

#[derive(Debug, Default)]
pub(crate) struct Counters {
    units: AtomicU64,
    failures: AtomicU64,
    skipped: AtomicU64,
    batches: Counts,
    commits: Counts,
    holds: Counts,
    longest_hold_us: AtomicU64,
    checkpoint_pages: AtomicU64,
    checkpoint_us: AtomicU64,
    purged: [AtomicU64; Purge::ALL.len()],
}

fn us(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}

impl Counters {
    pub(crate) fn committed(&self, batch: usize, took: Duration) {
        let batch = u64::try_from(batch).unwrap_or(u64::MAX);
        self.units.fetch_add(batch, Relaxed);
        self.batches.add(&UNITS, batch);
        self.commits.add(&TIMES_US, us(took));
    }

    pub(crate) fn held(&self, took: Duration) {
        self.holds.add(&TIMES_US, us(took));
        self.longest_hold_us.fetch_max(us(took), Relaxed);
    }

    pub(crate) fn checkpointed(&self, pages: u64, took: Duration) {
        self.checkpoint_pages.fetch_add(pages, Relaxed);
        self.checkpoint_us.fetch_add(us(took), Relaxed);
    }

    pub(crate) fn purged(&self, what: Purge, rows: u64) {
        self.purged[what as usize].fetch_add(rows, Relaxed);
    }

    pub(crate) fn failed(&self, units: usize) {
        self.failures.fetch_add(u64::try_from(units).unwrap_or(u64::MAX), Relaxed);
    }

    pub(crate) fn skipped(&self) {
        self.skipped.fetch_add(1, Relaxed);
    }

    pub(crate) fn read(&self) -> Stats {
        let purged = Purge::ALL.iter().zip(&self.purged);
        Stats {
            queue: 0,
            units: self.units.load(Relaxed),
            failures: self.failures.load(Relaxed),
            skipped: self.skipped.load(Relaxed),
            batches: self.batches.read(&UNITS),
            commits: self.commits.read(&TIMES_US),
            holds: self.holds.read(&TIMES_US),
            longest_hold: Duration::from_micros(self.longest_hold_us.load(Relaxed)),
            checkpoint_pages: self.checkpoint_pages.load(Relaxed),
            checkpoint_time: Duration::from_micros(self.checkpoint_us.load(Relaxed)),
            purged: purged.map(|(what, rows)| (what.table(), rows.load(Relaxed))).collect(),
            file_bytes: None,
            log_bytes: None,
            clients: CacheStats::default(),
        }
    }
}
