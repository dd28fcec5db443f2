//! What changed since the base was built.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use rustc_hash::FxBuildHasher;

use super::IndexError;
use super::base::{Base, IS_DISABLED, IS_THERE, IS_TRUSTED, NO_TARGET, Shape, Sparse, TIMED, Timed};
use super::dictionary::{Dictionary, Entry, Key, Layered};
use super::grants::{Edge, Terms};
use super::types::Types;
use crate::attributes::Attributes;
use crate::change::{Change, Record, Removed};
use crate::grant::{Holder, PermissionGrant, Target};
use crate::group::{Member, Membership};
use crate::ids::{DelegationId, ObjectId, PermissionGrantId, UserId};
use crate::validity::Validity;

/// A party as it is now.
#[derive(Clone, Default)]
pub(super) struct PartyNow {
    pub(super) flags: u8,
    pub(super) attributes: Option<Arc<Attributes>>,
    pub(super) group_code: Option<Arc<str>>,
}

/// An object as it is now.
#[derive(Clone)]
pub(super) struct ObjectNow {
    pub(super) shape: Shape,
    pub(super) code: Arc<str>,
    pub(super) attributes: Option<Arc<Attributes>>,
}

/// A grant that the base lacks, by what it stands on, of whom, and which.
pub(super) type AddedKey = (u32, u32, PermissionGrantId);

/// Changes, each part behind a pointer: a copy of the overlay is cheap, and taking in a change copies only the parts that it
/// touches, once a batch.
#[derive(Clone, Default)]
pub(super) struct Overlay {
    pub(super) types: Arc<Types>,
    unsettled: bool,
    pub(super) object_types: Arc<Vec<Arc<str>>>,
    object_type_numbers: Arc<HashMap<Arc<str>, u32>>,

    pub(super) parties: Arc<Dictionary<Key>>,
    pub(super) parties_now: Arc<Sparse<PartyNow>>,
    /// All groups of a member of which one changed.
    pub(super) groups: Arc<Sparse<Vec<Timed>>>,
    /// Who came to a group. Whether a member is one still is said by its own groups.
    pub(super) joined: Arc<Sparse<Vec<u32>>>,

    pub(super) targets: Arc<Dictionary<Key>>,
    pub(super) objects: Arc<Sparse<ObjectNow>>,
    pub(super) codes: Arc<HashMap<Arc<str>, u32>>,
    /// What came into an object. Whether it is there still is said by its own parent.
    pub(super) children: Arc<Sparse<Vec<u32>>>,

    pub(super) added: Arc<BTreeMap<AddedKey, Terms>>,
    /// The keys of `added` by holder first.
    pub(super) added_to: Arc<BTreeSet<(u32, u32, PermissionGrantId)>>,
    /// Rows of the base that no longer are.
    pub(super) removed: Arc<HashSet<u32, FxBuildHasher>>,

    /// All delegations to a taker of which one changed.
    pub(super) lent: Arc<Sparse<Vec<Edge>>>,
    /// Who took something on a target. What, is said by `lent`.
    pub(super) takers: Arc<Sparse<Vec<u32>>>,
    changes: usize,
}

/// All that a batch may change, at its numbers.
impl Overlay {
    pub(super) fn new(
        types: Types,
        object_types: Vec<Arc<str>>,
        object_type_numbers: HashMap<Arc<str>, u32>,
    ) -> Self {
        Self {
            types: Arc::new(types),
            object_types: Arc::new(object_types),
            object_type_numbers: Arc::new(object_type_numbers),
            ..Self::default()
        }
    }

    /// How many changes it took in.
    pub(super) fn len(&self) -> usize {
        self.changes
    }

    /// After the last change of a batch.
    pub(super) fn settle(&mut self) {
        if std::mem::take(&mut self.unsettled) {
            Arc::make_mut(&mut self.types).settle();
        }
    }

    pub(super) fn take_in(&mut self, base: &Base, change: &Change) -> Result<(), IndexError> {
        match change {
            Change::Put(record) => self.put(base, record)?,
            Change::Remove(removed) => self.remove(base, removed),
            Change::Elsewhere => return Ok(()),
        }
        self.changes += 1;
        Ok(())
    }

    fn put(&mut self, base: &Base, record: &Record) -> Result<(), IndexError> {
        match record {
            Record::User(user) => {
                let flags = if user.disabled { IS_THERE | IS_DISABLED } else { IS_THERE };
                let now = PartyNow { flags, attributes: user.attributes.clone(), group_code: None };
                self.put_party(base, Holder::User(user.id), now);
            }
            Record::Client(client) => {
                let disabled = if client.disabled { IS_DISABLED } else { 0 };
                let trusted = if client.trusted { IS_TRUSTED } else { 0 };
                let flags = IS_THERE | disabled | trusted;
                let now = PartyNow { flags, attributes: client.attributes.clone(), group_code: None };
                self.put_party(base, Holder::Client(client.id), now);
            }
            Record::Group(group) => {
                let group_code = Some(group.code.as_str().into());
                let now = PartyNow { flags: IS_THERE, attributes: None, group_code };
                self.put_party(base, Holder::Group(group.id), now);
            }
            Record::Membership(membership) => self.put_membership(base, membership),
            Record::Object(object) => {
                let target = self.target(base, object.id.into());
                let parent = object.parent.map_or(NO_TARGET, |id| self.target(base, id.into()));
                let all_of_type = self.all_of(base, &object.object_type);
                let flags = if object.disabled { IS_THERE | IS_DISABLED } else { IS_THERE };
                let code: Arc<str> = object.code.as_str().into();
                let now = ObjectNow {
                    shape: Shape { all_of_type, parent, flags },
                    code: code.clone(),
                    attributes: object.attributes.clone(),
                };
                Arc::make_mut(&mut self.codes).insert(code, target);
                Arc::make_mut(&mut self.objects).insert(target, now);
                if parent != NO_TARGET {
                    Arc::make_mut(&mut self.children).entry(parent).or_default().push(target);
                }
            }
            Record::PermissionType(permission) => {
                Arc::make_mut(&mut self.types).put(permission.clone())?;
                self.unsettled = true;
            }
            Record::Grant(grant) => self.put_grant(base, grant)?,
            Record::Delegation(delegation) => {
                let edge = Edge {
                    from: self.party(base, Holder::User(delegation.from)),
                    target: self.target(base, delegation.object.into()),
                    permission: self.type_number(delegation.permission)?,
                    record: Arc::new(delegation.clone()),
                };
                let taker = self.party(base, Holder::User(delegation.to));
                Arc::make_mut(&mut self.takers).entry(edge.target).or_default().push(taker);
                let lent = self.lent_mut(base, taker);
                lent.retain(|known| known.record.id != edge.record.id);
                lent.push(edge);
            }
        }
        Ok(())
    }

    fn remove(&mut self, base: &Base, removed: &Removed) {
        match removed {
            Removed::User(id) => self.put_party(base, Holder::User(*id), PartyNow::default()),
            Removed::Client(id) => self.put_party(base, Holder::Client(*id), PartyNow::default()),
            Removed::Group(id) => self.put_party(base, Holder::Group(*id), PartyNow::default()),
            Removed::Membership(member, group) => {
                let member = self.party(base, member_holder(*member));
                let group = self.party(base, Holder::Group(*group));
                self.groups_mut(base, member).retain(|known| known.group != group);
            }
            Removed::Object(id) => self.remove_object(base, *id),
            Removed::PermissionType(id) => {
                Arc::make_mut(&mut self.types).remove(*id);
                self.unsettled = true;
            }
            Removed::Grant(id, holder, target) => {
                let holder = self.party(base, *holder);
                let target = self.target_of(base, target);
                self.remove_grant(base, holder, target, *id);
            }
            Removed::Delegation(id, taker) => self.remove_delegation(base, *id, *taker),
        }
    }

    fn put_party(&mut self, base: &Base, holder: Holder, now: PartyNow) {
        let number = self.party(base, holder);
        Arc::make_mut(&mut self.parties_now).insert(number, now);
    }

    fn put_membership(&mut self, base: &Base, membership: &Membership) {
        let member = self.party(base, member_holder(membership.member));
        let group = self.party(base, Holder::Group(membership.group));
        let groups = self.groups_mut(base, member);
        groups.retain(|known| known.group != group);
        groups.push(Timed { group, validity: membership.validity });
        Arc::make_mut(&mut self.joined).entry(group).or_default().push(member);
    }

    fn remove_object(&mut self, base: &Base, id: ObjectId) {
        let target = self.target(base, id.into());
        let gone = ObjectNow { shape: Shape::UNKNOWN, code: "".into(), attributes: None };
        Arc::make_mut(&mut self.objects).insert(target, gone);
    }

    fn put_grant(&mut self, base: &Base, grant: &PermissionGrant) -> Result<(), IndexError> {
        let holder = self.party(base, grant.holder);
        let target = self.target_of(base, &grant.target);
        self.remove_grant(base, holder, target, grant.id);
        let terms = Terms::of(grant, self.type_number(grant.permission)?);
        Arc::make_mut(&mut self.added).insert((target, holder, grant.id), terms);
        Arc::make_mut(&mut self.added_to).insert((holder, target, grant.id));
        Ok(())
    }

    fn remove_grant(&mut self, base: &Base, holder: u32, target: u32, id: PermissionGrantId) {
        if self.added.contains_key(&(target, holder, id)) {
            Arc::make_mut(&mut self.added).remove(&(target, holder, id));
            Arc::make_mut(&mut self.added_to).remove(&(holder, target, id));
        }
        let rows = base.rows_of(holder);
        let first = rows.start + base.rows[rows.clone()].partition_point(|row| row.target < target);
        let on_target = (first..rows.end).take_while(|place| base.rows[*place].target == target);
        for place in on_target.filter(|place| base.row_ids[*place] == id) {
            let place = u32::try_from(place).expect("fewer rows than 2³¹");
            Arc::make_mut(&mut self.removed).insert(place);
        }
    }

    fn remove_delegation(&mut self, base: &Base, id: DelegationId, taker: UserId) {
        let taker = self.party(base, Holder::User(taker));
        self.lent_mut(base, taker).retain(|edge| edge.record.id != id);
    }

    fn groups_mut(&mut self, base: &Base, member: u32) -> &mut Vec<Timed> {
        Arc::make_mut(&mut self.groups)
            .entry(member)
            .or_insert_with(|| base.groups_of(member).iter().map(|entry| base.membership(*entry)).collect())
    }

    fn lent_mut(&mut self, base: &Base, taker: u32) -> &mut Vec<Edge> {
        let lent = Arc::make_mut(&mut self.lent);
        lent.entry(taker).or_insert_with(|| base.lent.get(&taker).cloned().unwrap_or_default())
    }

    fn type_number(
        &mut self,
        id: crate::ids::PermissionTypeId,
    ) -> Result<super::types::TypeNumber, IndexError> {
        if let Some(number) = self.types.known(id) {
            return Ok(number);
        }
        self.unsettled = true;
        Arc::make_mut(&mut self.types).number(id)
    }

    fn party(&mut self, base: &Base, holder: Holder) -> u32 {
        number(&base.parties, &mut self.parties, holder.into())
    }

    fn target(&mut self, base: &Base, key: Key) -> u32 {
        number(&base.targets, &mut self.targets, key)
    }

    fn target_of(&mut self, base: &Base, target: &Target) -> u32 {
        match target {
            Target::Object(id) => self.target(base, (*id).into()),
            Target::AllOf(object_type) => self.all_of(base, object_type),
        }
    }

    fn all_of(&mut self, base: &Base, object_type: &str) -> u32 {
        let known = self.object_type_numbers.get(object_type).copied();
        let number = known.unwrap_or_else(|| {
            let number = u32::try_from(self.object_types.len()).expect("fewer types than objects");
            let object_type: Arc<str> = object_type.into();
            Arc::make_mut(&mut self.object_types).push(object_type.clone());
            Arc::make_mut(&mut self.object_type_numbers).insert(object_type, number);
            number
        });
        self.target(base, Key::of_type(number))
    }
}

impl Base {
    /// A membership as it stands in `groups`.
    pub(super) fn membership(&self, entry: u32) -> Timed {
        if entry & TIMED == 0 {
            Timed { group: entry, validity: Validity::ALWAYS }
        } else {
            self.timed[(entry & !TIMED) as usize]
        }
    }
}

/// The number of `key`, a new one if neither the base nor what was added has it.
fn number<E: Entry>(base: &Dictionary<E>, added: &mut Arc<Dictionary<Key>>, key: Key) -> u32 {
    let known = Layered { base, added }.find(key);
    known.unwrap_or_else(|| base.len() + Arc::make_mut(added).number(key))
}

const fn member_holder(member: Member) -> Holder {
    match member {
        Member::User(id) => Holder::User(id),
        Member::Group(id) => Holder::Group(id),
    }
}
