//! The browser behind a request: its cookies, its session, its forms and the language of its pages.

use authmachine_pages::{Chrome, Lang};
use authmachine_provider::browser_session::{Session, Standing, TOUCH_AFTER_S};
use authmachine_provider::handle::{Handle, Presented};
use authmachine_provider::ids::Kind;
use authmachine_provider::user::User;
use authmachine_store::StoreError;
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::{IntoResponse, Response};
use base64ct::{Base64UrlUnpadded, Encoding};

use crate::app::App;
use crate::middleware::{CSP_INTERACTION, current_request_id};

/// A browser, as its cookies say: a random id of its own (the pre-session token that forms and interactions are bound to), its
/// session if it has one, and the proof that somebody signed in here before.
#[derive(Clone)]
pub struct Browser {
    id: String,
    is_new: bool,
    device: Option<String>,
    /// What frames of apps read of its session.
    state: Option<String>,
    /// The session's handle, if the cookie holds one.
    pub session: Option<Presented>,
}

impl Browser {
    /// Reads the cookies. A malformed one is as absent (checklist G10); a browser without an id gets a fresh one.
    pub fn read(app: &App, headers: &HeaderMap) -> Self {
        let id = cookie(headers, &cookie_name(app, "browser"))
            .filter(|id| {
                id.len() == 43 && id.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
            })
            .map(str::to_owned);
        let session = cookie(headers, &cookie_name(app, "session"))
            .and_then(|text| Presented::parse(Kind::Session, text));
        let is_new = id.is_none();
        Self {
            id: id.unwrap_or_else(|| Base64UrlUnpadded::encode_string(&crate::random::bytes::<32>())),
            is_new,
            device: cookie(headers, &cookie_name(app, "device")).map(str::to_owned),
            state: cookie(headers, &state_cookie_name(app)).map(str::to_owned),
            session,
        }
    }

    /// Whether the browser came without an id: it was never here, or it keeps no cookies.
    pub fn is_new(&self) -> bool {
        self.is_new
    }

    /// The proof that `account` has signed in here before, if the browser has it (checklist BF1).
    pub fn device_of(&self, app: &App, account: &str) -> Option<&str> {
        let device = self.device.as_deref()?;
        let (nonce, mac) = device.split_at_checked(32)?;
        let expected = app.secrets.device(account, nonce);
        authmachine_jose::constant_time_eq(mac.as_bytes(), expected.as_bytes()).then_some(device)
    }

    /// What frames of apps may know of the session, as it stands: nothing where there is none. With no word of a session it stays as
    /// it is, since in a foreign frame the browser sends us this cookie without the other.
    pub fn state(&self, app: &App, signed_in: Option<&SignedIn>) -> BrowserState {
        let value = match signed_in {
            Some(SignedIn { session, is_live: true, .. }) => {
                app.secrets.browser_state(&session.sid, session.auth_time)
            }
            None if self.session.is_none() => self.state.clone().unwrap_or_default(),
            _ => String::new(),
        };
        let is_kept = self.state.as_deref().unwrap_or_default() == value;
        BrowserState { value, is_kept }
    }

    /// What rows keep of the browser's id.
    pub fn sha256(&self) -> [u8; 32] {
        authmachine_jose::sha256(self.id.as_bytes())
    }

    /// The anti-forgery token for `form` in this browser.
    pub fn form_token(&self, app: &App, form: &str) -> String {
        app.secrets.form_token(&self.id, form)
    }

    /// Whether a posted form is this browser's own (checklist CS1): the token of `form`, and no word of the browser that it
    /// comes from elsewhere.
    pub fn owns_form(&self, app: &App, headers: &HeaderMap, form: &str, token: Option<&str>) -> bool {
        let expected = self.form_token(app, form);
        !self.is_new
            && is_own_site(app, headers)
            && token.is_some_and(|token| {
                authmachine_jose::constant_time_eq(token.as_bytes(), expected.as_bytes())
            })
    }

    /// Keeps the browser's id, where it is new.
    pub fn keep(&self, app: &App, response: Response) -> Response {
        if self.is_new {
            with_cookie(response, &set_cookie(app, "browser", &self.id, None))
        } else {
            response
        }
    }
}

/// What frames of apps may know of the browser's session (OIDC Session Management §3.2): a value that is another one when the session
/// is, and empty without one.
pub struct BrowserState {
    /// The value of the cookie.
    pub value: String,
    is_kept: bool,
}

impl BrowserState {
    /// Has the browser keep it, if it keeps another.
    pub fn keep(&self, app: &App, response: Response) -> Response {
        if self.is_kept { response } else { with_cookie(response, &state_cookie(app, &self.value)) }
    }
}

/// Whether `Origin` and `Sec-Fetch-Site` allow that the request comes from our own pages. Old browsers send neither.
pub fn is_own_site(app: &App, headers: &HeaderMap) -> bool {
    let text = |name: &str| headers.get(name).map(|value| value.to_str().unwrap_or("?"));
    text("origin").is_none_or(|origin| app.settings.issuer.is_own_origin(origin))
        && text("sec-fetch-site").is_none_or(|site| matches!(site, "same-origin" | "none"))
}

/// Whether the browser really goes to the page: absent fetch metadata counts as a navigation (design.md), a look ahead does not.
pub fn is_navigation(headers: &HeaderMap) -> bool {
    let text = |name: &str| headers.get(name).map(|value| value.to_str().unwrap_or("?"));
    text("sec-fetch-mode").is_none_or(|mode| mode == "navigate")
        && text("sec-fetch-dest").is_none_or(|dest| dest == "document")
        && text("sec-purpose").is_none_or(|purpose| !purpose.starts_with("prefetch"))
}

/// Whether a form was posted from another site: then the `Lax` session cookie was not sent with it.
pub fn is_cross_site(headers: &HeaderMap) -> bool {
    headers.get("sec-fetch-site").is_some_and(|site| matches!(site.as_bytes(), b"cross-site" | b"same-site"))
}

/// A browser's session row with its user.
pub struct SignedIn {
    /// The session; live or over.
    pub session: Session,
    /// Its user.
    pub user: User,
    /// Whether it is live.
    pub is_live: bool,
}

/// Loads the browser's session, live or over, and notes that it is used.
///
/// # Errors
/// [`StoreError`].
pub async fn session(app: &App, browser: &Browser) -> Result<Option<SignedIn>, StoreError> {
    let Some(presented) = browser.session else { return Ok(None) };
    let Some((session, user)) = app.store.read(move |reads| reads.find_session(&presented)).await? else {
        return Ok(None);
    };
    let now = app.now();
    let is_live = session.standing(&user, &app.settings.lives, now) == Standing::Live;
    if is_live && session.last_seen_at.plus_seconds(TOUCH_AFTER_S) <= now {
        let id = session.id;
        app.store.write_later(move |tx| tx.touch_session(id, now));
    }
    Ok(Some(SignedIn { session, user, is_live }))
}

/// The cookies of a session: its handle, and what frames of apps may know of it. They last as long as the browser runs; the server
/// knows when the session ends.
pub fn session_cookies(app: &App, session: &Session, handle: &Handle) -> [HeaderValue; 2] {
    let state = app.secrets.browser_state(&session.sid, session.auth_time);
    [set_cookie(app, "session", handle.reveal(), None), state_cookie(app, &state)]
}

/// Takes the cookies of a session away.
pub fn without_session(app: &App, response: Response) -> Response {
    let response = with_cookie(response, &set_cookie(app, "session", "", Some(0)));
    with_cookie(response, &state_cookie(app, ""))
}

/// The name of the cookie that frames of apps read.
pub fn state_cookie_name(app: &App) -> String {
    cookie_name(app, "state")
}

/// The one cookie that scripts read, in frames of foreign pages as well (checklist SE1). Without https no browser lets it there but
/// from other ports of the same machine. An empty one is taken away.
fn state_cookie(app: &App, value: &str) -> HeaderValue {
    let site = if app.settings.issuer.is_https() { "None; Secure" } else { "Lax" };
    let max_age = if value.is_empty() { "; Max-Age=0" } else { "" };
    let text = format!("{}={value}; Path=/; SameSite={site}{max_age}", state_cookie_name(app));
    HeaderValue::try_from(text).expect("names and hexadecimal digits are plain ASCII")
}

/// How long a browser is known after a sign-in: half a year.
const DEVICE_S: i64 = 180 * 24 * 60 * 60;

/// The cookie by which the browser is known the next time `account` signs in: it opens nothing.
pub fn device_cookie(app: &App, account: &str) -> HeaderValue {
    let nonce = crate::random::public_id();
    let mac = app.secrets.device(account, &nonce);
    set_cookie(app, "device", &format!("{nonce}{mac}"), Some(DEVICE_S))
}

fn cookie_name(app: &App, what: &str) -> String {
    let prefix = if app.settings.issuer.is_https() { "__Host-" } else { "" };
    format!("{prefix}am_{what}_{}", app.settings.issuer.cookie_suffix())
}

fn set_cookie(app: &App, what: &str, value: &str, max_age_s: Option<i64>) -> HeaderValue {
    let secure = if app.settings.issuer.is_https() { "; Secure" } else { "" };
    let max_age = max_age_s.map(|seconds| format!("; Max-Age={seconds}")).unwrap_or_default();
    let text = format!("{}={value}; Path=/; HttpOnly; SameSite=Lax{secure}{max_age}", cookie_name(app, what));
    HeaderValue::try_from(text).expect("names and handles are plain ASCII")
}

/// The value of a cookie; `None` when it is absent or there twice (checklist G6). Hosts and ports share cookies, so one that is no
/// text is nobody's business but its owner's.
fn cookie<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let mut values = headers
        .get_all(header::COOKIE)
        .iter()
        .flat_map(|line| line.as_bytes().split(|byte| *byte == b';'))
        .filter_map(|pair| std::str::from_utf8(pair).ok()?.trim().split_once('='))
        .filter(|(n, _)| *n == name)
        .map(|(_, value)| value);
    match (values.next(), values.next()) {
        (Some(value), None) => Some(value),
        _ => None,
    }
}

/// Adds a `Set-Cookie`.
pub fn with_cookie(mut response: Response, cookie: &HeaderValue) -> Response {
    response.headers_mut().append(header::SET_COOKIE, cookie.clone());
    response
}

/// The language of the pages: `ui_locales`, then `Accept-Language`.
pub fn lang(headers: &HeaderMap, ui_locales: Option<&str>) -> Lang {
    Lang::negotiate(ui_locales, headers.get(header::ACCEPT_LANGUAGE).and_then(|value| value.to_str().ok()))
}

/// What surrounds a page.
pub fn chrome(app: &App, lang: Lang) -> Chrome {
    Chrome { site: app.site.clone(), lang, request_id: current_request_id() }
}

/// A page.
pub fn html(html: String) -> Response {
    ([(header::CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"))], html).into_response()
}

/// A page whose form may end at a client.
pub fn interaction_html(page: String) -> Response {
    ([(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(CSP_INTERACTION))], html(page))
        .into_response()
}

/// 303 to an address that was checked or is our own; a GET follows whatever the request was (checklist RU6).
pub fn see_other(location: &str) -> Response {
    match HeaderValue::try_from(location) {
        Ok(location) => (axum::http::StatusCode::SEE_OTHER, [(header::LOCATION, location)]).into_response(),
        Err(_) => {
            tracing::error!("An address to redirect to is not a header value; this is a bug");
            axum::http::StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(values: &[(&'static str, &'static str)]) -> HeaderMap {
        values
            .iter()
            .map(|(name, value)| (axum::http::HeaderName::from_static(name), HeaderValue::from_static(value)))
            .collect()
    }

    #[test]
    fn lo3_a_navigation_is_told_from_frames_and_scripts() {
        for (values, is_one) in [
            (&[][..], true),
            (&[("sec-fetch-mode", "navigate"), ("sec-fetch-dest", "document")], true),
            (&[("sec-fetch-mode", "navigate"), ("sec-fetch-dest", "iframe")], false),
            (&[("sec-fetch-mode", "no-cors"), ("sec-fetch-dest", "image")], false),
            (&[("sec-fetch-mode", "cors"), ("sec-fetch-dest", "empty")], false),
            (&[("sec-fetch-dest", "image")], false),
            (&[("sec-fetch-mode", "navigate"), ("sec-purpose", "prefetch;prerender")], false),
        ] {
            assert_eq!(is_navigation(&headers(values)), is_one, "{values:?}");
        }
    }

    #[test]
    fn g6_a_cookie_that_is_there_twice_is_none() {
        for (line, value) in [
            ("a=1", Some("1")),
            ("b=2; a=1", Some("1")),
            ("a=1; a=2", None),
            ("a=1; a=1", None),
            ("aa=1; ba=2", None),
            ("a", None),
            ("", None),
        ] {
            assert_eq!(cookie(&headers(&[("cookie", line)]), "a"), value, "{line}");
        }
    }

    #[test]
    fn an_address_that_is_no_header_value_is_never_sent() {
        assert_eq!(see_other("/a").status(), axum::http::StatusCode::SEE_OTHER);
        let broken = see_other("/a\r\nSet-Cookie: x=y");
        assert_eq!(broken.status(), axum::http::StatusCode::INTERNAL_SERVER_ERROR);
        assert!(!broken.headers().contains_key(header::LOCATION));
    }
}
