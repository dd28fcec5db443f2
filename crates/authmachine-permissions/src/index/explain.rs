//! Finding the chain behind an answer.

use std::collections::{HashMap, HashSet, VecDeque};
use std::ops::ControlFlow;

use super::base::EVERYONE;
use super::case::{Asking, Case};
use super::grants::{Edge, Found};
use super::types::TypeNumber;
use super::{Index, TooComplex};
use crate::attributes::Attributes;
use crate::explain::{Barrier, Explanation, GroupStep, Held, Hindrance, Loan, Near, Reach, Right, Verdict};
use crate::question::{Circumstances, Question};
use crate::subject::{Subject, SubjectKind};
use crate::validity::Validity;

/// The most rights that nearly reached, and the most that are looked at to find them.
const MOST_NEAR: usize = 5;
const MOST_LOOKED_AT: usize = 1_000;

impl Index {
    /// Why [`Index::check`] answers as it does.
    ///
    /// # Errors
    /// [`TooComplex`]: the answer is no, because it was not found out.
    pub fn explain(
        &self,
        question: &Question<'_>,
        circumstances: &Circumstances<'_>,
    ) -> Result<Explanation, TooComplex> {
        let verdict = match self.barrier(question, circumstances) {
            Some(barrier) => Verdict::Barred(barrier),
            None => self.verdict(question, circumstances)?,
        };
        Ok(Explanation {
            subject: question.subject,
            object: question.object.to_owned(),
            permission: question.permission.to_owned(),
            verdict,
        })
    }

    fn barrier(&self, question: &Question<'_>, circumstances: &Circumstances<'_>) -> Option<Barrier> {
        let is_there = |party: &u32| self.is_there(*party);
        let asker = |id| self.party_of(Subject::Client(id)).is_some_and(|asker| self.is_active(asker));
        let Some(party) = self.party_of(question.subject).filter(is_there) else {
            return Some(Barrier::SubjectUnknown);
        };
        if !self.is_active(party) {
            return Some(Barrier::SubjectDisabled);
        }
        if circumstances.asker.is_some_and(|id| !asker(id)) {
            return Some(Barrier::AskerInactive);
        }
        match self.object_of_code(question.object) {
            None => return Some(Barrier::ObjectUnknown),
            Some(object) if object.is_disabled() => return Some(Barrier::ObjectDisabled),
            Some(_) => {}
        }
        self.overlay.types.find(question.permission).is_none().then_some(Barrier::PermissionUnknown)
    }

    fn verdict(
        &self,
        question: &Question<'_>,
        circumstances: &Circumstances<'_>,
    ) -> Result<Verdict, TooComplex> {
        let none = Verdict::No(Vec::new());
        let found = self.object_of_code(question.object).zip(self.overlay.types.find(question.permission));
        let Some((object, permission)) = found else { return Ok(none) };
        let Some(asking) = Asking::new(self, question.subject, circumstances)? else { return Ok(none) };
        let Some(case) = asking.on(object) else { return Ok(none) };
        match case.right(permission) {
            Some(right) => Ok(Verdict::Yes(right)),
            None => asking.settle_all(Verdict::No(case.near(permission))),
        }
    }

    /// The shortest way from a party to a group that it is in, and whether memberships that are not live were used.
    fn way(&self, party: u32, group: u32, is_usable: impl Fn(Validity) -> bool) -> Option<Vec<GroupStep>> {
        let mut came_from: HashMap<u32, (u32, Validity)> = HashMap::new();
        let mut next = VecDeque::from([party]);
        while let Some(lower) = next.pop_front() {
            if lower == group {
                break;
            }
            self.groups_of(lower, |upper, validity| {
                if is_usable(validity) && self.is_there(upper) && upper != party {
                    came_from.entry(upper).or_insert_with(|| {
                        next.push_back(upper);
                        (lower, validity)
                    });
                }
            });
        }
        let mut steps = Vec::new();
        let mut at = group;
        while at != party {
            let (lower, validity) = *came_from.get(&at)?;
            let code = self.group_code(at).unwrap_or_default().to_owned();
            steps.push(GroupStep { group: self.group_id(at), code, validity });
            at = lower;
        }
        steps.reverse();
        Some(steps)
    }

    /// From one type to another that it gives, each implying the next.
    fn implications(&self, from: TypeNumber, to: TypeNumber) -> Vec<String> {
        let types = &self.overlay.types;
        let mut chain = Vec::new();
        let mut seen = HashSet::new();
        let mut at = Some(from);
        while let Some(record) = at.and_then(|number| types.record(number)) {
            chain.push(record.code.clone());
            if at == Some(to) {
                break;
            }
            // Any way will do, as long as it leads there and not round.
            let implied = record.implies.iter().filter_map(|id| types.known(*id));
            at = implied.filter(|one| types.given_by(to).contains(*one)).find(|one| seen.insert(*one));
        }
        chain
    }
}

impl Case<'_> {
    /// By what the subject has it.
    fn right(&self, permission: TypeNumber) -> Option<Right> {
        let party = self.asking.party;
        if let Some(found) = self.find_grant(party, |found| self.gives(found, party, permission)) {
            return Some(Right::Held(self.held_by(party, &found, permission)));
        }
        if self.asking.kind != SubjectKind::User {
            return None;
        }
        let mut edges = self.asking.index.lent_to(party).iter();
        let edge = edges
            .find(|edge| self.carries(edge, party, permission) && self.may_lend(edge.from, permission, 1))?;
        Some(Right::Lent(self.loan(edge, permission, 1)))
    }

    /// By what `giver` may lend it over so many hops.
    fn right_to_lend(&self, giver: u32, permission: TypeNumber, hops: u8) -> Option<Right> {
        if !self.may_lend(giver, permission, hops) {
            return None;
        }
        if let Some(found) = self.find_grant(giver, |found| self.lends(found, giver, permission, hops)) {
            return Some(Right::Held(self.held_by(giver, &found, permission)));
        }
        let mut edges = self.asking.index.lent_to(giver).iter();
        let edge = edges.find(|edge| {
            edge.record.hops_left >= hops
                && self.carries(edge, giver, permission)
                && self.may_lend(edge.from, permission, hops + 1)
        })?;
        Some(Right::Lent(self.loan(edge, permission, hops + 1)))
    }

    fn loan(&self, edge: &Edge, permission: TypeNumber, hops: u8) -> Loan {
        Loan {
            delegation: edge.record.clone(),
            reach: self.reach(edge.target),
            types: self.asking.index.implications(edge.permission, permission),
            giver: self.right_to_lend(edge.from, permission, hops).map(Box::new),
        }
    }

    fn held_by(&self, party: u32, found: &Found, permission: TypeNumber) -> Held {
        let index = self.asking.index;
        let now = self.asking.circumstances.now;
        let groups = if found.holder == EVERYONE {
            None
        } else {
            let live = index.way(party, found.holder, |validity| validity.contains(now));
            live.or_else(|| index.way(party, found.holder, |_| true))
        };
        Held {
            by: index.subject(party).expect("only everyone is no subject"),
            grant: index.grant_record(found),
            groups: groups.unwrap_or_default(),
            reach: self.reach(found.target),
            types: index.implications(found.terms.permission, permission),
        }
    }

    fn reach(&self, target: u32) -> Reach {
        let index = self.asking.index;
        if target == self.object.target {
            return Reach::Itself;
        }
        if target == self.object.shape.all_of_type {
            return Reach::AllOf(index.object_type(self.object.shape).to_owned());
        }
        let mut above = Vec::new();
        for (one, _) in self.place.iter().skip(2) {
            above.extend(index.object(one).map(|object| object.code.to_owned()));
            if one == target {
                break;
            }
        }
        Reach::Above(above)
    }

    /// The rights that nearly reach.
    fn near(&self, permission: TypeNumber) -> Vec<Near> {
        let index = self.asking.index;
        let party = self.asking.party;
        let given_by = index.overlay.types.given_by(permission);
        let mut near = Vec::new();
        let holders = self.holders_at_any_time();
        let _ = index.visit_grants(&holders, &self.place.with_everything_above(), |found| {
            if given_by.contains(found.terms.permission) {
                let held = self.held_by(party, &found, permission);
                let hindrances = self.hindrances_of(&found, &held, permission);
                near.push(Near { right: Right::Held(held), hindrances });
            }
            if near.len() < MOST_LOOKED_AT { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
        });
        if self.asking.kind == SubjectKind::User {
            let covers = |edge: &&Edge| self.place.is_covered(edge.target, edge.record.include_children);
            for edge in index.lent_to(party).iter().filter(covers) {
                if given_by.contains(edge.permission) && near.len() < 2 * MOST_LOOKED_AT {
                    let loan = self.loan(edge, permission, 1);
                    let hindrances = self.hindrances_of_loan(edge, &loan, permission);
                    near.push(Near { right: Right::Lent(loan), hindrances });
                }
            }
        }
        near.sort_by_key(|near| near.hindrances.len());
        near.truncate(MOST_NEAR);
        near
    }

    /// Like `S(u)`, over memberships at any time.
    fn holders_at_any_time(&self) -> Vec<u32> {
        let index = self.asking.index;
        let mut holders = vec![EVERYONE, self.asking.party];
        let mut seen: HashSet<u32> = holders.iter().copied().collect();
        let mut next = 1;
        while let Some(lower) = holders.get(next).copied().filter(|_| next < MOST_LOOKED_AT) {
            next += 1;
            index.groups_of(lower, |group, _| {
                if index.is_there(group) && seen.insert(group) {
                    holders.push(group);
                }
            });
        }
        holders.sort_unstable();
        holders
    }

    fn hindrances_of(&self, found: &Found, held: &Held, permission: TypeNumber) -> Vec<Hindrance> {
        let now = self.asking.circumstances.now;
        let mut hindrances = Vec::new();
        let limits = found.terms.limits();
        if limits.revoked {
            hindrances.push(Hindrance::Revoked);
        }
        hindrances.extend(outside(limits.validity, now));
        for step in held.groups.iter().filter(|step| !step.validity.contains(now)) {
            hindrances.push(Hindrance::Membership(step.code.clone(), step.validity));
        }
        if let Reach::Above(above) = &held.reach
            && !found.terms.include_children
        {
            hindrances.push(Hindrance::WithoutChildren(above.last().cloned().unwrap_or_default()));
        }
        if !self.is_true(found.terms.condition(), self.asking.party, permission) {
            hindrances.push(Hindrance::Condition);
        }
        hindrances
    }

    fn hindrances_of_loan(&self, edge: &Edge, loan: &Loan, permission: TypeNumber) -> Vec<Hindrance> {
        let Asking { index, circumstances, .. } = self.asking;
        let record = &edge.record;
        let mut hindrances = Vec::new();
        hindrances.extend(record.ended.clone().map(Hindrance::Ended));
        hindrances.extend(record.expires_at.filter(|end| *end <= circumstances.now).map(Hindrance::Expired));
        if !self.is_true(record.condition.as_deref(), self.asking.party, permission) {
            hindrances.push(Hindrance::Condition);
        }
        if loan.giver.is_none() {
            let stored_only = Circumstances { subject: Attributes::NONE, asker: None, ..**circumstances };
            let holds = || {
                let giver = Asking::new(index, Subject::User(record.from), &stored_only).ok()??;
                giver.on(self.object).map(|case| case.permits(permission))
            };
            hindrances.push(if !index.is_active(edge.from) {
                Hindrance::GiverInactive
            } else if holds() == Some(true) {
                Hindrance::GiverMayNotLend
            } else {
                Hindrance::GiverLacksIt
            });
        }
        hindrances
    }
}

fn outside(validity: Validity, now: authmachine_protocol::Timestamp) -> Option<Hindrance> {
    let not_yet = validity.not_before().filter(|start| now < *start).map(Hindrance::NotYet);
    not_yet.or_else(|| validity.not_after().filter(|end| *end <= now).map(Hindrance::Expired))
}
