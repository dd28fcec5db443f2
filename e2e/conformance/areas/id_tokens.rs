//! How ID tokens are signed, as the client registered (OIDC Core §2, OIDC Registration §2).

use serde_json::json;

use crate::run::Run;

/// Nothing is said about it: RS256, by a key that is named. Every sign-in checks it.
pub(super) async fn oidcc_idtoken_signature(run: &Run) {
    let client = run.client().await;
    assert!(client.registered.get("id_token_signed_response_alg").is_none_or(|alg| alg == "RS256"));
    client.sign_in(&mut run.browser(), &client.request()).await;
}

/// RS256 by name.
pub(super) async fn oidcc_idtoken_rs256(run: &Run) {
    let client = run.register(json!({"id_token_signed_response_alg": "RS256"})).await;
    client.sign_in(&mut run.browser(), &client.request()).await;
}

/// Not signed at all, where no ID token comes through the browser.
pub(super) async fn oidcc_idtoken_unsigned(run: &Run) {
    assert!(run.supports("id_token_signing_alg_values_supported", "none"));
    let client = run.register(json!({"id_token_signed_response_alg": "none"})).await;
    client.sign_in(&mut run.browser(), &client.request()).await;
}
