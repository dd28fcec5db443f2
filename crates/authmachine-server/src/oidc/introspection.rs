//! Token introspection (RFC 7662): what a confidential client is told of its own live tokens. Every other token is the same
//! `{"active":false}` (checklist TK4).

use authmachine_permissions::PermissionMap;
use authmachine_protocol::{Scopes, Timestamp};
use authmachine_provider::client::{Client, ClientAuthError};
use authmachine_provider::grant::GrantFacts;
use authmachine_provider::handle::{Presented, RefreshToken};
use authmachine_provider::ids::Kind;
use authmachine_provider::refresh_token::{self, Recognised};
use authmachine_store::StoreError;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::HeaderMap;
use axum::response::{IntoResponse as _, Response};
use serde::Serialize;

use crate::app::App;
use crate::error::{OAuthError, json};
use crate::oidc::permissions_claim;
use crate::request;

/// `POST /oidc/introspect`.
pub async fn post(State(app): State<App>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    answer(&app, &parts.headers, body).await.into_response()
}

async fn answer(app: &App, headers: &HeaderMap, body: Body) -> Result<Response, OAuthError> {
    let form = request::form(headers, body).await?;
    let client = request::authenticate_client(app, headers, &form).await?;
    if client.is_public() {
        // RFC 7662 §2.1: whoever asks proves who they are.
        return Err(OAuthError::client(ClientAuthError::Failed));
    }
    let token = form.get("token").ok_or_else(|| OAuthError::invalid_request("token is missing."))?;
    // The kind stands in the token itself, so that token_type_hint tells nothing new.
    let active = match (Presented::parse(Kind::AccessToken, token), RefreshToken::parse(token)) {
        (Some(presented), _) => access_token(app, &client, presented).await?,
        (None, Some(token)) => refresh_token(app, &client, token).await?,
        (None, None) => None,
    };
    Ok(match active {
        Some(active) => json(&active),
        None => json(&Inactive { active: false }),
    })
}

/// What is said of a live token (RFC 7662 §2.2).
#[derive(Serialize)]
struct Active {
    active: bool,
    scope: String,
    client_id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    username: Option<String>,
    token_type: &'static str,
    exp: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    iat: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sub: Option<String>,
    iss: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    authmachine_permissions: Option<PermissionMap>,
}

/// The same of every other token.
#[derive(Serialize)]
struct Inactive {
    active: bool,
}

impl Active {
    fn new(app: &App, client: &Client, facts: GrantFacts, scopes: &Scopes, expires_at: Timestamp) -> Self {
        let names_user = scopes.contains("profile");
        let subject = |sub: &str| app.secrets.subject(client.pairwise_sector(), sub);
        let (sub, username) = facts.user.map(|user| (subject(&user.sub), user.username)).unzip();
        Self {
            active: true,
            scope: scopes.to_string(),
            client_id: client.client_id.clone(),
            username: username.filter(|_| names_user),
            token_type: "Bearer",
            exp: expires_at.seconds(),
            iat: None,
            sub,
            iss: app.settings.issuer.as_str().to_owned(),
            authmachine_permissions: None,
        }
    }
}

async fn access_token(
    app: &App,
    client: &Client,
    presented: Presented,
) -> Result<Option<Active>, OAuthError> {
    let found = app.store.read(move |reads| reads.find_access_token(&presented)).await?;
    let Some((token, facts)) = found.filter(|(_, facts)| facts.grant.client_id == client.id) else {
        return Ok(None);
    };
    let now = app.now();
    let Some(live) = token.live(&facts, now) else { return Ok(None) };
    Ok(Some(Active {
        iat: Some(token.created_at.seconds()),
        // What userinfo would say of it, for a resource server that has to ask anyway.
        authmachine_permissions: permissions_claim::evaluate(app, &facts, now).await?,
        ..Active::new(app, client, facts, &live.scopes, token.expires_at)
    }))
}

async fn refresh_token(
    app: &App,
    client: &Client,
    token: RefreshToken,
) -> Result<Option<Active>, StoreError> {
    let id = token.id;
    let found = app.store.read(move |reads| reads.find_refresh_family(id)).await?;
    let Some((family, facts)) = found.filter(|(_, facts)| facts.grant.client_id == client.id) else {
        return Ok(None);
    };
    if family.recognise(&token) != Recognised::Current {
        return Ok(None);
    }
    let ends = family.idle_expires_at.min(family.expires_at);
    let live = refresh_token::refresh(&family, &facts, client, None, app.now()).ok();
    Ok(live.map(|live| Active {
        // Not `Bearer`: nobody shall take it for an access token.
        token_type: "refresh_token",
        ..Active::new(app, client, facts, &live.scopes, ends)
    }))
}
