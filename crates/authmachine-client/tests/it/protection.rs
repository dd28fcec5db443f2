//! `User` as the protection of a handler.

use authmachine_client::{Action, Login, User};
use axum::{Router, response::IntoResponse as _, routing::get};
use http::{HeaderValue, StatusCode, header};
use serde_json::json;

use crate::app::{App, Browser};

#[tokio::test]
async fn a_page_load_is_sent_to_log_in_and_a_script_gets_401() {
    let mut app = App::new();
    let page = app.browser.open("/private").await;
    assert_eq!((page.status, page.location()), (StatusCode::SEE_OTHER, "/login?return_to=%2Fprivate"));
    let script = app.browser.fetch("/private").await;
    assert_eq!(
        (script.status, script.body.as_str()),
        (StatusCode::UNAUTHORIZED, r#"{"error":"login_required"}"#)
    );
    assert_eq!((script.header("content-type"), script.location()), ("application/json", ""));
    let form = app.browser.submit_from("same-origin", "/form").await;
    assert_eq!(form.location(), "/login", "a form cannot be sent again by a redirect");
    let old = app.browser.send("GET", "/private", &[]).await;
    assert_eq!(old.status, StatusCode::SEE_OTHER, "no fetch metadata counts as a page load");
    for answer in [page, script, form] {
        assert_eq!(answer.header("cache-control"), "no-store");
    }
}

#[tokio::test]
async fn an_optional_user_never_redirects() {
    let mut app = App::new();
    assert_eq!(app.home().await, "nobody");
    assert_eq!(app.browser.fetch("/").await.body, "nobody");
    let missing = app.browser.open("/no-such-page").await;
    assert_eq!((missing.status, missing.body.as_str()), (StatusCode::NOT_FOUND, "false"));
    app.sign_in().await;
    assert_eq!(app.browser.open("/no-such-page").await.body, "true", "fallbacks know the user too");
}

#[tokio::test]
async fn pages_about_a_user_are_not_kept_by_caches() {
    let mut app = App::new();
    app.sign_in().await;
    for (path, cache) in [("/", "private, no-store"), ("/private", "private, no-store"), ("/public", "")] {
        assert_eq!(app.browser.open(path).await.header("cache-control"), cache, "{path}");
    }
}

#[tokio::test]
async fn a_permission_is_required_by_one_line() {
    for (held, status) in [
        (json!({"object1": ["read", "write"]}), StatusCode::OK),
        (json!({"object1": ["read"]}), StatusCode::FORBIDDEN),
        (json!({"object2": ["write"]}), StatusCode::FORBIDDEN),
        (json!({"object1": "write"}), StatusCode::FORBIDDEN),
        (json!(null), StatusCode::FORBIDDEN),
    ] {
        let mut app = App::with(|builder| builder.objects(["object1"]));
        app.op.script().userinfo = json!({"sub": "u-1", "authmachine_permissions": held});
        app.sign_in().await;
        let answer = app.browser.open("/edit").await;
        assert_eq!(answer.status, status, "{held}");
        assert!(status == StatusCode::OK || answer.body == "You are not allowed to do this.\n");
    }
}

#[tokio::test]
async fn a_route_that_was_forgotten_lets_nobody_in() {
    let app = App::new();
    let router: Router = app.login.attach(Router::new()).route("/late", get(async |_: User| "in"));
    let mut browser = Browser::new(router);
    for (answer, why) in [(browser.open("/late").await, "page"), (browser.fetch("/late").await, "script")] {
        assert_eq!(answer.status, StatusCode::INTERNAL_SERVER_ERROR, "{why}");
        assert!(!answer.body.contains("in\n"), "{}", answer.body);
    }
}

#[tokio::test]
async fn pages_may_have_the_application_s_look() {
    let mut app = App::with(|builder| {
        builder.pages(|page| {
            let action = match page.action {
                Action::Link { href, .. } => href,
                Action::Button { path, .. } => path,
            };
            let error = page.error.map(ToString::to_string);
            let policy = (header::CONTENT_SECURITY_POLICY, HeaderValue::from_static("default-src 'self'"));
            ([policy], format!("our look: {} {action} {error:?}", page.title)).into_response()
        })
    });
    let answer = app.browser.open("/oidc-callback?state=x").await;
    assert_eq!(answer.status, StatusCode::BAD_REQUEST, "the status is added");
    assert!(
        answer.body.starts_with("our look: Please start again /login Some(\"this sign-in is not one"),
        "{}",
        answer.body
    );
    assert_eq!(answer.header("content-security-policy"), "default-src 'self'", "what the page sets stays");
    assert_eq!(answer.header("x-content-type-options"), "nosniff", "what it does not set is added");
    let question = app.browser.open_from("cross-site", "/logout").await;
    assert_eq!(
        (question.status, question.body.as_str()),
        (StatusCode::OK, "our look: Sign out? /logout None")
    );
}

#[test]
fn nothing_secret_is_in_debug_output() {
    let builder = Login::builder("https://op.example", "app")
        .client_secret("hidden")
        .api_token("hidden")
        .session_key("hidden".repeat(6))
        .public_url("https://app.example");
    assert!(!format!("{builder:?}").contains("hidden"));
    let login = builder.build().expect("legal");
    assert!(!format!("{login:?} {:?}", login.permissions_api()).contains("hidden"));
}
