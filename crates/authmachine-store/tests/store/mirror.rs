//! A random world in a store, and the same world as plain lists: what the store refuses is not in the lists either.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use authmachine_permissions::random_world::{self, Dice};
use authmachine_permissions::{
    Attributes, Change, Client, Delegation, Group, Holder, Lent, Member, Membership, Object, PermissionGrant,
    PermissionType, Record, Removed, Subject, Target, User, World,
};
use authmachine_provider::Timestamp;
use authmachine_provider::ids::{
    ClientId, DelegationId, GroupId, ObjectId, PermissionGrantId, PermissionTypeId, UserId,
};
use authmachine_provider::permission_records::Named;
use authmachine_provider::user::UserStatus;
use authmachine_store::{Inserted, StoreError, Tx};
use serde_json::Map;

use crate::records::{NOW, client, origin, user};
use crate::support::TestStore;

/// Before anything in a random world ends, so that no delegation is retired.
const BEFORE_ALL: Timestamp = Timestamp::from_ms(-1);

/// What the ids of the random worlds are of: each has its own numbers.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Kind {
    Client,
    Group,
    Object,
    Type,
    Grant,
    Delegation,
}

/// The world as it should be, and how often each of its places was emptied: a row's id never comes back, a code may.
#[derive(Clone)]
pub(crate) struct Mirror(Arc<Mutex<State>>);

pub(crate) struct State {
    pub(crate) world: World,
    removed: HashMap<(Kind, i64), i64>,
    pub(crate) refused: usize,
    pub(crate) written: usize,
}

impl Mirror {
    /// Writes a random world into an empty store.
    pub(crate) async fn make(store: &TestStore, dice: &mut Dice) -> Self {
        let mut world = random_world::world(dice);
        // The store knows nothing of clients but their ids.
        world.clients.iter_mut().for_each(|client| client.attributes = None);
        let empty =
            World { giver_conditions_bind_taker: world.giver_conditions_bind_taker, ..World::default() };
        let state = State { world: empty, removed: HashMap::new(), refused: 0, written: 0 };
        let mirror = Self(Arc::new(Mutex::new(state)));
        let all: Vec<Change> = world.records().map(Change::Put).collect();
        mirror.write(store, all).await;
        mirror
    }

    /// Empties the store for another world.
    pub(crate) fn wipe(store: &TestStore) {
        for table in [
            "delegations",
            "permission_grants",
            "nestings",
            "memberships",
            "group_closure",
            "user_groups",
            "permission_types",
            "clients",
            "users",
            "changes",
        ] {
            store.run_sql(&format!("DELETE FROM {table}"));
        }
        store.run_sql("UPDATE objects SET parent_id = NULL");
        store.run_sql("DELETE FROM objects");
        store.run_sql("DELETE FROM counters WHERE name = 'subject attributes'");
    }

    /// Tries so many random changes.
    pub(crate) async fn change(&self, store: &TestStore, dice: &mut Dice, count: usize) {
        let mut changes = Vec::new();
        // Drawn from a world that goes its own way: what does not fit is refused, as it should be.
        let mut other = random_world::world(&mut dice.clone());
        while changes.len() < count {
            changes.extend(random_world::change(&mut other, dice));
        }
        self.write(store, changes).await;
    }

    async fn write(&self, store: &TestStore, changes: Vec<Change>) {
        // A unit for a few changes, so that the feed has entries of many units.
        for changes in changes.chunks(7) {
            let (mirror, changes) = (self.clone(), changes.to_vec());
            store
                .write(move |tx| {
                    let mut state = mirror.state();
                    changes.iter().try_for_each(|change| state.write(tx, change))
                })
                .await;
        }
    }

    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn id(&self, kind: Kind, id: i64) -> i64 {
        id + 100 * self.removed.get(&(kind, id)).copied().unwrap_or_default()
    }

    fn gone(&mut self, kind: Kind, id: i64) {
        *self.removed.entry((kind, id)).or_default() += 1;
    }

    fn holder(&self, holder: Holder) -> Holder {
        match holder {
            Holder::Group(id) => Holder::Group(GroupId(self.id(Kind::Group, id.0))),
            Holder::Client(id) => Holder::Client(ClientId(self.id(Kind::Client, id.0))),
            other => other,
        }
    }

    fn member(&self, member: Member) -> Member {
        match member {
            Member::Group(id) => Member::Group(GroupId(self.id(Kind::Group, id.0))),
            user @ Member::User(_) => user,
        }
    }

    fn object(&self, id: ObjectId) -> ObjectId {
        ObjectId(self.id(Kind::Object, id.0))
    }

    fn permission(&self, id: PermissionTypeId) -> PermissionTypeId {
        PermissionTypeId(self.id(Kind::Type, id.0))
    }

    /// Every subject that is there, and some that are not.
    pub(crate) fn subjects(&self) -> Vec<Subject> {
        let gone = [Subject::User(UserId(77)), Subject::Client(ClientId(77)), Subject::Group(GroupId(77))];
        let users = self.world.users.iter().map(|user| Subject::User(user.id));
        let clients = self.world.clients.iter().map(|client| Subject::Client(client.id));
        let groups = self.world.groups.iter().map(|group| Subject::Group(group.id));
        users.chain(clients).chain(groups).chain(gone).collect()
    }

    fn write(&mut self, tx: &mut Tx, change: &Change) -> Result<(), StoreError> {
        let done = match change {
            Change::Put(record) => self.put(tx, record)?.map(Change::Put),
            Change::Remove(removed) => self.remove(tx, removed)?.map(Change::Remove),
            Change::Elsewhere => None,
        };
        match done {
            Some(change) => {
                self.world.apply(change);
                self.forget_what_is_cut_off();
                self.written += 1;
            }
            None => self.refused += 1,
        }
        Ok(())
    }

    /// The record as it was written, or nothing if it was refused.
    fn put(&mut self, tx: &mut Tx, record: &Record) -> Result<Option<Record>, StoreError> {
        Ok(match record {
            Record::User(user) => Some(Record::User(put_user(tx, user)?)),
            Record::Client(client) => {
                let id = ClientId(self.id(Kind::Client, client.id.0));
                let client = Client { id, attributes: None, ..client.clone() };
                put_client(tx, &client)?;
                Some(Record::Client(client))
            }
            Record::Group(group) => {
                let group = Group { id: GroupId(self.id(Kind::Group, group.id.0)), ..group.clone() };
                let named = Named { name: group.code.clone(), record: group.clone() };
                tx.put_group(&named)?.is_ok().then_some(Record::Group(group))
            }
            Record::Membership(membership) => {
                let membership = Membership {
                    member: self.member(membership.member),
                    group: GroupId(self.id(Kind::Group, membership.group.0)),
                    ..*membership
                };
                tx.put_membership(&membership)?.is_ok().then_some(Record::Membership(membership))
            }
            Record::Object(object) => {
                let (id, parent) = (self.object(object.id), object.parent.map(|id| self.object(id)));
                let object = Object { id, parent, ..object.clone() };
                let named = Named { name: object.code.clone(), record: object.clone() };
                tx.put_object(&named)?.is_ok().then_some(Record::Object(object))
            }
            Record::PermissionType(permission) => {
                let implies = permission.implies.iter().map(|id| self.permission(*id)).collect();
                let (id, code) = (self.permission(permission.id), permission.code.clone());
                let permission = PermissionType { id, code, implies };
                let named = Named { name: permission.code.clone(), record: permission.clone() };
                tx.put_permission_type(&named)?.is_ok().then_some(Record::PermissionType(permission))
            }
            Record::Grant(grant) if grant.revoked => None,
            Record::Grant(grant) => self.put_grant(tx, grant)?.map(Record::Grant),
            Record::Delegation(delegation) => self.put_delegation(tx, delegation)?.map(Record::Delegation),
        })
    }

    fn put_grant(
        &mut self,
        tx: &mut Tx,
        grant: &PermissionGrant,
    ) -> Result<Option<PermissionGrant>, StoreError> {
        let id = PermissionGrantId(self.id(Kind::Grant, grant.id.0));
        if let Some(known) = self.world.grants.iter().find(|known| known.id == id) {
            let PermissionGrant { include_children, delegable, validity, .. } = *grant;
            let changed = PermissionGrant { include_children, delegable, validity, ..known.clone() };
            return Ok(tx.update_permission_grant(&changed)?.is_ok().then_some(changed));
        }
        let target = match &grant.target {
            Target::Object(object) => Target::Object(self.object(*object)),
            of_type @ Target::AllOf(_) => of_type.clone(),
        };
        let (holder, permission) = (self.holder(grant.holder), self.permission(grant.permission));
        let grant = PermissionGrant { id, holder, target, permission, ..grant.clone() };
        Ok(tx.insert_permission_grant(&grant, &origin())?.is_ok().then_some(grant))
    }

    /// Whatever the rules of lending would say of it.
    fn put_delegation(
        &mut self,
        tx: &mut Tx,
        delegation: &Delegation,
    ) -> Result<Option<Delegation>, StoreError> {
        let id = DelegationId(self.id(Kind::Delegation, delegation.id.0));
        let (object, permission) = (self.object(delegation.object), self.permission(delegation.permission));
        let mut new = Delegation { id, object, permission, ..delegation.clone() };
        if let Some(known) = self.world.delegations.iter().find(|known| known.id == id) {
            let (from, to, object, permission) = (known.from, known.to, known.object, known.permission);
            new = Delegation { from, to, object, permission, ended: known.ended.clone(), ..new };
            tx.put_delegation(&Lent::Updated(Delegation { ended: None, ..new.clone() }), BEFORE_ALL)?;
        } else {
            let is_same = |known: &Delegation| {
                (known.from, known.to, known.object, known.permission)
                    == (new.from, new.to, new.object, new.permission)
                    && known.ended.is_none()
            };
            let all_are_there =
                [new.from, new.to].iter().all(|id| self.world.users.iter().any(|u| u.id == *id))
                    && self.world.objects.iter().any(|known| known.id == new.object)
                    && self.world.types.iter().any(|known| known.id == new.permission);
            if new.from == new.to || self.world.delegations.iter().any(is_same) || !all_are_there {
                return Ok(None);
            }
            tx.put_delegation(&Lent::New(new.clone()), BEFORE_ALL)?;
        }
        if let Some(ending) = &delegation.ended
            && new.ended.is_none() | (new.ended == delegation.ended)
        {
            tx.end_delegation(id, ending)?;
            new.ended = Some(ending.clone());
        }
        Ok(Some(new))
    }

    fn remove(&mut self, tx: &mut Tx, removed: &Removed) -> Result<Option<Removed>, StoreError> {
        Ok(match removed {
            Removed::User(_) => None,
            Removed::Client(id) => {
                let gone = ClientId(self.id(Kind::Client, id.0));
                if !tx.delete_client(gone, NOW)? {
                    return Ok(None);
                }
                self.gone(Kind::Client, id.0);
                Some(Removed::Client(gone))
            }
            Removed::Group(id) => {
                let gone = GroupId(self.id(Kind::Group, id.0));
                if !tx.remove_group(gone)? {
                    return Ok(None);
                }
                self.gone(Kind::Group, id.0);
                Some(Removed::Group(gone))
            }
            Removed::Membership(member, group) => {
                let (member, group) = (self.member(*member), GroupId(self.id(Kind::Group, group.0)));
                tx.remove_membership(member, group)?.then_some(Removed::Membership(member, group))
            }
            Removed::Object(id) => {
                let gone = self.object(*id);
                if tx.remove_object(gone)? != Ok(true) {
                    return Ok(None);
                }
                self.gone(Kind::Object, id.0);
                Some(Removed::Object(gone))
            }
            Removed::PermissionType(id) => {
                let gone = self.permission(*id);
                if tx.remove_permission_type(gone)? != Ok(true) {
                    return Ok(None);
                }
                self.gone(Kind::Type, id.0);
                Some(Removed::PermissionType(gone))
            }
            Removed::Grant(id, ..) => {
                let gone = PermissionGrantId(self.id(Kind::Grant, id.0));
                let known = self.world.grants.iter().find(|known| known.id == gone).cloned();
                let Some(known) = known else {
                    assert!(!tx.remove_permission_grant(gone)?);
                    return Ok(None);
                };
                assert!(tx.remove_permission_grant(gone)?);
                self.gone(Kind::Grant, id.0);
                Some(Removed::Grant(gone, known.holder, known.target))
            }
            Removed::Delegation(..) => None,
        })
    }

    /// What goes with something that is removed.
    fn forget_what_is_cut_off(&mut self) {
        let world = &mut self.world;
        let (users, clients, groups, objects) = (&world.users, &world.clients, &world.groups, &world.objects);
        let has_group = |id: GroupId| groups.iter().any(|group| group.id == id);
        let has_object = |id: ObjectId| objects.iter().any(|object| object.id == id);
        world.memberships.retain(|membership| {
            let member_is_there = match membership.member {
                Member::User(id) => users.iter().any(|user| user.id == id),
                Member::Group(id) => has_group(id),
            };
            member_is_there && has_group(membership.group)
        });
        world.grants.retain(|grant| {
            let holder_is_there = match grant.holder {
                Holder::Group(id) => has_group(id),
                Holder::Client(id) => clients.iter().any(|client| client.id == id),
                Holder::User(_) | Holder::Everyone => true,
            };
            holder_is_there && !matches!(grant.target, Target::Object(id) if !has_object(id))
        });
        world.delegations.retain(|delegation| has_object(delegation.object));
    }
}

fn put_user(tx: &mut Tx, record: &User) -> Result<User, StoreError> {
    let claims = match &record.attributes {
        Some(attributes) => match serde_json::to_value(&**attributes) {
            Ok(serde_json::Value::Object(claims)) => claims,
            other => panic!("attributes are an object: {other:?}"),
        },
        None => Map::new(),
    };
    let status = if record.disabled { UserStatus::Locked } else { UserStatus::Active };
    let new = authmachine_provider::user::User {
        id: record.id,
        status,
        claims,
        ..user(&format!("user{}", record.id))
    };
    if tx.find_user(record.id)?.is_none() {
        assert_eq!(tx.insert_user(&new)?, Inserted::Yes);
    } else {
        tx.update_user(&new)?;
        tx.set_user_status(new.id, status, NOW)?;
    }
    Ok(record.clone())
}

fn put_client(tx: &mut Tx, record: &Client) -> Result<(), StoreError> {
    let new = authmachine_provider::client::Client {
        id: record.id,
        disabled: record.disabled,
        ..client(&format!("client{}", record.id))
    };
    if tx.find_client(record.id)?.is_none() {
        assert!(tx.insert_client(&new)?);
    } else {
        tx.update_client(&new)?;
    }
    tx.set_client_trusted(record.id, record.trusted)
}

/// Something that an asker may say.
pub(crate) fn said(dice: &mut Dice) -> Attributes {
    if dice.once_in(2) { random_world::attributes(dice) } else { Attributes::default() }
}
