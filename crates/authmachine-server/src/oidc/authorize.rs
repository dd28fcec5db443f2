//! The authorization endpoint (RFC 6749 §3.1, OIDC Core §3.1.2).

use authmachine_pages::ErrorKind;
use authmachine_protocol::form::{FormError, append_query};
use authmachine_protocol::{ClaimsRequest, ErrorCode, Params};
use authmachine_provider::authorization_code::AuthorizationCode;
use authmachine_provider::authorize::{self, Allowance, Installation, PageRefusal, Refused, Situation, Step};
use authmachine_provider::client::Client;
use authmachine_provider::consent::Consent;
use authmachine_provider::grant::Grant;
use authmachine_provider::handle::Handle;
use authmachine_provider::ids::{GrantId, Kind};
use authmachine_provider::interaction::{AuthorizationRequest, Done, Interaction};
use authmachine_store::{StoreError, Tx};
use axum::body::Body;
use axum::extract::{RawQuery, State};
use axum::http::HeaderMap;
use axum::response::Response;

use crate::app::App;
use crate::browser::{self, Browser, SignedIn};
use crate::error::PageError;
use crate::middleware::page_result;
use crate::oidc::{self, id_token};
use crate::{random, request};

/// Live interactions that are kept; over that, the oldest go (checklist DO3).
pub const MAX_INTERACTIONS: i64 = 100_000;

/// `GET /oidc/authorize`.
pub async fn get(State(app): State<App>, RawQuery(query): RawQuery, headers: HeaderMap) -> Response {
    let result = async {
        let params = read_params(query.unwrap_or_default().as_bytes())?;
        start(&app, &headers, &params).await
    };
    let result = result.await;
    page_result(&app, &headers, result)
}

/// `POST /oidc/authorize` (OIDC Core §3.1.2.1). From another site the browser keeps its `Lax` cookie back, so that is continued
/// by a GET, which has it.
pub async fn post(State(app): State<App>, headers: HeaderMap, body: Body) -> Response {
    let result = async {
        let bytes = request::form_bytes(&headers, body).await?;
        let params = read_params(&bytes)?;
        match oidc::continued_by_get(&headers, oidc::AUTHORIZE, &params) {
            Some(continued) => Ok(continued),
            None => start(&app, &headers, &params).await,
        }
    };
    let result = result.await;
    page_result(&app, &headers, result)
}

fn read_params(bytes: &[u8]) -> Result<Params, PageError> {
    Params::parse_keeping_repeated(bytes).map_err(|error: FormError| {
        tracing::info!("Unreadable parameters: {error}");
        PageError::new(ErrorKind::BadRequest)
    })
}

async fn start(app: &App, headers: &HeaderMap, params: &Params) -> Result<Response, PageError> {
    let browser = Browser::read(app, headers);
    let client_id = authorize::client_id(params).map(str::to_owned);
    let client = app
        .store
        .read(move |reads| match &client_id {
            Some(client_id) => reads.find_client_by_client_id(client_id),
            None => Ok(None),
        })
        .await?;
    let checked = {
        let verify_hint = |token: &str| id_token::verify_hint(app, token);
        let installation = Installation { pkce: app.settings.pkce, verify_hint: &verify_hint };
        authorize::check(params, client.as_ref(), &installation)
    };
    let request = match checked {
        Ok(request) => request,
        Err(Refused::Page(PageRefusal::Client)) => return Err(ErrorKind::UnknownClient.into()),
        Err(Refused::Page(PageRefusal::RedirectUri)) => return Err(ErrorKind::BadRedirectUri.into()),
        Err(Refused::Redirect { redirect_uri, state, error, description }) => {
            return Ok(refuse(app, redirect_uri.as_str(), state.as_deref(), error, description));
        }
    };
    let client = client.ok_or(ErrorKind::UnknownClient)?;

    let session = browser::session(app, &browser).await?;
    let done = Done::default();
    match step(app, &request, &client, session.as_ref(), &done).await? {
        Step::Refuse(error) => Ok(refuse_request(app, &request, error)),
        Step::Issue(allowance) => {
            let signed_in = session.ok_or(ErrorKind::Internal)?;
            let issued = Issue::prepare(app, request, &client, &signed_in, allowance);
            let location = issued.location(app);
            app.store.write(app.write_deadline(), move |tx| issued.save(tx)).await?;
            app.metrics.code_issued();
            Ok(browser::see_other(&location))
        }
        Step::SignIn | Step::ChooseAccount | Step::Consent(_) => {
            let now = app.now();
            let handle = random::handle(&app.ids, Kind::Interaction, now);
            let interaction = Interaction {
                id: handle.id(),
                request,
                done,
                created_at: now,
                expires_at: now.plus_seconds(app.settings.lives.interaction_s),
            };
            let (sha256, browser_sha256) = (handle.sha256(), browser.sha256());
            app.store
                .write(app.write_deadline(), move |tx| {
                    tx.insert_interaction(&interaction, &sha256, &browser_sha256)?;
                    tx.evict_interactions(MAX_INTERACTIONS)
                })
                .await?;
            let page = browser::see_other(&format!("{}/{}", oidc::INTERACTION, handle.reveal()));
            Ok(browser.keep(app, page))
        }
    }
}

/// Decides what comes next, with the consent as it is now.
///
/// # Errors
/// [`StoreError`].
pub async fn step(
    app: &App,
    request: &AuthorizationRequest,
    client: &Client,
    session: Option<&SignedIn>,
    done: &Done,
) -> Result<Step, StoreError> {
    let consent: Option<Consent> = match session {
        Some(signed_in) if !client.first_party => {
            let (user, client) = (signed_in.user.id, client.id);
            app.store.read(move |reads| reads.find_consent(user, client)).await?
        }
        _ => None,
    };
    let situation = Situation {
        client,
        session: session.map(|signed_in| (&signed_in.session, &signed_in.user)),
        consent: consent.as_ref(),
        done,
        lives: &app.settings.lives,
        now: app.now(),
    };
    Ok(authorize::next_step(request, &situation))
}

/// A code about to be issued: everything fresh is captured here, before the unit of work.
pub struct Issue {
    request: AuthorizationRequest,
    grant: Grant,
    code: AuthorizationCode,
    handle: Handle,
    needs_consent: bool,
}

impl Issue {
    /// Captures ids, secrets and times.
    pub fn prepare(
        app: &App,
        request: AuthorizationRequest,
        client: &Client,
        signed_in: &SignedIn,
        allowance: Allowance,
    ) -> Self {
        let now = app.now();
        let handle = random::handle(&app.ids, Kind::AuthorizationCode, now);
        let expires_at = now.plus_seconds(app.settings.lives.code_s);
        let session = &signed_in.session;
        let claims = ClaimsRequest {
            // The empty list asks for the objects attached to the client: named now, evaluated live.
            userinfo_permissions: request.claims.userinfo_permissions.as_ref().map(|codes| {
                match codes.is_empty() {
                    true => client.objects.clone(),
                    false => codes.clone(),
                }
            }),
            ..request.claims.clone()
        };
        let grant = Grant {
            id: GrantId(app.ids.next(Kind::Row, now)),
            user_id: Some(signed_in.user.id),
            client_id: client.id,
            session_id: Some(session.id),
            offline: allowance.scopes.contains(authmachine_protocol::scope::OFFLINE_ACCESS),
            scopes: allowance.scopes,
            claims,
            nonce: request.nonce.clone(),
            auth_time: Some(session.auth_time),
            auth_time_requested: request.max_age.is_some(),
            amr: session.amr.clone(),
            acr: allowance.acr,
            user_epoch: signed_in.user.epoch,
            consent_version: 0,
            created_at: now,
            expires_at,
            revoked_at: None,
        };
        let code = AuthorizationCode {
            id: handle.id(),
            redirect_uri: request.redirect_uri.clone(),
            code_challenge: request.code_challenge.clone(),
            expires_at,
        };
        Self { request, grant, code, handle, needs_consent: !client.first_party }
    }

    /// Where the browser takes the code.
    pub fn location(&self, app: &App) -> String {
        respond(
            app,
            &self.request.redirect_uri,
            self.request.state.as_deref(),
            &[("code", self.handle.reveal())],
        )
    }

    /// Saves grant and code.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn save(&self, tx: &mut Tx) -> Result<(), StoreError> {
        let mut grant = self.grant.clone();
        if let Some(user) = grant.user_id.filter(|_| self.needs_consent) {
            // The version belongs to what is standing at this moment; without a consent the grant is born dead.
            grant.consent_version =
                tx.find_consent(user, grant.client_id)?.map_or(-1, |consent| consent.version);
        }
        tx.insert_grant(&grant)?;
        tx.insert_code(&self.code, &self.handle.sha256(), &grant)
    }
}

/// The address of an authorization response in the query of `redirect_uri`: `state` unmodified, `iss` always (RFC 9207).
fn respond(app: &App, redirect_uri: &str, state: Option<&str>, answer: &[(&str, &str)]) -> String {
    let state = state.map(|state| ("state", state));
    let iss = ("iss", app.settings.issuer.as_str());
    append_query(redirect_uri, answer.iter().copied().chain(state).chain([iss]))
}

/// Tells the client that its request is refused (RFC 6749 §4.1.2.1).
pub fn refuse(
    app: &App,
    redirect_uri: &str,
    state: Option<&str>,
    error: ErrorCode,
    description: &str,
) -> Response {
    tracing::info!(error = error.as_str(), "Refused the authorization request: {description}");
    let answer = [("error", error.as_str()), ("error_description", description)];
    browser::see_other(&respond(app, redirect_uri, state, &answer))
}

/// The same for a checked request that cannot be met.
pub fn refuse_request(app: &App, request: &AuthorizationRequest, error: ErrorCode) -> Response {
    let description = match error {
        ErrorCode::LoginRequired => "The user must sign in.",
        ErrorCode::ConsentRequired => "The user must give consent.",
        ErrorCode::AccountSelectionRequired => "The user must choose an account.",
        ErrorCode::AccessDenied => "The user refused.",
        _ => "The request cannot be met.",
    };
    refuse(app, &request.redirect_uri, request.state.as_deref(), error, description)
}
