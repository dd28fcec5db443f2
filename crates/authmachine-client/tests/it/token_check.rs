//! Whether a session still holds: asked at each request, with three answers.

use std::time::Duration;

use http::StatusCode;
use serde_json::json;

use crate::app::App;

#[tokio::test]
async fn each_request_asks_once() {
    let mut app = App::new();
    app.sign_in().await;
    let before = app.op.token_checks();
    assert_eq!(app.browser.open("/twice").await.body, "true true", "three arguments");
    assert_eq!(app.op.token_checks(), before + 1);
    app.browser.open("/public").await;
    assert_eq!(app.op.token_checks(), before + 1, "who asks for nobody causes no check");
    let check = app.op.seen("/token").pop().expect("a check");
    assert_eq!(check.form.get("access_token"), Some("access-token-1-0123456789abcdefghij"));
}

#[tokio::test]
async fn cl6_a_revoked_token_ends_the_session() {
    let mut app = App::new();
    app.sign_in().await;
    let mut copy = app.browser.clone();
    app.op.script().revoked = true;
    assert_eq!(app.home().await, "nobody");
    app.assert_signed_out("revoked").await;
    assert_eq!(app.browser.open("/private").await.location(), "/login?return_to=%2Fprivate");
    app.op.script().revoked = false;
    assert_eq!(copy.open("/").await.body, "nobody", "what has ended does not come back");
    app.sign_in().await;
    assert_eq!(app.home().await, "alice Alive");
}

#[tokio::test]
async fn cl6_no_answer_keeps_a_session_for_five_minutes_then_503() {
    let mut app = App::new();
    app.sign_in().await;
    app.wait(1_000);
    assert_eq!(app.home().await, "alice Alive");
    app.op.script().down = true;
    for (seconds, kept) in [(0, true), (299, true), (1, false), (10_000, false)] {
        app.wait(seconds);
        let page = app.browser.open("/").await;
        let script = app.browser.fetch("/private").await;
        if kept {
            assert_eq!(
                (page.body.as_str(), script.status),
                ("alice Unanswered", StatusCode::OK),
                "{seconds}"
            );
        } else {
            for answer in [&page, &script] {
                assert_eq!(
                    (answer.status, answer.header("retry-after")),
                    (StatusCode::SERVICE_UNAVAILABLE, "5")
                );
                assert!(answer.headers.get("set-cookie").is_none(), "nobody is signed out in silence");
            }
            assert!(page.body.contains("You are still signed in"), "{}", page.body);
            assert_eq!(script.body, r#"{"error":"temporarily_unavailable"}"#);
        }
    }
    assert_eq!(app.browser.open("/public").await.body, "anybody");
    app.op.script().down = false;
    assert_eq!(app.home().await, "alice Alive", "and back");
}

#[tokio::test]
async fn cl6_what_is_no_answer_ends_no_session() {
    for (status, body) in [
        (401, r#"{"error":"invalid_client"}"#),
        (400, r#"{"error":"invalid_request"}"#),
        (400, r#"{"error":"unsupported_grant_type"}"#), // it could be asked before
        (500, ""),
        (503, r#"{"revoked":true}"#),
        (200, r#"{"revoked":"true"}"#),
        (200, r#"{"revoked":true,"revoked":true}"#),
        (200, "{}"),
        (302, ""),
    ] {
        let mut app = App::new();
        app.sign_in().await;
        app.op.script().answers.insert("/token", (status, body.to_owned()));
        assert_eq!(app.home().await, "alice Unanswered", "{status} {body}");
        app.wait(300);
        assert_eq!(app.browser.open("/").await.status, StatusCode::SERVICE_UNAVAILABLE, "{status} {body}");
        assert!(app.browser.has("-session"));
    }
}

/// A provider that knows nothing of `check_token_revoked`.
fn foreign(has_introspection: bool) -> App {
    let app = App::new();
    app.op.script().is_foreign = true;
    if has_introspection {
        app.op.script().metadata["introspection_endpoint"] = json!("https://op.example/introspect");
    }
    app
}

#[tokio::test]
async fn another_provider_is_asked_by_introspection_if_it_has_it() {
    let mut app = foreign(true);
    app.sign_in().await;
    assert_eq!(app.home().await, "alice Alive");
    assert_eq!((app.op.token_checks(), app.op.seen("/introspect").len()), (1, 2), "found out once");
    let asked = app.op.seen("/introspect").remove(0);
    assert_eq!(asked.form.get("token"), Some("access-token-1-0123456789abcdefghij"));
    assert!(asked.headers.contains_key("authorization"));
    app.op.script().revoked = true;
    assert_eq!(app.home().await, "nobody");
    app.assert_signed_out("inactive").await;
}

#[tokio::test]
async fn another_provider_without_introspection_is_not_asked() {
    let mut app = foreign(false);
    app.sign_in().await;
    app.op.script().down = true;
    app.wait(10_000);
    assert_eq!(app.home().await, "alice NotCheckable");
    assert_eq!(app.op.token_checks(), 1, "found out once");
}

#[tokio::test]
async fn an_answer_may_be_believed_for_a_while() {
    let mut app = App::with(|builder| builder.token_check_cache(Duration::from_secs(60)));
    app.sign_in().await;
    app.op.script().revoked = true;
    app.wait(59);
    assert_eq!(app.home().await, "alice Alive");
    app.wait(1);
    assert_eq!(app.home().await, "nobody");
}

#[tokio::test]
async fn an_answer_of_a_later_time_is_not_believed() {
    for cache_seconds in [0, 60] {
        let mut app = App::with(|builder| builder.token_check_cache(Duration::from_secs(cache_seconds)));
        app.sign_in().await;
        app.op.script().revoked = true;
        app.wait(-3_600);
        assert_eq!(app.home().await, "nobody", "the clock was set back, {cache_seconds}");
    }
}

#[tokio::test]
async fn the_check_can_be_left_out_by_a_method_that_says_danger() {
    let mut app = App::with(|builder| builder.danger_skip_token_check());
    app.sign_in().await;
    app.op.script().revoked = true;
    assert_eq!(app.home().await, "alice NotCheckable");
    assert_eq!(app.op.token_checks(), 0);
}

#[tokio::test]
async fn a_token_that_ends_at_once_is_an_error_and_no_endless_loop() {
    let mut app = App::new();
    app.op.script().revoked = true;
    assert_eq!(app.try_sign_in().await.status, StatusCode::BAD_GATEWAY);
    app.assert_signed_out("at once").await;
}
