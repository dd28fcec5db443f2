//! Redirect URIs are compared byte for byte (RFC 6749 §3.1.2, OIDC Core §3.1.2.1, RFC 9700 §4.1).

use crate::random;
use crate::run::Run;

/// A registered one with a path added is not registered.
pub(super) async fn oidcc_ensure_registered_redirect_uri(run: &Run) {
    let client = run.client().await;
    let other = format!("{}/{}", client.redirect_uri, random::letters(10));
    client.is_shown_an_error(&mut run.browser(), &client.request().with("redirect_uri", &other)).await;
}
