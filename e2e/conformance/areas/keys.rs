//! Keys change, the provider's and the client's, and nobody is locked out (OIDC Core §10.1.1).

use std::sync::Arc;
use std::time::Duration;

use authmachine_e2e::wait;
use serde_json::json;

use crate::areas::codes_and_refresh_tokens::{grant_types, is_about_the_same, refresh_token, sign_in_offline};
use crate::checks;
use crate::jwt::Key;
use crate::run::Run;

/// The rate at which a client's keys are asked for again, at most: once in half a minute.
const KEYS_ARE_ASKED_AGAIN_AFTER: Duration = Duration::from_secs(31);

/// An assertion for the issuer, in place of the token endpoint (RFC 7523 §3, OIDC Core §9).
pub(super) async fn oidcc_ensure_client_assertion_with_iss_aud_succeeds(run: &Run) {
    let client = run.register(json!({"token_endpoint_auth_method": "private_key_jwt"})).await;
    let request = client.request();
    let landing = client.walk(&mut run.browser(), &request).await.landing();
    let params = client.granted(&request, &landing);
    let fields = [
        ("grant_type", "authorization_code"),
        ("code", params["code"].as_str()),
        ("redirect_uri", &client.redirect_uri),
    ];
    checks::token_response(&client.token_with(&fields, &client.assertion(run.issuer())).await);
    // For the token endpoint as well.
    client.sign_in(&mut run.browser(), &client.request()).await;
}

/// The operator rotates: another key is published, under a name of its own, and the old one stays.
pub(super) async fn oidcc_server_rotate_keys(run: &Run) {
    let before = run.keys().await;
    run.installation.provider.cli(&["keys", "rotate"]).await;
    let after = wait::until("the next key", async || {
        let after = run.keys().await;
        (after.len() > before.len()).then_some(after)
    })
    .await;
    assert!(before.iter().all(|key| after.contains(key)), "a key that signed is gone");
    let new: Vec<_> = after.iter().filter(|key| !before.contains(key)).collect();
    assert!(before.iter().all(|old| new.iter().all(|new| old["kid"] != new["kid"] && old.get("n") != new.get("n"))));
    assert!(new.iter().any(|key| key["kty"] == "RSA"), "{new:?}");
    let client = run.client().await;
    client.sign_in(&mut run.browser(), &client.request()).await;
}

/// The client rotates: its new key is asked for when an assertion names it.
pub(super) async fn oidcc_refresh_token_rp_key_rotation(run: &Run) {
    let path = format!("/{}/jwks.json", run.id);
    let site = &run.installation.site;
    let publish = |key: &Key| site.publish(&path, "application/json", json!({"keys": [key.public()]}).to_string());
    let mut client = run
        .register(json!({
            "jwks": null,
            "jwks_uri": site.url(&path),
            "token_endpoint_auth_method": "private_key_jwt",
            "grant_types": grant_types(run),
        }))
        .await;
    client.key = Arc::new(Key::generate(Some("before")));
    publish(&client.key);
    let signed_in = sign_in_offline(&client, "openid offline_access").await;

    client.key = Arc::new(Key::generate(Some("after")));
    publish(&client.key);
    run.rest(KEYS_ARE_ASKED_AGAIN_AFTER).await;
    let body = checks::token_response(&client.refresh(refresh_token(&signed_in), &[]).await);
    is_about_the_same(run, &body, &signed_in).await;
}
