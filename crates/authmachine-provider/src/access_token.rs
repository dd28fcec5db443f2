//! Access tokens (RFC 6749 §1.4), opaque.

use authmachine_protocol::{Scopes, Timestamp};

use crate::grant::{GrantFacts, Use};

/// An access token's own row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccessToken {
    /// The row, and the id of the handle.
    pub id: i64,
    /// Its scopes: those of the grant, or fewer.
    pub scopes: Scopes,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it ends.
    pub expires_at: Timestamp,
    /// Revoked by itself (RFC 7009).
    pub revoked_at: Option<Timestamp>,
}

impl AccessToken {
    /// The scopes that the token carries now; `None` when it is dead.
    pub fn live_scopes(&self, facts: &GrantFacts, now: Timestamp) -> Option<Scopes> {
        if self.revoked_at.is_some() || self.expires_at <= now {
            return None;
        }
        let live = facts.live(Use::AccessToken, now)?;
        Some(self.scopes.intersection(&live.scopes))
    }
}

/// When an access token ends that is made at `now`: after its life, at most at the session's absolute end.
pub fn expires_at(now: Timestamp, life_s: i64, session_end: Option<Timestamp>) -> Timestamp {
    let end = now.plus_seconds(life_s);
    session_end.map_or(end, |session_end| end.min(session_end))
}
