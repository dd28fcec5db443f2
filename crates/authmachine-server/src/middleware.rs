//! The one middleware: limits before the handler, headers, log line and metrics after it.

use std::future::Future;
use std::net::{IpAddr, SocketAddr};
use std::panic::AssertUnwindSafe;
use std::pin::pin;
use std::task::Poll;
use std::time::{Duration, Instant};

use authmachine_pages::ErrorKind;
use axum::extract::{ConnectInfo, MatchedPath, Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::Response;
use tracing::Instrument as _;

use crate::app::App;
use crate::authzen;
use crate::error::{self, PageError};

/// The longest request target.
pub const MAX_URI_BYTES: usize = 8 * 1024;
/// How long a handler may take: two seconds more than a body may, so that a slow body is told so (408) and is not our failure.
pub const HANDLER_DEADLINE: Duration = Duration::from_secs(32);

/// The policy of every answer that does not bring its own (checklist HD1).
pub const CSP: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; base-uri 'none'; \
                       frame-ancestors 'none'; form-action 'self'";
/// The policy of pages whose form ends at a client: browsers apply `form-action` to each redirect, so it is left out.
pub const CSP_INTERACTION: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; base-uri 'none'; frame-ancestors 'none'";

/// What a new installation answers before its keys are made.
const WITHOUT_KEYS: [&str; 3] = ["/.well-known/openid-configuration", "/healthz", "/metrics"];

/// What is known of the request that is being answered, wherever that happens.
#[derive(Clone, Copy)]
struct Context {
    request_id: RequestId,
    address: Option<IpAddr>,
}

tokio::task_local! {
    static CONTEXT: Context;
}

/// 64 random bits as hexadecimal digits.
#[derive(Clone, Copy)]
struct RequestId([u8; 16]);

impl RequestId {
    fn random() -> Self {
        let mut digits = [0; 16];
        let bits = u64::from_be_bytes(crate::random::bytes());
        for (digit, place) in digits.iter_mut().zip((0..16).rev()) {
            *digit = b"0123456789abcdef"[usize::try_from(bits >> (4 * place) & 15).expect("four bits")];
        }
        Self(digits)
    }

    fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).expect("digits are ASCII")
    }
}

/// The id of the request that is being answered, as the log and the error pages name it.
pub fn current_request_id() -> Option<String> {
    CONTEXT.try_with(|context| context.request_id.as_str().to_owned()).ok()
}

/// The address that the request came from.
pub fn current_address() -> Option<String> {
    CONTEXT.try_with(|context| context.address.map(|address| address.to_string())).ok().flatten()
}

/// Under what failures from that address are counted: all that a peer can choose from are one (checklist BF1).
pub fn current_source() -> String {
    let network = |address| crate::listen::network_of(address).to_string();
    CONTEXT.try_with(|context| context.address.map(network)).ok().flatten().unwrap_or_default()
}

/// Everything that happens around every handler.
pub async fn around(State(app): State<App>, request: Request, next: Next) -> Response {
    let started = Instant::now();
    let request_id = RequestId::random();
    let address = client_address(&app, &request);
    let method = request.method().clone();
    let route = request.extensions().get::<MatchedPath>().cloned();
    let route = route.as_ref().map_or("", MatchedPath::as_str);
    // AuthZEN 1.0 §10.1.3: whoever asks there numbers its questions itself.
    let asked_as = match request.uri().path().starts_with(authzen::BASE) {
        true => request.headers().get(REQUEST_ID).cloned(),
        false => None,
    };
    let span = tracing::info_span!("request", id = %request_id.as_str(), method = %method, route = %route);

    let context = Context { request_id, address };
    let answered = CONTEXT.scope(context, answer(&app, request, next)).instrument(span.clone());
    let mut response = answered.await;

    finish(&app, response.headers_mut(), route, request_id, asked_as);
    let elapsed = started.elapsed();
    app.metrics.count(route, response.status(), elapsed);
    let _in_span = span.enter();
    tracing::info!(status = response.status().as_u16(), us = elapsed.as_micros(), "Answered");
    response
}

async fn answer(app: &App, request: Request, next: Next) -> Response {
    // What a page that refuses has to know of the request.
    let mut headers = HeaderMap::new();
    if let Some(languages) = request.headers().get(header::ACCEPT_LANGUAGE) {
        headers.insert(header::ACCEPT_LANGUAGE, languages.clone());
    }
    let refuse = |kind| PageError::new(kind).render(app, &headers);
    let uri = request.uri().clone();
    let fail = |kind| error::failure_for_programs(&uri, kind).unwrap_or_else(|| refuse(kind));
    let target_bytes = request.uri().path_and_query().map_or(0, |target| target.as_str().len());
    if target_bytes > MAX_URI_BYTES {
        let mut refused = refuse(ErrorKind::PayloadTooLarge);
        *refused.status_mut() = StatusCode::URI_TOO_LONG;
        return refused;
    }
    if !is_plain_path(request.uri().path()) {
        return refuse(ErrorKind::NotFound);
    }
    let handler = async {
        if !WITHOUT_KEYS.contains(&request.uri().path()) {
            app.wait_for_keys().await;
        }
        next.run(request).await
    };
    match tokio::time::timeout(HANDLER_DEADLINE, catch_panic(handler)).await {
        Ok(Ok(response)) => response,
        Ok(Err(Panicked)) => {
            app.metrics.count_panic();
            tracing::error!("A handler panicked; this is a bug");
            fail(ErrorKind::Internal)
        }
        Err(_) => {
            tracing::warn!("A handler took longer than {} s", HANDLER_DEADLINE.as_secs());
            fail(ErrorKind::Unavailable)
        }
    }
}

/// Our paths need no escapes; whatever has some, or empty and dot segments, names nothing here (checklist HO4).
fn is_plain_path(path: &str) -> bool {
    path.starts_with('/')
        && path.bytes().all(|b| b.is_ascii_alphanumeric() || b"/-._~:@".contains(&b))
        && !path.contains("//")
        && path.split('/').all(|segment| segment != "." && segment != "..")
}

struct Panicked;

async fn catch_panic<F: Future<Output = Response>>(handler: F) -> Result<Response, Panicked> {
    let mut handler = pin!(handler);
    std::future::poll_fn(|context| {
        match std::panic::catch_unwind(AssertUnwindSafe(|| handler.as_mut().poll(context))) {
            Ok(Poll::Ready(response)) => Poll::Ready(Ok(response)),
            Ok(Poll::Pending) => Poll::Pending,
            Err(_) => Poll::Ready(Err(Panicked)),
        }
    })
    .await
}

/// The policies that no answer goes without, and are the same for all.
const ALWAYS: [(HeaderName, HeaderValue); 3] = [
    (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
    (header::REFERRER_POLICY, HeaderValue::from_static("same-origin")),
    (
        HeaderName::from_static("permissions-policy"),
        HeaderValue::from_static("camera=(), microphone=(), geolocation=(), payment=(), usb=()"),
    ),
];
/// What says otherwise may be read, kept or framed says so itself; everything else is about somebody.
const UNLESS_SAID: [(HeaderName, HeaderValue); 3] = [
    (header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(CSP)),
    (RESOURCE_POLICY, HeaderValue::from_static("same-origin")),
    (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
];
/// Who may embed an answer.
pub const RESOURCE_POLICY: HeaderName = HeaderName::from_static("cross-origin-resource-policy");
const OPENER_POLICY: HeaderName = HeaderName::from_static("cross-origin-opener-policy");
const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

fn finish(
    app: &App,
    headers: &mut HeaderMap,
    route: &str,
    request_id: RequestId,
    asked_as: Option<HeaderValue>,
) {
    headers.reserve(ALWAYS.len() + UNLESS_SAID.len() + 3);
    for (name, value) in ALWAYS {
        headers.insert(name, value);
    }
    // A sign-in in a popup goes back to the client's page, which must still find its opener: not so on our own pages.
    if !route.starts_with("/oidc/") && !route.starts_with(crate::oidc::INTERACTION) {
        headers.insert(OPENER_POLICY, HeaderValue::from_static("same-origin"));
    }
    for (name, value) in UNLESS_SAID {
        headers.entry(name).or_insert(value);
    }
    if app.settings.issuer.is_https() {
        headers.insert(header::STRICT_TRANSPORT_SECURITY, HeaderValue::from_static("max-age=31536000"));
    }
    let own = || HeaderValue::from_str(request_id.as_str()).expect("digits are a header value");
    let request_id = asked_as.unwrap_or_else(own);
    headers.insert(REQUEST_ID, request_id);
}

/// The address of the browser or program: the peer's, or behind trusted proxies the right-most address in `X-Forwarded-For`
/// that is none of them (checklist HO2).
fn client_address(app: &App, request: &Request) -> Option<IpAddr> {
    let peer =
        request.extensions().get::<ConnectInfo<SocketAddr>>().map(|info| info.0.ip().to_canonical())?;
    let trusted = &app.settings.trusted_proxies;
    if !trusted.contains(&peer) {
        return Some(peer);
    }
    // What a proxy appended counts, whatever bytes it was appended to.
    let forwarded: Vec<_> = request
        .headers()
        .get_all("x-forwarded-for")
        .iter()
        .map(|value| String::from_utf8_lossy(value.as_bytes()))
        .collect();
    let hops = forwarded.join(",");
    for hop in hops.rsplit(',').map(str::trim).filter(|hop| !hop.is_empty()) {
        match hop.parse::<IpAddr>() {
            Ok(address) if trusted.contains(&address.to_canonical()) => {}
            Ok(address) => return Some(address.to_canonical()),
            Err(_) => return Some(peer),
        }
    }
    Some(peer)
}

/// Makes a handler's own page error an answer.
pub fn page_result(app: &App, headers: &HeaderMap, result: Result<Response, PageError>) -> Response {
    result.unwrap_or_else(|error| error.render(app, headers))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ho4_odd_paths_name_nothing() {
        for good in
            ["/", "/oidc/token", "/.well-known/openid-configuration", "/api/scim/v1/Users/0f/permissions/"]
        {
            assert!(is_plain_path(good), "{good}");
        }
        for bad in
            ["//", "/oidc//token", "/oidc/../admin", "/./", "/oidc%2Ftoken", "/oidc/token;x", "/a\\b", "*"]
        {
            assert!(!is_plain_path(bad), "{bad}");
        }
    }
}
