//! RP-initiated logout (OpenID Connect RP-Initiated Logout 1.0), with `revoke_tokens=1` of the existing clients.

use authmachine_pages::{ErrorKind, LoggedOut, LogoutConfirm, paths};
use authmachine_protocol::Params;
use authmachine_protocol::form::append_query;
use authmachine_provider::authorize::{Hint, MAX_STATE_BYTES};
use authmachine_provider::client::Client;
use authmachine_provider::logout::{LogoutRequest, Situation, Then, decide};
use authmachine_store::{Reads, StoreError};
use axum::body::Body;
use axum::extract::{RawQuery, State};
use axum::http::HeaderMap;
use axum::response::Response;

use crate::account::sessions;
use crate::app::App;
use crate::browser::{self, Browser};
use crate::error::PageError;
use crate::middleware::page_result;
use crate::oidc::{self, front_channel_logout, id_token};
use crate::request;

/// The question's form. Its anti-forgery token says whether tokens end as well, so that nothing else in the form need.
const FORM: &str = "logout";
const FORM_WITH_TOKENS: &str = "logout with tokens";

/// `GET /oidc/logout`.
pub async fn get(State(app): State<App>, RawQuery(query): RawQuery, headers: HeaderMap) -> Response {
    let result = async {
        let params = request::parse(query.unwrap_or_default().as_bytes())?;
        answer(&app, &headers, &params).await
    };
    let result = result.await;
    page_result(&app, &headers, result)
}

/// `POST /oidc/logout`.
pub async fn post(State(app): State<App>, headers: HeaderMap, body: Body) -> Response {
    let result = async {
        let params = request::form(&headers, body).await?;
        match oidc::continued_by_get(&headers, oidc::END_SESSION, &params) {
            Some(continued) => Ok(continued),
            None => answer(&app, &headers, &params).await,
        }
    };
    let result = result.await;
    page_result(&app, &headers, result)
}

/// `POST /oidc/logout/confirm`: the person's answer. A yes ends on our own page, whatever the request wanted.
pub async fn confirm(State(app): State<App>, headers: HeaderMap, body: Body) -> Response {
    let result = async {
        let form = request::form(&headers, body).await?;
        let browser = Browser::read(&app, &headers);
        let owns = |name| browser.owns_form(&app, &headers, name, form.get("csrf"));
        let revoke_tokens = owns(FORM_WITH_TOKENS);
        if !revoke_tokens && !owns(FORM) {
            return Err(PageError::new(ErrorKind::Forbidden));
        }
        if form.get("decision") != Some("yes") {
            return Ok(browser::see_other(paths::ROOT));
        }
        let signed_in = browser::session(&app, &browser).await?;
        Ok(sessions::sign_out_here(&app, &headers, signed_in.as_ref(), revoke_tokens).await?)
    };
    let result = result.await;
    page_result(&app, &headers, result)
}

async fn answer(app: &App, headers: &HeaderMap, params: &Params) -> Result<Response, PageError> {
    let text = |name: &str| params.get(name).map(str::to_owned);
    let request = LogoutRequest {
        post_logout_redirect_uri: text("post_logout_redirect_uri"),
        state: text("state"),
        client_id: text("client_id"),
        revoke_tokens: params.get("revoke_tokens") == Some("1"),
    };
    if request.state.as_ref().is_some_and(|state| state.len() > MAX_STATE_BYTES) {
        return Err(ErrorKind::BadRequest.into());
    }
    let browser = Browser::read(app, headers);
    let signed_in = browser::session(app, &browser).await?;
    let hint = params.get("id_token_hint").and_then(|token| id_token::verify_hint(app, token));
    let known = {
        let (request, hint) = (request.clone(), hint.clone());
        let session = signed_in.as_ref().map(|signed_in| signed_in.session.id);
        app.store.read(move |reads| Known::load(reads, &request, hint.as_ref(), session)).await?
    };

    let sector = known.of_hint.as_ref().and_then(Client::pairwise_sector);
    let sid = signed_in.as_ref().map(|signed_in| app.secrets.sid(sector, &signed_in.session.sid));
    let plan = decide(
        &request,
        &Situation {
            hint_sent: params.get("id_token_hint").is_some(),
            hint: hint.as_ref().zip(known.of_hint.as_ref()),
            session: signed_in.as_ref().map(|signed_in| &signed_in.session),
            sid: sid.as_deref(),
            is_live: signed_in.as_ref().is_some_and(|signed_in| signed_in.is_live),
            session_clients: &known.of_session,
            first_party_with_uri: known.first_party_with_uri.as_ref(),
            is_navigation: browser::is_navigation(headers),
        },
    );
    let frames = match signed_in.as_ref().filter(|_| plan.end_session) {
        Some(signed_in) => sessions::end_own(app, signed_in, request.revoke_tokens).await?,
        None => Vec::new(),
    };

    let lang = browser::lang(headers, params.get("ui_locales"));
    let chrome = browser::chrome(app, lang);
    let then = match (plan.then, &request.post_logout_redirect_uri) {
        (Then::Redirect, Some(uri)) => {
            let state = request.state.as_deref().map(|state| ("state", state));
            Some(append_query(uri, state))
        }
        _ => None,
    };
    let response = match (plan.then, then) {
        (Then::Redirect | Then::LoggedOutPage, then) if !frames.is_empty() => {
            let client = known.of_hint.or(known.first_party_with_uri);
            front_channel_logout::page(app, lang, frames, then, client.map(|client| client.name))
        }
        (Then::Redirect, Some(uri)) => browser::see_other(&uri),
        (Then::Redirect, None) | (Then::LoggedOutPage, _) => browser::html(LoggedOut.render(&chrome)),
        (Then::Confirm, _) => {
            let form = if request.revoke_tokens { FORM_WITH_TOKENS } else { FORM };
            let question = LogoutConfirm {
                action: oidc::END_SESSION_CONFIRM.to_owned(),
                csrf: browser.form_token(app, form),
                username: signed_in
                    .filter(|signed_in| signed_in.is_live)
                    .map(|signed_in| signed_in.user.username),
                client_name: known.of_hint.or(known.named).map(|client| client.name),
            };
            browser.keep(app, browser::html(question.render(&chrome)))
        }
    };
    Ok(match plan.end_session {
        true => browser::without_session(app, response),
        false => response,
    })
}

/// The clients that a logout request may be about; none of them is switched off.
#[derive(Default)]
struct Known {
    of_hint: Option<Client>,
    named: Option<Client>,
    of_session: Vec<Client>,
    first_party_with_uri: Option<Client>,
}

impl Known {
    fn load(
        reads: &mut Reads,
        request: &LogoutRequest,
        hint: Option<&Hint>,
        session: Option<authmachine_provider::ids::SessionId>,
    ) -> Result<Self, StoreError> {
        let mut known = Self::default();
        // An ID token of ours has one audience.
        if let Some(client_id) = hint.and_then(|hint| hint.audience.first()) {
            known.of_hint = reads.find_client_by_client_id(client_id)?.filter(|client| !client.disabled);
        }
        if let Some(client_id) = &request.client_id {
            known.named = reads.find_client_by_client_id(client_id)?.filter(|client| !client.disabled);
        }
        if let Some(session) = session {
            known.of_session = reads.list_session_clients(session)?;
        }
        // Several may share an address; the one that is named is meant.
        known.first_party_with_uri = match (&request.client_id, &request.post_logout_redirect_uri) {
            (None, Some(uri)) => reads.find_first_party_by_logout_uri(uri)?,
            (Some(_), Some(_)) => known.named.clone(),
            (_, None) => None,
        };
        Ok(known)
    }
}
