//! What is said about the person, and where: by scope (OIDC Core §5.4) and by name (§5.5).

use serde_json::{Map, Value};

use crate::claims;
use crate::relying_party::SignIn;
use crate::run::Run;

pub(super) async fn oidcc_scope_profile(run: &Run) {
    scope(run, "openid profile").await;
}

pub(super) async fn oidcc_scope_email(run: &Run) {
    scope(run, "openid email").await;
}

pub(super) async fn oidcc_scope_address(run: &Run) {
    scope(run, "openid address").await;
}

pub(super) async fn oidcc_scope_phone(run: &Run) {
    scope(run, "openid phone").await;
}

pub(super) async fn oidcc_scope_all(run: &Run) {
    scope(run, "openid profile email address phone").await;
}

/// A claim by its name, essential: there, and only there.
pub(super) async fn oidcc_claims_essential(run: &Run) {
    let is_alone = run.variant.is_id_token_alone();
    let member = if is_alone { "id_token" } else { "userinfo" };
    let client = run.client().await;
    let request = client.request().with("claims", &format!(r#"{{"{member}":{{"name":{{"essential":true}}}}}}"#));
    let signed_in = client.sign_in(&mut run.browser(), &request).await;
    assert!(where_asked(run, &signed_in).contains_key("name"), "no name");
    // An ID token with a name that nobody asked for there has failed before.
}

/// Every claim of the scopes, all of them being known of this person, and no other.
async fn scope(run: &Run, scope: &str) {
    for one in scope.split(' ') {
        assert!(run.supports("scopes_supported", one), "{one}");
    }
    let client = run.client().await;
    let mut browser = run.browser();
    let signed_in = client.sign_in(&mut browser, &client.request().with("scope", scope)).await;
    let said = where_asked(run, &signed_in);
    for claim in claims::of_scopes("profile email address phone") {
        let is_asked = claims::of_scopes(scope).any(|asked| asked == claim);
        assert_eq!(said.contains_key(claim), is_asked, "{claim} for {scope}: {said:?}");
    }
    if scope.contains("email") {
        let email = format!("{}@example.com", browser.username);
        assert_eq!((&said["email"], &said["email_verified"]), (&email.into(), &Value::Bool(true)));
    }
    // Without an access token they are in the ID token, with one they are not: that has failed before.
}

/// Userinfo; of plain `id_token` the ID token.
fn where_asked<'a>(run: &Run, signed_in: &'a SignIn) -> &'a Map<String, Value> {
    match run.variant.is_id_token_alone() {
        true => &signed_in.id_token().claims,
        false => signed_in.userinfo.as_ref().expect("userinfo"),
    }
}
