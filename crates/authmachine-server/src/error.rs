//! Errors, one type for each surface; each is turned into an answer, and logged, here.

use std::borrow::Cow;

use authmachine_pages::{ErrorKind, ErrorPage, Lang};
use authmachine_permissions::TooMany;
use authmachine_protocol::{ErrorBody, ErrorCode};
use authmachine_provider::authorization_code::CodeError;
use authmachine_provider::client::ClientAuthError;
use authmachine_provider::refresh_token::RefreshError;
use authmachine_provider::registration::RegistrationError;
use authmachine_store::StoreError;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};

use crate::app::App;
use crate::middleware::current_request_id;
use crate::request::{ApiTokenRefusal, FormRefusal};
use crate::{authzen, browser, oidc};

/// How an OAuth endpoint refuses (RFC 6749 §5.2, RFC 6750 §3.1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OAuthError {
    /// The status.
    pub status: StatusCode,
    /// `error`.
    pub code: ErrorCode,
    /// `error_description`: a fixed text, never an echo.
    pub description: String,
    /// `WWW-Authenticate`.
    pub challenge: Option<&'static str>,
    /// `Retry-After`, in seconds.
    pub retry_after_s: Option<i64>,
}

impl OAuthError {
    /// A 400.
    pub fn new(code: ErrorCode, description: impl Into<String>) -> Self {
        Self {
            status: StatusCode::BAD_REQUEST,
            code,
            description: description.into(),
            challenge: None,
            retry_after_s: None,
        }
    }

    /// `invalid_request`.
    pub fn invalid_request(description: impl Into<String>) -> Self {
        Self::new(ErrorCode::InvalidRequest, description)
    }

    /// A request for what a bearer token opens, without one that can be read: that is answered with a challenge whatever is wrong
    /// (RFC 6750 §3).
    #[must_use]
    pub fn for_bearer(self) -> Self {
        Self { challenge: self.challenge.or(Some(r#"Bearer error="invalid_request""#)), ..self }
    }

    /// A dead or missing bearer token (RFC 6750 §3.1).
    pub fn invalid_token() -> Self {
        Self {
            status: StatusCode::UNAUTHORIZED,
            challenge: Some(
                r#"Bearer error="invalid_token", error_description="The access token is unknown, expired or revoked.""#,
            ),
            ..Self::new(ErrorCode::InvalidToken, "The access token is unknown, expired or revoked.")
        }
    }

    /// A token without the scope that is needed (RFC 6750 §3.1).
    pub fn insufficient_scope(challenge: &'static str) -> Self {
        Self {
            status: StatusCode::FORBIDDEN,
            challenge: Some(challenge),
            ..Self::new(ErrorCode::InsufficientScope, "The access token does not have the scope for this.")
        }
    }

    /// Credentials that failed: 401 with a challenge, as HTTP wants it whatever was used (RFC 6749 §5.2, RFC 9110 §15.5.2).
    pub fn client(error: ClientAuthError) -> Self {
        match error {
            ClientAuthError::Conflicting => Self::invalid_request(sentence(&error)),
            ClientAuthError::Missing | ClientAuthError::Malformed | ClientAuthError::Failed => Self {
                status: StatusCode::UNAUTHORIZED,
                challenge: Some(r#"Basic realm="authmachine""#),
                ..Self::new(ErrorCode::InvalidClient, sentence(&error))
            },
        }
    }

    /// Too many failures: 429 (checklist CA3).
    pub fn throttled(retry_after_s: i64) -> Self {
        Self {
            status: StatusCode::TOO_MANY_REQUESTS,
            retry_after_s: Some(retry_after_s),
            ..Self::new(ErrorCode::InvalidClient, "Too many failures; try again later.")
        }
    }
}

/// An error as a sentence; a parameter's name keeps its spelling.
fn sentence(error: &dyn std::fmt::Display) -> String {
    let mut text = error.to_string();
    let is_name = text
        .split(' ')
        .next()
        .is_some_and(|word| ["scope", "jwks", "contacts"].contains(&word) || word.contains('_'));
    if let Some(first) = text.get_mut(..1).filter(|_| !is_name) {
        first.make_ascii_uppercase();
    }
    text.push('.');
    text
}

impl From<CodeError> for OAuthError {
    fn from(error: CodeError) -> Self {
        match error {
            CodeError::GrantTypeNotAllowed => Self::new(ErrorCode::UnauthorizedClient, sentence(&error)),
            // Unknown, used and withdrawn codes read alike: whoever guesses learns nothing.
            CodeError::Unknown | CodeError::AlreadyUsed | CodeError::Expired | CodeError::Withdrawn => {
                Self::new(ErrorCode::InvalidGrant, "The code is unknown, used, expired or withdrawn.")
            }
            CodeError::RedirectUriMismatch | CodeError::Pkce(_) => {
                Self::new(ErrorCode::InvalidGrant, sentence(&error))
            }
        }
    }
}

impl From<RefreshError> for OAuthError {
    fn from(error: RefreshError) -> Self {
        match error {
            RefreshError::GrantTypeNotAllowed => Self::new(ErrorCode::UnauthorizedClient, sentence(&error)),
            RefreshError::WiderScope => Self::new(ErrorCode::InvalidScope, sentence(&error)),
            RefreshError::Unknown
            | RefreshError::Reused
            | RefreshError::Expired
            | RefreshError::Withdrawn => {
                Self::new(ErrorCode::InvalidGrant, "The refresh token is unknown, used, expired or revoked.")
            }
        }
    }
}

impl From<RegistrationError> for OAuthError {
    fn from(error: RegistrationError) -> Self {
        Self::new(error.code(), sentence(&error))
    }
}

impl From<ApiTokenRefusal> for OAuthError {
    fn from(refusal: ApiTokenRefusal) -> Self {
        match refusal {
            ApiTokenRefusal::Unknown => Self::invalid_token(),
            ApiTokenRefusal::Throttled(seconds) => Self {
                status: StatusCode::TOO_MANY_REQUESTS,
                retry_after_s: Some(seconds),
                ..Self::new(ErrorCode::InvalidToken, "Too many wrong tokens; try again later.")
            },
            ApiTokenRefusal::Store(error) => error.into(),
        }
    }
}

impl From<ApiTokenRefusal> for ApiError {
    fn from(refusal: ApiTokenRefusal) -> Self {
        match refusal {
            ApiTokenRefusal::Unknown => Self::new(StatusCode::UNAUTHORIZED, "A valid API token is needed."),
            ApiTokenRefusal::Throttled(seconds) => Self {
                retry_after_s: Some(seconds),
                ..Self::new(StatusCode::TOO_MANY_REQUESTS, "Too many wrong API tokens; try again later.")
            },
            ApiTokenRefusal::Store(error) => error.into(),
        }
    }
}

impl From<StoreError> for OAuthError {
    fn from(error: StoreError) -> Self {
        let (status, code) = log_store(&error);
        Self {
            status,
            retry_after_s: (status == StatusCode::SERVICE_UNAVAILABLE).then_some(RETRY_AFTER_S),
            ..Self::new(code, "The server cannot answer just now.")
        }
    }
}

/// What `Retry-After` says when the database is away.
pub const RETRY_AFTER_S: i64 = 2;

/// Logs what the store says; what a client is told of it.
pub(crate) fn log_store(error: &StoreError) -> (StatusCode, ErrorCode) {
    match error {
        StoreError::Unavailable { .. } => {
            tracing::warn!(cause = %error, "The database is not available");
            (StatusCode::SERVICE_UNAVAILABLE, ErrorCode::TemporarilyUnavailable)
        }
        other => {
            tracing::error!(cause = %other, "The store failed");
            (StatusCode::INTERNAL_SERVER_ERROR, ErrorCode::ServerError)
        }
    }
}

impl IntoResponse for OAuthError {
    fn into_response(self) -> Response {
        tracing::info!(
            error = self.code.as_str(),
            status = self.status.as_u16(),
            "Refused: {}",
            self.description
        );
        let body =
            ErrorBody { error: self.code.as_str().to_owned(), error_description: Some(self.description) };
        let mut response = (self.status, json(&body)).into_response();
        let headers = response.headers_mut();
        if let Some(challenge) = self.challenge {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static(challenge));
        }
        if let Some(seconds) = self.retry_after_s {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}

/// A JSON answer about a credential or a person: never stored (checklist TK7).
pub fn json(body: &impl serde::Serialize) -> Response {
    match serde_json::to_vec(body) {
        Ok(bytes) => (
            [
                (header::CONTENT_TYPE, HeaderValue::from_static("application/json")),
                (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
                (header::PRAGMA, HeaderValue::from_static("no-cache")),
            ],
            bytes,
        )
            .into_response(),
        Err(error) => {
            tracing::error!(cause = %error, "An answer cannot be written as JSON");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}

/// How a page refuses: our own page, which says what to do and echoes nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PageError {
    /// What the page says.
    pub kind: ErrorKind,
    lang: Option<Lang>,
}

impl PageError {
    /// An error page.
    pub fn new(kind: ErrorKind) -> Self {
        Self { kind, lang: None }
    }

    fn status(self) -> StatusCode {
        match self.kind {
            ErrorKind::BadRequest
            | ErrorKind::UnknownClient
            | ErrorKind::BadRedirectUri
            | ErrorKind::InteractionExpired => StatusCode::BAD_REQUEST,
            ErrorKind::NotFound => StatusCode::NOT_FOUND,
            ErrorKind::MethodNotAllowed => StatusCode::METHOD_NOT_ALLOWED,
            ErrorKind::Forbidden => StatusCode::FORBIDDEN,
            ErrorKind::PayloadTooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            ErrorKind::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
            ErrorKind::Internal => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    /// The page.
    pub fn render(self, app: &App, headers: &HeaderMap) -> Response {
        let status = self.status();
        tracing::info!(status = status.as_u16(), "Refused with a page: {:?}", self.kind);
        let lang = self.lang.unwrap_or_else(|| browser::lang(headers, None));
        let html = ErrorPage { kind: self.kind }.render(&browser::chrome(app, lang));
        let mut response = (status, browser::html(html)).into_response();
        if status == StatusCode::SERVICE_UNAVAILABLE {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(RETRY_AFTER_S));
        }
        response
    }
}

impl From<ErrorKind> for PageError {
    fn from(kind: ErrorKind) -> Self {
        Self::new(kind)
    }
}

impl From<StoreError> for PageError {
    fn from(error: StoreError) -> Self {
        Self::new(match log_store(&error).0 {
            StatusCode::SERVICE_UNAVAILABLE => ErrorKind::Unavailable,
            _ => ErrorKind::Internal,
        })
    }
}

/// How the API for programs refuses: Django's and SCIM's readers both find what they look for (permissions.md §6).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApiError {
    /// The status.
    pub status: StatusCode,
    /// A fixed text.
    pub detail: &'static str,
    /// SCIM's word for the kind of error (RFC 7644 §3.12).
    pub scim_type: Option<&'static str>,
    /// `Retry-After`, in seconds.
    pub retry_after_s: Option<i64>,
}

impl ApiError {
    /// An error with a status and a fixed text.
    pub fn new(status: StatusCode, detail: &'static str) -> Self {
        Self { status, detail, scim_type: None, retry_after_s: None }
    }
}

impl From<StoreError> for ApiError {
    fn from(error: StoreError) -> Self {
        let status = log_store(&error).0;
        let retry_after_s = (status == StatusCode::SERVICE_UNAVAILABLE).then_some(RETRY_AFTER_S);
        Self { retry_after_s, ..Self::new(status, "The server cannot answer just now.") }
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        tracing::info!(status = self.status.as_u16(), "Refused: {}", self.detail);
        let mut body = serde_json::json!({
            "schemas": ["urn:ietf:params:scim:api:messages:2.0:Error"],
            "status": self.status.as_u16().to_string(),
            "detail": self.detail,
            "request_id": current_request_id(),
        });
        if let Some(scim_type) = self.scim_type {
            body["scimType"] = scim_type.into();
        }
        let mut response = (self.status, json(&body)).into_response();
        let headers = response.headers_mut();
        if self.status == StatusCode::UNAUTHORIZED {
            headers
                .insert(header::WWW_AUTHENTICATE, HeaderValue::from_static(r#"Token realm="authmachine""#));
            headers
                .append(header::WWW_AUTHENTICATE, HeaderValue::from_static(r#"Bearer realm="authmachine""#));
        }
        if let Some(seconds) = self.retry_after_s {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}

/// How the AuthZEN endpoints refuse: a status and a message, which says nothing of any policy (Authorization API 1.0 §10.1.2).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccessError {
    /// The status.
    pub status: StatusCode,
    /// A fixed text, never an echo.
    pub message: Cow<'static, str>,
    /// `Retry-After`, in seconds.
    pub retry_after_s: Option<i64>,
}

impl AccessError {
    /// An error with a status and a text.
    pub fn new(status: StatusCode, message: impl Into<Cow<'static, str>>) -> Self {
        Self { status, message: message.into(), retry_after_s: None }
    }

    /// Nobody, or nobody that can be believed: 401 with challenges.
    pub fn unauthorized(message: &'static str) -> Self {
        Self::new(StatusCode::UNAUTHORIZED, message)
    }

    /// Somebody who may not ask.
    pub fn insufficient_scope() -> Self {
        Self::new(StatusCode::FORBIDDEN, "These credentials do not have the scope authzen.")
    }

    fn unavailable(status: StatusCode) -> Self {
        let retry_after_s = (status == StatusCode::SERVICE_UNAVAILABLE).then_some(RETRY_AFTER_S);
        Self { retry_after_s, ..Self::new(status, "The server cannot answer just now.") }
    }
}

impl From<StoreError> for AccessError {
    fn from(error: StoreError) -> Self {
        Self::unavailable(log_store(&error).0)
    }
}

impl From<TooMany> for AccessError {
    fn from(error: TooMany) -> Self {
        tracing::info!("A search is refused: {error}");
        Self::new(StatusCode::BAD_REQUEST, "There is too much to find: narrow the search.")
    }
}

impl From<OAuthError> for AccessError {
    fn from(error: OAuthError) -> Self {
        Self { retry_after_s: error.retry_after_s, ..Self::new(error.status, error.description) }
    }
}

impl From<FormRefusal> for AccessError {
    fn from(refusal: FormRefusal) -> Self {
        let (status, message) = match refusal {
            FormRefusal::TooLarge => (StatusCode::PAYLOAD_TOO_LARGE, "The body is too large."),
            FormRefusal::Slow => (StatusCode::REQUEST_TIMEOUT, "The body did not arrive in time."),
            FormRefusal::ContentType => (StatusCode::BAD_REQUEST, "The Content-Type cannot be read."),
            FormRefusal::Malformed(why) => (StatusCode::BAD_REQUEST, why),
        };
        Self::new(status, message)
    }
}

impl From<ApiTokenRefusal> for AccessError {
    fn from(refusal: ApiTokenRefusal) -> Self {
        match refusal {
            ApiTokenRefusal::Unknown => Self::unauthorized("The token is unknown, expired or revoked."),
            ApiTokenRefusal::Throttled(seconds) => Self {
                retry_after_s: Some(seconds),
                ..Self::new(StatusCode::TOO_MANY_REQUESTS, "Too many wrong tokens; try again later.")
            },
            ApiTokenRefusal::Store(error) => error.into(),
        }
    }
}

impl IntoResponse for AccessError {
    fn into_response(self) -> Response {
        tracing::info!(status = self.status.as_u16(), "Refused: {}", self.message);
        let plain = HeaderValue::from_static("text/plain; charset=utf-8");
        let mut response =
            (self.status, [(header::CONTENT_TYPE, plain)], self.message.into_owned()).into_response();
        let headers = response.headers_mut();
        let challenges: &[&'static str] = match self.status {
            StatusCode::UNAUTHORIZED => &[r#"Bearer realm="authmachine""#, r#"Basic realm="authmachine""#],
            StatusCode::FORBIDDEN => &[r#"Bearer error="insufficient_scope", scope="authzen""#],
            _ => &[],
        };
        for challenge in challenges {
            headers.append(header::WWW_AUTHENTICATE, HeaderValue::from_static(challenge));
        }
        if let Some(seconds) = self.retry_after_s {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}

/// What programs read when their handler gave no answer: an error of the surface that they asked.
pub(crate) fn failure_for_programs(uri: &Uri, kind: ErrorKind) -> Option<Response> {
    let (status, code) = match kind {
        ErrorKind::Unavailable => (StatusCode::SERVICE_UNAVAILABLE, ErrorCode::TemporarilyUnavailable),
        _ => (StatusCode::INTERNAL_SERVER_ERROR, ErrorCode::ServerError),
    };
    let description = "The server cannot answer just now.";
    let retry_after_s = (status == StatusCode::SERVICE_UNAVAILABLE).then_some(RETRY_AFTER_S);
    if is_api(uri) {
        return Some(ApiError { retry_after_s, ..ApiError::new(status, description) }.into_response());
    }
    if is_access(uri) {
        return Some(AccessError::unavailable(status).into_response());
    }
    oidc::is_for_programs(uri.path())
        .then(|| OAuthError { status, retry_after_s, ..OAuthError::new(code, description) }.into_response())
}

/// 404: a page, or for programs JSON.
pub async fn not_found(State(app): State<App>, uri: Uri, headers: HeaderMap) -> Response {
    if is_api(&uri) {
        return ApiError::new(StatusCode::NOT_FOUND, "There is nothing at this address.").into_response();
    }
    if is_access(&uri) {
        return AccessError::new(StatusCode::NOT_FOUND, "There is nothing at this address.").into_response();
    }
    PageError::new(ErrorKind::NotFound).render(&app, &headers)
}

/// 405, the same way; the router has set `Allow`.
pub async fn method_not_allowed(State(app): State<App>, uri: Uri, headers: HeaderMap) -> Response {
    if is_api(&uri) {
        return ApiError::new(StatusCode::METHOD_NOT_ALLOWED, "This address does not take that method.")
            .into_response();
    }
    if is_access(&uri) {
        return AccessError::new(StatusCode::METHOD_NOT_ALLOWED, "This address takes POST.").into_response();
    }
    PageError::new(ErrorKind::MethodNotAllowed).render(&app, &headers)
}

fn is_api(uri: &Uri) -> bool {
    uri.path().starts_with("/api/")
}

fn is_access(uri: &Uri) -> bool {
    uri.path().starts_with(authzen::BASE)
}
