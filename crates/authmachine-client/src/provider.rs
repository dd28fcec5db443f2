//! The provider as seen over HTTP: its metadata, keys, token endpoint, userinfo, and token check.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU8, Ordering},
    },
    time::Duration,
};

use authmachine_jose::{JoseError, JwkSet, strict_json};
use authmachine_protocol::{
    ClientAuthMethod, ErrorBody, ErrorCode, ProviderMetadata, TokenResponse, basic_auth, form,
};
use bytes::Bytes;
use http::{Request, Response, StatusCode, header};
use serde_json::{Map, Value};

use crate::{
    Error,
    builder::Settings,
    document::Document,
    error::IdTokenError,
    flow::{self, Attempt, Expected},
    http_client::{HttpClient, MAX_ANSWER_BYTES, bad_answer, send},
    observer::{Checks, DecodedToken, Message, Step, StepKind},
    token_check::Answer,
};

/// `client_assertion_type` (RFC 7523 §2.2).
const ASSERTION_TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// How this provider is asked about tokens; found out by asking.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
enum CheckBy {
    /// Not asked yet.
    Unknown,
    /// `grant_type=check_token_revoked`, AuthMachine's own.
    Grant,
    /// RFC 7662.
    Introspection,
    /// There is no way.
    Nothing,
}

pub(crate) struct Provider {
    pub(crate) settings: Arc<Settings>,
    http: Arc<dyn HttpClient>,
    metadata: Document<ProviderMetadata>,
    keys: Document<JwkSet>,
    check_by: AtomicU8,
}

impl Provider {
    pub(crate) fn new(settings: Arc<Settings>, http: Arc<dyn HttpClient>) -> Self {
        Self {
            settings,
            http,
            metadata: Document::default(),
            keys: Document::default(),
            check_by: AtomicU8::new(CheckBy::Unknown as u8),
        }
    }

    /// The provider's metadata (OIDC Discovery §4), at most a day old; the last good ones while it does not answer.
    pub(crate) async fn metadata(&self, login_id: Option<&str>) -> Result<Arc<ProviderMetadata>, Error> {
        let url = format!("{}/.well-known/openid-configuration", self.settings.issuer);
        let read = |answer: &Response<Bytes>| {
            let bad = |problem: String| bad_answer(&url, answer, &problem);
            let metadata: ProviderMetadata = parse(content(&url, answer)?).map_err(bad)?;
            self.check_metadata(&metadata, bad)?;
            Ok(metadata)
        };
        let document = self.metadata.get(&*self.http, &self.settings.clock, &url, false, read);
        let (metadata, answer) = document.await?;
        if let Some(login_id) = login_id {
            self.settings.step(login_id, StepKind::Discovery, |step| {
                show_document(step, &url, answer.as_ref());
                let mut checks = Checks::default();
                let _ = checks.that("issuer is the configured one, but for a slash at its end", true, ());
                step.checks = checks.0;
            });
        }
        Ok(metadata)
    }

    fn check_metadata(
        &self,
        metadata: &ProviderMetadata,
        bad: impl Fn(String) -> Error,
    ) -> Result<(), Error> {
        let configured = &self.settings.issuer;
        // The configured one may lack the slash at its end (contract), or have one too many.
        if metadata.issuer.strip_suffix('/').unwrap_or(&metadata.issuer) != configured {
            return Err(Error::IssuerMismatch {
                configured: configured.clone(),
                found: metadata.issuer.clone(),
            });
        }
        let endpoints = [Some(&metadata.authorization_endpoint), Some(&metadata.jwks_uri)]
            .into_iter()
            .chain([
                metadata.token_endpoint.as_ref(),
                metadata.userinfo_endpoint.as_ref(),
                metadata.end_session_endpoint.as_ref(),
                metadata.introspection_endpoint.as_ref(),
            ])
            .flatten();
        for endpoint in endpoints {
            if !is_endpoint(endpoint, configured) {
                return Err(bad(format!("{endpoint:?} is no https endpoint")));
            }
        }
        Ok(())
    }

    async fn keys(
        &self,
        metadata: &ProviderMetadata,
        look_again: bool,
    ) -> Result<(Arc<JwkSet>, Option<Response<Bytes>>), Error> {
        let url = &metadata.jwks_uri;
        let read = |answer: &Response<Bytes>| {
            let problem = match std::str::from_utf8(content(url, answer)?).map(JwkSet::parse) {
                Ok(Ok(keys)) => return Ok(keys),
                Ok(Err(e)) => e.to_string(),
                Err(e) => e.to_string(),
            };
            Err(bad_answer(url, answer, &problem))
        };
        self.keys.get(&*self.http, &self.settings.clock, url, look_again, read).await
    }

    /// Redeems a code (RFC 6749 §4.1.3, RFC 7636 §4.5). Never sent twice.
    pub(crate) async fn redeem(
        &self,
        metadata: &ProviderMetadata,
        code: &str,
        attempt: &Attempt,
    ) -> Result<TokenResponse, Error> {
        let url = token_endpoint(metadata)?;
        let form = [
            ("grant_type", "authorization_code"),
            ("code", code),
            ("redirect_uri", &self.settings.request.redirect_uri),
            ("code_verifier", &attempt.code_verifier),
        ];
        let auth = self.client_auth(&metadata.token_endpoint_auth_methods_supported);
        let (answer, sent) = self.post(metadata, url, &form, auth).await?;
        let mut checks = Checks::default();
        let tokens = check_tokens(url, &answer, &mut checks);
        self.settings.step(&attempt.login_id, StepKind::TokenRequest, |step| {
            step.request = Some(sent);
            step.response = Some(shown_answer(&answer));
            step.checks = checks.0;
        });
        tokens
    }

    /// Checks the ID token; looks for newer keys when none of those known fits.
    pub(crate) async fn id_token_claims(
        &self,
        metadata: &ProviderMetadata,
        tokens: &TokenResponse,
        attempt: &Attempt,
    ) -> Result<Map<String, Value>, Error> {
        let token = tokens.id_token.as_deref().ok_or(IdTokenError::Missing)?;
        let expected = Expected {
            issuer: &metadata.issuer,
            client_id: &self.settings.request.client_id,
            nonce: &attempt.nonce,
            algorithm: self.settings.id_token_algorithm,
            access_token: &tokens.access_token,
            now: self.settings.now(),
        };
        let mut look_again = false;
        let (claims, checks) = loop {
            let (keys, answer) = self.keys(metadata, look_again).await?;
            self.settings.step(&attempt.login_id, StepKind::Keys, |step| {
                show_document(step, &metadata.jwks_uri, answer.as_ref());
            });
            let mut checks = Checks::default();
            match flow::check_id_token(token, &keys, &expected, &mut checks) {
                // The provider may have changed its keys since they were read.
                Err(IdTokenError::Jose(JoseError::UnknownKid | JoseError::NoKey | JoseError::Signature))
                    if !look_again =>
                {
                    look_again = true;
                }
                claims => break (claims, checks),
            }
        };
        self.settings.step(&attempt.login_id, StepKind::IdToken, |step| {
            step.token = decoded(token);
            step.checks = checks.0;
        });
        Ok(claims?)
    }

    /// Reads userinfo (OIDC Core §5.3) and joins it to the ID token's claims.
    pub(crate) async fn user_claims(
        &self,
        metadata: &ProviderMetadata,
        tokens: &TokenResponse,
        id_token: Map<String, Value>,
        login_id: &str,
    ) -> Result<Map<String, Value>, Error> {
        let mut checks = Checks::default();
        let Some(url) = &metadata.userinfo_endpoint else {
            return flow::user_claims(id_token, None, &mut checks);
        };
        let request = Request::get(url)
            .header(header::ACCEPT, "application/json")
            .header(header::AUTHORIZATION, format!("Bearer {}", tokens.access_token));
        let answer = send(&*self.http, request, Bytes::new(), MAX_ANSWER_BYTES).await?;
        let claims = match answer.status() {
            StatusCode::OK => strict_json::parse_object(answer.body())
                .map_err(|e| bad_answer(url, &answer, &format!("it is {e}")))
                .and_then(|userinfo| flow::user_claims(id_token, Some(userinfo), &mut checks)),
            _ => Err(bad_answer(url, &answer, "expected 200")),
        };
        self.settings.step(login_id, StepKind::Userinfo, |step| {
            step.request =
                Some(Message::new(format!("GET {url}")).with_fields([("Authorization", "Bearer")]));
            step.response = Some(shown_answer(&answer));
            step.checks = checks.0;
        });
        claims
    }

    /// Asks whether `access_token` still holds, in whichever way this provider can be asked.
    pub(crate) async fn check_token(&self, access_token: &str, login_id: &str) -> Answer {
        match self.try_check_token(access_token, login_id).await {
            Ok(answer) => answer,
            Err(error) => {
                match error.kind() {
                    crate::ErrorKind::TryAgain => {
                        tracing::warn!(%error, "No answer to a token check: {error}");
                    }
                    _ => tracing::error!(
                        %error,
                        "Token checks fail until somebody changes a setting, here or at the provider: {error}"
                    ),
                }
                Answer::Silence
            }
        }
    }

    async fn try_check_token(&self, access_token: &str, login_id: &str) -> Result<Answer, Error> {
        if !self.settings.token_check {
            return Ok(Answer::NotCheckable);
        }
        let metadata = self.metadata(None).await?;
        let mut by = self.check_by();
        if matches!(by, CheckBy::Unknown | CheckBy::Grant) {
            let Some(url) = &metadata.token_endpoint else { return Ok(Answer::NotCheckable) };
            let form = [("grant_type", "check_token_revoked"), ("access_token", access_token)];
            let auth = self.client_auth(&metadata.token_endpoint_auth_methods_supported);
            let answer = self.ask_about_token(&metadata, url, &form, auth, login_id).await?;
            match member(url, &answer, "revoked") {
                Ok(revoked) => {
                    self.remember(CheckBy::Grant);
                    return Ok(if revoked { Answer::Ended } else { Answer::Alive });
                }
                // Once it could be asked this way, not being able to is a fault and no reason to stop asking.
                Err(Error::Refused { code, .. })
                    if by == CheckBy::Unknown && code == ErrorCode::UnsupportedGrantType.as_str() =>
                {
                    by = match metadata.introspection_endpoint {
                        Some(_) => CheckBy::Introspection,
                        None => CheckBy::Nothing,
                    };
                    self.remember(by);
                    tracing::info!("The provider is not AuthMachine; its tokens are checked by: {by:?}");
                }
                Err(error) => return Err(error),
            }
        }
        let (CheckBy::Introspection, Some(url)) = (by, &metadata.introspection_endpoint) else {
            return Ok(Answer::NotCheckable);
        };
        let methods = match metadata.introspection_endpoint_auth_methods_supported.as_slice() {
            // RFC 8414 §2 gives no default; the token endpoint's is the best guess.
            [] => &metadata.token_endpoint_auth_methods_supported[..],
            listed => listed,
        };
        let form = [("token", access_token), ("token_type_hint", "access_token")];
        let answer = self.ask_about_token(&metadata, url, &form, self.client_auth(methods), login_id).await?;
        let active = member(url, &answer, "active")?;
        Ok(if active { Answer::Alive } else { Answer::Ended })
    }

    async fn ask_about_token(
        &self,
        metadata: &ProviderMetadata,
        url: &str,
        form: &[(&str, &str)],
        auth: ClientAuthMethod,
        login_id: &str,
    ) -> Result<Response<Bytes>, Error> {
        let (answer, sent) = self.post(metadata, url, form, auth).await?;
        self.settings.step(login_id, StepKind::TokenCheck, |step| {
            step.request = Some(sent);
            step.response = Some(shown_answer(&answer));
        });
        Ok(answer)
    }

    fn check_by(&self) -> CheckBy {
        [CheckBy::Grant, CheckBy::Introspection, CheckBy::Nothing]
            .into_iter()
            .find(|by| *by as u8 == self.check_by.load(Ordering::Relaxed))
            .unwrap_or(CheckBy::Unknown)
    }

    fn remember(&self, by: CheckBy) {
        self.check_by.store(by as u8, Ordering::Relaxed);
    }

    fn client_auth(&self, supported: &[String]) -> ClientAuthMethod {
        let takes = |method: ClientAuthMethod| supported.iter().any(|name| name == method.as_str());
        if self.settings.client_key.is_some() {
            return ClientAuthMethod::PrivateKeyJwt;
        }
        match (&self.settings.client_secret, self.settings.client_auth) {
            (None, _) => ClientAuthMethod::None,
            (Some(_), Some(chosen)) => chosen,
            // OIDC Discovery §3: a provider that says nothing takes Basic.
            (Some(_), None)
                if takes(ClientAuthMethod::ClientSecretPost)
                    && !takes(ClientAuthMethod::ClientSecretBasic) =>
            {
                ClientAuthMethod::ClientSecretPost
            }
            (Some(_), None) => ClientAuthMethod::ClientSecretBasic,
        }
    }

    /// Posts a form as this client. Also gives what was sent, for the observer.
    async fn post(
        &self,
        metadata: &ProviderMetadata,
        url: &str,
        fields: &[(&str, &str)],
        auth: ClientAuthMethod,
    ) -> Result<(Response<Bytes>, Message), Error> {
        let id = self.settings.request.client_id.as_str();
        let secret = self.settings.client_secret.as_ref().map(|secret| secret.reveal()).unwrap_or_default();
        let assertion;
        let mut fields = fields.to_vec();
        let mut request = Request::post(url)
            .header(header::ACCEPT, "application/json")
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
        let mut sent = Message::new(format!("POST {url}"));
        match auth {
            ClientAuthMethod::ClientSecretBasic => {
                request = request.header(header::AUTHORIZATION, basic_auth::encode(id, secret));
                sent = sent.with_fields([("Authorization", "Basic")]);
            }
            ClientAuthMethod::ClientSecretPost => {
                fields.extend([("client_id", id), ("client_secret", secret)]);
            }
            ClientAuthMethod::PrivateKeyJwt => {
                let key = self.settings.client_key.as_ref().expect("checked by `build`");
                assertion = key.assertion(id, &metadata.issuer, self.settings.now())?;
                fields.extend([("client_assertion_type", ASSERTION_TYPE), ("client_assertion", &assertion)]);
            }
            ClientAuthMethod::None => fields.push(("client_id", id)),
        }
        // Both checks of a token name the token by a field of their own.
        sent = sent.with_fields(fields.iter().copied());
        let body = form::encode(fields).into_bytes();
        Ok((send(&*self.http, request, body.into(), MAX_ANSWER_BYTES).await?, sent))
    }
}

/// Whether `url` may be asked: by https, or by http where `server` itself is.
pub(crate) fn is_endpoint(url: &str, server: &str) -> bool {
    let scheme = url::Url::parse(url).map(|url| url.scheme().to_owned()).unwrap_or_default();
    !url.contains('#') && (scheme == "https" || scheme == "http" && server.starts_with("http:"))
}

fn token_endpoint(metadata: &ProviderMetadata) -> Result<&str, Error> {
    metadata.token_endpoint.as_deref().ok_or_else(|| Error::BadAnswer {
        url: metadata.issuer.clone(),
        status: 200,
        problem: "its metadata name no token_endpoint".to_owned(),
    })
}

fn check_tokens(url: &str, answer: &Response<Bytes>, checks: &mut Checks) -> Result<TokenResponse, Error> {
    let answered = match answer.status() {
        StatusCode::OK => Ok(()),
        _ => Err(refused(url, answer)),
    };
    checks.ok("the provider agreed", answered)?;
    let tokens = parse::<TokenResponse>(answer.body());
    let tokens = checks.ok(
        "it is a token response (RFC 6749 §5.1)",
        tokens.map_err(|_| bad_answer(url, answer, "it is no token response")),
    )?;
    let is_bearer = tokens.token_type.eq_ignore_ascii_case("Bearer") && !tokens.access_token.is_empty();
    checks.that("token_type is Bearer", is_bearer, bad_answer(url, answer, "token_type is not Bearer"))?;
    checks.that("there is an ID token", tokens.id_token.is_some(), IdTokenError::Missing)?;
    Ok(tokens)
}

/// The boolean `name` of an answer with status 200; everything else is an error.
fn member(url: &str, answer: &Response<Bytes>, name: &str) -> Result<bool, Error> {
    if answer.status() != StatusCode::OK {
        return Err(refused(url, answer));
    }
    let object = strict_json::parse_object(answer.body()).unwrap_or_default();
    let value = object.get(name).and_then(Value::as_bool);
    value.ok_or_else(|| bad_answer(url, answer, &format!("{name} is neither true nor false")))
}

/// An error answer: the provider's own words if it has any.
fn refused(url: &str, answer: &Response<Bytes>) -> Error {
    if answer.status().is_client_error()
        && let Ok(ErrorBody { error: code, error_description: description }) = parse(answer.body())
    {
        return Error::refused(&code, description.as_deref());
    }
    bad_answer(url, answer, "expected 200")
}

/// The body of an answer with status 200.
fn content<'a>(url: &str, answer: &'a Response<Bytes>) -> Result<&'a Bytes, Error> {
    match answer.status() {
        StatusCode::OK => Ok(answer.body()),
        _ => Err(bad_answer(url, answer, "expected 200")),
    }
}

/// Reads a JSON object: serde by itself takes an array for a struct as well, and the last of two members.
fn parse<T: serde::de::DeserializeOwned>(body: &[u8]) -> Result<T, String> {
    let object = strict_json::parse_object(body).map_err(|e| e.to_string())?;
    serde_json::from_value(Value::Object(object)).map_err(|e| e.to_string())
}

/// Notes where a document came from.
fn show_document(step: &mut Step, url: &str, answer: Option<&Response<Bytes>>) {
    let line = match answer {
        Some(_) => format!("GET {url}"),
        None => format!("kept from before: {url}"),
    };
    step.request = Some(Message::new(line));
    step.response = answer.map(shown_answer);
}

fn shown_answer(answer: &Response<Bytes>) -> Message {
    let message = Message::new(answer.status().to_string());
    match serde_json::from_slice(answer.body()) {
        Ok(json) => message.with_json(json),
        Err(_) => message,
    }
}

fn decoded(token: &str) -> Option<DecodedToken> {
    let parsed = authmachine_jose::compact::parse(token).ok()?;
    let header = parsed.header();
    let members =
        [("alg", Some(&header.algorithm)), ("kid", header.kid.as_ref()), ("typ", header.typ.as_ref())];
    Some(DecodedToken {
        header: members
            .into_iter()
            .filter_map(|(name, value)| Some((name.to_owned(), Value::from(value?.as_str()))))
            .collect(),
        claims: parsed.danger_unverified_payload().clone(),
    })
}

/// As milliseconds, at most [`i64::MAX`].
pub(crate) fn as_ms(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}
