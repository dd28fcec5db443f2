//! OAuth 2 and OpenID Connect endpoints: one file each.

pub mod authorization_response;
pub mod authorize;
pub mod back_channel_logout;
pub mod check_session;
pub mod client_logo;
pub mod discovery;
pub mod end_session;
pub mod front_channel_logout;
pub mod id_token;
pub mod interaction;
pub mod introspection;
pub mod issue;
pub mod permissions_claim;
pub mod registration;
pub mod request_object;
pub mod revocation;
pub mod token;
pub mod userinfo;

use authmachine_protocol::Params;
use authmachine_protocol::form::encode;
use axum::Router;
use axum::http::HeaderMap;
use axum::response::Response;
use axum::routing::{get, post};

use crate::app::App;
use crate::settings::{RegistrationMode, Settings};
use crate::{browser, cors};

/// The authorization endpoint.
pub const AUTHORIZE: &str = "/oidc/authorize";
/// The token endpoint: this path is part of the contract with existing clients.
pub const TOKEN: &str = "/oidc/token";
/// The userinfo endpoint.
pub const USERINFO: &str = "/oidc/userinfo";
/// The key set.
pub const JWKS: &str = "/oidc/jwks";
/// RFC 7009.
pub const REVOKE: &str = "/oidc/revoke";
/// RFC 7662.
pub const INTROSPECT: &str = "/oidc/introspect";
/// RP-initiated logout.
pub const END_SESSION: &str = "/oidc/logout";
/// Where the answer to «sign out?» goes.
pub const END_SESSION_CONFIRM: &str = "/oidc/logout/confirm";
/// Dynamic registration, while it is on; below it, each client that registered itself.
pub const REGISTER: &str = "/oidc/register";
/// The frame of session management.
pub const CHECK_SESSION: &str = "/oidc/check_session";
/// Where a person signs in, chooses or consents; the handle follows.
pub const INTERACTION: &str = "/interaction";

/// Whether programs ask at this path, which read JSON and no pages.
pub(crate) fn is_for_programs(path: &str) -> bool {
    let registered = path.strip_prefix(REGISTER).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
    registered
        || [TOKEN, USERINFO, JWKS, REVOKE, INTROSPECT].contains(&path)
        || path.starts_with("/.well-known/")
}

/// The routes of this folder.
pub fn routes(settings: &Settings) -> Router<App> {
    let registration = match settings.registration.mode {
        RegistrationMode::Off => Router::new(),
        RegistrationMode::Token | RegistrationMode::Open => registration::routes(),
    };
    registration
        .route("/.well-known/openid-configuration", get(discovery::metadata))
        .route("/.well-known/oauth-authorization-server", get(discovery::metadata))
        .route(JWKS, get(discovery::jwks))
        .route(AUTHORIZE, get(authorize::get).post(authorize::post))
        .route("/interaction/{handle}", get(interaction::get).post(interaction::post))
        .route("/oidc/clients/{client_id}/logo", get(client_logo::get))
        .route(TOKEN, post(token::post).options(cors::preflight))
        .route(USERINFO, get(userinfo::get).post(userinfo::post).options(cors::preflight))
        .route(REVOKE, post(revocation::post).options(cors::preflight))
        .route(INTROSPECT, post(introspection::post))
        .route(END_SESSION, get(end_session::get).post(end_session::post))
        .route(END_SESSION_CONFIRM, post(end_session::confirm))
        .route(CHECK_SESSION, get(check_session::get))
}

/// The most bytes of parameters that a GET can take over from a POST.
const MAX_CONTINUED_BYTES: usize = 7 * 1024;

/// Continues a form that was posted from another site by a GET to `path`: the browser kept its `Lax` session cookie back from the
/// one, and sends it with the other. `None` when the POST is to be answered itself.
fn continued_by_get(headers: &HeaderMap, path: &str, params: &Params) -> Option<Response> {
    if !browser::is_cross_site(headers) || params.has_repeated() {
        return None;
    }
    let query = encode(params.iter());
    (query.len() <= MAX_CONTINUED_BYTES).then(|| browser::see_other(&format!("{path}?{query}")))
}
