//! Ending one's own sessions: this browser's, another one, all others. These are plain ends: single sign-on and refresh tokens of
//! the session are over, access tokens run out (design.md).

use authmachine_pages::{ErrorKind, paths};
use authmachine_protocol::Params;
use authmachine_provider::browser_session::Session;
use authmachine_provider::event::{Event, EventKind};
use authmachine_provider::user::User;
use authmachine_store::{MAX_LISTED_SESSIONS, StoreError};
use axum::body::Body;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;

use crate::account::root::{Done, FORM};
use crate::app::App;
use crate::browser::{self, Browser, SignedIn};
use crate::error::PageError;
use crate::middleware::page_result;
use crate::oidc::front_channel_logout;
use crate::request;

/// `POST /logout`: ends this browser's session.
pub async fn sign_out(State(app): State<App>, headers: HeaderMap, body: Body) -> Response {
    let result = async {
        let (_, signed_in) = read(&app, &headers, body).await?;
        Ok(sign_out_here(&app, &headers, signed_in.as_ref(), false).await?)
    };
    let result = result.await;
    page_result(&app, &headers, result)
}

/// `POST /account/sessions/end`: ends the session whose public id is in `session`, if it is the person's own.
pub async fn end_one(State(app): State<App>, headers: HeaderMap, body: Body) -> Response {
    let result = async {
        let (form, signed_in) = read(&app, &headers, body).await?;
        let Some(SignedIn { user, .. }) = signed_in.filter(|signed_in| signed_in.is_live) else {
            return Ok(browser::see_other(paths::LOGIN));
        };
        let sid = form.get("session").unwrap_or_default();
        let id = user.id;
        let sessions = app.store.read(move |reads| reads.list_sessions_of(id)).await?;
        // Another person's session equals a missing one (checklist EN4).
        let session = sessions.into_iter().find(|session| session.sid == sid).ok_or(ErrorKind::NotFound)?;
        end(&app, &user, vec![session]).await?;
        Ok(browser::see_other(Done::SessionEnded.location()))
    };
    let result = result.await;
    page_result(&app, &headers, result)
}

/// The most sessions that end in one unit of work: who waits for it does not wait long.
const ENDED_AT_ONCE: usize = 50;

/// `POST /account/sessions/end-others`: ends all of the person's sessions but this one.
pub async fn end_others(State(app): State<App>, headers: HeaderMap, body: Body) -> Response {
    let result = async {
        let (_, signed_in) = read(&app, &headers, body).await?;
        let Some(SignedIn { session, user, .. }) = signed_in.filter(|signed_in| signed_in.is_live) else {
            return Ok(browser::see_other(paths::LOGIN));
        };
        let id = user.id;
        // A list is bounded, so there may be more than one.
        loop {
            let mut others = app.store.read(move |reads| reads.list_sessions_of(id)).await?;
            let were_all = others.len() < MAX_LISTED_SESSIONS;
            others.retain(|other| other.id != session.id);
            for some in others.chunks(ENDED_AT_ONCE) {
                end(&app, &user, some.to_vec()).await?;
            }
            if were_all {
                break;
            }
        }
        Ok(browser::see_other(Done::OtherSessionsEnded.location()))
    };
    let result = result.await;
    page_result(&app, &headers, result)
}

/// The form, proved to be our own, and who sent it.
pub(super) async fn read(
    app: &App,
    headers: &HeaderMap,
    body: Body,
) -> Result<(Params, Option<SignedIn>), PageError> {
    let form = request::form(headers, body).await?;
    let browser = Browser::read(app, headers);
    if !browser.owns_form(app, headers, FORM, form.get("csrf")) {
        return Err(ErrorKind::Forbidden.into());
    }
    let signed_in = browser::session(app, &browser).await?;
    Ok((form, signed_in))
}

/// Ends `sessions`, each with its event.
async fn end(app: &App, user: &User, sessions: Vec<Session>) -> Result<(), PageError> {
    let now = app.now();
    let ends: Vec<_> = sessions.into_iter().map(|session| (session.id, ended(app, user, &session))).collect();
    app.store
        .write(app.write_deadline(), move |tx| {
            for (id, event) in &ends {
                if tx.end_session(*id, now)? {
                    tx.insert_event(event)?;
                }
            }
            Ok(())
        })
        .await?;
    Ok(())
}

/// Ends this browser's session, if it has one, on our own page: with the frames of the apps that are told by them.
///
/// # Errors
/// [`StoreError`].
pub async fn sign_out_here(
    app: &App,
    headers: &HeaderMap,
    signed_in: Option<&SignedIn>,
    revoke_tokens: bool,
) -> Result<Response, StoreError> {
    let frames = match signed_in {
        Some(signed_in) => end_own(app, signed_in, revoke_tokens).await?,
        None => Vec::new(),
    };
    let response = match frames.is_empty() {
        true => browser::see_other(Done::SignedOut.location()),
        false => front_channel_logout::page(app, browser::lang(headers, None), frames, None, None),
    };
    Ok(browser::without_session(app, response))
}

/// Ends this browser's session, and with `revoke_tokens` everything that it issued (design.md, «what ends tokens»). Clients that are
/// told from server to server know it by now, if they are quick; what is returned tells others, in frames.
///
/// # Errors
/// [`StoreError`].
pub async fn end_own(
    app: &App,
    signed_in: &SignedIn,
    revoke_tokens: bool,
) -> Result<Vec<String>, StoreError> {
    let (id, now) = (signed_in.session.id, app.now());
    let signed_out = ended(app, &signed_in.user, &signed_in.session);
    let mut revoked = app.event(EventKind::SessionTokensRevoked, signed_in.user.sub.clone());
    revoked.user.clone_from(&signed_out.user);
    revoked.detail.clone_from(&signed_out.detail);
    let first_tries = app.deliveries.watch();
    let (has_ended, has_revoked, clients) = app
        .store
        .write(app.write_deadline(), move |tx| {
            let has_ended = tx.end_session(id, now)?;
            if has_ended {
                tx.insert_event(&signed_out)?;
            }
            let has_revoked = revoke_tokens && tx.revoke_session_tokens(id, now)?;
            if has_revoked {
                tx.insert_event(&revoked)?;
            }
            Ok((has_ended, has_revoked, tx.list_session_clients(id)?))
        })
        .await?;
    if has_revoked {
        app.metrics.token_revoked();
    }
    if has_ended {
        first_tries.wait(id, &clients).await;
    }
    Ok(front_channel_logout::frames(app, &clients, &signed_in.session.sid))
}

/// The event of a plain end.
fn ended(app: &App, user: &User, session: &Session) -> Event {
    let mut event = app.event(EventKind::SignOut, user.sub.clone());
    event.user = Some(user.sub.clone());
    event.detail.insert("sid".to_owned(), session.sid.as_str().into());
    event
}
