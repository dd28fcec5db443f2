//! An application, and a browser in front of it.

use std::{
    sync::{Arc, Mutex},
    time::{Duration, SystemTime},
};

use authmachine_client::{Algorithm, Denied, Login, LoginBuilder, Step, TokenStatus, User, require};
use axum::{
    Router,
    body::Body,
    extract::Path,
    routing::{get, post},
};
use http::{HeaderMap, HeaderValue, Request, StatusCode, header};
use http_body_util::BodyExt as _;
use tower::ServiceExt as _;

use crate::op::{CLIENT_ID, CLIENT_SECRET, ISSUER, Op, START};

pub(crate) const PUBLIC_URL: &str = "https://app.example";

/// An application at a scripted provider, with one browser.
pub(crate) struct App {
    pub(crate) op: Op,
    pub(crate) login: Login,
    pub(crate) steps: Arc<Mutex<Vec<Step>>>,
    pub(crate) browser: Browser,
}

impl App {
    pub(crate) fn new() -> Self {
        Self::with(|builder| builder)
    }

    pub(crate) fn with(change: impl FnOnce(LoginBuilder) -> LoginBuilder) -> Self {
        Self::at(Op::new(), change)
    }

    pub(crate) fn at(op: Op, change: impl FnOnce(LoginBuilder) -> LoginBuilder) -> Self {
        let steps: Arc<Mutex<Vec<Step>>> = Arc::default();
        let (clock, noted) = (op.clone(), Arc::clone(&steps));
        let builder = Login::builder(ISSUER, CLIENT_ID)
            .client_secret(CLIENT_SECRET)
            .public_url(PUBLIC_URL)
            .session_key("k".repeat(32))
            .id_token_alg(Algorithm::ES256)
            .http_client(op.clone())
            .observer(move |step| noted.lock().expect("a list").push(step))
            .clock(move || SystemTime::UNIX_EPOCH + Duration::from_secs(clock.script().now.unsigned_abs()));
        let login = change(builder).build().expect("legal settings");
        let browser = Browser::new(login.attach(routes()));
        Self { op, login, steps, browser }
    }

    /// Goes to `/login` and to the provider; gives the query to come back with.
    pub(crate) async fn begin(&mut self, path: &str) -> String {
        let answer = self.browser.open(path).await;
        assert_eq!(answer.status, StatusCode::SEE_OTHER, "{}", answer.body);
        self.op.authorize(answer.location())
    }

    /// Comes back from the provider.
    pub(crate) async fn come_back(&mut self, query: &str) -> Answer {
        self.browser.open_from("cross-site", &format!("/oidc-callback?{query}")).await
    }

    /// A sign-in from end to end, whatever comes of it.
    pub(crate) async fn try_sign_in(&mut self) -> Answer {
        let query = self.begin("/login").await;
        self.come_back(&query).await
    }

    pub(crate) async fn sign_in(&mut self) {
        let answer = self.try_sign_in().await;
        assert_eq!((answer.status, answer.location()), (StatusCode::SEE_OTHER, "/"), "{}", answer.body);
    }

    /// What `/` says.
    pub(crate) async fn home(&mut self) -> String {
        self.browser.open("/").await.body
    }

    pub(crate) fn wait(&self, seconds: i64) {
        self.op.script().now += seconds;
    }

    pub(crate) fn seconds_since_start(&self) -> i64 {
        self.op.script().now - START
    }

    /// Whoever is not signed in, and has no cookie that says so.
    pub(crate) async fn assert_signed_out(&mut self, why: &str) {
        assert!(!self.browser.has("-session"), "{why}");
        assert_eq!(self.home().await, "nobody", "{why}");
    }
}

fn routes() -> Router {
    async fn home(user: Option<User>) -> String {
        user.map_or("nobody".to_owned(), |user| format!("{} {:?}", user.name(), user.token_status()))
    }
    async fn edit(user: User) -> Result<&'static str, Denied> {
        user.require("write", "object1").await?;
        Ok("edited")
    }
    async fn edit_any(user: User, Path(object): Path<String>) -> Result<String, Denied> {
        user.require("write", &object).await?;
        Ok(user.permissions_on(&object).await?.join(" "))
    }
    async fn twice(_: User, user: User, again: Option<User>) -> String {
        let same = again.is_some_and(|again| again.login_id() == user.login_id());
        format!("{same} {}", user.token_status() == TokenStatus::Alive)
    }
    Router::new()
        .route("/", get(home))
        .route("/private", get(async |user: User| format!("private page of {}", user.subject())))
        .route("/form", post(async |_: User| "sent"))
        .route("/edit", get(edit))
        .route("/edit/{object}", get(edit_any))
        .merge(
            Router::new().route("/layered", get(async || "edited")).route_layer(require("write", "object1")),
        )
        .route("/twice", get(twice))
        .route("/public", get(async || "anybody"))
        .fallback(async |user: Option<User>| (StatusCode::NOT_FOUND, format!("{}", user.is_some())))
}

pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: String,
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().expect("ASCII"))
    }

    pub(crate) fn location(&self) -> &str {
        self.header("location")
    }
}

#[derive(Clone)]
struct Cookie {
    name: String,
    value: String,
    path: String,
}

/// Keeps cookies as browsers do, and says how each request came about (Fetch Metadata).
#[derive(Clone)]
pub(crate) struct Browser {
    router: Router,
    cookies: Vec<Cookie>,
}

impl Browser {
    pub(crate) fn new(router: Router) -> Self {
        Self { router, cookies: Vec::new() }
    }

    /// The same cookies, elsewhere.
    pub(crate) fn with_cookies_of(mut self, other: &Self) -> Self {
        self.cookies.clone_from(&other.cookies);
        self
    }

    pub(crate) fn has(&self, name: &str) -> bool {
        self.cookies.iter().any(|cookie| cookie.name.contains(name))
    }

    /// All values of cookies, in one text.
    pub(crate) fn cookie_values(&self) -> String {
        self.cookies.iter().map(|cookie| cookie.value.as_str()).collect()
    }

    /// Names and lengths of what is sent to `path`.
    pub(crate) fn sent_to(&self, path: &str) -> Vec<(&str, usize)> {
        let sent = self.cookies.iter().filter(|cookie| cookie.path == "/" || cookie.path == path);
        sent.map(|cookie| (cookie.name.as_str(), cookie.name.len() + 1 + cookie.value.len())).collect()
    }

    /// A page load, by a link of the application's own.
    pub(crate) async fn open(&mut self, path: &str) -> Answer {
        self.open_from("same-origin", path).await
    }

    /// A page load, by a link on another site.
    pub(crate) async fn open_from(&mut self, site: &str, path: &str) -> Answer {
        self.send(
            "GET",
            path,
            &[("sec-fetch-site", site), ("sec-fetch-mode", "navigate"), ("sec-fetch-dest", "document")],
        )
        .await
    }

    /// A script asks.
    pub(crate) async fn fetch(&mut self, path: &str) -> Answer {
        self.send(
            "GET",
            path,
            &[("sec-fetch-site", "same-origin"), ("sec-fetch-mode", "cors"), ("sec-fetch-dest", "empty")],
        )
        .await
    }

    /// A form is sent.
    pub(crate) async fn submit_from(&mut self, site: &str, path: &str) -> Answer {
        self.send(
            "POST",
            path,
            &[("sec-fetch-site", site), ("sec-fetch-mode", "navigate"), ("sec-fetch-dest", "document")],
        )
        .await
    }

    pub(crate) async fn send(&mut self, method: &str, path: &str, headers: &[(&str, &str)]) -> Answer {
        let mut request = Request::builder().method(method).uri(path);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let route = path.split('?').next().unwrap_or_default();
        let pairs: Vec<_> = self
            .cookies
            .iter()
            .filter(|cookie| cookie.path == "/" || cookie.path == route)
            .map(|cookie| format!("{}={}", cookie.name, cookie.value))
            .collect();
        if !pairs.is_empty() {
            request = request.header(header::COOKIE, pairs.join("; "));
        }
        let request = request.body(Body::empty()).expect("a request");
        let (head, body) = self.router.clone().oneshot(request).await.expect("no error").into_parts();
        for line in head.headers.get_all(header::SET_COOKIE) {
            self.keep(line);
        }
        let body = body.collect().await.expect("a body").to_bytes();
        Answer {
            status: head.status,
            headers: head.headers,
            body: String::from_utf8(body.to_vec()).expect("UTF-8"),
        }
    }

    fn keep(&mut self, line: &HeaderValue) {
        let line = line.to_str().expect("ASCII");
        assert!(line.len() <= 4_096, "browsers drop it");
        assert!(line.contains("; Secure; HttpOnly; SameSite=Lax"), "{line}");
        let mut parts = line.split("; ");
        let (name, value) = parts.next().and_then(|pair| pair.split_once('=')).expect("a pair");
        let attributes: Vec<_> = parts.collect();
        let path = attributes.iter().find_map(|a| a.strip_prefix("Path=")).expect("a path").to_owned();
        self.cookies.retain(|cookie| (cookie.name.as_str(), &cookie.path) != (name, &path));
        if !attributes.contains(&"Max-Age=0") {
            self.cookies.push(Cookie { name: name.to_owned(), value: value.to_owned(), path });
        }
    }
}
