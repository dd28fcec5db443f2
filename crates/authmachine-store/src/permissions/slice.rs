//! Answers from the database alone: what one question depends on is loaded, and an [`Index`] of it asked.
//!
//! A slice has all that its question can depend on, and mostly little else, so that the index of it answers as the index of
//! everything would (see `docs/decisions/0010-sql-answers-by-a-slice.md`, and the tests, which compare it with the definition).
//! It is for a node whose index is not there, not fresh, or too large for its memory.

use std::collections::{BTreeSet, HashMap};

use authmachine_permissions::{
    Delegation, Holder, Index, MAX_HOPS, MAX_OBJECT_DEPTH, Membership, Object, PermissionGrant, Record,
    Subject, SubjectKind, Target,
};
use authmachine_provider::Timestamp;
use authmachine_provider::ids::{ClientId, GroupId, ObjectId, UserId};
use authmachine_provider::permission_records::Member;

use super::feed::{self, Key};
use super::{delegations, grants, groups, objects};
use crate::changes::holder_columns;
use crate::error::StoreError;
use crate::statements::statements;
use crate::unit::Reads;
use crate::value::{Param, Row};

/// How many ids one statement asks for; unused places hold NULL, which equals nothing.
const LIST: usize = 16;

/// The first list of a statement,
macro_rules! these {
    () => {
        "($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16)"
    };
}
/// and its second.
macro_rules! those {
    () => {
        "($17, $18, $19, $20, $21, $22, $23, $24, $25, $26, $27, $28, $29, $30, $31, $32)"
    };
}

macro_rules! select {
    ($columns:expr, $from:literal, $where:expr) => {
        concat!("SELECT ", $columns, " FROM ", $from, " WHERE ", $where)
    };
}

statements! {
    OBJECTS_OF_CODES = select!(objects::columns!(), "objects", concat!("code IN ", these!(), " LIMIT $17"));
    OBJECTS = select!(objects::columns!(), "objects", concat!("id IN ", these!(), " LIMIT $17"));
    OBJECTS_IN = select!(objects::columns!(), "objects", concat!("parent_id IN ", these!(), " LIMIT $17"));
    OBJECTS_OF_TYPES = select!(objects::columns!(), "objects", concat!("object_type IN ", these!(), " LIMIT $17"));
    USERS = select!("id, sub, username, email, email_verified, status, claims", "users",
        concat!("id IN ", these!(), " LIMIT $17"));
    ALL_USERS = "SELECT id, sub, username, email, email_verified, status, claims FROM users WHERE id > $1 ORDER BY id LIMIT $2";
    CLIENTS = select!("id, client_id, disabled, trusted", "clients", concat!("id IN ", these!(), " LIMIT $17"));
    ALL_CLIENTS = "SELECT id, client_id, disabled, trusted FROM clients WHERE id > $1 ORDER BY id LIMIT $2";
    GROUPS = select!("id, code", "user_groups", concat!("id IN ", these!(), " LIMIT $17"));
    ALL_GROUPS = "SELECT id, code FROM user_groups WHERE id > $1 ORDER BY id LIMIT $2";
    MEMBERSHIPS = select!("user_id, group_id, not_before, not_after", "memberships",
        concat!("user_id IN ", these!(), " LIMIT $17"));
    NESTINGS_ABOVE = select!("nestings.member_id, nestings.group_id, nestings.not_before, nestings.not_after",
        "group_closure JOIN nestings ON nestings.member_id = group_closure.group_id",
        concat!("group_closure.member_id IN ", these!(), " LIMIT $17"));
    NESTINGS_BELOW = select!("nestings.member_id, nestings.group_id, nestings.not_before, nestings.not_after",
        "group_closure JOIN nestings ON nestings.group_id = group_closure.member_id",
        concat!("group_closure.group_id IN ", these!(), " LIMIT $17"));
    MEMBERSHIPS_BELOW = select!(
        "memberships.user_id, memberships.group_id, memberships.not_before, memberships.not_after",
        "group_closure JOIN memberships ON memberships.group_id = group_closure.member_id",
        concat!("group_closure.group_id IN ", these!(), " LIMIT $17"));
    GRANTS_OF = select!(grants::columns!(), "permission_grants",
        concat!("holder_id IN ", these!(), " AND holder_kind = $17 LIMIT $18"));
    /// As the unique index has it.
    GRANTS_OF_ON = select!(grants::columns!(), "permission_grants",
        concat!("holder_id IN ", these!(), " AND COALESCE(object_id, 0) IN ", those!(),
            " AND holder_kind = $33 LIMIT $34"));
    GRANTS_OF_ON_TYPES = select!(grants::columns!(), "permission_grants",
        concat!("holder_id IN ", these!(), " AND COALESCE(object_type, '') IN ", those!(),
            " AND COALESCE(object_id, 0) = 0 AND holder_kind = $33 LIMIT $34"));
    GRANTS_ON = select!(grants::columns!(), "permission_grants", concat!("object_id IN ", these!(), " LIMIT $17"));
    GRANTS_ON_TYPES = select!(grants::columns!(), "permission_grants",
        concat!("object_type IN ", these!(), " LIMIT $17"));
    DELEGATIONS_TO = select!(delegations::columns!(), "delegations",
        concat!("to_user IN ", these!(),
            " AND ended_at IS NULL AND (expires_at IS NULL OR expires_at > $17) LIMIT $18"));
    DELEGATIONS_ON = select!(delegations::columns!(), "delegations",
        concat!("object_id IN ", these!(),
            " AND ended_at IS NULL AND (expires_at IS NULL OR expires_at > $17) LIMIT $18"));
}

/// What a slice is for.
#[derive(Clone, Copy, Debug)]
pub enum SliceOf<'a> {
    /// What a subject may do on the objects of these codes: [`Index::check`], [`Index::map`], [`Index::sources_of`].
    Objects(Subject, &'a [String]),
    /// On which objects a subject may do something: [`Index::objects_of`].
    ObjectsOf(Subject),
    /// Which subjects of a kind may do something on the object of this code: [`Index::subjects_of`].
    SubjectsOf(SubjectKind, &'a str),
}

/// How a slice is loaded.
#[derive(Clone, Copy, Debug)]
pub struct SliceSettings {
    /// The moment of the question: what is over by then is left out.
    pub now: Timestamp,
    /// The client that asks.
    pub asker: Option<ClientId>,
    /// Whether a taker must meet the conditions of the giver's grant too.
    pub giver_conditions_bind_taker: bool,
    /// The most rows to load.
    pub most_rows: i64,
}

impl SliceSettings {
    /// Rows that are loaded in less than a second.
    pub const MOST_ROWS: i64 = 50_000;

    /// Asked at `now` by the server itself, with the usual bounds.
    pub const fn at(now: Timestamp) -> Self {
        Self { now, asker: None, giver_conditions_bind_taker: false, most_rows: Self::MOST_ROWS }
    }
}

/// A question depends on more rows than the database is asked for at once. It is not answered; an index could.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("this depends on more than the database is asked for at once")]
pub struct TooLarge;

impl Reads {
    /// Loads what a question depends on, in one view of the database, as an index at the revision of that view.
    pub fn permission_slice(
        &mut self,
        of: SliceOf<'_>,
        settings: &SliceSettings,
    ) -> Result<Result<Index, TooLarge>, StoreError> {
        let loaded = self.in_one_view(|reads| {
            let revision = reads.current_revision()?;
            let with_attributes = reads.subjects_asked_since()?.is_some();
            let types = reads.permission_types()?;
            let (now, rows_left) = (settings.now, settings.most_rows);
            let mut slice = Slice { reads, now, with_attributes, rows_left, records: HashMap::new() };
            slice.keep(types.into_iter().map(Record::PermissionType));
            match slice.load(of, settings.asker) {
                Ok(()) => Ok(Ok((slice.records, revision))),
                Err(Stop::TooLarge) => Ok(Err(TooLarge)),
                Err(Stop::Store(error)) => Err(error),
            }
        })?;
        let (records, revision) = match loaded {
            Ok(loaded) => loaded,
            Err(TooLarge) => return Ok(Err(TooLarge)),
        };
        let revision = u64::try_from(revision).unwrap_or_default();
        Index::build(records.into_values(), revision, settings.giver_conditions_bind_taker)
            .map(Ok)
            .map_err(|error| StoreError::Driver(error.to_string().into()))
    }
}

/// Why a slice is not loaded to its end.
enum Stop {
    Store(StoreError),
    TooLarge,
}

impl From<StoreError> for Stop {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

/// A slice while it is loaded.
struct Slice<'a> {
    reads: &'a mut Reads,
    now: Timestamp,
    with_attributes: bool,
    rows_left: i64,
    records: HashMap<Key, Record>,
}

/// What grants can be on.
#[derive(Default)]
struct Targets {
    objects: BTreeSet<ObjectId>,
    /// Types of objects.
    types: BTreeSet<String>,
}

impl Slice<'_> {
    fn load(&mut self, of: SliceOf<'_>, asker: Option<ClientId>) -> Result<(), Stop> {
        self.clients(asker)?;
        match of {
            SliceOf::Objects(subject, codes) => {
                let targets = self.objects_of_codes(codes)?;
                let holders = self.above(&[subject])?;
                self.grants_of_on(&holders, &targets)?;
                if let Subject::User(user) = subject {
                    let givers = self.givers(&[user], &targets)?;
                    self.lenders(givers, &targets)?;
                }
                Ok(())
            }
            SliceOf::ObjectsOf(subject) => self.load_objects_of(subject),
            SliceOf::SubjectsOf(kind, code) => self.load_subjects_of(kind, code),
        }
    }

    /// All grants of the subject and what they reach; of those who lent to it, what is on the objects lent.
    fn load_objects_of(&mut self, subject: Subject) -> Result<(), Stop> {
        let holders = self.above(&[subject])?;
        let grants: Vec<PermissionGrant> = self.grants_of(&holders)?;
        let lent = match subject {
            Subject::User(user) => self.delegations(DELEGATIONS_TO, [user.0])?,
            Subject::Client(_) | Subject::Group(_) => Vec::new(),
        };
        let mut reached = Targets::default();
        let mut with_descendants = Vec::new();
        for grant in &grants {
            match &grant.target {
                Target::Object(id) => {
                    reached.objects.insert(*id);
                    with_descendants.extend(grant.include_children.then_some(*id));
                }
                Target::AllOf(object_type) => drop(reached.types.insert(object_type.clone())),
            }
        }
        self.objects(OBJECTS, reached.objects.iter().map(|id| id.0.into()))?;
        self.objects(OBJECTS_OF_TYPES, reached.types.iter().map(Param::from))?;
        self.descendants(with_descendants)?;

        let mut targets = Targets::default();
        let objects = self.objects(OBJECTS, lent.iter().map(|delegation| delegation.object.0.into()))?;
        targets.add(&objects);
        let with_descendants = lent.iter().filter(|one| one.include_children).map(|one| one.object);
        targets.add(&self.descendants(with_descendants.collect())?);
        targets.add_above(&self.ancestors(objects)?);
        let givers = lent.iter().map(|delegation| delegation.from).collect();
        self.lenders(givers, &targets)
    }

    /// All that is granted and lent on the object and what it stands in, and everybody behind the holders.
    fn load_subjects_of(&mut self, kind: SubjectKind, code: &str) -> Result<(), Stop> {
        let targets = self.objects_of_codes(&[code.to_owned()])?;
        let mut found = self.grants(GRANTS_ON, &[], targets.objects.iter().map(|id| id.0.into()))?;
        found.extend(self.grants(GRANTS_ON_TYPES, &[], targets.types.iter().map(Param::from))?);
        let (mut users, mut clients, mut groups) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
        let mut to_everyone = false;
        for grant in &found {
            match grant.holder {
                Holder::User(id) => drop(users.insert(id)),
                Holder::Client(id) => drop(clients.insert(id)),
                Holder::Group(id) => drop(groups.insert(id)),
                Holder::Everyone => to_everyone = true,
            }
        }
        self.below(&groups, kind, &mut users)?;
        if kind == SubjectKind::User {
            for delegation in self.delegations(DELEGATIONS_ON, targets.objects.iter().map(|id| id.0))? {
                users.extend([delegation.from, delegation.to]);
            }
        }
        match (kind, to_everyone) {
            (SubjectKind::User, true) => {
                let with_attributes = self.with_attributes;
                self.all(ALL_USERS, |row| feed::read_user(row, with_attributes).map(Record::User))
            }
            (SubjectKind::User, false) => self.users(users),
            (SubjectKind::Client, true) => {
                self.all(ALL_CLIENTS, |row| feed::read_client(row).map(Record::Client))
            }
            (SubjectKind::Client, false) => self.clients(clients),
            (SubjectKind::Group, true) => self.all(ALL_GROUPS, |row| groups::read(row).map(Record::Group)),
            (SubjectKind::Group, false) => Ok(()),
        }
    }

    /// The subjects themselves and the groups above them, with the ways there. Whatever they hold, these are the holders.
    fn above(&mut self, subjects: &[Subject]) -> Result<Vec<Holder>, Stop> {
        let mut holders = vec![Holder::Everyone];
        let (mut users, mut clients, mut inner) = (Vec::new(), Vec::new(), BTreeSet::new());
        for subject in subjects {
            match *subject {
                Subject::User(id) => {
                    users.push(id);
                    holders.push(Holder::User(id));
                }
                Subject::Client(id) => {
                    clients.push(id);
                    holders.push(Holder::Client(id));
                }
                Subject::Group(id) => drop(inner.insert(id)),
            }
        }
        self.users(users.iter().copied())?;
        self.clients(clients)?;
        let ids = users.iter().map(|id| id.0.into());
        inner
            .extend(self.memberships(MEMBERSHIPS, groups::read_membership, ids)?.iter().map(|one| one.group));
        let mut all = inner.clone();
        let ids = inner.iter().map(|id| id.0.into());
        all.extend(self.memberships(NESTINGS_ABOVE, groups::read_nesting, ids)?.iter().map(|one| one.group));
        self.groups(&all)?;
        holders.extend(all.into_iter().map(Holder::Group));
        Ok(holders)
    }

    /// The groups in `groups`, with the ways there, and their members.
    fn below(
        &mut self,
        groups: &BTreeSet<GroupId>,
        kind: SubjectKind,
        users: &mut BTreeSet<UserId>,
    ) -> Result<(), Stop> {
        let ids = || groups.iter().map(|id| Param::from(id.0));
        let mut all = groups.clone();
        for nesting in self.memberships(NESTINGS_BELOW, groups::read_nesting, ids())? {
            if let Member::Group(id) = nesting.member {
                all.insert(id);
            }
        }
        self.groups(&all)?;
        if kind == SubjectKind::User {
            for membership in self.memberships(MEMBERSHIPS_BELOW, groups::read_membership, ids())? {
                if let Member::User(id) = membership.member {
                    users.insert(id);
                }
            }
        }
        Ok(())
    }

    /// Those who may have lent something on `targets`, with what they hold there, and those who lent to them, and so on: as far
    /// back as a right may come, which is over one more than [`MAX_HOPS`].
    fn lenders(&mut self, givers: BTreeSet<UserId>, targets: &Targets) -> Result<(), Stop> {
        let mut known = givers.clone();
        let mut level: Vec<UserId> = givers.into_iter().collect();
        for _ in 0..=MAX_HOPS {
            if level.is_empty() {
                break;
            }
            let subjects: Vec<Subject> = level.iter().copied().map(Subject::User).collect();
            let holders = self.above(&subjects)?;
            self.grants_of_on(&holders, targets)?;
            let givers = self.givers(&level, targets)?;
            level = givers.into_iter().filter(|giver| known.insert(*giver)).collect();
        }
        Ok(())
    }

    /// Who lent something on `targets` to `takers`.
    fn givers(&mut self, takers: &[UserId], targets: &Targets) -> Result<BTreeSet<UserId>, Stop> {
        let lent = self.delegations(DELEGATIONS_TO, takers.iter().map(|id| id.0))?;
        Ok(lent.iter().filter(|one| targets.objects.contains(&one.object)).map(|one| one.from).collect())
    }

    /// The objects of these codes and what they stand in.
    fn objects_of_codes(&mut self, codes: &[String]) -> Result<Targets, Stop> {
        let objects = self.objects(OBJECTS_OF_CODES, codes.iter().map(Param::from))?;
        let mut targets = Targets::default();
        targets.add(&objects);
        targets.add_above(&self.ancestors(objects)?);
        Ok(targets)
    }

    fn ancestors(&mut self, objects: Vec<Object>) -> Result<Vec<Object>, Stop> {
        let mut all = Vec::new();
        let mut level = objects;
        for _ in 0..=MAX_OBJECT_DEPTH {
            let parents: BTreeSet<ObjectId> = level.iter().filter_map(|object| object.parent).collect();
            level = self.objects(OBJECTS, parents.iter().map(|id| id.0.into()))?;
            all.extend_from_slice(&level);
        }
        Ok(all)
    }

    fn descendants(&mut self, objects: Vec<ObjectId>) -> Result<Vec<Object>, Stop> {
        let mut all = Vec::new();
        let mut known: BTreeSet<ObjectId> = objects.iter().copied().collect();
        let mut level = objects;
        while !level.is_empty() {
            let below = self.objects(OBJECTS_IN, level.iter().map(|id| id.0.into()))?;
            level = below.iter().map(|object| object.id).filter(|id| known.insert(*id)).collect();
            all.extend(below);
        }
        Ok(all)
    }

    fn grants_of(&mut self, holders: &[Holder]) -> Result<Vec<PermissionGrant>, Stop> {
        let mut found = Vec::new();
        for (kind, ids) in by_kind(holders) {
            found.extend(self.grants(GRANTS_OF, &[kind.into()], ids.into_iter().map(Param::from))?);
        }
        Ok(found)
    }

    fn grants_of_on(&mut self, holders: &[Holder], targets: &Targets) -> Result<(), Stop> {
        let objects: Vec<Param<'_>> = targets.objects.iter().map(|id| id.0.into()).collect();
        let types: Vec<Param<'_>> = targets.types.iter().map(Param::from).collect();
        for (kind, ids) in by_kind(holders) {
            for (sql, targets) in [(GRANTS_OF_ON, &objects), (GRANTS_OF_ON_TYPES, &types)] {
                for targets in targets.chunks(LIST) {
                    let mut rest = targets.to_vec();
                    rest.resize(LIST, Param::Null);
                    rest.push(kind.into());
                    self.grants(sql, &rest, ids.iter().copied().map(Param::from))?;
                }
            }
        }
        Ok(())
    }

    fn users(&mut self, ids: impl IntoIterator<Item = UserId>) -> Result<(), Stop> {
        let with_attributes = self.with_attributes;
        let users = self.rows(USERS, &[], ids.into_iter().map(|id| id.0.into()), |row| {
            feed::read_user(row, with_attributes).map(Record::User)
        })?;
        self.keep(users);
        Ok(())
    }

    fn clients(&mut self, ids: impl IntoIterator<Item = ClientId>) -> Result<(), Stop> {
        let ids = ids.into_iter().map(|id| id.0.into());
        let clients = self.rows(CLIENTS, &[], ids, |row| feed::read_client(row).map(Record::Client))?;
        self.keep(clients);
        Ok(())
    }

    fn groups(&mut self, ids: &BTreeSet<GroupId>) -> Result<(), Stop> {
        let ids = ids.iter().map(|id| id.0.into());
        let groups = self.rows(GROUPS, &[], ids, |row| groups::read(row).map(Record::Group))?;
        self.keep(groups);
        Ok(())
    }

    fn memberships<'p>(
        &mut self,
        sql: &'static str,
        read: fn(&mut Row<'_>) -> Result<Membership, StoreError>,
        ids: impl Iterator<Item = Param<'p>>,
    ) -> Result<Vec<Membership>, Stop> {
        let found = self.rows(sql, &[], ids, read)?;
        self.keep(found.iter().copied().map(Record::Membership));
        Ok(found)
    }

    fn objects<'p>(
        &mut self,
        sql: &'static str,
        keys: impl Iterator<Item = Param<'p>>,
    ) -> Result<Vec<Object>, Stop> {
        let found = self.rows(sql, &[], keys, objects::read)?;
        self.keep(found.iter().cloned().map(Record::Object));
        Ok(found)
    }

    fn grants<'p>(
        &mut self,
        sql: &'static str,
        rest: &[Param<'_>],
        keys: impl Iterator<Item = Param<'p>>,
    ) -> Result<Vec<PermissionGrant>, Stop> {
        let found = self.rows(sql, rest, keys, grants::read)?;
        self.keep(found.iter().cloned().map(Record::Grant));
        Ok(found)
    }

    fn delegations(
        &mut self,
        sql: &'static str,
        ids: impl IntoIterator<Item = i64>,
    ) -> Result<Vec<Delegation>, Stop> {
        let now = Param::from(self.now);
        let found = self.rows(sql, &[now], ids.into_iter().map(Param::from), delegations::read)?;
        self.keep(found.iter().cloned().map(Record::Delegation));
        Ok(found)
    }

    fn keep(&mut self, records: impl IntoIterator<Item = Record>) {
        self.records.extend(records.into_iter().map(|record| (feed::key(&record), record)));
    }

    /// The rows of a statement that asks for a list of `keys`, then `rest`, then how many rows at most.
    fn rows<'p, T>(
        &mut self,
        sql: &'static str,
        rest: &[Param<'_>],
        keys: impl Iterator<Item = Param<'p>>,
        read: impl Fn(&mut Row<'_>) -> Result<T, StoreError>,
    ) -> Result<Vec<T>, Stop> {
        let keys: Vec<Param<'p>> = keys.collect();
        let mut found = Vec::new();
        for keys in keys.chunks(LIST) {
            let mut values: Vec<Param<'_>> = keys.to_vec();
            values.resize(LIST, Param::Null);
            values.extend_from_slice(rest);
            values.push((self.rows_left + 1).into());
            let rows = self.reads.all(sql, &values, &read)?;
            self.spend(rows.len())?;
            found.extend(rows);
        }
        Ok(found)
    }

    /// All rows of a table.
    fn all(
        &mut self,
        sql: &'static str,
        read: impl Fn(&mut Row<'_>) -> Result<Record, StoreError>,
    ) -> Result<(), Stop> {
        let values = [i64::MIN.into(), (self.rows_left + 1).into()];
        let rows = self.reads.all(sql, &values, read)?;
        self.spend(rows.len())?;
        self.keep(rows);
        Ok(())
    }

    fn spend(&mut self, rows: usize) -> Result<(), Stop> {
        self.rows_left -= i64::try_from(rows).unwrap_or(i64::MAX);
        if self.rows_left < 0 { Err(Stop::TooLarge) } else { Ok(()) }
    }
}

impl Targets {
    fn add(&mut self, objects: &[Object]) {
        self.objects.extend(objects.iter().map(|object| object.id));
        self.types.extend(objects.iter().map(|object| object.object_type.clone()));
    }

    /// What objects stand in: that it is of a type is of no matter.
    fn add_above(&mut self, objects: &[Object]) {
        self.objects.extend(objects.iter().map(|object| object.id));
    }
}

/// Ids by the word for their kind.
fn by_kind(holders: &[Holder]) -> HashMap<&'static str, Vec<i64>> {
    let mut kinds: HashMap<&'static str, Vec<i64>> = HashMap::new();
    for (kind, id) in holders.iter().copied().map(holder_columns) {
        kinds.entry(kind).or_default().push(id);
    }
    kinds
}
