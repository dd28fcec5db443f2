//! Writing all permission data, in an order that is always the same.

use std::collections::{HashMap, HashSet};
use std::io::{self, BufWriter, Write};

use anyhow::{Context as _, Result};
use authmachine_permissions::{MAX_OBJECT_DEPTH, Member};
use authmachine_provider::ids::{DelegationId, ObjectId};
use authmachine_provider::permission_records::{
    self as records, DelegationLine, Holder, MembershipLine, Named, PermissionGrantLine, Target,
};
use authmachine_store::{DelegationsOf, GrantFilter};
use serde::Serialize;
use serde::de::IgnoredAny;
use serde_json::value::RawValue;

use super::line::{Delegable, Delegation, Grant, Group, Header, Line, Membership, Object, PermissionType};
use crate::installation::{Installation, Missing};
use crate::named::{self, PAGE};
use crate::{Place, output, permission_type, when};

const KIND: IgnoredAny = IgnoredAny;

pub(crate) fn export(place: &Place) -> Result<()> {
    let (_, installation) = place.open(Missing::Refuse)?;
    let revision = || installation.read(|reads| reads.current_revision());
    let before = revision()?;
    let mut out = Out(BufWriter::new(io::stdout().lock()));
    out.line(&Header::OURS)?;
    types(&installation, &mut out)?;
    objects(&installation, &mut out)?;
    groups(&installation, &mut out)?;
    grants(&installation, &mut out)?;
    delegations(&installation, &mut out)?;
    out.0.flush().context("cannot write")?;
    // It is read page by page, so that nobody waits.
    if revision()? != before {
        output::note("Something was changed meanwhile: what was written is of no one moment. Export again.");
    }
    Ok(())
}

struct Out<W>(W);

impl<W: Write> Out<W> {
    fn line(&mut self, line: &impl Serialize) -> Result<()> {
        serde_json::to_writer(&mut self.0, line).map_err(io::Error::from).context("cannot write")?;
        self.0.write_all(b"\n").context("cannot write")
    }
}

/// Implied types come first; of those that could, the first by code.
fn types(installation: &Installation, out: &mut Out<impl Write>) -> Result<()> {
    let mut left = permission_type::all(installation)?;
    let codes: HashMap<_, _> = left.iter().map(|one| (one.id, one.code.clone())).collect();
    let mut written = HashSet::new();
    while !left.is_empty() {
        let (now, later): (Vec<_>, Vec<_>) =
            left.into_iter().partition(|one| one.implies.iter().all(|id| written.contains(id)));
        if now.is_empty() {
            break;
        }
        written.extend(now.iter().map(|one| one.id));
        for Named { record, name } in now {
            let mut implies: Vec<_> = record.implies.iter().filter_map(|id| codes.get(id).cloned()).collect();
            implies.sort_unstable();
            let line = PermissionType { _kind: KIND, code: record.code, name: Some(name), implies };
            out.line(&Line::PermissionType(line))?;
        }
        left = later;
    }
    Ok(())
}

/// What others stand in comes first, level by level.
fn objects(installation: &Installation, out: &mut Out<impl Write>) -> Result<()> {
    let all = named::all(|last: Option<&Named<records::Object>>| {
        let after = last.map(|object| object.code.clone());
        installation.read(move |reads| reads.list_objects(after.as_deref(), PAGE))
    })?;
    let places: HashMap<ObjectId, usize> =
        all.iter().enumerate().map(|(place, object)| (object.id, place)).collect();
    let parent = |object: &records::Object| object.parent.and_then(|id| places.get(&id)).map(|at| &all[*at]);
    let depth = |object: &records::Object| {
        let mut above = parent(object);
        let mut depth = 0;
        while let Some(one) = above.filter(|_| depth < MAX_OBJECT_DEPTH) {
            depth += 1;
            above = parent(one);
        }
        depth
    };
    // By code within a level: they come so, and this sort keeps it.
    let mut order: Vec<&Named<records::Object>> = all.iter().collect();
    order.sort_by_cached_key(|object| depth(object));
    for object in order {
        out.line(&Line::Object(Object {
            _kind: KIND,
            code: object.code.clone(),
            name: Some(object.name.clone()),
            object_type: Some(object.object_type.clone()),
            parent: parent(object).map(|parent| parent.code.clone()),
            attributes: object.attributes.as_deref().map(raw).transpose()?,
            disabled: object.disabled,
        }))?;
    }
    Ok(())
}

fn groups(installation: &Installation, out: &mut Out<impl Write>) -> Result<()> {
    let all = named::all(|last: Option<&Named<records::Group>>| {
        let after = last.map(|group| group.code.clone());
        installation.read(move |reads| reads.list_groups(after.as_deref(), PAGE))
    })?;
    for group in &all {
        let (code, name) = (group.code.clone(), Some(group.name.clone()));
        out.line(&Line::Group(Group { _kind: KIND, code, name }))?;
    }
    for group in all {
        let id = group.id;
        let mut members = named::all(|last: Option<&MembershipLine>| {
            let after = last.map(|line| line.membership.member);
            installation.read(move |reads| reads.list_memberships_in(id, after, PAGE))
        })?;
        let is_group = |line: &MembershipLine| matches!(line.membership.member, Member::Group(_));
        members.sort_by(|a, b| (is_group(a), &a.member).cmp(&(is_group(b), &b.member)));
        for line in members {
            let validity = line.membership.validity;
            let (user, member_group) =
                if is_group(&line) { (None, Some(line.member)) } else { (Some(line.member), None) };
            out.line(&Line::Membership(Membership {
                _kind: KIND,
                group: line.group,
                user,
                member_group,
                not_before: validity.not_before().map(when::rfc3339_of),
                not_after: validity.not_after().map(when::rfc3339_of),
            }))?;
        }
    }
    Ok(())
}

/// Oldest first: they are many, and so no more than a page of them is held.
fn grants(installation: &Installation, out: &mut Out<impl Write>) -> Result<()> {
    let mut after = None;
    loop {
        let page: Vec<PermissionGrantLine> = installation
            .read(move |reads| reads.list_permission_grants(&GrantFilter::default(), after, PAGE))?;
        let Some(last) = page.last() else { return Ok(()) };
        after = Some(last.grant.id);
        for line in page {
            let (grant, holder) = (line.grant, Some(line.holder));
            // Its holder went in this moment.
            if grant.holder != Holder::Everyone && holder.as_deref() == Some("") {
                continue;
            }
            let (user, group, client) = match grant.holder {
                Holder::User(_) => (holder, None, None),
                Holder::Group(_) => (None, holder, None),
                Holder::Client(_) => (None, None, holder),
                Holder::Everyone => (None, None, None),
            };
            let (object, all_of) = match grant.target {
                Target::Object(_) => (Some(line.target), None),
                Target::AllOf(_) => (None, Some(line.target)),
            };
            out.line(&Line::Grant(Grant {
                _kind: KIND,
                user,
                group,
                client,
                everyone: grant.holder == Holder::Everyone,
                object,
                all_of,
                permission_type: line.permission_type,
                include_children: grant.include_children,
                delegable: match grant.delegable {
                    records::Delegable::NO => Delegable::Any(false),
                    records::Delegable::YES => Delegable::Any(true),
                    limited => Delegable::Hops(limited.as_hops()),
                },
                not_before: grant.validity.not_before().map(when::rfc3339_of),
                not_after: grant.validity.not_after().map(when::rfc3339_of),
                condition: grant.condition.as_deref().map(raw).transpose()?,
            }))?;
        }
    }
}

/// Those that are live; what was passed on comes after what it was passed on from.
fn delegations(installation: &Installation, out: &mut Out<impl Write>) -> Result<()> {
    let now = installation.now();
    let mut all = named::all(|last: Option<&DelegationLine>| {
        let after = last.map(|line| line.delegation.id);
        installation.read(move |reads| reads.list_delegations(DelegationsOf::All, after, PAGE))
    })?;
    all.retain(|line| line.delegation.is_live(now));
    let parents: HashMap<DelegationId, Option<DelegationId>> =
        all.iter().map(|line| (line.delegation.id, line.delegation.parent)).collect();
    let depth = |line: &DelegationLine| {
        let mut above = line.delegation.parent;
        let mut depth = 0;
        while let Some(id) = above.filter(|_| depth < MAX_OBJECT_DEPTH) {
            depth += 1;
            above = parents.get(&id).copied().flatten();
        }
        depth
    };
    all.sort_by_cached_key(depth);
    for line in all {
        let delegation = line.delegation;
        out.line(&Line::Delegation(Delegation {
            _kind: KIND,
            from: line.from,
            to: line.to,
            object: line.object,
            permission_type: line.permission_type,
            include_children: delegation.include_children,
            hops_left: delegation.hops_left,
            expires_at: delegation.expires_at.map(when::rfc3339_of),
            condition: delegation.condition.as_deref().map(raw).transpose()?,
        }))?;
    }
    Ok(())
}

fn raw(value: &impl Serialize) -> Result<Box<RawValue>> {
    Ok(serde_json::value::to_raw_value(value)?)
}
