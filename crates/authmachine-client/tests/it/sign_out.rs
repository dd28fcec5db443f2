//! Signing out, here and at the provider.

use authmachine_protocol::Params;
use http::StatusCode;

use crate::{
    app::{App, PUBLIC_URL},
    op::Op,
};

#[tokio::test]
async fn a_person_signs_out_everywhere() {
    let mut app = App::new();
    app.sign_in().await;
    let mut copy = app.browser.clone();
    let sent = app.browser.open("/logout").await;
    assert_eq!(sent.status, StatusCode::SEE_OTHER);
    let (endpoint, query) = sent.location().split_once('?').expect("a query");
    assert_eq!(endpoint, "https://op.example/logout");
    let request = Params::parse(query.as_bytes()).expect("a legal query");
    assert_eq!(request.get("client_id"), Some("app"));
    assert_eq!(
        request.get("post_logout_redirect_uri"),
        Some(format!("{PUBLIC_URL}/oidc-logout-callback").as_str())
    );
    assert_eq!(request.get("revoke_tokens"), Some("1"));
    assert_eq!(request.get("id_token_hint").expect("the raw ID token").split('.').count(), 3);
    app.assert_signed_out("before the provider is asked").await;
    assert!(!app.browser.has("-id"), "nor is the ID token kept");
    assert_eq!(copy.open("/").await.body, "nobody", "a copy of the cookie is worth nothing");

    let state = request.get("state").expect("a state");
    let back = app.browser.open_from("cross-site", &format!("/oidc-logout-callback?state={state}")).await;
    assert_eq!((back.status, back.location()), (StatusCode::SEE_OTHER, "/"));
    assert!(app.browser.sent_to("/logout").is_empty(), "nothing is left behind");
}

#[tokio::test]
async fn cs_no_other_site_signs_anybody_out() {
    let mut app = App::new();
    app.sign_in().await;
    for site in ["cross-site", "same-site"] {
        let asked = app.browser.open_from(site, "/logout").await;
        assert_eq!(asked.status, StatusCode::OK, "{site}");
        assert!(
            asked.body.contains("<form method=\"post\" action=\"/logout\"><button>Sign out</button></form>")
        );
        assert!(asked.headers.get("set-cookie").is_none());
        assert_eq!(app.browser.submit_from(site, "/logout").await.status, StatusCode::OK, "{site}");
        let called = app.browser.open_from(site, "/oidc-logout-callback?state=x").await;
        assert_eq!((called.location(), called.headers.get("set-cookie")), ("/", None), "{site}");
        assert_eq!(app.home().await, "alice Alive", "{site}");
    }
    let sent = app.browser.submit_from("same-origin", "/logout").await;
    assert!(sent.location().starts_with("https://op.example/logout?"), "by the button");
    app.assert_signed_out("by the button").await;
}

#[tokio::test]
async fn cs_of_an_old_browser_the_origin_is_asked() {
    let mut app = App::new();
    app.sign_in().await;
    for origin in ["https://evil.example", "null"] {
        let asked = app.browser.send("POST", "/logout", &[("origin", origin)]).await;
        assert_eq!(asked.status, StatusCode::OK, "{origin}");
        assert_eq!(app.home().await, "alice Alive", "{origin}");
    }
    let sent = app.browser.send("POST", "/logout", &[("origin", PUBLIC_URL)]).await;
    assert_eq!(sent.status, StatusCode::SEE_OTHER);
    app.assert_signed_out("by a page of its own").await;
}

#[tokio::test]
async fn the_logout_callback_ends_the_session_as_the_contract_has_it() {
    let mut app = App::new();
    app.sign_in().await;
    assert_eq!(app.browser.send("GET", "/oidc-logout-callback", &[]).await.location(), "/");
    app.assert_signed_out("called by hand").await;
}

#[tokio::test]
async fn who_is_not_signed_in_can_still_sign_out_at_the_provider() {
    let mut app = App::new();
    let sent = app.browser.open("/logout").await;
    assert!(sent.location().starts_with("https://op.example/logout?client_id=app&"));
    assert!(!sent.location().contains("id_token_hint"));
}

#[tokio::test]
async fn a_provider_without_logout_is_left_alone() {
    let op = Op::new();
    op.script().metadata.as_object_mut().expect("an object").remove("end_session_endpoint");
    let mut app = App::at(op, |builder| builder);
    app.sign_in().await;
    assert_eq!(app.browser.open("/logout").await.location(), "/");
    app.assert_signed_out("here").await;
}

#[tokio::test]
async fn when_the_provider_is_down_a_person_is_signed_out_here_and_told_so() {
    let mut before = App::new();
    before.sign_in().await;
    // Another process, which never saw the provider: the cookie alone makes the session.
    let mut app = App::at(before.op.clone(), |builder| builder);
    app.browser = app.browser.with_cookies_of(&before.browser);
    app.op.script().down = true;
    let answer = app.browser.open("/logout").await;
    assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE);
    assert!(answer.body.contains("you may still be signed in there"), "{}", answer.body);
    app.assert_signed_out("here").await;
}
