//! What holds at every route.

mod failing_calls;
mod headers;
mod hosts;
mod rows;
mod text;

use std::collections::BTreeSet;

use authmachine_server::Settings;
use authmachine_server::settings::RegistrationMode;
use authmachine_testkit::TestServer;
use http::Method;

fn registration_on(settings: &mut Settings) {
    settings.registration.mode = RegistrationMode::Open;
}

/// Every route of the router, and addresses that are none.
const ROUTES: [&str; 37] = [
    "/",
    "/login",
    "/logout",
    "/account/password",
    "/account/sessions/end",
    "/account/sessions/end-others",
    "/account/permissions",
    "/account/permissions/lend",
    "/account/permissions/end",
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
    "/access/v1/evaluation",
    "/access/v1/evaluations",
    "/access/v1/search/subject",
    "/access/v1/search/resource",
    "/access/v1/search/action",
    "/access/v1/nothing",
    "/.well-known/authzen-configuration",
    "/assets/x",
    "/healthz",
    "/readyz",
    "/nothing/here",
];

const METHODS: [Method; 7] =
    [Method::GET, Method::HEAD, Method::POST, Method::PUT, Method::DELETE, Method::PATCH, Method::OPTIONS];

/// Every route of the router with each of its methods, as the router itself tells them.
async fn doors(server: &TestServer) -> Vec<String> {
    // axum lists its routes nowhere else.
    let router = format!("{:?}", authmachine_server::router(server.app()));
    let quoted = router.split('"').skip(1).step_by(2);
    // Its own way to a fallback is none of ours.
    let paths: BTreeSet<_> =
        quoted.filter(|text| text.starts_with('/') && !text.contains("__private")).collect();
    let mut doors = Vec::new();
    for path in paths {
        let nonsense = Method::from_bytes(b"NONSENSE").expect("a method");
        let target = path.replace(['{', '}'], "x");
        let answer = server.request(nonsense, &target).send().await;
        let allowed = answer.assert_status(405).header("allow").expect("RFC 9110 §15.5.6").to_owned();
        let methods = allowed.split(',').map(str::trim).filter(|method| *method != "HEAD");
        doors.extend(methods.map(|method| format!("{method} {path}")));
    }
    doors.sort();
    doors
}
