//! Dense numbers for ids from outside, so that everything else can be an array.

use std::hash::{BuildHasher, Hash};

use hashbrown::HashTable;
use rustc_hash::FxBuildHasher;

use crate::grant::Holder;
use crate::ids::{ClientId, GroupId, ObjectId, UserId};

/// A 64-bit id and what it names, in 12 bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Key {
    kind: u8,
    id: [u32; 2],
}

const EVERYONE: u8 = 0;
const USER: u8 = 1;
const CLIENT: u8 = 2;
const GROUP: u8 = 3;
const OBJECT: u8 = 4;
const ALL_OF: u8 = 5;

/// What a dictionary keeps of a key: the key, and what else should lie beside it.
pub(super) trait Entry {
    fn new(key: Key) -> Self;
    fn key(&self) -> Key;
}

impl Entry for Key {
    fn new(key: Key) -> Self {
        key
    }

    fn key(&self) -> Key {
        *self
    }
}

impl Key {
    /// Its kind and id, for entries that pack them closer.
    pub(super) const fn parts(self) -> (u8, [u32; 2]) {
        (self.kind, self.id)
    }

    pub(super) const fn from_parts(kind: u8, id: [u32; 2]) -> Self {
        Self { kind, id }
    }

    const fn new(kind: u8, id: i64) -> Self {
        let [a, b, c, d, e, f, g, h] = id.to_ne_bytes();
        Self { kind, id: [u32::from_ne_bytes([a, b, c, d]), u32::from_ne_bytes([e, f, g, h])] }
    }

    const fn id(self) -> i64 {
        let [[a, b, c, d], [e, f, g, h]] = [self.id[0].to_ne_bytes(), self.id[1].to_ne_bytes()];
        i64::from_ne_bytes([a, b, c, d, e, f, g, h])
    }

    /// The holder that it names, if it names one.
    pub(super) const fn holder(self) -> Option<Holder> {
        match self.kind {
            EVERYONE => Some(Holder::Everyone),
            USER => Some(Holder::User(UserId(self.id()))),
            CLIENT => Some(Holder::Client(ClientId(self.id()))),
            GROUP => Some(Holder::Group(GroupId(self.id()))),
            _ => None,
        }
    }

    /// The object that it names, if it names one.
    pub(super) const fn object(self) -> Option<ObjectId> {
        if self.kind == OBJECT { Some(ObjectId(self.id())) } else { None }
    }

    /// The object type of which it names all objects, by its number.
    pub(super) const fn all_of(self) -> Option<u32> {
        if self.kind == ALL_OF { Some(self.id[0]) } else { None }
    }

    /// All objects of a type, by the type's number.
    pub(super) const fn of_type(number: u32) -> Self {
        Self { kind: ALL_OF, id: [number, 0] }
    }
}

impl From<Holder> for Key {
    fn from(holder: Holder) -> Self {
        match holder {
            Holder::Everyone => Self::new(EVERYONE, 0),
            Holder::User(id) => Self::new(USER, id.0),
            Holder::Client(id) => Self::new(CLIENT, id.0),
            Holder::Group(id) => Self::new(GROUP, id.0),
        }
    }
}

impl From<ObjectId> for Key {
    fn from(id: ObjectId) -> Self {
        Self::new(OBJECT, id.0)
    }
}

/// Entries, each at the place that is its number.
#[derive(Clone)]
pub(super) struct Dictionary<E> {
    entries: Vec<E>,
    table: HashTable<u32>,
}

impl<E> Default for Dictionary<E> {
    fn default() -> Self {
        Self { entries: Vec::new(), table: HashTable::new() }
    }
}

fn hash(key: &Key) -> u64 {
    FxBuildHasher.hash_one(key)
}

impl<E: Entry> Dictionary<E> {
    pub(super) fn find(&self, key: Key) -> Option<u32> {
        self.table.find(hash(&key), |number| self.entries[*number as usize].key() == key).copied()
    }

    /// The key's number, a new one if it has none.
    pub(super) fn number(&mut self, key: Key) -> u32 {
        if let Some(number) = self.find(key) {
            return number;
        }
        let number = self.len();
        self.entries.push(E::new(key));
        self.table.insert_unique(hash(&key), number, |number| hash(&self.entries[*number as usize].key()));
        number
    }

    pub(super) fn entry(&self, number: u32) -> Option<&E> {
        self.entries.get(number as usize)
    }

    pub(super) fn entries(&self) -> &[E] {
        &self.entries
    }

    pub(super) fn entries_mut(&mut self) -> &mut [E] {
        &mut self.entries
    }

    /// How many there are, which is the next number.
    pub(super) fn len(&self) -> u32 {
        u32::try_from(self.entries.len()).expect("memory ends before four thousand million keys")
    }

    pub(super) fn memory_bytes(&self) -> usize {
        self.entries.capacity() * size_of::<E>() + self.table.allocation_size()
    }

    pub(super) fn shrink_to_fit(&mut self) {
        self.entries.shrink_to_fit();
        self.table.shrink_to_fit(|number| hash(&self.entries[*number as usize].key()));
    }
}

/// A dictionary that is not changed, and one of the keys that came later, numbered on.
pub(super) struct Layered<'a, E> {
    pub(super) base: &'a Dictionary<E>,
    pub(super) added: &'a Dictionary<Key>,
}

impl<E: Entry> Layered<'_, E> {
    pub(super) fn find(&self, key: Key) -> Option<u32> {
        self.base.find(key).or_else(|| self.added.find(key).map(|number| number + self.base.len()))
    }

    pub(super) fn key(&self, number: u32) -> Key {
        let added = || self.added.entry(number - self.base.len()).copied();
        self.base.entry(number).map(E::key).or_else(added).expect("numbers come out of this dictionary")
    }

    pub(super) fn len(&self) -> u32 {
        self.base.len() + self.added.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_keeps_its_number_and_names_what_it_was_made_from() {
        assert_eq!(size_of::<Key>(), 12);
        let mut dictionary = Dictionary::<Key>::default();
        let keys = [
            Key::from(Holder::Everyone),
            Key::from(Holder::User(UserId(7))),
            Key::from(Holder::Group(GroupId(7))),
            Key::from(Holder::Client(ClientId(7))),
            Key::from(ObjectId(i64::MAX)),
            Key::from(ObjectId(-1)),
            Key::of_type(7),
        ];
        for _ in 0..2 {
            for (number, key) in (0..).zip(keys) {
                assert_eq!(dictionary.number(key), number, "PE4: the kind is part of the identity");
                assert_eq!(dictionary.entry(number), Some(&key));
            }
        }
        assert_eq!(keys[2].holder(), Some(Holder::Group(GroupId(7))));
        assert_eq!(keys[4].object(), Some(ObjectId(i64::MAX)));
        assert_eq!((keys[6].all_of(), keys[6].holder(), keys[6].object()), (Some(7), None, None));
    }
}
