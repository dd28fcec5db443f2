//! Removing what is over, in small steps.
//!
//! The tables of tokens have no index on their ends, which would cost each insert and each rotation. So they are swept: each
//! step looks at the next rows by id, and a counter remembers how far it came. Tables whose rows end in the order in which
//! they were made lose their oldest.

use authmachine_provider::Timestamp;

use crate::error::StoreError;
use crate::statements::statements;
use crate::unit::Tx;
use crate::value::params;

/// A code stays for ten minutes after its end: presented a second time, it still revokes what it gave (RFC 6749 §4.1.2).
const CODES_S: i64 = 10 * 60;
/// Events stay for a year.
const EVENTS_S: i64 = 365 * 24 * 60 * 60;
/// Changes stay for thirty days,
const CHANGES_S: i64 = 30 * 24 * 60 * 60;
/// and the last ones for ever, because not every change knows its time.
const CHANGES: i64 = 10_000;

/// The next rows of a table: how many, and the last one's id.
macro_rules! window {
    ($table:literal) => {
        concat!(
            "SELECT COUNT(*), MAX(id) FROM (SELECT id FROM ",
            $table,
            " WHERE id > $1 ORDER BY id LIMIT $2) AS next_rows"
        )
    };
}

/// The rows of a window that are over.
macro_rules! sweep {
    ($table:literal, $over:literal) => {
        concat!("DELETE FROM ", $table, " WHERE id > $1 AND id <= $2 AND ", $over)
    };
}

/// The oldest rows that are over.
macro_rules! oldest {
    ($table:literal, $id:literal, $over:literal) => {
        concat!(
            "DELETE FROM ",
            $table,
            " WHERE ",
            $id,
            " IN (SELECT ",
            $id,
            " FROM ",
            $table,
            " ORDER BY ",
            $id,
            " LIMIT $1) AND ",
            $over
        )
    };
}

statements! {
    FIND_SWEEP = "SELECT value FROM counters WHERE name = $1";
    SET_SWEEP = "INSERT INTO counters (name, value) VALUES ($1, $2)
        ON CONFLICT (name) DO UPDATE SET value = excluded.value";
    ACCESS_TOKENS = window!("access_tokens");
    SWEEP_ACCESS_TOKENS = sweep!("access_tokens", "expires_at <= $3");
    REFRESH_FAMILIES = window!("refresh_families");
    SWEEP_REFRESH_FAMILIES = sweep!("refresh_families", "(expires_at <= $3 OR idle_expires_at <= $3)");
    GRANTS = window!("grants");
    SWEEP_GRANTS = sweep!("grants", "expires_at <= $3");
    SESSIONS = window!("sessions");
    /// With what hangs on them.
    SWEEP_SESSIONS = sweep!("sessions", "purge_at <= $3");
    INTERACTIONS = oldest!("interactions", "id", "expires_at <= $2");
    CODES = oldest!("authorization_codes", "id", "expires_at <= $2");
    EVENTS = oldest!("events", "id", "at <= $2");
    OLD_CHANGES = oldest!("changes", "revision", "at <= $2 AND revision <= $3");
    THROTTLES = "DELETE FROM throttles WHERE name IN
        (SELECT name FROM throttles WHERE expires_at <= $1 ORDER BY expires_at LIMIT $2)";
    ASSERTION_IDS = "DELETE FROM assertion_ids WHERE (client_id, jti_sha256) IN
        (SELECT client_id, jti_sha256 FROM assertion_ids WHERE expires_at <= $1 ORDER BY expires_at LIMIT $2)";
    SIGNING_KEYS = "DELETE FROM signing_keys WHERE expires_at <= $1";
}

/// A sweep: its counter, the window and the deletion.
type Sweep = (&'static str, &'static str, &'static str);

const SWEEPS: [Sweep; 4] = [
    ("sweep access_tokens", ACCESS_TOKENS, SWEEP_ACCESS_TOKENS),
    ("sweep refresh_families", REFRESH_FAMILIES, SWEEP_REFRESH_FAMILIES),
    ("sweep grants", GRANTS, SWEEP_GRANTS),
    ("sweep sessions", SESSIONS, SWEEP_SESSIONS),
];

impl Tx {
    /// Goes one step through each table that grows, over at most `rows` rows in each, and removes what is over at `now`. How
    /// many rows it looked at or removed; 0 once it has gone through all of them, and the next call begins again.
    pub fn cleanup(&mut self, now: Timestamp, rows: i64) -> Result<u64, StoreError> {
        let mut done = 0;
        for sweep in SWEEPS {
            done += self.sweep(sweep, now, rows)?;
        }
        if done == 0 {
            for (counter, ..) in SWEEPS {
                self.run(SET_SWEEP, params![counter, i64::MIN])?;
            }
        }
        done += self.run(INTERACTIONS, params![rows, now])?;
        done += self.run(CODES, params![rows, now.plus_seconds(-CODES_S)])?;
        done += self.run(THROTTLES, params![now, rows])?;
        done += self.run(ASSERTION_IDS, params![now, rows])?;
        done += self.run(EVENTS, params![rows, now.plus_seconds(-EVENTS_S)])?;
        let last = self.current_revision()? - CHANGES;
        done += self.run(OLD_CHANGES, params![rows, now.plus_seconds(-CHANGES_S), last])?;
        let keys = self.run(SIGNING_KEYS, params![now])?;
        if keys > 0 {
            self.note("signing_key", 0, Some(now))?;
        }
        Ok(done + keys)
    }

    fn sweep(
        &mut self,
        (counter, window, delete): Sweep,
        now: Timestamp,
        rows: i64,
    ) -> Result<u64, StoreError> {
        let after: Option<i64> = self.one(FIND_SWEEP, params![counter], |row| row.get())?;
        let after = after.unwrap_or(i64::MIN);
        let next: Option<(i64, Option<i64>)> =
            self.one(window, params![after, rows], |row| Ok((row.get()?, row.get()?)))?;
        let Some((count, Some(last))) = next else { return Ok(0) };
        self.run(delete, params![after, last, now])?;
        // At the end it waits for the other sweeps, and does not run after rows that are made just now.
        let next = if count < rows { i64::MAX } else { last };
        self.run(SET_SWEEP, params![counter, next])?;
        Ok(count.unsigned_abs())
    }
}
