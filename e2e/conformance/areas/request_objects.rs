//! Authorization requests in a token (OIDC Core §6, RFC 9101): followed to the letter, or refused aloud.

use crate::browser::End;
use crate::checks;
use crate::jwt;
use crate::random;
use crate::relying_party::{RelyingParty, Request};
use crate::run::Run;

/// By value: `state` and `nonce` travel inside it alone, so that ignoring it shows.
pub(super) async fn oidcc_unsigned_request_object_supported_correctly_or_rejected_as_unsupported(run: &Run) {
    let client = run.client().await;
    let (request, object) = client.request().inside_an_object();
    let request = request.with("request", &jwt::unsigned(&object));
    followed_or_refused(&client, &request, takes_unsigned(run), "request_not_supported").await;
}

/// A good redirect URI inside, a bad one outside: the one inside counts, or nobody is redirected at all.
pub(super) async fn oidcc_ensure_request_object_with_redirect_uri(run: &Run) {
    let client = run.client().await;
    let (request, object) = client.request().inside_an_object();
    let bad = format!("{}/{}", client.redirect_uri, random::letters(10));
    let request = request.with("redirect_uri", &bad).with("request", &jwt::unsigned(&object));
    match client.walk(&mut run.browser(), &request).await.end {
        End::Left(landing) => drop(client.complete(&request, &landing).await),
        End::Shown(page) => {
            assert!(!takes_unsigned(run), "discovery promises that it is followed: {page:?}");
            checks::is_an_error_page(&page, &client.site());
        }
    }
}

/// Whether discovery says that unsigned objects are followed.
fn takes_unsigned(run: &Run) -> bool {
    run.metadata["request_parameter_supported"] == true && run.supports("request_object_signing_alg_values_supported", "none")
}

async fn followed_or_refused(client: &RelyingParty<'_>, request: &Request, is_supported: bool, refusal: &str) {
    let landing = client.walk(&mut client.run.browser(), request).await.landing();
    if is_supported {
        client.complete(request, &landing).await;
    } else {
        // The state was in what is not read.
        let unread = Request::clone(request).unread();
        assert_eq!(client.refused(&unread, &landing), refusal);
    }
}
