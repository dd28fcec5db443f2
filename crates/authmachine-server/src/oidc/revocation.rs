//! Token revocation (RFC 7009): a client gives back a token of its own. A refresh token takes its whole grant with it (§2.1); an
//! access token ends alone. For anything else the answer is the same 200: there is nothing to revoke (checklist TK5).

use authmachine_provider::Timestamp;
use authmachine_provider::client::Client;
use authmachine_provider::event::{Event, EventKind};
use authmachine_provider::grant::GrantFacts;
use authmachine_provider::handle::{Presented, RefreshToken};
use authmachine_provider::ids::{ClientId, Kind};
use authmachine_provider::refresh_token::Recognised;
use authmachine_store::{StoreError, Tx};
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse as _, Response};

use crate::app::App;
use crate::error::OAuthError;
use crate::{cors, request};

/// `POST /oidc/revoke`.
pub async fn post(State(app): State<App>, headers: HeaderMap, body: Body) -> Response {
    let answered = answer(&app, &headers, body).await.map(|()| StatusCode::OK);
    cors::clients(&app, &headers, answered.into_response())
}

async fn answer(app: &App, headers: &HeaderMap, body: Body) -> Result<(), OAuthError> {
    let form = request::form(headers, body).await?;
    let client = request::authenticate_client(app, headers, &form).await?;
    let token = form.get("token").ok_or_else(|| OAuthError::invalid_request("token is missing."))?;
    // The kind stands in the token itself, so that token_type_hint tells nothing new.
    let given = match (Presented::parse(Kind::AccessToken, token), RefreshToken::parse(token)) {
        (Some(presented), _) => Given::Access(presented),
        (None, Some(token)) => Given::Refresh(token),
        (None, None) => return Ok(()),
    };
    let revocation = Revocation { given, client: client.id, event: event(app, &client), now: app.now() };
    if app.store.write(app.write_deadline(), move |tx| revocation.run(tx)).await? {
        app.metrics.token_revoked();
    }
    Ok(())
}

fn event(app: &App, client: &Client) -> Event {
    let mut event = app.event(EventKind::TokenRevoked, format!("client:{}", client.client_id));
    event.client = Some(client.client_id.clone());
    event
}

enum Given {
    Access(Presented),
    Refresh(RefreshToken),
}

struct Revocation {
    given: Given,
    client: ClientId,
    event: Event,
    now: Timestamp,
}

impl Revocation {
    /// Revokes the token if it is the client's; `false` when there was nothing to revoke.
    fn run(&self, tx: &mut Tx) -> Result<bool, StoreError> {
        let is_own = |facts: &GrantFacts| facts.grant.client_id == self.client;
        let (facts, kind) = match &self.given {
            Given::Access(presented) => {
                let found = tx.find_access_token(presented)?.filter(|(_, facts)| is_own(facts));
                let Some((token, facts)) = found else { return Ok(false) };
                if !tx.revoke_access_token(token.id, self.now)? {
                    return Ok(false);
                }
                (facts, "access_token")
            }
            Given::Refresh(token) => {
                let found = tx.find_refresh_family(token.id)?.filter(|(_, facts)| is_own(facts));
                let Some((family, facts)) = found else { return Ok(false) };
                // A used one of the family says as well as the current one that its client is done with it.
                if family.recognise(token) == Recognised::Unknown {
                    return Ok(false);
                }
                tx.revoke_grant(facts.grant.id, self.now)?;
                if !tx.revoke_refresh_family(family.id, self.now)? {
                    return Ok(false);
                }
                (facts, "refresh_token")
            }
        };
        let mut event = Event { user: facts.user.map(|user| user.sub), ..self.event.clone() };
        event.detail.insert("token".to_owned(), kind.into());
        tx.insert_event(&event)?;
        Ok(true)
    }
}
