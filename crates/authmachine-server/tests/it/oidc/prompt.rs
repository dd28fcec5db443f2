//! `prompt`, `max_age`, `id_token_hint`, `acr_values`: whether and how the person is asked (OIDC Core §3.1.2.1).

use authmachine_testkit::{Browser, ClientApp, PASSWORD, TestServer, both_engines};
use serde_json::json;

async fn auth_time(server: &TestServer, app: &ClientApp, code: &str) -> i64 {
    let tokens = app.redeem(code).await.ok();
    server.verify(tokens.id_token()).await["auth_time"].as_i64().expect("a number")
}

async fn id_token(browser: &Browser, app: &ClientApp) -> String {
    let code = browser.authorize(app).await.code();
    app.redeem(&code).await.ok().id_token().to_owned()
}

#[both_engines]
async fn az4_prompt_none_shows_nothing_and_creates_nothing() {
    let server = TestServer::start().await;
    let app = server.client("shop").create().await;
    let url = app.authorize().with("prompt", "none").url();

    let stranger = server.browser();
    let before = server.state();
    let visit = stranger.follow(&url).await;
    visit.assert_refused("login_required");
    assert!(stranger.cookies().is_empty());
    assert_eq!(server.state(), before);

    let browser = server.browser().log_in("alice").await;
    let before = server.state();
    browser.follow(&url).await.assert_refused("consent_required");
    assert_eq!(server.state(), before);

    browser.authorize(&app).await.code();
    browser.follow(&url).await.code();

    // A session that is over is none.
    server.clock().advance(12 * 3_600);
    browser.follow(&url).await.assert_refused("login_required");
}

#[both_engines]
async fn az4_prompt_login_forces_real_proof() {
    let server = TestServer::start().await;
    let app = server.client("shop").first_party().create().await;
    let browser = server.browser().log_in("alice").await;
    let old_cookie = browser.cookie("session").expect("signed in").value;
    let signed_in_at = server.clock().now().seconds();
    server.clock().advance(100);

    let page = browser.follow(&app.authorize().with("prompt", "login").url()).await;
    page.assert_page(200, "Sign in");
    // Loading the page again proves nothing.
    browser.open(page.trail[0].location()).await.assert_page(200, "Sign in");
    page.submit(&[("username", "alice"), ("password", "something else")])
        .await
        .assert_page(401, "do not match");
    let code = browser.follow(&app.authorize_url()).await.code();
    assert_eq!(auth_time(&server, &app, &code).await, signed_in_at, "the old sign-in is as old as it was");

    let visit = page.submit(&[("username", "alice"), ("password", PASSWORD)]).await;
    assert_eq!(auth_time(&server, &app, &visit.code()).await, signed_in_at + 100);
    assert_ne!(browser.cookie("session").expect("signed in").value, old_cookie, "checklist SE2");
}

#[both_engines]
async fn az4_a_cancelled_second_sign_in_leaves_the_old_strength() {
    let server = TestServer::start().await;
    let app = server.client("shop").first_party().create().await;
    let browser = server.browser().log_in("alice").await;
    let signed_in_at = server.clock().now().seconds();
    server.clock().advance(100);
    let page = browser.follow(&app.authorize().with("prompt", "login").url()).await;
    page.submit(&[("cancel", "1")]).await.assert_refused("access_denied");
    let code = browser.follow(&app.authorize_url()).await.code();
    assert_eq!(auth_time(&server, &app, &code).await, signed_in_at);
}

#[both_engines]
async fn az4_max_age_is_exact_to_the_millisecond() {
    let server = TestServer::start().await;
    let app = server.client("shop").first_party().create().await;
    let browser = server.browser().log_in("alice").await;
    let url = |max_age: &str| app.authorize().with("max_age", max_age).url();

    browser.follow(&url("0")).await.assert_page(200, "Sign in");
    server.clock().advance(60);
    browser.follow(&url("60")).await.code();
    browser.follow(&url("59")).await.assert_page(200, "Sign in");
    server.clock().advance_ms(1);
    let page = browser.follow(&url("60")).await;
    page.assert_page(200, "Sign in");
    browser
        .follow(&app.authorize().with("max_age", "60").with("prompt", "none").url())
        .await
        .assert_refused("login_required");

    let visit = page.submit(&[("username", "alice"), ("password", PASSWORD)]).await;
    assert_eq!(auth_time(&server, &app, &visit.code()).await, server.clock().now().seconds());
}

#[both_engines]
async fn az4_prompt_select_account_asks_which_one() {
    let server = TestServer::start().await;
    server.user("bob").create().await;
    let app = server.client("shop").first_party().create().await;
    let browser = server.browser().log_in("alice").await;
    let url = app.authorize().with("prompt", "select_account").url();

    let page = browser.follow(&url).await;
    page.assert_page(200, "Choose an account");
    page.submit(&[("decision", "continue")]).await.code();

    // Another account must prove itself; the old session ends.
    let page = browser.follow(&url).await.submit(&[("decision", "switch")]).await;
    page.assert_page(200, "Sign in");
    let visit = page.submit(&[("username", "bob"), ("password", PASSWORD)]).await;
    let tokens = app.redeem(&visit.code()).await.ok();
    let claims = server.verify(tokens.id_token()).await;
    assert_eq!(claims["sub"], server.find_user("bob").await.expect("made").sub.as_str());

    // Nobody is signed in: there is nothing to choose from.
    server.browser().follow(&url).await.assert_page(200, "Sign in");
}

#[both_engines]
async fn az4_a_hint_for_another_user_never_passes() {
    let server = TestServer::start().await;
    let app = server.client("shop").first_party().create().await;
    let alice = server.browser().log_in("alice").await;
    let bob = server.browser().log_in("bob").await;
    let hint = id_token(&alice, &app).await;
    let with_hint = || app.authorize().with("id_token_hint", &hint);

    alice.follow(&with_hint().url()).await.code();
    alice.follow(&with_hint().with("prompt", "none").url()).await.code();
    bob.follow(&with_hint().with("prompt", "none").url()).await.assert_refused("login_required");
    let page = bob.follow(&with_hint().url()).await;
    page.assert_page(200, "Sign in");
    let visit = page.submit(&[("username", "bob"), ("password", PASSWORD)]).await;
    visit.assert_refused("login_required");
    // The right one may come.
    let visit =
        bob.follow(&with_hint().url()).await.submit(&[("username", "alice"), ("password", PASSWORD)]).await;
    visit.code();

    // The `sub` claim with a value says the same (OIDC Core §5.5.1).
    let sub = server.find_user("alice").await.expect("made").sub;
    let claims = json!({ "id_token": { "sub": { "value": sub } } }).to_string();
    let carol = server.browser().log_in("carol").await;
    carol
        .follow(&app.authorize().with("claims", &claims).with("prompt", "none").url())
        .await
        .assert_refused("login_required");
    alice.follow(&app.authorize().with("claims", &claims).url()).await.code();

    // An expired hint still says who.
    server.clock().advance(3_000);
    alice.follow(&with_hint().with("prompt", "none").url()).await.code();
}

#[both_engines]
async fn az5_acr_and_amr_never_overstate() {
    let server = TestServer::start().await;
    let app = server.client("shop").first_party().create().await;
    let browser = server.browser().log_in("alice").await;
    let claims_of = async |url: String| {
        let tokens = app.redeem(&browser.follow(&url).await.code()).await.ok();
        server.verify(tokens.id_token()).await
    };
    let password = "urn:authmachine:acr:pwd";

    let claims = claims_of(app.authorize_url()).await;
    assert_eq!((claims.get("acr"), &claims["amr"]), (None, &json!(["pwd"])));
    let claims = claims_of(app.authorize().with("acr_values", &format!("urn:high {password}")).url()).await;
    assert_eq!(claims["acr"], password);
    // A wish that cannot be met is left out, a must that cannot be met is refused.
    assert_eq!(claims_of(app.authorize().with("acr_values", "urn:high").url()).await.get("acr"), None);
    let wish = json!({ "id_token": { "acr": { "values": ["urn:high"] } } }).to_string();
    assert_eq!(claims_of(app.authorize().with("claims", &wish).url()).await.get("acr"), None);
    let must = json!({ "id_token": { "acr": { "essential": true, "values": ["urn:high"] } } }).to_string();
    let visit = browser.follow(&app.authorize().with("claims", &must).url()).await;
    visit.assert_refused("unmet_authentication_requirements");
    let met =
        json!({ "id_token": { "acr": { "essential": true, "values": ["urn:high", password] } } }).to_string();
    assert_eq!(claims_of(app.authorize().with("claims", &met).url()).await["acr"], password);
}
