//! Counterparts from npm: a client at our provider, and a provider for our demo client.

use authmachine_e2e::foreign::Node;
use authmachine_e2e::{Chromium, Client, DemoClient, Engine, Provider, free_port};
use serde_json::json;

on_each_engine!(openid_client_goes_through_the_code_flow_with_pkce);

async fn openid_client_goes_through_the_code_flow_with_pkce(engine: Engine) {
    let Some(node) = Node::find() else { return };
    let provider = Provider::start(&engine).await;
    let id = provider.add_user("alice").await;
    let scopes = "openid email profile offline_access";
    let more = ["--scope", scopes];
    let web = provider.add_client(Client::of("web", "https://app.example.com/cb").with(&more)).await;
    let modern = Client::of("modern", "https://app.example.com/cb").with(&["--id-token-alg", "ES256"]);
    let modern = provider.add_client(modern).await;
    let public = provider.add_client(Client::of("public", "https://app.example.com/cb").public()).await;

    for (client, scope, algorithm) in [
        (&web, scopes, "RS256"),
        (&modern, "openid email profile", "ES256"),
        (&public, "openid email profile", "RS256"),
    ] {
        let settings = [("AUTHMACHINE_SCOPE", scope), ("ID_TOKEN_ALG", algorithm)];
        let found = node.flow("openid_client_flow.mjs", client, &provider, &settings).await;
        assert_eq!(found["claims"]["sub"], id.as_str(), "{found}");
        assert_eq!(found["userinfo"]["preferred_username"], "alice", "{found}");
        assert_eq!(found["userinfo"]["email"], "alice@example.com", "{found}");
        // The library says it in lower case.
        assert_eq!(found["token_type"], "bearer", "{found}");
        let mut expected = vec![("userinfo_after_revocation", json!(401))];
        if scope == scopes {
            expected.extend([("refreshed", json!(true)), ("refresh_rotated", json!(true))]);
        }
        if !client.secret.is_empty() {
            expected.extend([
                ("active_before_revocation", json!(true)),
                ("active_after_revocation", json!(false)),
            ]);
        }
        for (what, expected) in expected {
            assert_eq!(found[what], expected, "{} {what}: {found}", client.id);
        }
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
