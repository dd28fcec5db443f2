//! API tokens: what programs of the operator present as `Authorization: Token …` or `Bearer …`.

use authmachine_protocol::{Scopes, Timestamp};

use crate::client::ObjectScope;
use crate::ids::ApiTokenId;
use crate::subject_ids::SubjectIds;

/// The scope that the permission call asks for.
pub const PERMISSIONS_READ: &str = "permissions:read";

/// The scope of an initial access token, with which clients register themselves (RFC 7591 §3).
pub const CLIENTS_REGISTER: &str = "clients:register";

/// The scope with which a program asks who may do what (AuthZEN 1.0): of an API token, or of a client.
pub const AUTHZEN: &str = "authzen";

/// All scopes that an API token can have.
pub const SCOPES: &[&str] = &[PERMISSIONS_READ, CLIENTS_REGISTER, AUTHZEN];

/// An API token's row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApiToken {
    /// The row, and the id of the handle.
    pub id: ApiTokenId,
    /// What the operator called it; unique.
    pub name: String,
    /// What it may do.
    pub scopes: Scopes,
    /// The objects it may see.
    pub objects: ObjectScope,
    /// What it means by the id of a user.
    pub subject_ids: SubjectIds,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it ends; `None` is never.
    pub expires_at: Option<Timestamp>,
    /// Revoked.
    pub revoked_at: Option<Timestamp>,
    /// When it was last used, to the minute.
    pub last_used_at: Option<Timestamp>,
}

impl ApiToken {
    /// Whether it may be used now.
    pub fn is_live(&self, now: Timestamp) -> bool {
        self.revoked_at.is_none() && self.expires_at.is_none_or(|end| now < end)
    }
}
