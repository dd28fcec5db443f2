//! A client: its registration, its requests, and what it checks in every answer.

use std::sync::Arc;

use authmachine_e2e::http::{self, Answer};
use base64ct::{Base64, Encoding as _};
use reqwest::{Method, RequestBuilder};
use serde_json::{Map, Value, json};
use url::form_urlencoded;

use crate::browser::{Browser, Landing, Page, Walk};
use crate::checks::{self, Expected};
use crate::claims;
use crate::installation::Which;
use crate::jwt::{self, Jwt, Key};
use crate::random;
use crate::response::{self, Mode, Params};
use crate::run::Run;

/// A registered client.
pub(crate) struct RelyingParty<'a> {
    pub(crate) run: &'a Run,
    pub(crate) client_id: String,
    pub(crate) redirect_uri: String,
    pub(crate) post_logout_redirect_uri: String,
    /// What registration answered; empty for the operator's clients.
    pub(crate) registered: Map<String, Value>,
    /// What it signs with, for `private_key_jwt` and request objects.
    pub(crate) key: Arc<Key>,
    secret: String,
    auth_method: String,
    is_id_token_unsigned: bool,
    is_userinfo_signed: bool,
}

/// An authorization request, its parameters in order.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    endpoint: String,
    pub(crate) params: Vec<(String, String)>,
    /// `state` and `nonce` inside a request object, where they count.
    inside: Option<(String, String)>,
}

/// Everything that a client has after a sign-in.
pub(crate) struct SignIn {
    pub(crate) params: Params,
    /// Through the browser.
    front: Option<Jwt>,
    /// From the token endpoint.
    back: Option<Jwt>,
    /// As it was sent, to be used as a hint.
    pub(crate) raw_id_token: String,
    pub(crate) access_token: Option<String>,
    pub(crate) refresh_token: Option<String>,
    pub(crate) userinfo: Option<Map<String, Value>>,
}

/// How a self-registered client is managed (RFC 7592).
#[derive(Clone, Debug)]
pub(crate) struct Management {
    pub(crate) uri: String,
    pub(crate) token: String,
}

impl Management {
    pub(crate) async fn read(&self) -> Answer {
        self.send(Method::GET).await
    }

    /// Exactly 204 (RFC 7592 §2.3); and it is gone.
    pub(crate) async fn delete(&self) {
        let answer = self.send(Method::DELETE).await;
        assert_eq!((answer.status, answer.body.as_str()), (204, ""), "{answer:?}");
        assert_eq!(self.read().await.status, 401, "a deleted client can still be read");
    }

    async fn send(&self, method: Method) -> Answer {
        send(http::request(method, &self.uri).bearer_auth(&self.token)).await
    }
}

impl Request {
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.params.iter().find(|(there, _)| there == name).map(|(_, value)| value.as_str())
    }

    #[must_use]
    pub(crate) fn with(mut self, name: &str, value: &str) -> Self {
        match self.params.iter_mut().find(|(there, _)| there == name) {
            Some((_, there)) => value.clone_into(there),
            None => self.params.push((name.to_owned(), value.to_owned())),
        }
        self
    }

    #[must_use]
    pub(crate) fn without(mut self, name: &str) -> Self {
        self.params.retain(|(there, _)| there != name);
        self
    }

    /// Moves `state` and `nonce` out of the parameters; an object by value or by reference has them.
    #[must_use]
    pub(crate) fn inside_an_object(self) -> (Self, Value) {
        let object = self.params.iter().map(|(name, value)| (name.clone(), value.as_str().into()));
        let object = Value::Object(object.collect());
        let inside = self
            .get("state")
            .zip(self.get("nonce"))
            .map(|(state, nonce)| (state.to_owned(), nonce.to_owned()));
        let outside = Self { inside, ..self.without("state").without("nonce") };
        (outside, object)
    }

    /// As a provider sees it that reads no objects.
    #[must_use]
    pub(crate) fn unread(self) -> Self {
        Self { inside: None, ..self }
    }

    pub(crate) fn state(&self) -> Option<&str> {
        self.inside.as_ref().map(|(state, _)| state.as_str()).or(self.get("state"))
    }

    fn nonce(&self) -> Option<&str> {
        self.inside.as_ref().map(|(_, nonce)| nonce.as_str()).or(self.get("nonce"))
    }

    pub(crate) fn url(&self) -> String {
        let query = form_urlencoded::Serializer::new(String::new()).extend_pairs(&self.params).finish();
        format!("{}?{query}", self.endpoint)
    }
}

impl SignIn {
    /// The ID token that counts: from the token endpoint, if there is one.
    pub(crate) fn id_token(&self) -> &Jwt {
        self.back.as_ref().or(self.front.as_ref()).expect("every response type of ours brings one")
    }

    pub(crate) fn sub(&self) -> &str {
        self.id_token().text("sub").expect("it was checked")
    }

    pub(crate) fn auth_time(&self) -> Option<i64> {
        self.id_token().number("auth_time")
    }

    pub(crate) fn sid(&self) -> Option<&str> {
        self.id_token().text("sid")
    }

    /// Every ID token that came.
    pub(crate) fn id_tokens(&self) -> impl Iterator<Item = &Jwt> {
        self.front.iter().chain(&self.back)
    }

    #[track_caller]
    pub(crate) fn access_token(&self) -> &str {
        self.access_token.as_deref().expect("an access token")
    }

    #[track_caller]
    pub(crate) fn code(&self) -> &str {
        &self.params["code"]
    }
}

impl<'a> RelyingParty<'a> {
    /// One of the operator's clients.
    pub(crate) fn made(run: &'a Run, which: Which) -> Self {
        let made = run.installation.client(run.variant.response_type, which).clone();
        assert!(
            run.supports("token_endpoint_auth_methods_supported", made.auth_method),
            "{}",
            made.auth_method
        );
        Self {
            run,
            client_id: made.client_id,
            redirect_uri: made.redirect_uri,
            post_logout_redirect_uri: made.post_logout_redirect_uri,
            registered: Map::new(),
            key: run.installation.key.clone(),
            secret: made.secret,
            auth_method: made.auth_method.to_owned(),
            is_id_token_unsigned: false,
            is_userinfo_signed: false,
        }
    }

    /// The registration request of a module, with `more` metadata (RFC 7591 §2, OIDC Registration §2).
    pub(crate) fn metadata(run: &Run, more: Value) -> Map<String, Value> {
        let variant = run.variant;
        let mut grant_types = Vec::new();
        if variant.has_code() {
            grant_types.push("authorization_code");
        }
        if variant.has_front_tokens() {
            grant_types.push("implicit");
        }
        let site = &run.installation.site;
        let Value::Object(mut metadata) = json!({
            "client_name": format!("Conformance {}", run.id),
            "grant_types": grant_types,
            "response_types": [variant.response_type],
            "redirect_uris": [site.url(&format!("/{}/callback", run.id))],
            "post_logout_redirect_uris": [site.url(&format!("/{}/post_logout_redirect", run.id))],
            "contacts": ["certification@example.com"],
            "jwks": {"keys": [run.installation.key.public()]},
            "token_endpoint_auth_method": "client_secret_basic",
        }) else {
            unreachable!("it is an object");
        };
        if let Value::Object(more) = more {
            metadata.extend(more);
        }
        metadata.retain(|_, value| !value.is_null());
        metadata
    }

    /// What registration answers to these metadata.
    pub(crate) async fn try_register(run: &Run, metadata: &Map<String, Value>) -> Answer {
        let body = Value::Object(metadata.clone()).to_string();
        let request = http::request(Method::POST, run.endpoint("registration_endpoint"));
        send(
            request
                .header("content-type", "application/json")
                .header("accept", "application/json")
                .body(body),
        )
        .await
    }

    /// Registers itself, and checks what came back (RFC 7591 §3.2.1, RFC 7592 §3, OIDC Registration §3.2).
    pub(crate) async fn register(run: &'a Run, more: Value) -> Self {
        let metadata = Self::metadata(run, more);
        let answer = Self::try_register(run, &metadata).await;
        assert_eq!(answer.status, 201, "{answer:?}");
        checks::is_not_stored(&answer);
        let registered = checks::is_json(&answer);
        assert!(!registered.contains_key("error"), "{answer:?}");
        let text = |name: &str| registered.get(name).map(|value| value.as_str().expect("text").to_owned());
        let management = match (text("registration_client_uri"), text("registration_access_token")) {
            (Some(uri), Some(token)) => {
                checks::is_https("registration_client_uri", &uri.as_str().into());
                checks::cannot_be_guessed("registration_access_token", &token);
                Management { uri, token }
            }
            // The standards let both out together; ours are managed (third-party-initiated login asks for it).
            both => panic!("registration_client_uri and registration_access_token: {both:?}"),
        };
        run.remember(management);
        let secret = text("client_secret");
        assert!(secret.is_none() || registered["client_secret_expires_at"].is_u64(), "{answer:?}");
        for (name, value) in &metadata {
            assert_eq!(registered.get(name), Some(value), "{name} was registered otherwise");
        }
        let first = |name: &str| metadata[name][0].as_str().expect("an address").to_owned();
        let auth_method = metadata["token_endpoint_auth_method"].as_str().expect("text").to_owned();
        assert!(run.supports("token_endpoint_auth_methods_supported", &auth_method), "{auth_method}");
        assert_eq!(auth_method.starts_with("client_secret"), secret.is_some(), "a secret for {auth_method}");
        Self {
            run,
            client_id: text("client_id").expect("client_id"),
            redirect_uri: first("redirect_uris"),
            post_logout_redirect_uri: first("post_logout_redirect_uris"),
            secret: secret.unwrap_or_default(),
            auth_method,
            is_id_token_unsigned: metadata
                .get("id_token_signed_response_alg")
                .is_some_and(|alg| alg == "none"),
            is_userinfo_signed: metadata.contains_key("userinfo_signed_response_alg"),
            registered,
            key: run.installation.key.clone(),
        }
    }

    /// How it is managed.
    #[track_caller]
    pub(crate) fn management(&self) -> Management {
        let text = |name: &str| self.registered[name].as_str().expect("text").to_owned();
        Management { uri: text("registration_client_uri"), token: text("registration_access_token") }
    }

    /// The plain request of its response type.
    pub(crate) fn request(&self) -> Request {
        let variant = self.run.variant;
        let request = Request {
            endpoint: self.run.endpoint("authorization_endpoint").to_owned(),
            params: Vec::new(),
            inside: None,
        };
        let request = request
            .with("client_id", &self.client_id)
            .with("redirect_uri", &self.redirect_uri)
            .with("scope", "openid")
            .with("state", &random::letters(10))
            .with("nonce", &random::letters(10))
            .with("response_type", variant.response_type);
        if variant.form_post { request.with("response_mode", "form_post") } else { request }
    }

    /// What every address of the clients begins with.
    pub(crate) fn site(&self) -> String {
        self.run.installation.clients_origin()
    }

    /// Sends the browser off with a request, and goes all the way.
    pub(crate) async fn walk(&self, browser: &mut Browser, request: &Request) -> Walk {
        browser.walk(&request.url(), &self.site()).await
    }

    /// The login page is shown to somebody who is signed in; then they prove themselves again.
    pub(crate) async fn walk_past_login(&self, browser: &mut Browser, request: &Request) -> Landing {
        let shown = browser.walk_until(&request.url(), &self.site(), Some(Page::Login)).await.shown();
        checks::is_html(&shown);
        assert!(shown.body.contains(r#"type="password""#), "no login page: {shown:?}");
        browser.go_on(shown, &self.site(), None).await.landing()
    }

    /// Reads what the browser brought for a request that was granted.
    #[track_caller]
    pub(crate) fn granted(&self, request: &Request, landing: &Landing) -> Params {
        let params = response::read(landing, &self.redirect_uri, Mode::of(request));
        response::is_granted(&params, request, self.run.variant, self.run.issuer());
        params
    }

    /// Reads what the browser brought for a request that was refused; the error.
    #[track_caller]
    pub(crate) fn refused(&self, request: &Request, landing: &Landing) -> String {
        let params = response::read(landing, &self.redirect_uri, Mode::of(request));
        response::is_refused(&params, request, self.run.issuer())
    }

    /// A whole sign-in.
    pub(crate) async fn sign_in(&self, browser: &mut Browser, request: &Request) -> SignIn {
        self.sign_in_with(browser, request, &[]).await
    }

    /// The same; the code is redeemed with more fields.
    pub(crate) async fn sign_in_with(
        &self,
        browser: &mut Browser,
        request: &Request,
        at_redemption: &[(&str, &str)],
    ) -> SignIn {
        let landing = self.walk(browser, request).await.landing();
        self.complete_with(request, &landing, at_redemption).await
    }

    /// A sign-in in which nothing is shown.
    pub(crate) async fn sign_in_silently(&self, browser: &mut Browser, request: &Request) -> SignIn {
        let walk = self.walk(browser, request).await;
        assert!(walk.pages.is_empty(), "shown on the way: {:?}", walk.pages);
        self.complete(request, &walk.landing()).await
    }

    /// A request that is answered by a page of the provider's and nothing else.
    pub(crate) async fn is_shown_an_error(&self, browser: &mut Browser, request: &Request) {
        checks::is_an_error_page(&self.walk(browser, request).await.shown(), &self.site());
    }

    /// Nobody is signed in any more, as far as this browser goes.
    pub(crate) async fn nobody_is_signed_in(&self, browser: &mut Browser) {
        let request = self.request().with("prompt", "none");
        let landing = self.walk(browser, &request).await.landing();
        wants_a_person(&self.refused(&request, &landing));
    }

    /// Reads the answer, redeems the code, asks for the claims, and checks it all.
    pub(crate) async fn complete(&self, request: &Request, landing: &Landing) -> SignIn {
        self.complete_with(request, landing, &[]).await
    }

    async fn complete_with(
        &self,
        request: &Request,
        landing: &Landing,
        at_redemption: &[(&str, &str)],
    ) -> SignIn {
        let params = self.granted(request, landing);
        let keys = self.run.keys().await;
        let read = |raw: &str, code: Option<&str>, access_token: Option<&str>, is_front: bool| {
            let token = Jwt::read(raw);
            match self.is_id_token_unsigned {
                true => token.is_unsigned(),
                false => token.is_signed_by(&keys),
            }
            checks::id_token(
                &token,
                &Expected {
                    issuer: self.run.issuer(),
                    client_id: &self.client_id,
                    nonce: request.nonce(),
                    auth_time: request.get("max_age").is_some(),
                    code,
                    access_token,
                    is_front,
                    asked: &self.asked_in_id_token(request),
                },
            );
            token
        };
        let text = |name: &str| params.get(name).map(String::as_str);
        let front_token = text("access_token").map(str::to_owned);
        let front = text("id_token").map(|raw| read(raw, text("code"), text("access_token"), true));
        let mut signed_in = SignIn {
            front,
            back: None,
            raw_id_token: text("id_token").unwrap_or_default().to_owned(),
            access_token: front_token.clone(),
            refresh_token: None,
            userinfo: None,
            params: Params::new(),
        };
        if let Some(code) = text("code") {
            let body = checks::token_response(&self.redeem_with(code, at_redemption).await);
            let text = |name: &str| body.get(name).and_then(Value::as_str).map(str::to_owned);
            signed_in.access_token = text("access_token");
            signed_in.refresh_token = text("refresh_token");
            signed_in.raw_id_token = text("id_token").expect("an ID token");
            signed_in.back =
                Some(read(&signed_in.raw_id_token, Some(code), signed_in.access_token.as_deref(), false));
        }
        signed_in.params = params;
        for token in front_token.iter().chain(&signed_in.access_token) {
            signed_in.userinfo = Some(self.userinfo(token).await);
        }
        // The same person everywhere (OIDC Core §3.3.3.6, §5.3.2).
        for claims in signed_in.id_tokens().map(|token| &token.claims).chain(&signed_in.userinfo) {
            assert_eq!(claims["sub"], signed_in.sub());
        }
        signed_in
    }

    /// The claims about the person that a request asks for in the ID token.
    fn asked_in_id_token(&self, request: &Request) -> Vec<&'static str> {
        let scope = request.get("scope").unwrap_or_default();
        let of_scopes = claims::of_scopes(scope).filter(|_| self.run.variant.is_id_token_alone());
        let claims: Value = request.get("claims").map_or(Value::Null, |claims| claims.parse().expect("JSON"));
        let by_name = claims::of_scopes("profile email address phone")
            .filter(|name| claims["id_token"].get(name).is_some());
        of_scopes.chain(by_name).collect()
    }

    /// `grant_type=authorization_code`.
    pub(crate) async fn redeem(&self, code: &str) -> Answer {
        self.redeem_with(code, &[]).await
    }

    /// The same with more fields.
    pub(crate) async fn redeem_with(&self, code: &str, more: &[(&str, &str)]) -> Answer {
        let fields =
            [("grant_type", "authorization_code"), ("code", code), ("redirect_uri", &self.redirect_uri)];
        self.token(&[&fields, more].concat()).await
    }

    /// `grant_type=refresh_token`.
    pub(crate) async fn refresh(&self, refresh_token: &str, more: &[(&str, &str)]) -> Answer {
        let fields = [("grant_type", "refresh_token"), ("refresh_token", refresh_token)];
        self.token(&[&fields, more].concat()).await
    }

    /// A token request, by the method that it registered.
    async fn token(&self, fields: &[(&str, &str)]) -> Answer {
        let endpoint = self.run.endpoint("token_endpoint");
        match self.auth_method.as_str() {
            "client_secret_basic" => {
                let encode =
                    |text: &str| form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
                let pair = format!("{}:{}", encode(&self.client_id), encode(&self.secret));
                let header = format!("Basic {}", Base64::encode_string(pair.as_bytes()));
                send(http::form(endpoint, fields).header("authorization", header)).await
            }
            "client_secret_post" => {
                let own = [("client_id", self.client_id.as_str()), ("client_secret", &self.secret)];
                send(http::form(endpoint, &[fields, &own].concat())).await
            }
            "private_key_jwt" => self.token_with(fields, &self.assertion(endpoint)).await,
            other => panic!("no way to prove oneself by {other}"),
        }
    }

    /// A token request with this assertion (RFC 7523 §2.2).
    pub(crate) async fn token_with(&self, fields: &[(&str, &str)], assertion: &str) -> Answer {
        let own = [
            ("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"),
            ("client_assertion", assertion),
        ];
        send(http::form(self.run.endpoint("token_endpoint"), &[fields, &own].concat())).await
    }

    /// An assertion of its own for an audience (OIDC Core §9).
    pub(crate) fn assertion(&self, audience: &str) -> String {
        let now = checks::now();
        self.key.sign(&json!({
            "iss": self.client_id,
            "sub": self.client_id,
            "aud": audience,
            "jti": random::letters(20),
            "iat": now,
            "exp": now + 60,
        }))
    }

    /// Userinfo by GET with the header, as registered: JSON, or signed (OIDC Core §5.3.2).
    async fn userinfo(&self, access_token: &str) -> Map<String, Value> {
        let answer = self.try_userinfo(access_token).await;
        if !self.is_userinfo_signed {
            return checks::userinfo(&answer);
        }
        assert_eq!(
            (answer.status, answer.header("content-type")),
            (200, Some("application/jwt")),
            "{answer:?}"
        );
        checks::is_not_stored(&answer);
        let token = Jwt::read(&answer.body);
        token.is_signed_by(&self.run.keys().await);
        assert_eq!(token.text("iss"), Some(self.run.issuer()));
        let audience = &token.claims["aud"];
        assert!(*audience == self.client_id.as_str() || *audience == json!([self.client_id]), "{audience}");
        assert!(!token.claims.contains_key("nonce"), "{token:?}");
        claims::have_their_types(&token.claims, checks::now());
        token.claims
    }

    /// Userinfo by GET with the header.
    pub(crate) async fn try_userinfo(&self, access_token: &str) -> Answer {
        send(http::request(Method::GET, self.run.endpoint("userinfo_endpoint")).bearer_auth(access_token))
            .await
    }

    /// The end-session endpoint with these parameters, as the browser goes there.
    pub(crate) fn end_session_url(&self, params: &[(&str, &str)]) -> String {
        let query = form_urlencoded::Serializer::new(String::new()).extend_pairs(params).finish();
        format!("{}?{query}", self.run.endpoint("end_session_endpoint"))
    }
}

/// An error that says: not without a person (OIDC Core §3.1.2.6).
#[track_caller]
pub(crate) fn wants_a_person(error: &str) {
    let all = ["login_required", "interaction_required", "consent_required", "account_selection_required"];
    assert!(all.contains(&error), "{error}");
}

/// Sends a request that must be answered.
pub(crate) async fn send(request: RequestBuilder) -> Answer {
    http::send(request).await.unwrap_or_else(|error| panic!("no answer: {error:?}"))
}

/// A verifier with its challenge (RFC 7636 §4).
pub(crate) fn pkce() -> (String, String) {
    let verifier = random::letters(64);
    let challenge = jwt::s256(&verifier);
    (verifier, challenge)
}
