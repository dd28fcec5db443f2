//! All objects on which a subject may do something, and all subjects that may do it.
//!
//! A list is the set of those for whom a single check says yes: candidates are gathered generously, and each of them is checked,
//! unless what made it a candidate decides.

use std::collections::HashSet;

use rustc_hash::FxBuildHasher;

use super::base::{EVERYONE, IS_THERE};
use super::case::Asking;
use super::{Index, TooComplex};
use crate::answer::PermissionMap;
use crate::question::Circumstances;
use crate::subject::{Subject, SubjectKind};

/// The most candidates of one list.
const MOST_CANDIDATES: usize = 250_000;

/// Why a list is refused: part of one would be a wrong answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TooMany {
    /// More results than were asked for at most.
    #[error("the list is longer than {0}")]
    Results(usize),
    /// Too many to look through.
    #[error("there are too many to look through")]
    Candidates,
    /// Too much to follow.
    #[error(transparent)]
    Complex(#[from] TooComplex),
}

impl Index {
    /// The codes of the objects on which the subject may do it, sorted; at most `most`.
    ///
    /// # Errors
    /// [`TooMany`].
    pub fn objects_of(
        &self,
        subject: Subject,
        permission: &str,
        circumstances: &Circumstances<'_>,
        most: usize,
    ) -> Result<Vec<&str>, TooMany> {
        let Some(permission) = self.overlay.types.find(permission) else { return Ok(Vec::new()) };
        let Some(asking) = Asking::new(self, subject, circumstances)? else { return Ok(Vec::new()) };
        let given_by = self.overlay.types.given_by(permission);
        // Those that a grant without condition decides, and those to be checked.
        let (mut certain, mut possible) = (Numbers::default(), Numbers::default());
        for holder in &asking.holders {
            let grants = self.grants_of(*holder).filter(|found| given_by.contains(found.terms.permission));
            for found in grants.filter(|found| found.terms.is_live(circumstances.now)) {
                let reached = if found.terms.condition().is_none() { &mut certain } else { &mut possible };
                self.reach(found.target, found.terms.include_children, reached);
                if certain.len().max(possible.len()) > MOST_CANDIDATES {
                    return Err(TooMany::Candidates);
                }
            }
        }
        if asking.kind == SubjectKind::User {
            for edge in self.lent_to(asking.party) {
                self.reach(edge.target, edge.record.include_children, &mut possible);
            }
        }
        let mut codes = Vec::with_capacity(certain.len());
        let certain_ones = certain.iter().map(|target| (*target, true));
        let possible_ones = possible.difference(&certain).map(|target| (*target, false));
        for (target, is_certain) in certain_ones.chain(possible_ones) {
            let Some(object) = self.object(target).filter(|object| !object.is_disabled()) else { continue };
            if is_certain || asking.on(object).is_some_and(|case| case.permits(permission)) {
                codes.push(object.code);
                if codes.len() > most {
                    return Err(TooMany::Results(most));
                }
            }
        }
        codes.sort_unstable();
        Ok(asking.settle_all(codes)?)
    }

    /// The permission types held on each visible object on which there are any, objects sorted by code; at most `most` objects.
    ///
    /// # Errors
    /// [`TooMany`].
    pub fn map_of_all(
        &self,
        subject: Subject,
        visible: impl Fn(&str) -> bool,
        circumstances: &Circumstances<'_>,
        most: usize,
    ) -> Result<PermissionMap, TooMany> {
        let Some(asking) = Asking::new(self, subject, circumstances)? else {
            return Ok(PermissionMap::default());
        };
        let mut candidates = Numbers::default();
        for holder in &asking.holders {
            for found in self.grants_of(*holder).filter(|found| found.terms.is_live(circumstances.now)) {
                self.reach(found.target, found.terms.include_children, &mut candidates);
                if candidates.len() > MOST_CANDIDATES {
                    return Err(TooMany::Candidates);
                }
            }
        }
        if asking.kind == SubjectKind::User {
            for edge in self.lent_to(asking.party) {
                self.reach(edge.target, edge.record.include_children, &mut candidates);
            }
        }
        let objects = candidates.into_iter().filter_map(|target| self.object(target));
        let mut objects: Vec<_> = objects.filter(|object| visible(object.code)).collect();
        objects.sort_unstable_by_key(|object| object.code);
        let types = &self.overlay.types;
        let mut map = PermissionMap::default();
        for object in objects {
            let Some(held) = asking.on(object).map(|case| case.held()) else { continue };
            let mut held =
                held.iter().filter_map(|number| types.record(number)).map(|t| t.code.as_str()).peekable();
            if held.peek().is_some() {
                map.insert(object.code, held);
                if map.len() > most {
                    return Err(TooMany::Results(most));
                }
            }
        }
        Ok(asking.settle_all(map)?)
    }

    /// Adds the objects to which something on `target` reaches.
    fn reach(&self, target: u32, with_children: bool, reached: &mut Numbers) {
        if self.targets_all_of(target) {
            let is_of_type = |object: &u32| {
                let shape = match self.overlay.objects.get(object) {
                    Some(now) => now.shape,
                    None => match self.base.targets.entry(*object) {
                        Some(entry) => entry.shape(),
                        None => return false,
                    },
                };
                shape.flags & IS_THERE != 0 && shape.all_of_type == target
            };
            reached.extend((0..self.targets().len()).filter(is_of_type));
        } else if with_children && self.object(target).is_some() {
            reached.extend(self.with_descendants(target));
        } else {
            reached.insert(target);
        }
    }

    /// The subjects of a kind that may do it, sorted; at most `most`.
    ///
    /// # Errors
    /// [`TooMany`].
    pub fn subjects_of(
        &self,
        kind: SubjectKind,
        object: &str,
        permission: &str,
        circumstances: &Circumstances<'_>,
        most: usize,
    ) -> Result<Vec<Subject>, TooMany> {
        let found = self.object_of_code(object).zip(self.overlay.types.find(permission));
        let Some((object, permission)) = found else { return Ok(Vec::new()) };
        let mut candidates = Numbers::default();
        let mut unopened = Vec::new();
        for (target, _) in self.place(&object).iter() {
            for party in self.possible_holders(target).chain(self.possible_takers(target)) {
                if party == EVERYONE {
                    candidates.extend(0..self.parties().len());
                } else if candidates.insert(party) {
                    unopened.push(party);
                }
            }
        }
        // Members of groups, and of groups in them.
        while candidates.len() <= MOST_CANDIDATES
            && let Some(party) = unopened.pop()
        {
            unopened.extend(self.possible_members(party).filter(|member| candidates.insert(*member)));
        }
        if candidates.len() > MOST_CANDIDATES {
            return Err(TooMany::Candidates);
        }
        let mut subjects = Vec::new();
        for subject in candidates.into_iter().filter_map(|party| self.subject(party)) {
            if subject.kind() != kind {
                continue;
            }
            let Some(asking) = Asking::new(self, subject, circumstances)? else { continue };
            let may = asking.on(object).is_some_and(|case| case.permits(permission));
            if asking.settle(may)? {
                subjects.push(subject);
                if subjects.len() > most {
                    return Err(TooMany::Results(most));
                }
            }
        }
        subjects.sort_unstable();
        Ok(subjects)
    }
}

type Numbers = HashSet<u32, FxBuildHasher>;
