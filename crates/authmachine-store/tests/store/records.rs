//! Records to store.

use std::sync::LazyLock;

use authmachine_jose::{Algorithm, sha256};
use authmachine_protocol::names::Prompt;
use authmachine_protocol::redirect_uri::ClientKind;
use authmachine_protocol::{ClaimsRequest, ClientAuthMethod, GrantType, ResponseMode, ResponseType, Scopes};
use authmachine_provider::Timestamp;
use authmachine_provider::access_token::AccessToken;
use authmachine_provider::api_token::ApiToken;
use authmachine_provider::authorization_code::AuthorizationCode;
use authmachine_provider::browser_session::Session;
use authmachine_provider::client::{Client, ObjectScope, PkceRule};
use authmachine_provider::client_metadata::{ClientMetadata, RequestObjectAlg};
use authmachine_provider::event::{Event, EventKind};
use authmachine_provider::grant::Grant;
use authmachine_provider::handle::Presented;
use authmachine_provider::ids::{
    ApiTokenId, ClientId, EventId, GrantId, GroupId, IdSource, Kind, ObjectId, PermissionGrantId,
    PermissionTypeId, SessionId, UserId,
};
use authmachine_provider::interaction::{AuthorizationRequest, Done, Interaction};
use authmachine_provider::keys::SigningKeyRecord;
use authmachine_provider::permission_records::{
    Delegable, Group, Holder, Member, Membership, Named, Object, Origin, PermissionGrant, PermissionType,
    Source, Target, Validity,
};
use authmachine_provider::refresh_token::RefreshFamily;
use authmachine_provider::subject_ids::SubjectIds;
use authmachine_provider::user::{User, UserStatus};
use authmachine_store::{StoreError, Tx};
use serde_json::json;

/// The moment at which tests happen.
pub(crate) const NOW: Timestamp = Timestamp::from_seconds(1_800_000_000);
/// An hour later.
pub(crate) const LATER: Timestamp = NOW.plus_seconds(3_600);

static IDS: LazyLock<IdSource> = LazyLock::new(|| IdSource::new(1));

pub(crate) fn id(kind: Kind) -> i64 {
    IDS.next(kind, NOW)
}

fn row() -> i64 {
    id(Kind::Row)
}

/// The hash of the handle of the row `id`, as these tests have it.
pub(crate) fn hash_of(id: i64) -> [u8; 32] {
    sha256(&id.to_be_bytes())
}

/// What somebody presents who has the handle of the row `id`.
pub(crate) fn presented(id: i64) -> Presented {
    Presented { id, sha256: hash_of(id) }
}

/// The hash of the browser that interactions are begun in.
pub(crate) const BROWSER: [u8; 32] = [7; 32];

pub(crate) fn scopes(text: &str) -> Scopes {
    Scopes::parse(text).expect("tests name legal scopes")
}

pub(crate) fn user(name: &str) -> User {
    let id = row();
    let claims = json!({ "name": "Alice Ångström", "address": { "country": "FR" }, "n": 1.5, "nul": "\0" });
    let serde_json::Value::Object(claims) = claims else { unreachable!("it is an object") };
    User {
        id: UserId(id),
        sub: format!("sub-{id}"),
        username: name.to_owned(),
        email: Some(format!("{name}@example.org")),
        email_verified: true,
        status: UserStatus::Active,
        claims,
        epoch: 1,
        created_at: NOW,
        updated_at: NOW.plus_ms(1),
    }
}

pub(crate) fn client(client_id: &str) -> Client {
    Client {
        id: ClientId(row()),
        client_id: client_id.to_owned(),
        name: "A shop".to_owned(),
        secret_hmac: Some([3; 32]),
        auth_method: Some(ClientAuthMethod::ClientSecretBasic),
        kind: ClientKind::Web,
        first_party: false,
        pkce: Some(PkceRule::All),
        grant_types: vec![GrantType::AuthorizationCode, GrantType::RefreshToken],
        response_types: vec![ResponseType::CodeIdTokenToken, ResponseType::Code],
        scopes: scopes("openid profile offline_access"),
        id_token_alg: Algorithm::ES256,
        userinfo_alg: Some(Algorithm::RS256),
        sector: Some("shop.example".to_owned()),
        metadata: ClientMetadata {
            logo_uri: Some("https://shop.example/logo".to_owned()),
            request_object_signing_alg: Some(RequestObjectAlg::Unsigned),
            default_max_age: Some(60),
            ..ClientMetadata::default()
        },
        registration_sha256: Some([4; 32]),
        redirect_uris: vec!["https://shop.example/b".to_owned(), "https://shop.example/a".to_owned()],
        post_logout_redirect_uris: vec![format!("https://shop.example/{client_id}/bye")],
        objects: vec!["obj2".to_owned(), "obj1".to_owned()],
        subject_ids: SubjectIds::Username,
        permissions_in_id_token: true,
        disabled: false,
        created_at: NOW,
    }
}

pub(crate) fn session(user: &User) -> Session {
    let id = id(Kind::Session);
    Session {
        id: SessionId(id),
        sid: format!("sid-{id}"),
        user_id: user.id,
        user_epoch: user.epoch,
        created_at: NOW,
        auth_time: NOW,
        amr: vec!["pwd".to_owned(), "otp".to_owned()],
        last_seen_at: NOW,
        expires_at: LATER,
        ended_at: None,
        tokens_revoked_at: None,
        user_agent: "Browser/1".to_owned(),
        address: "2001:db8::1".to_owned(),
    }
}

pub(crate) fn interaction(client: &Client) -> Interaction {
    Interaction {
        id: id(Kind::Interaction),
        request: AuthorizationRequest {
            client_id: client.id,
            redirect_uri: client.redirect_uris[0].clone(),
            response_type: ResponseType::Code,
            response_mode: ResponseMode::Query,
            scopes: scopes("openid"),
            state: Some("st\u{2028}ate".to_owned()),
            nonce: None,
            code_challenge: Some("challenge".to_owned()),
            prompt: vec![Prompt::Login, Prompt::Consent],
            max_age: Some(0),
            required_subs: Some(vec!["sub".to_owned()]),
            login_hint: None,
            acr_values: vec!["urn:x".to_owned()],
            ui_locales: Some("de".to_owned()),
            claims: claims(),
        },
        done: Done::default(),
        created_at: NOW,
        expires_at: LATER,
    }
}

pub(crate) fn claims() -> ClaimsRequest {
    ClaimsRequest::parse(r#"{"userinfo":{"email":{"essential":true}},"authmachine_permissions":["obj1"]}"#)
        .expect("the tests' claims are legal")
}

pub(crate) fn grant(client: &Client, session: &Session) -> Grant {
    Grant {
        id: GrantId(row()),
        user_id: Some(session.user_id),
        client_id: client.id,
        session_id: Some(session.id),
        scopes: scopes("openid offline_access"),
        claims: claims(),
        nonce: Some("nonce".to_owned()),
        auth_time: Some(NOW),
        amr: vec!["pwd".to_owned()],
        acr: Some("urn:x".to_owned()),
        offline: true,
        user_epoch: session.user_epoch,
        consent_version: 1,
        created_at: NOW,
        expires_at: LATER,
        revoked_at: None,
    }
}

/// A grant of a client for itself.
pub(crate) fn own_grant(client: &Client) -> Grant {
    Grant {
        id: GrantId(row()),
        user_id: None,
        client_id: client.id,
        session_id: None,
        scopes: scopes("openid"),
        claims: ClaimsRequest::default(),
        nonce: None,
        auth_time: None,
        amr: Vec::new(),
        acr: None,
        offline: false,
        user_epoch: 0,
        consent_version: 0,
        created_at: NOW,
        expires_at: LATER,
        revoked_at: None,
    }
}

pub(crate) fn code() -> AuthorizationCode {
    AuthorizationCode {
        id: id(Kind::AuthorizationCode),
        redirect_uri: "https://shop.example/a".to_owned(),
        code_challenge: Some("challenge".to_owned()),
        expires_at: NOW.plus_seconds(60),
    }
}

pub(crate) fn access_token() -> AccessToken {
    AccessToken {
        id: id(Kind::AccessToken),
        scopes: scopes("openid"),
        created_at: NOW,
        expires_at: LATER,
        revoked_at: None,
    }
}

pub(crate) fn refresh_family() -> RefreshFamily {
    RefreshFamily {
        id: id(Kind::RefreshToken),
        generation: 0,
        sha256: [1; 32],
        proof_sha256: [2; 32],
        scopes: scopes("openid offline_access"),
        idle_expires_at: LATER,
        expires_at: LATER.plus_seconds(3_600),
        revoked_at: None,
        last_answer: None,
    }
}

pub(crate) fn signing_key(kid: &str) -> SigningKeyRecord {
    SigningKeyRecord {
        kid: kid.to_owned(),
        algorithm: Algorithm::EdDSA,
        private_sealed: vec![0, 255, 1, 254],
        created_at: NOW,
        active_from: LATER,
        retired_at: None,
        expires_at: None,
    }
}

pub(crate) fn object(code: &str) -> Named<Object> {
    let record = Object::new(ObjectId(row()), code, "object").expect("a code");
    Named { record, name: format!("Object {code}") }
}

pub(crate) fn permission_type(code: &str) -> Named<PermissionType> {
    let record = PermissionType { id: PermissionTypeId(row()), code: code.to_owned(), implies: Vec::new() };
    Named { record, name: format!("Type {code}") }
}

pub(crate) fn group(code: &str) -> Named<Group> {
    let record = Group { id: GroupId(row()), code: code.to_owned() };
    Named { record, name: format!("Group {code}") }
}

pub(crate) fn permission_grant(
    holder: Holder,
    object: &Object,
    permission_type: &PermissionType,
) -> PermissionGrant {
    PermissionGrant {
        id: PermissionGrantId(row()),
        holder,
        target: Target::Object(object.id),
        permission: permission_type.id,
        include_children: false,
        delegable: Delegable::NO,
        validity: Validity::ALWAYS,
        condition: None,
        revoked: false,
    }
}

/// Makes an object; `false` when its code is taken.
pub(crate) fn make(tx: &mut Tx, code: &str) -> Result<bool, StoreError> {
    tx.put_object(&object(code)).map(|written| written.is_ok())
}

/// A user in a group for ever.
pub(crate) fn member_of(user: UserId, group: GroupId) -> Membership {
    Membership { member: Member::User(user), group, validity: Validity::ALWAYS }
}

/// Where it comes from.
pub(crate) fn origin() -> Origin {
    Origin { source: Source::Api, created_by: "operator".to_owned(), created_at: NOW }
}

pub(crate) fn api_token(name: &str) -> ApiToken {
    ApiToken {
        id: ApiTokenId(id(Kind::ApiToken)),
        name: name.to_owned(),
        scopes: scopes("permissions:read"),
        objects: ObjectScope::Attached(vec!["obj1".to_owned(), "obj2".to_owned()]),
        subject_ids: SubjectIds::Email,
        created_at: NOW,
        expires_at: Some(LATER),
        revoked_at: None,
        last_used_at: None,
    }
}

pub(crate) fn event(kind: EventKind) -> Event {
    let serde_json::Value::Object(detail) = json!({ "n": 1, "text": "ä\0\u{1F600}" }) else {
        unreachable!("it is an object")
    };
    Event {
        id: EventId(row()),
        at: NOW,
        kind,
        actor: "operator".to_owned(),
        user: Some("sub".to_owned()),
        client: None,
        request_id: Some("r1".to_owned()),
        address: None,
        detail,
    }
}
