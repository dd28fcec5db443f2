//! Access tokens (RFC 6749 §1.4), opaque.

use authmachine_protocol::{Scopes, Timestamp};

use crate::grant::{GrantFacts, Live, Use};
use crate::lives::Lives;

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
    /// What the token may be used for now; `None` when it is dead.
    pub fn live(&self, facts: &GrantFacts, now: Timestamp) -> Option<Live> {
        if self.revoked_at.is_some() || self.expires_at <= now {
            return None;
        }
        let live = facts.live(Use::AccessToken, now)?;
        Some(Live { scopes: self.scopes.intersection(&live.scopes), ..live })
    }
}

/// When an access token ends that is made at `now` for a user: after its life, at most at the session's absolute end, unless it
/// outlives the session.
pub fn expires_at(facts: &GrantFacts, live: &Live, lives: &Lives, now: Timestamp) -> Timestamp {
    let first_party = facts.client.as_ref().is_some_and(|client| client.first_party);
    let life_s = if first_party { lives.first_party_access_token_s } else { lives.access_token_s };
    let end = now.plus_seconds(life_s);
    match &facts.session {
        Some(session) if !live.offline => end.min(session.expires_at),
        _ => end,
    }
}
