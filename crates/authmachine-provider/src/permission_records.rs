//! What lists and consoles show of the permission system beside its records, which are `authmachine-permissions`'.

use std::ops::Deref;

use authmachine_protocol::Timestamp;

pub use authmachine_permissions::{
    Delegable, Delegation, Group, Holder, Member, Membership, Object, PermissionGrant, PermissionType,
    Target, Validity,
};

/// An object, permission type or group with what people read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Named<T> {
    /// What it is.
    pub record: T,
    /// What people read.
    pub name: String,
}

impl<T> Deref for Named<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.record
    }
}

/// By which way a permission grant came.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Source {
    /// An administrator, at the command line or in a console.
    #[default]
    Admin,
    /// A SCIM client.
    Scim,
    /// An import.
    Import,
    /// A program with our own API.
    Api,
}

impl Source {
    /// The stored word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Admin => "admin",
            Self::Scim => "scim",
            Self::Import => "import",
            Self::Api => "api",
        }
    }

    /// Reads the stored word.
    pub fn from_word(word: &str) -> Option<Self> {
        [Self::Admin, Self::Scim, Self::Import, Self::Api].into_iter().find(|source| source.as_str() == word)
    }
}

/// Where a permission grant comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    /// By which way.
    pub source: Source,
    /// Who gave it, as events name actors; empty where nobody knows.
    pub created_by: String,
    /// When.
    pub created_at: Timestamp,
}

/// A permission grant with the words that people use: for lists.
#[derive(Clone, Debug, PartialEq)]
pub struct PermissionGrantLine {
    /// The grant.
    pub grant: PermissionGrant,
    /// Where it comes from.
    pub origin: Origin,
    /// The user's name, the group's code or the `client_id`; empty for everyone and for what is gone.
    pub holder: String,
    /// The object's code, or the type of objects.
    pub target: String,
    /// The permission type's code.
    pub permission_type: String,
}

/// A membership with the words that people use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MembershipLine {
    /// Who is in which group, when.
    pub membership: Membership,
    /// The member's user name or code.
    pub member: String,
    /// The group's code.
    pub group: String,
}

/// A delegation with the words that people use.
#[derive(Clone, Debug, PartialEq)]
pub struct DelegationLine {
    /// The delegation.
    pub delegation: Delegation,
    /// The giver's user name.
    pub from: String,
    /// The taker's user name.
    pub to: String,
    /// The object's code.
    pub object: String,
    /// The permission type's code.
    pub permission_type: String,
}
