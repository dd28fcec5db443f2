//! Signing in and out: what the routes do, without a web framework.

use std::{fmt, sync::Arc};

use authmachine_protocol::{Params, Timestamp, form, redirect_uri};
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method};

use crate::{
    Error, LoginBuilder, Permissions, PermissionsApi, StepKind, TokenStatus, User,
    answers::{Answers, Question},
    authzen::Pdp,
    builder::{Secret, Settings},
    cookies::{Cookies, Kind, MAX_COOKIE_BYTES},
    error::CallbackError,
    flow::{self, ATTEMPT_LIFE_SECONDS, Attempt},
    http_client::HttpClient,
    observer::{Checks, Message},
    provider::{Provider, as_ms},
    random,
    session::{Attempts, Session, return_path},
    token_check::{self, Answer, Memory, Verdict},
};

/// Sign-in for one application at one provider. Cheap to clone; all clones share what they know of the provider.
#[derive(Clone)]
pub struct Login(Arc<Inner>);

struct Inner {
    cookies: Cookies,
    provider: Provider,
    memory: Memory,
    answers: Arc<Answers>,
    pdp: Pdp,
}

/// Where the browser goes next, and what it keeps.
pub(crate) struct Redirect {
    pub(crate) location: String,
    pub(crate) set_cookies: Vec<HeaderValue>,
}

/// What stopped a sign-in or sign-out, and what the browser keeps nevertheless.
pub(crate) struct Failed {
    pub(crate) error: Error,
    pub(crate) set_cookies: Vec<HeaderValue>,
    /// Where the person wanted to go.
    pub(crate) return_to: String,
    /// The sign-in that failed, once it is known which.
    pub(crate) login_id: Option<String>,
}

/// What a request's cookies say.
#[derive(Clone)]
pub(crate) enum Found {
    /// Nobody is signed in.
    Nobody,
    /// Somebody was; these cookies tell the browser so.
    Ended(Vec<HeaderValue>),
    /// This user.
    User(User),
    /// Somebody, but nobody knows whether they still are.
    Doubt,
}

impl Login {
    /// A login by the settings of the environment; see [`LoginBuilder::from_env`] for their names.
    ///
    /// # Errors
    /// [`Error::Config`] names the setting and the cure.
    pub fn from_env() -> Result<Self, Error> {
        LoginBuilder::from_env()?.build()
    }

    /// Settings call by call. `issuer` is the provider's URL, with or without a slash at its end.
    pub fn builder(issuer: impl Into<String>, client_id: impl Into<String>) -> LoginBuilder {
        LoginBuilder::new(issuer, client_id)
    }

    /// AuthMachine's permission API: what any user may do, now.
    ///
    /// # Errors
    /// [`Error::Config`] if there is no API token.
    pub fn permissions_api(&self) -> Result<PermissionsApi, Error> {
        let settings = self.settings();
        let token = settings.api_token.as_ref().ok_or_else(|| {
            Error::Config(
                "AUTHMACHINE_API_TOKEN is missing: make one with `authmachine api-token create`".to_owned(),
            )
        })?;
        Ok(PermissionsApi::new(Arc::clone(&self.0.answers), &settings.issuer, token))
    }

    /// The provider as a decision point (AuthZEN), asked as this client by its secret, or where it has none by the API
    /// token. Others have a [`Pdp::builder`].
    pub fn pdp(&self) -> Pdp {
        self.0.pdp.clone()
    }

    /// Host and port of `PUBLIC_URL`, such as `localhost:5000`: where to listen if no proxy stands before.
    pub fn local_address(&self) -> &str {
        &self.settings().local_address
    }

    pub(crate) fn assemble(settings: Settings, cookies: Cookies, http: Arc<dyn HttpClient>) -> Self {
        let answers = Arc::new(Answers::new(Arc::clone(&http), settings.permission_cache));
        let pdp = Pdp::of_provider(&settings, Arc::clone(&http), Arc::clone(&answers));
        let provider = Provider::new(Arc::new(settings), http);
        Self(Arc::new(Inner { cookies, provider, memory: Memory::default(), answers, pdp }))
    }

    pub(crate) fn settings(&self) -> &Settings {
        &self.0.provider.settings
    }

    /// `wanted`, if a sign-in may return there.
    pub(crate) fn return_path(&self, wanted: Option<&str>) -> String {
        let paths = &self.settings().paths;
        return_path(wanted, &[&paths.login, &paths.callback, &paths.logout, &paths.logout_callback])
    }

    /// The path that starts a sign-in which returns to `return_to`.
    pub(crate) fn login_path(&self, return_to: &str) -> String {
        form::append_query(
            &self.settings().paths.login,
            (return_to != "/").then_some(("return_to", return_to)),
        )
    }

    /// Starts a sign-in: the browser goes to the provider, and in the end to [`return_path`](Self::return_path).
    pub(crate) async fn start(&self, headers: &HeaderMap, return_to: String) -> Result<Redirect, Error> {
        if !is_page_load(headers) {
            return Err(Error::NotANavigation);
        }
        let settings = self.settings();
        let attempt = Attempt {
            login_id: random::text(9),
            state: random::text(16),
            nonce: random::text(16),
            code_verifier: random::text(32),
            return_to,
            started_at: settings.now(),
        };
        let metadata = self.0.provider.metadata(Some(&attempt.login_id)).await?;
        let parameters = flow::authorization_request(&settings.request, &attempt);
        settings.step(&attempt.login_id, StepKind::AuthorizationRequest, |step| {
            let fields = parameters.iter().map(|(name, value)| (*name, value.as_str()));
            let line = format!("GET {}", metadata.authorization_endpoint);
            step.request = Some(Message::new(line).with_fields(fields));
        });
        let mut attempts: Attempts = self.open(Kind::Attempts, headers).unwrap_or_default();
        attempts.add(attempt, settings.now());
        Ok(Redirect {
            location: flow::url_with(&metadata.authorization_endpoint, &parameters),
            set_cookies: self.seal_attempts(attempts, headers),
        })
    }

    /// Ends a sign-in: the browser came back from the provider with `query`.
    pub(crate) async fn finish(&self, headers: &HeaderMap, query: &str) -> Result<Redirect, Failed> {
        let (answer, attempt, attempts) = self.take_attempt(headers, query).map_err(|error| Failed {
            error: error.into(),
            set_cookies: Vec::new(),
            return_to: "/".to_owned(),
            login_id: None,
        })?;
        let mut set_cookies = self.seal_attempts(attempts, headers);
        match self.sign_in(headers, &answer, &attempt).await {
            Ok(session) => {
                set_cookies.extend(session);
                Ok(Redirect { location: attempt.return_to, set_cookies })
            }
            Err(error) => {
                let Attempt { return_to, login_id, .. } = attempt;
                Err(Failed { error, set_cookies, return_to, login_id: Some(login_id) })
            }
        }
    }

    /// Finds the sign-in that an answer belongs to, in this browser, once (RFC 6749 §10.12).
    fn take_attempt(
        &self,
        headers: &HeaderMap,
        query: &str,
    ) -> Result<(Params, Attempt, Attempts), CallbackError> {
        let answer = Params::parse(query.as_bytes()).map_err(|_| CallbackError::Malformed)?;
        let now = self.settings().now();
        let mut attempts: Attempts = self.open(Kind::Attempts, headers).ok_or(CallbackError::UnknownState)?;
        let attempt = answer.get("state").and_then(|state| attempts.take(state, now));
        let attempt = attempt.ok_or(CallbackError::UnknownState)?;
        // The cookie alone cannot tell: a copy of it would bring the state back.
        let until = attempt.started_at.plus_seconds(ATTEMPT_LIFE_SECONDS);
        if !self.0.memory.is_first_use(&attempt.state, until, now) {
            return Err(CallbackError::UnknownState);
        }
        Ok((answer, attempt, attempts))
    }

    /// The steps from the provider's answer to a session; gives the session's cookies.
    async fn sign_in(
        &self,
        headers: &HeaderMap,
        answer: &Params,
        attempt: &Attempt,
    ) -> Result<Vec<HeaderValue>, Error> {
        let (settings, provider, login_id) = (self.settings(), &self.0.provider, &attempt.login_id);
        let metadata = provider.metadata(None).await?;

        let mut checks = Checks::default();
        let _ = checks.that("state is of a sign-in that began in this browser", true, ());
        let code = flow::check_callback(answer, &metadata, &mut checks);
        settings.step(login_id, StepKind::AuthorizationResponse, |step| {
            let line = format!("GET {}", settings.request.redirect_uri);
            step.response = Some(Message::new(line).with_fields(answer.iter()));
            step.checks = checks.0;
        });

        let tokens = provider.redeem(&metadata, &code?, attempt).await?;
        let id_token_claims = provider.id_token_claims(&metadata, &tokens, attempt).await?;
        let claims = provider.user_claims(&metadata, &tokens, id_token_claims, login_id).await?;
        let now = settings.now();
        match provider.check_token(&tokens.access_token, login_id).await {
            // Found at the first page instead, it would lead straight back here, and so on.
            Answer::Ended => return Err(Error::EndedAtOnce),
            Answer::Alive => self.0.memory.note_alive(&tokens.access_token, now),
            Answer::Silence | Answer::NotCheckable => {}
        }

        if let Some(before) = self.open::<Session>(Kind::Session, headers)
            && before.access_token != tokens.access_token
        {
            self.0.memory.note_ended(&before.access_token, before.expires_at, now);
        }
        let session = Session {
            login_id: login_id.clone(),
            access_token: tokens.access_token,
            claims,
            signed_in_at: now,
            expires_at: now.plus_ms(as_ms(settings.session_life)),
        };
        let content = serde_json::to_vec(&session).expect("maps with text keys are JSON");
        let mut set_cookies = self
            .0
            .cookies
            .seal(Kind::Session, &content, headers)
            .map_err(|large| Error::SessionTooLarge { bytes: large.bytes, limit: large.limit })?;
        settings.step(login_id, StepKind::Session, |step| {
            let bytes: usize = set_cookies.iter().map(HeaderValue::len).sum();
            step.response = Some(Message::new(format!("{bytes} bytes of sealed cookies")));
        });
        let id_token = tokens.id_token.unwrap_or_default();
        match self.0.cookies.seal(Kind::IdToken, id_token.as_bytes(), headers) {
            Ok(set) => set_cookies.extend(set),
            Err(_) => {
                tracing::warn!(
                    "The ID token is too long for a cookie of {MAX_COOKIE_BYTES} bytes: a logout goes without it"
                );
                set_cookies.extend(self.0.cookies.remove(Kind::IdToken, headers));
            }
        }
        Ok(set_cookies)
    }

    /// Who is signed in; asks the provider whether they still are.
    pub(crate) async fn find_user(&self, headers: &HeaderMap) -> Found {
        let Some(session) = self.open::<Session>(Kind::Session, headers) else { return Found::Nobody };
        let (settings, memory, token) = (self.settings(), &self.0.memory, &session.access_token);
        let ended = || Found::Ended(self.0.cookies.remove(Kind::Session, headers));
        let now = settings.now();
        if now >= session.expires_at || memory.is_ended(token) {
            return ended();
        }
        let last_alive = memory.last_alive(token);
        // One of a later time than now is from before the clock was set back.
        let believed = |at: Timestamp| (0..as_ms(settings.token_check_cache)).contains(&(now.ms() - at.ms()));
        let answer = match last_alive {
            Some(at) if believed(at) => Answer::Alive,
            _ => self.0.provider.check_token(token, &session.login_id).await,
        };
        match token_check::judge(answer, last_alive.unwrap_or(session.signed_in_at), now) {
            Verdict::Keep(status) => {
                if answer == Answer::Alive && !last_alive.is_some_and(believed) {
                    memory.note_alive(token, now);
                }
                Found::User(User::new(session, status, self.clone()))
            }
            Verdict::End => {
                memory.note_ended(token, session.expires_at, now);
                ended()
            }
            Verdict::Doubt => Found::Doubt,
        }
    }

    /// What userinfo says now about the user's permissions on the objects that the sign-in named (OIDC Core §5.3).
    pub(crate) async fn permissions_now(&self, user: &User) -> Result<Permissions, Error> {
        if self.settings().request.objects.is_empty() {
            return Ok(Permissions::default());
        }
        let (metadata, session) = (self.0.provider.metadata(None).await?, user.session());
        let endpoint = metadata.userinfo_endpoint.as_deref().ok_or_else(|| Error::NotOffered {
            server: metadata.issuer.clone(),
            endpoint: "userinfo_endpoint",
        })?;
        let question = Question {
            method: Method::GET,
            url: endpoint,
            authorization: Some(&Secret::new(format!("Bearer {}", session.access_token))),
            body: Bytes::new(),
            at_least: None,
        };
        let subject = session.claims.get("sub");
        let asked = self.0.answers.ask(question, |userinfo| match userinfo.get("sub") == subject {
            true => Ok(Permissions::from_claims(&userinfo)),
            false => Err("it is about another subject than the ID token".to_owned()),
        });
        let permissions = asked.await;
        if user.token_status() == TokenStatus::NotCheckable
            && matches!(permissions, Err(Error::Declined { status: 401, .. }))
        {
            // RFC 6750 §3.1: the token has ended. Nobody else says so at such a provider, and there is a new one to be had.
            self.0.memory.note_ended(&session.access_token, session.expires_at, self.settings().now());
        }
        permissions
    }

    /// What the user holds now on `object`: as userinfo has it if the sign-in named the object, else as the API has it if
    /// there is a token for it.
    pub(crate) async fn permissions_on(&self, user: &User, object: &str) -> Result<Vec<String>, Error> {
        let settings = self.settings();
        let permissions = if settings.request.objects.iter().any(|named| named == object) {
            self.permissions_now(user).await?
        } else if settings.api_token.is_some() {
            self.permissions_api()?.of(user.id(), &[object]).await?
        } else {
            tracing::warn!(
                object,
                "Nobody holds anything on {object:?}: it is not in AUTHMACHINE_OBJECTS, and AUTHMACHINE_API_TOKEN is not set"
            );
            Permissions::default()
        };
        Ok(permissions.on(object).to_vec())
    }

    /// Signs out here, and sends the browser to the provider to sign out there (RP-Initiated Logout §2).
    pub(crate) async fn sign_out(&self, headers: &HeaderMap) -> Result<Redirect, Failed> {
        let (settings, cookies) = (self.settings(), &self.0.cookies);
        let session = self.open::<Session>(Kind::Session, headers);
        if let Some(session) = &session {
            self.0.memory.note_ended(&session.access_token, session.expires_at, settings.now());
        }
        let mut set_cookies = cookies.remove(Kind::Session, headers);
        set_cookies.extend(cookies.remove(Kind::IdToken, headers));
        let metadata = match self.0.provider.metadata(None).await {
            Ok(metadata) => metadata,
            Err(error) => {
                return Err(Failed { error, set_cookies, return_to: "/".to_owned(), login_id: None });
            }
        };
        let Some(endpoint) = &metadata.end_session_endpoint else {
            return Ok(Redirect { location: "/".to_owned(), set_cookies });
        };
        let state = random::text(16);
        let id_token = cookies
            .open(Kind::IdToken, headers)
            .and_then(|token| std::str::from_utf8(&token).ok().map(str::to_owned));
        let mut parameters = vec![
            ("client_id", settings.request.client_id.clone()),
            ("post_logout_redirect_uri", settings.own_url(&settings.paths.logout_callback)),
            ("state", state.clone()),
            // AuthMachine ends the session's tokens at once, for all applications; others ignore what they do not
            // know (RFC 6749 §3.1).
            ("revoke_tokens", "1".to_owned()),
        ];
        parameters.extend(id_token.map(|token| ("id_token_hint", token)));
        if let Some(session) = &session {
            settings.step(&session.login_id, StepKind::Logout, |step| {
                let fields = parameters.iter().map(|(name, value)| (*name, value.as_str()));
                step.request = Some(Message::new(format!("GET {endpoint}")).with_fields(fields));
            });
        }
        let mut attempts: Attempts = self.open(Kind::Attempts, headers).unwrap_or_default();
        attempts.logout_state = Some(state);
        set_cookies.extend(self.seal_attempts(attempts, headers));
        Ok(Redirect { location: flow::url_with(endpoint, &parameters), set_cookies })
    }

    /// Where a sign-in goes on that was begun under another name of this machine, such as 127.0.0.1 for localhost: the provider
    /// sends the browser back to `PUBLIC_URL`, and cookies belong to one name.
    pub(crate) fn under_own_name(&self, headers: &HeaderMap, return_to: &str) -> Option<Redirect> {
        let settings = self.settings();
        let came_to = format!("http://{}", headers.get(http::header::HOST)?.to_str().ok()?);
        let is_another_name =
            came_to != settings.public_url && redirect_uri::is_own_origin(&settings.public_url, &came_to);
        is_another_name.then(|| Redirect {
            location: flow::url_with(
                &settings.own_url(&settings.paths.login),
                &[("return_to", return_to.to_owned())],
            ),
            set_cookies: Vec::new(),
        })
    }

    /// The browser comes back from a logout. Who sends it here from elsewhere, without our `state`, ends nothing.
    pub(crate) fn signed_out(&self, headers: &HeaderMap, query: &str) -> Redirect {
        let mut attempts: Attempts = self.open(Kind::Attempts, headers).unwrap_or_default();
        let answer = Params::parse(query.as_bytes()).unwrap_or_default();
        let ours = attempts.logout_state.is_some() && answer.get("state") == attempts.logout_state.as_deref();
        let mut set_cookies = Vec::new();
        if ours || is_from_own_site(&self.settings().public_url, headers) {
            if let Some(session) = self.open::<Session>(Kind::Session, headers) {
                self.0.memory.note_ended(&session.access_token, session.expires_at, self.settings().now());
            }
            attempts.logout_state = None;
            set_cookies.extend(self.0.cookies.remove(Kind::Session, headers));
            set_cookies.extend(self.0.cookies.remove(Kind::IdToken, headers));
            set_cookies.extend(self.seal_attempts(attempts, headers));
        }
        Redirect { location: "/".to_owned(), set_cookies }
    }

    fn open<T: serde::de::DeserializeOwned>(&self, kind: Kind, headers: &HeaderMap) -> Option<T> {
        serde_json::from_slice(&self.0.cookies.open(kind, headers)?).ok()
    }

    /// Cookies that keep `attempts`: as many of the newest as fit.
    fn seal_attempts(&self, mut attempts: Attempts, headers: &HeaderMap) -> Vec<HeaderValue> {
        while !attempts.is_empty() {
            let content = serde_json::to_vec(&attempts).expect("maps with text keys are JSON");
            match self.0.cookies.seal(Kind::Attempts, &content, headers) {
                Ok(set) => return set,
                Err(_) if attempts.drop_oldest() => {}
                Err(_) => break,
            }
        }
        self.0.cookies.remove(Kind::Attempts, headers)
    }
}

impl fmt::Debug for Login {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let settings = self.settings();
        f.debug_struct("Login")
            .field("issuer", &settings.issuer)
            .field("client_id", &settings.request.client_id)
            .field("public_url", &settings.public_url)
            .finish_non_exhaustive()
    }
}

/// Whether a person goes to a page: no script, frame, image or look ahead. Old browsers and plain http say nothing
/// about that (Fetch Metadata), which counts as one.
pub(crate) fn is_page_load(headers: &HeaderMap) -> bool {
    let is = |name: &str, wanted: &str| {
        headers.get(name).is_none_or(|value| value.as_bytes() == wanted.as_bytes())
    };
    let looks_ahead = ["sec-purpose", "purpose"]
        .iter()
        .filter_map(|name| headers.get(*name)?.to_str().ok())
        .any(|purpose| purpose.starts_with("prefetch"));
    is("sec-fetch-mode", "navigate") && is("sec-fetch-dest", "document") && !looks_ahead
}

/// Whether a page of the application at `public_url`, or the person by hand, caused the request. Of old browsers and on
/// plain http `Origin` must do, which comes with a form.
pub(crate) fn is_from_own_site(public_url: &str, headers: &HeaderMap) -> bool {
    let text = |name: &str| headers.get(name).map(|value| value.to_str().unwrap_or("?"));
    match text("sec-fetch-site") {
        Some(site) => matches!(site, "same-origin" | "none"),
        None => text("origin").is_none_or(|origin| redirect_uri::is_own_origin(public_url, origin)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        pairs
            .iter()
            .map(|(name, value)| (http::HeaderName::from_static(name), HeaderValue::from_static(value)))
            .collect()
    }

    #[test]
    fn a_login_starts_from_a_page_load() {
        for good in [
            &[][..],
            &[("sec-fetch-mode", "navigate")],
            &[
                ("sec-fetch-mode", "navigate"),
                ("sec-fetch-dest", "document"),
                ("sec-fetch-site", "cross-site"),
            ],
        ] {
            assert!(is_page_load(&headers(good)), "{good:?}");
        }
        for bad in [
            &[("sec-fetch-mode", "cors")][..],
            &[("sec-fetch-mode", "no-cors"), ("sec-fetch-dest", "image")],
            &[("sec-fetch-mode", "navigate"), ("sec-fetch-dest", "iframe")],
            &[("sec-fetch-mode", "navigate"), ("sec-purpose", "prefetch;prerender")],
            &[("sec-fetch-mode", "Navigate")],
        ] {
            assert!(!is_page_load(&headers(bad)), "{bad:?}");
        }
    }

    #[test]
    fn the_own_site_is_the_same_origin() {
        let own = |public_url, pairs: &[_]| is_from_own_site(public_url, &headers(pairs));
        let here = "http://localhost:5000";
        for (site, is_own) in
            [("same-origin", true), ("none", true), ("same-site", false), ("cross-site", false), ("", false)]
        {
            assert_eq!(own(here, &[("sec-fetch-site", site)]), is_own, "{site}");
        }
        assert!(own(here, &[]));
        for (origin, is_own) in [
            (here, true),
            ("http://127.0.0.1:5000", true),
            ("http://[::1]:5000", true),
            ("http://localhost:5055", false),
            ("https://localhost:5000", false),
            ("http://evil.example:5000", false),
            ("null", false),
        ] {
            assert_eq!(own(here, &[("origin", origin)]), is_own, "{origin}");
        }
        assert!(own("https://app.example", &[("origin", "https://app.example")]));
        assert!(!own("https://app.example", &[("origin", "https://www.app.example")]));
        // A page without referrers posts as null, and the browser knows better.
        assert!(own(here, &[("origin", "null"), ("sec-fetch-site", "same-origin")]));
    }
}
