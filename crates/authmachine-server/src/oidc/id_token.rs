//! ID tokens (OIDC Core §2): made after the commit, and read when they come back as hints.

use std::sync::Arc;

use authmachine_jose::{Algorithm, SigningKey, claims, danger_unsecured, left_half_hash};
use authmachine_protocol::{ErrorCode, Timestamp, scope};
use authmachine_provider::authorize::Hint;
use authmachine_provider::client::Client;
use authmachine_provider::grant::{Grant, Live};
use authmachine_provider::user::User;
use authmachine_provider::user_claims;
use serde_json::{Map, Value};

use crate::app::App;
use crate::error::OAuthError;
use crate::oidc::permissions_claim::InIdToken;

/// What an ID token is about.
pub struct Subject<'a> {
    /// The client.
    pub client: &'a Client,
    /// The grant.
    pub grant: &'a Grant,
    /// What it still allows.
    pub live: &'a Live,
    /// The user.
    pub user: &'a User,
    /// `sid` of the session.
    pub sid: Option<&'a str>,
    /// Whether it goes straight to the client, not through a browser.
    pub is_direct: bool,
    /// Whether this is the first answer of the grant, which carries its `nonce`.
    pub with_nonce: bool,
    /// The access token that goes with it.
    pub access_token: Option<&'a str>,
    /// The code that goes with it, through the browser.
    pub code: Option<&'a str>,
    /// What it says of permissions.
    pub permissions: &'a InIdToken,
}

/// Whether an ID token can be made for `client` at all: asked before a code or refresh token is used up for it.
///
/// # Errors
/// `server_error` when no key signs with the client's algorithm.
pub fn check_signer(app: &App, client: &Client) -> Result<(), OAuthError> {
    let is_signed = !client.has_unsigned_id_tokens(app.settings.unsigned_id_tokens);
    match client.scopes.contains(scope::OPENID) && is_signed {
        true => signer(app, &client.client_id, client.id_token_alg, app.now()).map(|_| ()),
        false => Ok(()),
    }
}

fn signer(
    app: &App,
    client_id: &str,
    algorithm: Algorithm,
    now: Timestamp,
) -> Result<Arc<SigningKey>, OAuthError> {
    app.current().keys.signer(algorithm, now).cloned().ok_or_else(|| {
        tracing::error!(client.id = %client_id, %algorithm, "No active key signs with this client's algorithm; `authmachine keys rotate --alg` makes one");
        cannot_be_signed()
    })
}

fn cannot_be_signed() -> OAuthError {
    OAuthError {
        status: axum::http::StatusCode::INTERNAL_SERVER_ERROR,
        ..OAuthError::new(ErrorCode::ServerError, "The answer cannot be signed.")
    }
}

/// Signs claims for a client with the key of `algorithm`.
///
/// # Errors
/// `server_error` when there is none.
pub fn sign(
    app: &App,
    client_id: &str,
    algorithm: Algorithm,
    typ: &str,
    claims: &Map<String, Value>,
) -> Result<String, OAuthError> {
    let key = signer(app, client_id, algorithm, app.now())?;
    let payload = serde_json::to_vec(claims).expect("claims are JSON");
    key.sign(Some(typ), &payload).map_err(|error| {
        tracing::error!(cause = %error, "Claims cannot be signed");
        cannot_be_signed()
    })
}

/// Makes the ID token.
///
/// # Errors
/// `server_error` when no key signs with the client's algorithm.
pub fn make(app: &App, subject: &Subject<'_>, now: Timestamp) -> Result<String, OAuthError> {
    let Subject { client, grant, .. } = *subject;
    let sector = client.pairwise_sector();
    let algorithm = match subject.is_direct && client.has_unsigned_id_tokens(app.settings.unsigned_id_tokens)
    {
        true => None,
        false => Some(client.id_token_alg),
    };
    // Without a token for userinfo, now or by the code, all that is asked for stands here (OIDC Core §5.4).
    let is_all = subject.access_token.is_none() && subject.code.is_none();
    let mut token = user_claims::id_token(subject.user, subject.live, &grant.claims, is_all);
    let mut set = |name: &str, value: Value| token.insert(name.to_owned(), value);
    set("iss", app.settings.issuer.as_str().into());
    set("sub", app.secrets.subject(sector, &subject.user.sub).into());
    set("aud", client.client_id.as_str().into());
    set("exp", now.plus_seconds(app.settings.lives.id_token_s).seconds().into());
    set("iat", now.seconds().into());
    for (name, beside) in [("at_hash", subject.access_token), ("c_hash", subject.code)] {
        if let (Some(algorithm), Some(beside)) = (algorithm, beside) {
            set(name, left_half_hash(algorithm, beside).into());
        }
    }
    if let Some(auth_time) = grant.auth_time {
        set("auth_time", auth_time.seconds().into());
    }
    if let Some(nonce) = grant.nonce.as_deref().filter(|_| subject.with_nonce) {
        set("nonce", nonce.into());
    }
    if !grant.amr.is_empty() {
        set("amr", grant.amr.clone().into());
    }
    if let Some(acr) = &grant.acr {
        set("acr", acr.as_str().into());
    }
    if let Some(sid) = subject.sid {
        set("sid", app.secrets.sid(sector, sid).into());
    }
    subject.permissions.insert(app, &mut token);
    match algorithm {
        Some(algorithm) => sign(app, &client.client_id, algorithm, "JWT", &token),
        None => Ok(danger_unsecured(&serde_json::to_vec(&token).expect("claims are JSON"))),
    }
}

/// Verifies an `id_token_hint`: ours by signature and issuer, and an ID token by its claims. Expired ones pass (RP-Initiated
/// Logout §2). It names user and session as its client knows them.
pub fn verify_hint(app: &App, token: &str) -> Option<Hint> {
    let verified = authmachine_jose::verify(token, &app.current().keys.published, &Algorithm::ALL).ok()?;
    if !verified.header.has_typ("JWT") {
        return None;
    }
    let payload = &verified.payload;
    if claims::string(payload, "iss").ok()?? != app.settings.issuer.as_str() {
        return None;
    }
    // An ID token has these; a logout token has `events` and none of our other tokens is a JWT.
    claims::numeric_date(payload, "exp").ok()??;
    if payload.contains_key("events") {
        return None;
    }
    Some(Hint {
        sub: claims::string(payload, "sub").ok()??.to_owned(),
        sid: claims::string(payload, "sid").ok()?.map(str::to_owned),
        audience: claims::audience(payload).ok()??.into_iter().map(Into::into).collect(),
    })
}
