//! Codes work once (RFC 6749 §4.1.2), refresh tokens for whom they were made (§6, OIDC Core §12).

use std::time::Duration;

use serde_json::{Value, json};

use crate::checks;
use crate::installation::Which;
use crate::jwt::Jwt;
use crate::relying_party::{RelyingParty, SignIn};
use crate::run::Run;

/// Used again at once.
pub(super) async fn oidcc_codereuse(run: &Run) {
    used_again_after(run, Duration::ZERO).await;
}

/// Used again when it would have run out in some installations.
pub(super) async fn oidcc_codereuse_30seconds(run: &Run) {
    used_again_after(run, Duration::from_secs(30)).await;
}

async fn used_again_after(run: &Run, time: Duration) {
    let client = run.client().await;
    let signed_in = client.sign_in(&mut run.browser(), &client.request()).await;
    if !time.is_zero() {
        run.rest(time).await;
    }
    checks::is_refused(&client.redeem(signed_in.code()).await, 400, "invalid_grant");
    // What it gave may be in wrong hands.
    let answer = client.try_userinfo(signed_in.access_token()).await;
    assert!((400..500).contains(&answer.status), "the access token lives on: {answer:?}");
}

/// A client's own token works, with `scope` and without; another's does not.
pub(super) async fn oidcc_refresh_token(run: &Run) {
    assert!(run.supports("grant_types_supported", "refresh_token"));
    let more = json!({"grant_types": grant_types(run)});
    let first = run.client_with(Which::First, more.clone()).await;
    let second = run.client_with(Which::Second, more).await;
    let scope = "openid offline_access";
    let at_first = sign_in_offline(&first, scope).await;
    let at_second = sign_in_offline(&second, scope).await;
    // A new ID token has another `iat`.
    run.rest(Duration::from_millis(1_100)).await;
    let others = refresh_token(&at_second);
    checks::is_refused(&first.refresh(others, &[]).await, 400, "invalid_grant");
    works(&first, &at_first, &[("scope", scope)]).await;
    works(&second, &at_second, &[]).await;
}

/// Those of the response type, and refresh tokens.
pub(super) fn grant_types(run: &Run) -> Vec<&'static str> {
    let implicit = run.variant.has_front_tokens().then_some("implicit");
    ["authorization_code", "refresh_token"].into_iter().chain(implicit).collect()
}

pub(super) async fn sign_in_offline(client: &RelyingParty<'_>, scope: &str) -> SignIn {
    let request = client.request().with("scope", scope).with("prompt", "consent");
    client.sign_in(&mut client.run.browser(), &request).await
}

#[track_caller]
pub(super) fn refresh_token(signed_in: &SignIn) -> &str {
    signed_in.refresh_token.as_deref().expect("a refresh token")
}

async fn works(client: &RelyingParty<'_>, before: &SignIn, more: &[(&str, &str)]) {
    let body = checks::token_response(&client.refresh(refresh_token(before), more).await);
    is_about_the_same(client.run, &body, before).await;
    let access_token = body["access_token"].as_str().expect("it was checked");
    assert_ne!(access_token, before.access_token());
    assert_eq!(checks::userinfo(&client.try_userinfo(access_token).await)["sub"], before.sub());
}

/// The ID token of a refresh (OIDC Core §12.2).
pub(super) async fn is_about_the_same(run: &Run, body: &serde_json::Map<String, Value>, before: &SignIn) {
    let Some(raw) = body.get("id_token") else { return };
    let (token, before) = (Jwt::read(raw.as_str().expect("text")), before.id_token());
    token.is_signed_by(&run.keys().await);
    for claim in ["iss", "sub", "aud", "azp", "auth_time"] {
        assert_eq!(token.claims.get(claim), before.claims.get(claim), "{claim}");
    }
    assert!(token.number("iat") > before.number("iat"), "iat is not its own");
    assert!(token.text("nonce").is_none() || token.text("nonce") == before.text("nonce"));
}
