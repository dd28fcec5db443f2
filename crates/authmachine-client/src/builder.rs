//! Settings: from the environment or call by call, checked once, in [`LoginBuilder::build`].

use std::{
    fmt,
    sync::Arc,
    time::{Duration, SystemTime},
};

use authmachine_jose::{Algorithm, SigningKey, SigningKeyError};
use authmachine_protocol::{ClientAuthMethod, Scopes, Timestamp, redirect_uri};
use url::Url;
use zeroize::Zeroizing;

use crate::{
    Error, Login,
    clock::Clock,
    cookies::Cookies,
    env::Variables,
    flow::RequestSettings,
    http_client::{self, HttpClient},
    observer::{Observer, Step},
};

const MIN_SESSION_KEY_BYTES: usize = 32;
/// How long an answer about permissions may be used again by default.
pub(crate) const PERMISSION_CACHE: Duration = Duration::from_secs(1);

/// A secret that no log shows.
#[derive(Clone)]
pub(crate) struct Secret(Zeroizing<String>);

impl Secret {
    pub(crate) fn new(text: String) -> Self {
        Self(Zeroizing::new(text))
    }

    pub(crate) fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

/// Where the application's own routes for signing in and out are.
#[derive(Clone, Debug)]
pub(crate) struct Paths {
    pub(crate) login: String,
    pub(crate) callback: String,
    pub(crate) logout: String,
    pub(crate) logout_callback: String,
}

#[cfg(feature = "axum")]
pub(crate) type Pages = Arc<dyn Fn(crate::Page<'_>) -> axum::response::Response + Send + Sync>;

/// What client assertions are signed with.
#[derive(Clone)]
pub(crate) struct ClientKey {
    key: Arc<SigningKey>,
    /// Whether the provider knows it by its `kid`.
    is_named: bool,
}

impl ClientKey {
    /// A client assertion for the provider `issuer` (RFC 7523 §3), good for a minute.
    pub(crate) fn assertion(&self, client_id: &str, issuer: &str, now: Timestamp) -> Result<String, Error> {
        let claims = serde_json::json!({
            "iss": client_id,
            "sub": client_id,
            "aud": issuer,
            "jti": crate::random::text(16),
            "iat": now.seconds(),
            "exp": now.seconds() + 60,
        });
        let claims = claims.to_string();
        let sign = if self.is_named { SigningKey::sign } else { SigningKey::sign_nameless };
        sign(&self.key, Some("JWT"), claims.as_bytes())
            .map_err(|e| Error::Config(format!("the client key cannot sign: {e}")))
    }
}

/// Settings that have been checked.
pub(crate) struct Settings {
    /// As configured, without a slash at its end.
    pub(crate) issuer: String,
    pub(crate) request: RequestSettings,
    pub(crate) client_secret: Option<Secret>,
    pub(crate) client_auth: Option<ClientAuthMethod>,
    pub(crate) client_key: Option<ClientKey>,
    pub(crate) api_token: Option<Secret>,
    pub(crate) id_token_algorithm: Algorithm,
    /// An origin, such as `https://app.example`.
    pub(crate) public_url: String,
    /// Its host and port.
    pub(crate) local_address: String,
    pub(crate) paths: Paths,
    pub(crate) session_life: Duration,
    pub(crate) token_check_cache: Duration,
    pub(crate) token_check: bool,
    pub(crate) permission_cache: Duration,
    pub(crate) observer: Option<Arc<dyn Observer>>,
    #[cfg(feature = "axum")]
    pub(crate) pages: Option<Pages>,
    pub(crate) clock: Clock,
}

impl Settings {
    pub(crate) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    pub(crate) fn own_url(&self, path: &str) -> String {
        format!("{}{path}", self.public_url)
    }

    /// Hands a step to the observer, if there is one.
    pub(crate) fn step(&self, login_id: &str, kind: crate::StepKind, fill: impl FnOnce(&mut Step)) {
        if let Some(observer) = &self.observer {
            let mut step = Step {
                login_id: login_id.to_owned(),
                at: self.clock.time(),
                kind,
                request: None,
                response: None,
                token: None,
                checks: Vec::new(),
            };
            fill(&mut step);
            observer.step(step);
        }
    }
}

/// Settings of a [`Login`]; see [`Login::builder`].
#[derive(Clone)]
#[must_use = "a builder does nothing until `build`"]
pub struct LoginBuilder {
    issuer: String,
    client_id: String,
    client_secret: Option<Secret>,
    client_auth: Option<ClientAuthMethod>,
    client_key: Option<Result<ClientKey, SigningKeyError>>,
    public_url: Option<String>,
    scope: String,
    objects: Vec<String>,
    api_token: Option<Secret>,
    session_keys: Vec<Secret>,
    id_token_algorithm: Algorithm,
    paths: Paths,
    session_life: Duration,
    token_check_cache: Duration,
    token_check: bool,
    permission_cache: Duration,
    plain_http_issuer: bool,
    plain_http_public_url: bool,
    http: Option<Arc<dyn HttpClient>>,
    observer: Option<Arc<dyn Observer>>,
    #[cfg(feature = "axum")]
    pages: Option<Pages>,
    clock: Clock,
}

impl LoginBuilder {
    pub(crate) fn new(issuer: impl Into<String>, client_id: impl Into<String>) -> Self {
        Self {
            issuer: issuer.into(),
            client_id: client_id.into(),
            client_secret: None,
            client_auth: None,
            client_key: None,
            public_url: None,
            scope: "openid email profile".to_owned(),
            objects: Vec::new(),
            api_token: None,
            session_keys: Vec::new(),
            id_token_algorithm: Algorithm::RS256,
            paths: Paths {
                login: "/login".to_owned(),
                callback: "/oidc-callback".to_owned(),
                logout: "/logout".to_owned(),
                logout_callback: "/oidc-logout-callback".to_owned(),
            },
            session_life: Duration::from_secs(12 * 60 * 60),
            token_check_cache: Duration::ZERO,
            token_check: true,
            permission_cache: PERMISSION_CACHE,
            plain_http_issuer: false,
            plain_http_public_url: false,
            http: None,
            observer: None,
            #[cfg(feature = "axum")]
            pages: None,
            clock: Clock::default(),
        }
    }

    /// Settings from the environment, and from a `.env` file in the current folder for what is not there.
    ///
    /// | variable | meaning |
    /// |---|---|
    /// | `AUTHMACHINE_URL` | the provider's issuer, with or without a slash at its end |
    /// | `AUTHMACHINE_CLIENT_ID` | client id |
    /// | `AUTHMACHINE_CLIENT_SECRET` | client secret; without it this is a public client |
    /// | `AUTHMACHINE_SCOPE` | scopes; default `openid email profile` |
    /// | `AUTHMACHINE_OBJECTS` | objects whose permissions to ask for, separated by commas; default none |
    /// | `AUTHMACHINE_API_TOKEN` | for [`Login::permissions_api`] |
    /// | `AUTHMACHINE_SESSION_KEY` | seals the session cookie: 32 characters at least, kept secret. Several, separated by commas: the first seals, all open. Default: random at each start |
    /// | `AUTHMACHINE_ID_TOKEN_ALG` | the algorithm that this client is registered for; default `RS256` |
    /// | `PUBLIC_URL` | where browsers find this application; default `http://localhost:5000`, or the port in `PORT` |
    ///
    /// # Errors
    /// [`Error::Config`] names what is missing.
    pub fn from_env() -> Result<Self, Error> {
        let variables =
            Variables::read().map_err(|e| Error::Config(format!("cannot read the file .env: {e}")))?;
        Self::from_variables(|name| variables.get(name))
    }

    fn from_variables(get: impl Fn(&str) -> Option<String>) -> Result<Self, Error> {
        let need = |name: &str, what: &str| {
            get(name).ok_or_else(|| {
                Error::Config(format!(
                    "{name} is missing: set it to {what}, in the environment or in a file .env"
                ))
            })
        };
        let mut builder = Self::new(
            need("AUTHMACHINE_URL", "the provider's issuer, such as https://login.example")?,
            need("AUTHMACHINE_CLIENT_ID", "the client id that the provider gave this application")?,
        );
        builder.public_url = Some(match (get("PUBLIC_URL"), get("PORT")) {
            (Some(url), _) => url,
            (None, None) => "http://localhost:5000".to_owned(),
            (None, Some(port)) if port.parse::<u16>().is_ok_and(|port| port != 0) => {
                format!("http://localhost:{port}")
            }
            (None, Some(port)) => {
                return Err(Error::Config(format!("PORT is {port:?}: it must be a number from 1 to 65535")));
            }
        });
        builder.client_secret = get("AUTHMACHINE_CLIENT_SECRET").map(Secret::new);
        builder.api_token = get("AUTHMACHINE_API_TOKEN").map(Secret::new);
        if let Some(scope) = get("AUTHMACHINE_SCOPE") {
            builder = builder.scope(scope);
        }
        if let Some(objects) = get("AUTHMACHINE_OBJECTS") {
            builder = builder.objects(objects.split(',').map(str::trim).filter(|code| !code.is_empty()));
        }
        for key in get("AUTHMACHINE_SESSION_KEY").iter().flat_map(|keys| keys.split(',')) {
            builder = builder.session_key(key.trim());
        }
        if let Some(name) = get("AUTHMACHINE_ID_TOKEN_ALG") {
            let algorithm = name
                .parse()
                .map_err(|e| Error::Config(format!("AUTHMACHINE_ID_TOKEN_ALG is {name:?}: {e}")))?;
            builder = builder.id_token_alg(algorithm);
        }
        Ok(builder)
    }

    /// The client secret. Without one this is a public client.
    pub fn client_secret(mut self, secret: impl Into<String>) -> Self {
        self.client_secret = Some(Secret::new(secret.into()));
        self
    }

    /// How the client proves itself; by default `client_secret_basic` where the provider takes it (as OIDC Discovery §3
    /// has it), else `client_secret_post`.
    pub fn client_auth(mut self, method: ClientAuthMethod) -> Self {
        self.client_auth = Some(method);
        self
    }

    /// In place of a secret: a private key whose public half the provider knows (`private_key_jwt`, RFC 7523), unencrypted PKCS#8 in
    /// PEM, as `openssl genpkey` writes it. `kid` is the name that the provider knows it by, if it does.
    pub fn client_key(mut self, algorithm: Algorithm, kid: Option<&str>, pem: &str) -> Self {
        let key = SigningKey::from_pem(algorithm, kid.unwrap_or_default(), pem);
        self.client_secret = None;
        self.client_key = Some(key.map(|key| ClientKey { key: Arc::new(key), is_named: kid.is_some() }));
        self
    }

    /// Where browsers find this application: an origin, such as `https://app.example`. The redirect URI is made from
    /// it, never from a request.
    pub fn public_url(mut self, url: impl Into<String>) -> Self {
        self.public_url = Some(url.into());
        self
    }

    /// Scopes; `openid` is added if it is missing. Default: `openid email profile`.
    pub fn scope(mut self, scope: impl Into<String>) -> Self {
        self.scope = scope.into();
        self
    }

    /// Objects whose permissions to ask for at login; see [`User::permissions`](crate::User::permissions).
    pub fn objects<I: IntoIterator<Item: Into<String>>>(mut self, codes: I) -> Self {
        self.objects = codes.into_iter().map(Into::into).collect();
        self
    }

    /// The token for [`Login::permissions_api`].
    pub fn api_token(mut self, token: impl Into<String>) -> Self {
        self.api_token = Some(Secret::new(token.into()));
        self
    }

    /// A key that seals cookies: 32 characters at least, random, kept secret. The first one given seals; all open,
    /// so that a key can be changed without signing anybody out. Without any, each start makes one of its own.
    pub fn session_key(mut self, key: impl Into<String>) -> Self {
        self.session_keys.push(Secret::new(key.into()));
        self
    }

    /// The algorithm that this client's ID tokens are signed with, as registered. Default: RS256.
    pub fn id_token_alg(mut self, algorithm: Algorithm) -> Self {
        self.id_token_algorithm = algorithm;
        self
    }

    /// How long a session lasts at most. Default: 12 hours.
    pub fn session_life(mut self, life: Duration) -> Self {
        self.session_life = life;
        self
    }

    /// How long an answer that the access token holds is believed. Default: not at all, so that a logout elsewhere
    /// shows at the next request.
    pub fn token_check_cache(mut self, time: Duration) -> Self {
        self.token_check_cache = time;
        self
    }

    /// How long an answer about permissions may be used again, of servers that say which revision of their data it is
    /// from, as AuthMachine does. Default: a second. With zero each question is asked.
    pub fn permission_cache(mut self, time: Duration) -> Self {
        self.permission_cache = time;
        self
    }

    /// Path of the route that starts a login. Default: `/login`.
    pub fn login_path(mut self, path: impl Into<String>) -> Self {
        self.paths.login = path.into();
        self
    }

    /// Path of the redirect URI. Default: `/oidc-callback`.
    pub fn callback_path(mut self, path: impl Into<String>) -> Self {
        self.paths.callback = path.into();
        self
    }

    /// Path of the route that logs out. Default: `/logout`.
    pub fn logout_path(mut self, path: impl Into<String>) -> Self {
        self.paths.logout = path.into();
        self
    }

    /// Path that the provider returns to after a logout. Default: `/oidc-logout-callback`.
    pub fn logout_callback_path(mut self, path: impl Into<String>) -> Self {
        self.paths.logout_callback = path.into();
        self
    }

    /// Watches each step of the protocol. Secrets are masked before it sees them.
    pub fn observer(mut self, observer: impl Observer + 'static) -> Self {
        self.observer = Some(Arc::new(observer));
        self
    }

    /// Another HTTP client.
    pub fn http_client(mut self, client: impl HttpClient + 'static) -> Self {
        self.http = Some(Arc::new(client));
        self
    }

    /// Another clock, for tests.
    pub fn clock(mut self, now: impl Fn() -> SystemTime + Send + Sync + 'static) -> Self {
        self.clock = Clock::new(now);
        self
    }

    /// Renders errors and the question before a logout in the application's own look. Status, cookies, and security
    /// headers that the page does not set itself, are added.
    #[cfg(feature = "axum")]
    pub fn pages(
        mut self,
        render: impl Fn(crate::Page<'_>) -> axum::response::Response + Send + Sync + 'static,
    ) -> Self {
        self.pages = Some(Arc::new(render));
        self
    }

    /// Never asks whether the access token still holds: a logout elsewhere goes unnoticed until the session ends.
    pub fn danger_skip_token_check(mut self) -> Self {
        self.token_check = false;
        self
    }

    /// Accepts a provider on plain http beyond this machine: whoever is on the network can sign in as anybody.
    pub fn danger_accept_plain_http_issuer(mut self) -> Self {
        self.plain_http_issuer = true;
        self
    }

    /// Serves this application on plain http beyond this machine: whoever is on the network can take over a session.
    pub fn danger_accept_plain_http_public_url(mut self) -> Self {
        self.plain_http_public_url = true;
        self
    }

    /// Checks the settings. Asks nothing of the provider yet, which may start later than this application.
    ///
    /// # Errors
    /// [`Error::Config`] names the setting and the cure.
    pub fn build(self) -> Result<Login, Error> {
        let issuer = self.issuer.strip_suffix('/').unwrap_or(&self.issuer).to_owned();
        let url = check_server("AUTHMACHINE_URL", &issuer, self.plain_http_issuer)?;
        let (public_url, local_address) = self.check_public_url()?;
        if self.client_id.is_empty() {
            return Err(Error::Config("the client id is empty".to_owned()));
        }
        let paths =
            [&self.paths.login, &self.paths.callback, &self.paths.logout, &self.paths.logout_callback];
        for path in paths {
            let plain = |b: u8| b.is_ascii_alphanumeric() || b"/-._~".contains(&b);
            if path.len() < 2 || !path.starts_with('/') || path.starts_with("//") || !path.bytes().all(plain)
            {
                return Err(Error::Config(format!("{path:?} cannot be a route: it must be like /login")));
            }
            if paths.iter().filter(|other| *other == &path).count() > 1 {
                return Err(Error::Config(format!("{path:?} is the path of two routes")));
            }
        }
        let client_key = self
            .client_key
            .clone()
            .transpose()
            .map_err(|e| Error::Config(format!("the client key cannot be used: {e}")))?;
        let is_by_key = self.client_auth == Some(ClientAuthMethod::PrivateKeyJwt);
        if is_by_key && client_key.is_none() {
            return Err(Error::Config("private_key_jwt needs a client key".to_owned()));
        }
        if client_key.is_some() && (self.client_secret.is_some() || self.client_auth.is_some() && !is_by_key)
        {
            return Err(Error::Config("a client with a key has no secret".to_owned()));
        }
        let scope = Scopes::parse(&self.scope)
            .map_err(|e| Error::Config(format!("the scope {:?} is malformed: {e}", self.scope)))?;
        let keys = self.session_keys()?;
        let cookies = Cookies::new(&keys, &public_url, &self.client_id, &self.paths.logout);
        let http = match self.http {
            Some(http) => http,
            None => http_client::for_server(&url)?,
        };
        let settings = Settings {
            issuer,
            request: RequestSettings {
                redirect_uri: format!("{public_url}{}", self.paths.callback),
                client_id: self.client_id,
                scope: Scopes::parse("openid").expect("a legal scope").union(&scope).to_string(),
                objects: self.objects,
            },
            client_secret: self.client_secret,
            client_auth: self.client_auth,
            client_key,
            api_token: self.api_token,
            id_token_algorithm: self.id_token_algorithm,
            public_url,
            local_address,
            paths: self.paths,
            session_life: self.session_life,
            token_check_cache: self.token_check_cache,
            token_check: self.token_check,
            permission_cache: self.permission_cache,
            observer: self.observer,
            #[cfg(feature = "axum")]
            pages: self.pages,
            clock: self.clock,
        };
        Ok(Login::assemble(settings, cookies, http))
    }

    /// The origin, and its host and port.
    fn check_public_url(&self) -> Result<(String, String), Error> {
        let text = self.public_url.as_deref().ok_or_else(|| {
            Error::Config("PUBLIC_URL is missing: set it to where browsers find this application".to_owned())
        })?;
        let wrong = |why: &str| Error::Config(format!("PUBLIC_URL is {text:?}: {why}"));
        let url = Url::parse(text).map_err(|_| wrong("it must be an origin, such as https://app.example"))?;
        let host = url.host().filter(|_| matches!(url.scheme(), "http" | "https"));
        let host = host.ok_or_else(|| wrong("it must begin with https:// or http://"))?;
        if url.path() != "/"
            || url.query().is_some()
            || url.fragment().is_some()
            || !url.username().is_empty()
        {
            return Err(wrong("it must be an origin without a path, such as https://app.example"));
        }
        if url.scheme() == "http" && !redirect_uri::is_loopback(&host) && !self.plain_http_public_url {
            return Err(wrong("plain http is only for this machine (localhost); use https"));
        }
        let port = url.port_or_known_default().expect("http and https have one");
        Ok((url.origin().ascii_serialization(), format!("{host}:{port}")))
    }

    fn session_keys(&self) -> Result<Vec<Secret>, Error> {
        if self.session_keys.iter().any(|key| key.reveal().len() < MIN_SESSION_KEY_BYTES) {
            return Err(Error::Config(format!(
                "AUTHMACHINE_SESSION_KEY is too short: make one of {MIN_SESSION_KEY_BYTES} random characters or more, \
                 for example with `openssl rand -base64 32`"
            )));
        }
        if !self.session_keys.is_empty() {
            return Ok(self.session_keys.clone());
        }
        tracing::warn!(
            "AUTHMACHINE_SESSION_KEY is not set: sessions are sealed with a random key and end when this process does"
        );
        Ok(vec![Secret::new(crate::random::text(32))])
    }
}

/// An issuer (OIDC Discovery §3, §7.1) or decision point (AuthZEN 1.0 §9.1) is https, or on this machine, and has no query
/// or fragment.
pub(crate) fn check_server(name: &str, address: &str, danger_plain_http: bool) -> Result<Url, Error> {
    let wrong = |why: &str| Error::Config(format!("{name} is {address:?}: {why}"));
    let url = Url::parse(address).map_err(|_| wrong("it must be a URL, such as https://login.example"))?;
    if url.query().is_some() || url.fragment().is_some() {
        return Err(wrong("it must have no query and no fragment"));
    }
    match (url.scheme(), url.host()) {
        ("https", Some(_)) => Ok(url),
        ("http", Some(host)) if danger_plain_http || redirect_uri::is_loopback(&host) => Ok(url),
        ("http", Some(_)) => Err(wrong("plain http is only for this machine (localhost); use https")),
        _ => Err(wrong("it must begin with https://")),
    }
}

impl fmt::Debug for LoginBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LoginBuilder")
            .field("issuer", &self.issuer)
            .field("client_id", &self.client_id)
            .field("public_url", &self.public_url)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn why(builder: LoginBuilder) -> String {
        match builder.build() {
            Err(Error::Config(why)) => why,
            Err(other) => panic!("{other}"),
            Ok(_) => String::new(),
        }
    }

    fn app(issuer: &str, public_url: &str) -> LoginBuilder {
        LoginBuilder::new(issuer, "app").public_url(public_url).session_key("k".repeat(32))
    }

    #[test]
    fn cl9_plain_http_needs_loopback_or_a_method_that_says_danger() {
        for issuer in
            ["https://op.example", "https://op.example/x/", "http://localhost:8000/", "http://[::1]:1"]
        {
            assert_eq!(why(app(issuer, "http://localhost:5000")), "", "{issuer}");
        }
        for issuer in
            ["http://op.example", "ftp://op.example", "op.example", "", "https://op.example?x", "https://o#f"]
        {
            assert!(why(app(issuer, "http://localhost:5000")).contains("AUTHMACHINE_URL"), "{issuer}");
        }
        let plain = || app("http://op.example", "http://app.example");
        assert!(why(plain().danger_accept_plain_http_issuer()).contains("PUBLIC_URL"));
        assert_eq!(why(plain().danger_accept_plain_http_issuer().danger_accept_plain_http_public_url()), "");
    }

    #[test]
    fn public_url_is_an_origin() {
        for bad in [
            "http://app.example",
            "https://app.example/x",
            "https://app.example?x",
            "app.example",
            "",
            "https://u@a.example",
        ] {
            assert!(why(app("https://op.example", bad)).contains("PUBLIC_URL"), "{bad}");
        }
        let login = app("https://op.example", "https://App.example:443/").build().expect("legal");
        assert_eq!(login.settings().request.redirect_uri, "https://app.example/oidc-callback");
        assert_eq!(login.local_address(), "app.example:443");
        let login = app("https://op.example", "http://[::1]:5000").build().expect("legal");
        assert_eq!(login.local_address(), "[::1]:5000");
        assert!(why(LoginBuilder::new("https://op.example", "app")).contains("PUBLIC_URL is missing"));
    }

    #[test]
    fn other_settings_are_checked_too() {
        let good = || app("https://op.example", "https://app.example");
        assert!(why(good().session_key("short")).contains("AUTHMACHINE_SESSION_KEY"));
        assert!(why(good().login_path("login")).contains("cannot be a route"));
        assert!(why(good().logout_path("/a{b}")).contains("cannot be a route"));
        assert!(why(good().logout_path("/login")).contains("two routes"));
        assert!(why(good().scope("a  b")).contains("scope"));
        assert!(
            why(LoginBuilder::new("https://op.example", "").public_url("https://app.example"))
                .contains("client id")
        );
        assert_eq!(good().scope("email").build().expect("legal").settings().request.scope, "openid email");
    }

    #[test]
    fn the_contract_s_variables_are_read() {
        let read = |pairs: &'static [(&str, &str)]| {
            LoginBuilder::from_variables(|name| {
                pairs.iter().find(|(n, _)| *n == name).map(|(_, value)| (*value).to_owned())
            })
        };
        let login = read(&[
            ("AUTHMACHINE_URL", "http://localhost:8000/"),
            ("AUTHMACHINE_CLIENT_ID", "test"),
            ("AUTHMACHINE_CLIENT_SECRET", "hidden"),
            ("AUTHMACHINE_OBJECTS", "object1, object2,"),
            ("PORT", "5055"),
        ])
        .expect("complete");
        assert!(!format!("{login:?}").contains("hidden"));
        let login = login.build().expect("legal");
        assert_eq!(login.settings().issuer, "http://localhost:8000");
        assert_eq!(login.settings().request.scope, "openid email profile");
        assert_eq!(login.settings().request.objects, ["object1", "object2"]);
        assert_eq!(login.settings().request.redirect_uri, "http://localhost:5055/oidc-callback");
        let wrong = read(&[
            ("AUTHMACHINE_URL", "http://localhost:8000"),
            ("AUTHMACHINE_CLIENT_ID", "test"),
            ("PORT", "http"),
        ]);
        assert!(wrong.expect_err("no port").to_string().starts_with("PORT is \"http\""));
        let missing = read(&[("AUTHMACHINE_URL", "http://localhost:8000")]).expect_err("no client id");
        assert!(missing.to_string().starts_with("AUTHMACHINE_CLIENT_ID is missing"), "{missing}");
    }
}
