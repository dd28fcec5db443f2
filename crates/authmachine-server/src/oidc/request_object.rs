//! Request objects (OIDC Core §6, RFC 9101): found, fetched and verified; what is inside is then the request.

use std::borrow::Cow;

use authmachine_protocol::Params;
use authmachine_provider::client::Client;
use authmachine_provider::request_object::{self, RequestObjectError, Signed, Source};
use serde_json::{Map, Value};

use crate::app::App;
use crate::client_keys;

/// What a `request_uri` may say its content is: those of RFC 9101 §10.2 and §4, and what plain file servers make of it.
const CONTENT_TYPES: [&str; 5] = [
    "application/oauth-authz-req+jwt",
    "application/jwt",
    "application/jose",
    "text/plain",
    "application/octet-stream",
];
/// `typ` of a request object, where it has one (RFC 9101 §10.8).
const TYPES: [&str; 2] = ["oauth-authz-req+jwt", "JWT"];

/// The parameters of a request: those inside its object, if it has one, else its own. They are never mixed (checklist RQ1).
///
/// # Errors
/// [`RequestObjectError`].
pub async fn unfold<'a>(
    app: &App,
    params: &'a Params,
    client: Option<&Client>,
) -> Result<Cow<'a, Params>, RequestObjectError> {
    let Some(client) = client.filter(|client| !client.disabled) else { return Ok(Cow::Borrowed(params)) };
    let object = match request_object::find(params, client)? {
        None => return Ok(Cow::Borrowed(params)),
        Some(Source::Value(object)) => Cow::Borrowed(object),
        Some(Source::Uri(uri)) => Cow::Owned(fetch(app, uri).await?),
    };
    let payload = verify(app, client, &object).await?;
    request_object::read(&payload, client, app.settings.issuer.as_str(), app.now()).map(Cow::Owned)
}

async fn fetch(app: &App, uri: &str) -> Result<String, RequestObjectError> {
    let fetched = app.fetcher.get(uri, &CONTENT_TYPES).await.map_err(|_| RequestObjectError::UnknownUri)?;
    let text = std::str::from_utf8(&fetched.body).map_err(|_| RequestObjectError::Invalid)?;
    Ok(text.trim_ascii().to_owned())
}

async fn verify(app: &App, client: &Client, object: &str) -> Result<Map<String, Value>, RequestObjectError> {
    let unverified = authmachine_jose::compact::parse(object).map_err(|_| RequestObjectError::Invalid)?;
    let header = unverified.header();
    if header.typ.is_some() && !TYPES.iter().any(|typ| header.has_typ(typ)) {
        return Err(RequestObjectError::Invalid);
    }
    match request_object::signed(client, &header.algorithm, app.settings.unsigned_request_objects)? {
        // RFC 7515 §A.5: nothing stands where the signature would.
        Signed::Not if object.ends_with('.') => Ok(unverified.danger_unverified_payload().clone()),
        Signed::Not => Err(RequestObjectError::Invalid),
        Signed::By(allowed) => client_keys::verify(app, client, object, &allowed)
            .await
            .map(|verified| verified.payload)
            .map_err(|_| RequestObjectError::Invalid),
    }
}
