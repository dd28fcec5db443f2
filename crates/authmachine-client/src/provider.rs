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
    ClientAuthMethod, ErrorBody, ErrorCode, ProviderMetadata, Timestamp, TokenResponse, basic_auth, form,
};
use bytes::Bytes;
use http::{HeaderMap, Request, Response, StatusCode, header};
use serde_json::{Map, Value};
use tokio::sync::Mutex;

use crate::{
    Error,
    builder::Settings,
    error::IdTokenError,
    flow::{self, Attempt, Expected},
    http_client::{HttpClient, HttpError, MAX_ANSWER_BYTES, MAX_DOCUMENT_BYTES},
    observer::{Checks, DecodedToken, Message, Step, StepKind},
    token_check::Answer,
};

/// `client_assertion_type` (RFC 7523 §2.2).
const ASSERTION_TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
const MIN_DOCUMENT_LIFE_SECONDS: i64 = 5 * 60;
const MAX_DOCUMENT_LIFE_SECONDS: i64 = 24 * 60 * 60;
/// How long the last good document stands in before the provider is asked again, and how often an unknown key may
/// cause a look at the keys.
const ASK_AGAIN_SECONDS: i64 = 30;
/// How long an error is the answer, where no good document is known: whoever waited for it meanwhile gets it too, so
/// that a provider that hangs is not waited for by one after the other.
const ERROR_LIFE_SECONDS: i64 = 1;

/// What came of asking for a document of the provider's, and when to ask again.
struct Cached<T> {
    outcome: Result<Arc<T>, Error>,
    asked_at: Timestamp,
    fresh_until: Timestamp,
}

type Cache<T> = Mutex<Option<Cached<T>>>;

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
    metadata: Cache<ProviderMetadata>,
    keys: Cache<JwkSet>,
    check_by: AtomicU8,
}

impl Provider {
    pub(crate) fn new(settings: Arc<Settings>, http: Arc<dyn HttpClient>) -> Self {
        Self {
            settings,
            http,
            metadata: Mutex::default(),
            keys: Mutex::default(),
            check_by: AtomicU8::new(CheckBy::Unknown as u8),
        }
    }

    /// The provider's metadata (OIDC Discovery §4), at most a day old; the last good ones while it does not answer.
    pub(crate) async fn metadata(&self, login_id: Option<&str>) -> Result<Arc<ProviderMetadata>, Error> {
        let url = format!("{}/.well-known/openid-configuration", self.settings.issuer);
        let read = |body: &[u8]| {
            let bad = |problem: String| Error::BadAnswer { url: url.clone(), status: 200, problem };
            let metadata: ProviderMetadata = parse(body).map_err(bad)?;
            self.check_metadata(&metadata, bad)?;
            Ok(metadata)
        };
        let (metadata, step) = self.document(&self.metadata, &url, false, read).await?;
        if let Some(login_id) = login_id {
            self.settings.step(login_id, StepKind::Discovery, |to| {
                step.show(to);
                let mut checks = Checks::default();
                let _ = checks.that("issuer is the configured one, but for a slash at its end", true, ());
                to.checks = checks.0;
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
        let may_be_http = configured.starts_with("http:");
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
            let scheme = url::Url::parse(endpoint).map(|url| url.scheme().to_owned()).unwrap_or_default();
            if endpoint.contains('#') || scheme != "https" && !(scheme == "http" && may_be_http) {
                return Err(bad(format!("{endpoint:?} is no https endpoint")));
            }
        }
        Ok(())
    }

    async fn keys(
        &self,
        metadata: &ProviderMetadata,
        look_again: bool,
    ) -> Result<(Arc<JwkSet>, Shown), Error> {
        let url = &metadata.jwks_uri;
        let read = |body: &[u8]| {
            let problem = match std::str::from_utf8(body).map(JwkSet::parse) {
                Ok(Ok(keys)) => return Ok(keys),
                Ok(Err(e)) => e.to_string(),
                Err(e) => e.to_string(),
            };
            Err(Error::BadAnswer { url: url.clone(), status: 200, problem })
        };
        self.document(&self.keys, url, look_again, read).await
    }

    /// Reads a document through its cache. `look_again` asks for a newer one than there is, if the last look was not
    /// just now. The lock is held while asking, so that many requests ask once.
    async fn document<T>(
        &self,
        cache: &Cache<T>,
        url: &str,
        look_again: bool,
        read: impl Fn(&[u8]) -> Result<T, Error>,
    ) -> Result<(Arc<T>, Shown), Error> {
        let mut cached = cache.lock().await;
        let now = self.settings.now();
        if let Some(known) = cached.as_ref() {
            let again = look_again && now.seconds_since(known.asked_at) >= ASK_AGAIN_SECONDS;
            if now < known.fresh_until && !again {
                return known.outcome.clone().map(|document| (document, Shown::cached(url)));
            }
        }
        let asked = async {
            let request = Request::get(url).header(header::ACCEPT, "application/json");
            let answer = self.send(request, Bytes::new(), MAX_DOCUMENT_BYTES).await?;
            if answer.status() != StatusCode::OK {
                return Err(bad_answer(url, &answer, "expected 200"));
            }
            let document = Arc::new(read(answer.body())?);
            Ok::<_, Error>((document, document_life(answer.headers()), Shown::get(url, &answer)))
        };
        let asked = asked.await;
        let now = self.settings.now(); // it may have taken a while
        let last_good = cached.take().and_then(|known| known.outcome.ok());
        let (outcome, life_seconds, shown) = match (asked, last_good) {
            (Ok((document, life_seconds, shown)), _) => (Ok(document), life_seconds, shown),
            (Err(error), Some(last_good)) => {
                tracing::warn!(%error, "Kept the last good document of the provider: {error}");
                (Ok(last_good), ASK_AGAIN_SECONDS, Shown::cached(url))
            }
            (Err(error), None) => (Err(error), ERROR_LIFE_SECONDS, Shown::cached(url)),
        };
        let fresh_until = now.plus_seconds(life_seconds);
        *cached = Some(Cached { outcome: outcome.clone(), asked_at: now, fresh_until });
        outcome.map(|document| (document, shown))
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
            let (keys, shown) = self.keys(metadata, look_again).await?;
            self.settings.step(&attempt.login_id, StepKind::Keys, |step| shown.show(step));
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
        let answer = self.send(request, Bytes::new(), MAX_ANSWER_BYTES).await?;
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
        Ok((self.send(request, body.into(), MAX_ANSWER_BYTES).await?, sent))
    }

    async fn send(
        &self,
        request: http::request::Builder,
        body: Bytes,
        max_bytes: usize,
    ) -> Result<Response<Bytes>, Error> {
        send(&*self.http, request, body, max_bytes).await
    }

    pub(crate) fn http(&self) -> Arc<dyn HttpClient> {
        Arc::clone(&self.http)
    }
}

/// Sends a request; what cannot be sent is a fault of a setting.
pub(crate) async fn send(
    http: &dyn HttpClient,
    request: http::request::Builder,
    body: Bytes,
    max_bytes: usize,
) -> Result<Response<Bytes>, Error> {
    let request =
        request.body(body).map_err(|e| Error::Config(format!("a request cannot be written: {e}")))?;
    let url = request.uri().to_string();
    let answer = http.send(request, max_bytes).await.and_then(|answer| match answer.body().len() {
        // A client of the application's own may not look.
        bytes if bytes > max_bytes => Err(HttpError::TooLarge),
        _ => Ok(answer),
    });
    answer.map_err(|cause| {
        let url = url.split('?').next().unwrap_or_default().to_owned();
        Error::Unreachable { url, cause }
    })
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

pub(crate) fn bad_answer(url: &str, answer: &Response<Bytes>, problem: &str) -> Error {
    Error::BadAnswer { url: url.to_owned(), status: answer.status().as_u16(), problem: problem.to_owned() }
}

/// Reads a JSON object: serde by itself takes an array for a struct as well, and the last of two members.
fn parse<T: serde::de::DeserializeOwned>(body: &[u8]) -> Result<T, String> {
    let object = strict_json::parse_object(body).map_err(|e| e.to_string())?;
    serde_json::from_value(Value::Object(object)).map_err(|e| e.to_string())
}

/// Seconds that a document may be kept, from `Cache-Control: max-age`, within our bounds.
fn document_life(headers: &HeaderMap) -> i64 {
    let max_age = headers
        .get(header::CACHE_CONTROL)
        .and_then(|value| value.to_str().ok())
        .into_iter()
        .flat_map(|value| value.split(','))
        .find_map(|part| part.trim().strip_prefix("max-age=")?.parse::<u32>().ok());
    max_age.map_or(0, i64::from).clamp(MIN_DOCUMENT_LIFE_SECONDS, MAX_DOCUMENT_LIFE_SECONDS)
}

/// How a document came, for the observer.
struct Shown {
    request: Message,
    response: Option<Message>,
}

impl Shown {
    fn cached(url: &str) -> Self {
        Self { request: Message::new(format!("kept from before: {url}")), response: None }
    }

    fn get(url: &str, answer: &Response<Bytes>) -> Self {
        Self { request: Message::new(format!("GET {url}")), response: Some(shown_answer(answer)) }
    }

    fn show(self, step: &mut Step) {
        step.request = Some(self.request);
        step.response = self.response;
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn documents_are_kept_between_five_minutes_and_a_day() {
        let life = |value: &'static str| {
            document_life(&HeaderMap::from_iter([(
                header::CACHE_CONTROL,
                http::HeaderValue::from_static(value),
            )]))
        };
        assert_eq!(document_life(&HeaderMap::new()), 300);
        assert_eq!(life("no-store"), 300);
        assert_eq!(life("max-age=1"), 300);
        assert_eq!(life("public, max-age=3600"), 3_600);
        assert_eq!(life("max-age=4000000000"), 86_400);
        assert_eq!(life("max-age=-1"), 300);
    }
}
