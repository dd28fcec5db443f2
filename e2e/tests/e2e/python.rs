//! Client libraries for Python, as they are: each runs the flows that it supports.

use authmachine_e2e::foreign::Python;
use authmachine_e2e::{Client, Engine, Provider};
use serde_json::{Value, json};

const CALLBACK: &str = "https://app.example.com/cb";
const SIGNED_OUT: &str = "https://app.example.com/out";
/// Every response type, and where its answer stands by itself.
const RESPONSE_TYPES: [(&str, &str); 6] = [
    ("code", "query"),
    ("id_token", "fragment"),
    ("id_token token", "fragment"),
    ("code id_token", "fragment"),
    ("code token", "fragment"),
    ("code id_token token", "fragment"),
];

on_each_engine!(authlib_goes_through_the_flow, idpyoidc_gets_every_response_type);

/// Fails unless the program found all of this.
#[track_caller]
fn assert_found(found: &Value, expected: &[(&str, Value)]) {
    for (what, expected) in expected {
        assert_eq!(&found[what], expected, "{what}: {found}");
    }
}

async fn authlib_goes_through_the_flow(engine: Engine) {
    let Some(python) = Python::find() else { return };
    let provider = Provider::start(&engine).await;
    provider.add_user("alice").await;
    let new = Client::of("authlib", "https://app.example.com/cb")
        .with(&["--scope", "openid email profile offline_access"]);
    let client = provider.add_client(new).await;
    let scope = "openid email profile offline_access";
    let found = python.flow("authlib_flow.py", &client, &provider, &[("AUTHMACHINE_SCOPE", scope)]).await;
    assert_eq!(found["token_type"], "Bearer");
    assert_eq!(found["id_token_header"]["alg"], "RS256");
    assert_eq!(found["userinfo"]["preferred_username"], "alice");
    assert_eq!(found["userinfo"]["sub"], found["id_token_claims"]["sub"]);
    for (what, expected) in [
        ("refreshed", json!(true)),
        ("refresh_rotated", json!(true)),
        ("active_before_revocation", json!(true)),
        ("revocation_status", json!(200)),
        ("userinfo_after_revocation", json!(401)),
        ("active_after_revocation", json!(false)),
    ] {
        assert_eq!(found[what], expected, "{what}: {found}");
    }
}

async fn idpyoidc_gets_every_response_type(engine: Engine) {
    let Some(python) = Python::find() else { return };
    let mut provider = Provider::prepare(&engine).await;
    provider.set("OIDC__IMPLICIT", "true");
    provider.launch().await;
    let id = provider.add_user("alice").await;
    let mut more = vec!["--scope", "openid email profile offline_access", "--response-type"];
    more.extend(RESPONSE_TYPES.map(|(response_type, _)| response_type));
    let client =
        provider.add_client(Client::of("idpyoidc", CALLBACK).logout_uri(SIGNED_OUT).with(&more)).await;

    for (response_type, way) in RESPONSE_TYPES {
        let has_code = response_type.contains("code");
        // Without a code there is no refresh token.
        let scope = if has_code { "openid email profile offline_access" } else { "openid email profile" };
        for (mode, way) in [("", way), ("form_post", "form")] {
            let settings = [
                ("AUTHMACHINE_SCOPE", scope),
                ("POST_LOGOUT_REDIRECT_URI", SIGNED_OUT),
                ("RESPONSE_TYPE", response_type),
                ("RESPONSE_MODE", mode),
            ];
            let found = python.flow("idpyoidc_flow.py", &client, &provider, &settings).await;
            let mut expected = vec![
                ("came_by", json!(way)),
                ("access_token", json!(response_type != "id_token")),
                ("silent_subject", json!(id)),
                ("logout_state_returned", json!(true)),
                ("after_logout", json!("login_required")),
            ];
            if has_code {
                expected.extend([
                    ("refreshed", json!(true)),
                    ("refresh_rotated", json!(true)),
                    ("subject_after_refresh", json!(id)),
                ]);
            }
            assert_found(&found, &expected);
            assert_eq!(found["claims"]["sub"], id.as_str(), "{found}");
            assert_eq!(found["userinfo"]["sub"], id.as_str(), "{found}");
            assert_eq!(found["userinfo"]["email"], "alice@example.com", "{found}");
            // What the library verified: it refuses a hash that is wrong, and goes on without one.
            assert_eq!(found["claims"].get("at_hash").is_some(), response_type != "id_token", "{found}");
        }
    }
}
