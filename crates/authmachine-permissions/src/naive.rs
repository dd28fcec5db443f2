//! The definition, written as it reads: lists, loops, and repetition until nothing changes. Slow and plain; whatever is
//! faster is tested against it.

use std::collections::BTreeSet;

use authmachine_protocol::Timestamp;

use crate::answer::PermissionMap;
use crate::attributes::{Attributes, Value};
use crate::change::{Change, Record, Removed};
use crate::condition::{Condition, Entity, Scene, Truth};
use crate::delegation::{Delegation, MAX_HOPS};
use crate::grant::{Holder, PermissionGrant, Target};
use crate::group::{Group, Member, Membership};
use crate::ids::{GroupId, ObjectId, PermissionTypeId, UserId};
use crate::object::Object;
use crate::permission_type::PermissionType;
use crate::question::{Circumstances, Question};
use crate::subject::{Client, Subject, SubjectKind, User};

/// All records, as lists.
#[derive(Clone, Debug, Default)]
pub struct World {
    /// Whether a taker must meet the conditions of the giver's grant too.
    pub giver_conditions_bind_taker: bool,
    /// Users.
    pub users: Vec<User>,
    /// Clients.
    pub clients: Vec<Client>,
    /// Groups.
    pub groups: Vec<Group>,
    /// Who is in which group.
    pub memberships: Vec<Membership>,
    /// Objects.
    pub objects: Vec<Object>,
    /// Permission types.
    pub types: Vec<PermissionType>,
    /// Grants.
    pub grants: Vec<PermissionGrant>,
    /// Delegations.
    pub delegations: Vec<Delegation>,
}

fn put<T, K: PartialEq>(list: &mut Vec<T>, record: T, key: impl Fn(&T) -> K) {
    match list.iter_mut().find(|known| key(known) == key(&record)) {
        Some(known) => *known = record,
        None => list.push(record),
    }
}

impl World {
    /// Takes in one change.
    pub fn apply(&mut self, change: Change) {
        match change {
            Change::Put(record) => match record {
                Record::User(user) => put(&mut self.users, user, |u| u.id),
                Record::Client(client) => put(&mut self.clients, client, |c| c.id),
                Record::Group(group) => put(&mut self.groups, group, |g| g.id),
                Record::Membership(membership) => {
                    put(&mut self.memberships, membership, |m| (m.member, m.group));
                }
                Record::Object(object) => put(&mut self.objects, object, |o| o.id),
                Record::PermissionType(permission) => put(&mut self.types, permission, |t| t.id),
                Record::Grant(grant) => put(&mut self.grants, grant, |g| g.id),
                Record::Delegation(delegation) => put(&mut self.delegations, delegation, |d| d.id),
            },
            Change::Remove(removed) => match removed {
                Removed::User(id) => self.users.retain(|u| u.id != id),
                Removed::Client(id) => self.clients.retain(|c| c.id != id),
                Removed::Group(id) => self.groups.retain(|g| g.id != id),
                Removed::Membership(member, group) => {
                    self.memberships.retain(|m| (m.member, m.group) != (member, group));
                }
                Removed::Object(id) => self.objects.retain(|o| o.id != id),
                Removed::PermissionType(id) => self.types.retain(|t| t.id != id),
                Removed::Grant(id, ..) => self.grants.retain(|g| g.id != id),
                Removed::Delegation(id, _) => self.delegations.retain(|d| d.id != id),
            },
            Change::Elsewhere => {}
        }
    }

    /// All records.
    pub fn records(&self) -> impl Iterator<Item = Record> + '_ {
        let users = self.users.iter().cloned().map(Record::User);
        let clients = self.clients.iter().cloned().map(Record::Client);
        let groups = self.groups.iter().cloned().map(Record::Group);
        let memberships = self.memberships.iter().copied().map(Record::Membership);
        let objects = self.objects.iter().cloned().map(Record::Object);
        let types = self.types.iter().cloned().map(Record::PermissionType);
        let grants = self.grants.iter().cloned().map(Record::Grant);
        let delegations = self.delegations.iter().cloned().map(Record::Delegation);
        users
            .chain(clients)
            .chain(groups)
            .chain(memberships)
            .chain(objects)
            .chain(types)
            .chain(grants)
            .chain(delegations)
    }

    /// Whether the subject may do it.
    pub fn permits(&self, question: &Question<'_>, circumstances: &Circumstances<'_>) -> bool {
        self.case(question, circumstances).is_some_and(|case| case.own() || case.got())
    }

    /// Whether `giver` may lend it over so many hops. What the asker says of the subject does not count.
    pub fn may_lend(
        &self,
        giver: UserId,
        object: &str,
        permission: &str,
        hops: u8,
        circumstances: &Circumstances<'_>,
    ) -> bool {
        let question = Question { subject: Subject::User(giver), object, permission };
        let circumstances = Circumstances { subject: Attributes::NONE, ..*circumstances };
        self.case(&question, &circumstances).is_some_and(|case| case.lenders().contains(&(giver, hops)))
    }

    /// None when something that the question names is unknown or disabled: the answer is no.
    fn case<'a>(&'a self, question: &Question<'_>, circumstances: &'a Circumstances<'a>) -> Option<Case<'a>> {
        let object = self.objects.iter().find(|o| o.code == question.object && !o.disabled)?;
        let permission = self.types.iter().find(|t| t.code == question.permission)?;
        let asker_is_active = circumstances.asker.is_none_or(|asker| self.is_active(Subject::Client(asker)));
        let subject = question.subject;
        (asker_is_active && self.is_active(subject)).then_some(Case {
            world: self,
            object,
            permission,
            circumstances,
            subject,
        })
    }

    /// The types held on each of `objects`, implied ones among them.
    pub fn map<'a>(
        &self,
        subject: Subject,
        objects: impl IntoIterator<Item = &'a str>,
        circumstances: &Circumstances<'_>,
    ) -> PermissionMap {
        let mut map = PermissionMap::default();
        for object in objects {
            let held =
                self.types.iter().map(|t| t.code.as_str()).filter(|permission| {
                    self.permits(&Question { subject, object, permission }, circumstances)
                });
            map.insert(object, held);
        }
        map
    }

    /// The codes of the objects on which the subject may do it, sorted.
    pub fn objects_of(
        &self,
        subject: Subject,
        permission: &str,
        circumstances: &Circumstances<'_>,
    ) -> Vec<&str> {
        let may = |object: &&str| self.permits(&Question { subject, object, permission }, circumstances);
        let mut codes: Vec<&str> = self.objects.iter().map(|o| o.code.as_str()).filter(may).collect();
        codes.sort_unstable();
        codes
    }

    /// The subjects of a kind that may do it, sorted.
    pub fn subjects_of(
        &self,
        kind: SubjectKind,
        object: &str,
        permission: &str,
        circumstances: &Circumstances<'_>,
    ) -> Vec<Subject> {
        let mut all: Vec<Subject> = match kind {
            SubjectKind::User => self.users.iter().map(|u| Subject::User(u.id)).collect(),
            SubjectKind::Client => self.clients.iter().map(|c| Subject::Client(c.id)).collect(),
            SubjectKind::Group => self.groups.iter().map(|g| Subject::Group(g.id)).collect(),
        };
        all.retain(|&subject| self.permits(&Question { subject, object, permission }, circumstances));
        all.sort_unstable();
        all
    }

    /// There, and not disabled.
    fn is_active(&self, subject: Subject) -> bool {
        match subject {
            Subject::User(id) => self.users.iter().any(|u| u.id == id && !u.disabled),
            Subject::Client(id) => self.clients.iter().any(|c| c.id == id && !c.disabled),
            Subject::Group(id) => self.groups.iter().any(|g| g.id == id),
        }
    }

    fn attributes(&self, subject: Subject) -> &Attributes {
        let attributes = match subject {
            Subject::User(id) => self.users.iter().find(|u| u.id == id).and_then(|u| u.attributes.as_deref()),
            Subject::Client(id) => {
                self.clients.iter().find(|c| c.id == id).and_then(|c| c.attributes.as_deref())
            }
            Subject::Group(_) => None,
        };
        attributes.unwrap_or(Attributes::NONE)
    }

    /// `S(u)`: itself, everyone, and every group reachable over live memberships.
    fn holders_of(&self, subject: Subject, now: Timestamp) -> BTreeSet<Holder> {
        let itself = match subject {
            Subject::User(id) => Holder::User(id),
            Subject::Client(id) => Holder::Client(id),
            Subject::Group(id) => Holder::Group(id),
        };
        let mut holders = BTreeSet::from([itself, Holder::Everyone]);
        until_nothing_changes(|| {
            let live = self.memberships.iter().filter(|m| m.validity.contains(now));
            let reached: Vec<GroupId> =
                live.filter(|m| holders.contains(&holder(m.member))).map(|m| m.group).collect();
            let mut known = reached.into_iter().filter(|id| self.groups.iter().any(|g| g.id == *id));
            known.any(|id| holders.insert(Holder::Group(id)))
        });
        holders
    }

    /// The objects that `object` stands in.
    fn ancestors_of(&self, object: ObjectId) -> BTreeSet<ObjectId> {
        let mut ancestors = BTreeSet::new();
        until_nothing_changes(|| {
            let lower = |o: &&Object| o.id == object || ancestors.contains(&o.id);
            let parents: Vec<ObjectId> = self.objects.iter().filter(lower).filter_map(|o| o.parent).collect();
            let mut known = parents.into_iter().filter(|id| self.objects.iter().any(|o| o.id == *id));
            known.any(|id| ancestors.insert(id))
        });
        ancestors
    }

    /// `P(p)`: itself and every type that implies it.
    fn types_giving(&self, permission: PermissionTypeId) -> BTreeSet<PermissionTypeId> {
        let mut giving = BTreeSet::from([permission]);
        until_nothing_changes(|| {
            let implying: Vec<PermissionTypeId> = self
                .types
                .iter()
                .filter(|t| t.implies.iter().any(|implied| giving.contains(implied)))
                .map(|t| t.id)
                .collect();
            implying.into_iter().any(|id| giving.insert(id))
        });
        giving
    }
}

const fn holder(member: Member) -> Holder {
    match member {
        Member::User(id) => Holder::User(id),
        Member::Group(id) => Holder::Group(id),
    }
}

fn until_nothing_changes(mut step: impl FnMut() -> bool) {
    while step() {}
}

/// One question, its parts found.
struct Case<'a> {
    world: &'a World,
    object: &'a Object,
    permission: &'a PermissionType,
    circumstances: &'a Circumstances<'a>,
    subject: Subject,
}

impl Case<'_> {
    /// A live grant whose holder is in `S(u)`, target in `T(o)`, type in `P(p)`, and whose condition is true.
    fn own(&self) -> bool {
        self.grants_of(self.subject).any(|grant| self.is_true(grant.condition.as_deref(), self.subject))
    }

    /// A live delegation to the subject, its condition true, whose giver may lend over one hop.
    fn got(&self) -> bool {
        let Subject::User(user) = self.subject else { return false };
        let mut received = self.delegations_to(user).peekable();
        if received.peek().is_none() {
            return false;
        }
        let lenders = self.lenders();
        received.any(|delegation| lenders.contains(&(delegation.from, 1)))
    }

    /// The least set of (user, hops) such that the user may lend what is asked about over so many hops.
    fn lenders(&self) -> BTreeSet<(UserId, u8)> {
        let mut lenders = BTreeSet::new();
        let active = || self.world.users.iter().filter(|user| !user.disabled).map(|user| user.id);
        until_nothing_changes(|| {
            let mut changed = false;
            for user in active() {
                // No delegation has more than MAX_HOPS left, so nothing asks for more than one beyond.
                for hops in 1..=MAX_HOPS + 1 {
                    let by_grant = self.grants_of(Subject::User(user)).any(|grant| {
                        let binds = |subject| self.is_true(grant.condition.as_deref(), subject);
                        grant.delegable.allows(hops)
                            && binds(Subject::User(user))
                            && (!self.world.giver_conditions_bind_taker || binds(self.subject))
                    });
                    let by_delegation = self.delegations_to(user).any(|delegation| {
                        delegation.hops_left >= hops && lenders.contains(&(delegation.from, hops + 1))
                    });
                    if by_grant || by_delegation {
                        changed |= lenders.insert((user, hops));
                    }
                }
            }
            changed
        });
        lenders
    }

    /// The live grants that reach `subject`, this object and this type, conditions aside.
    fn grants_of(&self, subject: Subject) -> impl Iterator<Item = &PermissionGrant> {
        let now = self.circumstances.now;
        let holders = self.world.holders_of(subject, now);
        let ancestors = self.world.ancestors_of(self.object.id);
        let types = self.world.types_giving(self.permission.id);
        self.world.grants.iter().filter(move |grant| {
            let on_target = match &grant.target {
                Target::Object(id) => {
                    *id == self.object.id || (grant.include_children && ancestors.contains(id))
                }
                Target::AllOf(object_type) => *object_type == self.object.object_type,
            };
            on_target
                && !grant.revoked
                && grant.validity.contains(now)
                && holders.contains(&grant.holder)
                && types.contains(&grant.permission)
        })
    }

    /// The live delegations to `user` of this object and this type whose own condition is true.
    fn delegations_to(&self, user: UserId) -> impl Iterator<Item = &Delegation> {
        let ancestors = self.world.ancestors_of(self.object.id);
        let types = self.world.types_giving(self.permission.id);
        self.world.delegations.iter().filter(move |delegation| {
            let covers = delegation.object == self.object.id
                || (delegation.include_children && ancestors.contains(&delegation.object));
            covers
                && delegation.to == user
                && delegation.is_live(self.circumstances.now)
                && types.contains(&delegation.permission)
                && self.is_true(delegation.condition.as_deref(), Subject::User(user))
        })
    }

    /// Whether a condition holds with `subject` in the subject's place. What the asker says of the subject is about the one
    /// who is asked about, not about those who lent to it.
    fn is_true(&self, condition: Option<&Condition>, subject: Subject) -> bool {
        let Some(condition) = condition else { return true };
        let circumstances = self.circumstances;
        let stored = self.world.attributes(subject);
        let said = if subject == self.subject { circumstances.subject } else { Attributes::NONE };
        let asker_is_trusted =
            self.world.clients.iter().any(|client| Some(client.id) == circumstances.asker && client.trusted);
        let (first, then) = if asker_is_trusted { (said, stored) } else { (stored, said) };
        let id = match stored.get("id") {
            Some(Value::Text(id)) => Some(id.as_str()),
            _ => None,
        };
        let scene = Scene {
            now: circumstances.now,
            subject: Entity { id, kind: Some(subject.kind().as_str()), first, then, ..Entity::NOTHING },
            resource: Entity {
                id: Some(&self.object.code),
                kind: Some(&self.object.object_type),
                first: circumstances.resource,
                then: self.object.attributes.as_deref().unwrap_or(Attributes::NONE),
                ..Entity::NOTHING
            },
            action: Entity {
                name: Some(&self.permission.code),
                first: circumstances.action,
                ..Entity::NOTHING
            },
            context: Entity { first: circumstances.context, ..Entity::NOTHING },
        };
        condition.evaluate(&scene) == Truth::True
    }
}
