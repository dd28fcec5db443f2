//! Reading requests strictly: forms, JSON, bearer tokens, client credentials.

use std::sync::Arc;
use std::time::Duration;

use authmachine_jose::strict_json;
use authmachine_protocol::{ErrorCode, Params};
use authmachine_provider::Timestamp;
use authmachine_provider::api_token::ApiToken;
use authmachine_provider::client::{self, Client, ClientAuthError, Credentials, Proof};
use authmachine_provider::client_assertion::{self, AssertionError};
use authmachine_provider::event::EventKind;
use authmachine_provider::handle::Presented;
use authmachine_provider::ids::Kind;
use authmachine_provider::throttle;
use authmachine_store::StoreError;
use axum::body::Body;
use axum::http::{HeaderMap, StatusCode, header};
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use serde_json::{Map, Value};

use crate::app::App;
use crate::client_keys;
use crate::error::OAuthError;
use crate::middleware::current_source;
use crate::oidc;

/// The most bytes of a form.
pub const MAX_FORM_BYTES: usize = 64 * 1024;
/// How long a body may take to arrive.
const BODY_DEADLINE: Duration = Duration::from_secs(30);
/// Failures of one client from one source that cost nothing.
const FREE_CLIENT_FAILURES: i64 = 20;
/// Failures from one source, over all clients, that cost nothing.
const FREE_SOURCE_FAILURES: i64 = 100;

/// Wrong API tokens from one source that cost nothing.
const FREE_API_TOKEN_FAILURES: i64 = 20;
/// The last use of an API token is written when it is older than this.
const TOUCH_AFTER_S: i64 = 60;

/// Why a form cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FormRefusal {
    /// 413.
    TooLarge,
    /// 415: not `application/x-www-form-urlencoded`.
    ContentType,
    /// 408: it did not arrive in time.
    Slow,
    /// 400: malformed, repeated, not UTF-8.
    Malformed(&'static str),
}

/// Whether the body says of itself that it is a form.
pub fn is_form(headers: &HeaderMap) -> bool {
    is_of(headers, "application/x-www-form-urlencoded")
}

/// Whether the body says of itself, once, that it is JSON.
pub fn is_json(headers: &HeaderMap) -> bool {
    is_of(headers, "application/json") && headers.get_all(header::CONTENT_TYPE).iter().count() == 1
}

fn is_of(headers: &HeaderMap, media_type: &str) -> bool {
    headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).is_some_and(|value| {
        let essence = value.split(';').next().unwrap_or_default().trim();
        essence.eq_ignore_ascii_case(media_type)
    })
}

/// Reads a form's body with its size, time and content type checked.
///
/// # Errors
/// [`FormRefusal`].
pub async fn form_bytes(headers: &HeaderMap, body: Body) -> Result<Vec<u8>, FormRefusal> {
    if !is_form(headers) || headers.get_all(header::CONTENT_TYPE).iter().count() > 1 {
        return Err(FormRefusal::ContentType);
    }
    bytes(body, MAX_FORM_BYTES).await
}

/// Reads a body of at most so many bytes.
///
/// # Errors
/// [`FormRefusal`].
pub async fn bytes(body: Body, most: usize) -> Result<Vec<u8>, FormRefusal> {
    match tokio::time::timeout(BODY_DEADLINE, Limited::new(body, most).collect()).await {
        Err(_) => Err(FormRefusal::Slow),
        Ok(Ok(collected)) => Ok(collected.to_bytes().into()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => Err(FormRefusal::TooLarge),
        Ok(Err(_)) => Err(FormRefusal::Malformed("The body ended early.")),
    }
}

/// Reads a posted form; a repeated parameter is an error.
///
/// # Errors
/// [`FormRefusal`].
pub async fn form(headers: &HeaderMap, body: Body) -> Result<Params, FormRefusal> {
    parse(&form_bytes(headers, body).await?)
}

/// Reads a posted JSON object as strictly: one reading only.
///
/// # Errors
/// `invalid_request`.
pub async fn json_object(headers: &HeaderMap, body: Body) -> Result<Map<String, Value>, OAuthError> {
    if !is_json(headers) {
        return Err(OAuthError {
            status: StatusCode::UNSUPPORTED_MEDIA_TYPE,
            ..OAuthError::invalid_request("The body must be application/json.")
        });
    }
    strict_json::parse_object(&bytes(body, MAX_FORM_BYTES).await?)
        .map_err(|why| OAuthError::invalid_request(format!("The body cannot be read: {why}.")))
}

/// Reads parameters; a repeated one is an error.
///
/// # Errors
/// [`FormRefusal`].
pub fn parse(bytes: &[u8]) -> Result<Params, FormRefusal> {
    use authmachine_protocol::form::FormError;
    Params::parse(bytes).map_err(|error| {
        FormRefusal::Malformed(match error {
            FormError::Percent => "A percent sign is not followed by two hex digits.",
            FormError::Utf8 => "A parameter is not valid UTF-8 text.",
            FormError::TooMany => "There are more than 100 parameters.",
            FormError::Repeated => "A parameter is repeated.",
        })
    })
}

impl From<FormRefusal> for OAuthError {
    fn from(refusal: FormRefusal) -> Self {
        let (status, description) = match refusal {
            FormRefusal::TooLarge => (StatusCode::PAYLOAD_TOO_LARGE, "The body is larger than 64 KiB."),
            FormRefusal::ContentType => {
                (StatusCode::UNSUPPORTED_MEDIA_TYPE, "The body must be application/x-www-form-urlencoded.")
            }
            FormRefusal::Slow => (StatusCode::REQUEST_TIMEOUT, "The body did not arrive in time."),
            FormRefusal::Malformed(why) => (StatusCode::BAD_REQUEST, why),
        };
        Self { status, ..Self::invalid_request(description) }
    }
}

impl From<FormRefusal> for crate::error::PageError {
    fn from(refusal: FormRefusal) -> Self {
        use authmachine_pages::ErrorKind;
        Self::new(match refusal {
            FormRefusal::TooLarge => ErrorKind::PayloadTooLarge,
            FormRefusal::ContentType | FormRefusal::Slow | FormRefusal::Malformed(_) => ErrorKind::BadRequest,
        })
    }
}

/// The access token of a request (RFC 6750 §2): in the header, or as `access_token` in the form; never in the query, never twice.
///
/// # Errors
/// `invalid_request` for two, `invalid_token` for none.
pub fn bearer<'a>(headers: &'a HeaderMap, form: Option<&'a Params>) -> Result<&'a str, OAuthError> {
    let from_header = match authorization(headers).map_err(OAuthError::for_bearer)? {
        None => None,
        Some(value) => match value.split_once(' ') {
            Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer") => Some(token.trim_matches(' ')),
            _ => return Err(missing_token()),
        },
    };
    match (from_header, form.and_then(|form| form.get("access_token"))) {
        (Some(_), Some(_)) => {
            Err(OAuthError::invalid_request("The access token is there twice.").for_bearer())
        }
        (Some(token), None) | (None, Some(token)) => Ok(token),
        (None, None) => Err(missing_token()),
    }
}

/// No token at all: a bare challenge (RFC 6750 §3.1).
fn missing_token() -> OAuthError {
    OAuthError {
        status: StatusCode::UNAUTHORIZED,
        challenge: Some(r#"Bearer realm="authmachine""#),
        ..OAuthError::new(ErrorCode::InvalidToken, "An access token is needed.")
    }
}

/// The one `Authorization` header.
///
/// # Errors
/// `invalid_request` when there are several, or it is not text.
pub fn authorization(headers: &HeaderMap) -> Result<Option<&str>, OAuthError> {
    let mut values = headers.get_all(header::AUTHORIZATION).iter();
    match (values.next(), values.next()) {
        (None, _) => Ok(None),
        (Some(value), None) => match value.to_str() {
            Ok(text) => Ok(Some(text)),
            Err(_) => Err(OAuthError::invalid_request("The Authorization header is not text.")),
        },
        (Some(_), Some(_)) => Err(OAuthError::invalid_request("There are several Authorization headers.")),
    }
}

/// Whether `If-None-Match` names the answer (RFC 9110 §13.1.2). Proxies that compress weaken its tag.
pub fn is_known(headers: &HeaderMap, etag: &str) -> bool {
    headers
        .get_all(header::IF_NONE_MATCH)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(str::trim)
        .any(|tag| tag == "*" || tag.strip_prefix("W/").unwrap_or(tag) == etag)
}

/// Authenticates the client of a request (RFC 6749 §2.3): confidential ones by their secret or by an assertion, public ones by
/// nothing.
///
/// # Errors
/// `invalid_client`, `invalid_request`, or 429 after too many failures.
pub async fn authenticate_client(
    app: &App,
    headers: &HeaderMap,
    form: &Params,
) -> Result<Arc<Client>, OAuthError> {
    let credentials = Credentials::read(authorization(headers)?, form).map_err(OAuthError::client)?;

    let now = app.now();
    let source = current_source();
    let of_client = app.secrets.throttle("client", &format!("{}\0{source}", credentials.client_id));
    let client_id = credentials.client_id.clone();
    let (client, tries) = app
        .store
        .read(move |reads| Ok((reads.client_by_client_id(&client_id)?, reads.find_throttle(&of_client)?)))
        .await?;
    throttle::check(&tries, FREE_CLIENT_FAILURES, now).map_err(OAuthError::throttled)?;

    let (why, client) = match (prove(app, client.as_deref(), &credentials.proof, now).await?, client) {
        (Ok(()), Some(client)) => {
            if tries.failures > 0 {
                app.store.write_later(move |tx| tx.clear_throttle(&of_client));
            }
            return Ok(client);
        }
        (proven, client) => (proven.err().flatten(), client),
    };

    let is_known = client.is_some();
    let of_source = app.secrets.throttle("clients of", &source);
    let mut event = app.event(EventKind::ClientRefused, "anonymous");
    event.client = client.map(|client| client.client_id.clone());
    event.detail.extend(why.map(|why| ("why".to_owned(), why.into())));
    let verdict = app
        .store
        .write(app.write_deadline(), move |tx| {
            let verdict = throttle::check(&tx.find_throttle(&of_source)?, FREE_SOURCE_FAILURES, now);
            // Names without end, which nobody has, fill no table: they stop counting when their source has had enough.
            if is_known || verdict.is_ok() {
                tx.count_draining(&of_client, now)?;
            }
            if verdict.is_ok() {
                tx.count_draining(&of_source, now)?;
                tx.insert_event(&event)?;
            }
            Ok(verdict)
        })
        .await?;
    verdict.map_err(OAuthError::throttled)?;
    Err(OAuthError::client(ClientAuthError::Failed))
}

/// Whether `proof` proves `client`; if not, why, as far as that is more than a wrong secret. The client is not told.
async fn prove(
    app: &App,
    client: Option<&Client>,
    proof: &Proof,
    now: Timestamp,
) -> Result<Result<(), Option<String>>, StoreError> {
    let Proof::Assertion(assertion) = proof else {
        let hmac = app.secrets.client_secret(proof.secret().unwrap_or_default());
        return Ok(client::authenticate(client, proof, &hmac).map_err(|_| None));
    };
    let Some(client) = client.filter(|client| client.may_prove_itself_by(proof.method())) else {
        return Ok(Err(None));
    };
    let verified = client_keys::verify(app, client, assertion, client_assertion::algorithms(client)).await;
    let issuer = &app.settings.issuer;
    let audiences = [issuer.as_str(), &issuer.url(oidc::TOKEN)];
    let checked = match &verified {
        Ok(verified) => client_assertion::check(verified, &client.client_id, &audiences, now),
        Err(why) => return Ok(Err(Some(why.to_string()))),
    };
    let accepted = match checked {
        Ok(accepted) => accepted,
        Err(why) => return Ok(Err(Some(why.to_string()))),
    };
    // Last: an assertion that proves nothing uses nothing up.
    let id = client.id;
    let is_first = app
        .store
        .write(app.write_deadline(), move |tx| {
            tx.take_assertion_id(id, &accepted.jti_sha256, accepted.remember_until)
        })
        .await?;
    Ok(if is_first { Ok(()) } else { Err(Some(AssertionError::Used.to_string())) })
}

/// Why an API token is of no use.
#[derive(Debug)]
pub enum ApiTokenRefusal {
    /// Unknown, expired, revoked.
    Unknown,
    /// Too many wrong ones: the seconds to wait.
    Throttled(i64),
    /// The store.
    Store(StoreError),
}

impl From<StoreError> for ApiTokenRefusal {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

/// The live API token `text`, presented at a `door`. Wrong ones count against their source, and a source with too many waits before
/// the next is counted; a right one is answered whatever its neighbours do, because applications take every error for
/// «no permissions».
///
/// # Errors
/// [`ApiTokenRefusal`].
pub async fn api_token(app: &App, text: &str, door: &'static str) -> Result<ApiToken, ApiTokenRefusal> {
    let now = app.now();
    if let Some(presented) = Presented::parse(Kind::ApiToken, text) {
        let found = app.store.read(move |reads| reads.find_api_token(&presented)).await?;
        if let Some(token) = found.filter(|token| token.is_live(now)) {
            if token.last_used_at.is_none_or(|at| at.plus_seconds(TOUCH_AFTER_S) <= now) {
                let id = token.id;
                app.store.write_later(move |tx| tx.touch_api_token(id, now));
            }
            return Ok(token);
        }
    }

    let counter = app.secrets.throttle("api token", &current_source());
    let mut event = app.event(EventKind::ClientRefused, "anonymous");
    event.detail.insert("door".to_owned(), door.into());
    let counted = app
        .store
        .write(app.write_deadline(), move |tx| {
            let verdict = throttle::check(&tx.find_throttle(&counter)?, FREE_API_TOKEN_FAILURES, now);
            if verdict.is_ok() {
                tx.count_try(&counter, now)?;
                tx.insert_event(&event)?;
            }
            Ok(verdict)
        })
        .await?;
    Err(counted.map_or_else(ApiTokenRefusal::Throttled, |()| ApiTokenRefusal::Unknown))
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::HeaderValue;

    fn headers(values: &[(&'static str, &'static str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in values {
            headers.append(*name, HeaderValue::from_static(value));
        }
        headers
    }

    #[test]
    fn tk3_a_bearer_token_stands_in_the_header_or_in_the_form_and_never_in_both() {
        let form = Params::from_iter([("access_token", "b")]);
        let in_header = headers(&[("authorization", "bearer  a ")]);
        let none = HeaderMap::new();
        assert_eq!(bearer(&in_header, None), Ok("a"));
        assert_eq!(bearer(&none, Some(&form)), Ok("b"));
        let refused = |headers: &HeaderMap, form: Option<&Params>| {
            bearer(headers, form).map_err(|error| (error.status.as_u16(), error.code)).expect_err("refused")
        };
        assert_eq!(refused(&in_header, Some(&form)), (400, ErrorCode::InvalidRequest));
        assert_eq!(refused(&none, None), (401, ErrorCode::InvalidToken));
        let twice = headers(&[("authorization", "Bearer a"), ("authorization", "Bearer a")]);
        assert_eq!(refused(&twice, None), (400, ErrorCode::InvalidRequest));
        for other in ["Basic dGVzdDp0ZXN0", "Bearer", "a", ""] {
            assert_eq!(
                refused(&headers(&[("authorization", other)]), None),
                (401, ErrorCode::InvalidToken),
                "{other}"
            );
        }
    }

    #[tokio::test]
    async fn a_form_is_read_strictly() {
        let read = async |content_type: &[&'static str], body: Vec<u8>| {
            let types: Vec<_> = content_type.iter().map(|value| ("content-type", *value)).collect();
            form(&headers(&types), Body::from(body)).await.map(|params| params.iter().count())
        };
        const FORM: &str = "application/x-www-form-urlencoded";
        assert_eq!(read(&[FORM], b"a=1&b=2".to_vec()).await, Ok(2));
        assert_eq!(read(&["Application/x-www-form-urlencoded;charset=utf-8"], b"a=1".to_vec()).await, Ok(1));
        for types in [&[][..], &["application/json"], &[FORM, FORM], &["application/x-www-form-urlencodedx"]]
        {
            assert_eq!(read(types, b"a=1".to_vec()).await, Err(FormRefusal::ContentType), "{types:?}");
        }
        let of_bytes = |n: usize| [b"a=".to_vec(), vec![b'x'; n - 2]].concat();
        assert_eq!(read(&[FORM], of_bytes(MAX_FORM_BYTES)).await, Ok(1));
        assert_eq!(read(&[FORM], of_bytes(MAX_FORM_BYTES + 1)).await, Err(FormRefusal::TooLarge));
        for bad in ["a=1&a=2", "a=%ff", "a=%", "a=%00"] {
            assert!(matches!(read(&[FORM], bad.into()).await, Err(FormRefusal::Malformed(_))), "{bad}");
        }
    }

    #[test]
    fn a_tag_is_known_by_any_of_its_spellings() {
        for (value, known) in [
            ("\"a\"", true),
            ("W/\"a\"", true),
            ("\"b\", \"a\"", true),
            ("*", true),
            ("\"b\"", false),
            ("a", false),
        ] {
            assert_eq!(is_known(&headers(&[("if-none-match", value)]), "\"a\""), known, "{value}");
        }
        assert!(!is_known(&HeaderMap::new(), "\"a\""));
    }
}
