//! `/oidc/introspect` (RFC 7662).

use authmachine_testkit::{ISSUER, TestServer, both_engines};
use serde_json::json;

#[both_engines]
async fn a_client_learns_about_its_own_tokens() {
    let server = TestServer::start().await;
    let app = server.client("shop").first_party().create().await;
    let tokens = app.redeem(&server.browser().log_in("alice").await.authorize(&app).await.code()).await.ok();
    let sub = server.find_user("alice").await.expect("made").sub;
    let now = server.clock().now().seconds();
    let about = json!({
        "active": true,
        "scope": "openid profile email",
        "client_id": "shop",
        "username": "alice",
        "token_type": "Bearer",
        "exp": now + 12 * 3_600,
        "iat": now,
        "sub": sub,
        "iss": ISSUER,
    });
    assert_eq!(app.introspect(&tokens.access_token).await.ok(), about);
    // A wrong hint is only a hint (RFC 7662 §2.1).
    for hint in ["refresh_token", "access_token", "nonsense"] {
        let fields = [("token", tokens.access_token.as_str()), ("token_type_hint", hint)];
        assert_eq!(app.post("/oidc/introspect", &fields).await.ok(), about);
    }
    let about = app.introspect(tokens.refresh_token()).await.ok();
    assert_eq!((&about["active"], &about["sub"]), (&json!(true), &json!(sub)));
    assert_ne!(about["token_type"], "Bearer", "nobody takes it for an access token");
}

#[both_engines]
async fn tk4_everything_else_is_one_identical_inactive() {
    let server = TestServer::start().await;
    let app = server.client("shop").first_party().create().await;
    let other = server.client("other").first_party().create().await;
    let browser = server.browser().log_in("alice").await;
    let code = browser.authorize(&app).await.code();
    let tokens = app.redeem(&code).await.ok();
    let revoked = app.redeem(&browser.authorize(&app).await.code()).await.ok();
    app.revoke(&revoked.access_token).await.assert_status(200);
    let rotated = app.redeem(&browser.authorize(&app).await.code()).await.ok();
    app.refresh(rotated.refresh_token()).await.ok();

    let unknown = app.introspect("x").await;
    assert_eq!(unknown.assert_status(200).text(), "{\"active\":false}");
    for (app, token) in [
        (&other, tokens.access_token.as_str()),
        (&other, tokens.refresh_token()),
        (&app, revoked.access_token.as_str()),
        (&app, rotated.refresh_token()),
        (&app, tokens.id_token()),
        (&app, code.as_str()),
        (&app, &tokens.access_token[1..]),
    ] {
        let answer = app.introspect(token).await;
        assert_eq!(answer.assert_status(200).body, unknown.body);
        let names = |answer: &authmachine_testkit::Answer| answer.headers.keys().cloned().collect::<Vec<_>>();
        assert_eq!(names(&answer), names(&unknown));
    }
    assert!(app.is_active(&tokens.access_token).await);
    app.post("/oidc/introspect", &[]).await.assert_error(400, "invalid_request");
    server.get("/oidc/introspect?token=x").send().await.assert_status(405);
}
