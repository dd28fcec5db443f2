//! Base and overlay read as one.

use std::collections::HashSet;
use std::ops::ControlFlow;

use super::Index;
use super::base::{EVERYONE, IS_DISABLED, IS_THERE, IS_TRUSTED, NO_TARGET, Party, Shape, TargetEntry};
use super::dictionary::Layered;
use super::grants::{Edge, Found, FoundAt};
use super::overlay::Overlay;
use super::{MOST_STEPS, TooComplex};
use crate::attributes::Attributes;
use crate::change::Record;
use crate::delegation::Delegation;
use crate::grant::{Holder, PermissionGrant, Target};
use crate::group::{Group, Member, Membership};
use crate::ids::{GroupId, PermissionGrantId};
use crate::object::{MAX_OBJECT_DEPTH, Object};
use crate::subject::{Client, Subject, User};
use crate::validity::Validity;
use authmachine_protocol::Timestamp;

/// An object that is there.
#[derive(Clone, Copy)]
pub(super) struct ObjectView<'a> {
    pub(super) target: u32,
    pub(super) code: &'a str,
    pub(super) shape: Shape,
    pub(super) attributes: &'a Attributes,
}

impl ObjectView<'_> {
    pub(super) const fn is_disabled(&self) -> bool {
        self.shape.flags & IS_DISABLED != 0
    }
}

/// `T(o)`: the object, all objects of its type, and the objects that it stands in, nearest first.
#[derive(Clone, Copy)]
pub(super) struct Place {
    targets: [u32; MAX_OBJECT_DEPTH + 2],
    length: usize,
    /// For explanations: grants on objects above count even if they do not include children.
    is_lenient: bool,
}

impl Place {
    /// Each target, and whether only grants count there that include children.
    pub(super) fn iter(&self) -> impl Iterator<Item = (u32, bool)> + '_ {
        (0..)
            .zip(&self.targets[..self.length])
            .map(|(place, target)| (*target, place >= 2 && !self.is_lenient))
    }

    pub(super) const fn with_everything_above(self) -> Self {
        Self { is_lenient: true, ..self }
    }

    /// Whether something on `target` reaches the object itself.
    pub(super) fn is_covered(&self, target: u32, with_children: bool) -> bool {
        self.targets[0] == target || (with_children && self.targets[2..self.length].contains(&target))
    }
}

impl Index {
    pub(super) fn parties(&self) -> Layered<'_, Party> {
        Layered { base: &self.base.parties, added: &self.overlay.parties }
    }

    pub(super) fn targets(&self) -> Layered<'_, TargetEntry> {
        Layered { base: &self.base.targets, added: &self.overlay.targets }
    }

    fn flags(&self, party: u32) -> u8 {
        if !self.overlay.parties_now.is_empty()
            && let Some(now) = self.overlay.parties_now.get(&party)
        {
            return now.flags;
        }
        self.base.parties.entry(party).map_or(0, |party| party.flags)
    }

    pub(super) fn is_there(&self, party: u32) -> bool {
        self.flags(party) & IS_THERE != 0
    }

    /// There, and not disabled.
    pub(super) fn is_active(&self, party: u32) -> bool {
        self.flags(party) & (IS_THERE | IS_DISABLED) == IS_THERE
    }

    pub(super) fn is_trusted(&self, party: u32) -> bool {
        self.flags(party) & (IS_THERE | IS_TRUSTED) == IS_THERE | IS_TRUSTED
    }

    pub(super) fn party_attributes(&self, party: u32) -> &Attributes {
        let attributes = match self.overlay.parties_now.get(&party) {
            Some(now) => now.attributes.as_ref(),
            None => self.base.party_attributes.get(&party),
        };
        attributes.map_or(Attributes::NONE, |attributes| attributes)
    }

    pub(super) fn group_code(&self, party: u32) -> Option<&str> {
        match self.overlay.parties_now.get(&party) {
            Some(now) => now.group_code.as_deref(),
            None => self.base.group_codes.get(&party).map(|code| &**code),
        }
    }

    pub(super) fn party_of(&self, subject: Subject) -> Option<u32> {
        let holder = match subject {
            Subject::User(id) => Holder::User(id),
            Subject::Client(id) => Holder::Client(id),
            Subject::Group(id) => Holder::Group(id),
        };
        self.parties().find(holder.into())
    }

    pub(super) fn holder(&self, party: u32) -> Holder {
        self.parties().key(party).holder().expect("the keys of parties are holders")
    }

    /// The party as one that can be asked about; everyone is not.
    pub(super) fn subject(&self, party: u32) -> Option<Subject> {
        match self.holder(party) {
            Holder::User(id) => Some(Subject::User(id)),
            Holder::Client(id) => Some(Subject::Client(id)),
            Holder::Group(id) => Some(Subject::Group(id)),
            Holder::Everyone => None,
        }
    }

    /// The groups of a party, directly, at any time.
    pub(super) fn groups_of(&self, party: u32, mut visit: impl FnMut(u32, Validity)) {
        if !self.overlay.groups.is_empty()
            && let Some(groups) = self.overlay.groups.get(&party)
        {
            groups.iter().for_each(|entry| visit(entry.group, entry.validity));
            return;
        }
        for entry in self.base.groups_of(party) {
            let entry = self.base.membership(*entry);
            visit(entry.group, entry.validity);
        }
    }

    /// `S(u)`, sorted: the party, everyone, and every group reachable over live memberships.
    pub(super) fn holders_of(&self, party: u32, now: Timestamp) -> Result<Vec<u32>, TooComplex> {
        let mut holders = Vec::with_capacity(24);
        holders.push(EVERYONE);
        if party != EVERYONE {
            holders.push(party);
        }
        // Most groups are in no other: only those of the last step are looked at.
        let mut step = vec![party];
        while let Some(lower) = step.pop() {
            self.groups_of(lower, |group, validity| {
                if validity.contains(now)
                    && let Err(place) = holders.binary_search(&group)
                    && self.is_there(group)
                {
                    holders.insert(place, group);
                    step.push(group);
                }
            });
            if holders.len() > MOST_STEPS as usize {
                return Err(TooComplex);
            }
        }
        Ok(holders)
    }

    /// Who may be in a group directly: some that were and no longer are stand here too.
    pub(super) fn possible_members(&self, group: u32) -> impl Iterator<Item = u32> + '_ {
        let joined = self.overlay.joined.get(&group).into_iter().flatten();
        self.base.members.get(group).iter().chain(joined).copied()
    }

    pub(super) fn object(&self, target: u32) -> Option<ObjectView<'_>> {
        let view = if !self.overlay.objects.is_empty()
            && let Some(now) = self.overlay.objects.get(&target)
        {
            let attributes = now.attributes.as_ref().map_or(Attributes::NONE, |attributes| attributes);
            ObjectView { target, code: &now.code, shape: now.shape, attributes }
        } else {
            let entry = self.base.targets.entry(target)?;
            let shape = entry.shape();
            if shape.flags & IS_THERE == 0 {
                return None;
            }
            let attributes =
                self.base.object_attributes.get(&target).map_or(Attributes::NONE, |attributes| attributes);
            ObjectView { target, code: self.base.code(entry), shape, attributes }
        };
        (view.shape.flags & IS_THERE != 0).then_some(view)
    }

    pub(super) fn object_of_code(&self, code: &str) -> Option<ObjectView<'_>> {
        let is_it = |object: &ObjectView<'_>| object.code == code;
        let changed = || self.overlay.codes.get(code).and_then(|target| self.object(*target)).filter(is_it);
        let changed = if self.overlay.codes.is_empty() { None } else { changed() };
        changed.or_else(|| self.object(self.base.target_of_code(code)?).filter(is_it))
    }

    /// The type of the object with that code, if there is one.
    pub fn object_type_of(&self, code: &str) -> Option<&str> {
        self.object_of_code(code).map(|object| self.object_type(object.shape))
    }

    /// The type of an object, by its name.
    pub(super) fn object_type(&self, shape: Shape) -> &str {
        let number = self.targets().key(shape.all_of_type).all_of();
        number.map_or("", |number| &self.overlay.object_types[number as usize])
    }

    /// Whether a target is all objects of a type.
    pub(super) fn targets_all_of(&self, target: u32) -> bool {
        self.targets().key(target).all_of().is_some()
    }

    /// `T(o)`. Objects stand at most [`MAX_OBJECT_DEPTH`] deep, which is checked when they are written.
    pub(super) fn place(&self, object: &ObjectView<'_>) -> Place {
        let mut place = Place { targets: [NO_TARGET; MAX_OBJECT_DEPTH + 2], length: 2, is_lenient: false };
        place.targets[0] = object.target;
        place.targets[1] = object.shape.all_of_type;
        let mut parent = object.shape.parent;
        while place.length < place.targets.len()
            && let Some(above) = self.object(parent)
        {
            place.targets[place.length] = above.target;
            place.length += 1;
            parent = above.shape.parent;
        }
        place
    }

    /// `target` and all objects in it, however deep.
    pub(super) fn with_descendants(&self, target: u32) -> Vec<u32> {
        let (mut found, mut seen) = (vec![target], HashSet::from([target]));
        let mut next = 0;
        while let Some(parent) = found.get(next).copied() {
            next += 1;
            let came = self.overlay.children.get(&parent).into_iter().flatten();
            for child in self.base.children.get(parent).iter().chain(came) {
                let is_in = self.object(*child).is_some_and(|object| object.shape.parent == parent);
                if is_in && seen.insert(*child) {
                    found.push(*child);
                }
            }
        }
        found
    }

    /// Each grant of one of `holders` on one of the targets, until `visit` breaks. Grants on an object above count only if they
    /// include children.
    pub(super) fn visit_grants<B>(
        &self,
        holders: &[u32],
        place: &Place,
        mut visit: impl FnMut(Found) -> ControlFlow<B>,
    ) -> ControlFlow<B> {
        for (target, is_above) in place.iter() {
            let mut visit = |found: Found| {
                if is_above && !found.terms.include_children {
                    ControlFlow::Continue(())
                } else {
                    visit(found)
                }
            };
            let on_target = self.base.holders_on(target);
            // Whichever list is shorter is gone through, the other searched.
            if on_target.len() <= holders.len() {
                let mut last = None;
                for holder in on_target {
                    if last != Some(*holder) && holders.binary_search(holder).is_ok() {
                        self.visit_rows(*holder, target, &mut visit)?;
                    }
                    last = Some(*holder);
                }
            } else {
                for holder in holders {
                    if on_target.binary_search(holder).is_ok() {
                        self.visit_rows(*holder, target, &mut visit)?;
                    }
                }
            }
            if !self.overlay.added.is_empty() {
                let first = (target, 0, PermissionGrantId(i64::MIN));
                let last = (target, u32::MAX, PermissionGrantId(i64::MAX));
                for ((_, holder, id), terms) in self.overlay.added.range(first..=last) {
                    if holders.binary_search(holder).is_ok() {
                        let place = FoundAt::Added(*id);
                        visit(Found { place, holder: *holder, target, terms: terms.clone() })?;
                    }
                }
            }
        }
        ControlFlow::Continue(())
    }

    fn visit_rows<B>(
        &self,
        holder: u32,
        target: u32,
        visit: &mut impl FnMut(Found) -> ControlFlow<B>,
    ) -> ControlFlow<B> {
        let rows = self.base.rows_of(holder);
        let first = rows.start + self.base.rows[rows.clone()].partition_point(|row| row.target < target);
        for place in first..rows.end {
            if self.base.rows[place].target != target {
                break;
            }
            if !self.is_removed(place) {
                visit(self.found(holder, place))?;
            }
        }
        ControlFlow::Continue(())
    }

    fn is_removed(&self, place: usize) -> bool {
        !self.overlay.removed.is_empty()
            && u32::try_from(place).is_ok_and(|place| self.overlay.removed.contains(&place))
    }

    fn found(&self, holder: u32, place: usize) -> Found {
        let row = self.base.rows[place];
        let terms = row.unpack(&self.base.limited);
        Found { place: FoundAt::Row(place), holder, target: row.target, terms }
    }

    /// All grants of a holder.
    pub(super) fn grants_of(&self, holder: u32) -> impl Iterator<Item = Found> + '_ {
        let rows = self.base.rows_of(holder).filter(|place| !self.is_removed(*place));
        let first = (holder, 0, PermissionGrantId(i64::MIN));
        let last = (holder, u32::MAX, PermissionGrantId(i64::MAX));
        let added = self.overlay.added_to.range(first..=last).map(|(holder, target, id)| {
            let terms = self.overlay.added[&(*target, *holder, *id)].clone();
            Found { place: FoundAt::Added(*id), holder: *holder, target: *target, terms }
        });
        rows.map(move |place| self.found(holder, place)).chain(added)
    }

    /// Who may hold a grant on `target`: some that did and no longer do stand here too.
    pub(super) fn possible_holders(&self, target: u32) -> impl Iterator<Item = u32> + '_ {
        let first = (target, 0, PermissionGrantId(i64::MIN));
        let last = (target, u32::MAX, PermissionGrantId(i64::MAX));
        let added = self.overlay.added.range(first..=last).map(|((_, holder, _), _)| *holder);
        self.base.holders_on(target).iter().copied().chain(added)
    }

    /// All delegations to a user, live or not.
    pub(super) fn lent_to(&self, taker: u32) -> &[Edge] {
        let lent = match self.overlay.lent.get(&taker) {
            Some(lent) => Some(lent),
            None => self.base.lent.get(&taker),
        };
        lent.map_or(&[], Vec::as_slice)
    }

    /// Who may have taken something on `target`.
    pub(super) fn possible_takers(&self, target: u32) -> impl Iterator<Item = u32> + '_ {
        let came = self.overlay.takers.get(&target).into_iter().flatten();
        self.base.takers.get(&target).into_iter().flatten().chain(came).copied()
    }

    /// All that it knows, as it came.
    pub(super) fn records(&self) -> impl Iterator<Item = Record> + '_ {
        let Overlay { types, .. } = &self.overlay;
        let types = types.records().cloned().map(Record::PermissionType);
        let parties = (0..self.parties().len()).filter_map(|party| self.party_record(party));
        let memberships = (0..self.parties().len()).flat_map(|party| self.membership_records(party));
        let objects = (0..self.targets().len()).filter_map(|target| self.object_record(target));
        let grants = (0..self.parties().len())
            .flat_map(|party| self.grants_of(party))
            .map(|found| Record::Grant(self.grant_record(&found)));
        let delegations = (0..self.parties().len()).flat_map(|party| self.lent_to(party)).map(|edge| {
            let delegation: &Delegation = &edge.record;
            Record::Delegation(delegation.clone())
        });
        types.chain(parties).chain(memberships).chain(objects).chain(grants).chain(delegations)
    }

    fn party_record(&self, party: u32) -> Option<Record> {
        if !self.is_there(party) {
            return None;
        }
        let disabled = !self.is_active(party);
        let attributes = match self.overlay.parties_now.get(&party) {
            Some(now) => now.attributes.clone(),
            None => self.base.party_attributes.get(&party).cloned(),
        };
        Some(match self.holder(party) {
            Holder::Everyone => return None,
            Holder::User(id) => Record::User(User { id, disabled, attributes }),
            Holder::Client(id) => {
                Record::Client(Client { id, disabled, trusted: self.is_trusted(party), attributes })
            }
            Holder::Group(id) => {
                Record::Group(Group { id, code: self.group_code(party).unwrap_or_default().to_owned() })
            }
        })
    }

    fn membership_records(&self, party: u32) -> Vec<Record> {
        let member = match self.holder(party) {
            Holder::User(id) => Member::User(id),
            Holder::Group(id) => Member::Group(id),
            Holder::Client(_) | Holder::Everyone => return Vec::new(),
        };
        let mut records = Vec::new();
        self.groups_of(party, |group, validity| {
            let group = self.group_id(group);
            records.push(Record::Membership(Membership { member, group, validity }));
        });
        records
    }

    fn object_record(&self, target: u32) -> Option<Record> {
        let object = self.object(target)?;
        let attributes = match self.overlay.objects.get(&target) {
            Some(now) => now.attributes.clone(),
            None => self.base.object_attributes.get(&target).cloned(),
        };
        Some(Record::Object(Object {
            id: self.targets().key(target).object()?,
            code: object.code.to_owned(),
            object_type: self.object_type(object.shape).to_owned(),
            parent: (object.shape.parent != NO_TARGET)
                .then(|| self.targets().key(object.shape.parent).object())
                .flatten(),
            attributes,
            disabled: object.is_disabled(),
        }))
    }

    pub(super) fn grant_id(&self, found: &Found) -> PermissionGrantId {
        match found.place {
            FoundAt::Row(place) => self.base.row_ids[place],
            FoundAt::Added(id) => id,
        }
    }

    pub(super) fn grant_record(&self, found: &Found) -> PermissionGrant {
        let key = self.targets().key(found.target);
        let target = match (key.object(), key.all_of()) {
            (Some(id), _) => Target::Object(id),
            (None, number) => {
                let number = number.expect("a target is an object or all of a type");
                Target::AllOf(self.overlay.object_types[number as usize].to_string())
            }
        };
        let limits = found.terms.limits();
        PermissionGrant {
            id: self.grant_id(found),
            holder: self.holder(found.holder),
            target,
            permission: self.overlay.types.id(found.terms.permission),
            include_children: found.terms.include_children,
            delegable: found.terms.delegable,
            validity: limits.validity,
            condition: limits.condition.clone(),
            revoked: limits.revoked,
        }
    }

    pub(super) fn group_id(&self, party: u32) -> GroupId {
        match self.holder(party) {
            Holder::Group(id) => id,
            _ => unreachable!("memberships are in groups"),
        }
    }
}
