//! What stands in the log, in metrics and in events, and what must not (checklist LG, IN4). Every test's server looks for the
//! secrets it saw when it is dropped; here is one flow through every door, with the proof that the look can fail.

use authmachine_provider::event::EventKind;
use authmachine_testkit::{PASSWORD, TestServer, both_engines};

#[both_engines]
async fn lg1_no_secret_of_a_whole_flow_stands_in_log_metrics_or_events() {
    let server = TestServer::start().await;
    server.user("alice").create().await;
    let app = server.client("guest").scopes("openid profile email offline_access").create().await;
    let api = server.api_token("api").await;
    let browser = server.browser();
    let page = browser
        .follow(
            &app.authorize()
                .with("prompt", "consent")
                .with_challenge(&authmachine_protocol::pkce::challenge(VERIFIER))
                .url(),
        )
        .await;
    page.submit(&[("username", "alice"), ("password", "her-wrong-password-0123")]).await;
    let page = page.submit(&[("username", "alice"), ("password", PASSWORD)]).await;
    let code = page.submit(&[("decision", "yes")]).await.code();
    let tokens = app.redeem_with(&code, VERIFIER).await.ok();
    let second = app.refresh(tokens.refresh_token()).await.ok();
    app.userinfo(&second.access_token).await.ok();
    app.introspect(&second.access_token).await.ok();
    app.with_secret("a wrong client secret").introspect(&second.access_token).await.assert_status(401);
    app.refresh(tokens.refresh_token()).await.assert_error(400, "invalid_grant");
    app.redeem_with(&code, VERIFIER).await.assert_error(400, "invalid_grant");
    app.revoke(&second.access_token).await.assert_status(200);
    let sub = server.find_user("alice").await.expect("made").sub;
    api.permissions(&sub, &["object1"]).await.assert_status(200);
    let change = browser.open("/account/password").await;
    change
        .submit(&[("current_password", PASSWORD), ("new_password", "a brand new password")])
        .await
        .assert_page(200, "is changed");
    let hint = authmachine_protocol::form::encode([("id_token_hint", tokens.id_token())]);
    browser.follow(&format!("/oidc/logout?{hint}")).await.answer();
    server.store().faults().fail_call(3);
    app.redeem_with(&code, VERIFIER).await.assert_status(503);

    let secrets = server.secrets();
    for known in [
        PASSWORD,
        "her-wrong-password-0123",
        "a wrong client secret",
        "a brand new password",
        VERIFIER,
        &code,
        &api.token,
    ] {
        assert!(secrets.contains(known), "{known} is among those looked for");
    }
    let metrics = server.app().metrics.render(&server.store().stats());
    let events = format!("{:?}", server.events().await);
    let log = server.log();
    assert!(
        log.iter().any(|record| record.contains(" TRACE ")
            || record.contains(" DEBUG ")
            || record.contains(" INFO "))
    );
    for secret in &secrets {
        assert!(!metrics.contains(secret.as_str()), "{secret} in the metrics");
        assert!(!events.contains(secret.as_str()), "{secret} in the events");
        assert!(!log.iter().any(|record| record.contains(secret.as_str())), "{secret} in the log");
    }
}

const VERIFIER: &str = "the-verifier-of-this-one-flow-0123456789abcdefg";

#[both_engines]
async fn lg1_the_look_for_secrets_can_fail() {
    let server = TestServer::start().await;
    let id = server.get("/nothing").send().await.header("x-request-id").expect("an id").to_owned();
    server.note_secret(&id);
    let found = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| drop(server)));
    let why = found.expect_err("the id stands in the log, and now it is a secret");
    let why = why.downcast_ref::<String>().expect("a message");
    assert!(why.contains("LG1") && why.contains(&id), "{why}");
}

#[both_engines]
async fn lg2_secret_types_print_nothing() {
    let server = TestServer::start().await;
    let app = server.client("shop").first_party().create().await;
    let browser = server.browser().log_in("alice").await;
    let code = browser.authorize(&app).await.code();
    let tokens = app.redeem(&code).await.ok();
    let presented = authmachine_provider::handle::Presented::parse(
        authmachine_provider::ids::Kind::AccessToken,
        &tokens.access_token,
    );
    let refresh = authmachine_provider::handle::RefreshToken::parse(tokens.refresh_token()).expect("ours");
    let response = authmachine_protocol::TokenResponse {
        access_token: tokens.access_token.clone(),
        token_type: "Bearer".to_owned(),
        expires_in: None,
        scope: None,
        refresh_token: tokens.refresh_token.clone(),
        id_token: tokens.id_token.clone(),
    };
    let secret = app.secret.as_deref().expect("confidential");
    let form = authmachine_protocol::Params::from_iter([("client_id", "shop"), ("client_secret", secret)]);
    let credentials = authmachine_provider::client::Credentials::read(None, &form).expect("legal");
    let params = authmachine_protocol::Params::parse(b"password=hidden-by-debug").expect("legal");
    let keys = server.store().read(|reads| reads.list_signing_keys()).await.expect("it answers");
    let sealed: String = keys[0].private_sealed.iter().map(|byte| format!("{byte}, ")).collect();
    let shown = format!(
        "{presented:?} {refresh:?} {response:?} {credentials:?} {params:?} {:?} {keys:?} {:?}",
        server.app().secrets,
        server.store()
    );
    for secret in [
        tokens.access_token.as_str(),
        tokens.refresh_token(),
        tokens.id_token(),
        app.secret.as_deref().expect("confidential"),
        "hidden-by-debug",
        &sealed,
    ] {
        assert!(!shown.contains(secret), "{secret} in {shown}");
    }
}

#[both_engines]
async fn in4_no_text_of_a_request_forges_a_line() {
    let server = TestServer::start().await;
    server.user("alice").create().await;
    let app = server.client("shop").name("a\nWARN forged-by-client-name").create().await;
    let forged = "x\r\n2027-01-15T08:00:00Z  WARN forged: everything is fine \u{2028}\u{1b}[31m";
    let browser = server.browser().with("user-agent", "agent\tforged-by-agent");
    let encoded = authmachine_protocol::form::encode([("x", forged)]);
    browser.open(&format!("/nothing?{encoded}")).await;
    browser.sign_in(forged, forged).await;
    browser.sign_in("alice", PASSWORD).await;
    for name in ["client_id", "scope", "state", "claims", "prompt", "login_hint", "id_token_hint"] {
        browser.follow(&app.authorize().with(name, forged).url()).await;
    }
    app.token(&[("grant_type", forged)]).await;
    app.introspect(forged).await;
    for record in server.log() {
        assert_eq!(record.matches('\n').count(), 1, "one line an event: {record}");
        assert!(record.ends_with('\n') && !record.contains('\r') && !record.contains('\u{2028}'), "{record}");
        assert!(!record.contains("forged") && !record.contains('\u{1b}'), "{record}");
    }
}

#[both_engines]
async fn lg3_what_matters_leaves_an_event_with_who_what_and_where() {
    let server = TestServer::start().await;
    server.user("alice").create().await;
    let app = server.client("guest").create().await;
    let browser = server.browser();
    let page = browser.follow(&app.authorize_url()).await;
    page.submit(&[("username", "alice"), ("password", "a wrong one")]).await;
    let page = page.submit(&[("username", "alice"), ("password", PASSWORD)]).await;
    let tokens = app.redeem(&page.submit(&[("decision", "yes")]).await.code()).await.ok();
    app.revoke(&tokens.access_token).await.assert_status(200);
    app.with_secret("wrong").introspect("x").await.assert_status(401);
    browser.sign_out().await;

    let events = server.events().await;
    let kinds: Vec<_> = events.iter().map(|event| event.kind).collect();
    use EventKind::{
        ClientRefused, ConsentGiven, SignIn, SignInRefused, SignOut, TokenRevoked, TokensIssued,
    };
    assert_eq!(
        kinds,
        [SignInRefused, SignIn, ConsentGiven, TokensIssued, TokenRevoked, ClientRefused, SignOut]
    );
    let alice = server.find_user("alice").await.expect("made").sub;
    for event in &events {
        assert_eq!(event.at, server.clock().now());
        assert_eq!(event.address.as_deref(), Some("192.0.2.1"), "{event:?}");
        assert!(event.request_id.as_ref().is_some_and(|id| id.len() == 16), "{event:?}");
        if event.kind != ClientRefused {
            assert_eq!(event.user.as_deref(), Some(alice.as_str()), "{event:?}");
        }
    }
}
