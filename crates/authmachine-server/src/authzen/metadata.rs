//! `GET /.well-known/authzen-configuration` (§9): what a caller finds without being told.

use authmachine_permissions::authzen::Metadata;
use axum::extract::State;
use axum::http::{HeaderValue, header};
use axum::response::Response;

use crate::app::App;
use crate::{cors, error};

/// The document: the policy decision point is the issuer, exactly as it is configured.
pub(super) async fn get(State(app): State<App>) -> Response {
    let mut response = error::json(&Metadata::new(app.settings.issuer.as_str()));
    let headers = response.headers_mut();
    headers.remove(header::PRAGMA);
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("public, max-age=300"));
    cors::public(response)
}
