//! Facts for tests: alice signed in an hour ago and allowed the client `shop` everything; the grant is offline.

use authmachine_jose::Algorithm;
use authmachine_protocol::redirect_uri::ClientKind;
use authmachine_protocol::{ClaimsRequest, GrantType, ResponseType, Scopes, Timestamp};
use serde_json::Map;

use crate::browser_session::Session;
use crate::client::Client;
use crate::client_metadata::ClientMetadata;
use crate::consent::Consent;
use crate::grant::{Grant, GrantFacts};
use crate::ids::{ClientId, GrantId, SessionId, UserId};
use crate::subject_ids::SubjectIds;
use crate::user::{User, UserStatus};

pub(crate) const NOW: Timestamp = Timestamp::from_seconds(1_800_000_000);
/// When the session began.
pub(crate) const BEFORE: Timestamp = NOW.plus_seconds(-3_600);

pub(crate) fn scopes(text: &str) -> Scopes {
    Scopes::parse(text).expect("legal")
}

pub(crate) fn alice() -> User {
    User {
        id: UserId(1),
        sub: "alice-sub".to_owned(),
        username: "alice".to_owned(),
        email: None,
        email_verified: false,
        status: UserStatus::Active,
        claims: Map::new(),
        epoch: 3,
        created_at: BEFORE,
        updated_at: BEFORE,
    }
}

pub(crate) fn session() -> Session {
    Session {
        id: SessionId(2),
        sid: "sid".to_owned(),
        user_id: UserId(1),
        user_epoch: 3,
        created_at: BEFORE,
        auth_time: BEFORE,
        amr: vec!["pwd".to_owned()],
        last_seen_at: NOW,
        expires_at: BEFORE.plus_seconds(12 * 3_600),
        ended_at: None,
        tokens_revoked_at: None,
        user_agent: String::new(),
        address: String::new(),
    }
}

pub(crate) fn shop() -> Client {
    Client {
        id: ClientId(4),
        client_id: "shop".to_owned(),
        name: "Shop".to_owned(),
        secret_hmac: Some([1; 32]),
        auth_method: None,
        kind: ClientKind::Web,
        first_party: false,
        pkce: None,
        grant_types: vec![GrantType::AuthorizationCode, GrantType::RefreshToken],
        response_types: vec![ResponseType::Code],
        scopes: scopes("openid profile email offline_access"),
        id_token_alg: Algorithm::RS256,
        userinfo_alg: None,
        sector: None,
        redirect_uris: vec!["https://shop.example/cb".to_owned()],
        post_logout_redirect_uris: vec!["https://shop.example/bye".to_owned()],
        objects: Vec::new(),
        subject_ids: SubjectIds::Sub,
        permissions_in_id_token: false,
        metadata: ClientMetadata::default(),
        registration_sha256: None,
        disabled: false,
        created_at: BEFORE,
    }
}

pub(crate) fn facts() -> GrantFacts {
    let client = shop();
    GrantFacts {
        grant: Grant {
            id: GrantId(5),
            user_id: Some(UserId(1)),
            client_id: client.id,
            session_id: Some(SessionId(2)),
            scopes: scopes("openid profile offline_access"),
            claims: ClaimsRequest::default(),
            nonce: None,
            auth_time: Some(BEFORE),
            amr: vec!["pwd".to_owned()],
            acr: None,
            offline: true,
            user_epoch: 3,
            consent_version: 7,
            created_at: BEFORE,
            expires_at: NOW.plus_seconds(60),
            revoked_at: None,
        },
        user: Some(alice()),
        client: Some(client.into()),
        session: Some(session()),
        consent: Some(Consent {
            scopes: scopes("openid profile email offline_access"),
            objects: Vec::new(),
            version: 7,
            updated_at: BEFORE,
        }),
    }
}

/// The same without `offline_access`: what is issued hangs on the session.
pub(crate) fn online_facts() -> GrantFacts {
    let mut facts = facts();
    facts.grant.offline = false;
    facts.grant.scopes = facts.grant.scopes.without("offline_access");
    facts
}
