//! Objects, permission types, groups, memberships, and who may do what.

use authmachine_provider::Timestamp;
use authmachine_provider::ids::{GroupId, ObjectId, PermissionGrantId, PermissionTypeId, UserId};
use authmachine_provider::permission_records::{
    Group, Holder, Object, PermissionGrant, PermissionGrantLine, PermissionType,
};
use authmachine_provider::user::User;

use crate::error::StoreError;
use crate::statements::statements;
use crate::unit::{Reads, Tx};
use crate::users;
use crate::value::{Param, Row, params};

/// How many object codes one statement asks for; unused places hold NULL, which equals nothing.
const CODES: usize = 16;

/// What a user ($1) holds at a moment ($2), directly and by groups; `$only` narrows the objects.
macro_rules! held {
    ($only:literal) => {
        concat!(
            "SELECT objects.code, permission_types.code FROM permission_grants
            JOIN objects ON objects.id = permission_grants.object_id
            JOIN permission_types ON permission_types.id = permission_grants.type_id
            WHERE permission_grants.holder_kind = 'user' AND permission_grants.holder_id = $1
            AND (permission_grants.not_before IS NULL OR permission_grants.not_before <= $2)
            AND (permission_grants.not_after IS NULL OR permission_grants.not_after > $2)",
            $only,
            " UNION SELECT objects.code, permission_types.code FROM memberships
            JOIN permission_grants
                ON permission_grants.holder_kind = 'group' AND permission_grants.holder_id = memberships.group_id
            JOIN objects ON objects.id = permission_grants.object_id
            JOIN permission_types ON permission_types.id = permission_grants.type_id
            WHERE memberships.user_id = $1
            AND (memberships.not_before IS NULL OR memberships.not_before <= $2)
            AND (memberships.not_after IS NULL OR memberships.not_after > $2)
            AND (permission_grants.not_before IS NULL OR permission_grants.not_before <= $2)
            AND (permission_grants.not_after IS NULL OR permission_grants.not_after > $2)",
            $only,
            " ORDER BY 1, 2"
        )
    };
}

/// Permission grants after one of them ($1), with the words for them.
macro_rules! lines {
    ($rest:literal) => {
        concat!(
            "SELECT permission_grants.id, permission_grants.holder_kind, permission_grants.holder_id,
                permission_grants.object_id, permission_grants.type_id, permission_grants.not_before,
                permission_grants.not_after, permission_grants.created_at,
                COALESCE(users.username, user_groups.code, ''), objects.code, permission_types.code
            FROM permission_grants
            JOIN objects ON objects.id = permission_grants.object_id
            JOIN permission_types ON permission_types.id = permission_grants.type_id
            LEFT JOIN users ON permission_grants.holder_kind = 'user' AND users.id = permission_grants.holder_id
            LEFT JOIN user_groups
                ON permission_grants.holder_kind = 'group' AND user_groups.id = permission_grants.holder_id
            WHERE permission_grants.id > $1 ",
            $rest
        )
    };
}

statements! {
    FIND_OBJECT = "SELECT id, code, name FROM objects WHERE code = $1";
    LIST_OBJECTS = "SELECT id, code, name FROM objects WHERE code > $1 ORDER BY code LIMIT $2";
    INSERT_OBJECT = "INSERT INTO objects (id, code, name) VALUES ($1, $2, $3) ON CONFLICT (code) DO NOTHING";
    FIND_TYPE = "SELECT id, code, name FROM permission_types WHERE code = $1";
    LIST_TYPES = "SELECT id, code, name FROM permission_types WHERE code > $1 ORDER BY code LIMIT $2";
    INSERT_TYPE = "INSERT INTO permission_types (id, code, name) VALUES ($1, $2, $3) ON CONFLICT (code) DO NOTHING";
    FIND_GROUP = "SELECT id, code, name FROM user_groups WHERE code = $1";
    LIST_GROUPS = "SELECT id, code, name FROM user_groups WHERE code > $1 ORDER BY code LIMIT $2";
    INSERT_GROUP = "INSERT INTO user_groups (id, code, name) VALUES ($1, $2, $3) ON CONFLICT (code) DO NOTHING";
    UPSERT_MEMBER = "INSERT INTO memberships (group_id, user_id, not_before, not_after) VALUES ($1, $2, $3, $4)
        ON CONFLICT (user_id, group_id) DO UPDATE SET not_before = excluded.not_before, not_after = excluded.not_after";
    DELETE_MEMBER = "DELETE FROM memberships WHERE group_id = $1 AND user_id = $2";
    LIST_MEMBERS = concat!("SELECT ", users::columns!(), " FROM memberships
        JOIN users ON users.id = memberships.user_id WHERE memberships.group_id = $1 ORDER BY users.id");
    INSERT_GRANT = "INSERT INTO permission_grants (id, holder_kind, holder_id, object_id, type_id, not_before, not_after,
        created_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
        ON CONFLICT (holder_kind, holder_id, object_id, type_id) DO NOTHING";
    DELETE_GRANT = "DELETE FROM permission_grants
        WHERE holder_kind = $1 AND holder_id = $2 AND object_id = $3 AND type_id = $4 RETURNING id";
    LIST_GRANTS = lines!("ORDER BY permission_grants.id LIMIT $2");
    LIST_GRANTS_OF_HOLDER = lines!("AND permission_grants.holder_kind = $2 AND permission_grants.holder_id = $3
        AND (CAST($4 AS BIGINT) IS NULL OR permission_grants.object_id = $4)
        ORDER BY permission_grants.id LIMIT $5");
    LIST_GRANTS_ON_OBJECT = lines!("AND permission_grants.object_id = $2 ORDER BY permission_grants.id LIMIT $3");
    HELD = held!("");
    HELD_ON = held!(" AND objects.code IN ($3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18)");
}

const fn holder(holder: Holder) -> (&'static str, i64) {
    match holder {
        Holder::User(id) => ("user", id.0),
        Holder::Group(id) => ("group", id.0),
    }
}

fn read_line(row: &mut Row<'_>) -> Result<PermissionGrantLine, StoreError> {
    row.table("permission_grants");
    let id = row.get()?;
    let to_holder: fn(i64) -> Holder = row.word(|kind| match kind {
        "user" => Some((|id| Holder::User(UserId(id))) as fn(i64) -> Holder),
        "group" => Some(|id| Holder::Group(GroupId(id))),
        _ => None,
    })?;
    let grant = PermissionGrant {
        id,
        holder: to_holder(row.get()?),
        object_id: row.get()?,
        type_id: row.get()?,
        not_before: row.get()?,
        not_after: row.get()?,
        created_at: row.get()?,
    };
    Ok(PermissionGrantLine { grant, holder: row.get()?, object: row.get()?, permission_type: row.get()? })
}

/// Finding, listing and storing the records that are a code and a name.
macro_rules! named {
    ($($record:ident, $table:literal, $kind:literal: $(#[$find_doc:meta])* $find:ident = $FIND:ident,
        $(#[$list_doc:meta])* $list:ident = $LIST:ident, $(#[$insert_doc:meta])* $insert:ident = $INSERT:ident;)+) => {
        impl Reads {
            $($(#[$find_doc])*
            pub fn $find(&mut self, code: &str) -> Result<Option<$record>, StoreError> {
                self.one($FIND, params![code], |row| {
                    row.table($table);
                    Ok($record { id: row.get()?, code: row.get()?, name: row.get()? })
                })
            }

            $(#[$list_doc])*
            pub fn $list(&mut self, after: Option<&str>, limit: i64) -> Result<Vec<$record>, StoreError> {
                // No code is empty.
                self.all($LIST, params![after.unwrap_or_default(), limit], |row| {
                    row.table($table);
                    Ok($record { id: row.get()?, code: row.get()?, name: row.get()? })
                })
            })+
        }

        impl Tx {
            $($(#[$insert_doc])*
            pub fn $insert(&mut self, record: &$record) -> Result<bool, StoreError> {
                if self.run($INSERT, params![record.id, &record.code, &record.name])? == 0 {
                    return Ok(false);
                }
                self.note($kind, record.id.0, None)?;
                Ok(true)
            })+
        }
    };
}

named! {
    Object, "objects", "object":
        /// The object with that code.
        find_object = FIND_OBJECT,
        /// The objects after the code `after`, by code, at most `limit`.
        list_objects = LIST_OBJECTS,
        /// Stores a new object; `false`, and nothing happened, when its code is taken.
        insert_object = INSERT_OBJECT;
    PermissionType, "permission_types", "permission_type":
        /// The permission type with that code.
        find_permission_type = FIND_TYPE,
        /// The permission types after the code `after`, by code, at most `limit`.
        list_permission_types = LIST_TYPES,
        /// Stores a new permission type; `false`, and nothing happened, when its code is taken.
        insert_permission_type = INSERT_TYPE;
    Group, "user_groups", "group":
        /// The group with that code.
        find_group = FIND_GROUP,
        /// The groups after the code `after`, by code, at most `limit`.
        list_groups = LIST_GROUPS,
        /// Stores a new group; `false`, and nothing happened, when its code is taken.
        insert_group = INSERT_GROUP;
}

impl Reads {
    /// What a user holds at `now`, as pairs of object code and type code, sorted and each once: directly or by a group that
    /// they are in at `now`, on the objects named or on all. Whether the user is active is not asked here.
    pub fn held_permissions(
        &mut self,
        user: UserId,
        objects: Option<&[String]>,
        now: Timestamp,
    ) -> Result<Vec<(String, String)>, StoreError> {
        let read = |row: &mut Row<'_>| Ok((row.get()?, row.get()?));
        let Some(codes) = objects else { return self.all(HELD, params![user, now], read) };
        let mut held = Vec::new();
        for codes in codes.chunks(CODES) {
            let mut values = vec![Param::from(user), Param::from(now)];
            values.extend(codes.iter().map(Param::from));
            values.resize(2 + CODES, Param::Null);
            held.extend(self.all(HELD_ON, &values, read)?);
        }
        held.sort_unstable();
        held.dedup();
        Ok(held)
    }

    /// The members of a group, whether their membership is live or not.
    pub fn list_members(&mut self, group: GroupId) -> Result<Vec<User>, StoreError> {
        self.all(LIST_MEMBERS, params![group], users::read)
    }

    /// The permission grants after `after`, oldest first, at most `limit`: those of a holder, on an object, or all.
    pub fn list_permission_grants(
        &mut self,
        of: Option<Holder>,
        on: Option<ObjectId>,
        after: Option<PermissionGrantId>,
        limit: i64,
    ) -> Result<Vec<PermissionGrantLine>, StoreError> {
        let after = after.map_or(i64::MIN, |id| id.0);
        match (of.map(holder), on) {
            (Some((kind, id)), on) => {
                self.all(LIST_GRANTS_OF_HOLDER, params![after, kind, id, on, limit], read_line)
            }
            (None, Some(on)) => self.all(LIST_GRANTS_ON_OBJECT, params![after, on, limit], read_line),
            (None, None) => self.all(LIST_GRANTS, params![after, limit], read_line),
        }
    }
}

impl Tx {
    /// Puts a user into a group for some time; a membership that is there gets these times.
    pub fn add_member(
        &mut self,
        group: GroupId,
        user: UserId,
        not_before: Option<Timestamp>,
        not_after: Option<Timestamp>,
    ) -> Result<(), StoreError> {
        self.run(UPSERT_MEMBER, params![group, user, not_before, not_after])?;
        self.note("membership", user.0, None)
    }

    /// Takes a user out of a group; `false` when they were not in it.
    pub fn remove_member(&mut self, group: GroupId, user: UserId) -> Result<bool, StoreError> {
        if self.run(DELETE_MEMBER, params![group, user])? == 0 {
            return Ok(false);
        }
        self.note("membership", user.0, None)?;
        Ok(true)
    }

    /// Stores a new permission grant; `false`, and nothing happened, when the holder has one for that object and type.
    pub fn insert_permission_grant(&mut self, grant: &PermissionGrant) -> Result<bool, StoreError> {
        let (kind, holder) = holder(grant.holder);
        let values = params![
            grant.id,
            kind,
            holder,
            grant.object_id,
            grant.type_id,
            grant.not_before,
            grant.not_after,
            grant.created_at,
        ];
        if self.run(INSERT_GRANT, values)? == 0 {
            return Ok(false);
        }
        self.note("permission_grant", grant.id.0, Some(grant.created_at))?;
        Ok(true)
    }

    /// Removes a permission grant; `false` when there is none.
    pub fn remove_permission_grant(
        &mut self,
        of: Holder,
        object: ObjectId,
        permission_type: PermissionTypeId,
    ) -> Result<bool, StoreError> {
        let (kind, id) = holder(of);
        let removed: Option<PermissionGrantId> =
            self.one(DELETE_GRANT, params![kind, id, object, permission_type], |row| row.get())?;
        if let Some(id) = removed {
            self.note("permission_grant", id.0, None)?;
        }
        Ok(removed.is_some())
    }
}
