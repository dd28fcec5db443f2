//! Grants as the index keeps them.

use std::sync::Arc;

use authmachine_protocol::Timestamp;

use super::types::TypeNumber;
use crate::condition::Condition;
use crate::delegation::Delegation;
use crate::grant::{Delegable, PermissionGrant};
use crate::ids::PermissionGrantId;
use crate::validity::Validity;

/// All of a grant but who, what on, and which.
#[derive(Clone, Debug)]
pub(super) struct Terms {
    pub(super) permission: TypeNumber,
    pub(super) include_children: bool,
    pub(super) delegable: Delegable,
    /// What few grants have.
    pub(super) limits: Option<Arc<Limits>>,
}

/// When and whether a grant counts.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Limits {
    pub(super) validity: Validity,
    pub(super) condition: Option<Arc<Condition>>,
    pub(super) revoked: bool,
}

impl Limits {
    fn of(grant: &PermissionGrant) -> Self {
        Self { validity: grant.validity, condition: grant.condition.clone(), revoked: grant.revoked }
    }
}

const UNLIMITED: Limits = Limits { validity: Validity::ALWAYS, condition: None, revoked: false };

impl Terms {
    pub(super) fn of(grant: &PermissionGrant, permission: TypeNumber) -> Self {
        let limits = Limits::of(grant);
        Self {
            permission,
            include_children: grant.include_children,
            delegable: grant.delegable,
            limits: (limits != UNLIMITED).then(|| Arc::new(limits)),
        }
    }

    pub(super) fn limits(&self) -> &Limits {
        self.limits.as_deref().unwrap_or(&UNLIMITED)
    }

    /// Neither out of its time nor taken back. Its condition is another matter.
    pub(super) fn is_live(&self, now: Timestamp) -> bool {
        self.limits.as_ref().is_none_or(|limits| !limits.revoked && limits.validity.contains(now))
    }

    pub(super) fn condition(&self) -> Option<&Condition> {
        self.limits.as_ref()?.condition.as_deref()
    }
}

/// A grant in the base array, among those of its holder: 8 bytes.
#[derive(Clone, Copy)]
pub(super) struct Row {
    pub(super) target: u32,
    terms: u32,
}

/// In `Row::terms`: the other bits are a place in `limited`, instead of the terms themselves.
const LIMITED: u32 = 1 << 31;
const CHILDREN: u32 = 1 << 16;
const HOPS_SHIFT: u32 = 17;
/// Delegable without limit, in three bits.
const ANY_HOPS: u32 = 7;

impl Row {
    /// Until it is filled in.
    pub(super) const NONE: Self = Self { target: 0, terms: 0 };

    /// Packs `terms`; those with limits go to `limited`.
    pub(super) fn pack(target: u32, terms: Terms, limited: &mut Vec<Terms>) -> Self {
        if terms.limits.is_some() {
            let place = u32::try_from(limited.len()).expect("fewer grants than 2³¹");
            limited.push(terms);
            return Self { target, terms: place | LIMITED };
        }
        let children = if terms.include_children { CHILDREN } else { 0 };
        let hops = match terms.delegable {
            Delegable::YES => ANY_HOPS,
            other => u32::from(other.as_hops()),
        };
        Self { target, terms: u32::from(terms.permission) | children | hops << HOPS_SHIFT }
    }

    pub(super) fn unpack(self, limited: &[Terms]) -> Terms {
        if self.terms & LIMITED != 0 {
            return limited[(self.terms & !LIMITED) as usize].clone();
        }
        let delegable = match self.terms >> HOPS_SHIFT & ANY_HOPS {
            ANY_HOPS => Delegable::YES,
            hops => u8::try_from(hops).ok().and_then(Delegable::hops).expect("packed from hops"),
        };
        Terms {
            permission: TypeNumber::try_from(self.terms & 0xFFFF).expect("sixteen bits"),
            include_children: self.terms & CHILDREN != 0,
            delegable,
            limits: None,
        }
    }
}

/// A grant where it stands.
#[derive(Clone)]
pub(super) struct Found {
    pub(super) place: FoundAt,
    pub(super) holder: u32,
    pub(super) target: u32,
    pub(super) terms: Terms,
}

/// Where that is. A grant's id is rarely asked for, and lies elsewhere.
#[derive(Clone, Copy)]
pub(super) enum FoundAt {
    /// A row of the base.
    Row(usize),
    /// In the overlay.
    Added(PermissionGrantId),
}

/// A delegation and the numbers of what it names. Few, so each is kept whole: for people, who ask why.
#[derive(Clone)]
pub(super) struct Edge {
    pub(super) from: u32,
    pub(super) target: u32,
    pub(super) permission: TypeNumber,
    pub(super) record: Arc<Delegation>,
}
