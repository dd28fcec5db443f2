//! Counts of failures.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use authmachine_provider::Timestamp;
use authmachine_provider::throttle::{DRAIN_S, FORGET_AFTER_S, Throttle};

use crate::error::StoreError;
use crate::statements::statements;
use crate::unit::{Reads, Tx};
use crate::value::{Row, params};

/// 128 KiB of bits.
const COUNTED_WORDS: usize = 1 << 14;

statements! {
    FIND = "SELECT failures, last_failed_at FROM throttles WHERE name = $1";
    HOLD = "UPDATE throttles SET failures = failures WHERE name = $1 RETURNING failures, last_failed_at";
    COUNT = "INSERT INTO throttles (name, failures, last_failed_at, expires_at) VALUES ($1, 1, $2, $3)
        ON CONFLICT (name) DO UPDATE SET
            failures = CASE WHEN throttles.expires_at <= excluded.last_failed_at THEN 1 ELSE throttles.failures + 1 END,
            last_failed_at = excluded.last_failed_at, expires_at = excluded.expires_at";
    COUNT_DRAINING = "INSERT INTO throttles (name, failures, last_failed_at, expires_at) VALUES ($1, 1, $2, $3)
        ON CONFLICT (name) DO UPDATE SET
            failures = CASE
                WHEN excluded.last_failed_at <= throttles.last_failed_at THEN throttles.failures + 1
                WHEN throttles.failures <= (excluded.last_failed_at - throttles.last_failed_at) / CAST($4 AS BIGINT) THEN 1
                ELSE throttles.failures + 1 - (excluded.last_failed_at - throttles.last_failed_at) / CAST($4 AS BIGINT) END,
            last_failed_at = excluded.last_failed_at, expires_at = excluded.expires_at";
    CLEAR = "DELETE FROM throttles WHERE name = $1";
    NAMES = "SELECT name FROM throttles";
}

/// Which names may have a count, so that one that surely has none is not looked up: nearly every client that asks has such a name.
/// A bit for all names that begin alike, set before the count is written and never taken back.
///
/// Only where nobody else counts: a folder of SQLite has one server, and the command line never counts.
pub(crate) struct CountedNames {
    /// Whether all names are in it that had a count before.
    is_whole: AtomicBool,
    words: Box<[AtomicU64]>,
}

impl CountedNames {
    /// Nothing is known: every name may have a count.
    pub(crate) fn new() -> Self {
        Self {
            is_whole: AtomicBool::new(false),
            words: (0..COUNTED_WORDS).map(|_| AtomicU64::new(0)).collect(),
        }
    }

    /// From here on the names of `reads`, and those that are counted later, are all there are.
    pub(crate) fn learn(&self, reads: &mut Reads) -> Result<(), StoreError> {
        reads.all(NAMES, &[], |row| {
            row.table("throttles");
            self.add(&row.get()?);
            Ok(())
        })?;
        self.is_whole.store(true, Ordering::Release);
        Ok(())
    }

    fn add(&self, key: &[u8; 32]) {
        let (word, bit) = Self::place(key);
        self.words[word].fetch_or(bit, Ordering::SeqCst);
    }

    fn may_have(&self, key: &[u8; 32]) -> bool {
        let (word, bit) = Self::place(key);
        !self.is_whole.load(Ordering::Acquire) || self.words[word].load(Ordering::SeqCst) & bit != 0
    }

    /// Names are MACs: any of their bits are as good as random.
    fn place(key: &[u8; 32]) -> (usize, u64) {
        (usize::from(u16::from_le_bytes([key[0], key[1]])) % COUNTED_WORDS, 1 << (key[2] % 64))
    }
}

fn read(row: &mut Row<'_>) -> Result<Throttle, StoreError> {
    Ok(Throttle { failures: row.get()?, last_failed_at: row.get()? })
}

impl Reads {
    /// The count under `key`.
    pub fn find_throttle(&mut self, key: &[u8; 32]) -> Result<Throttle, StoreError> {
        if !self.counted_names.may_have(key) {
            return Ok(Throttle::default());
        }
        Ok(self.one(FIND, params![key], read)?.unwrap_or_default())
    }
}

impl Tx {
    /// The count under `key`, held until the commit: whoever looks and then counts has its turn, and is seen by the next.
    pub fn find_throttle(&mut self, key: &[u8; 32]) -> Result<Throttle, StoreError> {
        Ok(self.one(HOLD, params![key], read)?.unwrap_or_default())
    }

    /// Counts a try under `key`; a count that is forgotten by now begins anew.
    pub fn count_try(&mut self, key: &[u8; 32], now: Timestamp) -> Result<(), StoreError> {
        self.counted_names.add(key);
        self.run(COUNT, params![key, now, now.plus_seconds(FORGET_AFTER_S)]).map(drop)
    }

    /// The same for a count that nothing clears, because many people share it: one failure is forgotten for every
    /// [`DRAIN_S`] seconds since the last.
    pub fn count_draining(&mut self, key: &[u8; 32], now: Timestamp) -> Result<(), StoreError> {
        self.counted_names.add(key);
        let values = params![key, now, now.plus_seconds(FORGET_AFTER_S), DRAIN_S * 1_000];
        self.run(COUNT_DRAINING, values).map(drop)
    }

    /// Forgets the count under `key`.
    pub fn clear_throttle(&mut self, key: &[u8; 32]) -> Result<(), StoreError> {
        self.run(CLEAR, params![key]).map(drop)
    }
}
