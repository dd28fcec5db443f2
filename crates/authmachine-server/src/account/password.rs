//! The change of one's own password: the old one for a new one. Everything issued under the old one ends (checklist PW6, SE5).

use authmachine_pages::{ChangePassword, ErrorKind, PasswordError, paths};
use authmachine_provider::browser_session::{Session, Standing};
use authmachine_provider::event::EventKind;
use authmachine_provider::password::{self, PasswordError as Refusal};
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::Response;

use crate::account::root::Done;
use crate::account::sign_in::{self, Try};
use crate::app::App;
use crate::browser::{self, Browser, SignedIn};
use crate::error::PageError;
use crate::middleware::page_result;
use crate::passwords::{Busy, Verdict};
use crate::request;

const FORM: &str = "change password";

/// `GET /account/password`.
pub async fn get(State(app): State<App>, headers: HeaderMap) -> Response {
    let result = async {
        let browser = Browser::read(&app, &headers);
        let signed_in = browser::session(&app, &browser).await?.filter(|signed_in| signed_in.is_live);
        Ok(match signed_in {
            None => browser::see_other(paths::LOGIN),
            Some(signed_in) => page(&app, &headers, &browser, &signed_in, None),
        })
    };
    let result = result.await;
    page_result(&app, &headers, result)
}

/// `POST /account/password`.
pub async fn post(State(app): State<App>, headers: HeaderMap, body: Body) -> Response {
    let result = change(&app, &headers, body).await;
    page_result(&app, &headers, result)
}

async fn change(app: &App, headers: &HeaderMap, body: Body) -> Result<Response, PageError> {
    let form = request::form(headers, body).await?;
    let browser = Browser::read(app, headers);
    if !browser::is_own_site(app, headers) {
        return Err(ErrorKind::Forbidden.into());
    }
    let signed_in = browser::session(app, &browser).await?.filter(|signed_in| signed_in.is_live);
    let (Some(presented), Some(signed_in)) = (browser.session, signed_in) else {
        return Ok(browser::see_other(paths::LOGIN));
    };
    let refuse = |error| Ok(page(app, headers, &browser, &signed_in, Some(error)));
    if !browser.owns_form(app, headers, FORM, form.get("csrf")) {
        return refuse(PasswordError::Expired);
    }

    // The rules for the new one come first: they cost nothing and say nothing about the old one.
    let user = &signed_in.user;
    let new = form.get("new_password").unwrap_or_default();
    let min = app.settings.min_password_characters;
    if let Err(refusal) = password::check_new(new, min, &sign_in::own_words(app, user)) {
        return refuse(match refusal {
            Refusal::TooShort => PasswordError::TooShort { min },
            Refusal::TooLong => PasswordError::TooLong { max: password::MAX_BYTES },
            Refusal::OwnWords => PasswordError::OwnWords,
            Refusal::TooSimple => PasswordError::TooSimple,
        });
    }

    let current = form.get("current_password").unwrap_or_default();
    if current.len() > password::MAX_BYTES {
        return refuse(PasswordError::WrongCurrent);
    }
    let Ok(place) = app.passwords.place() else { return refuse(PasswordError::Busy) };
    let counted = match Try::count(app, &browser, &user.sub).await? {
        Ok(counted) => counted,
        Err(retry_after_s) => return refuse(PasswordError::Throttled { retry_after_s }),
    };
    let user_id = user.id;
    let stored = app.store.read(move |reads| reads.find_password(user_id)).await?;
    match place.verify(password::normalise(current), stored.clone()).await {
        Err(Busy) => return refuse(PasswordError::Busy),
        Ok(Verdict::Wrong) => {
            let mut event = app.event(EventKind::SignInRefused, user.sub.clone());
            event.user = Some(user.sub.clone());
            event.detail.insert("door".to_owned(), "change of password".into());
            counted.refuse(app, event).await?;
            return refuse(PasswordError::WrongCurrent);
        }
        Ok(Verdict::Right | Verdict::RightButOld(_)) => {}
    }
    let Ok(hash) = place.hash(password::normalise(new)).await else {
        return refuse(PasswordError::Busy);
    };

    let now = app.now();
    let (session, handle) = sign_in::new_session(app, headers, user, now);
    let cookies = browser::session_cookies(app, &session, &handle);
    let (sha256, lives) = (handle.sha256(), app.settings.lives);
    let mut event = app.event(EventKind::PasswordChanged, user.sub.clone());
    event.user = Some(user.sub.clone());
    let changed = app
        .store
        .write(app.write_deadline(), move |tx| {
            // Hashing took a while: whoever locked the user, ended the session or changed the password meanwhile was first.
            let is_live = tx
                .find_session(&presented)?
                .is_some_and(|(session, user)| session.standing(&user, &lives, now) == Standing::Live);
            if !is_live || tx.find_password(user_id)? != stored {
                return Ok(false);
            }
            counted.forgive(tx)?;
            let user_epoch = tx.set_password(user_id, &hash, now)?;
            tx.insert_session(&Session { user_epoch, ..session.clone() }, &sha256)?;
            tx.insert_event(&event)?;
            Ok(true)
        })
        .await?;
    if !changed {
        return refuse(PasswordError::Expired);
    }
    let response = browser::see_other(Done::PasswordChanged.location());
    Ok(cookies.iter().fold(response, browser::with_cookie))
}

fn page(
    app: &App,
    headers: &HeaderMap,
    browser: &Browser,
    signed_in: &SignedIn,
    error: Option<PasswordError>,
) -> Response {
    let html = ChangePassword {
        csrf: browser.form_token(app, FORM),
        username: signed_in.user.username.clone(),
        error,
        min_chars: app.settings.min_password_characters,
    }
    .render(&browser::chrome(app, browser::lang(headers, None)));
    let mut response = browser.keep(app, browser::html(html));
    let (status, retry_after_s) = match error {
        None => (StatusCode::OK, None),
        Some(PasswordError::WrongCurrent) => (StatusCode::UNAUTHORIZED, None),
        Some(PasswordError::Throttled { retry_after_s }) => {
            (StatusCode::TOO_MANY_REQUESTS, Some(retry_after_s))
        }
        Some(PasswordError::Busy) => (StatusCode::SERVICE_UNAVAILABLE, Some(1)),
        Some(_) => (StatusCode::BAD_REQUEST, None),
    };
    *response.status_mut() = status;
    if let Some(seconds) = retry_after_s {
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    }
    response
}
