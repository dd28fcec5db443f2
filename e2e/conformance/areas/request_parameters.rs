//! What an authorization request may have, must have, and may have in vain (RFC 6749 §4.1.1, OIDC Core §3.1.2.1).

use serde_json::Value;

use crate::browser::End;
use crate::checks;
use crate::relying_party::{RelyingParty, Request};
use crate::run::Run;

/// Without `response_type` the client is told so where errors without one go, or the person is.
pub(super) async fn oidcc_response_type_missing(run: &Run) {
    let client = run.client().await;
    let request = client.request().without("response_type");
    match client.walk(&mut run.browser(), &request).await.end {
        End::Left(landing) => {
            let error = client.refused(&request, &landing);
            assert!(["invalid_request", "unsupported_response_type"].contains(&error.as_str()), "{error}");
        }
        End::Shown(page) => checks::is_an_error_page(&page, &client.site()),
    }
}

/// A code needs no `nonce` (OIDC Core §3.1.2.1), where the installation leaves PKCE to the client.
pub(super) async fn oidcc_ensure_request_without_nonce_succeeds_for_code_flow(run: &Run) {
    let client = run.client().await;
    client.sign_in(&mut run.browser(), &client.request().without("nonce")).await;
}

/// An ID token through the browser does (OIDC Core §3.2.2.1, §3.3.2.11).
pub(super) async fn oidcc_ensure_request_without_nonce_fails(run: &Run) {
    let client = run.client().await;
    let request = client.request().without("nonce");
    match client.walk(&mut run.browser(), &request).await.end {
        End::Left(landing) => assert_eq!(client.refused(&request, &landing), "invalid_request"),
        End::Shown(page) => checks::is_an_error_page(&page, &client.site()),
    }
}

/// What nobody knows is ignored (RFC 6749 §3.1).
pub(super) async fn oidcc_ensure_request_with_unknown_parameter_succeeds(run: &Run) {
    succeeds_with(run, "extra", "foobar").await;
}

pub(super) async fn oidcc_display_page(run: &Run) {
    succeeds_with(run, "display", "page").await;
}

pub(super) async fn oidcc_display_popup(run: &Run) {
    succeeds_with(run, "display", "popup").await;
}

/// A hint at somebody who is not here is one all the same.
pub(super) async fn oidcc_login_hint(run: &Run) {
    succeeds_with(run, "login_hint", "buffy@localhost").await;
}

pub(super) async fn oidcc_ui_locales(run: &Run) {
    succeeds_with(run, "ui_locales", "se").await;
}

pub(super) async fn oidcc_claims_locales(run: &Run) {
    succeeds_with(run, "claims_locales", "se").await;
}

/// What discovery offers is reached and said; what nobody offers is no hindrance (OIDC Core §3.1.2.1, §5.5.1.1).
pub(super) async fn oidcc_ensure_request_with_acr_values_succeeds(run: &Run) {
    let client = run.client().await;
    let offered = run.metadata["acr_values_supported"].as_array().expect("a list");
    let offered: Vec<_> = offered.iter().map(|value| value.as_str().expect("text")).collect();
    let signed_in = asking(&client, "acr_values", &offered.join(" ")).await;
    let acr = signed_in.claims.get("acr").and_then(Value::as_str).expect("acr");
    assert!(offered.contains(&acr), "{acr}");
    asking(&client, "acr_values", "1 2").await;
}

async fn succeeds_with(run: &Run, name: &str, value: &str) {
    asking(&run.client().await, name, value).await;
}

async fn asking(client: &RelyingParty<'_>, name: &str, value: &str) -> crate::jwt::Jwt {
    let request: Request = client.request().with(name, value);
    client.sign_in(&mut client.run.browser(), &request).await.id_token().clone()
}
