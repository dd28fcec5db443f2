//! The authorization endpoint (RFC 6749 §3.1, OIDC Core §3.1.2).

use authmachine_pages::ErrorKind;
use authmachine_protocol::Params;
use authmachine_protocol::form::FormError;
use authmachine_provider::authorize::{self, Installation, PageRefusal, Refused, Situation, Step};
use authmachine_provider::client::Client;
use authmachine_provider::consent::Consent;
use authmachine_provider::ids::Kind;
use authmachine_provider::interaction::{AuthorizationRequest, Done, Interaction};
use authmachine_store::StoreError;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::HeaderMap;
use axum::response::Response;

use crate::app::App;
use crate::browser::{self, Browser, SignedIn};
use crate::error::PageError;
use crate::middleware::page_result;
use crate::oidc::authorization_response::{Asker, Reply};
use crate::oidc::issue::Issue;
use crate::oidc::{self, id_token, request_object};
use crate::{random, request};

/// Live interactions that are kept; over that, the oldest go (checklist DO3).
pub const MAX_INTERACTIONS: i64 = 100_000;

/// `GET /oidc/authorize`.
pub async fn get(State(app): State<App>, request: Request) -> Response {
    let (parts, _) = request.into_parts();
    let result = async {
        let params = read_params(parts.uri.query().unwrap_or_default().as_bytes())?;
        start(&app, &parts.headers, &params).await
    };
    let result = result.await;
    page_result(&app, &parts.headers, result)
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
            Some(client_id) => reads.client_by_client_id(client_id),
            None => Ok(None),
        })
        .await?;
    let unfolded = request_object::unfold(app, params, client.as_deref()).await;
    let checked = unfolded.map_err(|error| authorize::refuse_object(params, client.as_deref(), error));
    let checked = checked.and_then(|params| {
        let verify_hint = |token: &str| id_token::verify_hint(app, token);
        let installation = Installation {
            pkce: app.settings.pkce,
            implicit: app.settings.implicit,
            verify_hint: &verify_hint,
        };
        authorize::check(&params, client.as_deref(), &installation)
    });
    let request = match checked {
        Ok(request) => request,
        Err(Refused::Page(PageRefusal::Client)) => return Err(ErrorKind::UnknownClient.into()),
        Err(Refused::Page(PageRefusal::RedirectUri)) => return Err(ErrorKind::BadRedirectUri.into()),
        Err(Refused::Redirect { redirect_uri, response_mode, state, error, description }) => {
            let client = client.ok_or(ErrorKind::UnknownClient)?;
            let session = browser::session(app, &browser).await?;
            let lang = browser::lang(headers, params.get("ui_locales"));
            let asker = Asker::new(app, &client, &browser, session.as_ref(), lang);
            let reply = Reply::to_refused(&redirect_uri, response_mode, state, asker);
            return Ok(reply.refuse(app, error, description));
        }
    };
    let client = client.ok_or(ErrorKind::UnknownClient)?;

    let session = browser::session(app, &browser).await?;
    let done = Done::default();
    let lang = browser::lang(headers, request.ui_locales.as_deref());
    let reply = Reply::to(&request, Asker::new(app, &client, &browser, session.as_ref(), lang));
    match step(app, &request, &client, session.as_ref(), &done).await? {
        Step::Refuse(error) => Ok(reply.refuse_request(app, error)),
        Step::Issue(allowance) => {
            let signed_in = session.ok_or(ErrorKind::Internal)?;
            let issue = Issue::prepare(app, reply, request, &client, &signed_in, allowance);
            issue.run(app, |_| Ok(true)).await?.ok_or(ErrorKind::Internal.into())
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
    let sub = session.map(|signed_in| app.secrets.subject(client.pairwise_sector(), &signed_in.user.sub));
    let situation = Situation {
        client,
        sub: sub.as_deref(),
        session: session.map(|signed_in| (&signed_in.session, &signed_in.user)),
        consent: consent.as_ref(),
        done,
        lives: &app.settings.lives,
        now: app.now(),
    };
    Ok(authorize::next_step(request, &situation))
}
