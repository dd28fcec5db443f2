//! May the subject do it? And what may it do on an object?

use std::ops::ControlFlow;

use super::case::{Asking, Case};
use super::types::{TypeNumber, TypeSet};
use super::{Index, TooComplex};
use crate::answer::PermissionMap;
use crate::attributes::Attributes;
use crate::delegation::{RightSource, Via};
use crate::ids::UserId;
use crate::question::{Circumstances, Question};
use crate::subject::{Subject, SubjectKind};

impl Index {
    /// Whether the subject may do it. Unknown things are no.
    ///
    /// # Errors
    /// [`TooComplex`], which is no as well.
    pub fn check(
        &self,
        question: &Question<'_>,
        circumstances: &Circumstances<'_>,
    ) -> Result<bool, TooComplex> {
        let found = self.object_of_code(question.object).zip(self.overlay.types.find(question.permission));
        let Some((object, permission)) = found else { return Ok(false) };
        let Some(asking) = Asking::new(self, question.subject, circumstances)? else { return Ok(false) };
        let answer = asking.on(object).is_some_and(|case| case.permits(permission));
        asking.settle(answer)
    }

    /// The permission types held on each of `objects`, in that order and each once; implied ones are among them. `visible` says
    /// which objects the asker may see: an unknown, an invisible and an empty one answer alike.
    ///
    /// # Errors
    /// [`TooComplex`]: what is held was not found out.
    pub fn map<'a>(
        &self,
        subject: Subject,
        objects: impl IntoIterator<Item = &'a str>,
        visible: impl Fn(&str) -> bool,
        circumstances: &Circumstances<'_>,
    ) -> Result<PermissionMap, TooComplex> {
        let asking = Asking::new(self, subject, circumstances)?;
        let mut map = PermissionMap::default();
        for code in objects {
            let object = Some(code).filter(|code| visible(code)).and_then(|code| self.object_of_code(code));
            let case = asking.as_ref().zip(object).and_then(|(asking, object)| asking.on(object));
            let held = case.map_or_else(|| self.overlay.types.no_types(), |case| case.held());
            let types = &self.overlay.types;
            map.insert(code, held.iter().filter_map(|number| types.record(number)).map(|t| t.code.as_str()));
        }
        match asking {
            Some(asking) => asking.settle_all(map),
            None => Ok(map),
        }
    }

    /// By what `giver` may lend `permission` on `object` now: the facts for [`crate::may_delegate`]. Conditions are asked of
    /// the giver as it is stored.
    ///
    /// # Errors
    /// [`TooComplex`]: not all was found out.
    pub fn sources_of(
        &self,
        giver: UserId,
        object: &str,
        permission: &str,
        circumstances: &Circumstances<'_>,
    ) -> Result<Vec<RightSource>, TooComplex> {
        let mut sources = Vec::new();
        let found = self.object_of_code(object).zip(self.overlay.types.find(permission));
        let Some((object, permission)) = found else { return Ok(sources) };
        let stored_only = Circumstances { subject: Attributes::NONE, ..*circumstances };
        let Some(asking) = Asking::new(self, Subject::User(giver), &stored_only)? else { return Ok(sources) };
        let Some(case) = asking.on(object) else { return Ok(sources) };
        case.find_grant(asking.party, |found| {
            if case.lends(found, asking.party, permission, 1) {
                sources.push(RightSource {
                    via: Via::Grant(self.grant_id(found)),
                    hops: found.terms.delegable.as_hops(),
                    ends_at: found.terms.limits().validity.not_after(),
                });
            }
            false
        });
        for edge in self.lent_to(asking.party) {
            let hops = (1..=edge.record.hops_left).rev().find(|hops| {
                case.carries(edge, asking.party, permission) && case.may_lend(edge.from, permission, hops + 1)
            });
            if let Some(hops) = hops {
                let via = Via::Delegation(edge.record.id);
                sources.push(RightSource { via, hops, ends_at: edge.record.expires_at });
            }
        }
        asking.settle_all(sources)
    }
}

impl Case<'_> {
    pub(super) fn permits(&self, permission: TypeNumber) -> bool {
        let party = self.asking.party;
        self.find_grant(party, |found| self.gives(found, party, permission)).is_some()
            || self.is_lent(permission)
    }

    fn is_lent(&self, permission: TypeNumber) -> bool {
        self.asking.kind == SubjectKind::User
            && self.asking.index.lent_to(self.asking.party).iter().any(|edge| {
                self.carries(edge, self.asking.party, permission)
                    && self.step()
                    && self.may_lend(edge.from, permission, 1)
            })
    }

    /// Every type held.
    pub(super) fn held(&self) -> TypeSet {
        let index = self.asking.index;
        let types = &index.overlay.types;
        let (now, party) = (self.asking.circumstances.now, self.asking.party);
        let mut held = types.no_types();
        let _: ControlFlow<()> = index.visit_grants(&self.asking.holders, &self.place, |found| {
            if found.terms.is_live(now) {
                let gives = types.gives(found.terms.permission);
                if found.terms.condition().is_none() {
                    held.add(gives);
                } else {
                    // A condition may ask which of the types is used.
                    gives
                        .iter()
                        .filter(|one| self.gives(&found, party, *one))
                        .for_each(|one| held.insert(one));
                }
            }
            ControlFlow::Continue(())
        });
        if self.asking.kind == SubjectKind::User {
            for edge in index.lent_to(party) {
                if self.place.is_covered(edge.target, edge.record.include_children) {
                    let open: Vec<_> =
                        types.gives(edge.permission).iter().filter(|one| !held.contains(*one)).collect();
                    open.into_iter().filter(|one| self.is_lent(*one)).for_each(|one| held.insert(one));
                }
            }
        }
        held
    }
}
