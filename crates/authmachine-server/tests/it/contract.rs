//! The wire contract of the original apps, number by number: what they send, byte for byte, and what they expect. It never breaks.

use authmachine_protocol::form;
use authmachine_testkit::{Browser, ClientApp, ISSUER, TestServer, both_engines, query};
use serde_json::{Map, Value, json};

const REDIRECT_URI: &str = "http://localhost:5000/oidc-callback";
const LOGOUT_URI: &str = "http://localhost:5000/oidc-logout-callback";
const SCOPE: &str = "openid email profile";
const CLAIMS: &str = "{\"authmachine_permissions\":[\"object1\",\"object2\"]}";

/// The demo's client as the original apps are registered: ours, a chosen secret, no PKCE.
async fn client(server: &TestServer) -> ClientApp {
    app(server, "test", REDIRECT_URI, LOGOUT_URI).await
}

async fn app(server: &TestServer, client_id: &str, redirect_uri: &str, logout_uri: &str) -> ClientApp {
    let client = server.client(client_id).secret("test").first_party();
    client.redirect_uris(&[redirect_uri]).post_logout_redirect_uris(&[logout_uri]).create().await
}

/// 2, as pyoidc writes it.
fn authorization(redirect_uri: &str) -> String {
    let redirect_uri = form::encode([("redirect_uri", redirect_uri)]);
    format!(
        "/oidc/authorize?client_id=test&response_type=code&scope=openid+email+profile\
         &claims=%7B%22authmachine_permissions%22%3A+%5B%22object1%22%2C+%22object2%22%5D%7D\
         &nonce=tGPJL1LTWJcJcXpQ&{redirect_uri}&state=constant"
    )
}

/// 2 and 3: a code and what it buys.
async fn log_in(server: &TestServer, browser: &Browser) -> Value {
    let code = browser.follow(&authorization(REDIRECT_URI)).await.code();
    let body = form::encode([
        ("grant_type", "authorization_code"),
        ("code", &code),
        ("redirect_uri", REDIRECT_URI),
        ("client_id", "test"),
        ("client_secret", "test"),
    ]);
    let answer = server.post("/oidc/token").body("application/x-www-form-urlencoded", body).send().await;
    answer.ok()
}

async fn is_revoked(server: &TestServer, access_token: &str) -> Value {
    let fields = [
        ("grant_type", "check_token_revoked"),
        ("client_id", "test"),
        ("client_secret", "test"),
        ("access_token", access_token),
    ];
    server.post("/oidc/token").form(&fields).send().await.ok()
}

#[both_engines]
async fn contract_1_discovery_has_what_the_apps_need() {
    let server = TestServer::start().await;
    let document = server.get("/.well-known/openid-configuration").send().await.ok();
    assert_eq!(document["issuer"], ISSUER);
    for needed in [
        "issuer",
        "authorization_endpoint",
        "token_endpoint",
        "userinfo_endpoint",
        "end_session_endpoint",
        "jwks_uri",
        "response_types_supported",
        "subject_types_supported",
        "id_token_signing_alg_values_supported",
    ] {
        assert!(!document[needed].is_null(), "{needed}");
    }
    assert!(document.get("registration_endpoint").is_none(), "while registration is off");
    assert!(
        document["id_token_signing_alg_values_supported"]
            .as_array()
            .is_some_and(|all| all.contains(&json!("RS256")))
    );
}

#[both_engines]
async fn contract_2_an_authorization_without_pkce_and_with_a_constant_state_is_answered() {
    let server = TestServer::start().await;
    client(&server).await;
    let browser = server.browser().log_in("alice").await;
    let visit = browser.follow(&authorization(REDIRECT_URI)).await;
    assert!(visit.away().starts_with("http://localhost:5000/oidc-callback?code="));
    let params = visit.params();
    assert_eq!((params["state"].as_str(), params["iss"].as_str()), ("constant", ISSUER));
    // A newer client sends `register`; without sign-up both show the log-in page.
    for register in ["&register=0", "&register=1"] {
        let url = format!("{}{register}", authorization(REDIRECT_URI));
        server.browser().follow(&url).await.assert_page(200, "Sign in");
        browser.follow(&url).await.code();
    }
    // Malformed JSON is `invalid_request`, returned to the client.
    let (head, tail) = authorization(REDIRECT_URI)
        .split_once("%7B")
        .map(|(a, b)| (a.to_owned(), b.to_owned()))
        .expect("claims");
    let visit = browser.follow(&format!("{head}{}", tail.replace("%7D", ""))).await;
    assert_eq!(visit.params()["error"], "invalid_request");
    assert_eq!(visit.params()["state"], "constant");
}

#[both_engines]
async fn contract_2_permissions_are_asked_for_in_both_places() {
    let server = TestServer::start().await;
    client(&server).await;
    server.user("alice").create().await;
    server.permit("alice", "object1", &["read"]).await;
    let browser = server.browser().log_in("alice").await;
    for claims in [
        CLAIMS,
        "{\"userinfo\":{\"authmachine_permissions\":{\"values\":[\"object1\",\"object2\"]}}}",
        "{\"id_token\":{\"authmachine_permissions\":{\"values\":[\"object1\",\"object2\"]}}}",
    ] {
        let params = [
            ("client_id", "test"),
            ("response_type", "code"),
            ("scope", SCOPE),
            ("claims", claims),
            ("nonce", "n"),
            ("redirect_uri", REDIRECT_URI),
            ("state", "s"),
        ];
        let code = browser.follow(&format!("/oidc/authorize?{}", form::encode(params))).await.code();
        let fields = [
            ("grant_type", "authorization_code"),
            ("code", &code),
            ("redirect_uri", REDIRECT_URI),
            ("client_id", "test"),
            ("client_secret", "test"),
        ];
        let tokens = server.post("/oidc/token").form(&fields).send().await.ok();
        let userinfo = server
            .get("/oidc/userinfo")
            .bearer(tokens["access_token"].as_str().expect("text"))
            .send()
            .await
            .ok();
        assert_eq!(userinfo["authmachine_permissions"], json!({ "object1": ["read"], "object2": [] }));
    }
}

#[both_engines]
async fn contract_3_the_token_answer_is_what_the_library_verifies() {
    let server = TestServer::start().await;
    client(&server).await;
    let tokens = log_in(&server, &server.browser().log_in("alice").await).await;
    for member in ["access_token", "token_type", "expires_in", "scope", "id_token"] {
        assert!(tokens.get(member).is_some(), "{member}");
    }
    assert_eq!((&tokens["token_type"], &tokens["scope"]), (&json!("Bearer"), &json!(SCOPE)));
    assert!(tokens["access_token"].as_str().is_some_and(|token| token.len() <= 64), "it goes into a cookie");
    let claims: Map<String, Value> = server.verify(tokens["id_token"].as_str().expect("text")).await;
    assert_eq!(
        (&claims["iss"], &claims["aud"], &claims["nonce"]),
        (&json!(ISSUER), &json!("test"), &json!("tGPJL1LTWJcJcXpQ"))
    );

    // Basic as well.
    let code = server.browser().log_in("alice").await.follow(&authorization(REDIRECT_URI)).await.code();
    let fields =
        [("grant_type", "authorization_code"), ("code", code.as_str()), ("redirect_uri", REDIRECT_URI)];
    let answer =
        server.post("/oidc/token").header("authorization", "Basic dGVzdDp0ZXN0").form(&fields).send().await;
    answer.assert_status(200);
}

#[both_engines]
async fn contract_4_userinfo_by_post_with_the_token_in_the_body() {
    let server = TestServer::start().await;
    client(&server).await;
    server
        .user("alice")
        .claim("name", "Alice Liddell")
        .claim("favourite_colour", json!(["blue", 1]))
        .create()
        .await;
    server.permit("alice", "object1", &["read", "write"]).await;
    let tokens = log_in(&server, &server.browser().log_in("alice").await).await;
    let token = tokens["access_token"].as_str().expect("text");
    let answer = server.post("/oidc/userinfo").form(&[("access_token", token)]).send().await;
    let alice = server.find_user("alice").await.expect("made");
    assert_eq!(answer.header("content-type"), Some("application/json"));
    assert_eq!(
        answer.ok(),
        json!({
            "sub": alice.sub,
            "id": alice.sub,
            "username": "alice",
            "userName": "alice",
            "preferred_username": "alice",
            "name": "Alice Liddell",
            "email": "alice@example.com",
            "email_verified": true,
            "updated_at": alice.updated_at.seconds(),
            "favourite_colour": ["blue", 1],
            "authmachine_permissions": { "object1": ["read", "write"], "object2": [] },
        })
    );
    for request in [server.get("/oidc/userinfo").bearer(token), server.post("/oidc/userinfo").bearer(token)] {
        assert_eq!(request.send().await.ok(), answer.ok());
    }
}

#[both_engines]
async fn contract_5_logout_without_a_hint_revokes_and_returns_with_its_state() {
    let server = TestServer::start().await;
    client(&server).await;
    let browser = server.browser().log_in("alice").await;
    let tokens = log_in(&server, &browser).await;
    let token = tokens["access_token"].as_str().expect("text").to_owned();
    assert_eq!(is_revoked(&server, &token).await, json!({ "revoked": false }));

    let params = [
        ("scope", SCOPE),
        ("post_logout_redirect_uri", LOGOUT_URI),
        ("state", "constant"),
        ("revoke_tokens", "1"),
    ];
    let target = format!("/oidc/logout?{}", form::encode(params));
    let visit = browser.follow(&target).await;

    assert_eq!(visit.away(), "http://localhost:5000/oidc-logout-callback?state=constant");
    assert_eq!(visit.trail.len(), 1, "no question is asked");
    assert_eq!(is_revoked(&server, &token).await, json!({ "revoked": true }));
    assert!(!browser.is_signed_in().await);
    // With no live session nothing is ended, and the address is still followed.
    assert_eq!(browser.follow(&target).await.away(), visit.away());
    // An unregistered one never is.
    let params = [("post_logout_redirect_uri", "http://localhost:5000/other"), ("revoke_tokens", "1")];
    browser
        .follow(&format!("/oidc/logout?{}", form::encode(params)))
        .await
        .assert_page(200, "You are signed out");
}

#[both_engines]
async fn contract_6_the_token_check_is_200_and_one_boolean() {
    let server = TestServer::start().await;
    client(&server).await;
    let other = server.client("other").first_party().create().await;
    let browser = server.browser().log_in("alice").await;
    let tokens = log_in(&server, &browser).await;
    let token = tokens["access_token"].as_str().expect("text");
    assert_eq!(is_revoked(&server, token).await, json!({ "revoked": false }));
    let of_other = other.redeem(&browser.authorize(&other).await.code()).await.ok();
    for not_ours in ["unknown", of_other.access_token.as_str()] {
        assert_eq!(is_revoked(&server, not_ours).await, json!({ "revoked": true }));
    }
    let fields = [
        ("grant_type", "check_token_revoked"),
        ("client_id", "test"),
        ("client_secret", "wrong"),
        ("access_token", token),
    ];
    server.post("/oidc/token").form(&fields).send().await.assert_error(401, "invalid_client");
    server.clock().advance(12 * 3_600);
    assert_eq!(is_revoked(&server, token).await, json!({ "revoked": true }));
}

#[both_engines]
async fn contract_6_single_logout_reaches_a_second_app() {
    let server = TestServer::start().await;
    let one = app(
        &server,
        "one",
        "http://localhost:5055/oidc-callback",
        "http://localhost:5055/oidc-logout-callback",
    )
    .await;
    let two = app(
        &server,
        "two",
        "http://localhost:5056/oidc-callback",
        "http://localhost:5056/oidc-logout-callback",
    )
    .await;
    let browser = server.browser().log_in("alice").await;
    let of_one = one.redeem(&browser.authorize(&one).await.code()).await.ok();
    let of_two = two.redeem(&browser.authorize(&two).await.code()).await.ok();
    let params = [("post_logout_redirect_uri", one.post_logout_redirect_uri()), ("revoke_tokens", "1")];
    browser.follow(&format!("/oidc/logout?{}", form::encode(params))).await.away();
    // On every view of its page the second app asks, and so learns it.
    assert!(two.is_revoked(&of_two.access_token).await);
    assert!(one.is_revoked(&of_one.access_token).await);
}

#[both_engines]
async fn contract_7_the_permission_call_by_userinfos_id() {
    let server = TestServer::start().await;
    client(&server).await;
    server.user("alice").create().await;
    server.permit("alice", "obj1", &["write", "read"]).await;
    let api = server.api_token("apps").await;
    let tokens = log_in(&server, &server.browser().log_in("alice").await).await;
    let userinfo =
        server.get("/oidc/userinfo").bearer(tokens["access_token"].as_str().expect("text")).send().await.ok();
    let id = userinfo["id"].as_str().expect("text");
    let answer = server
        .get(&format!("/api/scim/v1/Users/{id}/permissions?object=obj1&object=obj2"))
        .header("authorization", &format!("Token {}", api.token))
        .header("content-type", "application/json")
        .send()
        .await;
    let body = r#"{"is_superuser":false,"permissions":{"obj1":["read","write"],"obj2":[]},"obj1":["read","write"],"obj2":[]}"#;
    assert_eq!(answer.assert_status(200).text(), body);
}

#[both_engines]
async fn contract_the_browser_keeps_its_way_through_the_log_in_page() {
    let server = TestServer::start().await;
    client(&server).await;
    server.user("alice").create().await;
    let page = server.browser().follow(&authorization(REDIRECT_URI)).await;
    let visit = page.submit(&[("username", "alice"), ("password", authmachine_testkit::PASSWORD)]).await;
    assert_eq!(query(visit.away())["state"], "constant");
}
