//! What a signed-in user may do: asked at each request, and what an error makes of it.

use std::time::Duration;

use authmachine_client::LoginBuilder;
use http::StatusCode;
use serde_json::{Value, json};

use crate::app::App;

/// An application that asks about `object1`, with somebody signed in.
async fn signed_in(change: impl FnOnce(LoginBuilder) -> LoginBuilder) -> App {
    let mut app = App::with(|builder| change(builder.objects(["object1"])));
    app.sign_in().await;
    app
}

/// From now on userinfo says this of permissions.
fn hold(app: &App, permissions: Value) {
    app.op.script().userinfo =
        json!({"sub": "u-1", "preferred_username": "alice", "authmachine_permissions": permissions});
}

#[tokio::test]
async fn a_revoke_shows_at_the_next_request_without_a_new_login() {
    let mut app = signed_in(|builder| builder).await;
    for path in ["/edit", "/layered"] {
        hold(&app, json!({"object1": ["read", "write"]}));
        assert_eq!(app.browser.open(path).await.body, "edited", "{path}: granted after the sign-in");
        hold(&app, json!({"object1": ["read"]}));
        let refused = app.browser.open(path).await;
        assert_eq!(refused.status, StatusCode::FORBIDDEN, "{path}");
        assert_eq!(refused.body, "You are not allowed to do this.\n", "{path}");
    }
}

#[tokio::test]
async fn the_layer_lets_nobody_else_in() {
    let mut app = App::with(|builder| builder.objects(["object1"]));
    hold(&app, json!({"object1": ["write"]}));
    assert_eq!(app.browser.open("/layered").await.location(), "/login?return_to=%2Flayered");
    assert_eq!(app.browser.fetch("/layered").await.status, StatusCode::UNAUTHORIZED);
    app.sign_in().await;
    assert_eq!(app.browser.fetch("/layered").await.body, "edited");
}

#[tokio::test]
async fn pe1_what_userinfo_does_not_say_is_not_allowed() {
    let mut app = signed_in(|builder| builder).await;
    for nothing in
        [json!({}), json!({"object2": ["write"]}), json!({"object1": "write"}), json!([]), json!(null)]
    {
        hold(&app, nothing.clone());
        assert_eq!(app.browser.open("/edit").await.status, StatusCode::FORBIDDEN, "{nothing}");
    }
    let good = r#"{"sub":"u-1","authmachine_permissions":{"object1":["write"]}}"#;
    let huge = format!("{}{good}", " ".repeat(256 * 1024));
    for (status, body) in [
        (500, good),
        (503, good),
        (429, good),
        (403, good),
        (401, good),
        (302, good),
        (204, good),
        (200, "{"),
        (200, r#"{"authmachine_permissions":{"object1":["write"]}}"#),
        (200, r#"{"sub":"u-2","authmachine_permissions":{"object1":["write"]}}"#),
        (200, huge.as_str()),
    ] {
        app.op.script().answers.insert("/userinfo", (status, body.to_owned()));
        for path in ["/edit", "/layered"] {
            let answer = app.browser.open(path).await;
            let shown = body.get(..80).unwrap_or(body);
            assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE, "{path} {status} {shown}");
            assert_eq!(answer.header("retry-after"), "5");
            assert!(!answer.body.contains("edited"));
        }
    }
    app.op.script().answers.clear();
    hold(&app, json!({"object1": ["write"]}));
    assert_eq!(app.browser.open("/edit").await.body, "edited", "and back");
}

#[tokio::test]
async fn other_objects_are_asked_of_the_api_where_there_is_a_token() {
    const PATH: &str = "/api/scim/v1/Users/u-1/permissions";
    let mut app = signed_in(|builder| builder.api_token("api-token")).await;
    for answer in [
        json!({"report": ["read", "write"]}),
        json!({"is_superuser": false, "permissions": {"report": ["read", "write"]}}),
    ] {
        app.op.script().answers.insert(PATH, (200, answer.to_string()));
        assert_eq!(app.browser.open("/edit/report").await.body, "read write");
    }
    app.op.script().answers.insert(PATH, (200, json!({"report": ["read"]}).to_string()));
    assert_eq!(app.browser.open("/edit/report").await.status, StatusCode::FORBIDDEN);
    app.op.script().answers.insert(PATH, (500, String::new()));
    assert_eq!(app.browser.open("/edit/report").await.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(app.op.seen(PATH).last().expect("asked").line, format!("GET {PATH}?object=report"));

    let mut without = signed_in(|builder| builder).await;
    assert_eq!(without.browser.open("/edit/report").await.status, StatusCode::FORBIDDEN, "nobody to ask");
}

#[tokio::test]
async fn pe7_an_answer_is_used_again_only_if_it_says_its_revision_and_until_a_newer_one() {
    let mut app = signed_in(|builder| builder.permission_cache(Duration::from_secs(60)).api_token("t")).await;
    let asked = |app: &App| app.op.seen("/userinfo").len();
    let at_sign_in = asked(&app);
    hold(&app, json!({"object1": ["write"]}));
    app.browser.open("/edit").await;
    app.browser.open("/edit").await;
    assert_eq!(asked(&app), at_sign_in + 2, "without a revision each time");

    app.op.script().revision = Some(7);
    for _ in 0..3 {
        assert_eq!(app.browser.open("/edit").await.body, "edited");
    }
    assert_eq!(asked(&app), at_sign_in + 3);

    // Another answer of the provider's shows that the data has changed.
    hold(&app, json!({"object1": []}));
    app.op.script().revision = Some(8);
    assert_eq!(app.browser.open("/edit").await.body, "edited", "nothing has shown it yet");
    assert_eq!(app.browser.open("/edit/report").await.status, StatusCode::FORBIDDEN);
    assert_eq!(app.browser.open("/edit").await.status, StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn where_the_token_cannot_be_checked_userinfo_says_that_it_has_ended() {
    let mut app = App::with(|builder| builder.objects(["object1"]));
    app.op.script().is_foreign = true;
    hold(&app, json!({"object1": ["write"]}));
    app.sign_in().await;
    assert_eq!(app.browser.open("/edit").await.body, "edited");
    app.op.script().answers.insert("/userinfo", (401, String::new()));
    assert_eq!(app.browser.open("/edit").await.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(app.browser.open("/edit").await.location(), "/login?return_to=%2Fedit", "sign in again");

    // Where it can, the check alone decides.
    let mut app = signed_in(|builder| builder).await;
    app.op.script().answers.insert("/userinfo", (401, String::new()));
    assert_eq!(app.browser.open("/edit").await.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(app.home().await, "alice Alive");
}
