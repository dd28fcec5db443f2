//! The index: all that decisions need, in memory, as one value that is never changed.
//!
//! Its base is a few arrays: grants by holder, holders by target, memberships by member and by group. Changes since it was built
//! are in a small overlay; [`Index::apply`] makes a new index that shares the base with the old one, so a server swaps one pointer
//! and its readers never wait. When the overlay is no longer small, [`Index::compacted`] makes a new base.
//!
//! Numbers: a *party* is a user, client, group or everyone; a *target* is an object or all objects of a type. Both are dense
//! numbers inside. A number is given to whatever is referred to; whether it is there is another question.

mod base;
mod case;
mod check;
mod dictionary;
mod explain;
mod grants;
mod list;
mod lists;
mod overlay;
mod types;
mod view;

use std::sync::Arc;

use crate::change::{FeedEntry, Record};
use base::{Base, Builder};
use overlay::Overlay;

pub use list::TooMany;

/// Why an index cannot be built or brought up to date.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum IndexError {
    /// An entry is missing: build the index again from the store.
    #[error(
        "the feed goes on at revision {found}, after {expected} was expected: the index must be loaded again"
    )]
    Gap {
        /// What would have come next.
        expected: u64,
        /// What came.
        found: u64,
    },
    /// More than 65,536 permission types, gone ones among them: build the index again.
    #[error("more than 65,536 permission types")]
    TooManyTypes,
    /// An object's code that was never checked.
    #[error("an object's code has more than 255 bytes")]
    LongCode,
    /// More than 2³¹ grants.
    #[error("more grants than one index holds")]
    TooManyGrants,
}

/// A question that would take too many steps. The answer is no, and this says that it was not found out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("too many groups or delegations to follow")]
pub struct TooComplex;

/// The most groups that one party may reach, and the most steps over delegations, in one question.
const MOST_STEPS: u32 = 20_000;

/// An overlay is large beyond this part of the base, or beyond so many changes; a thousand are always few.
const SMALL_PART: usize = 100;
const MOST_CHANGES: usize = 50_000;
const FEW_CHANGES: usize = 1_000;
/// What a change takes in the overlay, about.
const CHANGE_BYTES: usize = 250;

/// What is known at one revision.
#[derive(Clone)]
pub struct Index {
    base: Arc<Base>,
    overlay: Overlay,
    revision: u64,
    giver_conditions_bind_taker: bool,
}

impl Index {
    /// Builds an index of `records`, in any order, as they were at `revision`.
    ///
    /// # Errors
    /// [`IndexError`].
    pub fn build(
        records: impl IntoIterator<Item = Record>,
        revision: u64,
        giver_conditions_bind_taker: bool,
    ) -> Result<Self, IndexError> {
        let records = records.into_iter();
        let mut builder = Builder::new(records.size_hint().0);
        for record in records {
            builder.push(record)?;
        }
        let (base, overlay) = builder.finish()?;
        Ok(Self { base: Arc::new(base), overlay, revision, giver_conditions_bind_taker })
    }

    /// The revision that it is at.
    pub const fn revision(&self) -> u64 {
        self.revision
    }

    /// The index after `entries`. Those that it has already are passed over, so a feed may be read with an overlap.
    ///
    /// # Errors
    /// [`IndexError::Gap`] if an entry is missing; nothing of `entries` counts then.
    pub fn apply(&self, entries: &[FeedEntry]) -> Result<Self, IndexError> {
        let mut next = self.clone();
        for entry in entries {
            let expected = next.revision + 1;
            if entry.revision > expected {
                return Err(IndexError::Gap { expected, found: entry.revision });
            }
            if entry.revision == expected {
                next.overlay.take_in(&next.base, &entry.change)?;
                next.revision = expected;
            }
        }
        next.overlay.settle();
        Ok(next)
    }

    /// How much memory it takes, about; without the attributes and conditions.
    pub fn memory_bytes(&self) -> usize {
        self.base.memory_bytes() + self.overlay.len() * CHANGE_BYTES
    }

    /// Whether it is time for [`Index::compacted`].
    pub fn is_overlay_large(&self) -> bool {
        let changes = self.overlay.len();
        changes > MOST_CHANGES || changes > (self.base.len() / SMALL_PART).max(FEW_CHANGES)
    }

    /// The same knowledge in a new base. Takes as long as building: on a thread of its own, and the entries that came
    /// meanwhile are applied to the result.
    ///
    /// # Errors
    /// [`IndexError`].
    pub fn compacted(&self) -> Result<Self, IndexError> {
        Self::build(self.records(), self.revision, self.giver_conditions_bind_taker)
    }
}

impl std::fmt::Debug for Index {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Index")
            .field("revision", &self.revision)
            .field("base", &self.base.len())
            .field("overlay", &self.overlay.len())
            .finish_non_exhaustive()
    }
}
