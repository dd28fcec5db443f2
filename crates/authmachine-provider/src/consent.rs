//! What people allowed clients.

use authmachine_protocol::{Scopes, Timestamp};

/// A user's standing yes to a client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Consent {
    /// What was allowed; empty once withdrawn.
    pub scopes: Scopes,
    /// The objects that the client was allowed to see, by code.
    pub objects: Vec<String>,
    /// Grows at each withdrawal; grants made under another version are dead.
    pub version: i64,
    /// When it was last given or withdrawn.
    pub updated_at: Timestamp,
}
