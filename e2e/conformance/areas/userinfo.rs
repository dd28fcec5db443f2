//! The userinfo endpoint (OIDC Core §5.3), and the ways to bring it a token (RFC 6750 §2).

use authmachine_e2e::http;
use reqwest::Method;
use serde_json::json;

use crate::checks;
use crate::relying_party::{SignIn, send};
use crate::run::Run;

/// GET with the header.
pub(super) async fn oidcc_userinfo_get(run: &Run) {
    // Every sign-in asks this way, and compares `sub`.
    assert!(sign_in(run).await.userinfo.is_some());
}

/// POST with the header, and no body.
pub(super) async fn oidcc_userinfo_post_header(run: &Run) {
    let signed_in = sign_in(run).await;
    let request = http::request(Method::POST, run.endpoint("userinfo_endpoint"));
    let answer = send(request.bearer_auth(signed_in.access_token()).header("content-length", "0")).await;
    assert_eq!(Some(checks::userinfo(&answer)), signed_in.userinfo);
}

/// POST with the token as a field of a form.
pub(super) async fn oidcc_userinfo_post_body(run: &Run) {
    let signed_in = sign_in(run).await;
    let fields = [("access_token", signed_in.access_token())];
    let answer = send(http::form(run.endpoint("userinfo_endpoint"), &fields)).await;
    assert_eq!(Some(checks::userinfo(&answer)), signed_in.userinfo);
}

async fn sign_in(run: &Run) -> SignIn {
    let client = run.client().await;
    client.sign_in(&mut run.browser(), &client.request()).await
}

/// Signed, for a client that registered it (OIDC Core §5.3.2).
pub(super) async fn oidcc_userinfo_rs256(run: &Run) {
    assert!(run.supports("userinfo_signing_alg_values_supported", "RS256"));
    let client = run.register(json!({"userinfo_signed_response_alg": "RS256"})).await;
    assert!(client.sign_in(&mut run.browser(), &client.request()).await.userinfo.is_some());
}
