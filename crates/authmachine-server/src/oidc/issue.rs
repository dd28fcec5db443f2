//! What an authorization request is answered with when everything holds: a code, tokens through the browser, or both (OIDC Core §3).

use std::sync::Arc;

use authmachine_protocol::{ClaimsRequest, ErrorCode, ResponseType, Timestamp, scope};
use authmachine_provider::access_token::{self, AccessToken};
use authmachine_provider::authorization_code::AuthorizationCode;
use authmachine_provider::authorize::Allowance;
use authmachine_provider::client::Client;
use authmachine_provider::event::{Event, EventKind};
use authmachine_provider::grant::{Grant, GrantFacts, Live, Use};
use authmachine_provider::handle::Handle;
use authmachine_provider::ids::{GrantId, Kind};
use authmachine_provider::interaction::AuthorizationRequest;
use authmachine_provider::lives::Lives;
use authmachine_store::{StoreError, Tx};
use axum::response::Response;

use crate::app::App;
use crate::browser::SignedIn;
use crate::error::{OAuthError, PageError};
use crate::oidc::authorization_response::Reply;
use crate::oidc::permissions_claim::InIdToken;
use crate::oidc::{id_token, registration};
use crate::random;

/// What is about to be issued: everything fresh is captured here, before the unit of work.
pub struct Issue {
    reply: Reply,
    response_type: ResponseType,
    client: Arc<Client>,
    grant: Grant,
    code: Option<(AuthorizationCode, Handle)>,
    /// The access token that passes through the browser.
    access: Option<Handle>,
    /// Of the tokens that pass through the browser.
    event: Option<Event>,
    lives: Lives,
    now: Timestamp,
}

/// What a unit of work issued.
enum Issued {
    /// A code, if anything.
    Code,
    /// Tokens through the browser, beside a code or without.
    Tokens(Box<Tokens>),
    /// Nothing: what stood a moment ago stands no more.
    Withdrawn,
}

struct Tokens {
    facts: GrantFacts,
    live: Live,
    access_expires_at: Option<Timestamp>,
}

impl Issue {
    /// Captures ids, secrets and times.
    pub fn prepare(
        app: &App,
        reply: Reply,
        request: AuthorizationRequest,
        client: &Arc<Client>,
        signed_in: &SignedIn,
        allowance: Allowance,
    ) -> Self {
        let now = app.now();
        let response_type = request.response_type;
        let expires_at = now.plus_seconds(app.settings.lives.code_s);
        let session = &signed_in.session;
        let claims = ClaimsRequest {
            // The empty list asks for the objects attached to the client: named now, evaluated live.
            userinfo_permissions: request.claims.userinfo_permissions.as_ref().map(|codes| {
                match codes.is_empty() {
                    true => client.attached_codes(),
                    false => codes.clone(),
                }
            }),
            ..request.claims
        };
        let grant = Grant {
            id: GrantId(app.ids.next(Kind::Row, now)),
            user_id: Some(signed_in.user.id),
            client_id: client.id,
            session_id: Some(session.id),
            offline: allowance.scopes.contains(scope::OFFLINE_ACCESS),
            scopes: allowance.scopes,
            claims,
            nonce: request.nonce,
            auth_time: Some(session.auth_time),
            amr: session.amr.clone(),
            acr: allowance.acr,
            user_epoch: signed_in.user.epoch,
            consent_version: 0,
            created_at: now,
            expires_at,
            revoked_at: None,
        };
        let code = response_type.has_code().then(|| {
            let handle = random::handle(&app.ids, Kind::AuthorizationCode, now);
            let code = AuthorizationCode {
                id: handle.id(),
                redirect_uri: request.redirect_uri,
                code_challenge: request.code_challenge,
                expires_at,
            };
            (code, handle)
        });
        let event = response_type.is_front_channel().then(|| {
            let mut event = app.event(EventKind::TokensIssued, signed_in.user.sub.clone());
            event.user = Some(signed_in.user.sub.clone());
            event.client = Some(client.client_id.clone());
            event.detail.insert("response_type".to_owned(), response_type.as_str().into());
            event
        });
        Self {
            reply,
            response_type,
            client: client.clone(),
            grant,
            code,
            access: response_type.has_token().then(|| random::handle(&app.ids, Kind::AccessToken, now)),
            event,
            lives: app.settings.lives,
            now,
        }
    }

    /// Issues in one unit of work, if `first` says in it that it may, and answers. `None`: it said no.
    ///
    /// # Errors
    /// [`PageError`] when the store cannot.
    pub async fn run(
        self,
        app: &App,
        first: impl Fn(&mut Tx) -> Result<bool, StoreError> + Send + 'static,
    ) -> Result<Option<Response>, PageError> {
        // Asked before anything is used up for it.
        if self.response_type.has_id_token()
            && let Err(error) = id_token::check_signer(app, &self.client)
        {
            return Ok(Some(self.reply.refuse(app, error.code, &error.description)));
        }
        let issue = Arc::new(self);
        let saved = issue.clone();
        let issued = app
            .store
            .write(app.write_deadline(), move |tx| match first(tx)? {
                true => saved.save(tx).map(Some),
                false => Ok(None),
            })
            .await?;
        let Some(issued) = issued else { return Ok(None) };
        let permissions = match &issued {
            Issued::Tokens(tokens) if issue.response_type.has_id_token() => {
                InIdToken::of(app, &issue.client, &tokens.facts, issue.now).await
            }
            _ => InIdToken::Nothing,
        };
        Ok(Some(issue.answer(app, &issued, &permissions)))
    }

    fn save(&self, tx: &mut Tx) -> Result<Issued, StoreError> {
        let mut grant = self.grant.clone();
        if let Some(user) = grant.user_id.filter(|_| !self.client.first_party) {
            // The version belongs to what is standing at this moment; without a consent the grant is born dead.
            grant.consent_version =
                tx.find_consent(user, grant.client_id)?.map_or(-1, |consent| consent.version);
        }
        tx.insert_grant(&grant)?;
        let issued = match &self.event {
            None => Issued::Code,
            Some(event) => match self.save_tokens(tx, grant.id)? {
                None => return Ok(Issued::Withdrawn),
                Some(tokens) => {
                    tx.insert_event(event)?;
                    Issued::Tokens(Box::new(tokens))
                }
            },
        };
        if let Some((code, handle)) = &self.code {
            tx.insert_code(code, &handle.sha256(), &grant)?;
        }
        Ok(issued)
    }

    /// Saves what passes through the browser; `None` when the grant is dead.
    fn save_tokens(&self, tx: &mut Tx, grant: GrantId) -> Result<Option<Tokens>, StoreError> {
        let now = self.now;
        let Some(facts) = tx.find_grant(grant)? else { return Ok(None) };
        let Some(live) = facts.live(Use::Code, now) else { return Ok(None) };
        let access_expires_at = match &self.access {
            None => None,
            Some(handle) => {
                let expires_at = access_token::expires_at(&facts, &live, &self.lives, now);
                tx.extend_grant(grant, expires_at, now)?;
                let row = AccessToken {
                    id: handle.id(),
                    scopes: live.scopes.clone(),
                    created_at: now,
                    expires_at,
                    revoked_at: None,
                };
                tx.insert_access_token(&row, &handle.sha256(), grant)?;
                Some(expires_at)
            }
        };
        Ok(Some(Tokens { facts, live, access_expires_at }))
    }

    /// The answer (RFC 6749 §4.1.2, §4.2.2; OIDC Core §3.2.2.5, §3.3.2.5). Called after the commit: signing needs no transaction.
    fn answer(&self, app: &App, issued: &Issued, permissions: &InIdToken) -> Response {
        let code = self.code.as_ref().map(|(_, handle)| handle.reveal());
        let mut answer: Vec<(&str, &str)> = code.map(|code| ("code", code)).into_iter().collect();
        let (expires_in, scopes, id_token);
        match issued {
            Issued::Withdrawn => return self.reply.refuse_request(app, ErrorCode::AccessDenied),
            Issued::Code => {}
            Issued::Tokens(tokens) => {
                let access_token = self.access.as_ref().map(Handle::reveal);
                if let (Some(access_token), Some(expires_at)) = (access_token, tokens.access_expires_at) {
                    expires_in = expires_at.seconds_since(self.now).to_string();
                    scopes = tokens.live.scopes.to_string();
                    answer.extend([("access_token", access_token), ("token_type", "Bearer")]);
                    answer.extend([("expires_in", expires_in.as_str()), ("scope", scopes.as_str())]);
                }
                if self.response_type.has_id_token() {
                    match self.id_token(app, tokens, permissions, access_token, code) {
                        Ok(token) => id_token = token,
                        Err(error) => return self.reply.refuse(app, error.code, &error.description),
                    }
                    answer.push(("id_token", &id_token));
                }
                app.metrics.tokens_issued_through_browser();
            }
        }
        if code.is_some() {
            app.metrics.code_issued();
        }
        registration::note_use(app, &self.client);
        self.reply.send(app, &answer)
    }

    fn id_token(
        &self,
        app: &App,
        tokens: &Tokens,
        permissions: &InIdToken,
        access_token: Option<&str>,
        code: Option<&str>,
    ) -> Result<String, OAuthError> {
        let Tokens { facts, live, .. } = tokens;
        let user = facts.user.as_ref().expect("a live grant of a user has its user");
        let subject = id_token::Subject {
            client: &self.client,
            grant: &facts.grant,
            live,
            user,
            sid: facts.session.as_ref().map(|session| session.sid.as_str()),
            is_direct: false,
            with_nonce: true,
            access_token,
            code,
            permissions,
        };
        id_token::make(app, &subject, self.now)
    }
}
