//! What holds at every route.

mod headers;
mod hosts;
mod rows;
mod text;

use authmachine_server::Settings;
use authmachine_server::settings::RegistrationMode;
use http::Method;

fn registration_on(settings: &mut Settings) {
    settings.registration.mode = RegistrationMode::Open;
}

/// Every route of the router, and addresses that are none.
const ROUTES: [&str; 27] = [
    "/",
    "/login",
    "/logout",
    "/account/password",
    "/account/sessions/end",
    "/account/sessions/end-others",
    "/.well-known/openid-configuration",
    "/.well-known/oauth-authorization-server",
    "/oidc/jwks",
    "/oidc/authorize",
    "/oidc/token",
    "/oidc/userinfo",
    "/oidc/revoke",
    "/oidc/introspect",
    "/oidc/register",
    "/oidc/clients/x/logo",
    "/oidc/register/x",
    "/oidc/logout",
    "/oidc/logout/confirm",
    "/oidc/check_session",
    "/interaction/x",
    "/api/scim/v1/Users/x/permissions",
    "/api/scim/v2/Users/x/permissions/",
    "/assets/x",
    "/healthz",
    "/readyz",
    "/nothing/here",
];

const METHODS: [Method; 7] =
    [Method::GET, Method::HEAD, Method::POST, Method::PUT, Method::DELETE, Method::PATCH, Method::OPTIONS];
