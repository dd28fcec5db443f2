//! The feed of changes, without gaps and in the order of the commits: what caches and the permission index follow.
//!
//! Whoever writes users, clients, keys, permissions or API tokens notes it here, in the same unit. Tokens and sessions
//! never pass through it.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use authmachine_provider::Timestamp;
use authmachine_provider::ids::{ClientId, GroupId, ObjectId};
use authmachine_provider::permission_records::{Holder, Target};

use crate::dialect::{POSTGRES_CLOCK, SQLITE_DATA_VERSION};
use crate::engine::Connection;
use crate::error::StoreError;
use crate::statements::statements;
use crate::unit::{Reads, Tx};
use crate::value::params;

/// The [kinds](Change::kind) of changes that more than one file names.
pub(crate) const USER: &str = "user";
pub(crate) const CLIENT: &str = "client";
pub(crate) const SIGNING_KEY: &str = "signing_key";
pub(crate) const OBJECT: &str = "object";
pub(crate) const PERMISSION_TYPE: &str = "permission_type";
pub(crate) const GROUP: &str = "group";
pub(crate) const MEMBERSHIP: &str = "membership";
pub(crate) const NESTING: &str = "nesting";
pub(crate) const PERMISSION_GRANT: &str = "permission_grant";
pub(crate) const DELEGATION: &str = "delegation";

/// Where the row of a change stands. The row may be gone when the change is read, and what follows the feed has to find it.
#[derive(Clone, Copy, Default)]
pub(crate) struct Place<'a> {
    /// Of a grant; of a delegation its taker.
    pub(crate) holder: Option<Holder>,
    /// Of a grant, one of the two.
    pub(crate) object: Option<ObjectId>,
    pub(crate) object_type: Option<&'a str>,
    /// Of a membership, beside the member.
    pub(crate) group: Option<GroupId>,
}

impl<'a> Place<'a> {
    pub(crate) fn of_grant(holder: Holder, target: &'a Target) -> Self {
        let (object, object_type) = match target {
            Target::Object(id) => (Some(*id), None),
            Target::AllOf(object_type) => (None, Some(object_type.as_str())),
        };
        Self { holder: Some(holder), object, object_type, group: None }
    }
}

/// A holder as two columns.
pub(crate) const fn holder_columns(holder: Holder) -> (&'static str, i64) {
    match holder {
        Holder::User(id) => ("user", id.0),
        Holder::Group(id) => ("group", id.0),
        Holder::Client(id) => ("client", id.0),
        Holder::Everyone => ("everyone", 0),
    }
}

/// One change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// Its number; the next one has the next number.
    pub revision: i64,
    /// When, as its writer knew the time; a writer without one took that of the change before.
    pub at: Timestamp,
    /// What changed: `user`, `client`, `signing_key`, `object`, `permission_type`, `group`, `membership`, `nesting`,
    /// `permission_grant`, `delegation`, `api_token`.
    pub kind: String,
    /// The row; of a membership the user's, of a nesting the inner group's, of a signing key 0.
    pub entity_id: i64,
}

statements! {
    CURRENT = "SELECT value FROM counters WHERE name = 'revision'";
    LIST = "SELECT revision, at, kind, entity_id FROM changes WHERE revision > $1 ORDER BY revision LIMIT $2";
    /// Its row lock makes writers of changes take turns until they commit: hence no gaps.
    NEXT = "UPDATE counters SET value = value + 1 WHERE name = 'revision' RETURNING value";
    HOLD = "UPDATE counters SET value = value WHERE name = 'revision'";
    INSERT = "INSERT INTO changes (revision, at, kind, entity_id, holder_kind, holder_id, object_id, object_type, group_id)
        VALUES ($1, COALESCE(CAST($2 AS BIGINT), (SELECT at FROM changes ORDER BY revision DESC LIMIT 1), 0), $3, $4,
        $5, $6, $7, $8, $9)";
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

    /// The database's own clock; none of an embedded one, which has ours.
    pub fn clock(&mut self) -> Result<Option<Timestamp>, StoreError> {
        match self.connection {
            Connection::Sqlite(_) => Ok(None),
            Connection::Postgres(_) => self.one(POSTGRES_CLOCK, &[], |row| row.get()),
        }
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
        self.note_at(kind, id, Place::default(), at).map(drop)
    }

    /// [`Tx::note`] of a row that has a place; returns the revision.
    pub(crate) fn note_at(
        &mut self,
        kind: &str,
        id: i64,
        place: Place<'_>,
        at: Option<Timestamp>,
    ) -> Result<i64, StoreError> {
        if kind == CLIENT {
            let memory = Arc::clone(&self.memory);
            self.after_commit(Box::new(move || memory.forget(ClientId(id))));
        }
        let next: Option<i64> = self.one(NEXT, &[], |row| row.get())?;
        let revision = next.ok_or(StoreError::Corrupt { table: "counters", id: 0 })?;
        let (holder_kind, holder_id) = place.holder.map(holder_columns).unzip();
        let values = params![
            revision,
            at,
            kind,
            id,
            holder_kind,
            holder_id,
            place.object,
            place.object_type,
            place.group,
        ];
        self.run(INSERT, values)?;
        let newest = Arc::clone(&self.newest);
        self.after_commit(Box::new(move || {
            newest.fetch_max(revision, Relaxed);
        }));
        Ok(revision)
    }
}
