//! Permission types by number, what each gives, and sets of them.

use std::collections::HashMap;

use rustc_hash::FxBuildHasher;

use super::IndexError;
use crate::ids::PermissionTypeId;
use crate::permission_type::PermissionType;

/// The number of a permission type.
pub(super) type TypeNumber = u16;

/// A set of permission types: one word while there are no more than 64.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum TypeSet {
    Narrow(u64),
    Wide(Box<[u64]>),
}

impl TypeSet {
    fn empty(types: usize) -> Self {
        if types <= 64 { Self::Narrow(0) } else { Self::Wide(vec![0; types.div_ceil(64)].into_boxed_slice()) }
    }

    fn words(&self) -> &[u64] {
        match self {
            Self::Narrow(word) => std::slice::from_ref(word),
            Self::Wide(words) => words,
        }
    }

    fn words_mut(&mut self) -> &mut [u64] {
        match self {
            Self::Narrow(word) => std::slice::from_mut(word),
            Self::Wide(words) => words,
        }
    }

    pub(super) fn contains(&self, number: TypeNumber) -> bool {
        let word = self.words().get(usize::from(number / 64));
        word.is_some_and(|word| word >> (number % 64) & 1 == 1)
    }

    pub(super) fn insert(&mut self, number: TypeNumber) {
        self.words_mut()[usize::from(number / 64)] |= 1 << (number % 64);
    }

    pub(super) fn add(&mut self, other: &Self) {
        for (word, others) in self.words_mut().iter_mut().zip(other.words()) {
            *word |= others;
        }
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = TypeNumber> + '_ {
        (0..).zip(self.words()).flat_map(|(place, word): (TypeNumber, &u64)| {
            (0..64).filter(move |bit| word >> bit & 1 == 1).map(move |bit| place * 64 + bit)
        })
    }
}

/// All permission types, some of them only referred to.
#[derive(Clone, Default)]
pub(super) struct Types {
    numbers: HashMap<PermissionTypeId, TypeNumber, FxBuildHasher>,
    ids: Vec<PermissionTypeId>,
    records: Vec<Option<PermissionType>>,
    by_code: HashMap<String, TypeNumber>,
    /// What each gives: itself and what it implies, if it is there.
    gives: Vec<TypeSet>,
    /// What each is given by.
    given_by: Vec<TypeSet>,
    none: Option<TypeSet>,
}

impl Types {
    /// The number of a type, a new one if it has none.
    pub(super) fn number(&mut self, id: PermissionTypeId) -> Result<TypeNumber, IndexError> {
        if let Some(number) = self.numbers.get(&id) {
            return Ok(*number);
        }
        let number = TypeNumber::try_from(self.records.len()).map_err(|_| IndexError::TooManyTypes)?;
        self.numbers.insert(id, number);
        self.ids.push(id);
        self.records.push(None);
        Ok(number)
    }

    pub(super) fn known(&self, id: PermissionTypeId) -> Option<TypeNumber> {
        self.numbers.get(&id).copied()
    }

    pub(super) fn put(&mut self, record: PermissionType) -> Result<(), IndexError> {
        for implied in &record.implies {
            self.number(*implied)?;
        }
        let number = self.number(record.id)?;
        self.records[usize::from(number)] = Some(record);
        Ok(())
    }

    pub(super) fn remove(&mut self, id: PermissionTypeId) {
        if let Some(number) = self.numbers.get(&id) {
            self.records[usize::from(*number)] = None;
        }
    }

    /// Works out what gives what. To be called after types were numbered, put or removed.
    pub(super) fn settle(&mut self) {
        let none = TypeSet::empty(self.records.len());
        self.gives = vec![none.clone(); self.records.len()];
        self.given_by = self.gives.clone();
        self.none = Some(none);
        self.by_code.clear();
        let direct: Vec<(TypeNumber, Vec<TypeNumber>)> = (0..)
            .zip(&self.records)
            .filter_map(|(number, record)| {
                let implied = record.as_ref()?.implies.iter().map(|id| self.numbers[id]);
                Some((number, implied.filter(|n| self.records[usize::from(*n)].is_some()).collect()))
            })
            .collect();
        for (number, record) in (0..).zip(&self.records) {
            if let Some(record) = record {
                self.by_code.insert(record.code.clone(), number);
            }
        }
        for (number, _) in &direct {
            self.gives[usize::from(*number)].insert(*number);
        }
        // As many rounds as the longest chain of implications, and one that changes nothing.
        let mut changed = true;
        while changed {
            changed = false;
            for (number, implied) in &direct {
                let mut gives = self.gives[usize::from(*number)].clone();
                implied.iter().for_each(|implied| gives.add(&self.gives[usize::from(*implied)]));
                if gives != self.gives[usize::from(*number)] {
                    self.gives[usize::from(*number)] = gives;
                    changed = true;
                }
            }
        }
        for (number, gives) in (0..).zip(&self.gives) {
            gives.iter().for_each(|given| self.given_by[usize::from(given)].insert(number));
        }
    }

    /// The type of that code, if it is there.
    pub(super) fn find(&self, code: &str) -> Option<TypeNumber> {
        self.by_code.get(code).copied()
    }

    pub(super) fn record(&self, number: TypeNumber) -> Option<&PermissionType> {
        self.records.get(usize::from(number))?.as_ref()
    }

    pub(super) fn records(&self) -> impl Iterator<Item = &PermissionType> {
        self.records.iter().flatten()
    }

    pub(super) fn id(&self, number: TypeNumber) -> PermissionTypeId {
        self.ids[usize::from(number)]
    }

    /// `{q : p gives q}`.
    pub(super) fn gives(&self, number: TypeNumber) -> &TypeSet {
        &self.gives[usize::from(number)]
    }

    /// `P(p)`, of which a type is in itself.
    pub(super) fn given_by(&self, number: TypeNumber) -> &TypeSet {
        &self.given_by[usize::from(number)]
    }

    pub(super) fn no_types(&self) -> TypeSet {
        self.none.clone().unwrap_or(TypeSet::Narrow(0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn types(implications: &[(i64, &[i64])]) -> Types {
        let mut types = Types::default();
        for (id, implies) in implications {
            let implies = implies.iter().copied().map(PermissionTypeId).collect();
            let record = PermissionType { id: PermissionTypeId(*id), code: format!("t{id}"), implies };
            types.put(record).expect("few types");
        }
        types.settle();
        types
    }

    fn gives(types: &Types, code: &str) -> Vec<String> {
        let number = types.find(code).expect("there");
        let mut codes: Vec<_> = types.gives(number).iter().filter_map(|n| types.record(n)).collect();
        codes.sort_unstable_by_key(|t| t.id);
        codes.into_iter().map(|t| t.code.clone()).collect()
    }

    #[test]
    fn what_a_type_gives_goes_through_types_that_are_there() {
        // 4 is only spoken of; 5 and 6 go round.
        let types = types(&[(1, &[2]), (2, &[3, 4]), (3, &[]), (5, &[6]), (6, &[5])]);
        assert_eq!(gives(&types, "t1"), ["t1", "t2", "t3"]);
        assert_eq!(gives(&types, "t5"), ["t5", "t6"]);
        assert_eq!(types.find("t4"), None);
        let three = types.find("t3").expect("there");
        assert_eq!(types.given_by(three).iter().count(), 3);
    }

    #[test]
    fn more_than_64_types_work_the_same() {
        let chain: Vec<(i64, Vec<i64>)> = (1..=130).map(|id| (id, vec![id + 1])).collect();
        let chain: Vec<(i64, &[i64])> = chain.iter().map(|(id, implies)| (*id, implies.as_slice())).collect();
        let types = types(&chain);
        assert_eq!(gives(&types, "t1").len(), 130);
        assert_eq!(gives(&types, "t130"), ["t130"]);
    }
}
