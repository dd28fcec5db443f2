//! Cross-origin reads (checklist CS2).

use authmachine_testkit::{Answer, TestServer, both_engines};
use http::Method;

fn allowed(answer: &Answer) -> Option<&str> {
    assert!(!answer.headers.contains_key("access-control-allow-credentials"), "never with credentials");
    answer.header("access-control-allow-origin")
}

#[both_engines]
async fn cs2_discovery_and_keys_are_for_every_page() {
    let server = TestServer::start().await;
    for path in ["/.well-known/openid-configuration", "/oidc/jwks"] {
        for origin in [None, Some("https://anybody.example"), Some("null")] {
            let request = server.get(path);
            let request =
                origin.into_iter().fold(request, |request, origin| request.header("origin", origin));
            let answer = request.send().await;
            assert_eq!(allowed(answer.assert_status(200)), Some("*"));
            assert_eq!(answer.header("cross-origin-resource-policy"), Some("cross-origin"));
        }
    }
}

#[both_engines]
async fn cs2_token_userinfo_and_revocation_are_for_pages_of_clients() {
    let server = TestServer::start().await;
    server.client("spa").public().redirect_uris(&["https://spa.example:8443/callback?x"]).create().await;
    let old = server.client("old").create().await.change(|client| client.disabled = true).await;
    assert!(old.record.disabled);
    for path in ["/oidc/token", "/oidc/userinfo", "/oidc/revoke"] {
        for (origin, may) in [
            ("https://spa.example:8443", true),
            ("https://spa.example", false),
            ("http://spa.example:8443", false),
            ("https://spa.example:8443.evil.example", false),
            ("https://SPA.example:8443", false),
            ("https://old.example", false),
            ("https://evil.example", false),
            ("null", false),
            ("*", false),
            ("", false),
        ] {
            let expected = may.then_some(origin);
            let answer = server.post(path).header("origin", origin).form(&[]).send().await;
            assert_eq!(allowed(&answer), expected, "{path} {origin}");
            assert!(answer.headers.get_all("vary").iter().any(|vary| vary == "Origin"), "{path}");
            let preflight = server
                .request(Method::OPTIONS, path)
                .header("origin", origin)
                .header("access-control-request-method", "POST")
                .header("access-control-request-headers", "authorization")
                .send()
                .await;
            assert_eq!(allowed(&preflight), expected, "{path} {origin}");
            assert_eq!(preflight.headers.contains_key("access-control-allow-headers"), may);
        }
        // Without an origin it is no page that asks.
        assert_eq!(allowed(&server.post(path).form(&[]).send().await), None);
    }
}

#[both_engines]
async fn cs2_nothing_else_is_for_other_pages() {
    let server = TestServer::start().await;
    server.client("spa").public().create().await;
    let api = server.api_token("api").await;
    for path in [
        "/",
        "/login",
        "/account/password",
        "/oidc/authorize",
        "/oidc/logout",
        "/oidc/introspect",
        "/healthz",
        "/nothing",
    ] {
        for method in [Method::GET, Method::OPTIONS] {
            let answer = server.request(method, path).header("origin", "https://spa.example").send().await;
            assert_eq!(allowed(&answer), None, "{path}");
            assert_eq!(answer.header("cross-origin-resource-policy"), Some("same-origin"));
        }
    }
    let answer = server
        .get("/api/scim/v1/Users/x/permissions")
        .header("origin", "https://spa.example")
        .header("authorization", &format!("Token {}", api.token))
        .send()
        .await;
    assert_eq!(allowed(&answer), None);
}
