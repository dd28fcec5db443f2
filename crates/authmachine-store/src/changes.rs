//! The feed of changes, without gaps and in the order of the commits: what caches and the permission index follow.
//!
//! Whoever writes users, clients, keys, permissions or API tokens notes it here, in the same unit. Tokens and sessions
//! never pass through it.

use std::sync::Arc;

use authmachine_provider::Timestamp;
use authmachine_provider::ids::ClientId;

use crate::dialect::SQLITE_DATA_VERSION;
use crate::error::StoreError;
use crate::statements::statements;
use crate::unit::{Reads, Tx};
use crate::value::params;

/// The [kind](Change::kind) of a client's changes,
pub(crate) const CLIENT: &str = "client";
/// and of those of the signing keys.
pub(crate) const SIGNING_KEY: &str = "signing_key";

/// One change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// Its number; the next one has the next number.
    pub revision: i64,
    /// When, as its writer knew the time; a writer without one took that of the change before.
    pub at: Timestamp,
    /// What changed: `user`, `client`, `signing_key`, `object`, `permission_type`, `group`, `membership`,
    /// `permission_grant`, `api_token`.
    pub kind: String,
    /// The row; of a membership the user's, of a signing key 0.
    pub entity_id: i64,
}

statements! {
    CURRENT = "SELECT value FROM counters WHERE name = 'revision'";
    LIST = "SELECT revision, at, kind, entity_id FROM changes WHERE revision > $1 ORDER BY revision LIMIT $2";
    /// Its row lock makes writers of changes take turns until they commit: hence no gaps.
    NEXT = "UPDATE counters SET value = value + 1 WHERE name = 'revision' RETURNING value";
    HOLD = "UPDATE counters SET value = value WHERE name = 'revision'";
    INSERT = "INSERT INTO changes (revision, at, kind, entity_id) VALUES ($1,
        COALESCE(CAST($2 AS BIGINT), (SELECT at FROM changes ORDER BY revision DESC LIMIT 1), 0), $3, $4)";
}

impl Reads {
    /// The number of the last change; 0 before the first.
    pub fn current_revision(&mut self) -> Result<i64, StoreError> {
        self.one(CURRENT, &[], |row| row.get()).map(Option::unwrap_or_default)
    }

    /// The changes after `after`, at most `limit`.
    pub fn list_changes(&mut self, after: i64, limit: i64) -> Result<Vec<Change>, StoreError> {
        self.all(LIST, params![after, limit], |row| {
            row.table("changes");
            Ok(Change { revision: row.get()?, at: row.get()?, kind: row.get()?, entity_id: row.get()? })
        })
    }

    /// On SQLite: a number that changes when another connection, of this process or another, has written anything.
    pub(crate) fn data_version(&mut self) -> Result<i64, StoreError> {
        self.one(SQLITE_DATA_VERSION, &[], |row| row.get()).map(Option::unwrap_or_default)
    }
}

impl Tx {
    /// Waits for the turn that [`Tx::note`] takes: what others changed is seen from now on.
    pub(crate) fn hold_changes(&mut self) -> Result<(), StoreError> {
        self.run(HOLD, &[]).map(drop)
    }

    /// Notes a change of the row `id`, and has a client leave the memory after the commit.
    pub(crate) fn note(&mut self, kind: &str, id: i64, at: Option<Timestamp>) -> Result<(), StoreError> {
        if kind == CLIENT {
            let memory = Arc::clone(&self.memory);
            self.after_commit(Box::new(move || memory.forget(ClientId(id))));
        }
        let next: Option<i64> = self.one(NEXT, &[], |row| row.get())?;
        let revision = next.ok_or(StoreError::Corrupt { table: "counters", id: 0 })?;
        self.run(INSERT, params![revision, at, kind, id]).map(drop)
    }
}
