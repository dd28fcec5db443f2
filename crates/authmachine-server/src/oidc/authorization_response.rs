//! Authorization responses: what a client is told, in the query, in the fragment, or by a form that the browser posts (RFC 6749
//! §4.1.2, OAuth 2.0 Multiple Response Type Encoding Practices, OAuth 2.0 Form Post Response Mode).

use authmachine_pages::{FormPost, Lang};
use authmachine_protocol::form::{append_fragment, append_query};
use authmachine_protocol::{ErrorCode, ResponseMode, redirect_uri};
use authmachine_provider::authorize::CheckedRedirectUri;
use authmachine_provider::client::Client;
use authmachine_provider::interaction::AuthorizationRequest;
use authmachine_provider::session_state::session_state;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};

use crate::app::App;
use crate::browser::{self, Browser, BrowserState, SignedIn};
use crate::middleware::CSP_INTERACTION;
use crate::random;

/// Who is answered: a client, in a browser.
pub struct Asker {
    client_id: String,
    browser_state: BrowserState,
    /// Of the page, if there is one.
    lang: Lang,
}

impl Asker {
    /// `client` in `browser`, where the session stands as `signed_in` has it.
    pub fn new(
        app: &App,
        client: &Client,
        browser: &Browser,
        signed_in: Option<&SignedIn>,
        lang: Lang,
    ) -> Self {
        let client_id = client.client_id.clone();
        Self { client_id, browser_state: browser.state(app, signed_in), lang }
    }
}

/// Where and how a client is answered.
pub struct Reply {
    redirect_uri: String,
    mode: ResponseMode,
    state: Option<String>,
    asker: Asker,
}

impl Reply {
    /// To a request that was refused.
    pub fn to_refused(
        redirect_uri: &CheckedRedirectUri,
        mode: ResponseMode,
        state: Option<String>,
        asker: Asker,
    ) -> Self {
        Self { redirect_uri: redirect_uri.as_str().to_owned(), mode, state, asker }
    }

    /// To a checked request.
    pub fn to(request: &AuthorizationRequest, asker: Asker) -> Self {
        Self {
            redirect_uri: request.redirect_uri.clone(),
            mode: request.response_mode,
            state: request.state.clone(),
            asker,
        }
    }

    /// Sends `answer` with the browser: `state` unmodified, `iss` always (RFC 9207), and `session_state` for every page that could
    /// ask about it (Session Management §3).
    pub fn send(&self, app: &App, answer: &[(&str, &str)]) -> Response {
        let Asker { client_id, browser_state, .. } = &self.asker;
        let state = self.state.as_deref().map(|state| ("state", state));
        let iss = ("iss", app.settings.issuer.as_str());
        let session_state = redirect_uri::origin(&self.redirect_uri)
            .map(|origin| session_state(client_id, &origin, &browser_state.value, &random::public_id()));
        let session_state = session_state.as_deref().map(|session_state| ("session_state", session_state));
        let all = answer.iter().copied().chain(state).chain([iss]).chain(session_state);
        let response = match self.mode {
            ResponseMode::Query => browser::see_other(&append_query(&self.redirect_uri, all)),
            ResponseMode::Fragment => browser::see_other(&append_fragment(&self.redirect_uri, all)),
            ResponseMode::FormPost => {
                self.form_post(app, all.map(|(name, value)| (name.to_owned(), value.to_owned())).collect())
            }
        };
        browser_state.keep(app, response)
    }

    /// Tells the client that its request is refused (RFC 6749 §4.1.2.1).
    pub fn refuse(&self, app: &App, error: ErrorCode, description: &str) -> Response {
        tracing::info!(error = error.as_str(), "Refused the authorization request: {description}");
        self.send(app, &[("error", error.as_str()), ("error_description", description)])
    }

    /// The same for a checked request that cannot be met.
    pub fn refuse_request(&self, app: &App, error: ErrorCode) -> Response {
        let description = match error {
            ErrorCode::LoginRequired => "The user must sign in.",
            ErrorCode::ConsentRequired => "The user must give consent.",
            ErrorCode::AccountSelectionRequired => "The user must choose an account.",
            ErrorCode::AccessDenied => "The user refused.",
            _ => "The request cannot be met.",
        };
        self.refuse(app, error, description)
    }

    /// The page that posts itself. Its policy lets it post to the client's origin and nowhere else (checklist XS3).
    fn form_post(&self, app: &App, params: Vec<(String, String)>) -> Response {
        let origin = redirect_uri::policy_source(&self.redirect_uri);
        let policy = origin.as_ref().map(|origin| format!("{CSP_INTERACTION}; form-action {origin}"));
        let (Some(origin), Some(Ok(policy))) = (origin, policy.map(HeaderValue::try_from)) else {
            tracing::error!("A form is to be posted where no policy can name the origin; this is a bug");
            return StatusCode::INTERNAL_SERVER_ERROR.into_response();
        };
        let page = FormPost { action: self.redirect_uri.clone(), params, client_host: origin };
        let html = page.render(&browser::chrome(app, self.asker.lang));
        ([(header::CONTENT_SECURITY_POLICY, policy)], browser::html(html)).into_response()
    }
}
