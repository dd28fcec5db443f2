//! Access tokens (RFC 6749 §1.4), opaque.

use authmachine_protocol::{Scopes, Timestamp};

use crate::grant::{GrantFacts, Live, Use};
use crate::lives::{Lives, has_begun};

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
        if self.revoked_at.is_some() || self.expires_at <= now || !has_begun(self.created_at, now) {
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

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::testing::{NOW, facts, online_facts, scopes};

    #[test]
    fn an_access_token_ends_by_its_own_clock_and_has_no_more_than_the_grant() {
        let token = AccessToken {
            id: 1,
            scopes: scopes("openid email"),
            created_at: NOW,
            expires_at: NOW.plus_seconds(10),
            revoked_at: None,
        };
        assert_eq!(token.live(&facts(), NOW).map(|live| live.scopes), Some(scopes("openid")));
        assert!(token.live(&facts(), NOW.plus_ms(9_999)).is_some());
        assert_eq!(token.live(&facts(), NOW.plus_ms(10_000)), None);
        let revoked = AccessToken { revoked_at: Some(NOW), ..token.clone() };
        assert_eq!(revoked.live(&facts(), NOW), None);
        // A refresh while the clock was an hour ahead; RB12.
        let ahead =
            AccessToken { created_at: NOW.plus_seconds(3_600), expires_at: NOW.plus_seconds(7_200), ..token };
        assert_eq!(ahead.live(&facts(), NOW), None);
    }

    #[test]
    fn an_access_token_outlives_the_session_only_when_offline() {
        let lives = Lives::default();
        let end = |mut facts: GrantFacts, first_party: bool, session_s: i64| {
            Arc::make_mut(facts.client.as_mut().expect("it has one")).first_party = first_party;
            facts.session.as_mut().expect("it has one").expires_at = NOW.plus_seconds(session_s);
            let live = facts.live(Use::RefreshToken, NOW).expect("alive");
            expires_at(&facts, &live, &lives, NOW).seconds_since(NOW)
        };
        assert_eq!(end(online_facts(), false, 40_000), 3_600);
        assert_eq!(end(online_facts(), false, 100), 100);
        assert_eq!(end(online_facts(), true, 40_000), 40_000);
        assert_eq!(end(online_facts(), true, 50_000), 43_200);
        assert_eq!(end(facts(), false, 100), 3_600);
        assert_eq!(end(facts(), false, -100), 3_600);
    }
}
