//! A person signs in and the client learns who it is. All common demands are made here too, as everywhere.

use serde_json::json;

use crate::installation::Which;
use crate::relying_party::pkce;
use crate::run::Run;

/// The plain flow of the response type.
pub(super) async fn oidcc_server(run: &Run) {
    let client = run.client().await;
    let signed_in = client.sign_in(&mut run.browser(), &client.request()).await;
    assert!(signed_in.id_tokens().all(|token| !token.claims.contains_key("name")));
}

/// Neither the order of scopes nor that of parameters says anything.
pub(super) async fn oidcc_alternate_happy_flow(run: &Run) {
    let client = run.client().await;
    let mut request = client.request().with("scope", "profile openid");
    request.params.reverse();
    client.sign_in(&mut run.browser(), &request).await;
}

/// The request may be posted (OIDC Core §3.1.2.1), from the client's site, which is another one.
pub(super) async fn oidcc_ensure_post_request_succeeds(run: &Run) {
    let client = run.client().await;
    let request = client.request();
    let mut browser = run.browser();
    let walk = browser.post_from(&client.site(), run.endpoint("authorization_endpoint"), &request.params).await;
    client.complete(&request, &walk.landing()).await;
}

/// The secret in the form's body (RFC 6749 §2.3.1).
pub(super) async fn oidcc_server_client_secret_post(run: &Run) {
    let client = run.client_with(Which::SecretPost, json!({})).await;
    client.sign_in(&mut run.browser(), &client.request()).await;
}

/// PKCE with S256 is no hindrance, and holds (RFC 7636 §4.6).
pub(super) async fn oidcc_ensure_request_with_valid_pkce_succeeds(run: &Run) {
    let client = run.client().await;
    let (verifier, challenge) = pkce();
    let request = client.request().with("code_challenge", &challenge).with("code_challenge_method", "S256");
    client.sign_in_with(&mut run.browser(), &request, &[("code_verifier", &verifier)]).await;
}
