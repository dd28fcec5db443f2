//! Row ids of what the engine knows. Opaque numbers of 63 bits; a kind each, so that none passes for another.

use serde::{Deserialize, Serialize};

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident,)+) => {
        $($(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub i64);

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                self.0.fmt(f)
            }
        })+
    };
}

ids! {
    /// A user.
    UserId,
    /// A client.
    ClientId,
    /// A group.
    GroupId,
    /// An object.
    ObjectId,
    /// A permission type.
    PermissionTypeId,
    /// A permission grant.
    PermissionGrantId,
    /// A delegation.
    DelegationId,
}
