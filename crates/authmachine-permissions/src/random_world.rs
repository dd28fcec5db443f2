//! Random worlds, for tests of whatever answers permission questions. The same seed makes the same world.
//!
//! A world has few users, objects and types, and many rights between them, so that paths cross: groups in groups, types that imply
//! types, objects in objects, conditions, limits of time, lending in circles, disabled and missing things.

use std::sync::Arc;

use authmachine_protocol::Timestamp;

use crate::attributes::Attributes;
use crate::change::{Change, Record, Removed};
use crate::condition::Condition;
use crate::delegation::{Delegation, Ending, Party};
use crate::grant::{Delegable, Holder, PermissionGrant, Target};
use crate::graph::EdgeError;
use crate::group::{Group, Member, Membership, check_membership};
use crate::ids::{ClientId, DelegationId, GroupId, ObjectId, PermissionGrantId, PermissionTypeId, UserId};
use crate::naive::World;
use crate::object::{Object, check_parent};
use crate::permission_type::{PermissionType, check_permission_type};
use crate::subject::{Client, Subject, User};
use crate::validity::Validity;

/// A source of numbers that is good enough for tests (SplitMix64).
#[derive(Clone, Debug)]
pub struct Dice(u64);

impl Dice {
    /// Dice that fall as `seed` says.
    pub const fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// Any number.
    pub const fn any(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// A number below `end`.
    pub fn below(&mut self, end: i64) -> i64 {
        i64::try_from(self.any() % u64::try_from(end).expect("an end above zero")).expect("below an i64")
    }

    /// True once in `times`.
    pub fn once_in(&mut self, times: i64) -> bool {
        self.below(times) == 0
    }

    /// One of them.
    pub fn one_of<'a, T>(&mut self, things: &'a [T]) -> &'a T {
        let end = i64::try_from(things.len()).expect("a slice's length is an i64");
        &things[usize::try_from(self.below(end)).expect("below a length")]
    }
}

/// Users, and the ids of each other thing, go from 1 to these; one more is never there.
pub const USERS: i64 = 6;
/// Objects.
pub const OBJECTS: i64 = 6;
/// Permission types.
pub const TYPES: i64 = 5;
/// Groups.
pub const GROUPS: i64 = 5;
/// Clients.
pub const CLIENTS: i64 = 2;
const GRANTS: i64 = 40;
const DELEGATIONS: i64 = 20;
/// Limits of time lie from 0 to here.
pub const TIMES: i64 = 8;

const CONDITIONS: [&str; 8] = [
    r#"{"eq":[{"attribute":"subject.team"},"red"]}"#,
    r#"{"not":{"eq":[{"attribute":"subject.team"},{"attribute":"resource.team"}]}}"#,
    r#"{"eq":[{"attribute":"subject.team"},{"attribute":"resource.team"}]}"#,
    r#"{"in":[{"attribute":"action.name"},["t1","t2"]]}"#,
    r#"{"any":[{"exists":{"attribute":"context.ok"}},{"lt":[{"attribute":"subject.level"},2]}]}"#,
    r#"{"lt":[{"attribute":"subject.team"},5]}"#,
    r#"{"starts_with":[{"attribute":"resource.id"},"o1"]}"#,
    r#"{"eq":[{"attribute":"subject.type"},"user"]}"#,
];

/// Something that may be said of a subject, an object, or the request.
pub fn attributes(dice: &mut Dice) -> Attributes {
    let texts = [
        "{}",
        r#"{"team":"red"}"#,
        r#"{"team":"blue","level":1}"#,
        r#"{"team":"blue"}"#,
        r#"{"level":3,"ok":true}"#,
        r#"{"team":5}"#,
    ];
    Attributes::parse(dice.one_of::<&str>(&texts)).expect("flat attributes")
}

fn some_attributes(dice: &mut Dice) -> Option<Arc<Attributes>> {
    (!dice.once_in(3)).then(|| Arc::new(attributes(dice)))
}

fn condition(dice: &mut Dice) -> Option<Arc<Condition>> {
    dice.once_in(4)
        .then(|| Arc::new(Condition::parse(dice.one_of::<&str>(&CONDITIONS)).expect("a condition")))
}

fn moment(dice: &mut Dice) -> Option<Timestamp> {
    dice.once_in(4).then(|| Timestamp::from_ms(dice.below(TIMES)))
}

fn validity(dice: &mut Dice) -> Validity {
    Validity::new(moment(dice), moment(dice)).unwrap_or(Validity::ALWAYS)
}

/// An id that is there most of the time.
fn id(dice: &mut Dice, there: i64) -> i64 {
    if dice.once_in(20) { there + 1 } else { dice.below(there) + 1 }
}

fn user(dice: &mut Dice, id: i64) -> User {
    User { id: UserId(id), disabled: dice.once_in(8), attributes: some_attributes(dice) }
}

fn client(dice: &mut Dice, id: i64) -> Client {
    let (disabled, trusted) = (dice.once_in(8), dice.once_in(2));
    Client { id: ClientId(id), disabled, trusted, attributes: some_attributes(dice) }
}

fn object(dice: &mut Dice, id: i64, parent: Option<ObjectId>) -> Object {
    let object_type = *dice.one_of(&["door", "house"]);
    let object = Object::new(ObjectId(id), &format!("o{id}"), object_type).expect("a good code");
    Object { parent, attributes: some_attributes(dice), disabled: dice.once_in(10), ..object }
}

fn permission_type(id: i64, implies: Vec<PermissionTypeId>) -> PermissionType {
    PermissionType { id: PermissionTypeId(id), code: format!("t{id}"), implies }
}

fn membership(dice: &mut Dice) -> Membership {
    let member = if dice.once_in(2) {
        Member::Group(GroupId(id(dice, GROUPS)))
    } else {
        Member::User(UserId(id(dice, USERS)))
    };
    Membership { member, group: GroupId(id(dice, GROUPS)), validity: validity(dice) }
}

fn grant(dice: &mut Dice, row: i64) -> PermissionGrant {
    let holder = match dice.below(16) {
        0 => Holder::Everyone,
        1 => Holder::Client(ClientId(id(dice, CLIENTS))),
        2..6 => Holder::Group(GroupId(id(dice, GROUPS))),
        _ => Holder::User(UserId(id(dice, USERS))),
    };
    let target = if dice.once_in(8) {
        Target::AllOf((*dice.one_of(&["door", "house", "nothing"])).to_owned())
    } else {
        Target::Object(ObjectId(id(dice, OBJECTS)))
    };
    let hops = u8::try_from(dice.below(6)).expect("below 6");
    let delegable = match dice.below(4) {
        0 | 1 => Delegable::YES,
        2 => Delegable::hops(hops).expect("at most 5"),
        _ => Delegable::NO,
    };
    let grant = PermissionGrant {
        id: PermissionGrantId(row),
        holder,
        include_children: matches!(target, Target::Object(_)) && dice.once_in(2),
        target,
        permission: PermissionTypeId(id(dice, TYPES)),
        delegable,
        validity: validity(dice),
        condition: condition(dice),
        revoked: dice.once_in(12),
    };
    grant.check().expect("a good grant");
    grant
}

/// Most lend what they hold, or pass on what was lent to them.
fn delegation(world: &World, dice: &mut Dice, row: i64) -> Delegation {
    let held = world.grants.iter().filter_map(|grant| match (grant.holder, &grant.target) {
        (Holder::User(user), Target::Object(object)) if grant.delegable.allows(1) => {
            Some((user, *object, grant.permission))
        }
        _ => None,
    });
    let received = world.delegations.iter().filter(|known| known.hops_left > 0);
    let mut rights: Vec<_> = held.collect();
    rights.extend(received.map(|known| (known.to, known.object, known.permission)));
    if rights.is_empty() || dice.once_in(4) {
        rights =
            vec![(UserId(id(dice, USERS)), ObjectId(id(dice, OBJECTS)), PermissionTypeId(id(dice, TYPES)))];
    }
    let (from, object, permission) = *dice.one_of(&rights);
    let ended = Ending { at: Timestamp::from_ms(0), reason: "no longer".to_owned() };
    Delegation {
        id: DelegationId(row),
        from,
        to: UserId(id(dice, USERS)),
        object,
        include_children: dice.once_in(3),
        permission,
        hops_left: u8::try_from(dice.below(6)).expect("below 6"),
        expires_at: moment(dice),
        condition: condition(dice),
        parent: None,
        created_by: Party::User(from),
        created_at: Timestamp::from_ms(0),
        ended: dice.once_in(12).then_some(ended),
    }
}

/// Writes a membership, unless that would make a cycle: what the store does.
fn put_membership(world: &mut World, membership: Membership) -> Option<Change> {
    let groups_of = |id: GroupId| {
        let of = world.memberships.iter().filter(move |m| m.member == Member::Group(id));
        of.map(|m| m.group).collect()
    };
    let groups_in = |id: GroupId| {
        let within = world.memberships.iter().filter(move |m| m.group == id);
        within.filter_map(|m| if let Member::Group(id) = m.member { Some(id) } else { None }).collect()
    };
    check_membership(membership.member, membership.group, groups_of, groups_in).ok()?;
    done(world, Change::Put(Record::Membership(membership)))
}

/// Writes an object, without the parent that would make a cycle.
fn put_object(world: &mut World, dice: &mut Dice, row: i64) -> Option<Change> {
    let parent = dice.once_in(2).then(|| ObjectId(id(dice, OBJECTS)));
    let parent = parent.filter(|parent| can_be_in(world, ObjectId(row), *parent).is_ok());
    let object = object(dice, row, parent);
    done(world, Change::Put(Record::Object(object)))
}

fn can_be_in(world: &World, object: ObjectId, parent: ObjectId) -> Result<(), EdgeError> {
    let others = || world.objects.iter().filter(|other| other.id != object);
    let parent_of = |id| others().find(|other| other.id == id).and_then(|other| other.parent);
    let children_of =
        |id| others().filter(|other| other.parent == Some(id)).map(|other| other.id).collect::<Vec<_>>();
    check_parent(object, parent, parent_of, children_of)
}

fn put_type(world: &mut World, dice: &mut Dice, row: i64) -> Option<Change> {
    let implies = (0..dice.below(3)).map(|_| PermissionTypeId(id(dice, TYPES))).collect();
    let record = permission_type(row, implies);
    let record = match check_permission_type(&record, &world.types) {
        Ok(()) => record,
        Err(_) => permission_type(row, Vec::new()),
    };
    done(world, Change::Put(Record::PermissionType(record)))
}

fn done(world: &mut World, change: Change) -> Option<Change> {
    world.apply(change.clone());
    Some(change)
}

/// A new world.
pub fn world(dice: &mut Dice) -> World {
    let mut world = World { giver_conditions_bind_taker: dice.once_in(4), ..World::default() };
    world.users = (1..=USERS).map(|row| user(dice, row)).collect();
    world.clients = (1..=CLIENTS).map(|row| client(dice, row)).collect();
    world.groups = (1..=GROUPS).map(|row| Group { id: GroupId(row), code: format!("g{row}") }).collect();
    for row in 1..=TYPES {
        put_type(&mut world, dice, row);
    }
    for row in 1..=OBJECTS {
        put_object(&mut world, dice, row);
    }
    for _ in 0..10 {
        let membership = membership(dice);
        put_membership(&mut world, membership);
    }
    world.grants = (1..=GRANTS - dice.below(20)).map(|row| grant(dice, row)).collect();
    for row in 1..=DELEGATIONS - dice.below(10) {
        let delegation = delegation(&world, dice, row);
        world.delegations.push(delegation);
    }
    world
}

/// Changes the world in one place, and says how; nothing when what was tried is refused.
pub fn change(world: &mut World, dice: &mut Dice) -> Option<Change> {
    // Things come back more often than they go.
    let kind = if dice.once_in(3) { dice.below(20) } else { dice.below(12) };
    let change = match kind {
        0 => Change::Put(Record::User(user(dice, dice.clone().below(USERS) + 1))),
        1 => Change::Put(Record::Client(client(dice, dice.clone().below(CLIENTS) + 1))),
        2 => {
            let row = dice.below(GROUPS) + 1;
            Change::Put(Record::Group(Group { id: GroupId(row), code: format!("g{row}") }))
        }
        3 | 4 => {
            let membership = membership(dice);
            return put_membership(world, membership);
        }
        5 => {
            let row = dice.below(OBJECTS) + 1;
            return put_object(world, dice, row);
        }
        6 => {
            let row = dice.below(TYPES) + 1;
            return put_type(world, dice, row);
        }
        7..10 => {
            let row = dice.below(GRANTS) + 1;
            let mut grant = grant(dice, row);
            // Who holds a grant, and on what, never changes.
            if let Some(known) = world.grants.iter().find(|known| known.id == grant.id) {
                let include_children = matches!(known.target, Target::Object(_)) && grant.include_children;
                let (holder, target) = (known.holder, known.target.clone());
                grant = PermissionGrant { holder, target, include_children, ..grant };
            }
            Change::Put(Record::Grant(grant))
        }
        10 | 11 => {
            let row = dice.below(DELEGATIONS) + 1;
            let mut delegation = delegation(world, dice, row);
            if let Some(known) = world.delegations.iter().find(|known| known.id == delegation.id) {
                delegation = Delegation { to: known.to, ..delegation };
            }
            Change::Put(Record::Delegation(delegation))
        }
        12 => Change::Remove(Removed::User(UserId(id(dice, USERS)))),
        13 => Change::Remove(Removed::Group(GroupId(id(dice, GROUPS)))),
        14 => {
            let membership = membership(dice);
            Change::Remove(Removed::Membership(membership.member, membership.group))
        }
        15 => Change::Remove(Removed::Object(ObjectId(id(dice, OBJECTS)))),
        16 => Change::Remove(Removed::PermissionType(PermissionTypeId(id(dice, TYPES)))),
        17 => Change::Remove(Removed::Client(ClientId(id(dice, CLIENTS)))),
        18 if !world.grants.is_empty() => {
            let grant = dice.one_of(&world.grants);
            Change::Remove(Removed::Grant(grant.id, grant.holder, grant.target.clone()))
        }
        _ if !world.delegations.is_empty() => {
            let delegation = dice.one_of(&world.delegations);
            Change::Remove(Removed::Delegation(delegation.id, delegation.to))
        }
        _ => return None,
    };
    done(world, change)
}

/// Every subject that there may be, and one of each kind that there is not.
pub fn subjects() -> Vec<Subject> {
    let users = (1..=USERS + 1).map(|row| Subject::User(UserId(row)));
    let clients = (1..=CLIENTS + 1).map(|row| Subject::Client(ClientId(row)));
    let groups = (1..=GROUPS + 1).map(|row| Subject::Group(GroupId(row)));
    users.chain(clients).chain(groups).collect()
}
