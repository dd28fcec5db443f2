//! What is counted about permissions, for the metrics.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use authmachine_permissions::Index;

/// Counters, all since the start, and what the index is now.
#[derive(Debug, Default)]
pub struct Counters {
    /// Decisions of the index,
    pub by_index: AtomicU64,
    /// and of the database.
    pub by_store: AtomicU64,
    /// Questions that were answered with no because finding out would have taken too much.
    pub too_complex: AtomicU64,
    /// Single decisions of the index, of which some are compared.
    pub(super) decided: AtomicU64,
    /// Decisions of the index that were compared with the database's,
    pub checked: AtomicU64,
    /// and those that differed: bugs.
    pub disagreements: AtomicU64,
    /// Indexes that were built.
    pub builds: AtomicU64,
    /// How long the last one took, in milliseconds.
    pub build_ms: AtomicU64,
    /// The index's revision; 0 while there is none.
    pub revision: AtomicU64,
    /// What it takes, about.
    pub bytes: AtomicU64,
    current_at: CurrentAt,
}

/// When the index was last known to have all that was committed.
#[derive(Debug)]
struct CurrentAt {
    started: Instant,
    ms: AtomicU64,
}

impl Default for CurrentAt {
    fn default() -> Self {
        Self { started: Instant::now(), ms: AtomicU64::new(0) }
    }
}

impl Counters {
    pub(super) fn of_index(&self) {
        self.by_index.fetch_add(1, Relaxed);
    }

    pub(super) fn of_store(&self) {
        self.by_store.fetch_add(1, Relaxed);
    }

    pub(super) fn too_complex(&self) {
        self.too_complex.fetch_add(1, Relaxed);
    }

    /// Everything that was committed before `at` is in the index.
    pub(super) fn is_current_at(&self, at: Instant) {
        let CurrentAt { started, ms } = &self.current_at;
        let at_ms = at.saturating_duration_since(*started).as_millis();
        ms.fetch_max(u64::try_from(at_ms).unwrap_or(u64::MAX), Relaxed);
    }

    /// For how long nothing was heard of the database; since the start, while there is no index.
    pub fn age(&self) -> Duration {
        let CurrentAt { started, ms } = &self.current_at;
        started.elapsed().saturating_sub(Duration::from_millis(ms.load(Relaxed)))
    }

    pub(super) fn set_index(&self, index: Option<&Index>) {
        self.revision.store(index.map_or(0, Index::revision), Relaxed);
        let bytes = index.map_or(0, Index::memory_bytes);
        self.bytes.store(u64::try_from(bytes).unwrap_or(u64::MAX), Relaxed);
    }

    pub(super) fn built(&self, took: Duration) {
        self.builds.fetch_add(1, Relaxed);
        self.build_ms.store(u64::try_from(took.as_millis()).unwrap_or(u64::MAX), Relaxed);
    }
}
