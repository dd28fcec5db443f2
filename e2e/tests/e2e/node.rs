//! Counterparts from npm: a client at our provider, and a provider for our demo client.

use authmachine_e2e::foreign::Node;
use authmachine_e2e::{Chromium, Client, DemoClient, Engine, Provider, free_port};
use serde_json::json;

use crate::library::{CALLBACK, SIGNED_OUT, assert_found, registering_provider, whole_visit};

on_each_engine!(
    openid_client_goes_through_the_code_flow_with_pkce,
    openid_client_gets_the_response_types_that_it_has,
    openid_client_registers_itself,
);

async fn openid_client_goes_through_the_code_flow_with_pkce(engine: Engine) {
    let Some(node) = Node::find() else { return };
    let provider = Provider::start(&engine).await;
    let id = provider.add_user("alice").await;
    let add = async |id, more: &[&str]| {
        provider.add_client(Client::of(id, CALLBACK).logout_uri(SIGNED_OUT).with(more)).await
    };
    let all = "openid email profile offline_access";
    let web = add("web", &["--scope", all, "reports:read", "--grant-type", "client_credentials"]).await;
    let modern = add("modern", &["--id-token-alg", "ES256"]).await;
    // Of the operator's own: another one would have to ask at each sign-in.
    let public = Client::of("public", CALLBACK).logout_uri(SIGNED_OUT).public().with(&["--first-party"]);
    let public = provider.add_client(public).await;

    for (client, scope, algorithm) in [
        (&web, all, "RS256"),
        (&modern, "openid email profile", "ES256"),
        (&public, "openid email profile", "RS256"),
    ] {
        let settings = [
            ("CLIENT_AUTH", if client.secret.is_empty() { "none" } else { "client_secret_basic" }),
            ("AUTHMACHINE_SCOPE", scope),
            ("ID_TOKEN_ALG", algorithm),
            ("POST_LOGOUT_REDIRECT_URI", SIGNED_OUT),
            ("OWN_SCOPE", if client.id == "web" { "reports:read" } else { "" }),
        ];
        let found = node.flow("openid_client_flow.mjs", client, &provider, &settings).await;
        assert_found(&found, &whole_visit(&id, "query"));
        assert_eq!(found["claims"]["sub"], id.as_str(), "{found}");
        assert_eq!(found["userinfo"]["preferred_username"], "alice", "{found}");
        assert_eq!(found["userinfo"]["email"], "alice@example.com", "{found}");
        // The library says it in lower case.
        let mut expected = vec![("token_type", json!("bearer")), ("userinfo_after_revocation", json!(401))];
        expected.extend([("refreshed", json!(true)), ("refresh_rotated", json!(true))]);
        if !client.secret.is_empty() {
            expected.extend([
                ("active_before_revocation", json!(true)),
                ("active_after_revocation", json!(false)),
            ]);
        }
        if client.id == "web" {
            let own = json!({ "scope": "reports:read", "active": true, "client_id": "web", "about_a_person": false });
            expected.push(("own", own));
        }
        assert_found(&found, &expected);
    }
}

async fn openid_client_gets_the_response_types_that_it_has(engine: Engine) {
    let Some(node) = Node::find() else { return };
    let mut provider = Provider::prepare(&engine).await;
    provider.set("OIDC__IMPLICIT", "true");
    provider.launch().await;
    let id = provider.add_user("alice").await;
    let more = ["--response-type", "code", "code id_token", "id_token"];
    let client = provider.add_client(Client::of("app", CALLBACK).logout_uri(SIGNED_OUT).with(&more)).await;
    for (response_type, mode, way) in [
        ("code", "form_post", "form"),
        ("code id_token", "", "fragment"),
        ("code id_token", "form_post", "form"),
        ("id_token", "", "fragment"),
        ("id_token", "form_post", "form"),
    ] {
        let settings = [
            ("AUTHMACHINE_SCOPE", "openid email"),
            ("POST_LOGOUT_REDIRECT_URI", SIGNED_OUT),
            ("RESPONSE_TYPE", response_type),
            ("RESPONSE_MODE", mode),
        ];
        let found = node.flow("openid_client_flow.mjs", &client, &provider, &settings).await;
        assert_found(&found, &whole_visit(&id, way));
        let told = if response_type == "id_token" { "claims" } else { "userinfo" };
        assert_eq!(found[told]["email"], "alice@example.com", "{found}");
    }
}

async fn openid_client_registers_itself(engine: Engine) {
    let Some(node) = Node::find() else { return };
    let (provider, id) = registering_provider(&engine, false).await;
    let client = Client::stranger(&provider, CALLBACK);
    let token = provider.json(&["api-token", "create", "newcomers", "--scope", "clients:register"]).await;
    let token = token["token"].as_str().expect("it is printed once");
    let ways: [(&[(&str, &str)], &str); 5] = [
        (&[], "query"),
        (&[("ID_TOKEN_ALG", "ES256")], "query"),
        (&[("REQUEST_OBJECT", "request")], "query"),
        (&[("CLIENT_AUTH", "private_key_jwt")], "query"),
        (&[("RESPONSE_TYPE", "code id_token"), ("REQUEST_OBJECT", "request")], "fragment"),
    ];
    for (way, came_by) in ways {
        let always = [
            ("AUTHMACHINE_SCOPE", "openid email"),
            ("POST_LOGOUT_REDIRECT_URI", SIGNED_OUT),
            ("REGISTRATION_TOKEN", token),
        ];
        let found = node.flow("openid_client_flow.mjs", &client, &provider, &[&always, way].concat()).await;
        assert_found(&found, &whole_visit(&id, came_by));
        assert_eq!(found["userinfo"]["email"], "alice@example.com", "{found}");
        assert_eq!(found["claims"]["aud"], found["registered"]["client_id"], "{found}");
        assert_eq!(found["active_after_revocation"], false, "{found}");
    }
}

#[tokio::test]
async fn the_demo_client_signs_in_at_a_foreign_provider_and_stays_so() {
    let (Some(node), Some(browser)) = (Node::find(), Chromium::start().await) else { return };
    let port = free_port();
    let provider = node.oidc_provider(&format!("http://localhost:{port}")).await;
    let app = DemoClient::start(&provider.ready, "test", "test", port).await;

    browser.open(&app.url()).await;
    browser.click("a[href='/login']").await;
    browser.fill("input[name=login]", "alice").await;
    browser.fill("input[name=password]", "any").await;
    browser.click("button[type=submit]").await;
    browser.sees("Continue").await;
    browser.click("button[type=submit]").await;
    browser.sees("Logged in as alice").await;
    assert!(browser.url().await.starts_with(&app.url()));
    let page = browser.text().await;
    assert!(page.contains("alice of elsewhere") && page.contains("alice@example.com"), "{page}");
    for _ in 0..3 {
        browser.reload().await;
        browser.sees("Logged in as alice").await;
    }
    browser.pictures("demo-foreign-provider").await;

    browser.click("a[href='/logout']").await;
    // Its own page asks whether to sign out there, too.
    browser.sees("sign-out").await;
    browser.click("button[name=logout]").await;
    browser.sees("You are not logged in").await;
}
