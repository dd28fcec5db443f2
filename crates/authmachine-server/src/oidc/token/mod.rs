//! The token endpoint (RFC 6749 §3.2): one file a grant type, and the token check that existing clients ask for here.

mod authorization_code;
mod check_token_revoked;
mod client_credentials;
mod refresh_token;

use authmachine_protocol::{ErrorCode, GrantType, Params, TokenResponse, scope};
use authmachine_provider::client::Client;
use authmachine_provider::event::{Event, EventKind};
use authmachine_provider::grant::{GrantFacts, Live};
use authmachine_provider::{Timestamp, access_token::AccessToken};
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::HeaderMap;
use axum::response::{IntoResponse as _, Response};
use zeroize::Zeroizing;

use crate::app::App;
use crate::error::{OAuthError, json};
use crate::oidc::permissions_claim::InIdToken;
use crate::oidc::{id_token, registration};
use crate::{cors, request};

/// `grant_type` of the token check. It grants nothing, so it stands in no list of grant types.
const CHECK_TOKEN_REVOKED: &str = "check_token_revoked";

/// `POST /oidc/token`.
pub async fn post(State(app): State<App>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let answered = answer(&app, &parts.headers, body).await;
    cors::clients(&app, &parts.headers, answered.into_response())
}

async fn answer(app: &App, headers: &HeaderMap, body: Body) -> Result<Response, OAuthError> {
    let form = request::form(headers, body).await?;
    let client = request::authenticate_client(app, headers, &form).await?;
    let word = form.get("grant_type").ok_or_else(|| OAuthError::invalid_request("grant_type is missing."))?;
    if word == CHECK_TOKEN_REVOKED {
        return check_token_revoked::answer(app, &client, &form).await;
    }
    let grant_type = GrantType::from_word(word).ok_or_else(|| {
        OAuthError::new(ErrorCode::UnsupportedGrantType, "This grant_type is not supported.")
    })?;
    let tokens = match grant_type {
        GrantType::AuthorizationCode => authorization_code::grant(app, &client, &form).await?,
        GrantType::RefreshToken => refresh_token::grant(app, &client, &form).await?,
        GrantType::ClientCredentials => client_credentials::grant(app, &client, &form).await?,
    };
    app.metrics.tokens_issued(grant_type);
    registration::note_use(app, &client);
    Ok(json(&tokens))
}

/// What a unit of work issued for a user: all that the answer needs.
struct Issued {
    facts: GrantFacts,
    /// With the scopes of the access token.
    live: Live,
    access_token: Zeroizing<String>,
    access_expires_at: Timestamp,
    refresh_token: Option<Zeroizing<String>>,
    /// Whether this is the first answer of the grant.
    is_first: bool,
}

impl Issued {
    /// The answer (RFC 6749 §5.1). Called after the commit: signing the ID token needs no transaction.
    async fn answer(&self, app: &App, client: &Client, now: Timestamp) -> Result<TokenResponse, OAuthError> {
        let id_token = match &self.facts.user {
            Some(user) if self.live.scopes.contains(scope::OPENID) => {
                let permissions = InIdToken::of(app, client, &self.facts, now).await;
                let subject = id_token::Subject {
                    client,
                    grant: &self.facts.grant,
                    live: &self.live,
                    user,
                    sid: self.facts.session.as_ref().map(|session| session.sid.as_str()),
                    is_direct: true,
                    with_nonce: self.is_first,
                    access_token: Some(&self.access_token),
                    code: None,
                    permissions: &permissions,
                };
                Some(id_token::make(app, &subject, now)?)
            }
            _ => None,
        };
        Ok(TokenResponse {
            access_token: self.access_token.to_string(),
            token_type: "Bearer".to_owned(),
            expires_in: Some(self.access_expires_at.seconds_since(now)),
            scope: Some(self.live.scopes.to_string()),
            refresh_token: self.refresh_token.as_ref().map(|token| token.to_string()),
            id_token,
        })
    }
}

/// The row of an access token that begins `now`.
fn access_token(id: i64, live: &Live, now: Timestamp, expires_at: Timestamp) -> AccessToken {
    AccessToken { id, scopes: live.scopes.clone(), created_at: now, expires_at, revoked_at: None }
}

/// An event of `client` at this endpoint; whom it concerns is known in the unit of work ([`about`]).
fn event(app: &App, kind: EventKind, client: &Client, grant_type: GrantType) -> Event {
    let mut event = app.event(kind, format!("client:{}", client.client_id));
    event.client = Some(client.client_id.clone());
    event.detail.insert("grant_type".to_owned(), grant_type.as_str().into());
    event
}

/// `event` about the user of the grant.
fn about(event: &Event, facts: &GrantFacts) -> Event {
    Event { user: facts.user.as_ref().map(|user| user.sub.clone()), ..event.clone() }
}

/// `scope` of a token request, if it is there.
fn asked_scopes(form: &Params) -> Result<Option<authmachine_protocol::Scopes>, OAuthError> {
    form.get("scope")
        .map(authmachine_protocol::Scopes::parse)
        .transpose()
        .map_err(|_| OAuthError::new(ErrorCode::InvalidScope, "scope is malformed."))
}
