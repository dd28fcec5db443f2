//! A browser: it keeps cookies, follows redirects, fills in forms, and says where its requests come from.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use authmachine_provider::browser_session::Session;
use authmachine_provider::handle::Handle;
use authmachine_provider::ids::{Kind, SessionId};
use authmachine_provider::user::User;
use http::{Method, header};

use crate::answer::{Answer, is_description};
use crate::client::ClientApp;
use crate::html::{self, Form};
use crate::server::{RequestBuilder, TestServer, fragment, query};

/// What the browser calls itself.
const USER_AGENT: &str = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0";
/// Redirects followed in a row.
const MAX_REDIRECTS: usize = 10;

/// A cookie as it was set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cookie {
    /// Its name.
    pub name: String,
    /// Its value.
    pub value: String,
    /// Its attributes as they were written, in order.
    pub attributes: Vec<String>,
}

/// Where a request comes from, as `Sec-Fetch-Site` says it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Site {
    /// The person typed the address.
    Typed,
    /// One of our own pages.
    Own,
    /// Another host of our site.
    SameSite,
    /// A foreign site, such as a client's.
    Foreign,
}

impl Site {
    const fn word(self) -> &'static str {
        match self {
            Self::Typed => "none",
            Self::Own => "same-origin",
            Self::SameSite => "same-site",
            Self::Foreign => "cross-site",
        }
    }
}

/// A browser. Clones share their cookies.
#[derive(Clone)]
pub struct Browser {
    server: TestServer,
    jar: Arc<Mutex<Vec<Cookie>>>,
    /// Headers that a test sets or leaves out, whatever a browser would say.
    overrides: Vec<(String, Option<String>)>,
    address: Option<String>,
}

impl Browser {
    pub(crate) fn new(server: TestServer) -> Self {
        Self { server, jar: Arc::default(), overrides: Vec::new(), address: None }
    }

    /// The same browser, sending this header instead of its own.
    #[must_use]
    pub fn with(&self, name: &str, value: &str) -> Self {
        let mut browser = self.clone();
        browser.overrides.push((name.to_owned(), Some(value.to_owned())));
        browser
    }

    /// The same browser without this header.
    #[must_use]
    pub fn without(&self, name: &str) -> Self {
        let mut browser = self.clone();
        browser.overrides.push((name.to_owned(), None));
        browser
    }

    /// The same browser, led to another node.
    #[must_use]
    pub fn on(&self, server: &TestServer) -> Self {
        Self { server: server.clone(), ..self.clone() }
    }

    /// The same browser at another address.
    #[must_use]
    pub fn at(&self, address: &str) -> Self {
        Self { address: Some(address.to_owned()), ..self.clone() }
    }

    /// Another browser with a copy of the cookies.
    #[must_use]
    pub fn copy(&self) -> Self {
        Self { jar: Arc::new(Mutex::new(self.jar().clone())), ..self.clone() }
    }

    fn jar(&self) -> MutexGuard<'_, Vec<Cookie>> {
        self.jar.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The cookies.
    pub fn cookies(&self) -> Vec<Cookie> {
        self.jar().clone()
    }

    /// The cookie whose name has `part`.
    pub fn cookie(&self, part: &str) -> Option<Cookie> {
        self.jar().iter().find(|cookie| cookie.name.contains(part)).cloned()
    }

    /// Puts a value into the cookie whose name has `part`.
    ///
    /// # Panics
    /// When there is none.
    pub fn set_cookie(&self, part: &str, value: &str) {
        let mut jar = self.jar();
        let cookie =
            jar.iter_mut().find(|cookie| cookie.name.contains(part)).expect("there is such a cookie");
        value.clone_into(&mut cookie.value);
    }

    /// Loses the cookies whose name has `part`.
    pub fn lose_cookie(&self, part: &str) {
        self.jar().retain(|cookie| !cookie.name.contains(part));
    }

    /// Signs `username` in without the page: the session is written to the store. A user who is not there is made.
    pub async fn log_in(&self, username: &str) -> Self {
        let user = match self.server.find_user(username).await {
            Some(user) => user,
            None => self.server.user(username).create().await,
        };
        self.begin_session(&user).await;
        self.clone()
    }

    async fn begin_session(&self, user: &User) {
        let (app, now) = (self.server.app(), self.server.clock().now());
        let handle = Handle::new(app.ids.next(Kind::Session, now), &authmachine_server::random::bytes());
        let session = Session {
            id: SessionId(handle.id()),
            sid: authmachine_server::random::public_id(),
            user_id: user.id,
            user_epoch: user.epoch,
            created_at: now,
            auth_time: now,
            amr: vec!["pwd".to_owned()],
            last_seen_at: now,
            expires_at: now.plus_seconds(app.settings.lives.session_s),
            ended_at: None,
            tokens_revoked_at: None,
            user_agent: USER_AGENT.to_owned(),
            address: "192.0.2.1".to_owned(),
        };
        let cookies = authmachine_server::browser::session_cookies(app, &session, &handle);
        let sha256 = handle.sha256();
        self.server.write(move |tx| tx.insert_session(&session, &sha256)).await;
        self.server.note_secret(handle.reveal());
        for cookie in &cookies {
            self.keep(cookie.to_str().expect("cookies are ASCII"));
        }
    }

    /// Signs in on the page without a client.
    pub async fn sign_in(&self, username: &str, password: &str) -> Visit {
        let page = self.open("/login").await;
        page.submit(&[("username", username), ("password", password)]).await
    }

    /// Signs out on the person's own page: a plain end of the session.
    pub async fn sign_out(&self) {
        let page = self.open("/").await;
        let form =
            page.forms().into_iter().find(|form| form.action == "/logout").expect("somebody is signed in");
        let fields: Vec<_> =
            form.fields.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        self.post(Site::Own, &form.action, &fields).await.assert_page(200, "You are signed out");
    }

    /// Whether the provider takes the browser for signed in, by its own page.
    pub async fn is_signed_in(&self) -> bool {
        let visit = self.open("/").await;
        visit.answer().assert_status(200).text().contains("action=\"/logout\"")
    }

    /// Goes to an address that the person typed.
    pub async fn open(&self, url: &str) -> Visit {
        self.go(Site::Typed, Method::GET, url, None).await
    }

    /// Follows a link from a client's page.
    pub async fn follow(&self, url: &str) -> Visit {
        self.go(Site::Foreign, Method::GET, url, None).await
    }

    /// Posts a form from a page of `site`.
    pub async fn post(&self, site: Site, url: &str, fields: &[(&str, &str)]) -> Visit {
        let form = authmachine_protocol::form::encode(fields.iter().copied());
        self.go(site, Method::POST, url, Some(form)).await
    }

    /// Sends the usual authorization request of `app` and agrees if the person is asked to.
    pub async fn authorize(&self, app: &ClientApp) -> Visit {
        self.authorize_with(&app.authorize_url()).await
    }

    /// Sends an authorization request and agrees if the person is asked to.
    pub async fn authorize_with(&self, url: &str) -> Visit {
        let visit = self.follow(url).await;
        if visit.asks_for("decision", "yes") { visit.submit(&[("decision", "yes")]).await } else { visit }
    }

    /// Goes somewhere and on, until there is a page or the way leads to another site.
    async fn go(&self, site: Site, method: Method, url: &str, body: Option<String>) -> Visit {
        let (mut method, mut url, mut body) = (method, url.to_owned(), body);
        let mut trail = Vec::new();
        loop {
            let Some(target) = self.own_target(&url) else {
                return Visit { browser: self.clone(), url, trail, is_away: true };
            };
            let answer = self.send(site, &method, &target, body.as_deref()).await;
            let location = answer.headers.get(header::LOCATION).map(|_| answer.location().to_owned());
            let status = answer.status.as_u16();
            trail.push(answer);
            assert!(trail.len() <= MAX_REDIRECTS, "the redirects end");
            match (status, location) {
                (301..=303, Some(location)) => (method, url, body) = (Method::GET, location, None),
                (307 | 308, Some(location)) => url = location,
                _ => return Visit { browser: self.clone(), url, trail, is_away: false },
            }
        }
    }

    /// The request target of an address of ours.
    fn own_target(&self, url: &str) -> Option<String> {
        match url.strip_prefix(self.server.issuer()) {
            Some("") => Some("/".to_owned()),
            Some(rest) if rest.starts_with(['/', '?']) => Some(rest.to_owned()),
            _ if url.starts_with('/') && !url.starts_with("//") && !url.starts_with("/\\") => {
                Some(url.to_owned())
            }
            _ => None,
        }
    }

    async fn send(&self, site: Site, method: &Method, target: &str, body: Option<&str>) -> Answer {
        let answer = self.request(site, method, target, body).send().await;
        for cookie in answer.headers.get_all(header::SET_COOKIE) {
            self.keep(cookie.to_str().expect("cookies are ASCII"));
        }
        answer
    }

    /// A request with all that a browser says, to be sent by hand: what it sets is not kept.
    pub fn request(&self, site: Site, method: &Method, target: &str, body: Option<&str>) -> RequestBuilder {
        let is_post = *method == Method::POST;
        let mut headers = vec![
            ("user-agent".to_owned(), USER_AGENT.to_owned()),
            ("accept".to_owned(), "text/html,application/xhtml+xml;q=0.9,*/*;q=0.8".to_owned()),
            ("accept-language".to_owned(), "en".to_owned()),
            ("sec-fetch-site".to_owned(), site.word().to_owned()),
            ("sec-fetch-mode".to_owned(), "navigate".to_owned()),
            ("sec-fetch-dest".to_owned(), "document".to_owned()),
            ("sec-fetch-user".to_owned(), "?1".to_owned()),
        ];
        if is_post {
            let origin = match site {
                Site::Own | Site::Typed => self.server.issuer(),
                Site::SameSite => "https://other.id.example",
                Site::Foreign => "https://shop.example",
            };
            headers.push(("origin".to_owned(), origin.to_owned()));
        }
        // `Lax` cookies stay at home when a foreign site posts.
        let goes = |cookie: &&Cookie| {
            !(is_post && site == Site::Foreign) || cookie.attributes.iter().any(|a| a == "SameSite=None")
        };
        let cookies: Vec<String> = self
            .jar()
            .iter()
            .filter(goes)
            .map(|cookie| format!("{}={}", cookie.name, cookie.value))
            .collect();
        if !cookies.is_empty() {
            headers.push(("cookie".to_owned(), cookies.join("; ")));
        }
        for (name, value) in &self.overrides {
            headers.retain(|(n, _)| n != name);
            headers.extend(value.clone().map(|value| (name.clone(), value)));
        }
        let mut request = self.server.request(method.clone(), target);
        for (name, value) in &headers {
            request = request.header(name, value);
        }
        if let Some(body) = body {
            request = request.body("application/x-www-form-urlencoded", body);
        }
        if let Some(address) = &self.address {
            request = request.from(address);
        }
        request
    }

    /// Keeps a cookie under the rules that a browser has for it (RFC 6265bis §5.6).
    fn keep(&self, set_cookie: &str) {
        let mut parts = set_cookie.split("; ").map(str::to_owned);
        let pair = parts.next().unwrap_or_default();
        let (name, value) = pair.split_once('=').expect("a cookie is a pair");
        let (name, value) = (name.to_owned(), value.to_owned());
        let attributes: Vec<String> = parts.collect();
        let has = |attribute: &str| attributes.iter().any(|a| a == attribute);
        assert!(set_cookie.len() <= 4_096, "browsers drop a larger cookie");
        if name.starts_with("__Host-") {
            assert!(
                has("Secure") && has("Path=/") && !attributes.iter().any(|a| a.starts_with("Domain")),
                "{set_cookie}"
            );
        }
        let mut jar = self.jar();
        jar.retain(|cookie| cookie.name != name);
        if !has("Max-Age=0") {
            jar.push(Cookie { name, value, attributes });
        }
    }
}

/// Where a browser is after going somewhere.
#[derive(Clone)]
pub struct Visit {
    browser: Browser,
    /// The address: a foreign one when the way led there.
    pub url: String,
    /// Every answer on the way.
    pub trail: Vec<Answer>,
    is_away: bool,
}

impl Visit {
    /// The browser.
    pub fn browser(&self) -> &Browser {
        &self.browser
    }

    /// The answer that the browser shows.
    #[track_caller]
    pub fn answer(&self) -> &Answer {
        assert!(!self.is_away, "the browser stays with us, but went to {}", self.url);
        self.trail.last().expect("there was an answer")
    }

    /// Where another site was reached.
    #[track_caller]
    pub fn away(&self) -> &str {
        let shown = self
            .trail
            .last()
            .map(|answer| (answer.status, String::from_utf8_lossy(&answer.body).into_owned()));
        assert!(self.is_away, "the browser goes to another site, but is at {}: {shown:?}", self.url);
        &self.url
    }

    /// Whether the browser has left us.
    pub fn is_away(&self) -> bool {
        self.is_away
    }

    /// The parameters that another site was given, in the query or in the fragment: never in both.
    #[track_caller]
    pub fn params(&self) -> BTreeMap<String, String> {
        match self.away().contains('#') {
            false => query(self.away()),
            true => {
                // The registered query stays, and has nothing of ours.
                assert!(["code", "state", "error"].iter().all(|name| !query(&self.url).contains_key(*name)));
                fragment(&self.url)
            }
        }
    }

    /// Where a page posts itself, and what (Form Post Response Mode §2): what a client is given when scripts run, or the button is
    /// pressed.
    #[track_caller]
    pub fn form_post(&self) -> (String, BTreeMap<String, String>) {
        let form = self.answer().assert_status(200).form_post().expect("the page posts itself to the client");
        assert_eq!(form.method, "post");
        let count = form.fields.len();
        let fields: BTreeMap<_, _> = form.fields.into_iter().collect();
        assert_eq!(fields.len(), count, "each name is there once");
        (form.action, fields)
    }

    /// The code that the client was given.
    #[track_caller]
    pub fn code(&self) -> String {
        let params = self.params();
        params.get("code").unwrap_or_else(|| panic!("there is a code: {params:?}")).clone()
    }

    /// Checks that the client was told of an error, with `state` and `iss` (RFC 6749 §4.1.2.1, RFC 9207).
    #[track_caller]
    pub fn assert_refused(&self, error: &str) -> &Self {
        let params = self.params();
        assert_eq!(params.get("error").map(String::as_str), Some(error), "{params:?}");
        assert!(params.get("error_description").is_some_and(|text| is_description(text)), "{params:?}");
        assert_eq!(params.get("state").map(String::as_str), Some(crate::client::STATE), "{params:?}");
        assert_eq!(params.get("iss").map(String::as_str), Some(self.browser.server.issuer()), "{params:?}");
        // Session Management §3: where a page could ask about it.
        let has_origin = authmachine_protocol::redirect_uri::origin(self.away()).is_some();
        assert_eq!(params.contains_key("session_state"), has_origin, "{params:?}");
        assert_eq!(params.len(), 4 + usize::from(has_origin), "nothing else: {params:?}");
        self
    }

    /// Checks the page that is shown.
    #[track_caller]
    pub fn assert_page(&self, status: u16, words: &str) -> &Self {
        self.answer().assert_page(status, words);
        self
    }

    /// The forms of the page.
    #[track_caller]
    pub fn forms(&self) -> Vec<Form> {
        html::forms(self.answer().text())
    }

    /// Whether a form of the page has this button, or this field (whatever its value).
    pub fn asks_for(&self, name: &str, value: &str) -> bool {
        !self.is_away && self.find_form(&[(name, value)]).is_some()
    }

    fn find_form(&self, fields: &[(&str, &str)]) -> Option<Form> {
        let has = |form: &Form, (name, value): &(&str, &str)| {
            form.fields.iter().any(|(n, _)| n == name)
                || form.buttons.iter().any(|(n, v)| n == name && v == value)
        };
        self.forms().into_iter().find(|form| fields.iter().all(|field| has(form, field)))
    }

    /// Fills in the form that has these fields and buttons, with what is there already, and sends it.
    #[track_caller]
    pub fn submit(&self, fields: &[(&str, &str)]) -> impl Future<Output = Visit> + use<> {
        let (action, body) = self.filled_in(fields);
        let browser = self.browser.clone();
        async move { browser.go(Site::Own, Method::POST, &action, Some(body)).await }
    }

    /// The same as a request to be sent by hand.
    #[track_caller]
    pub fn submission(&self, fields: &[(&str, &str)]) -> RequestBuilder {
        let (action, body) = self.filled_in(fields);
        let target = self.browser.own_target(&action).expect("our forms come back to us");
        self.browser.request(Site::Own, &Method::POST, &target, Some(&body))
    }

    /// Where the form that has these fields and buttons goes, and with what.
    #[track_caller]
    fn filled_in(&self, fields: &[(&str, &str)]) -> (String, String) {
        let form =
            self.find_form(fields).unwrap_or_else(|| panic!("a form has {fields:?}: {:?}", self.forms()));
        assert_eq!(form.method, "post");
        let mut all: Vec<(String, String)> =
            form.fields.into_iter().filter(|(name, _)| fields.iter().all(|(n, _)| n != name)).collect();
        all.extend(fields.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
        let fields = all.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        (form.action, authmachine_protocol::form::encode(fields))
    }
}
