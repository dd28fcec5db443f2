//! One question in its circumstances, its parts found: what [`super::check`] and [`super::explain`] share.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;

use rustc_hash::FxBuildHasher;

use super::base::EVERYONE;
use super::grants::{Edge, Found};
use super::types::TypeNumber;
use super::view::{ObjectView, Place};
use super::{Index, MOST_STEPS, TooComplex};
use crate::attributes::{Attributes, Value};
use crate::condition::{Condition, Entity, Scene, Truth};
use crate::question::Circumstances;
use crate::subject::{Subject, SubjectKind};

/// Who asks about whom, at which moment.
pub(super) struct Asking<'a> {
    pub(super) index: &'a Index,
    pub(super) circumstances: &'a Circumstances<'a>,
    pub(super) party: u32,
    pub(super) kind: SubjectKind,
    /// `S(u)`.
    pub(super) holders: Vec<u32>,
    asker_is_trusted: bool,
    steps: Cell<u32>,
    /// Who may lend, as far as it was found out.
    lenders: RefCell<HashMap<Lender, bool, FxBuildHasher>>,
}

/// Who, on what, what, over how many hops.
type Lender = (u32, u32, TypeNumber, u8);

/// And on which object.
pub(super) struct Case<'a> {
    pub(super) asking: &'a Asking<'a>,
    pub(super) object: ObjectView<'a>,
    pub(super) place: Place,
}

impl<'a> Asking<'a> {
    /// None when the subject or the asker is unknown or disabled: the answer is no, whatever is asked.
    pub(super) fn new(
        index: &'a Index,
        subject: Subject,
        circumstances: &'a Circumstances<'a>,
    ) -> Result<Option<Self>, TooComplex> {
        let asker = match circumstances.asker {
            Some(id) => match index.party_of(Subject::Client(id)).filter(|asker| index.is_active(*asker)) {
                Some(asker) => Some(asker),
                None => return Ok(None),
            },
            None => None,
        };
        let Some(party) = index.party_of(subject).filter(|party| index.is_active(*party)) else {
            return Ok(None);
        };
        Ok(Some(Self {
            index,
            circumstances,
            party,
            kind: subject.kind(),
            holders: index.holders_of(party, circumstances.now)?,
            asker_is_trusted: asker.is_some_and(|asker| index.is_trusted(asker)),
            steps: Cell::new(0),
            lenders: RefCell::default(),
        }))
    }

    /// The case of an object; none when it is disabled.
    pub(super) fn on(&'a self, object: ObjectView<'a>) -> Option<Case<'a>> {
        let place = self.index.place(&object);
        (!object.is_disabled()).then_some(Case { asking: self, object, place })
    }

    /// What was not found out for want of steps is no, and an error.
    pub(super) fn settle(&self, answer: bool) -> Result<bool, TooComplex> {
        if !answer && self.steps.get() > MOST_STEPS { Err(TooComplex) } else { Ok(answer) }
    }

    /// Whether all that was looked for was found out.
    pub(super) fn settle_all<T>(&self, answer: T) -> Result<T, TooComplex> {
        if self.steps.get() > MOST_STEPS { Err(TooComplex) } else { Ok(answer) }
    }
}

impl<'a> Case<'a> {
    const fn index(&self) -> &'a Index {
        self.asking.index
    }

    /// Whether a condition holds for `permission`, with `party` in the subject's place.
    pub(super) fn is_true(&self, condition: Option<&Condition>, party: u32, permission: TypeNumber) -> bool {
        let Some(condition) = condition else { return true };
        let Asking { index, circumstances, .. } = self.asking;
        let stored = index.party_attributes(party);
        // What the asker says of the subject is about the one who is asked about, not about those who lent to it.
        let is_asked_about = party == self.asking.party;
        let said = if is_asked_about { circumstances.subject } else { Attributes::NONE };
        let (first, then) = if self.asking.asker_is_trusted { (said, stored) } else { (stored, said) };
        let id = match stored.get("id") {
            Some(Value::Text(id)) => Some(id.as_str()),
            _ => None,
        };
        let kind = if is_asked_about { self.asking.kind } else { SubjectKind::User };
        let scene = Scene {
            now: circumstances.now,
            subject: Entity { id, kind: Some(kind.as_str()), first, then, ..Entity::NOTHING },
            resource: Entity {
                id: Some(self.object.code),
                kind: Some(index.object_type(self.object.shape)),
                first: circumstances.resource,
                then: self.object.attributes,
                ..Entity::NOTHING
            },
            action: Entity {
                name: index.overlay.types.record(permission).map(|record| record.code.as_str()),
                first: circumstances.action,
                ..Entity::NOTHING
            },
            context: Entity { first: circumstances.context, ..Entity::NOTHING },
        };
        condition.evaluate(&scene) == Truth::True
    }

    /// Whether a grant found on the way gives `permission` to `party` now.
    pub(super) fn gives(&self, found: &Found, party: u32, permission: TypeNumber) -> bool {
        self.index().overlay.types.given_by(permission).contains(found.terms.permission)
            && found.terms.is_live(self.asking.circumstances.now)
            && self.is_true(found.terms.condition(), party, permission)
    }

    /// Whether a delegation carries `permission` on this object to `taker` now, if its giver may lend it.
    pub(super) fn carries(&self, edge: &Edge, taker: u32, permission: TypeNumber) -> bool {
        self.place.is_covered(edge.target, edge.record.include_children)
            && self.index().overlay.types.given_by(permission).contains(edge.permission)
            && edge.record.is_live(self.asking.circumstances.now)
            && self.is_true(edge.record.condition.as_deref(), taker, permission)
    }

    /// Whether `giver` may lend `permission` over so many hops.
    ///
    /// Each step back over a delegation asks for one hop more, and no delegation has more than a few left: so a circle of users
    /// asks for ever more hops and ends, and remembering the answers is safe.
    pub(super) fn may_lend(&self, giver: u32, permission: TypeNumber, hops: u8) -> bool {
        let key = (giver, self.object.target, permission, hops);
        if let Some(known) = self.asking.lenders.borrow().get(&key) {
            return *known;
        }
        let may = self.index().is_active(giver)
            && (self.lends_by_grant(giver, permission, hops)
                || self.index().lent_to(giver).iter().any(|edge| {
                    edge.record.hops_left >= hops
                        && self.carries(edge, giver, permission)
                        && self.step()
                        && self.may_lend(edge.from, permission, hops + 1)
                }));
        self.asking.lenders.borrow_mut().insert(key, may);
        may
    }

    fn lends_by_grant(&self, giver: u32, permission: TypeNumber, hops: u8) -> bool {
        self.find_grant(giver, |found| self.lends(found, giver, permission, hops)).is_some()
    }

    /// Whether a grant of `giver` may be lent over so many hops now.
    pub(super) fn lends(&self, found: &Found, giver: u32, permission: TypeNumber, hops: u8) -> bool {
        found.terms.delegable.allows(hops)
            && self.gives(found, giver, permission)
            && (!self.index().giver_conditions_bind_taker
                || self.is_true(found.terms.condition(), self.asking.party, permission))
    }

    /// The first grant of `party` on this object, itself or by its groups, that is `wanted`.
    pub(super) fn find_grant(&self, party: u32, mut wanted: impl FnMut(&Found) -> bool) -> Option<Found> {
        let look = |holders: &[u32], wanted: &mut dyn FnMut(&Found) -> bool| {
            let flow = self.index().visit_grants(holders, &self.place, |found| {
                if wanted(&found) {
                    std::ops::ControlFlow::Break(found)
                } else {
                    std::ops::ControlFlow::Continue(())
                }
            });
            flow.break_value()
        };
        if party == self.asking.party {
            return look(&self.asking.holders, &mut wanted);
        }
        debug_assert_ne!(party, EVERYONE);
        match self.index().holders_of(party, self.asking.circumstances.now) {
            Ok(holders) => look(&holders, &mut wanted),
            Err(TooComplex) => {
                self.asking.steps.set(MOST_STEPS + 1);
                None
            }
        }
    }

    /// Counts a step; false when there were too many.
    pub(super) fn step(&self) -> bool {
        let steps = self.asking.steps.get().saturating_add(1);
        self.asking.steps.set(steps);
        steps <= MOST_STEPS
    }
}
