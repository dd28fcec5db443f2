//! `grant_type=check_token_revoked`: whether a client may still rely on an access token of its own. Anything but «live and yours»
//! is «revoked»: it says no more than «do not rely on it» (checklist TK6).

use authmachine_protocol::Params;
use authmachine_provider::client::Client;
use authmachine_provider::handle::Presented;
use authmachine_provider::ids::Kind;
use axum::response::Response;
use serde::Serialize;

use crate::app::App;
use crate::error::{OAuthError, json};

/// What is answered.
#[derive(Serialize)]
struct Verdict {
    revoked: bool,
}

pub(super) async fn answer(app: &App, client: &Client, form: &Params) -> Result<Response, OAuthError> {
    let token =
        form.get("access_token").ok_or_else(|| OAuthError::invalid_request("access_token is missing."))?;
    let found = match Presented::parse(Kind::AccessToken, token) {
        None => None,
        Some(presented) => app.store.read(move |reads| reads.find_access_token(&presented)).await?,
    };
    let now = app.now();
    let is_live = found.is_some_and(|(token, facts)| {
        facts.grant.client_id == client.id && token.live(&facts, now).is_some()
    });
    Ok(json(&Verdict { revoked: !is_live }))
}
