//! Permission types, and which imply which.

use authmachine_permissions::check_permission_type;
use authmachine_provider::ids::PermissionTypeId;
use authmachine_provider::permission_records::{Named, PermissionType};

use super::NotWritten;
use crate::changes::PERMISSION_TYPE;
use crate::error::StoreError;
use crate::statements::statements;
use crate::unit::{Reads, Tx};
use crate::value::{Row, json, params};

statements! {
    FIND = "SELECT id, code, implies, name FROM permission_types WHERE code = $1";
    FIND_BY_ID = "SELECT id, code, implies, name FROM permission_types WHERE id = $1";
    LIST_TYPES = "SELECT id, code, implies, name FROM permission_types WHERE code > $1 ORDER BY code LIMIT $2";
    /// At most 4,096.
    ALL = "SELECT id, code, implies FROM permission_types ORDER BY id";
    PUT = "INSERT INTO permission_types (id, code, name, implies) VALUES ($1, $2, $3, $4)
        ON CONFLICT (id) DO UPDATE SET name = excluded.name, implies = excluded.implies";
    /// These go over all grants, once in a long while, rather than have every grant in one more index.
    GRANTED = "SELECT id FROM permission_grants WHERE type_id = $1 LIMIT 1";
    LENT = "SELECT id FROM delegations WHERE type_id = $1 LIMIT 1";
    DELETE_TYPE = "DELETE FROM permission_types WHERE id = $1";
}

pub(super) fn read(row: &mut Row<'_>) -> Result<PermissionType, StoreError> {
    row.table("permission_types");
    Ok(PermissionType { id: row.get()?, code: row.get()?, implies: row.json()? })
}

fn read_named(row: &mut Row<'_>) -> Result<Named<PermissionType>, StoreError> {
    Ok(Named { record: read(row)?, name: row.get()? })
}

impl Reads {
    /// The permission type with that code.
    pub fn find_permission_type(&mut self, code: &str) -> Result<Option<Named<PermissionType>>, StoreError> {
        self.one(FIND, params![code], read_named)
    }

    /// The permission type in the row `id`.
    pub fn find_permission_type_by_id(
        &mut self,
        id: PermissionTypeId,
    ) -> Result<Option<Named<PermissionType>>, StoreError> {
        self.one(FIND_BY_ID, params![id], read_named)
    }

    /// The permission types after the code `after`, by code, at most `limit`.
    pub fn list_permission_types(
        &mut self,
        after: Option<&str>,
        limit: i64,
    ) -> Result<Vec<Named<PermissionType>>, StoreError> {
        self.all(LIST_TYPES, params![after.unwrap_or_default(), limit], read_named)
    }

    /// All permission types, as far as decisions need them.
    pub(super) fn permission_types(&mut self) -> Result<Vec<PermissionType>, StoreError> {
        self.all(ALL, &[], read)
    }
}

impl Tx {
    /// Stores a new permission type, or the name and the implied types of one that is there.
    pub fn put_permission_type(
        &mut self,
        written: &Named<PermissionType>,
    ) -> Result<Result<(), NotWritten>, StoreError> {
        self.hold_changes()?;
        let others = self.permission_types()?;
        let known = others.iter().find(|other| other.id == written.id);
        if known.is_some_and(|known| known.code != written.code) {
            return Ok(Err(NotWritten::CodeChanged));
        }
        if known.is_none() && others.iter().any(|other| other.code == written.code) {
            return Ok(Err(NotWritten::CodeTaken));
        }
        // A code that is there already was good when it was made.
        if let Err(error) = check_permission_type(&written.record, &others) {
            return Ok(Err(error.into()));
        }
        self.run(PUT, params![written.id, &written.code, &written.name, json(&written.implies)])?;
        self.note(PERMISSION_TYPE, written.id.0, None).map(Ok)
    }

    /// Removes a permission type; `false` when there is none. One that is granted, lent or implied by others is not removed:
    /// types are the words in which grants are written.
    pub fn remove_permission_type(
        &mut self,
        id: PermissionTypeId,
    ) -> Result<Result<bool, NotWritten>, StoreError> {
        self.hold_changes()?;
        if self.permission_types()?.iter().any(|other| other.implies.contains(&id)) {
            return Ok(Err(NotWritten::IsImplied));
        }
        for used in [GRANTED, LENT] {
            if self.one(used, params![id], |row| row.get::<i64>())?.is_some() {
                return Ok(Err(NotWritten::IsUsed));
            }
        }
        if self.run(DELETE_TYPE, params![id])? == 0 {
            return Ok(Ok(false));
        }
        self.note(PERMISSION_TYPE, id.0, None)?;
        Ok(Ok(true))
    }
}
