//! Counts of failures.

use authmachine_provider::Timestamp;
use authmachine_provider::throttle::{DRAIN_S, FORGET_AFTER_S, Throttle};

use crate::error::StoreError;
use crate::statements::statements;
use crate::unit::{Reads, Tx};
use crate::value::{Row, params};

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
}

fn read(row: &mut Row<'_>) -> Result<Throttle, StoreError> {
    Ok(Throttle { failures: row.get()?, last_failed_at: row.get()? })
}

impl Reads {
    /// The count under `key`.
    pub fn find_throttle(&mut self, key: &[u8; 32]) -> Result<Throttle, StoreError> {
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
        self.run(COUNT, params![key, now, now.plus_seconds(FORGET_AFTER_S)]).map(drop)
    }

    /// The same for a count that nothing clears, because many people share it: one failure is forgotten for every
    /// [`DRAIN_S`] seconds since the last.
    pub fn count_draining(&mut self, key: &[u8; 32], now: Timestamp) -> Result<(), StoreError> {
        let values = params![key, now, now.plus_seconds(FORGET_AFTER_S), DRAIN_S * 1_000];
        self.run(COUNT_DRAINING, values).map(drop)
    }

    /// Forgets the count under `key`.
    pub fn clear_throttle(&mut self, key: &[u8; 32]) -> Result<(), StoreError> {
        self.run(CLEAR, params![key]).map(drop)
    }
}
