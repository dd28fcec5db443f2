//! Signing in by user name and password: the rule for every door that asks for them, and the page without a client.

use authmachine_pages::{ErrorKind, Login, LoginError, paths};
use authmachine_protocol::{Params, Timestamp};
use authmachine_provider::browser_session::Session;
use authmachine_provider::event::{Event, EventKind};
use authmachine_provider::handle::Handle;
use authmachine_provider::ids::{Kind, SessionId};
use authmachine_provider::throttle::{self, Throttle};
use authmachine_provider::user::{User, fold};
use authmachine_provider::{password, user};
use authmachine_store::{StoreError, Tx};
use axum::body::Body;
use axum::extract::{RawQuery, State};
use axum::http::{HeaderMap, header};
use axum::response::Response;

use crate::account::permissions;
use crate::app::App;
use crate::browser::{self, Browser, SignedIn};
use crate::error::PageError;
use crate::middleware::{current_address, current_source, page_result};
use crate::passwords::Verdict;
use crate::{random, request};

const FORM: &str = "sign in";
/// Failures from one source, over all names, that cost nothing.
const FREE_SOURCE_FAILURES: i64 = 100;

/// A person who proved themselves, and the session to be saved for it.
pub struct Proved {
    user: User,
    session: Session,
    handle: Handle,
    /// The session that the browser had before.
    before: Option<(SessionId, bool)>,
    counted: Try,
    rehash: Option<(String, String)>,
    event: Event,
}

/// Checks name and password: throttled, counted before the check, alike for known and unknown names (checklist EN1, BF1–BF3).
///
/// # Errors
/// [`LoginError`] for the page, inside; the store's errors outside.
pub async fn prove(
    app: &App,
    headers: &HeaderMap,
    browser: &Browser,
    username: &str,
    typed: &str,
) -> Result<Result<Proved, LoginError>, StoreError> {
    let now = app.now();
    if username.is_empty() || username.len() > 254 || typed.len() > password::MAX_BYTES {
        return Ok(Err(LoginError::WrongCredentials));
    }
    let name = fold(username);
    let login = username.to_owned();
    let found = app
        .store
        .read(move |reads| match reads.find_user_by_login(&login)? {
            Some(user) => Ok(Some((reads.find_password(user.id)?, user))),
            None => Ok(None),
        })
        .await?;
    // No place, no try: a busy server slows nobody down who guessed nothing.
    let Ok(place) = app.passwords.place() else { return Ok(Err(LoginError::Busy)) };
    // The account's own counter, whichever of its names was typed (checklist BF2).
    let account = found.as_ref().map_or(&name, |(_, user)| &user.sub);
    let counted = match Try::count(app, browser, account).await? {
        Ok(counted) => counted,
        Err(retry_after_s) => return Ok(Err(LoginError::Throttled { retry_after_s })),
    };

    let stored = found.as_ref().and_then(|(hash, _)| hash.clone());
    let verdict = match place.verify(password::normalise(typed), stored.clone()).await {
        Ok(verdict) => verdict,
        Err(crate::passwords::Busy) => return Ok(Err(LoginError::Busy)),
    };
    let rehash = match (&verdict, stored) {
        (Verdict::RightButOld(new), Some(old)) => Some((old, new.clone())),
        _ => None,
    };
    let user = match (verdict, found) {
        (Verdict::Right | Verdict::RightButOld(_), Some((_, user))) if user.may_sign_in() => user,
        (_, found) => {
            let mut event = app.event(EventKind::SignInRefused, "anonymous");
            event.user = found.map(|(_, user)| user.sub);
            counted.refuse(app, event).await?;
            app.metrics.sign_in(false);
            return Ok(Err(LoginError::WrongCredentials));
        }
    };
    let before = browser::session(app, browser).await?;
    Ok(Ok(Proved::new(app, headers, user, before, counted, rehash, now)))
}

/// A try at the password of an account, counted before the check, so that parallel tries count each other (checklist BF3).
#[derive(Clone, Copy)]
pub struct Try {
    account: [u8; 32],
    /// Where strangers come from.
    source: Option<[u8; 32]>,
}

impl Try {
    /// Counts a try at `account`: a user's `sub`, or the folded name that nobody has. A browser in which the account has signed in
    /// before has a count of its own, so that no stranger locks the owner out (checklist BF1).
    ///
    /// # Errors
    /// The seconds to wait, inside; the store's errors outside.
    pub async fn count(app: &App, browser: &Browser, account: &str) -> Result<Result<Self, u64>, StoreError> {
        let now = app.now();
        let counted = match browser.device_of(app, account) {
            Some(device) => Self { account: app.secrets.throttle("device", device), source: None },
            None => Self {
                account: app.secrets.throttle("user", account),
                source: Some(app.secrets.throttle("source", &current_source())),
            },
        };
        let tried = app
            .store
            .write(app.write_deadline(), move |tx| {
                let before = tx.find_throttle(&counted.account)?;
                let mut verdict = throttle::check_account(&before, now);
                if let (Ok(()), Some(source)) = (verdict, &counted.source) {
                    verdict = throttle::check(&tx.find_throttle(source)?, FREE_SOURCE_FAILURES, now);
                }
                if verdict.is_err() {
                    return Ok(verdict);
                }
                tx.count_try(&counted.account, now)?;
                // Where there was no row to hold, others may have counted since the look (on PostgreSQL); now it is ours.
                let failures = tx.find_throttle(&counted.account)?.failures - 1;
                if failures <= before.failures {
                    return Ok(Ok(()));
                }
                let others = Throttle { failures, last_failed_at: Some(now) };
                Ok(throttle::check_account(&others, now))
            })
            .await?;
        Ok(tried.map(|()| counted).map_err(i64::unsigned_abs))
    }

    /// The password was another one: that counts against the source as well. Right ones do not, since many people may share it.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn refuse(self, app: &App, event: Event) -> Result<(), StoreError> {
        let now = app.now();
        app.store
            .write(app.write_deadline(), move |tx| {
                if let Some(source) = &self.source {
                    tx.count_draining(source, now)?;
                }
                tx.insert_event(&event)
            })
            .await
    }

    /// The password was right: takes the account's count back.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn forgive(self, tx: &mut Tx) -> Result<(), StoreError> {
        tx.clear_throttle(&self.account)
    }
}

/// A fresh session of `user` in the browser that sent `headers`, with the handle for its cookie.
pub fn new_session(app: &App, headers: &HeaderMap, user: &User, now: Timestamp) -> (Session, Handle) {
    let handle = random::handle(&app.ids, Kind::Session, now);
    let agent = headers.get(header::USER_AGENT).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let session = Session {
        id: SessionId(handle.id()),
        sid: random::public_id(),
        user_id: user.id,
        user_epoch: user.epoch,
        created_at: now,
        auth_time: now,
        amr: vec!["pwd".to_owned()],
        last_seen_at: now,
        expires_at: now.plus_seconds(app.settings.lives.session_s),
        ended_at: None,
        tokens_revoked_at: None,
        user_agent: agent.chars().take(256).collect(),
        address: current_address().unwrap_or_default(),
    };
    (session, handle)
}

impl Proved {
    fn new(
        app: &App,
        headers: &HeaderMap,
        user: User,
        before: Option<SignedIn>,
        counted: Try,
        rehash: Option<(String, String)>,
        now: Timestamp,
    ) -> Self {
        // The same person again keeps the session's row, also one that was unused for too long, so that its clients and tokens stay
        // together and a later sign-out reaches them all; the cookie is a new one (checklist SE2). What has ended stays so, and
        // another person gets another session: then the old one ends.
        let again = before.as_ref().filter(|before| may_go_on(&before.session, &user));
        let (mut session, mut handle) = new_session(app, headers, &user, now);
        if let Some(SignedIn { session: old, .. }) = again {
            handle = Handle::new(old.id.0, &random::bytes());
            session = Session { id: old.id, sid: old.sid.clone(), created_at: old.created_at, ..session };
        }
        let mut event = app.event(EventKind::SignIn, user.sub.clone());
        event.user = Some(user.sub.clone());
        event.detail.insert("sid".to_owned(), session.sid.as_str().into());
        let before = before.map(|before| (before.session.id, before.session.id == session.id));
        Self { user, session, handle, before, counted, rehash, event }
    }

    /// The session's row.
    pub fn session_id(&self) -> SessionId {
        self.session.id
    }

    /// Saves the session, ends the one before, and takes the counted try back: part of the caller's unit of work.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn save(&self, tx: &mut Tx) -> Result<(), StoreError> {
        self.counted.forgive(tx)?;
        match self.before {
            Some((_, true)) => tx.renew_session(&self.session, &self.handle.sha256())?,
            before => {
                if let Some((id, _)) = before {
                    tx.end_session(id, self.session.created_at)?;
                }
                tx.insert_session(&self.session, &self.handle.sha256())?;
            }
        }
        if let Some((old, new)) = &self.rehash {
            tx.rehash_password(self.user.id, old, new)?;
        }
        tx.insert_event(&self.event)
    }

    /// A right password counts nowhere, also when nothing comes of it.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn forgive(&self, tx: &mut Tx) -> Result<(), StoreError> {
        self.counted.forgive(tx)
    }

    /// Gives the browser its new cookies, once the session is saved.
    pub fn keep(&self, app: &App, response: Response) -> Response {
        app.metrics.sign_in(true);
        let [session, state] = browser::session_cookies(app, &self.session, &self.handle);
        let device = browser::device_cookie(app, &self.user.sub);
        [session, state, device].iter().fold(response, browser::with_cookie)
    }
}

/// Whether `session` goes on when `user` signs in again in its browser.
fn may_go_on(session: &Session, user: &User) -> bool {
    session.user_id == user.id
        && session.user_epoch == user.epoch
        && session.ended_at.is_none()
        && session.tokens_revoked_at.is_none()
}

/// `GET /login`: the page without a client. With a right in its query: for somebody who wants to lend that, which needs a recent
/// sign-in.
pub async fn get(State(app): State<App>, RawQuery(query): RawQuery, headers: HeaderMap) -> Response {
    let result = async {
        let browser = Browser::read(&app, &headers);
        let right = permissions::Right::of_query(query.as_deref());
        let signed_in = browser::session(&app, &browser).await?.filter(|signed_in| signed_in.is_live);
        Ok(match (&signed_in, &right) {
            (Some(_), None) => browser::see_other(paths::ROOT),
            (Some(SignedIn { session, .. }), Some(right)) if permissions::is_recent(&app, session) => {
                browser::see_other(&right.location())
            }
            _ => {
                let username = signed_in.as_ref().map_or("", |signed_in| &signed_in.user.username);
                page(&app, &headers, &browser, right.as_ref(), username, None)
            }
        })
    };
    let result = result.await;
    page_result(&app, &headers, result)
}

/// `POST /login`.
pub async fn post(
    State(app): State<App>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
    body: Body,
) -> Response {
    let right = permissions::Right::of_query(query.as_deref());
    let result = sign_in(&app, &headers, right.as_ref(), body).await;
    page_result(&app, &headers, result)
}

async fn sign_in(
    app: &App,
    headers: &HeaderMap,
    right: Option<&permissions::Right>,
    body: Body,
) -> Result<Response, PageError> {
    let form: Params = request::form(headers, body).await?;
    let browser = Browser::read(app, headers);
    let username = form.get("username").unwrap_or_default();
    if !browser.owns_form(app, headers, FORM, form.get("csrf")) {
        if !browser::is_own_site(app, headers) {
            return Err(ErrorKind::Forbidden.into());
        }
        let error = if browser.is_new() { LoginError::CookiesMissing } else { LoginError::Expired };
        return Ok(page(app, headers, &browser, right, username, Some(error)));
    }
    match prove(app, headers, &browser, username, form.get("password").unwrap_or_default()).await? {
        Err(error) => Ok(page(app, headers, &browser, right, username, Some(error))),
        Ok(proved) => {
            let proved = std::sync::Arc::new(proved);
            let saved = proved.clone();
            app.store.write(app.write_deadline(), move |tx| saved.save(tx)).await?;
            let location = right.map_or_else(|| paths::ROOT.to_owned(), permissions::Right::location);
            Ok(proved.keep(app, browser::see_other(&location)))
        }
    }
}

fn page(
    app: &App,
    headers: &HeaderMap,
    browser: &Browser,
    right: Option<&permissions::Right>,
    username: &str,
    error: Option<LoginError>,
) -> Response {
    let login = Login {
        action: right.map_or_else(|| paths::LOGIN.to_owned(), permissions::Right::sign_in),
        csrf: browser.form_token(app, FORM),
        client: None,
        username: username.to_owned(),
        is_again: right.is_some(),
        error,
        may_cancel: false,
    };
    let html = login.render(&browser::chrome(app, browser::lang(headers, None)));
    browser.keep(app, with_login_status(browser::html(html), error))
}

/// The status of a login page: 200 when it is shown for the first time.
pub fn with_login_status(mut response: Response, error: Option<LoginError>) -> Response {
    use axum::http::{HeaderValue, StatusCode};
    let status = match error {
        None => StatusCode::OK,
        Some(LoginError::WrongCredentials) => StatusCode::UNAUTHORIZED,
        Some(LoginError::Throttled { retry_after_s }) => {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(retry_after_s));
            StatusCode::TOO_MANY_REQUESTS
        }
        Some(LoginError::Busy) => {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(1));
            StatusCode::SERVICE_UNAVAILABLE
        }
        Some(LoginError::Expired | LoginError::CookiesMissing) => StatusCode::BAD_REQUEST,
    };
    *response.status_mut() = status;
    response
}

/// What a user's passwords must not be built from.
pub fn own_words<'a>(app: &'a App, user: &'a user::User) -> Vec<&'a str> {
    let mut words = vec![user.username.as_str(), app.settings.brand.product_name.as_str()];
    words.extend(user.email.as_deref());
    words
}
