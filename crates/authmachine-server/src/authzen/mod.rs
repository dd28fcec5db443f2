//! The AuthZEN Authorization API 1.0: the messages are `authmachine_permissions::authzen`'s; here is who may ask, who and what a request
//! means, and HTTP (§10.1). What the specification demands, and the tests of it, are in `docs/authzen.md`.

mod caller;
mod evaluation;
mod metadata;
mod search;

use authmachine_permissions::authzen::{AuthzenError, Metadata};
use authmachine_provider::Timestamp;
use axum::Router;
use axum::body::Body;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};

use crate::app::App;
use crate::error::AccessError;
use crate::permissions::{self, Answered, REVISION};
use crate::request;

use caller::Caller;

/// Below this are the endpoints.
pub const BASE: &str = "/access/v1/";
/// The most bytes of a request: a thousand evaluations, each with a few properties.
const MAX_BODY_BYTES: usize = 512 * 1024;

/// The routes of this folder.
pub fn routes() -> Router<App> {
    Router::new()
        .route("/access/v1/evaluation", post(evaluation::one))
        .route("/access/v1/evaluations", post(evaluation::many))
        .route("/access/v1/search/subject", post(search::subjects))
        .route("/access/v1/search/resource", post(search::resources))
        .route("/access/v1/search/action", post(search::actions))
        // An issuer has no path.
        .route(&Metadata::well_known_path(""), get(metadata::get))
}

/// A request whose sender is known.
struct Request {
    caller: Caller,
    body: String,
    /// The revision that it demands.
    at_least: u64,
    /// The one reading of the clock.
    now: Timestamp,
}

impl Request {
    async fn read(app: &App, headers: &HeaderMap, body: Body) -> Result<Self, AccessError> {
        let caller = Caller::authenticate(app, headers).await?;
        let bad = |message| AccessError::new(StatusCode::BAD_REQUEST, message);
        if !request::is_json(headers) {
            return Err(bad("The Content-Type must be application/json."));
        }
        let at_least = permissions::demanded_revision(headers).map_err(bad)?;
        let bytes = request::bytes(body, MAX_BODY_BYTES).await?;
        let body = String::from_utf8(bytes).map_err(|_| bad("The body is not UTF-8."))?;
        Ok(Self { caller, body, at_least, now: app.now() })
    }
}

/// An answer: JSON of which every byte is determined by question and revision.
fn respond(answered: Answered<String>) -> Response {
    let revision = HeaderValue::from(answered.revision);
    let json = HeaderValue::from_static("application/json");
    ([(header::CONTENT_TYPE, json), (REVISION, revision)], answered.answer).into_response()
}

impl From<AuthzenError> for AccessError {
    fn from(error: AuthzenError) -> Self {
        Self::new(
            StatusCode::BAD_REQUEST,
            match error {
                // What it says may quote the request.
                AuthzenError::Json(_) => {
                    "The body is not JSON, has a member twice, or is nested deeper than 32.".to_owned()
                }
                other => format!("The request cannot be read: {other}."),
            },
        )
    }
}
