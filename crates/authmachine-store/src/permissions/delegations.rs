//! Delegations.

use authmachine_permissions::{Delegation, Ending, Lent, Party};
use authmachine_provider::Timestamp;
use authmachine_provider::ids::{DelegationId, ObjectId, PermissionTypeId, UserId};
use authmachine_provider::permission_records::{DelegationLine, Holder};

use super::read_condition;
use crate::changes::{DELEGATION, Place};
use crate::error::StoreError;
use crate::statements::statements;
use crate::unit::{Reads, Tx};
use crate::value::{Param, Row, params};

macro_rules! columns {
    () => {
        "delegations.id, delegations.from_user, delegations.to_user, delegations.object_id, \
         delegations.include_children, delegations.type_id, delegations.hops_left, delegations.expires_at, \
         delegations.condition, delegations.parent_id, delegations.created_by, delegations.created_at, \
         delegations.ended_at, delegations.end_reason"
    };
}
pub(super) use columns;

macro_rules! lines {
    ($rest:literal) => {
        concat!(
            "SELECT ",
            columns!(),
            ", givers.username, takers.username, objects.code, permission_types.code FROM delegations
            JOIN users AS givers ON givers.id = delegations.from_user
            JOIN users AS takers ON takers.id = delegations.to_user
            JOIN objects ON objects.id = delegations.object_id
            JOIN permission_types ON permission_types.id = delegations.type_id
            WHERE delegations.id > $1 ",
            $rest,
            " ORDER BY delegations.id "
        )
    };
}

statements! {
    FIND = concat!("SELECT ", columns!(), " FROM delegations WHERE id = $1");
    FIND_RUNNING = concat!("SELECT ", columns!(), " FROM delegations
        WHERE from_user = $1 AND to_user = $2 AND object_id = $3 AND type_id = $4 AND ended_at IS NULL");
    COUNT_GIVEN = "SELECT COUNT(*) FROM delegations
        WHERE from_user = $1 AND ended_at IS NULL AND (expires_at IS NULL OR expires_at > $2)";
    COUNT_TAKEN = "SELECT COUNT(*) FROM delegations
        WHERE to_user = $1 AND ended_at IS NULL AND (expires_at IS NULL OR expires_at > $2)";
    LIST_DELEGATIONS = concat!(lines!(""), "LIMIT $2");
    LIST_GIVEN = concat!(lines!("AND delegations.from_user = $2"), "LIMIT $3");
    LIST_TAKEN = concat!(lines!("AND delegations.to_user = $2"), "LIMIT $3");
    LIST_ON_OBJECT = concat!(lines!("AND delegations.object_id = $2"), "LIMIT $3");
    LIST_BELOW = concat!(lines!("AND delegations.parent_id = $2"), "LIMIT $3");
    PUT = "INSERT INTO delegations (id, from_user, to_user, object_id, include_children, type_id, hops_left, expires_at,
        condition, parent_id, created_by, created_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)
        ON CONFLICT (id) DO UPDATE SET include_children = excluded.include_children, hops_left = excluded.hops_left,
        expires_at = excluded.expires_at, condition = excluded.condition, parent_id = excluded.parent_id,
        created_by = excluded.created_by";
    END = "UPDATE delegations SET ended_at = $1, end_reason = $2 WHERE id = $3 AND ended_at IS NULL RETURNING to_user";
    /// One that ran out makes room for a new one of the same four.
    RETIRE = "UPDATE delegations SET ended_at = expires_at, end_reason = 'expired' WHERE from_user = $1 AND to_user = $2
        AND object_id = $3 AND type_id = $4 AND ended_at IS NULL AND expires_at <= $5 RETURNING id";
}

pub(super) fn read(row: &mut Row<'_>) -> Result<Delegation, StoreError> {
    row.table("delegations");
    Ok(Delegation {
        id: row.get()?,
        from: row.get()?,
        to: row.get()?,
        object: row.get()?,
        include_children: row.get()?,
        permission: row.get()?,
        hops_left: row.get()?,
        expires_at: row.get()?,
        condition: read_condition(row)?,
        parent: row.get()?,
        created_by: row.get::<Option<UserId>>()?.map_or(Party::Administrator, Party::User),
        created_at: row.get()?,
        ended: row.optional(2, |row| Ok(Ending { at: row.get()?, reason: row.get()? }))?,
    })
}

fn read_line(row: &mut Row<'_>) -> Result<DelegationLine, StoreError> {
    Ok(DelegationLine {
        delegation: read(row)?,
        from: row.get()?,
        to: row.get()?,
        object: row.get()?,
        permission_type: row.get()?,
    })
}

/// Which delegations a list is of, ended ones among them.
#[derive(Clone, Copy, Debug)]
pub enum DelegationsOf {
    /// All.
    All,
    /// Those that a user gave.
    Giver(UserId),
    /// Those that a user received.
    Taker(UserId),
    /// Those on an object itself.
    Object(ObjectId),
    /// Those that were passed on from this one directly.
    Parent(DelegationId),
}

const fn place(taker: UserId) -> Place<'static> {
    Place { holder: Some(Holder::User(taker)), object: None, object_type: None, group: None }
}

impl Reads {
    /// The delegation in the row `id`.
    pub fn find_delegation(&mut self, id: DelegationId) -> Result<Option<Delegation>, StoreError> {
        self.one(FIND, params![id], read)
    }

    /// The live delegation of just these: there is one at most, and lending again updates it.
    pub fn find_live_delegation(
        &mut self,
        from: UserId,
        to: UserId,
        object: ObjectId,
        permission: PermissionTypeId,
        now: Timestamp,
    ) -> Result<Option<Delegation>, StoreError> {
        let found = self.one(FIND_RUNNING, params![from, to, object, permission], read)?;
        Ok(found.filter(|delegation| delegation.is_live(now)))
    }

    /// How many live delegations a user gave, and how many it received.
    pub fn count_delegations(
        &mut self,
        giver: UserId,
        taker: UserId,
        now: Timestamp,
    ) -> Result<(usize, usize), StoreError> {
        let mut count = |sql, user: UserId| -> Result<usize, StoreError> {
            let count: Option<i64> = self.one(sql, params![user, now], |row| row.get())?;
            Ok(count.and_then(|count| usize::try_from(count).ok()).unwrap_or_default())
        };
        Ok((count(COUNT_GIVEN, giver)?, count(COUNT_TAKEN, taker)?))
    }

    /// Some delegations, after `after`, oldest first, at most `limit`; ended and expired ones are among them until the purge.
    pub fn list_delegations(
        &mut self,
        of: DelegationsOf,
        after: Option<DelegationId>,
        limit: i64,
    ) -> Result<Vec<DelegationLine>, StoreError> {
        let after = after.map_or(i64::MIN, |id| id.0);
        match of {
            DelegationsOf::All => self.all(LIST_DELEGATIONS, params![after, limit], read_line),
            DelegationsOf::Giver(id) => self.all(LIST_GIVEN, params![after, id, limit], read_line),
            DelegationsOf::Taker(id) => self.all(LIST_TAKEN, params![after, id, limit], read_line),
            DelegationsOf::Object(id) => self.all(LIST_ON_OBJECT, params![after, id, limit], read_line),
            DelegationsOf::Parent(id) => self.all(LIST_BELOW, params![after, id, limit], read_line),
        }
    }
}

impl Tx {
    /// Stores what [`may_delegate`](authmachine_permissions::may_delegate) allowed, in the unit of work that asked it.
    pub fn put_delegation(&mut self, lent: &Lent, now: Timestamp) -> Result<(), StoreError> {
        self.hold_changes()?;
        let (Lent::New(new) | Lent::Updated(new)) = lent;
        let retired: Option<DelegationId> =
            self.one(RETIRE, params![new.from, new.to, new.object, new.permission, now], |row| row.get())?;
        if let Some(id) = retired {
            self.note_at(DELEGATION, id.0, place(new.to), Some(now))?;
        }
        let created_by = match new.created_by {
            Party::User(id) => Some(id),
            Party::Administrator => None,
        };
        let condition = new.condition.as_ref().map(|condition| condition.to_json());
        let values = params![
            new.id,
            new.from,
            new.to,
            new.object,
            new.include_children,
            new.permission,
            new.hops_left,
            new.expires_at,
            condition.as_ref(),
            new.parent,
            created_by,
            new.created_at,
        ];
        self.run(PUT, values)?;
        let revision = self.note_at(DELEGATION, new.id.0, place(new.to), Some(now))?;
        self.note_condition(condition.as_deref(), revision)
    }

    /// Deletes those that `sql` says, and notes each; how many.
    pub(crate) fn delete_delegations(
        &mut self,
        sql: &'static str,
        params: &[Param<'_>],
        now: Timestamp,
    ) -> Result<u64, StoreError> {
        let gone: Vec<(DelegationId, UserId)> = self.all(sql, params, |row| Ok((row.get()?, row.get()?)))?;
        for (id, taker) in &gone {
            self.note_at(DELEGATION, id.0, place(*taker), Some(now))?;
        }
        Ok(gone.len() as u64)
    }

    /// Ends a delegation; `false` when there is none that has not ended. What was passed on from it is of no use from now on.
    pub fn end_delegation(&mut self, id: DelegationId, ending: &Ending) -> Result<bool, StoreError> {
        self.hold_changes()?;
        let taker: Option<UserId> = self.one(END, params![ending.at, &ending.reason, id], |row| row.get())?;
        let Some(taker) = taker else { return Ok(false) };
        self.note_at(DELEGATION, id.0, place(taker), Some(ending.at))?;
        Ok(true)
    }
}
