//! The server under test: the real router, called in process.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use authmachine_jose::{Algorithm, JwkSet};
use authmachine_provider::event::{Event, EventKind};
use authmachine_provider::ids::Kind;
use authmachine_provider::user::User;
use authmachine_server::{App, Issuer, Settings};
use authmachine_store::{Marker, Purge, Store, StoreError, Tx};
use axum::Router;
use axum::body::Body;
use axum::extract::ConnectInfo;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, header};
use http_body_util::BodyExt as _;
use serde_json::{Map, Value};
use tower::ServiceExt as _;

use crate::answer::Answer;
use crate::browser::Browser;
use crate::client::ClientBuilder;
use crate::clock::TestClock;
use crate::database::{Database, Rows};
use crate::engine::Engine;
use crate::user::UserBuilder;
use crate::{keys, logs};

/// The issuer, unless a test sets another: behind a proxy that speaks https.
pub const ISSUER: &str = "https://id.example";
/// Where requests come from, unless a test says otherwise.
const PEER: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));

/// A server of a test's own. Cheap to clone.
#[derive(Clone)]
pub struct TestServer(Arc<Inner>);

struct Inner {
    app: App,
    router: Router,
    clock: TestClock,
    log_start: usize,
    /// Secrets that went by.
    secrets: Mutex<BTreeSet<String>>,
    /// Dropped last, when nobody uses it any more.
    database: Arc<Database>,
}

impl TestServer {
    /// Starts a server with the default settings, on the engine of the test.
    pub async fn start() -> Self {
        Self::start_with(|_| {}).await
    }

    /// Starts a server with other settings.
    pub async fn start_with(change: impl FnOnce(&mut Settings)) -> Self {
        let log_start = logs::begin();
        let clock = TestClock::default();
        let database = Arc::new(Database::make(Engine::current()));
        let store = database.open();
        let insert_keys =
            |tx: &mut Tx| keys::signing_keys().iter().try_for_each(|key| tx.insert_signing_key(key));
        store.write(deadline(), insert_keys).await.expect("an empty store takes keys");
        let mut settings = Settings::new(Issuer::parse(ISSUER).expect("an issuer"));
        change(&mut settings);
        Self::start_on(settings, store, database, clock, log_start).await
    }

    async fn start_on(
        settings: Settings,
        store: Store,
        database: Arc<Database>,
        clock: TestClock,
        log_start: usize,
    ) -> Self {
        let app =
            App::start(settings, store, &keys::MASTER_KEY, clock.clock()).await.expect("the server starts");
        look(&app.store).await;
        let router = authmachine_server::router(&app);
        Self(Arc::new(Inner { app, router, clock, log_start, secrets: Mutex::default(), database }))
    }

    /// Another node: a server with connections, caches and counters of its own on the same database and clock (PostgreSQL).
    pub async fn second_node(&self) -> Self {
        let (settings, database) = (self.app().settings.clone(), self.0.database.clone());
        let store = database.open();
        Self::start_on(settings, store, database, self.clock().clone(), self.0.log_start).await
    }

    /// What handlers have at hand.
    pub fn app(&self) -> &App {
        &self.0.app
    }

    /// The store.
    pub fn store(&self) -> &Store {
        &self.0.app.store
    }

    /// The clock.
    pub fn clock(&self) -> &TestClock {
        &self.0.clock
    }

    /// The issuer.
    pub fn issuer(&self) -> &str {
        self.0.app.settings.issuer.as_str()
    }

    /// Writes to the store, past the server.
    pub async fn write<T: Send + 'static>(
        &self,
        unit: impl Fn(&mut Tx) -> Result<T, StoreError> + Send + 'static,
    ) -> T {
        self.store().write(deadline(), unit).await.expect("the store takes what a test writes")
    }

    /// An id for a row.
    pub(crate) fn row_id(&self) -> i64 {
        self.0.app.ids.next(Kind::Row, self.clock().now())
    }

    /// A request to be sent.
    pub fn request(&self, method: Method, target: &str) -> RequestBuilder {
        RequestBuilder {
            server: self.clone(),
            method,
            target: target.to_owned(),
            headers: HeaderMap::new(),
            body: Vec::new(),
            peer: PEER,
        }
    }

    /// A GET.
    pub fn get(&self, target: &str) -> RequestBuilder {
        self.request(Method::GET, target)
    }

    /// A POST.
    pub fn post(&self, target: &str) -> RequestBuilder {
        self.request(Method::POST, target)
    }

    /// A browser that was never here.
    pub fn browser(&self) -> Browser {
        Browser::new(self.clone())
    }

    /// A client to be registered under this `client_id`.
    pub fn client(&self, client_id: &str) -> ClientBuilder {
        ClientBuilder::new(self.clone(), client_id)
    }

    /// A user to be made under this name, with [`PASSWORD`](crate::PASSWORD).
    pub fn user(&self, username: &str) -> UserBuilder {
        UserBuilder::new(self.clone(), username)
    }

    /// The user as they are now.
    pub async fn find_user(&self, username: &str) -> Option<User> {
        let username = username.to_owned();
        self.store().read(move |reads| reads.find_user_by_login(&username)).await.expect("the store answers")
    }

    /// Takes away what signs with `algorithm`, as in an installation that never had it.
    pub async fn drop_key(&self, algorithm: Algorithm) {
        let now = self.clock().now();
        self.write(move |tx| {
            let keys = tx.list_signing_keys()?;
            let key = keys.iter().find(|key| key.algorithm == algorithm).expect("there is one");
            tx.retire_signing_key(&key.kid, now, now)
        })
        .await;
        self.reload().await;
    }

    /// Loads keys and clients again, as the server does by itself when they have changed.
    pub async fn reload(&self) {
        look(self.store()).await;
        self.app().reload().await.expect("keys and clients can be loaded");
    }

    /// The claims of a token that a published key has signed.
    pub async fn verify(&self, token: &str) -> Map<String, Value> {
        let keys = self.get("/oidc/jwks").send().await;
        let keys = JwkSet::parse(keys.text()).expect("a key set");
        authmachine_jose::verify(token, &keys, &Algorithm::ALL)
            .expect("a published key has signed it")
            .payload
    }

    /// Handlers that panicked.
    pub fn panics(&self) -> u64 {
        self.metric("authmachine_panics_total")
    }

    /// The value of a metric.
    pub fn metric(&self, name: &str) -> u64 {
        let page = self.app().metrics.render(&self.store().stats());
        let line = page.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        line.and_then(|value| value.parse().ok())
            .unwrap_or_else(|| panic!("there is a metric {name}:\n{page}"))
    }

    /// Removes what is over, as the server's job does in time, in small steps.
    pub async fn purge(&self) {
        let now = self.clock().now();
        for what in Purge::ALL {
            while !self.write(move |tx| tx.purge(what, now, 10)).await.is_last {}
        }
    }

    /// The events so far, oldest first.
    pub async fn events(&self) -> Vec<Event> {
        self.store().read(|reads| reads.list_events(None, 1_000)).await.expect("the store answers")
    }

    /// How many events of a kind there are.
    pub async fn count_events(&self, kind: EventKind) -> usize {
        self.events().await.iter().filter(|event| event.kind == kind).count()
    }

    /// Every row, read past the store.
    pub fn rows(&self) -> Rows {
        self.0.database.rows()
    }

    /// Every row that says who may do what: what a refusal leaves as it was. Counts of tries, events and last-used times are not.
    pub fn state(&self) -> Rows {
        let mut rows = self.rows();
        for table in ["throttles", "events", "counters"] {
            rows.remove(table);
        }
        rows
    }

    /// Cuts the database off (PostgreSQL).
    pub fn cut_database(&self) {
        self.0.database.cut();
    }

    /// Lets the database be reached again.
    pub fn mend_database(&self) {
        self.0.database.mend();
    }

    /// What was logged since the server started, by this test and those beside it.
    pub fn log(&self) -> Vec<String> {
        logs::since(self.0.log_start)
    }

    /// Notes a secret that must not stand in the log. Those in requests and answers are noted by themselves.
    pub fn note_secret(&self, secret: &str) {
        // Shorter ones are words that a log may well have for another reason.
        if secret.len() >= 16 {
            self.0.secrets.lock().unwrap_or_else(PoisonError::into_inner).insert(secret.to_owned());
        }
    }

    /// The secrets noted so far.
    pub fn secrets(&self) -> BTreeSet<String> {
        self.0.secrets.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn note_secrets_of_form(&self, form: &[u8]) {
        const NAMES: [&str; 12] = [
            "id_token",
            "client_secret",
            "client_assertion",
            "password",
            "current_password",
            "new_password",
            "code",
            "code_verifier",
            "refresh_token",
            "access_token",
            "token",
            "csrf",
        ];
        for (name, value) in url::form_urlencoded::parse(form) {
            if NAMES.contains(&name.as_ref()) {
                self.note_secret(&value);
            }
        }
    }

    fn note_secrets_of_answer(&self, answer: &Answer) {
        for cookie in answer.headers.get_all(header::SET_COOKIE) {
            let pair = cookie.to_str().unwrap_or_default().split(';').next().unwrap_or_default();
            self.note_secret(pair.split_once('=').unwrap_or_default().1);
        }
        if let Some(location) = answer.headers.get(header::LOCATION).and_then(|value| value.to_str().ok()) {
            for part in location.split(['?', '#']).skip(1) {
                self.note_secrets_of_form(part.as_bytes());
            }
            self.note_secret(location.strip_prefix("/interaction/").unwrap_or_default());
        }
        if let Some(form) = answer.form_post() {
            let fields = form.fields.iter().map(|(name, value)| (name.as_str(), value.as_str()));
            self.note_secrets_of_form(authmachine_protocol::form::encode(fields).as_bytes());
        }
        if let Ok(Value::Object(body)) = serde_json::from_slice(&answer.body) {
            for name in
                ["access_token", "refresh_token", "id_token", "client_secret", "registration_access_token"]
            {
                self.note_secret(body.get(name).and_then(Value::as_str).unwrap_or_default());
            }
        }
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        if std::thread::panicking() {
            return;
        }
        let metrics = self.app.metrics.render(&self.app.store.stats());
        assert!(metrics.contains("\nauthmachine_panics_total 0\n"), "a handler panicked");
        let secrets = self.secrets.get_mut().unwrap_or_else(PoisonError::into_inner);
        if let Some((secret, record)) = logs::find_since(self.log_start, &*secrets) {
            panic!("checklist LG1: the secret «{secret}» stands in the log: {record}");
        }
    }
}

/// Looks at the changes, as a server does four times a second: from now on clients may be had from memory.
async fn look(store: &Store) {
    store.changed_since(&mut Marker::default()).await.expect("the database answers");
}

/// A unit of work of a test waits this long for its turn.
fn deadline() -> Instant {
    Instant::now() + Duration::from_secs(10)
}

/// A request to the server.
#[must_use]
#[derive(Clone)]
pub struct RequestBuilder {
    server: TestServer,
    method: Method,
    target: String,
    headers: HeaderMap,
    body: Vec<u8>,
    peer: IpAddr,
}

impl RequestBuilder {
    /// Adds a header, beside others of that name.
    pub fn header(mut self, name: &str, value: &str) -> Self {
        let name = HeaderName::try_from(name).expect("a header's name");
        self.headers.append(name, HeaderValue::from_bytes(value.as_bytes()).expect("a header's value"));
        self
    }

    /// `Authorization: Bearer …`.
    pub fn bearer(self, token: &str) -> Self {
        self.header("authorization", &format!("Bearer {token}"))
    }

    /// A form as the body.
    pub fn form(self, fields: &[(&str, &str)]) -> Self {
        let form = authmachine_protocol::form::encode(fields.iter().copied());
        self.body("application/x-www-form-urlencoded", form)
    }

    /// A JSON body.
    pub fn json(self, body: &Value) -> Self {
        self.body("application/json", body.to_string())
    }

    /// A body.
    pub fn body(mut self, content_type: &str, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        self.header("content-type", content_type)
    }

    /// Lets the request come from another address.
    pub fn from(mut self, address: &str) -> Self {
        self.peer = address.parse().expect("an address");
        self
    }

    /// Sends it.
    pub async fn send(self) -> Answer {
        let Self { server, method, target, headers, body, peer } = self;
        server.note_secrets_of_form(&body);
        if let Some(authorization) = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok())
        {
            server.note_secret(authorization.split_once(' ').unwrap_or_default().1);
        }
        let mut request = Request::new(Body::from(body));
        *request.method_mut() = method;
        *request.uri_mut() = target.parse().unwrap_or_else(|_| panic!("{target} is a request target"));
        *request.headers_mut() = headers;
        if !request.headers().contains_key(header::HOST) {
            request.headers_mut().insert(header::HOST, HeaderValue::from_static("id.example"));
        }
        request.extensions_mut().insert(ConnectInfo(SocketAddr::new(peer, 40_000)));
        let Ok(response) = server.0.router.clone().oneshot(request).await;
        let (parts, body) = response.into_parts();
        let body = body.collect().await.expect("bodies of ours do not fail").to_bytes();
        let answer = Answer { status: parts.status, headers: parts.headers, body };
        server.note_secrets_of_answer(&answer);
        answer
    }
}

/// The query of an address, decoded; each name is there once.
///
/// # Panics
/// When one is repeated.
pub fn query(address: &str) -> BTreeMap<String, String> {
    let address = address.split_once('#').map_or(address, |(address, _)| address);
    decoded(address, address.split_once('?').unwrap_or_default().1)
}

/// The fragment of an address, decoded as a query is.
///
/// # Panics
/// When a name is repeated.
pub fn fragment(address: &str) -> BTreeMap<String, String> {
    decoded(address, address.split_once('#').unwrap_or_default().1)
}

fn decoded(address: &str, text: &str) -> BTreeMap<String, String> {
    let mut all = BTreeMap::new();
    for (name, value) in url::form_urlencoded::parse(text.as_bytes()) {
        let before = all.insert(name.to_string(), value.into_owned());
        assert!(before.is_none(), "{name} is there once in {address}");
    }
    all
}
