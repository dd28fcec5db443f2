//! Dynamic registration (RFC 7591, OIDC Registration) and its management (RFC 7592): clients that register themselves, and what
//! becomes of them. What they may register is decided in [`authmachine_provider::registration`].

use authmachine_jose::{constant_time_eq, sha256};
use authmachine_protocol::{ClientAuthMethod, ErrorCode, RegistrationRequest};
use authmachine_provider::api_token::CLIENTS_REGISTER;
use authmachine_provider::client::Client;
use authmachine_provider::event::{Event, EventKind};
use authmachine_provider::ids::{ClientId, Kind};
use authmachine_provider::registration::{self, Offer, RegistrationError};
use authmachine_provider::throttle;
use authmachine_store::StoreError;
use axum::Router;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use serde_json::{Map, Value};

use crate::app::App;
use crate::error::{OAuthError, json};
use crate::metrics::Registered;
use crate::middleware::current_source;
use crate::oidc::{REGISTER, client_logo, discovery};
use crate::settings::RegistrationMode;
use crate::{random, request};

const INSUFFICIENT_SCOPE: &str = r#"Bearer error="insufficient_scope", error_description="The access token does not have the scope for this.", scope="clients:register""#;

/// Changes of a client that cost nothing: after each, every node loads the clients anew, and we may fetch what it names.
const FREE_UPDATES: i64 = 20;

/// The routes, while registration is on.
pub fn routes() -> Router<App> {
    Router::new()
        .route(REGISTER, post(create))
        .route("/oidc/register/{client_id}", get(read).put(update).delete(remove))
}

/// `POST /oidc/register`.
async fn create(State(app): State<App>, headers: HeaderMap, body: Body) -> Response {
    create_client(&app, &headers, body).await.into_response()
}

/// `GET /oidc/register/{client_id}`.
async fn read(State(app): State<App>, Path(client_id): Path<String>, headers: HeaderMap) -> Response {
    let found = authenticate(&app, &headers, client_id).await;
    found.map(|own| own.answer(&app, None)).into_response()
}

/// `PUT /oidc/register/{client_id}`.
async fn update(
    State(app): State<App>,
    Path(client_id): Path<String>,
    headers: HeaderMap,
    body: Body,
) -> Response {
    update_client(&app, client_id, &headers, body).await.into_response()
}

/// `DELETE /oidc/register/{client_id}`.
async fn remove(State(app): State<App>, Path(client_id): Path<String>, headers: HeaderMap) -> Response {
    delete_client(&app, client_id, &headers).await.map(|()| StatusCode::NO_CONTENT).into_response()
}

/// A client with the registration access token that proves it.
struct Own {
    client: Client,
    token: String,
}

impl Own {
    /// All that is registered (RFC 7591 §3.2.1, RFC 7592 §3). Of the secret only a MAC is kept, so it is shown when it is made.
    fn answer(&self, app: &App, new_secret: Option<&str>) -> Response {
        let mut all = registration::registered(&self.client);
        let uri = app.settings.issuer.url(&format!("{REGISTER}/{}", self.client.client_id));
        all.insert("registration_client_uri".to_owned(), uri.into());
        all.insert("registration_access_token".to_owned(), self.token.as_str().into());
        if let Some(secret) = new_secret {
            all.insert("client_secret".to_owned(), secret.into());
            all.insert("client_secret_expires_at".to_owned(), 0.into());
        }
        json(&all)
    }
}

async fn create_client(app: &App, headers: &HeaderMap, body: Body) -> Result<Response, OAuthError> {
    let actor = admit(app, headers).await?;
    let members = request::json_object(headers, body).await?;
    let now = app.now();
    let token = random::secret();
    let newcomer = Client {
        registration_sha256: Some(sha256(token.as_bytes())),
        ..Client::bare(ClientId(app.ids.next(Kind::Row, now)), random::public_id(), now)
    };
    let mut client = registration::register(read_request(&members)?, &offer(app), newcomer)?;
    if app.settings.registration.mode == RegistrationMode::Open {
        // One source can take half of the places, and then waits.
        let free = (app.settings.registration.max_clients / 2).max(1);
        take_turn(app, app.secrets.throttle("registration", &current_source()), free).await?;
    }
    check_sector(app, &client).await?;
    let secret = has_secret(&client).then(random::secret);
    client.secret_hmac = secret.as_ref().map(|secret| app.secrets.client_secret(secret));

    let event = event(app, EventKind::ClientRegistered, actor, &client.client_id);
    let (new, most) = (client.clone(), app.settings.registration.max_clients);
    let is_in = app
        .store
        .write(app.write_deadline(), move |tx| {
            let is_in = tx.insert_registered_client(&new, most)?;
            if is_in {
                tx.insert_event(&event)?;
            }
            Ok(is_in)
        })
        .await?;
    if !is_in {
        tracing::warn!("registration.max_clients is reached: nobody registers until a client goes");
        return Err(OAuthError::new(
            ErrorCode::AccessDenied,
            "As many clients as may have registered themselves here; try again later.",
        ));
    }
    app.metrics.registration(Registered::New);
    client_logo::copy(app, &client).await;
    let own = Own { client, token: token.to_string() };
    Ok((StatusCode::CREATED, own.answer(app, secret.as_ref().map(|secret| secret.as_str()))).into_response())
}

async fn update_client(
    app: &App,
    client_id: String,
    headers: &HeaderMap,
    body: Body,
) -> Result<Response, OAuthError> {
    let Own { client: before, token } = authenticate(app, headers, client_id).await?;
    let members = request::json_object(headers, body).await?;
    check_identity(app, &before, &members)?;
    let mut client = registration::register(read_request(&members)?, &offer(app), before.clone())?;
    take_turn(app, app.secrets.throttle("registration of", &before.client_id), FREE_UPDATES).await?;
    check_sector(app, &client).await?;
    let secret = (has_secret(&client) && client.secret_hmac.is_none()).then(random::secret);
    client.secret_hmac = match &secret {
        Some(secret) => Some(app.secrets.client_secret(secret)),
        None => client.secret_hmac.filter(|_| has_secret(&client)),
    };

    let actor = format!("client:{}", client.client_id);
    let event = event(app, EventKind::ClientUpdated, actor, &client.client_id);
    let after = client.clone();
    let is_done = app
        .store
        .write(app.write_deadline(), move |tx| {
            let is_done = tx.replace_client(&before, &after)?;
            if is_done {
                tx.insert_event(&event)?;
            }
            Ok(is_done)
        })
        .await?;
    if !is_done {
        return Err(OAuthError {
            status: StatusCode::CONFLICT,
            ..OAuthError::invalid_request("Somebody else changed the client in this moment; try again.")
        });
    }
    app.metrics.registration(Registered::Changed);
    client_logo::copy(app, &client).await;
    Ok(Own { client, token }.answer(app, secret.as_ref().map(|secret| secret.as_str())))
}

async fn delete_client(app: &App, client_id: String, headers: &HeaderMap) -> Result<(), OAuthError> {
    let Own { client, .. } = authenticate(app, headers, client_id).await?;
    let actor = format!("client:{}", client.client_id);
    let event = event(app, EventKind::ClientDeleted, actor, &client.client_id);
    let now = app.now();
    let was_there = app
        .store
        .write(app.write_deadline(), move |tx| {
            let was_there = tx.delete_client(client.id, now)?;
            if was_there {
                tx.insert_event(&event)?;
            }
            Ok(was_there)
        })
        .await?;
    if !was_there {
        return Err(OAuthError::invalid_token());
    }
    app.metrics.registration(Registered::Deleted);
    Ok(())
}

/// Who registers: whoever comes, or the holder of an initial access token (RFC 7591 §3).
async fn admit(app: &App, headers: &HeaderMap) -> Result<String, OAuthError> {
    if app.settings.registration.mode == RegistrationMode::Open {
        return Ok("anonymous".to_owned());
    }
    let token = request::api_token(app, request::bearer(headers, None)?, "registration").await?;
    match token.scopes.contains(CLIENTS_REGISTER) {
        true => Ok(format!("api_token:{}", token.name)),
        false => Err(OAuthError::insufficient_scope(INSUFFICIENT_SCOPE)),
    }
}

/// Counts what is registered: `free` times it costs nothing, then one waits.
async fn take_turn(app: &App, counter: [u8; 32], free: i64) -> Result<(), OAuthError> {
    let now = app.now();
    let verdict = app
        .store
        .write(app.write_deadline(), move |tx| {
            let verdict = throttle::check(&tx.find_throttle(&counter)?, free, now);
            if verdict.is_ok() {
                tx.count_draining(&counter, now)?;
            }
            Ok(verdict)
        })
        .await?;
    verdict.map_err(|seconds| OAuthError {
        status: StatusCode::TOO_MANY_REQUESTS,
        retry_after_s: Some(seconds),
        ..OAuthError::new(ErrorCode::TemporarilyUnavailable, "Too many registrations; try again later.")
    })
}

/// The client of a registration access token (RFC 7592 §2). An unknown client, a wrong token and a client that is switched off look
/// the same.
async fn authenticate(app: &App, headers: &HeaderMap, client_id: String) -> Result<Own, OAuthError> {
    let token = request::bearer(headers, None)?;
    let presented = sha256(token.as_bytes());
    let found = app.store.read(move |reads| reads.find_client_by_client_id(&client_id)).await?;
    let is_own = |client: &Client| {
        let kept = client.registration_sha256.unwrap_or_default();
        client.is_self_registered() && constant_time_eq(&kept, &presented) && !client.disabled
    };
    let client = found.filter(is_own).ok_or_else(OAuthError::invalid_token)?;
    Ok(Own { client, token: token.to_owned() })
}

fn read_request(members: &Map<String, Value>) -> Result<RegistrationRequest, OAuthError> {
    Ok(RegistrationRequest::read(members).map_err(RegistrationError::from)?)
}

/// RFC 7592 §2.2: an update names its client, and may repeat its secret.
fn check_identity(app: &App, client: &Client, members: &Map<String, Value>) -> Result<(), OAuthError> {
    let refused = |description| Err(OAuthError::new(ErrorCode::InvalidClientMetadata, description));
    if members.get("client_id").and_then(Value::as_str) != Some(&client.client_id) {
        return refused("client_id must be that of the client.");
    }
    let is_own = |secret: &Value| {
        let presented = secret.as_str().map(|secret| app.secrets.client_secret(secret));
        matches!((presented, client.secret_hmac), (Some(a), Some(b)) if constant_time_eq(&a, &b))
    };
    match members.get("client_secret") {
        Some(secret) if !is_own(secret) => refused("client_secret must be that of the client, or left out."),
        _ => Ok(()),
    }
}

/// What clients can have here that nobody has looked at.
fn offer(app: &App) -> Offer {
    Offer {
        implicit: app.settings.implicit,
        unsigned_request_objects: app.settings.unsigned_request_objects,
        unsigned_id_tokens: app.settings.unsigned_id_tokens,
        signs_with: app.current().keys.algorithms().to_vec(),
        scopes: discovery::SCOPES.into_iter().collect(),
    }
}

/// OIDC Registration §5: the sector's document lists the redirect URIs, now.
async fn check_sector(app: &App, client: &Client) -> Result<(), OAuthError> {
    let Some(uri) = &client.metadata.sector_identifier_uri else { return Ok(()) };
    let document = app.fetcher.get(uri, &["application/json"]).await;
    let document = document.map_err(|_| RegistrationError::SectorDocument)?;
    Ok(registration::check_sector(&document.body, &client.redirect_uris)?)
}

fn has_secret(client: &Client) -> bool {
    use ClientAuthMethod::{ClientSecretBasic, ClientSecretPost};
    matches!(client.auth_method, Some(ClientSecretBasic | ClientSecretPost))
}

fn event(app: &App, kind: EventKind, actor: String, client_id: &str) -> Event {
    Event { client: Some(client_id.to_owned()), ..app.event(kind, actor) }
}

/// Notes that something was issued to a client, which keeps one that registered itself from being removed.
pub fn note_use(app: &App, client: &Client) {
    if client.is_self_registered() {
        let (id, now) = (client.id, app.now());
        app.store.write_later(move |tx| tx.touch_client(id, now));
    }
}

/// Removes clients that registered themselves and that nobody uses (checklist DR1), at most `limit`; how many.
///
/// # Errors
/// [`StoreError`].
pub async fn remove_unused(app: &App, limit: i64) -> Result<u64, StoreError> {
    let now = app.now();
    let before = now.plus_seconds(-app.settings.registration.unused_s);
    let unused = app.store.read(move |reads| reads.list_unused_clients(before, limit)).await?;
    let mut removed = 0;
    for (id, client_id) in unused {
        let mut event = event(app, EventKind::ClientDeleted, "server".to_owned(), &client_id);
        event.detail.insert("unused".to_owned(), true.into());
        let is_gone = app
            .store
            .write(app.write_deadline(), move |tx| {
                let is_gone = tx.delete_unused_client(id, before, now)?;
                if is_gone {
                    tx.insert_event(&event)?;
                }
                Ok(is_gone)
            })
            .await?;
        if is_gone {
            app.metrics.registration(Registered::Expired);
            removed += 1;
        }
    }
    Ok(removed)
}
