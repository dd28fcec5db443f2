//! Authorization grants: what was allowed, once, to one client; parent of every code and token.

use std::sync::Arc;

use authmachine_protocol::{ClaimsRequest, Scopes, Timestamp, scope};

use crate::browser_session::Session;
use crate::client::Client;
use crate::consent::Consent;
use crate::ids::{ClientId, GrantId, SessionId, UserId};
use crate::lives::has_begun;
use crate::user::User;

/// A grant's own row.
#[derive(Clone, Debug, PartialEq)]
pub struct Grant {
    /// The row.
    pub id: GrantId,
    /// The user; `None` when the client acts for itself.
    pub user_id: Option<UserId>,
    /// The client.
    pub client_id: ClientId,
    /// The session it was made in; `None` for client credentials.
    pub session_id: Option<SessionId>,
    /// The scopes granted.
    pub scopes: Scopes,
    /// What `claims` asked for.
    pub claims: ClaimsRequest,
    /// `nonce`, for each ID token of the first answer.
    pub nonce: Option<String>,
    /// `auth_time`: when the user proved themselves.
    pub auth_time: Option<Timestamp>,
    /// `amr`.
    pub amr: Vec<String>,
    /// `acr`, when the request asked for it and it is held.
    pub acr: Option<String>,
    /// Whether its refresh tokens outlive the session (`offline_access`).
    pub offline: bool,
    /// The user's epoch when it was made.
    pub user_epoch: i64,
    /// The consent's version when it was made; 0 where none is needed.
    pub consent_version: i64,
    /// When it was made.
    pub created_at: Timestamp,
    /// When the last thing issued under it has expired, and the row may go.
    pub expires_at: Timestamp,
    /// Revoked as a whole.
    pub revoked_at: Option<Timestamp>,
}

/// A grant with the state, at this moment, of everything it depends on: what the store loads in one statement, and the client, which
/// it may know from up to a second ago (checklist TK8).
#[derive(Clone, Debug, PartialEq)]
pub struct GrantFacts {
    /// The grant.
    pub grant: Grant,
    /// Its user as they are now; `None` if deleted or if there never was one.
    pub user: Option<User>,
    /// Its client as it is now; `None` if deleted.
    pub client: Option<Arc<Client>>,
    /// Its session as it is now; `None` if gone or if there never was one.
    pub session: Option<Session>,
    /// The user's consent to the client as it is now.
    pub consent: Option<Consent>,
}

/// What is to be used under the grant: they end differently (design.md, «what ends tokens»).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Use {
    /// Redeeming a code: the session must still be signed in.
    Code,
    /// An access token: lives on after a plain logout, until it expires.
    AccessToken,
    /// A refresh token: ends with the session unless it is offline.
    RefreshToken,
}

/// What a live grant still allows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Live {
    /// The scopes that the grant, the client and the consent all still cover.
    pub scopes: Scopes,
    /// Every scope that the client may have and the user allowed: bounds claims asked for by name.
    pub allowed: Scopes,
    /// Whether what is issued outlives the session (`offline_access`, granted and still allowed).
    pub offline: bool,
}

impl GrantFacts {
    /// Whether the grant may be used now, and for which scopes: asked at every use (checklist G5). `None` is dead.
    pub fn live(&self, purpose: Use, now: Timestamp) -> Option<Live> {
        let grant = &self.grant;
        let client = self.client.as_ref().filter(|client| !client.disabled)?;
        if grant.revoked_at.is_some() || !has_begun(grant.created_at, now) {
            return None;
        }
        let mut allowed = client.scopes.clone();
        if grant.user_id.is_some() {
            let user = self.user.as_ref()?;
            if !user.may_sign_in() || user.epoch != grant.user_epoch {
                return None;
            }
            if !client.first_party {
                let consent =
                    self.consent.as_ref().filter(|consent| consent.version == grant.consent_version)?;
                allowed = allowed.intersection(&consent.scopes);
            }
        }
        let scopes = grant.scopes.intersection(&allowed);
        // A scope taken away takes what stands on it; without `openid` an OpenID grant is nothing, and without any nothing is left.
        let lost = |scope: &str| grant.scopes.contains(scope) && !scopes.contains(scope);
        if lost(scope::OPENID) || (scopes.is_empty() && !grant.scopes.is_empty()) {
            return None;
        }
        let offline = grant.offline && scopes.contains(scope::OFFLINE_ACCESS);
        if grant.session_id.is_some() && !self.session_allows(purpose, offline, now) {
            return None;
        }
        Some(Live { scopes, allowed, offline })
    }

    fn session_allows(&self, purpose: Use, offline: bool, now: Timestamp) -> bool {
        let revoked = self.session.as_ref().is_some_and(|session| session.tokens_revoked_at.is_some());
        // An offline grant may outlive its session's row, which goes only when nothing can be revoked by it any more.
        if revoked {
            return false;
        }
        match (&self.session, purpose) {
            (Some(session), Use::Code) => session.ended_at.is_none() && now < session.expires_at,
            (Some(_), Use::AccessToken) => true,
            (Some(session), Use::RefreshToken) => {
                offline || (session.ended_at.is_none() && now < session.expires_at)
            }
            (None, _) => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{NOW, facts, online_facts, scopes};
    use crate::user::UserStatus;

    /// Whether code, access token and refresh token are alive after `change`.
    fn alive(mut facts: GrantFacts, change: impl Fn(&mut GrantFacts)) -> [bool; 3] {
        change(&mut facts);
        [Use::Code, Use::AccessToken, Use::RefreshToken].map(|purpose| facts.live(purpose, NOW).is_some())
    }

    fn client(facts: &mut GrantFacts) -> &mut Client {
        Arc::make_mut(facts.client.as_mut().expect("it has one"))
    }

    fn session(facts: &mut GrantFacts) -> &mut Session {
        facts.session.as_mut().expect("it has one")
    }

    #[test]
    fn g5_whatever_a_grant_stands_on_takes_it_down() {
        type Change = fn(&mut GrantFacts);
        let changes: [(&str, Change); 13] = [
            ("rb12: made while the clock was ahead", |f| f.grant.created_at = NOW.plus_seconds(3_600)),
            ("grant revoked", |f| f.grant.revoked_at = Some(NOW)),
            ("user locked", |f| f.user.as_mut().expect("it has one").status = UserStatus::Locked),
            ("user's epoch", |f| f.user.as_mut().expect("it has one").epoch += 1),
            ("user deleted", |f| f.user = None),
            ("client disabled", |f| client(f).disabled = true),
            ("client deleted", |f| f.client = None),
            ("consent withdrawn", |f| f.consent.as_mut().expect("it has one").version += 1),
            ("consent gone", |f| f.consent = None),
            ("openid taken from the client", |f| {
                client(f).scopes = scopes("profile");
            }),
            ("openid taken from the consent", |f| {
                f.consent.as_mut().expect("it has one").scopes = scopes("profile");
            }),
            ("tokens of the session revoked", |f| session(f).tokens_revoked_at = Some(NOW)),
            ("session's row gone", |f| f.session = None),
        ];
        for (what, change) in changes {
            for facts in [facts(), online_facts()] {
                assert_eq!(alive(facts, change), [false; 3], "{what}");
            }
        }
        assert_eq!(alive(facts(), |_| {}), [true; 3]);
        assert_eq!(alive(online_facts(), |_| {}), [true; 3]);
    }

    #[test]
    fn rt5_a_plain_logout_ends_codes_and_refresh_tokens_that_are_not_offline() {
        let ended = |f: &mut GrantFacts| session(f).ended_at = Some(NOW);
        assert_eq!(alive(online_facts(), ended), [false, true, false]);
        assert_eq!(alive(facts(), ended), [false, true, true]);
        let over = |f: &mut GrantFacts| session(f).expires_at = NOW;
        assert_eq!(alive(online_facts(), over), [false, true, false]);
        assert_eq!(alive(facts(), over), [false, true, true]);
        // The idle end stops single sign-on, not tokens.
        let idle = |f: &mut GrantFacts| session(f).last_seen_at = NOW.plus_seconds(-100_000);
        assert_eq!(alive(online_facts(), idle), [true; 3]);
        // Taking offline_access away ties the refresh token to the session again.
        let taken = |f: &mut GrantFacts| {
            session(f).ended_at = Some(NOW);
            client(f).scopes = scopes("openid profile");
        };
        assert_eq!(alive(facts(), taken), [false, true, false]);
    }

    #[test]
    fn a_scope_taken_away_is_gone_at_the_next_use() {
        let mut facts = facts();
        client(&mut facts).scopes = scopes("email openid");
        let live = facts.live(Use::AccessToken, NOW).expect("openid is left");
        assert_eq!((live.scopes, live.allowed), (scopes("openid"), scopes("email openid")));
        assert!(!live.offline);
        facts.grant.scopes = scopes("profile");
        assert_eq!(facts.live(Use::AccessToken, NOW), None, "nothing is left");
    }

    #[test]
    fn a_client_that_acts_for_itself_needs_no_person_and_no_scope() {
        let mut facts = facts();
        facts.grant = Grant { user_id: None, session_id: None, scopes: Scopes::default(), ..facts.grant };
        (facts.user, facts.session, facts.consent) = (None, None, None);
        assert!(facts.live(Use::AccessToken, NOW).is_some());
    }
}
