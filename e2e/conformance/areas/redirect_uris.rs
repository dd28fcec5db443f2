//! Redirect URIs are compared byte for byte (RFC 6749 §3.1.2, OIDC Core §3.1.2.1, RFC 9700 §4.1).

use serde_json::json;

use crate::checks;
use crate::random;
use crate::relying_party::RelyingParty;
use crate::run::Run;

/// A registered one with a path added is not registered.
pub(super) async fn oidcc_ensure_registered_redirect_uri(run: &Run) {
    let client = run.client().await;
    let other = format!("{}/{}", client.redirect_uri, random::letters(10));
    is_not_gone_to(&client, &other).await;
}

/// OpenID Connect wants it in every request; with two registered ones there is none to choose.
pub(super) async fn oidcc_ensure_redirect_uri_in_authorization_request(run: &Run) {
    let client = run.register(json!({"redirect_uris": [address(run, "/one"), address(run, "/two")]})).await;
    client.is_shown_an_error(&mut run.browser(), &client.request().without("redirect_uri")).await;
}

/// A query that was registered stays, and the answer is added to it.
pub(super) async fn oidcc_redirect_uri_query_ok(run: &Run) {
    let client = run.register(json!({"redirect_uris": [address(run, "/callback?foo=bar")]})).await;
    client.sign_in(&mut run.browser(), &client.request()).await;
}

/// Another query than the registered one.
pub(super) async fn oidcc_redirect_uri_query_mismatch(run: &Run) {
    let client = run.register(json!({"redirect_uris": [address(run, "/callback?foo=bar")]})).await;
    for other in ["/callback?foo=baz", "/callback?bar=foo", "/callback"] {
        is_not_gone_to(&client, &address(run, other)).await;
    }
}

/// A query where none was registered.
pub(super) async fn oidcc_redirect_uri_query_added(run: &Run) {
    let client = run.register(json!({"redirect_uris": [address(run, "/callback")]})).await;
    is_not_gone_to(&client, &address(run, "/callback?foo=bar")).await;
}

/// One with a fragment cannot be registered (RFC 6749 §3.1.2).
pub(super) async fn oidcc_redirect_uri_regfrag(run: &Run) {
    let bad = json!({"redirect_uris": [address(run, "/callback#foo=bar")]});
    let answer = RelyingParty::try_register(run, &RelyingParty::metadata(run, bad)).await;
    checks::is_refused(&answer, 400, "invalid_redirect_uri");
}

fn address(run: &Run, path: &str) -> String {
    run.installation.site.url(&format!("/{}{path}", run.id))
}

async fn is_not_gone_to(client: &RelyingParty<'_>, other: &str) {
    let request = client.request().with("redirect_uri", other);
    client.is_shown_an_error(&mut client.run.browser(), &request).await;
}
