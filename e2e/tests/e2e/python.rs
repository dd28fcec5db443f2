//! Client libraries for Python, as they are: each runs the flows that it supports.

use authmachine_e2e::foreign::Python;
use authmachine_e2e::{Client, Engine, Provider, Visitor, free_port};
use serde_json::json;

use crate::library::{CALLBACK, SIGNED_OUT, assert_found, registering_provider, whole_visit};

/// Every response type, and where its answer stands by itself.
const RESPONSE_TYPES: [(&str, &str); 6] = [
    ("code", "query"),
    ("id_token", "fragment"),
    ("id_token token", "fragment"),
    ("code id_token", "fragment"),
    ("code token", "fragment"),
    ("code id_token token", "fragment"),
];

on_each_engine!(
    authlib_goes_through_the_flow,
    authlib_signs_in_and_out_in_flask,
    idpyoidc_gets_every_response_type,
    idpyoidc_hears_of_a_logout_elsewhere,
    idpyoidc_registers_itself,
    pyoidc_gets_every_response_type,
    pyoidc_registers_itself,
);

async fn authlib_goes_through_the_flow(engine: Engine) {
    let Some(python) = Python::find() else { return };
    let mut provider = Provider::prepare(&engine).await;
    provider.set("FETCH__PRIVATE_NETWORKS", "127.0.0.0/8");
    provider.launch().await;
    provider.add_user("alice").await;
    let scope = "openid email profile offline_access";
    let more = ["--scope", scope];
    let keys_port = free_port().to_string();
    let keys = format!("http://127.0.0.1:{keys_port}/keys.json");
    let by_secret = provider.add_client(Client::of("secret", CALLBACK).with(&more)).await;
    let by_key = provider.add_client(Client::of("key", CALLBACK).with(&more).jwks_uri(&keys)).await;

    for (client, port) in [(&by_secret, ""), (&by_key, keys_port.as_str())] {
        let settings = [("AUTHMACHINE_SCOPE", scope), ("KEYS_PORT", port)];
        let found = python.flow("authlib_flow.py", client, &provider, &settings).await;
        assert_eq!(found["token_type"], "Bearer");
        assert_eq!(found["id_token_header"]["alg"], "RS256");
        assert_eq!(found["userinfo"]["preferred_username"], "alice");
        assert_eq!(found["userinfo"]["sub"], found["id_token_claims"]["sub"]);
        let expected = [
            ("refreshed", json!(true)),
            ("refresh_rotated", json!(true)),
            ("active_before_revocation", json!(true)),
            ("revocation_status", json!(200)),
            ("userinfo_after_revocation", json!(401)),
            ("active_after_revocation", json!(false)),
        ];
        assert_found(&found, &expected);
    }
}

async fn authlib_signs_in_and_out_in_flask(engine: Engine) {
    let Some(python) = Python::find() else { return };
    let provider = Provider::start(&engine).await;
    let id = provider.add_user("alice").await;
    let port = free_port();
    let app = format!("http://127.0.0.1:{port}");
    let (callback, signed_out) = (format!("{app}/cb"), format!("{app}/out"));
    let client = provider.add_client(Client::of("flask", &callback).logout_uri(&signed_out)).await;
    let _server = python.app("authlib_app.py", &client, &provider, port, &[]).await;
    let mut alice = Visitor::new();

    let page = alice.sign_in(&format!("{app}/login"), "alice", provider.password(), &[]).await.page();
    assert!(page.body.contains("Logged in") && page.body.contains(&id), "{page:?}");
    assert!(page.body.contains("alice@example.com") && page.body.contains(r#""by": "GET""#), "{page:?}");
    let page = alice.visit(&format!("{app}/logout")).await;
    assert_eq!((page.url.as_str(), &*page.body), (&*format!("{app}/"), "Not logged in"));
    let page = alice.visit(&format!("{app}/login?prompt=none")).await;
    assert_eq!(page.body, "Refused: login_required");

    let login = format!("{app}/login?response_mode=form_post");
    let page = alice.sign_in(&login, "alice", provider.password(), &[]).await.page();
    let page = alice.press(&page, "/cb", &[]).await;
    assert!(page.body.contains(&id) && page.body.contains(r#""by": "POST""#), "{page:?}");
}

async fn idpyoidc_gets_every_response_type(engine: Engine) {
    gets_every_response_type(engine, "idpyoidc_flow.py").await;
}

async fn pyoidc_gets_every_response_type(engine: Engine) {
    gets_every_response_type(engine, "pyoidc_flow.py").await;
}

async fn gets_every_response_type(engine: Engine, program: &str) {
    let Some(python) = Python::find() else { return };
    let mut provider = Provider::prepare(&engine).await;
    provider.set("OIDC__IMPLICIT", "true");
    provider.launch().await;
    let id = provider.add_user("alice").await;
    let mut more = vec!["--scope", "openid email profile offline_access", "--response-type"];
    more.extend(RESPONSE_TYPES.map(|(response_type, _)| response_type));
    let client = provider.add_client(Client::of("app", CALLBACK).logout_uri(SIGNED_OUT).with(&more)).await;

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
            let found = python.flow(program, &client, &provider, &settings).await;
            let mut expected = whole_visit(&id, way).to_vec();
            expected.push(("access_token", json!(response_type != "id_token")));
            if has_code {
                expected.extend([
                    ("refreshed", json!(true)),
                    ("refresh_rotated", json!(true)),
                    ("subject_after_refresh", json!(id)),
                ]);
            }
            assert_found(&found, &expected);
            assert_eq!(found["claims"]["sub"], id.as_str(), "{found}");
            // Where nothing can be asked for by an access token, the ID token says it.
            let told = if response_type == "id_token" { "claims" } else { "userinfo" };
            assert_eq!(found[told]["email"], "alice@example.com", "{found}");
            // What the library verified: it refuses a hash that is wrong, and goes on without one.
            assert_eq!(found["claims"].get("at_hash").is_some(), response_type != "id_token", "{found}");
        }
    }
}

async fn idpyoidc_registers_itself(engine: Engine) {
    // It puts no request object at an address, but one with the wrong audience; it registers no grant type `implicit`.
    let settings: [&[(&str, &str)]; 4] = [
        &[],
        &[("RESPONSE_TYPE", "code id_token")],
        &[("REQUEST_OBJECT", "request")],
        &[("CLIENT_AUTH", "private_key_jwt")],
    ];
    registers_itself(engine, "idpyoidc_flow.py", &settings).await;
}

async fn idpyoidc_hears_of_a_logout_elsewhere(engine: Engine) {
    let Some(python) = Python::find() else { return };
    let (provider, _) = registering_provider(&engine, true).await;
    let client = Client::stranger(&provider, CALLBACK);
    let settings = [("AUTHMACHINE_SCOPE", "openid"), ("POST_LOGOUT_REDIRECT_URI", SIGNED_OUT)];
    let found = python.flow("idpyoidc_logout.py", &client, &provider, &settings).await;
    assert_found(&found, &[("found_the_session", json!(true)), ("refused_elsewhere", json!(true))]);
}

async fn pyoidc_registers_itself(engine: Engine) {
    let settings: [&[(&str, &str)]; 5] = [
        &[],
        &[("RESPONSE_TYPE", "id_token token"), ("RESPONSE_MODE", "form_post")],
        &[("CLIENT_AUTH", "private_key_jwt")],
        &[("REQUEST_OBJECT", "request")],
        &[("REQUEST_OBJECT", "request_uri")],
    ];
    registers_itself(engine, "pyoidc_flow.py", &settings).await;
}

async fn registers_itself(engine: Engine, program: &str, ways: &[&[(&str, &str)]]) {
    let Some(python) = Python::find() else { return };
    let (provider, id) = registering_provider(&engine, true).await;
    let client = Client::stranger(&provider, CALLBACK);
    for way in ways {
        let settings =
            [&[("AUTHMACHINE_SCOPE", "openid email"), ("POST_LOGOUT_REDIRECT_URI", SIGNED_OUT)], *way]
                .concat();
        let found = python.flow(program, &client, &provider, &settings).await;
        let by_form = way.iter().any(|(_, value)| *value == "form_post");
        let by_fragment = way.iter().any(|(_, value)| value.contains("id_token"));
        let came_by = if by_form {
            "form"
        } else if by_fragment {
            "fragment"
        } else {
            "query"
        };
        assert_found(&found, &whole_visit(&id, came_by));
        assert_eq!(found["userinfo"]["email"], "alice@example.com", "{found}");
        let registered = &found["registered"];
        let method = way
            .iter()
            .find(|(name, _)| *name == "CLIENT_AUTH")
            .map_or("client_secret_basic", |(_, value)| *value);
        assert_eq!(registered["token_endpoint_auth_method"], method, "{found}");
        assert_eq!(registered["redirect_uris"], json!([CALLBACK]), "{found}");
        let audience = &found["claims"]["aud"];
        assert_eq!(audience, &json!([registered["client_id"]]), "{found}");
    }
}
