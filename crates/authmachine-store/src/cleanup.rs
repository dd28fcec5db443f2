//! Removing what is over, in small steps.
//!
//! The tables of tokens have no index on their ends, which would cost each insert and each rotation. So they are swept: each
//! step looks at the next rows by id, and a counter remembers how far it came. Tables whose rows end in the order in which
//! they were made lose their oldest.

use std::time::{Duration, Instant};

use authmachine_provider::Timestamp;

use crate::changes::SIGNING_KEY;
use crate::error::StoreError;
use crate::statements::statements;
use crate::unit::Tx;
use crate::value::{Param, params};

/// A code stays for ten minutes after its end: presented a second time, it still revokes what it gave (RFC 6749 §4.1.2).
const CODES_S: i64 = 10 * 60;
/// Events stay for a year, and so do delegations that are over, which explain them.
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
    DELEGATIONS = window!("delegations");
    SWEEP_DELEGATIONS = concat!(sweep!("delegations", "COALESCE(ended_at, expires_at) <= $3"), " RETURNING id, to_user");
    THROTTLES = "DELETE FROM throttles WHERE name IN
        (SELECT name FROM throttles WHERE expires_at <= $1 ORDER BY expires_at LIMIT $2)";
    ASSERTION_IDS = "DELETE FROM assertion_ids WHERE (client_id, jti_sha256) IN
        (SELECT client_id, jti_sha256 FROM assertion_ids WHERE expires_at <= $1 ORDER BY expires_at LIMIT $2)";
    SIGNING_KEYS = "DELETE FROM signing_keys WHERE expires_at <= $1";
}

/// The tables with rows that are over some time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "they are the tables")]
pub enum Purge {
    AccessTokens,
    RefreshFamilies,
    Grants,
    Sessions,
    Interactions,
    AuthorizationCodes,
    Throttles,
    AssertionIds,
    Events,
    Changes,
    SigningKeys,
    Delegations,
}

impl Purge {
    /// All of them.
    pub const ALL: [Self; 12] = [
        Self::AccessTokens,
        Self::RefreshFamilies,
        Self::Grants,
        Self::Sessions,
        Self::Interactions,
        Self::AuthorizationCodes,
        Self::Throttles,
        Self::AssertionIds,
        Self::Events,
        Self::Changes,
        Self::SigningKeys,
        Self::Delegations,
    ];

    /// The table's name.
    pub const fn table(self) -> &'static str {
        match self {
            Self::AccessTokens => "access_tokens",
            Self::RefreshFamilies => "refresh_families",
            Self::Grants => "grants",
            Self::Sessions => "sessions",
            Self::Interactions => "interactions",
            Self::AuthorizationCodes => "authorization_codes",
            Self::Throttles => "throttles",
            Self::AssertionIds => "assertion_ids",
            Self::Events => "events",
            Self::Changes => "changes",
            Self::SigningKeys => "signing_keys",
            Self::Delegations => "delegations",
        }
    }
}

/// What a step did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Step {
    /// Rows that were over and are gone.
    pub removed: u64,
    /// Whether it came to the end of the table.
    pub is_last: bool,
    /// How long it held its writer, without the commit.
    pub took: Duration,
}

/// How many rows a step goes over: as many as fit into [`Pace::TIME`], by what the steps before took.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pace {
    rows: i64,
}

impl Pace {
    /// How long a step should hold a writer. What it changed is then to be committed and moved from the log into the file,
    /// which takes about twice as long again.
    pub const TIME: Duration = Duration::from_millis(4);
    const ROWS: std::ops::RangeInclusive<i64> = 16..=16_384;

    /// Rows of the next step.
    pub const fn rows(self) -> i64 {
        self.rows
    }

    /// After a step that took so long: one too long halves the next, one of less than half the time doubles it.
    #[must_use]
    pub fn after(self, took: Duration) -> Self {
        let rows = match took {
            long if long > Self::TIME => self.rows / 2,
            short if short < Self::TIME / 2 => self.rows * 2,
            _ => self.rows,
        };
        Self { rows: rows.clamp(*Self::ROWS.start(), *Self::ROWS.end()) }
    }
}

impl Default for Pace {
    fn default() -> Self {
        Self { rows: 256 }
    }
}

impl Tx {
    /// Goes one step through a table, over at most `rows` rows, and removes what is over at `now`. After the last step the next
    /// one begins again.
    pub fn purge(&mut self, what: Purge, now: Timestamp, rows: i64) -> Result<Step, StoreError> {
        let began = Instant::now();
        let (removed, is_last) = match what {
            Purge::AccessTokens => {
                self.sweep("access_tokens", ACCESS_TOKENS, SWEEP_ACCESS_TOKENS, now, rows)?
            }
            Purge::RefreshFamilies => {
                self.sweep("refresh_families", REFRESH_FAMILIES, SWEEP_REFRESH_FAMILIES, now, rows)?
            }
            Purge::Grants => self.sweep("grants", GRANTS, SWEEP_GRANTS, now, rows)?,
            Purge::Sessions => self.sweep("sessions", SESSIONS, SWEEP_SESSIONS, now, rows)?,
            Purge::Interactions => self.remove(INTERACTIONS, params![rows, now], rows)?,
            Purge::AuthorizationCodes => {
                self.remove(CODES, params![rows, now.plus_seconds(-CODES_S)], rows)?
            }
            Purge::Throttles => self.remove(THROTTLES, params![now, rows], rows)?,
            Purge::AssertionIds => self.remove(ASSERTION_IDS, params![now, rows], rows)?,
            Purge::Events => self.remove(EVENTS, params![rows, now.plus_seconds(-EVENTS_S)], rows)?,
            Purge::Changes => {
                let last = self.current_revision()? - CHANGES;
                self.remove(OLD_CHANGES, params![rows, now.plus_seconds(-CHANGES_S), last], rows)?
            }
            Purge::SigningKeys => {
                let keys = self.run(SIGNING_KEYS, params![now])?;
                if keys > 0 {
                    self.note(SIGNING_KEY, 0, Some(now))?;
                }
                (keys, true)
            }
            Purge::Delegations => {
                let over = now.plus_seconds(-EVENTS_S);
                self.sweep_with("delegations", DELEGATIONS, rows, |tx, after, last| {
                    tx.delete_delegations(SWEEP_DELEGATIONS, params![after, last, over], now)
                })?
            }
        };
        Ok(Step { removed, is_last, took: began.elapsed() })
    }

    /// Removes with one statement, which takes `rows` rows if there are so many.
    fn remove(
        &mut self,
        sql: &'static str,
        params: &[Param<'_>],
        rows: i64,
    ) -> Result<(u64, bool), StoreError> {
        let removed = self.run(sql, params)?;
        Ok((removed, removed < rows.unsigned_abs()))
    }

    fn sweep(
        &mut self,
        table: &'static str,
        window: &'static str,
        delete: &'static str,
        now: Timestamp,
        rows: i64,
    ) -> Result<(u64, bool), StoreError> {
        self.sweep_with(table, window, rows, |tx, after, last| tx.run(delete, params![after, last, now]))
    }

    /// Has `delete` go over the next rows of a table, after one id and up to another.
    fn sweep_with(
        &mut self,
        table: &'static str,
        window: &'static str,
        rows: i64,
        delete: impl FnOnce(&mut Self, i64, i64) -> Result<u64, StoreError>,
    ) -> Result<(u64, bool), StoreError> {
        let counter = format!("sweep {table}");
        let after: Option<i64> = self.one(FIND_SWEEP, params![&counter], |row| row.get())?;
        let after = after.unwrap_or(i64::MIN);
        let next: Option<(i64, Option<i64>)> =
            self.one(window, params![after, rows], |row| Ok((row.get()?, row.get()?)))?;
        let (removed, count, last) = match next {
            Some((count, Some(last))) => (delete(self, after, last)?, count, last),
            _ => (0, 0, after),
        };
        let is_last = count < rows;
        self.run(SET_SWEEP, params![&counter, if is_last { i64::MIN } else { last }])?;
        Ok((removed, is_last))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_that_took_long_halves_the_next_and_a_quick_one_doubles_it() {
        let ms = Duration::from_millis;
        let mut pace = Pace::default();
        let mut rows = Vec::new();
        for took in [ms(1), ms(1), ms(3), ms(5), ms(60), ms(4), ms(2), ms(1)] {
            pace = pace.after(took);
            rows.push(pace.rows());
        }
        assert_eq!(rows, [512, 1_024, 1_024, 512, 256, 256, 256, 512]);
        let after = |took| (0..100).fold(Pace::default(), |pace, _| pace.after(took)).rows();
        assert_eq!((after(ms(0)), after(ms(100))), (16_384, 16), "never without end, never nothing");
    }
}
