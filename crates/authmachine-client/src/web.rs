//! Routes, layer and extractor for axum.

use std::{
    future::Future,
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
};

use authmachine_protocol::Params;
use axum::{
    Router,
    body::Body,
    extract::{FromRequestParts, OptionalFromRequestParts, RawQuery, Request, State},
    middleware::{FromFnLayer, Next, from_fn, from_fn_with_state},
    response::{IntoResponse, Response},
    routing::get,
};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header, request::Parts};
use tokio::sync::OnceCell;

use crate::{
    Action, Denied, Error, ErrorKind, Forbidden, Login, Page, User,
    error::CallbackError,
    login::{Failed, Found, Redirect, is_from_own_site, is_page_load},
    page,
};

/// Seconds after which a browser may ask again.
const RETRY_AFTER_SECONDS: HeaderValue = HeaderValue::from_static("5");

impl Login {
    /// Adds the routes for signing in and out (`/login`, `/oidc-callback`, `/logout`, `/oidc-logout-callback`), and to
    /// all routes what a [`User`] argument needs. Call it last, on the outermost router: routes added later lack it.
    ///
    /// # Panics
    /// If `router` has one of these routes already.
    pub fn attach<S: Clone + Send + Sync + 'static>(&self, router: Router<S>) -> Router<S> {
        let paths = &self.settings().paths;
        let own = Router::new()
            .route(&paths.login, get(login))
            .route(&paths.callback, get(callback))
            .route(&paths.logout, get(logout).post(logout))
            .route(&paths.logout_callback, get(logout_callback))
            .with_state(self.clone());
        router.merge(own).layer(from_fn_with_state(self.clone(), with_visit))
    }
}

async fn login(State(login): State<Login>, headers: HeaderMap, RawQuery(query): RawQuery) -> Response {
    let query = Params::parse(query.unwrap_or_default().as_bytes()).unwrap_or_default();
    let return_to = login.return_path(query.get("return_to"));
    if let Some(redirect) = login.under_own_name(&headers, &return_to) {
        return redirect.into_response();
    }
    match login.start(&headers, return_to.clone()).await {
        Ok(redirect) => redirect.into_response(),
        Err(error) => error_page(&login, &error, &return_to, None),
    }
}

async fn callback(State(login): State<Login>, headers: HeaderMap, RawQuery(query): RawQuery) -> Response {
    match login.finish(&headers, &query.unwrap_or_default()).await {
        Ok(redirect) => redirect.into_response(),
        Err(Failed { error, set_cookies, return_to, login_id }) => {
            with_cookies(error_page(&login, &error, &return_to, login_id.as_deref()), set_cookies)
        }
    }
}

async fn logout(State(login): State<Login>, headers: HeaderMap) -> Response {
    if !is_from_own_site(&login.settings().public_url, &headers) {
        let question = Page {
            title: "Sign out?",
            text: "You came here from another site. Do you want to sign out?",
            action: Action::Button { text: "Sign out", path: &login.settings().paths.logout },
            error: None,
            login_id: None,
        };
        return answer(&login, StatusCode::OK, &question);
    }
    match login.sign_out(&headers).await {
        Ok(redirect) => redirect.into_response(),
        Err(Failed { error, set_cookies, .. }) => {
            log(&error);
            let page = Page {
                title: "Signed out here only",
                text: "You are signed out of this application. The sign-in service does not answer, so you may still \
                       be signed in there.",
                action: Action::Link { text: "Continue", href: "/" },
                error: Some(&error),
                login_id: None,
            };
            with_cookies(answer(&login, StatusCode::SERVICE_UNAVAILABLE, &page), set_cookies)
        }
    }
}

async fn logout_callback(
    State(login): State<Login>,
    headers: HeaderMap,
    RawQuery(query): RawQuery,
) -> Response {
    login.signed_out(&headers, &query.unwrap_or_default()).into_response()
}

/// A layer for routes that only those may use who hold `permission_type` on `object`: it does what a handler does with
/// [`User::require`].
///
/// ```no_run
/// # use axum::{Router, routing::get};
/// # use authmachine_client::Login;
/// # fn app(login: Login) -> Router {
/// let editors = Router::new()
///     .route("/edit", get(async || "for editors"))
///     .route_layer(authmachine_client::require("write", "object1"));
/// login.attach(editors)
/// # }
/// ```
pub fn require(
    permission_type: impl Into<Arc<str>>,
    object: impl Into<Arc<str>>,
) -> FromFnLayer<impl Fn(User, Request, Next) -> Checked + Clone + Send + Sync + 'static, (), (User, Request)>
{
    let (permission_type, object) = (permission_type.into(), object.into());
    from_fn(move |user: User, request: Request, next: Next| -> Checked {
        let (permission_type, object) = (Arc::clone(&permission_type), Arc::clone(&object));
        Box::pin(async move {
            user.require(&permission_type, &object).await?;
            Ok(next.run(request).await)
        })
    })
}

type Checked = Pin<Box<dyn Future<Output = Result<Response, Denied>> + Send>>;

/// What is known about one request: who made it, found out when a handler first asks.
struct Visit {
    login: Login,
    method: Method,
    path_and_query: String,
    found: OnceCell<Found>,
    set_cookies: Mutex<Vec<HeaderValue>>,
}

/// The layer: lets [`User`] be an argument, and gives the browser what came out of it.
async fn with_visit(State(login): State<Login>, mut request: Request, next: Next) -> Response {
    let visit = Arc::new(Visit {
        login,
        method: request.method().clone(),
        path_and_query: request.uri().path_and_query().map_or("/", |whole| whole.as_str()).to_owned(),
        found: OnceCell::new(),
        set_cookies: Mutex::default(),
    });
    request.extensions_mut().insert(Arc::clone(&visit));
    let mut response = next.run(request).await;
    if visit.found.initialized() {
        // Whose page it is depends on the cookie.
        response
            .headers_mut()
            .entry(header::CACHE_CONTROL)
            .or_insert(HeaderValue::from_static("private, no-store"));
    }
    let set_cookies = std::mem::take(&mut *visit.set_cookies.lock().unwrap_or_else(PoisonError::into_inner));
    with_cookies(response, set_cookies)
}

impl Visit {
    fn of(parts: &Parts) -> Option<Arc<Self>> {
        parts.extensions.get::<Arc<Self>>().cloned()
    }

    /// Who is signed in. In doubt 503: neither let in, nor signed out.
    async fn user(&self, headers: &HeaderMap) -> Result<Option<User>, Response> {
        let found = self
            .found
            .get_or_init(|| async {
                let found = self.login.find_user(headers).await;
                if let Found::Ended(set_cookies) = &found {
                    let mut all = self.set_cookies.lock().unwrap_or_else(PoisonError::into_inner);
                    all.extend_from_slice(set_cookies);
                }
                found
            })
            .await;
        match found {
            Found::User(user) => Ok(Some(user.clone())),
            Found::Nobody | Found::Ended(_) => Ok(None),
            Found::Doubt if is_page_load(headers) => {
                Err(error_page(&self.login, &Error::NoAnswer, &self.return_path(), None))
            }
            Found::Doubt => {
                Err(json(StatusCode::SERVICE_UNAVAILABLE, r#"{"error":"temporarily_unavailable"}"#))
            }
        }
    }

    /// Where a sign-in comes back to: this page, if it can be loaded again.
    fn return_path(&self) -> String {
        let can_load = matches!(self.method, Method::GET | Method::HEAD);
        self.login.return_path(can_load.then_some(self.path_and_query.as_str()))
    }

    /// The answer to nobody: a person is sent to log in, a script is told.
    fn login_required(&self, headers: &HeaderMap) -> Response {
        let path = self.login.login_path(&self.return_path());
        if is_page_load(headers) {
            return Redirect { location: path, set_cookies: Vec::new() }.into_response();
        }
        // No redirect: the script would follow it to the provider, where it has no business.
        json(StatusCode::UNAUTHORIZED, r#"{"error":"login_required"}"#)
    }
}

impl<S: Send + Sync> FromRequestParts<S> for User {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Response> {
        let visit = Visit::of(parts).ok_or_else(not_attached)?;
        visit.user(&parts.headers).await?.ok_or_else(|| visit.login_required(&parts.headers))
    }
}

impl<S: Send + Sync> OptionalFromRequestParts<S> for User {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Option<Self>, Response> {
        Visit::of(parts).ok_or_else(not_attached)?.user(&parts.headers).await
    }
}

impl IntoResponse for Forbidden {
    fn into_response(self) -> Response {
        tracing::info!(object = self.object, permission.type = self.permission_type, "Refused a request: {self}");
        plain(StatusCode::FORBIDDEN, "You are not allowed to do this.\n")
    }
}

impl IntoResponse for Denied {
    fn into_response(self) -> Response {
        match self {
            Self::Forbidden(forbidden) => forbidden.into_response(),
            Self::NotKnown(error) => {
                tracing::warn!(%error, "Refused a request, since what the user may do is not known: {error}");
                plain(
                    StatusCode::SERVICE_UNAVAILABLE,
                    "It is not known just now whether you may do this. Please try again.\n",
                )
            }
        }
    }
}

impl IntoResponse for Redirect {
    fn into_response(self) -> Response {
        let Ok(location) = HeaderValue::try_from(self.location) else {
            tracing::error!("The provider's metadata hold an address that is no URL");
            return plain(StatusCode::BAD_GATEWAY, "The sign-in service cannot be used.\n");
        };
        let headers =
            [(header::LOCATION, location), (header::CACHE_CONTROL, HeaderValue::from_static("no-store"))];
        with_cookies((StatusCode::SEE_OTHER, headers).into_response(), self.set_cookies)
    }
}

fn not_attached() -> Response {
    tracing::error!("A handler wants a User, but its route was added after Login::attach: attach last");
    plain(StatusCode::INTERNAL_SERVER_ERROR, "This page is not set up correctly.\n")
}

/// A page about `error`; the cause goes to the log.
fn error_page(login: &Login, error: &Error, return_to: &str, login_id: Option<&str>) -> Response {
    log(error);
    let (status, title) = match (error, error.kind()) {
        (Error::NotANavigation, _) => (StatusCode::FORBIDDEN, "This is not a way to sign in"),
        (Error::NoAnswer, _) => (StatusCode::SERVICE_UNAVAILABLE, "One moment, please"),
        (Error::Callback(CallbackError::UnknownState), _) => (StatusCode::BAD_REQUEST, "Please start again"),
        (_, ErrorKind::User) => (StatusCode::FORBIDDEN, "You are not signed in"),
        (_, ErrorKind::TryAgain) => (StatusCode::SERVICE_UNAVAILABLE, "That did not work"),
        (_, ErrorKind::Provider) => (StatusCode::BAD_GATEWAY, "The sign-in failed"),
        (_, ErrorKind::Operator) => (StatusCode::INTERNAL_SERVER_ERROR, "The sign-in is not set up"),
    };
    let login_path = login.login_path(return_to);
    let action = match error {
        Error::NoAnswer => Action::Link { text: "Try again", href: return_to },
        _ => Action::Link { text: "Sign in", href: &login_path },
    };
    answer(login, status, &Page { title, text: error.advice(), action, error: Some(error), login_id })
}

/// One line for the operator, who alone reads the cause.
fn log(error: &Error) {
    match error.kind() {
        ErrorKind::Operator => tracing::error!(%error, "A setting stops people from signing in: {error}"),
        ErrorKind::Provider => tracing::error!(%error, "The provider's answer was refused: {error}"),
        ErrorKind::TryAgain => tracing::warn!(%error, "Something got in the way of a sign-in: {error}"),
        ErrorKind::User => tracing::info!(%error, "A sign-in was not completed: {error}"),
    }
}

/// `page` in the application's look, or in the plain one, with what every page of ours must have.
fn answer(login: &Login, status: StatusCode, page: &Page<'_>) -> Response {
    let mut response = match &login.settings().pages {
        Some(render) => render(*page),
        None => {
            let headers = [
                (header::CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8")),
                (
                    header::CONTENT_SECURITY_POLICY,
                    HeaderValue::from_str(&page::POLICY).expect("base64 and our own words are visible ASCII"),
                ),
            ];
            (headers, page::html(page)).into_response()
        }
    };
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    if status == StatusCode::SERVICE_UNAVAILABLE {
        headers.insert(header::RETRY_AFTER, RETRY_AFTER_SECONDS);
    }
    for (name, value) in [
        (
            header::CONTENT_SECURITY_POLICY,
            "default-src 'none'; style-src 'self'; img-src 'self'; font-src 'self'; base-uri 'none'; frame-ancestors 'none'",
        ),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        // The callback's address holds a code.
        (header::REFERRER_POLICY, "same-origin"),
        (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    ] {
        headers.entry(name).or_insert(HeaderValue::from_static(value));
    }
    response
}

fn with_cookies(mut response: Response, set_cookies: Vec<HeaderValue>) -> Response {
    for cookie in set_cookies {
        response.headers_mut().append(header::SET_COOKIE, cookie);
    }
    response
}

fn json(status: StatusCode, body: &'static str) -> Response {
    text(status, "application/json", body)
}

fn plain(status: StatusCode, body: &'static str) -> Response {
    text(status, "text/plain; charset=utf-8", body)
}

fn text(status: StatusCode, content_type: &'static str, body: &'static str) -> Response {
    let headers = [
        (header::CONTENT_TYPE, content_type),
        (header::CACHE_CONTROL, "no-store"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ];
    let mut response = (status, headers, Body::from(body)).into_response();
    if status == StatusCode::SERVICE_UNAVAILABLE {
        response.headers_mut().insert(header::RETRY_AFTER, RETRY_AFTER_SECONDS);
    }
    response
}
