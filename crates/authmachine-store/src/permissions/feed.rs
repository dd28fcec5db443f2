//! The feed of everything that decisions depend on, for an index that follows it.

use std::collections::HashMap;
use std::sync::Arc;

use authmachine_permissions::{
    Attributes, Change, Client, FeedEntry, Member, Record, Removed, Target, User, Value,
};
use authmachine_provider::ids::{
    ClientId, DelegationId, GroupId, ObjectId, PermissionGrantId, PermissionTypeId, UserId,
};
use authmachine_provider::permission_records::Holder;
use authmachine_provider::user::UserStatus;
use serde_json::Map;

use super::{delegations, grants, groups, objects, read_holder, types};
use crate::changes::{
    CLIENT, DELEGATION, GROUP, MEMBERSHIP, NESTING, OBJECT, PERMISSION_GRANT, PERMISSION_TYPE, USER,
};
use crate::error::StoreError;
use crate::statements::statements;
use crate::unit::Reads;
use crate::value::{Row, params};

/// The rows of one kind that changed after $1 and until $2.
macro_rules! changed {
    ($columns:expr, $table:literal, $kind:literal) => {
        concat!(
            "SELECT ",
            $columns,
            " FROM ",
            $table,
            " WHERE id IN (SELECT entity_id FROM changes WHERE revision > $1 AND revision <= $2 AND kind = '",
            $kind,
            "')"
        )
    };
}

statements! {
    CHANGES = "SELECT revision, kind, entity_id, holder_kind, holder_id, object_id, object_type, group_id FROM changes
        WHERE revision > $1 ORDER BY revision LIMIT $2";
    USERS = changed!("id, sub, username, email, email_verified, status, claims", "users", "user");
    CLIENTS = changed!("id, client_id, disabled, trusted", "clients", "client");
    GROUPS = changed!("id, code", "user_groups", "group");
    OBJECTS = changed!(objects::columns!(), "objects", "object");
    TYPES = changed!("id, code, implies", "permission_types", "permission_type");
    GRANTS = changed!(grants::columns!(), "permission_grants", "permission_grant");
    DELEGATIONS = changed!(delegations::columns!(), "delegations", "delegation");
    MEMBERSHIPS = "SELECT memberships.user_id, memberships.group_id, memberships.not_before, memberships.not_after
        FROM changes JOIN memberships
            ON memberships.user_id = changes.entity_id AND memberships.group_id = changes.group_id
        WHERE changes.revision > $1 AND changes.revision <= $2 AND changes.kind = 'membership'";
    NESTINGS = "SELECT nestings.member_id, nestings.group_id, nestings.not_before, nestings.not_after
        FROM changes JOIN nestings ON nestings.member_id = changes.entity_id AND nestings.group_id = changes.group_id
        WHERE changes.revision > $1 AND changes.revision <= $2 AND changes.kind = 'nesting'";
}

/// What came after a revision.
#[derive(Clone, Debug, PartialEq)]
pub enum Feed {
    /// All of it until now: after these the index is what a fresh one would be.
    Entries(Vec<FeedEntry>),
    /// Too much, or some of it is gone, or the revision is not of this database: the index is to be built again.
    Lost,
}

/// A change as it is noted.
struct Noted {
    revision: u64,
    kind: String,
    id: i64,
    holder: Option<Holder>,
    target: Option<Target>,
    group: Option<GroupId>,
}

/// What names a row while its change is looked for: its kind, its id, and of a membership the group.
pub(super) type Key = (&'static str, i64, i64);

impl Reads {
    /// What decisions depend on and changed after the revision `after`, with the rows as they are now, or [`Feed::Lost`] when
    /// more than `most` changes came.
    ///
    /// All of it is read in one view of the database: a row that changed twice shows its newest form at both entries, and a row
    /// that is gone by now shows that it is gone, so the index is right after the last entry (and only then).
    pub fn permission_feed(&mut self, after: u64, most: i64) -> Result<Feed, StoreError> {
        self.in_one_view(|reads| reads.feed(after, most))
    }

    fn feed(&mut self, after: u64, most: i64) -> Result<Feed, StoreError> {
        let revision = self.current_revision()?;
        let Ok(after) = i64::try_from(after) else { return Ok(Feed::Lost) };
        if after == revision {
            return Ok(Feed::Entries(Vec::new()));
        }
        let asked_since = self.subjects_asked_since()?;
        if after > revision || revision - after > most || asked_since.is_some_and(|since| after < since) {
            return Ok(Feed::Lost);
        }
        let noted = self.all(CHANGES, params![after, most], read_noted)?;
        if i64::try_from(noted.len()) != Ok(revision - after) {
            return Ok(Feed::Lost);
        }
        let rows = self.changed_rows(after, revision, &noted, asked_since.is_some())?;
        let entry =
            |noted: &Noted| Some(FeedEntry { revision: noted.revision, change: noted.change(&rows)? });
        Ok(noted.iter().map(entry).collect::<Option<_>>().map_or(Feed::Lost, Feed::Entries))
    }

    fn changed_rows(
        &mut self,
        after: i64,
        until: i64,
        noted: &[Noted],
        with_attributes: bool,
    ) -> Result<HashMap<Key, Record>, StoreError> {
        let mut rows = HashMap::new();
        let mut look = |kind: &'static str,
                        sql: &'static str,
                        read: &dyn Fn(&mut Row<'_>) -> Result<Record, StoreError>|
         -> Result<(), StoreError> {
            if noted.iter().any(|noted| noted.kind == kind) {
                let found = self.all(sql, params![after, until], read)?;
                rows.extend(found.into_iter().map(|record| (key(&record), record)));
            }
            Ok(())
        };
        look(USER, USERS, &|row| read_user(row, with_attributes).map(Record::User))?;
        look(CLIENT, CLIENTS, &|row| read_client(row).map(Record::Client))?;
        look(GROUP, GROUPS, &|row| groups::read(row).map(Record::Group))?;
        look(MEMBERSHIP, MEMBERSHIPS, &|row| groups::read_membership(row).map(Record::Membership))?;
        look(NESTING, NESTINGS, &|row| groups::read_nesting(row).map(Record::Membership))?;
        look(OBJECT, OBJECTS, &|row| objects::read(row).map(Record::Object))?;
        look(PERMISSION_TYPE, TYPES, &|row| types::read(row).map(Record::PermissionType))?;
        look(PERMISSION_GRANT, GRANTS, &|row| grants::read(row).map(Record::Grant))?;
        look(DELEGATION, DELEGATIONS, &|row| delegations::read(row).map(Record::Delegation))?;
        Ok(rows)
    }
}

pub(super) fn key(record: &Record) -> Key {
    match record {
        Record::User(user) => (USER, user.id.0, 0),
        Record::Client(client) => (CLIENT, client.id.0, 0),
        Record::Group(group) => (GROUP, group.id.0, 0),
        Record::Membership(membership) => match membership.member {
            Member::User(id) => (MEMBERSHIP, id.0, membership.group.0),
            Member::Group(id) => (NESTING, id.0, membership.group.0),
        },
        Record::Object(object) => (OBJECT, object.id.0, 0),
        Record::PermissionType(permission) => (PERMISSION_TYPE, permission.id.0, 0),
        Record::Grant(grant) => (PERMISSION_GRANT, grant.id.0, 0),
        Record::Delegation(delegation) => (DELEGATION, delegation.id.0, 0),
    }
}

impl Noted {
    /// The change for an index; none when its place was not noted, as before the schema had one.
    fn change(&self, rows: &HashMap<Key, Record>) -> Option<Change> {
        let id = self.id;
        let (key, removed): (Key, Removed) = match self.kind.as_str() {
            USER => ((USER, id, 0), Removed::User(UserId(id))),
            CLIENT => ((CLIENT, id, 0), Removed::Client(ClientId(id))),
            GROUP => ((GROUP, id, 0), Removed::Group(GroupId(id))),
            MEMBERSHIP => {
                let group = self.group?;
                ((MEMBERSHIP, id, group.0), Removed::Membership(Member::User(UserId(id)), group))
            }
            NESTING => {
                let group = self.group?;
                ((NESTING, id, group.0), Removed::Membership(Member::Group(GroupId(id)), group))
            }
            OBJECT => ((OBJECT, id, 0), Removed::Object(ObjectId(id))),
            PERMISSION_TYPE => ((PERMISSION_TYPE, id, 0), Removed::PermissionType(PermissionTypeId(id))),
            PERMISSION_GRANT => {
                let (holder, target) = (self.holder?, self.target.clone()?);
                ((PERMISSION_GRANT, id, 0), Removed::Grant(PermissionGrantId(id), holder, target))
            }
            DELEGATION => {
                let Holder::User(taker) = self.holder? else { return None };
                ((DELEGATION, id, 0), Removed::Delegation(DelegationId(id), taker))
            }
            _ => return Some(Change::Elsewhere),
        };
        Some(rows.get(&key).map_or(Change::Remove(removed), |record| Change::Put(record.clone())))
    }
}

fn read_noted(row: &mut Row<'_>) -> Result<Noted, StoreError> {
    row.table("changes");
    let revision = row.get::<i64>()?;
    Ok(Noted {
        revision: u64::try_from(revision).map_err(|_| row.corrupt())?,
        kind: row.get()?,
        id: row.get()?,
        holder: row.optional(2, read_holder)?,
        target: {
            let (object, object_type): (Option<ObjectId>, Option<String>) = (row.get()?, row.get()?);
            object.map(Target::Object).or(object_type.map(Target::AllOf))
        },
        group: row.get()?,
    })
}

/// A user, as decisions need it: what conditions can ask are the claims that are flat, and `id`, `username`, `email` and
/// `email_verified`.
pub(super) fn read_user(row: &mut Row<'_>, with_attributes: bool) -> Result<User, StoreError> {
    row.table("users");
    let id = row.get()?;
    let (sub, username): (String, String) = (row.get()?, row.get()?);
    let (email, email_verified): (Option<String>, bool) = (row.get()?, row.get()?);
    let disabled = row.word(UserStatus::from_word)? != UserStatus::Active;
    let claims: Map<String, serde_json::Value> = if with_attributes { row.json()? } else { Map::new() };
    let attributes = with_attributes.then(|| {
        let own = [("id", Value::Text(sub)), ("username", Value::Text(username))].into_iter();
        let mail = email
            .map(|email| [("email", Value::Text(email)), ("email_verified", Value::Bool(email_verified))]);
        let own = own.chain(mail.into_iter().flatten()).map(|(name, value)| (name.to_owned(), value));
        let claims = claims.into_iter().filter_map(|(name, claim)| Some((name, value(&claim)?)));
        Arc::new(own.chain(claims).collect::<Attributes>())
    });
    Ok(User { id, disabled, attributes })
}

/// A claim as an attribute, read as those of objects are; nothing of what is not flat.
fn value(claim: &serde_json::Value) -> Option<Value> {
    Attributes::parse(&format!(r#"{{"claim":{claim}}}"#)).ok()?.get("claim").cloned()
}

pub(super) fn read_client(row: &mut Row<'_>) -> Result<Client, StoreError> {
    row.table("clients");
    let id = row.get()?;
    let client_id: String = row.get()?;
    let attributes = Attributes::from_iter([("id".to_owned(), Value::Text(client_id))]);
    Ok(Client { id, disabled: row.get()?, trusted: row.get()?, attributes: Some(Arc::new(attributes)) })
}
