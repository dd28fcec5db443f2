//! The arrays that are built once.

use std::collections::HashMap;
use std::hash::BuildHasher;
use std::ops::Range;
use std::sync::Arc;

use hashbrown::HashTable;
use rustc_hash::FxBuildHasher;

use super::IndexError;
use super::dictionary::{Dictionary, Entry, Key};
use super::grants::{Edge, Row, Terms};
use super::lists::Lists;
use super::overlay::Overlay;
use super::types::Types;
use crate::attributes::Attributes;
use crate::change::Record;
use crate::grant::{Holder, Target};
use crate::group::Member;
use crate::ids::PermissionGrantId;
use crate::validity::Validity;

/// A map from numbers, which come from us.
pub(super) type Sparse<T> = HashMap<u32, T, FxBuildHasher>;

/// The number of [`Holder::Everyone`].
pub(super) const EVERYONE: u32 = 0;
/// The number of no target.
pub(super) const NO_TARGET: u32 = u32::MAX;

/// What is known of a party or object, as bits.
pub(super) const IS_THERE: u8 = 1;
pub(super) const IS_DISABLED: u8 = 2;
pub(super) const IS_TRUSTED: u8 = 4;

/// A party: all that a question reads of it, in 20 bytes that are read at once.
#[derive(Clone, Copy)]
pub(super) struct Party {
    id: [u32; 2],
    kind: u8,
    pub(super) flags: u8,
    /// Where its groups begin.
    groups: u32,
    /// Where its grants begin.
    rows: u32,
}

impl Entry for Party {
    fn new(key: Key) -> Self {
        let (kind, id) = key.parts();
        Self { id, kind, flags: 0, groups: 0, rows: 0 }
    }

    fn key(&self) -> Key {
        Key::from_parts(self.kind, self.id)
    }
}

/// A target: the same, in 28 bytes.
#[derive(Clone, Copy)]
pub(super) struct TargetEntry {
    id: [u32; 2],
    kind: u8,
    flags: u8,
    code_length: u8,
    /// Where its code begins among the codes.
    code: u32,
    all_of_type: u32,
    parent: u32,
    /// Where the holders of grants on it begin.
    holders: u32,
}

impl Entry for TargetEntry {
    fn new(key: Key) -> Self {
        let (kind, id) = key.parts();
        let (all_of_type, parent) = (NO_TARGET, NO_TARGET);
        Self { id, kind, flags: 0, code_length: 0, code: 0, all_of_type, parent, holders: 0 }
    }

    fn key(&self) -> Key {
        Key::from_parts(self.kind, self.id)
    }
}

impl TargetEntry {
    /// What the object is; for what is no object, one that is not there.
    pub(super) const fn shape(&self) -> Shape {
        Shape { all_of_type: self.all_of_type, parent: self.parent, flags: self.flags }
    }
}

/// What an object is, but for its code and attributes.
#[derive(Clone, Copy)]
pub(super) struct Shape {
    /// All objects of its type.
    pub(super) all_of_type: u32,
    /// The object that it stands in, or [`NO_TARGET`].
    pub(super) parent: u32,
    pub(super) flags: u8,
}

impl Shape {
    pub(super) const UNKNOWN: Self = Self { all_of_type: NO_TARGET, parent: NO_TARGET, flags: 0 };
}

/// A membership whose validity has a limit.
#[derive(Clone, Copy)]
pub(super) struct Timed {
    pub(super) group: u32,
    pub(super) validity: Validity,
}

/// In a list of groups: the other bits are a place among the timed memberships.
pub(super) const TIMED: u32 = 1 << 31;

/// The arrays.
#[derive(Default)]
pub(super) struct Base {
    pub(super) parties: Dictionary<Party>,
    pub(super) party_attributes: Sparse<Arc<Attributes>>,
    pub(super) group_codes: Sparse<Arc<str>>,
    /// The groups of each party, directly, party by party.
    groups: Box<[u32]>,
    pub(super) timed: Vec<Timed>,
    /// The parties in each group, directly.
    pub(super) members: Lists,

    pub(super) targets: Dictionary<TargetEntry>,
    /// The codes of all objects, end to end.
    codes: String,
    pub(super) by_code: HashTable<u32>,
    pub(super) object_attributes: Sparse<Arc<Attributes>>,
    /// The objects in each object, directly.
    pub(super) children: Lists,

    /// Grants by holder, target and id.
    pub(super) rows: Vec<Row>,
    pub(super) row_ids: Vec<PermissionGrantId>,
    pub(super) limited: Vec<Terms>,
    /// The holders of grants on each target, target by target, sorted; one stands as often as it has grants.
    holders: Box<[u32]>,

    /// Delegations by taker, and the takers by target.
    pub(super) lent: Sparse<Vec<Edge>>,
    pub(super) takers: Sparse<Vec<u32>>,
}

impl Base {
    /// How many grants there are.
    pub(super) fn len(&self) -> usize {
        self.rows.len()
    }

    /// Where the rows of `holder` are.
    pub(super) fn rows_of(&self, holder: u32) -> Range<usize> {
        between(self.parties.entries(), holder, |party| party.rows, self.rows.len())
    }

    /// The groups of a party, directly: each a number, or a place among the timed memberships.
    pub(super) fn groups_of(&self, party: u32) -> &[u32] {
        &self.groups[between(self.parties.entries(), party, |party| party.groups, self.groups.len())]
    }

    /// The holders of grants on a target, sorted; one stands as often as it has grants.
    pub(super) fn holders_on(&self, target: u32) -> &[u32] {
        &self.holders[between(self.targets.entries(), target, |target| target.holders, self.holders.len())]
    }

    /// The code of an object of the base.
    pub(super) fn code(&self, target: &TargetEntry) -> &str {
        code_in(&self.codes, target)
    }

    pub(super) fn memory_bytes(&self) -> usize {
        fn of<T>(entries: usize) -> usize {
            entries * size_of::<T>()
        }
        self.parties.memory_bytes()
            + self.targets.memory_bytes()
            + self.codes.capacity()
            + self.by_code.allocation_size()
            + self.members.memory_bytes()
            + self.children.memory_bytes()
            + of::<Row>(self.rows.capacity())
            + of::<PermissionGrantId>(self.row_ids.capacity())
            + of::<Terms>(self.limited.capacity())
            + of::<Timed>(self.timed.capacity())
            + of::<u32>(self.groups.len() + self.holders.len())
            + of::<Edge>(self.lent.values().map(Vec::len).sum())
    }

    /// The target of that code, as it was when the base was built.
    pub(super) fn target_of_code(&self, code: &str) -> Option<u32> {
        let targets = self.targets.entries();
        self.by_code.find(hash_code(code), |target| self.code(&targets[*target as usize]) == code).copied()
    }
}

/// What lies between where an entry's things begin and where the next one's do; nothing for a number that came later.
fn between<E>(entries: &[E], number: u32, start: impl Fn(&E) -> u32, end: usize) -> Range<usize> {
    let number = number as usize;
    match entries.get(number) {
        Some(entry) => {
            start(entry) as usize..entries.get(number + 1).map_or(end, |next| start(next) as usize)
        }
        None => 0..0,
    }
}

fn code_in<'a>(codes: &'a str, target: &TargetEntry) -> &'a str {
    let (start, length) = (target.code as usize, usize::from(target.code_length));
    &codes[start..start + length]
}

fn hash_code(code: &str) -> u64 {
    FxBuildHasher.hash_one(code)
}

/// A grant while the base is built, in 20 bytes.
struct Unsorted {
    holder: u32,
    row: Row,
    id: [u32; 2],
}

/// Takes records in any order.
pub(super) struct Builder {
    base: Base,
    types: Types,
    object_types: Vec<Arc<str>>,
    object_type_numbers: HashMap<Arc<str>, u32>,
    rows: Vec<Unsorted>,
    memberships: Vec<(u32, u32)>,
    /// The holder of the last grant: most stores give them holder by holder.
    last_holder: (Holder, u32),
}

impl Builder {
    pub(super) fn new(expected: usize) -> Self {
        let mut base = Base::default();
        let everyone = base.parties.number(Key::from(Holder::Everyone));
        debug_assert_eq!(everyone, EVERYONE);
        Self {
            base,
            types: Types::default(),
            object_types: Vec::new(),
            object_type_numbers: HashMap::new(),
            rows: Vec::with_capacity(expected.min(1 << 24)),
            memberships: Vec::new(),
            last_holder: (Holder::Everyone, EVERYONE),
        }
    }

    pub(super) fn push(&mut self, record: Record) -> Result<(), IndexError> {
        match record {
            Record::User(user) => {
                let flags = if user.disabled { IS_THERE | IS_DISABLED } else { IS_THERE };
                self.party(Holder::User(user.id), flags, user.attributes);
            }
            Record::Client(client) => {
                let disabled = if client.disabled { IS_DISABLED } else { 0 };
                let trusted = if client.trusted { IS_TRUSTED } else { 0 };
                self.party(Holder::Client(client.id), IS_THERE | disabled | trusted, client.attributes);
            }
            Record::Group(group) => {
                let number = self.party(Holder::Group(group.id), IS_THERE, None);
                self.base.group_codes.insert(number, group.code.into());
            }
            Record::Membership(membership) => {
                let member = match membership.member {
                    Member::User(id) => Holder::User(id),
                    Member::Group(id) => Holder::Group(id),
                };
                let member = self.base.parties.number(member.into());
                let group = self.base.parties.number(Holder::Group(membership.group).into());
                let entry = if membership.validity == Validity::ALWAYS {
                    group
                } else {
                    self.base.timed.push(Timed { group, validity: membership.validity });
                    count_u32(self.base.timed.len() - 1) | TIMED
                };
                self.memberships.push((member, entry));
            }
            Record::Object(object) => {
                let target = self.base.targets.number(object.id.into());
                let parent = object.parent.map_or(NO_TARGET, |id| self.base.targets.number(id.into()));
                let all_of_type = self.all_of(&object.object_type);
                let flags = if object.disabled { IS_THERE | IS_DISABLED } else { IS_THERE };
                let code = count_u32(self.base.codes.len());
                let code_length = u8::try_from(object.code.len()).map_err(|_| IndexError::LongCode)?;
                self.base.codes.push_str(&object.code);
                let entry = &mut self.base.targets.entries_mut()[target as usize];
                *entry = TargetEntry { flags, code, code_length, all_of_type, parent, ..*entry };
                if let Some(attributes) = object.attributes {
                    self.base.object_attributes.insert(target, attributes);
                }
            }
            Record::PermissionType(permission) => self.types.put(permission)?,
            Record::Grant(grant) => {
                if self.last_holder.0 != grant.holder {
                    self.last_holder = (grant.holder, self.base.parties.number(grant.holder.into()));
                }
                let holder = self.last_holder.1;
                let target = match &grant.target {
                    Target::Object(id) => self.base.targets.number((*id).into()),
                    Target::AllOf(object_type) => self.all_of(object_type),
                };
                let permission = self.types.number(grant.permission)?;
                if self.rows.len() >= (1 << 31) - 1 {
                    return Err(IndexError::TooManyGrants);
                }
                let row = Row::pack(target, Terms::of(&grant, permission), &mut self.base.limited);
                self.rows.push(Unsorted { holder, row, id: halves(grant.id) });
            }
            Record::Delegation(delegation) => {
                let edge = Edge {
                    from: self.base.parties.number(Holder::User(delegation.from).into()),
                    target: self.base.targets.number(delegation.object.into()),
                    permission: self.types.number(delegation.permission)?,
                    record: Arc::new(delegation),
                };
                let taker = self.base.parties.number(Holder::User(edge.record.to).into());
                self.base.takers.entry(edge.target).or_default().push(taker);
                self.base.lent.entry(taker).or_default().push(edge);
            }
        }
        Ok(())
    }

    fn party(&mut self, holder: Holder, flags: u8, attributes: Option<Arc<Attributes>>) -> u32 {
        let number = self.base.parties.number(holder.into());
        self.base.parties.entries_mut()[number as usize].flags = flags;
        if let Some(attributes) = attributes {
            self.base.party_attributes.insert(number, attributes);
        }
        number
    }

    fn all_of(&mut self, object_type: &str) -> u32 {
        let number = match self.object_type_numbers.get(object_type) {
            Some(number) => *number,
            None => {
                let number = count_u32(self.object_types.len());
                self.object_types.push(object_type.into());
                self.object_type_numbers.insert(object_type.into(), number);
                number
            }
        };
        self.base.targets.number(Key::of_type(number))
    }

    pub(super) fn finish(self) -> Result<(Base, Overlay), IndexError> {
        let Self { mut base, mut types, object_types, object_type_numbers, rows, memberships, .. } = self;
        base.parties.shrink_to_fit();
        base.targets.shrink_to_fit();
        base.timed.shrink_to_fit();
        base.limited.shrink_to_fit();

        base.codes.shrink_to_fit();
        let targets = base.targets.entries();
        let there = (0..).zip(targets).filter(|(_, target)| target.flags & IS_THERE != 0);
        let rehash = |target: &u32| hash_code(code_in(&base.codes, &targets[*target as usize]));
        base.by_code.reserve(there.clone().count(), rehash);
        for (target, _) in there {
            base.by_code.insert_unique(rehash(&target), target, rehash);
        }

        let (starts, groups) = Lists::new(|| memberships.iter().copied()).into_parts();
        base.groups = groups;
        put_starts(base.parties.entries_mut(), &starts, |party| &mut party.groups);
        let group = |entry: u32| {
            if entry & TIMED == 0 { entry } else { base.timed[(entry & !TIMED) as usize].group }
        };
        base.members = Lists::new(|| memberships.iter().map(|(member, entry)| (group(*entry), *member)));
        drop(memberships);
        let inner = (0..).zip(base.targets.entries()).filter(|(_, target)| target.parent != NO_TARGET);
        base.children = Lists::new(|| inner.clone().map(|(object, target)| (target.parent, object)));

        base.put_rows(&rows);
        drop(rows);

        types.settle();
        let overlay = Overlay::new(types, object_types, object_type_numbers);
        Ok((base, overlay))
    }
}

impl Base {
    /// Puts rows to their holders, and in order there: much less work than sorting them all.
    fn put_rows(&mut self, rows: &[Unsorted]) {
        let mut starts = vec![0_u32; self.parties.entries().len() + 1];
        for row in rows {
            starts[row.holder as usize + 1] += 1;
        }
        for place in 1..starts.len() {
            starts[place] += starts[place - 1];
        }
        self.rows = vec![Row::NONE; rows.len()];
        self.row_ids = vec![PermissionGrantId(0); rows.len()];
        let mut next = starts.clone();
        for row in rows {
            let place = &mut next[row.holder as usize];
            self.rows[*place as usize] = row.row;
            self.row_ids[*place as usize] = whole(row.id);
            *place += 1;
        }
        let mut of_holder: Vec<(Row, PermissionGrantId)> = Vec::new();
        for bounds in starts.windows(2) {
            let range = bounds[0] as usize..bounds[1] as usize;
            let (rows, ids) = (&mut self.rows[range.clone()], &mut self.row_ids[range]);
            of_holder.clear();
            of_holder.extend(rows.iter().copied().zip(ids.iter().copied()));
            of_holder.sort_unstable_by_key(|(row, id)| (row.target, *id));
            for ((row, id), sorted) in rows.iter_mut().zip(ids).zip(&of_holder) {
                (*row, *id) = *sorted;
            }
        }
        // Holder by holder, so that the holders of a target come sorted.
        let by_holder = (0..).zip(starts.windows(2)).flat_map(|(holder, bounds)| {
            let rows = &self.rows[bounds[0] as usize..bounds[1] as usize];
            rows.iter().map(move |row| (row.target, holder))
        });
        let (target_starts, holders) = Lists::new(|| by_holder.clone()).into_parts();
        self.holders = holders;
        put_starts(self.targets.entries_mut(), &target_starts, |target| &mut target.holders);
        put_starts(self.parties.entries_mut(), &starts, |party| &mut party.rows);
    }
}

/// Puts beside each entry where its things begin. Entries beyond the last that has any begin where all end.
fn put_starts<E>(entries: &mut [E], starts: &[u32], place: impl Fn(&mut E) -> &mut u32) {
    let end = starts.last().copied().unwrap_or(0);
    for (number, entry) in entries.iter_mut().enumerate() {
        *place(entry) = starts.get(number).copied().unwrap_or(end);
    }
}

fn count_u32(length: usize) -> u32 {
    u32::try_from(length).expect("fewer than four thousand million")
}

/// An id in two halves, which need no alignment to eight bytes.
const fn halves(id: PermissionGrantId) -> [u32; 2] {
    let [a, b, c, d, e, f, g, h] = id.0.to_ne_bytes();
    [u32::from_ne_bytes([a, b, c, d]), u32::from_ne_bytes([e, f, g, h])]
}

const fn whole(halves: [u32; 2]) -> PermissionGrantId {
    let [[a, b, c, d], [e, f, g, h]] = [halves[0].to_ne_bytes(), halves[1].to_ne_bytes()];
    PermissionGrantId(i64::from_ne_bytes([a, b, c, d, e, f, g, h]))
}
