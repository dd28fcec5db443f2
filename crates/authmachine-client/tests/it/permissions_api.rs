//! AuthMachine's permission API.

use authmachine_client::{Error, ErrorKind};

use crate::app::App;

#[tokio::test]
async fn the_api_is_asked_as_the_contract_has_it() {
    let app = App::with(|builder| builder.api_token("api-token"));
    let api = app.login.permissions_api().expect("there is a token");
    let permissions = api.of("u-1", &["object1", "a b"]).await.expect("an answer");
    assert!(permissions.has("read", "object1") && !permissions.has("write", "object1"));
    let asked = app.op.seen("/api/scim/v1/Users/u-1/permissions").remove(0);
    assert_eq!(asked.line, "GET /api/scim/v1/Users/u-1/permissions?object=object1&object=a+b");
    assert_eq!(asked.headers["authorization"], "Token api-token");
    assert_eq!(asked.headers["content-type"], "application/json");
}

#[tokio::test]
async fn cl6_any_error_of_the_api_is_no_permission() {
    const PATH: &str = "/api/scim/v1/Users/u-1/permissions";
    let granted = r#"{"permissions":{"object1":["read"]}}"#;
    for (status, body) in [
        (401, granted),
        (403, granted),
        (404, granted),
        (500, granted),
        (204, granted),
        (302, granted),
        (200, "["),
        (200, "[]"),
        (200, ""),
        (200, r#"{"object1":["read"],"object1":["write"]}"#),
    ] {
        let app = App::with(|builder| builder.api_token("api-token"));
        app.op.script().answers.insert(PATH, (status, body.to_owned()));
        let answer = app.login.permissions_api().expect("a token").of("u-1", &["object1"]).await;
        assert!(answer.is_err(), "{status} {body}");
        assert!(!answer.unwrap_or_default().has("read", "object1"));
    }
    let app = App::with(|builder| builder.api_token("api-token"));
    app.op.script().down = true;
    let down = app.login.permissions_api().expect("a token").of("u-1", &[]).await.expect_err("down");
    assert_eq!(down.kind(), ErrorKind::TryAgain);
}

#[tokio::test]
async fn a_user_id_leads_to_no_other_path() {
    let app = App::with(|builder| builder.api_token("api-token"));
    let api = app.login.permissions_api().expect("a token");
    for (id, path) in [
        ("../x?a#b", "/api/scim/v1/Users/..%2Fx%3Fa%23b/permissions"),
        ("é", "/api/scim/v1/Users/%C3%A9/permissions"),
    ] {
        assert!(api.of(id, &[]).await.is_err(), "404");
        assert_eq!(app.op.seen(path).len(), 1, "{id}");
    }
    assert!(matches!(api.of("..", &[]).await, Err(Error::Config(_))));
}

#[test]
fn without_a_token_the_cure_is_named() {
    let error = App::new().login.permissions_api().expect_err("no token");
    assert!(error.to_string().starts_with("AUTHMACHINE_API_TOKEN is missing"), "{error}");
}
