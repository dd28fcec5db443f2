//! One record of an import in a unit of work: made, changed, as it was, or refused without a trace.

use std::collections::BTreeSet;
use std::sync::Arc;

use authmachine_permissions::{
    Attributes, Circumstances, Condition, DEFAULT_OBJECT_TYPE, LendRequest, LendSettings, Lent, Member, Party,
};
use authmachine_provider::Timestamp;
use authmachine_provider::event::{Event, EventKind};
use authmachine_provider::ids::{
    DelegationId, GroupId, ObjectId, PermissionGrantId, PermissionTypeId, UserId,
};
use authmachine_provider::permission_records::{
    self as records, DelegationLine, Holder, Named, Origin, PermissionGrant, PermissionGrantLine, Source,
    Target, Validity,
};
use authmachine_provider::user::User;
use authmachine_store::{Lending, NotWritten, StoreError, Tx};
use serde_json::value::RawValue;

use super::line::{Delegable, Delegation, Grant, Group, Line, Membership, Object, PermissionType};
use crate::installation::{ACTOR, Scribe};
use crate::{delegation, grant, named, when};

/// What became of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Done {
    Made,
    Changed,
    Same,
}

/// Why a record was not taken in.
pub(super) enum Refused {
    /// For people; nothing of it has happened.
    Because(String),
    /// The database failed: nothing of the unit has happened.
    Store(StoreError),
}

impl From<StoreError> for Refused {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl From<String> for Refused {
    fn from(why: String) -> Self {
        Self::Because(why)
    }
}

impl From<NotWritten> for Refused {
    fn from(why: NotWritten) -> Self {
        Self::Because(why.to_string())
    }
}

type Applied = Result<Done, Refused>;

pub(super) fn apply(tx: &mut Tx, line: &Line, scribe: &Scribe) -> Applied {
    match line {
        Line::PermissionType(line) => permission_type(tx, line, scribe),
        Line::Object(line) => object(tx, line, scribe),
        Line::Group(line) => group(tx, line, scribe),
        Line::Membership(line) => membership(tx, line, scribe),
        Line::Grant(line) => grant(tx, line, scribe),
        Line::Delegation(line) => lend(tx, line, scribe),
    }
}

fn permission_type(tx: &mut Tx, line: &PermissionType, scribe: &Scribe) -> Applied {
    let known = tx.find_permission_type(&line.code)?;
    let mut implies = Vec::new();
    for code in line.implies.iter().collect::<BTreeSet<_>>() {
        implies.push(find_type(tx, code)?.id);
    }
    if let Some(known) = &known
        && known.implies.iter().collect::<BTreeSet<_>>() == implies.iter().collect()
    {
        // The order says nothing.
        implies.clone_from(&known.implies);
    }
    let id = known.as_ref().map_or_else(|| PermissionTypeId(scribe.id()), |known| known.id);
    let new = Named {
        record: records::PermissionType { id, code: line.code.clone(), implies },
        name: name(line.name.as_deref(), &line.code)?,
    };
    if known.as_ref() == Some(&new) {
        return Ok(Done::Same);
    }
    tx.put_permission_type(&new)??;
    let (done, kind) =
        made_or(known.is_some(), EventKind::PermissionTypeCreated, EventKind::PermissionTypeChanged);
    let detail = [("permission_type", line.code.as_str().into()), ("implies", line.implies.clone().into())];
    tx.insert_event(&scribe.event(kind, detail))?;
    Ok(done)
}

fn object(tx: &mut Tx, line: &Object, scribe: &Scribe) -> Applied {
    let known = tx.find_object(&line.code)?;
    let id = known.as_ref().map_or_else(|| ObjectId(scribe.id()), |known| known.id);
    let attributes = match &line.attributes {
        Some(raw) => Some(Attributes::parse(raw.get()).map_err(|error| error.to_string())?),
        None => None,
    };
    let record = records::Object {
        id,
        code: line.code.clone(),
        object_type: line.object_type.clone().unwrap_or_else(|| DEFAULT_OBJECT_TYPE.to_owned()),
        parent: match &line.parent {
            Some(parent) => Some(find_object(tx, parent)?.id),
            None => None,
        },
        attributes: attributes.map(Arc::new),
        disabled: line.disabled,
    };
    let new = Named { record, name: name(line.name.as_deref(), &line.code)? };
    if known.as_ref() == Some(&new) {
        return Ok(Done::Same);
    }
    tx.put_object(&new)??;
    let (done, kind) = made_or(known.is_some(), EventKind::ObjectCreated, EventKind::ObjectChanged);
    tx.insert_event(&scribe.event(kind, [("object", line.code.as_str().into())]))?;
    Ok(done)
}

fn group(tx: &mut Tx, line: &Group, scribe: &Scribe) -> Applied {
    let known = tx.find_group(&line.code)?;
    let id = known.as_ref().map_or_else(|| GroupId(scribe.id()), |known| known.id);
    let name = name(line.name.as_deref(), &line.code)?;
    let new = Named { record: records::Group { id, code: line.code.clone() }, name };
    if known.as_ref() == Some(&new) {
        return Ok(Done::Same);
    }
    tx.put_group(&new)??;
    let (done, kind) = made_or(known.is_some(), EventKind::GroupCreated, EventKind::GroupChanged);
    tx.insert_event(&scribe.event(kind, [("group", line.code.as_str().into())]))?;
    Ok(done)
}

fn membership(tx: &mut Tx, line: &Membership, scribe: &Scribe) -> Applied {
    let group = find_group(tx, &line.group)?.id;
    let (member, before, sub) = match (&line.user, &line.member_group) {
        (Some(user), None) => {
            let user = find_user(tx, user)?;
            let before = Member::User(UserId(user.id.0 - 1));
            (Member::User(user.id), before, Some(user.sub))
        }
        (None, Some(inner)) => {
            let id = find_group(tx, inner)?.id;
            (Member::Group(id), Member::Group(GroupId(id.0 - 1)), None)
        }
        _ => return Err("a membership is of a user or of a member_group".to_owned().into()),
    };
    let validity = validity(line.not_before.as_deref(), line.not_after.as_deref())?;
    // Those after the one before it.
    let next = tx.list_memberships_in(group, Some(before), 1)?.pop();
    let known = next.map(|line| line.membership).filter(|known| known.member == member);
    if known.is_some_and(|known| seconds_of(known.validity) == seconds_of(validity)) {
        return Ok(Done::Same);
    }
    tx.put_membership(&records::Membership { member, group, validity })??;
    let mut event = scribe.event(EventKind::GroupMemberAdded, [("group", line.group.as_str().into())]);
    for (what, value) in
        [("member", &line.member_group), ("not_before", &line.not_before), ("not_after", &line.not_after)]
    {
        event.detail.extend(value.as_ref().map(|value| (what.to_owned(), value.as_str().into())));
    }
    tx.insert_event(&Event { user: sub, ..event })?;
    Ok(if known.is_some() { Done::Changed } else { Done::Made })
}

fn grant(tx: &mut Tx, line: &Grant, scribe: &Scribe) -> Applied {
    let (holder, holder_name, sub) = match (&line.user, &line.group, &line.client, line.everyone) {
        (Some(user), None, None, false) => {
            let user = find_user(tx, user)?;
            (Holder::User(user.id), user.username, Some(user.sub))
        }
        (None, Some(group), None, false) => {
            let group = find_group(tx, group)?;
            (Holder::Group(group.id), group.record.code, None)
        }
        (None, None, Some(client), false) => {
            let client = tx
                .find_client_by_client_id(client)?
                .ok_or_else(|| format!("there is no client {client:?}"))?;
            (Holder::Client(client.id), client.client_id, None)
        }
        (None, None, None, true) => (Holder::Everyone, String::new(), None),
        _ => return Err("a grant has one of user, group, client and everyone".to_owned().into()),
    };
    let (target, target_name) = match (&line.object, &line.all_of) {
        (Some(code), None) => (Target::Object(find_object(tx, code)?.id), code.clone()),
        (None, Some(object_type)) => (Target::AllOf(object_type.clone()), object_type.clone()),
        _ => return Err("a grant has one of object and all_of".to_owned().into()),
    };
    let permission = find_type(tx, &line.permission_type)?.id;
    let condition = condition(line.condition.as_deref())?;
    let delegable = match line.delegable {
        Delegable::Any(false) => Some(records::Delegable::NO),
        Delegable::Any(true) => Some(records::Delegable::YES),
        Delegable::Hops(hops) => records::Delegable::hops(hops),
    };
    let known_id = tx.find_same_grant(holder, &target, permission, condition.as_deref())?;
    let new = PermissionGrant {
        id: known_id.unwrap_or_else(|| PermissionGrantId(scribe.id())),
        holder,
        target,
        permission,
        include_children: line.include_children,
        delegable: delegable.ok_or_else(|| "delegable is over 0 to 5 hops".to_owned())?,
        validity: validity(line.not_before.as_deref(), line.not_after.as_deref())?,
        condition,
        revoked: false,
    };
    let terms =
        |grant: &PermissionGrant| (grant.include_children, grant.delegable, seconds_of(grant.validity));
    let known = known_id.map(|id| tx.find_permission_grant(id)).transpose()?.flatten();
    if known.is_some_and(|known| terms(&known) == terms(&new)) {
        return Ok(Done::Same);
    }
    let origin = Origin { source: Source::Import, created_by: ACTOR.to_owned(), created_at: scribe.now };
    let (done, kind) =
        made_or(known_id.is_some(), EventKind::PermissionGranted, EventKind::PermissionChanged);
    match done {
        Done::Made => tx.insert_permission_grant(&new, &origin)??,
        Done::Changed | Done::Same => tx.update_permission_grant(&new)??,
    }
    let permission_type = line.permission_type.clone();
    let line =
        PermissionGrantLine { grant: new, origin, holder: holder_name, target: target_name, permission_type };
    tx.insert_event(&grant::about(scribe.event(kind, []), &line, sub))?;
    Ok(done)
}

/// As an administrator in the giver's place: bound by all the rules but a recent login.
fn lend(tx: &mut Tx, line: &Delegation, scribe: &Scribe) -> Applied {
    let (from, to) = (find_user(tx, &line.from)?, find_user(tx, &line.to)?);
    let object = find_object(tx, &line.object)?.id;
    let permission = find_type(tx, &line.permission_type)?.id;
    let request = LendRequest {
        from: from.id,
        to: to.id,
        object,
        include_children: line.include_children,
        permission,
        hops_left: line.hops_left,
        expires_at: time(line.expires_at.as_deref())?,
        condition: condition(line.condition.as_deref())?,
        created_by: Party::Administrator,
    };
    let known = tx.find_live_delegation(from.id, to.id, object, permission, scribe.now)?;
    let is_same = known.is_some_and(|known| {
        (known.include_children, known.hops_left) == (request.include_children, request.hops_left)
            && known.expires_at.map(Timestamp::seconds) == request.expires_at.map(Timestamp::seconds)
            && known.condition == request.condition
    });
    if is_same {
        return Ok(Done::Same);
    }
    let settings = LendSettings::default();
    let lending = Lending {
        settings: &settings,
        giver_conditions_bind_taker: scribe.giver_conditions_bind_taker,
        logged_in_at: scribe.now,
        id: DelegationId(scribe.id()),
    };
    let (done, kind, lent) = match tx.lend(&request, &lending, &Circumstances::at(scribe.now))? {
        Ok(Lent::New(lent)) => (Done::Made, EventKind::DelegationCreated, lent),
        Ok(Lent::Updated(lent)) => (Done::Changed, EventKind::DelegationChanged, lent),
        Err(refused) => return Err(delegation::reason(&refused).into()),
    };
    let line = DelegationLine {
        delegation: lent,
        from: from.username,
        to: to.username,
        object: line.object.clone(),
        permission_type: line.permission_type.clone(),
    };
    tx.insert_event(&delegation::about(scribe.event(kind, []), &line, (from.sub, to.sub)))?;
    Ok(done)
}

const fn made_or(is_there: bool, made: EventKind, changed: EventKind) -> (Done, EventKind) {
    if is_there { (Done::Changed, changed) } else { (Done::Made, made) }
}

fn find_user(tx: &mut Tx, name: &str) -> Result<User, Refused> {
    tx.find_user_by_login(name)?.ok_or_else(|| format!("there is no user {name:?}").into())
}

fn find_group(tx: &mut Tx, code: &str) -> Result<Named<records::Group>, Refused> {
    tx.find_group(code)?.ok_or_else(|| format!("there is no group {code:?}").into())
}

fn find_object(tx: &mut Tx, code: &str) -> Result<Named<records::Object>, Refused> {
    tx.find_object(code)?.ok_or_else(|| format!("there is no object {code:?}").into())
}

fn find_type(tx: &mut Tx, code: &str) -> Result<Named<records::PermissionType>, Refused> {
    tx.find_permission_type(code)?.ok_or_else(|| format!("there is no permission type {code:?}").into())
}

fn name(given: Option<&str>, code: &str) -> Result<String, String> {
    named::name(given, code).map_err(|error| error.to_string())
}

fn condition(raw: Option<&RawValue>) -> Result<Option<Arc<Condition>>, String> {
    let parse = |raw: &RawValue| Condition::parse(raw.get()).map(Arc::new);
    raw.map(parse).transpose().map_err(|error| format!("its condition cannot be used: {error}"))
}

fn time(text: Option<&str>) -> Result<Option<Timestamp>, String> {
    text.map(when::timestamp).transpose()
}

fn validity(not_before: Option<&str>, not_after: Option<&str>) -> Result<Validity, String> {
    Validity::new(time(not_before)?, time(not_after)?).map_err(|error| error.to_string())
}

/// Times are written to the second.
fn seconds_of(validity: Validity) -> (Option<i64>, Option<i64>) {
    (validity.not_before().map(Timestamp::seconds), validity.not_after().map(Timestamp::seconds))
}
