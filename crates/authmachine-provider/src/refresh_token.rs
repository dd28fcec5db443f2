//! Refresh tokens (RFC 6749 §6): a family is one row, rotated in place.

use authmachine_protocol::{GrantType, Scopes, Timestamp};

use crate::client::Client;
use crate::grant::{GrantFacts, Live, Use};
use crate::handle::RefreshToken;
use crate::lives::Lives;

/// A refresh token family's row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RefreshFamily {
    /// The row, and the id of each of its tokens.
    pub id: i64,
    /// The generation of the token that is valid now.
    pub generation: u32,
    /// SHA-256 of that token.
    pub sha256: [u8; 32],
    /// SHA-256 of the proof that all tokens of the family carry.
    pub proof_sha256: [u8; 32],
    /// Its scopes.
    pub scopes: Scopes,
    /// The end if it is not used.
    pub idle_expires_at: Timestamp,
    /// The absolute end; rotation does not move it.
    pub expires_at: Timestamp,
    /// Revoked.
    pub revoked_at: Option<Timestamp>,
    /// The last answer, sealed, and until when it may be had again; only with grace on.
    pub last_answer: Option<(Vec<u8>, Timestamp)>,
}

/// What a presented refresh token is to its family.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Recognised {
    /// The token that is valid now.
    Current,
    /// The one before it: within grace, the last answer may be had again.
    Previous,
    /// A used one: somebody has a copy (RFC 9700 §4.14.2).
    Reused,
    /// Not of this family.
    Unknown,
}

/// The longest grace, whatever is configured (checklist RT1).
pub const MAX_GRACE_S: i64 = 10;

impl RefreshFamily {
    /// The family that begins with `token`. If it does not outlive the session, it ends with it at the latest.
    pub fn begin(
        token: &RefreshToken,
        facts: &GrantFacts,
        live: &Live,
        lives: &Lives,
        now: Timestamp,
    ) -> Self {
        let end = now.plus_seconds(lives.refresh_s);
        let expires_at = match &facts.session {
            Some(session) if !live.offline => end.min(session.expires_at),
            _ => end,
        };
        Self {
            id: token.id,
            generation: token.generation,
            sha256: token.sha256(),
            proof_sha256: token.proof_sha256(),
            scopes: live.scopes.clone(),
            idle_expires_at: now.plus_seconds(lives.refresh_idle_s).min(expires_at),
            expires_at,
            revoked_at: None,
            last_answer: None,
        }
    }

    /// The family once `next` has taken the place of its current token. `answer` is what may be had again within grace.
    #[must_use]
    pub fn rotated(
        &self,
        next: &RefreshToken,
        answer: Option<Vec<u8>>,
        lives: &Lives,
        now: Timestamp,
    ) -> Self {
        let until = now.plus_seconds(lives.refresh_grace_s.min(MAX_GRACE_S));
        Self {
            generation: next.generation,
            sha256: next.sha256(),
            idle_expires_at: now.plus_seconds(lives.refresh_idle_s).min(self.expires_at),
            last_answer: answer.map(|answer| (answer, until)),
            ..self.clone()
        }
    }

    /// Recognises a presented token (checklist RT1).
    pub fn recognise(&self, token: &RefreshToken) -> Recognised {
        use authmachine_jose::constant_time_eq;
        if !constant_time_eq(&token.proof_sha256(), &self.proof_sha256) {
            Recognised::Unknown
        } else if token.generation == self.generation {
            if constant_time_eq(&token.sha256(), &self.sha256) {
                Recognised::Current
            } else {
                Recognised::Unknown
            }
        } else if token.generation.checked_add(1) == Some(self.generation) {
            Recognised::Previous
        } else if token.generation < self.generation {
            Recognised::Reused
        } else {
            Recognised::Unknown
        }
    }
}

/// Why a refresh token buys nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RefreshError {
    /// The client may not use the grant type: `unauthorized_client`.
    #[error("this client may not use refresh_token")]
    GrantTypeNotAllowed,
    /// Unknown, or another client's: `invalid_grant`.
    #[error("the refresh token is unknown")]
    Unknown,
    /// Used before: `invalid_grant`; the family is dead.
    #[error("the refresh token was used before")]
    Reused,
    /// Too old: `invalid_grant`.
    #[error("the refresh token has expired")]
    Expired,
    /// Revoked, or user, client, session or consent ended since: `invalid_grant`.
    #[error("the refresh token was revoked")]
    Withdrawn,
    /// More than was granted: `invalid_scope` (RFC 6749 §6).
    #[error("scope is wider than what was granted")]
    WiderScope,
}

/// Decides whether `client` may refresh at `now`; `asked` is the request's `scope`. Returns what the new access token may do.
///
/// # Errors
/// [`RefreshError`].
pub fn refresh(
    family: &RefreshFamily,
    facts: &GrantFacts,
    client: &Client,
    asked: Option<&Scopes>,
    now: Timestamp,
) -> Result<Live, RefreshError> {
    if !client.may_use(GrantType::RefreshToken) {
        return Err(RefreshError::GrantTypeNotAllowed);
    }
    if family.revoked_at.is_some() {
        return Err(RefreshError::Withdrawn);
    }
    if family.expires_at <= now || family.idle_expires_at <= now {
        return Err(RefreshError::Expired);
    }
    let live = facts.live(Use::RefreshToken, now).ok_or(RefreshError::Withdrawn)?;
    let mut scopes = family.scopes.intersection(&live.scopes);
    if let Some(asked) = asked {
        if !family.scopes.covers(asked) {
            return Err(RefreshError::WiderScope);
        }
        scopes = asked.intersection(&scopes);
    }
    // All that was asked for has been taken away since.
    if scopes.is_empty() {
        return Err(RefreshError::WiderScope);
    }
    Ok(Live { scopes, ..live })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{NOW, facts, online_facts, scopes, shop};

    fn first() -> RefreshToken {
        RefreshToken::first(3 << 59, [1; 16], [2; 32])
    }

    fn begin(facts: &GrantFacts, lives: &Lives) -> RefreshFamily {
        let live = facts.live(Use::Code, NOW).expect("alive");
        RefreshFamily::begin(&first(), facts, &live, lives, NOW)
    }

    #[test]
    fn rt1_a_token_is_recognised_by_proof_generation_and_secret() {
        let lives = Lives::default();
        let (one, other) = (first(), RefreshToken::first(3 << 59, [9; 16], [2; 32]));
        let (two, three) = (one.next([3; 32]), one.next([3; 32]).next([4; 32]));
        let family = begin(&facts(), &lives).rotated(&two, None, &lives, NOW);
        for (token, recognised) in [
            (&two, Recognised::Current),
            (&one.next([5; 32]), Recognised::Unknown),
            (&one, Recognised::Previous),
            (&three, Recognised::Unknown),
            (&other, Recognised::Unknown),
            (&other.next([3; 32]), Recognised::Unknown),
        ] {
            assert_eq!(family.recognise(token), recognised, "{}", token.generation);
        }
        let family = family.rotated(&three, None, &lives, NOW);
        assert_eq!(family.recognise(&one), Recognised::Reused);
        assert_eq!(family.recognise(&two), Recognised::Previous);
    }

    #[test]
    fn rt3_rotation_moves_the_idle_end_and_not_the_absolute_one() {
        const DAY: i64 = 24 * 3_600;
        let lives = Lives::default();
        let family = begin(&facts(), &lives);
        assert_eq!(family.idle_expires_at.seconds_since(NOW), 14 * DAY);
        assert_eq!(family.expires_at.seconds_since(NOW), 90 * DAY);
        let later = NOW.plus_seconds(80 * DAY);
        let rotated = family.rotated(&first().next([3; 32]), None, &lives, later);
        assert_eq!((rotated.idle_expires_at, rotated.expires_at), (family.expires_at, family.expires_at));
        // What is not offline ends with the session.
        let online = begin(&online_facts(), &lives);
        let session_end = online_facts().session.expect("it has one").expires_at;
        assert_eq!((online.idle_expires_at, online.expires_at), (session_end, session_end));
        // Grace has an end of its own, whatever is configured.
        let lives = Lives { refresh_grace_s: 3_600, ..lives };
        let rotated = family.rotated(&first().next([3; 32]), Some(vec![1]), &lives, NOW);
        assert_eq!(rotated.last_answer, Some((vec![1], NOW.plus_seconds(MAX_GRACE_S))));
    }

    #[test]
    fn rt2_a_refresh_narrows_and_never_widens() {
        let (facts, lives, client) = (facts(), Lives::default(), shop());
        let family = begin(&facts, &lives);
        let refresh = |facts: &GrantFacts, asked: Option<&str>| {
            refresh(&family, facts, &client, asked.map(scopes).as_ref(), NOW).map(|live| live.scopes)
        };
        assert_eq!(refresh(&facts, None), Ok(scopes("openid profile offline_access")));
        assert_eq!(refresh(&facts, Some("profile openid")), Ok(scopes("profile openid")));
        assert_eq!(refresh(&facts, Some("openid email")), Err(RefreshError::WiderScope));
        let mut less = facts.clone();
        less.consent.as_mut().expect("it has one").scopes = scopes("openid");
        assert_eq!(refresh(&less, None), Ok(scopes("openid")));
        assert_eq!(refresh(&less, Some("profile")), Err(RefreshError::WiderScope), "nothing is left");
    }

    #[test]
    fn a_family_ends_idle_absolutely_and_by_revocation() {
        let (facts, client) = (facts(), shop());
        let family = begin(&facts, &Lives::default());
        let refused = |family: &RefreshFamily, client: &Client, now: Timestamp| {
            refresh(family, &facts, client, None, now).err()
        };
        let last = family.idle_expires_at.plus_ms(-1);
        assert_eq!(refused(&family, &client, last), None);
        assert_eq!(refused(&family, &client, family.idle_expires_at), Some(RefreshError::Expired));
        let busy = RefreshFamily { idle_expires_at: NOW.plus_seconds(1_000_000_000), ..family.clone() };
        assert_eq!(refused(&busy, &client, family.expires_at), Some(RefreshError::Expired));
        let revoked = RefreshFamily { revoked_at: Some(NOW), ..family.clone() };
        assert_eq!(refused(&revoked, &client, NOW), Some(RefreshError::Withdrawn));
        let other = Client { grant_types: vec![GrantType::AuthorizationCode], ..client };
        assert_eq!(refused(&family, &other, NOW), Some(RefreshError::GrantTypeNotAllowed));
    }
}
