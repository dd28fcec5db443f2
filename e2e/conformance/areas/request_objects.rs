//! Authorization requests in a token (OIDC Core §6, RFC 9101): followed to the letter, or refused aloud.

use serde_json::{Value, json};

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

/// By reference: registered, served by the client, and fetched; or `request_uri_not_supported`.
pub(super) async fn oidcc_request_uri_unsigned_supported_correctly_or_rejected_as_unsupported(run: &Run) {
    let client = run.register(json!({"request_uris": [request_uri(run)]})).await;
    let request = by_reference(&client, jwt::unsigned);
    followed_or_refused(&client, &request, takes_unsigned(run), "request_uri_not_supported").await;
}

/// By reference and unsigned, for a client that registered that its objects are.
pub(super) async fn oidcc_request_uri_unsigned(run: &Run) {
    assert!(takes_unsigned(run) && run.metadata["request_uri_parameter_supported"] == true);
    let more = json!({"request_uris": [request_uri(run)], "request_object_signing_alg": "none"});
    let client = run.register(more).await;
    client.sign_in(&mut run.browser(), &by_reference(&client, jwt::unsigned)).await;
}

/// By reference and signed with the client's key.
pub(super) async fn oidcc_request_uri_signed_rs256(run: &Run) {
    assert!(run.supports(ALGORITHMS, "RS256") && run.metadata["request_uri_parameter_supported"] == true);
    let more = json!({"request_uris": [request_uri(run)], "request_object_signing_alg": "RS256"});
    let client = run.register(more).await;
    let request = by_reference(&client, |object| client.key.sign(object));
    client.sign_in(&mut run.browser(), &request).await;
}

const ALGORITHMS: &str = "request_object_signing_alg_values_supported";

/// Its fragment is a hash, and not that of the content: it is compared with what was registered, and says nothing else.
fn request_uri(run: &Run) -> String {
    run.installation.site.url(&format!("/{}/request.jwt#{}", run.id, jwt::s256(&run.id)))
}

/// A request whose object lies at the client's site.
fn by_reference(client: &RelyingParty<'_>, sign: impl FnOnce(&Value) -> String) -> Request {
    let (request, object) = client.request().inside_an_object();
    let Value::Object(mut object) = object else { unreachable!("it is an object") };
    object.insert("iss".to_owned(), client.client_id.as_str().into());
    object.insert("aud".to_owned(), client.run.issuer().into());
    let path = format!("/{}/request.jwt", client.run.id);
    client.run.installation.site.publish(&path, "application/oauth-authz-req+jwt", sign(&object.into()));
    request.with("request_uri", &request_uri(client.run))
}

/// Whether discovery says that unsigned objects are followed.
fn takes_unsigned(run: &Run) -> bool {
    run.metadata["request_parameter_supported"] == true && run.supports(ALGORITHMS, "none")
}

async fn followed_or_refused(
    client: &RelyingParty<'_>,
    request: &Request,
    is_supported: bool,
    refusal: &str,
) {
    let landing = client.walk(&mut client.run.browser(), request).await.landing();
    if is_supported {
        client.complete(request, &landing).await;
    } else {
        // The state was in what is not read.
        assert_eq!(client.refused(&request.clone().unread(), &landing), refusal);
    }
}
