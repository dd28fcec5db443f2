//! Where a person signs in, chooses an account or consents for a client: a server-side state machine (checklist MF5, AZ1). The
//! address holds an opaque handle that works in one browser; what was asked stays at the server.

use std::sync::Arc;

use authmachine_pages::{ClientView, Consent, ErrorKind, Lang, Login, LoginError, SelectAccount};
use authmachine_protocol::{ErrorCode, Params, redirect_uri};
use authmachine_provider::authorize::{Allowance, Step};
use authmachine_provider::client::Client;
use authmachine_provider::event::EventKind;
use authmachine_provider::handle::Presented;
use authmachine_provider::ids::Kind;
use authmachine_provider::interaction::{Done, Interaction};
use authmachine_store::Tx;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::HeaderMap;
use axum::response::Response;

use crate::account::sign_in;
use crate::app::App;
use crate::browser::{self, Browser, SignedIn};
use crate::error::PageError;
use crate::middleware::page_result;
use crate::oidc::authorization_response::{Asker, Reply};
use crate::oidc::issue::Issue;
use crate::oidc::{self, authorize, client_logo};
use crate::request;

/// `GET /interaction/{handle}`: the page for the next step; when nothing is left to ask, the code.
pub async fn get(State(app): State<App>, Path(handle): Path<String>, headers: HeaderMap) -> Response {
    let result = async {
        let scene = Scene::load(&app, &headers, &handle).await?;
        scene.show(&app, &headers, None, None).await
    };
    let result = result.await;
    page_result(&app, &headers, result)
}

/// `POST /interaction/{handle}`: what the person did.
pub async fn post(
    State(app): State<App>,
    Path(handle): Path<String>,
    headers: HeaderMap,
    body: Body,
) -> Response {
    let result = async {
        let form = request::form(&headers, body).await?;
        let scene = Scene::load(&app, &headers, &handle).await?;
        let csrf = form.get("csrf").unwrap_or_default();
        let (token, question) = csrf.split_once('.').unwrap_or((csrf, ""));
        if !scene.browser.owns_form(&app, &headers, &handle, Some(token)) {
            return Err(PageError::new(ErrorKind::Forbidden));
        }
        // A page from before: what it asked, or whom, is not what is asked now.
        match question == scene.question(&app) {
            true => scene.act(&app, &headers, &form).await,
            false => scene.show(&app, &headers, None, None).await,
        }
    };
    let result = result.await;
    page_result(&app, &headers, result)
}

/// Everything that the next step depends on.
struct Scene {
    handle: String,
    presented: Presented,
    browser: Browser,
    interaction: Interaction,
    client: Arc<Client>,
    session: Option<SignedIn>,
    step: Step,
}

impl Scene {
    async fn load(app: &App, headers: &HeaderMap, handle: &str) -> Result<Self, PageError> {
        let expired = PageError::new(ErrorKind::InteractionExpired);
        let browser = Browser::read(app, headers);
        let presented = Presented::parse(Kind::Interaction, handle).ok_or(expired)?;
        let browser_sha256 = browser.sha256();
        let (interaction, client) = app
            .store
            .read(move |reads| match reads.find_interaction(&presented, &browser_sha256)? {
                Some(interaction) => {
                    let client = reads.client(interaction.request.client_id)?;
                    Ok(Some(interaction).zip(client))
                }
                None => Ok(None),
            })
            .await?
            .ok_or(expired)?;
        // Status is asked at each step (checklist G5): what the client may do now, not when it asked.
        if interaction.expires_at <= app.now()
            || client.disabled
            || !client.has_redirect_uri(&interaction.request.redirect_uri)
            || !client.may_be_answered(interaction.request.response_type, app.settings.implicit)
        {
            return Err(expired);
        }
        let session = browser::session(app, &browser).await?;
        let step =
            authorize::step(app, &interaction.request, &client, session.as_ref(), &interaction.done).await?;
        Ok(Self { handle: handle.to_owned(), presented, browser, interaction, client, session, step })
    }

    /// The page for the step, or the end.
    async fn show(
        self,
        app: &App,
        headers: &HeaderMap,
        error: Option<LoginError>,
        username: Option<&str>,
    ) -> Result<Response, PageError> {
        let lang = browser::lang(headers, self.interaction.request.ui_locales.as_deref());
        let (chrome, client) = (browser::chrome(app, lang), self.client_view(app, lang).await);
        let action = format!("{}/{}", oidc::INTERACTION, self.handle);
        let csrf = format!("{}.{}", self.browser.form_token(app, &self.handle), self.question(app));
        let html = match &self.step {
            Step::SignIn => {
                let login_hint = self.interaction.request.login_hint.as_deref();
                Login {
                    action,
                    csrf,
                    client: Some(client),
                    username: username.or(login_hint).unwrap_or_default().to_owned(),
                    is_again: false,
                    error,
                    may_cancel: true,
                }
                .render(&chrome)
            }
            Step::ChooseAccount => {
                SelectAccount { action, csrf, username: self.username().to_owned(), client }.render(&chrome)
            }
            Step::Consent(allowance) => self.consent_page(action, csrf, client, allowance).render(&chrome),
            Step::Issue(_) | Step::Refuse(_) => return self.finish(app, headers).await,
        };
        Ok(sign_in::with_login_status(browser::interaction_html(html), error))
    }

    /// What the step asks, and whom, as its form says it: the answer of one person is none of another who signed in meanwhile, and
    /// none to more than was shown (checklist AZ3). Empty where nobody is known yet.
    fn question(&self, app: &App) -> String {
        let asked = match &self.step {
            Step::ChooseAccount => String::new(),
            Step::Consent(allowance) => format!("{} {:?}", allowance.consent_scopes, allowance.objects),
            Step::SignIn | Step::Issue(_) | Step::Refuse(_) => return String::new(),
        };
        let session = self.session.as_ref().map_or(0, |signed_in| signed_in.session.id.0);
        self.browser.form_token(app, &format!("{} {session} {asked}", self.handle))
    }

    fn username(&self) -> &str {
        self.session.as_ref().map_or("", |signed_in| signed_in.user.username.as_str())
    }

    /// What the client says of itself, in the page's language where it can.
    async fn client_view(&self, app: &App, lang: Lang) -> ClientView {
        let Client { name, metadata, .. } = &*self.client;
        let said = |field, otherwise: Option<&String>| {
            metadata.localized(field, lang.tag()).or(otherwise.map(String::as_str)).map(str::to_owned)
        };
        ClientView {
            name: said("client_name", Some(name)).unwrap_or_default(),
            logo: client_logo::show(app, &self.client).await,
            client_uri: said("client_uri", metadata.client_uri.as_ref()),
            policy_uri: said("policy_uri", metadata.policy_uri.as_ref()),
            tos_uri: said("tos_uri", metadata.tos_uri.as_ref()),
        }
    }

    fn consent_page(
        &self,
        action: String,
        csrf: String,
        client: ClientView,
        allowance: &Allowance,
    ) -> Consent {
        let uri = &self.interaction.request.redirect_uri;
        Consent {
            action,
            csrf,
            client,
            is_self_registered: self.client.is_self_registered(),
            username: self.username().to_owned(),
            scopes: allowance.consent_scopes.iter().map(str::to_owned).collect(),
            permission_objects: allowance.objects.clone(),
            redirect_host: redirect_uri::origin(uri).unwrap_or_else(|| uri.clone()),
        }
    }

    /// Does what the form says, if it is what the step asks for; anything else shows the step again.
    async fn act(self, app: &App, headers: &HeaderMap, form: &Params) -> Result<Response, PageError> {
        let decision = form.get("decision");
        match &self.step {
            Step::SignIn if form.get("cancel").is_some() => {
                self.refuse(app, headers, EventKind::ConsentRefused).await
            }
            Step::SignIn => match form.get("username") {
                Some(username) => {
                    self.sign_in(app, headers, username, form.get("password").unwrap_or_default()).await
                }
                None => self.show(app, headers, None, None).await,
            },
            Step::ChooseAccount if decision == Some("continue") => {
                let done = Done { account_chosen: true, ..self.interaction.done.clone() };
                self.proceed(app, done).await
            }
            Step::ChooseAccount | Step::Consent(_) if decision == Some("switch") => {
                self.proceed(app, Done { other_account: true, ..Done::default() }).await
            }
            Step::Consent(allowance) if decision == Some("yes") => {
                let allowance = allowance.clone();
                self.consent(app, allowance).await
            }
            Step::Consent(_) if decision == Some("no") => {
                self.refuse(app, headers, EventKind::ConsentRefused).await
            }
            _ => self.show(app, headers, None, None).await,
        }
    }

    async fn sign_in(
        self,
        app: &App,
        headers: &HeaderMap,
        username: &str,
        password: &str,
    ) -> Result<Response, PageError> {
        match sign_in::prove(app, headers, &self.browser, username, password).await? {
            Err(error) => self.show(app, headers, Some(error), Some(username)).await,
            Ok(proved) => {
                let done =
                    Done { signed_in: Some(proved.session_id()), account_chosen: true, ..Done::default() };
                let proved = Arc::new(proved);
                let (saved, id, before) =
                    (proved.clone(), self.interaction.id, self.interaction.done.clone());
                let is_first = app
                    .store
                    .write(app.write_deadline(), move |tx| {
                        let is_first = tx.update_interaction(id, &before, &done)?;
                        if is_first {
                            saved.save(tx)?
                        } else {
                            saved.forgive(tx)?
                        }
                        Ok(is_first)
                    })
                    .await?;
                // The step works once: who comes second sees what is next, and no other session begins.
                Ok(if is_first { proved.keep(app, self.again()) } else { self.again() })
            }
        }
    }

    async fn proceed(self, app: &App, done: Done) -> Result<Response, PageError> {
        let (id, before) = (self.interaction.id, self.interaction.done.clone());
        app.store.write(app.write_deadline(), move |tx| tx.update_interaction(id, &before, &done)).await?;
        Ok(self.again())
    }

    async fn consent(self, app: &App, allowance: Allowance) -> Result<Response, PageError> {
        let signed_in = self.session.as_ref().ok_or(ErrorKind::InteractionExpired)?;
        let (user, client, now) = (signed_in.user.id, self.client.id, app.now());
        let done = Done { consented: Some(signed_in.session.id), ..self.interaction.done.clone() };
        let (id, before) = (self.interaction.id, self.interaction.done.clone());
        let mut event = app.event(EventKind::ConsentGiven, signed_in.user.sub.clone());
        event.user = Some(signed_in.user.sub.clone());
        event.client = Some(self.client.client_id.clone());
        event.detail.insert("scope".to_owned(), allowance.consent_scopes.to_string().into());
        app.store
            .write(app.write_deadline(), move |tx| {
                if !tx.update_interaction(id, &before, &done)? {
                    return Ok(());
                }
                tx.upsert_consent(user, client, &allowance.consent_scopes, &allowance.objects, now)?;
                tx.insert_event(&event)
            })
            .await?;
        Ok(self.again())
    }

    /// Ends the interaction with `access_denied`.
    async fn refuse(self, app: &App, headers: &HeaderMap, kind: EventKind) -> Result<Response, PageError> {
        let actor = self.session.as_ref().map_or("anonymous", |signed_in| signed_in.user.sub.as_str());
        let mut event = app.event(kind, actor);
        event.client = Some(self.client.client_id.clone());
        let (presented, browser, now) = (self.presented, self.browser.sha256(), app.now());
        let taken = app
            .store
            .write(app.write_deadline(), move |tx| {
                let taken = tx.take_interaction(&presented, &browser, now)?;
                if taken.is_some() {
                    tx.insert_event(&event)?;
                }
                Ok(taken)
            })
            .await?
            .ok_or(ErrorKind::InteractionExpired)?;
        let reply = Reply::to(&taken.request, self.asker(app, headers));
        Ok(reply.refuse_request(app, ErrorCode::AccessDenied))
    }

    /// Ends the interaction, once: with what was asked for, or with the error that the step says.
    async fn finish(self, app: &App, headers: &HeaderMap) -> Result<Response, PageError> {
        let (presented, browser, now) = (self.presented, self.browser.sha256(), app.now());
        let expired = PageError::new(ErrorKind::InteractionExpired);
        let asker = self.asker(app, headers);
        match self.step {
            Step::Issue(allowance) => {
                let signed_in = self.session.ok_or(expired)?;
                let request = self.interaction.request;
                let reply = Reply::to(&request, asker);
                let issue = Issue::prepare(app, reply, request, &self.client, &signed_in, allowance);
                let take = move |tx: &mut Tx| Ok(tx.take_interaction(&presented, &browser, now)?.is_some());
                issue.run(app, take).await?.ok_or(expired)
            }
            Step::Refuse(error) => {
                let taken = app
                    .store
                    .write(app.write_deadline(), move |tx| tx.take_interaction(&presented, &browser, now))
                    .await?;
                taken.map(|taken| Reply::to(&taken.request, asker).refuse_request(app, error)).ok_or(expired)
            }
            Step::SignIn | Step::ChooseAccount | Step::Consent(_) => Err(expired),
        }
    }

    fn asker(&self, app: &App, headers: &HeaderMap) -> Asker {
        let lang = browser::lang(headers, self.interaction.request.ui_locales.as_deref());
        Asker::new(app, &self.client, &self.browser, self.session.as_ref(), lang)
    }

    /// The next step is a page of its own, so that reload and back show it again.
    fn again(&self) -> Response {
        browser::see_other(&format!("{}/{}", oidc::INTERACTION, self.handle))
    }
}
