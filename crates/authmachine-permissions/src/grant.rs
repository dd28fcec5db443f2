//! Permission grants.

use std::sync::Arc;

use crate::code::{self, CodeError};
use crate::condition::Condition;
use crate::delegation::MAX_HOPS;
use crate::ids::{ClientId, GroupId, ObjectId, PermissionGrantId, PermissionTypeId, UserId};
use crate::validity::Validity;

/// Who holds a grant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Holder {
    /// A user.
    User(UserId),
    /// Each member of a group.
    Group(GroupId),
    /// A client, for itself.
    Client(ClientId),
    /// Each subject there is.
    Everyone,
}

/// On what a grant is.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Target {
    /// One object; with its descendants, if the grant includes children.
    Object(ObjectId),
    /// Every object of a type.
    AllOf(String),
}

/// Over how many hops a grant may be lent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Delegable(u8);

impl Delegable {
    /// Not at all.
    pub const NO: Self = Self(0);
    /// As far as the settings of delegation allow.
    pub const YES: Self = Self(u8::MAX);

    /// Over `hops` hops, 0 to 5; 1 is «may be lent, and not passed on».
    pub const fn hops(hops: u8) -> Option<Self> {
        if hops <= MAX_HOPS { Some(Self(hops)) } else { None }
    }

    /// The number of hops; 255 for no limit.
    pub const fn as_hops(self) -> u8 {
        self.0
    }

    /// Whether it may be lent over so many hops.
    pub const fn allows(self, hops: u8) -> bool {
        self.0 >= hops
    }
}

/// A holder may do something on a target, under conditions. One at most for each (holder, target, type, condition).
#[derive(Clone, Debug, PartialEq)]
pub struct PermissionGrant {
    /// The row.
    pub id: PermissionGrantId,
    /// Who. Never changes.
    pub holder: Holder,
    /// On what. Never changes.
    pub target: Target,
    /// What.
    pub permission: PermissionTypeId,
    /// Whether it is on the object's descendants too.
    pub include_children: bool,
    /// Whether the holder may lend it.
    pub delegable: Delegable,
    /// When.
    pub validity: Validity,
    /// Under which condition.
    pub condition: Option<Arc<Condition>>,
    /// Taken back; kept for history.
    pub revoked: bool,
}

/// Why a grant cannot be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum GrantError {
    /// The type of a target.
    #[error(transparent)]
    Code(#[from] CodeError),
    /// Children of all objects of a type: say the types, or the parents.
    #[error("a grant on all objects of a type names no children")]
    ChildrenOfType,
}

impl PermissionGrant {
    /// Checks a grant before it is written.
    ///
    /// # Errors
    /// [`GrantError`].
    pub fn check(&self) -> Result<(), GrantError> {
        if let Target::AllOf(object_type) = &self.target {
            code::check_type_code(object_type)?;
            if self.include_children {
                return Err(GrantError::ChildrenOfType);
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_grant_on_a_type_names_no_children_and_hops_end_at_five() {
        let on = |target, include_children| {
            let grant = PermissionGrant {
                id: PermissionGrantId(1),
                holder: Holder::Everyone,
                target,
                permission: PermissionTypeId(1),
                include_children,
                delegable: Delegable::NO,
                validity: Validity::ALWAYS,
                condition: None,
                revoked: false,
            };
            grant.check()
        };
        assert_eq!(on(Target::Object(ObjectId(1)), true), Ok(()));
        assert_eq!(on(Target::AllOf("door".to_owned()), false), Ok(()));
        assert_eq!(on(Target::AllOf("door".to_owned()), true), Err(GrantError::ChildrenOfType));
        assert_eq!(on(Target::AllOf("a b".to_owned()), false), Err(GrantError::Code(CodeError::Character)));
        assert_eq!(Delegable::hops(6), None);
        assert!(Delegable::YES.allows(6) && !Delegable::NO.allows(1));
        assert!(Delegable::hops(5).is_some_and(|d| d.allows(5) && !d.allows(6)));
    }
}
