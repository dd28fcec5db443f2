//! Permission grants.

use authmachine_jose::sha256;
use authmachine_permissions::{Condition, Delegable, MAX_HOPS};
use authmachine_provider::ids::{PermissionGrantId, PermissionTypeId};
use authmachine_provider::permission_records::{
    Holder, Origin, PermissionGrant, PermissionGrantLine, Source, Target,
};

use super::{NotWritten, asks_about_subjects, read_condition, read_holder, read_target, read_validity};
use crate::changes::{PERMISSION_GRANT, Place, holder_columns};
use crate::error::StoreError;
use crate::statements::statements;
use crate::unit::{Reads, Tx};
use crate::value::{Param, Row, params};

macro_rules! columns {
    () => {
        "permission_grants.id, permission_grants.holder_kind, permission_grants.holder_id, permission_grants.object_id, \
         permission_grants.object_type, permission_grants.type_id, permission_grants.include_children, \
         permission_grants.delegable, permission_grants.not_before, permission_grants.not_after, \
         permission_grants.condition"
    };
}
pub(super) use columns;

/// Permission grants after one of them ($1), with the words for them.
macro_rules! lines {
    ($rest:literal) => {
        concat!(
            "SELECT ",
            columns!(),
            ", permission_grants.source, permission_grants.created_by, permission_grants.created_at,
                COALESCE(users.username, user_groups.code, clients.client_id, ''),
                COALESCE(objects.code, permission_grants.object_type), permission_types.code
            FROM permission_grants
            JOIN permission_types ON permission_types.id = permission_grants.type_id
            LEFT JOIN objects ON objects.id = permission_grants.object_id
            LEFT JOIN users ON permission_grants.holder_kind = 'user' AND users.id = permission_grants.holder_id
            LEFT JOIN user_groups
                ON permission_grants.holder_kind = 'group' AND user_groups.id = permission_grants.holder_id
            LEFT JOIN clients
                ON permission_grants.holder_kind = 'client' AND clients.id = permission_grants.holder_id
            WHERE permission_grants.id > $1 ",
            $rest,
            " ORDER BY permission_grants.id "
        )
    };
}

statements! {
    FIND = concat!("SELECT ", columns!(), " FROM permission_grants WHERE id = $1");
    /// As the unique index has it.
    FIND_SAME = "SELECT id FROM permission_grants WHERE holder_kind = $1 AND holder_id = $2
        AND COALESCE(object_id, 0) = $3 AND COALESCE(object_type, '') = $4 AND type_id = $5 AND condition_sha256 = $6";
    INSERT = "INSERT INTO permission_grants (id, holder_kind, holder_id, object_id, object_type, type_id, include_children,
        delegable, not_before, not_after, condition, condition_sha256, source, created_by, created_at)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)";
    UPDATE = "UPDATE permission_grants SET include_children = $1, delegable = $2, not_before = $3, not_after = $4
        WHERE id = $5";
    DELETE = "DELETE FROM permission_grants WHERE id = $1
        RETURNING id, holder_kind, holder_id, object_id, object_type";
    DELETE_OF_CLIENT = "DELETE FROM permission_grants WHERE holder_kind = 'client' AND holder_id = $1";
    LIST_GRANTS = concat!(lines!(""), "LIMIT $2");
    LIST_OF_HOLDER = concat!(lines!("AND permission_grants.holder_kind = $2 AND permission_grants.holder_id = $3
        AND (CAST($4 AS BIGINT) IS NULL OR permission_grants.object_id = $4)
        AND (CAST($5 AS TEXT) IS NULL OR permission_grants.object_type = $5)
        AND (CAST($6 AS BIGINT) IS NULL OR permission_grants.type_id = $6)"), "LIMIT $7");
    LIST_ON_OBJECT = concat!(lines!("AND permission_grants.object_id = $2
        AND (CAST($3 AS BIGINT) IS NULL OR permission_grants.type_id = $3)"), "LIMIT $4");
    LIST_ON_TYPE = concat!(lines!("AND permission_grants.object_type = $2
        AND (CAST($3 AS BIGINT) IS NULL OR permission_grants.type_id = $3)"), "LIMIT $4");
    LIST_OF_TYPE = concat!(lines!("AND permission_grants.type_id = $2"), "LIMIT $3");
    /// The first condition that asks about subjects has every index built again, with their attributes.
    ASKS_SUBJECTS = "INSERT INTO counters (name, value) VALUES ('subject attributes', $1) ON CONFLICT DO NOTHING";
    SUBJECTS_ASKED_SINCE = "SELECT value FROM counters WHERE name = 'subject attributes'";
}

pub(super) fn read(row: &mut Row<'_>) -> Result<PermissionGrant, StoreError> {
    row.table("permission_grants");
    Ok(PermissionGrant {
        id: row.get()?,
        holder: read_holder(row)?,
        target: read_target(row)?,
        permission: row.get()?,
        include_children: row.get()?,
        delegable: read_delegable(row)?,
        validity: read_validity(row)?,
        condition: read_condition(row)?,
        revoked: false,
    })
}

fn read_delegable(row: &mut Row<'_>) -> Result<Delegable, StoreError> {
    match row.get()? {
        u8::MAX => Ok(Delegable::YES),
        hops => Delegable::hops(hops).ok_or_else(|| row.corrupt()),
    }
}

fn read_line(row: &mut Row<'_>) -> Result<PermissionGrantLine, StoreError> {
    Ok(PermissionGrantLine {
        grant: read(row)?,
        origin: Origin {
            source: row.word(Source::from_word)?,
            created_by: row.get()?,
            created_at: row.get()?,
        },
        holder: row.get()?,
        target: row.get()?,
        permission_type: row.get()?,
    })
}

/// Which grants a list is of; all that is named must fit.
#[derive(Clone, Debug, Default)]
pub struct GrantFilter {
    /// Those of this holder itself.
    pub holder: Option<Holder>,
    /// Those on this target itself.
    pub target: Option<Target>,
    /// Those of this permission type.
    pub permission: Option<PermissionTypeId>,
}

fn condition_columns(condition: Option<&Condition>) -> (Option<String>, Vec<u8>) {
    let text = condition.map(Condition::to_json);
    let hash = text.as_ref().map_or_else(Vec::new, |text| sha256(text.as_bytes()).to_vec());
    (text, hash)
}

impl Reads {
    /// The permission grant in the row `id`.
    pub fn find_permission_grant(
        &mut self,
        id: PermissionGrantId,
    ) -> Result<Option<PermissionGrant>, StoreError> {
        self.one(FIND, params![id], read)
    }

    /// The grant of just these: there is one at most.
    pub fn find_same_grant(
        &mut self,
        holder: Holder,
        target: &Target,
        permission: PermissionTypeId,
        condition: Option<&Condition>,
    ) -> Result<Option<PermissionGrantId>, StoreError> {
        let (kind, id) = holder_columns(holder);
        let (_, hash) = condition_columns(condition);
        let (object, object_type) = match target {
            Target::Object(object) => (object.0, ""),
            Target::AllOf(object_type) => (0, object_type.as_str()),
        };
        self.one(FIND_SAME, params![kind, id, object, object_type, permission, &hash], |row| row.get())
    }

    /// The permission grants that fit `filter`, after `after`, oldest first, at most `limit`.
    pub fn list_permission_grants(
        &mut self,
        filter: &GrantFilter,
        after: Option<PermissionGrantId>,
        limit: i64,
    ) -> Result<Vec<PermissionGrantLine>, StoreError> {
        let after = after.map_or(i64::MIN, |id| id.0);
        let permission = Param::from(filter.permission);
        let (object, object_type) = match &filter.target {
            Some(Target::Object(id)) => (Some(*id), None),
            Some(Target::AllOf(object_type)) => (None, Some(object_type)),
            None => (None, None),
        };
        if let Some(holder) = filter.holder {
            let (kind, id) = holder_columns(holder);
            let values = params![after, kind, id, object, object_type, permission, limit];
            return self.all(LIST_OF_HOLDER, values, read_line);
        }
        match (object, object_type, filter.permission) {
            (Some(object), ..) => {
                self.all(LIST_ON_OBJECT, params![after, object, permission, limit], read_line)
            }
            (_, Some(object_type), _) => {
                self.all(LIST_ON_TYPE, params![after, object_type, permission, limit], read_line)
            }
            (.., Some(permission)) => self.all(LIST_OF_TYPE, params![after, permission, limit], read_line),
            (None, None, None) => self.all(LIST_GRANTS, params![after, limit], read_line),
        }
    }

    /// Since which revision conditions ask about subjects; what was read before lacks their attributes.
    pub(super) fn subjects_asked_since(&mut self) -> Result<Option<i64>, StoreError> {
        self.one(SUBJECTS_ASKED_SINCE, &[], |row| row.get())
    }
}

impl Tx {
    /// Stores a new permission grant.
    pub fn insert_permission_grant(
        &mut self,
        grant: &PermissionGrant,
        origin: &Origin,
    ) -> Result<Result<(), NotWritten>, StoreError> {
        if let Err(error) = grant.check() {
            return Ok(Err(error.into()));
        }
        self.hold_changes()?;
        let holder_is_there = match grant.holder {
            Holder::User(id) => self.find_user(id)?.map(drop).ok_or(NotWritten::UnknownUser),
            Holder::Group(id) => self.find_group_by_id(id)?.map(drop).ok_or(NotWritten::UnknownGroup),
            Holder::Client(id) => self.find_client(id)?.map(drop).ok_or(NotWritten::UnknownClient),
            Holder::Everyone => Ok(()),
        };
        if holder_is_there.is_err() {
            return Ok(holder_is_there);
        }
        if let Target::Object(id) = grant.target
            && self.find_object_by_id(id)?.is_none()
        {
            return Ok(Err(NotWritten::UnknownObject));
        }
        if self.find_permission_type_by_id(grant.permission)?.is_none() {
            return Ok(Err(NotWritten::UnknownType));
        }
        let condition = grant.condition.as_deref();
        if let Some(known) = self.find_same_grant(grant.holder, &grant.target, grant.permission, condition)? {
            return Ok(Err(NotWritten::GrantedAlready(known)));
        }
        self.insert_checked_grant(grant, origin).map(Ok)
    }

    /// Stores a grant whose parts are known to be there.
    pub(crate) fn insert_checked_grant(
        &mut self,
        grant: &PermissionGrant,
        origin: &Origin,
    ) -> Result<(), StoreError> {
        let (kind, holder) = holder_columns(grant.holder);
        let place = Place::of_grant(grant.holder, &grant.target);
        let (condition, hash) = condition_columns(grant.condition.as_deref());
        let values = params![
            grant.id,
            kind,
            holder,
            place.object,
            place.object_type,
            grant.permission,
            grant.include_children,
            grant.delegable.as_hops(),
            grant.validity.not_before(),
            grant.validity.not_after(),
            condition.as_ref(),
            &hash,
            origin.source.as_str(),
            &origin.created_by,
            origin.created_at,
        ];
        self.run(INSERT, values)?;
        let revision = self.note_at(PERMISSION_GRANT, grant.id.0, place, Some(origin.created_at))?;
        self.note_condition(condition.as_deref(), revision)
    }

    /// Has the indexes take in subjects' attributes, once a condition asks about them.
    pub(super) fn note_condition(
        &mut self,
        condition: Option<&str>,
        revision: i64,
    ) -> Result<(), StoreError> {
        if condition.is_some_and(asks_about_subjects) {
            self.run(ASKS_SUBJECTS, params![revision])?;
        }
        Ok(())
    }

    /// Changes whether a grant includes children, whether it may be lent, and when it is live. All else makes another grant.
    pub fn update_permission_grant(
        &mut self,
        grant: &PermissionGrant,
    ) -> Result<Result<(), NotWritten>, StoreError> {
        self.hold_changes()?;
        let Some(known) = self.find_permission_grant(grant.id)? else {
            return Ok(Err(NotWritten::UnknownGrant));
        };
        let changed = PermissionGrant {
            include_children: grant.include_children,
            delegable: grant.delegable,
            validity: grant.validity,
            ..known
        };
        if let Err(error) = changed.check() {
            return Ok(Err(error.into()));
        }
        let (hops, validity) = (changed.delegable.as_hops(), changed.validity);
        self.run(
            UPDATE,
            params![changed.include_children, hops, validity.not_before(), validity.not_after(), changed.id],
        )?;
        let place = Place::of_grant(changed.holder, &changed.target);
        self.note_at(PERMISSION_GRANT, changed.id.0, place, None)?;
        Ok(Ok(()))
    }

    /// Removes a permission grant; `false` when there is none. What was lent by it is of no use from now on.
    pub fn remove_permission_grant(&mut self, id: PermissionGrantId) -> Result<bool, StoreError> {
        self.hold_changes()?;
        let removed = self.one(DELETE, params![id], |row| {
            row.table("permission_grants");
            let _: i64 = row.get()?;
            Ok((read_holder(row)?, read_target(row)?))
        })?;
        let Some((holder, target)) = removed else { return Ok(false) };
        self.note_at(PERMISSION_GRANT, id.0, Place::of_grant(holder, &target), None)?;
        Ok(true)
    }

    /// Removes what a client was granted, when it goes itself.
    pub(crate) fn remove_grants_of_client(
        &mut self,
        client: authmachine_provider::ids::ClientId,
    ) -> Result<(), StoreError> {
        self.run(DELETE_OF_CLIENT, params![client]).map(drop)
    }
}

const _: () = assert!(MAX_HOPS == 5, "the schema checks it");
