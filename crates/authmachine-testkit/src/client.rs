//! Client applications: how they are registered, and what they do.

use std::ops::Deref;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use authmachine_jose::{Algorithm, SigningKey};
use authmachine_protocol::redirect_uri::ClientKind;
use authmachine_protocol::{ClientAuthMethod, GrantType, ResponseType, Scopes, basic_auth, form, pkce};
use authmachine_provider::client::{Client, PkceRule};
use authmachine_provider::client_assertion::TYPE as ASSERTION_TYPE;
use authmachine_provider::client_metadata::ClientMetadata;
use authmachine_provider::ids::ClientId;
use authmachine_provider::subject_ids::SubjectIds;
use serde_json::{Value, json};

use crate::answer::Answer;
use crate::server::TestServer;

/// A client to be registered. What nobody sets is what `client add` would make of it: the code and refresh token grants, the scopes
/// `openid profile email`, no objects, consent.
#[must_use]
pub struct ClientBuilder {
    server: TestServer,
    client: Client,
    secret: Option<String>,
    key: Option<Arc<SigningKey>>,
    auth: ClientAuth,
}

/// How a client proves itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClientAuth {
    /// `client_id` and `client_secret` in the form.
    Post,
    /// HTTP Basic.
    Basic,
    /// A token that it signed, fresh for each request.
    Assertion,
    /// `client_id` alone.
    Nothing,
}

impl ClientBuilder {
    pub(crate) fn new(server: TestServer, client_id: &str) -> Self {
        let client = Client {
            id: ClientId(server.row_id()),
            client_id: client_id.to_owned(),
            name: format!("The {client_id} app"),
            secret_hmac: None,
            auth_method: None,
            kind: ClientKind::Web,
            first_party: false,
            pkce: None,
            grant_types: vec![GrantType::AuthorizationCode, GrantType::RefreshToken],
            response_types: vec![ResponseType::Code],
            scopes: Scopes::parse("openid profile email").expect("scopes"),
            id_token_alg: Algorithm::RS256,
            userinfo_alg: None,
            sector: None,
            redirect_uris: vec![format!("https://{client_id}.example/callback")],
            post_logout_redirect_uris: vec![format!("https://{client_id}.example/bye")],
            objects: Vec::new(),
            subject_ids: SubjectIds::default(),
            permissions_in_id_token: false,
            metadata: ClientMetadata::default(),
            registration_sha256: None,
            disabled: false,
            created_at: server.clock().now(),
        };
        Self {
            server,
            client,
            secret: Some(format!("the secret of {client_id} 0123456789")),
            key: None,
            auth: ClientAuth::Post,
        }
    }

    /// One of ours: no consent, logout without hint, all objects.
    pub fn first_party(mut self) -> Self {
        self.client.first_party = true;
        self
    }

    /// Without a secret.
    pub fn public(mut self) -> Self {
        (self.secret, self.auth) = (None, ClientAuth::Nothing);
        self.client.auth_method = Some(ClientAuthMethod::None);
        self
    }

    /// An installed application, and so public.
    pub fn native(mut self) -> Self {
        self.client.kind = ClientKind::Native;
        self.public()
    }

    /// Registers this one method, and uses it.
    pub fn auth_method(mut self, method: ClientAuthMethod) -> Self {
        self.auth = match method {
            ClientAuthMethod::ClientSecretBasic => ClientAuth::Basic,
            ClientAuthMethod::ClientSecretPost => ClientAuth::Post,
            ClientAuthMethod::PrivateKeyJwt => ClientAuth::Assertion,
            ClientAuthMethod::None => return self.public(),
        };
        self.client.auth_method = Some(method);
        self
    }

    /// The secret.
    pub fn secret(mut self, secret: &str) -> Self {
        self.secret = Some(secret.to_owned());
        self
    }

    /// What people read.
    pub fn name(mut self, name: &str) -> Self {
        self.client.name = name.to_owned();
        self
    }

    /// The redirect URIs; requests use the first.
    pub fn redirect_uris(mut self, uris: &[&str]) -> Self {
        self.client.redirect_uris = uris.iter().map(|uri| (*uri).to_owned()).collect();
        self
    }

    /// The post-logout redirect URIs.
    pub fn post_logout_redirect_uris(mut self, uris: &[&str]) -> Self {
        self.client.post_logout_redirect_uris = uris.iter().map(|uri| (*uri).to_owned()).collect();
        self
    }

    /// The scopes it may ask for, and does.
    pub fn scopes(mut self, scopes: &str) -> Self {
        self.client.scopes = Scopes::parse(scopes).expect("scopes");
        self
    }

    /// The grant types it may use.
    pub fn grants(mut self, grant_types: &[GrantType]) -> Self {
        self.client.grant_types = grant_types.to_vec();
        self
    }

    /// The response types it may use.
    pub fn response_types(mut self, response_types: &[ResponseType]) -> Self {
        self.client.response_types = response_types.to_vec();
        self
    }

    /// What it says of itself.
    pub fn metadata(mut self, metadata: ClientMetadata) -> Self {
        self.client.metadata = metadata;
        self
    }

    /// The objects it may see.
    pub fn objects(mut self, codes: &[&str]) -> Self {
        self.client.objects = codes.iter().map(|code| (*code).to_owned()).collect();
        self
    }

    /// Its own rule for PKCE.
    pub fn pkce(mut self, rule: PkceRule) -> Self {
        self.client.pkce = Some(rule);
        self
    }

    /// What its ID tokens are signed with.
    pub fn id_token_alg(mut self, algorithm: Algorithm) -> Self {
        self.client.id_token_alg = algorithm;
        self
    }

    /// What its userinfo is signed with.
    pub fn userinfo_alg(mut self, algorithm: Algorithm) -> Self {
        self.client.userinfo_alg = Some(algorithm);
        self
    }

    /// Sees pairwise subjects, those of this sector.
    pub fn pairwise(mut self, sector: &str) -> Self {
        self.client.sector = Some(sector.to_owned());
        self
    }

    /// Its public keys, by value.
    pub fn jwks(mut self, jwks: &Value) -> Self {
        (self.client.metadata.jwks, self.client.metadata.jwks_uri) = (Some(jwks.clone()), None);
        self
    }

    /// Where its public keys are.
    pub fn jwks_uri(mut self, uri: &str) -> Self {
        (self.client.metadata.jwks, self.client.metadata.jwks_uri) = (None, Some(uri.to_owned()));
        self
    }

    /// Proves itself by what it signs with `key`, whose public half is registered unless [`jwks_uri`](Self::jwks_uri) follows.
    pub fn private_key_jwt(mut self, key: &Arc<SigningKey>) -> Self {
        (self.secret, self.key) = (None, Some(key.clone()));
        self.auth_method(ClientAuthMethod::PrivateKeyJwt).jwks(&json!({ "keys": [key.public_jwk()] }))
    }

    /// Registers it.
    pub async fn create(self) -> ClientApp {
        let Self { server, mut client, secret, key, auth } = self;
        client.secret_hmac = secret.as_ref().map(|secret| server.app().secrets.client_secret(secret));
        server.note_secret(secret.as_deref().unwrap_or_default());
        let new = client.clone();
        assert!(server.write(move |tx| tx.insert_client(&new)).await, "the client_id is free");
        server.reload().await;
        ClientApp { server, record: client, secret, key, auth }
    }
}

/// A client application.
#[derive(Clone)]
pub struct ClientApp {
    pub(crate) server: TestServer,
    /// Its row, as it was registered.
    pub record: Client,
    /// Its secret.
    pub secret: Option<String>,
    pub(crate) key: Option<Arc<SigningKey>>,
    pub(crate) auth: ClientAuth,
}

/// The `nonce` of requests.
pub(crate) const NONCE: &str = "nonce of the test";
/// The `state` of requests: a constant, as the original apps send it, with characters that must come back as they are.
pub(crate) const STATE: &str = "a constant +%26 state/ä=";
/// The PKCE verifier of public clients.
pub(crate) const VERIFIER: &str = "a-verifier-that-is-long-enough-0123456789-._~";

impl ClientApp {
    /// `client_id`.
    pub fn id(&self) -> &str {
        &self.record.client_id
    }

    /// The redirect URI that its requests name.
    pub fn redirect_uri(&self) -> &str {
        &self.record.redirect_uris[0]
    }

    /// Where it wants browsers after a logout.
    pub fn post_logout_redirect_uri(&self) -> &str {
        &self.record.post_logout_redirect_uris[0]
    }

    /// The same application, at another node.
    pub fn on(&self, server: &TestServer) -> Self {
        Self { server: server.clone(), ..self.clone() }
    }

    /// The same application, proving itself in another way.
    pub fn with_auth(&self, auth: ClientAuth) -> Self {
        Self { auth, ..self.clone() }
    }

    /// The same application with another secret.
    pub fn with_secret(&self, secret: &str) -> Self {
        Self { secret: Some(secret.to_owned()), ..self.clone() }
    }

    /// The same application with another key, which nobody was told of.
    pub fn with_key(&self, key: &Arc<SigningKey>) -> Self {
        Self { key: Some(key.clone()), ..self.clone() }
    }

    /// The claims of an assertion (RFC 7523 §3): good now, for a minute, once.
    pub fn assertion_claims(&self) -> Value {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        let now = self.server.clock().now().seconds();
        json!({
            "iss": self.id(),
            "sub": self.id(),
            "aud": self.server.issuer(),
            "jti": format!("assertion {}", COUNT.fetch_add(1, Relaxed)),
            "iat": now,
            "exp": now + 60,
        })
    }

    /// Signs a token with these claims.
    pub fn sign(&self, typ: Option<&str>, claims: &Value) -> String {
        let key = self.key.as_ref().expect("it has a key");
        key.sign(typ, claims.to_string().as_bytes()).expect("it signs")
    }

    /// Sends a form to an endpoint with this assertion.
    pub async fn post_assertion(&self, target: &str, fields: &[(&str, &str)], assertion: &str) -> Answer {
        let proof = [("client_assertion_type", ASSERTION_TYPE), ("client_assertion", assertion)];
        self.server.post(target).form(&[fields, &proof].concat()).send().await
    }

    /// Changes the registration.
    pub async fn change(&self, change: impl FnOnce(&mut Client)) -> Self {
        let mut record = self.record.clone();
        change(&mut record);
        let new = record.clone();
        self.server.write(move |tx| tx.update_client(&new)).await;
        self.server.reload().await;
        Self { record, ..self.clone() }
    }

    /// An authorization request for all that the client may ask for: `state`, `nonce`, and PKCE when it is public.
    pub fn authorize(&self) -> AuthorizeRequest {
        let request = AuthorizeRequest { params: Vec::new() }
            .with("response_type", "code")
            .with("client_id", self.id())
            .with("redirect_uri", self.redirect_uri())
            .with("scope", &self.record.scopes.to_string())
            .with("state", STATE)
            .with("nonce", NONCE);
        if self.record.is_public() { request.with_pkce() } else { request }
    }

    /// The target of the usual authorization request.
    pub fn authorize_url(&self) -> String {
        self.authorize().url()
    }

    /// Sends a form to an endpoint, with the client's credentials.
    pub async fn post(&self, target: &str, fields: &[(&str, &str)]) -> Answer {
        let mut fields = fields.to_vec();
        let mut request = self.server.post(target);
        let secret = self.secret.as_deref().unwrap_or_default();
        match self.auth {
            ClientAuth::Post => fields.extend([("client_id", self.id()), ("client_secret", secret)]),
            ClientAuth::Basic => {
                request = request.header("authorization", &basic_auth::encode(self.id(), secret))
            }
            ClientAuth::Assertion => {
                let assertion = self.sign(Some("JWT"), &self.assertion_claims());
                return self.post_assertion(target, &fields, &assertion).await;
            }
            ClientAuth::Nothing => fields.push(("client_id", self.id())),
        }
        request.form(&fields).send().await
    }

    /// Asks the token endpoint.
    pub async fn token(&self, fields: &[(&str, &str)]) -> TokenAnswer {
        TokenAnswer(self.post("/oidc/token", fields).await)
    }

    /// Redeems a code.
    pub async fn redeem(&self, code: &str) -> TokenAnswer {
        let mut fields =
            vec![("grant_type", "authorization_code"), ("code", code), ("redirect_uri", self.redirect_uri())];
        if self.record.is_public() {
            fields.push(("code_verifier", VERIFIER));
        }
        self.token(&fields).await
    }

    /// Redeems a code of a request with PKCE.
    pub async fn redeem_with(&self, code: &str, code_verifier: &str) -> TokenAnswer {
        let redirect_uri = self.redirect_uri();
        self.token(&[
            ("grant_type", "authorization_code"),
            ("code", code),
            ("redirect_uri", redirect_uri),
            ("code_verifier", code_verifier),
        ])
        .await
    }

    /// Refreshes.
    pub async fn refresh(&self, refresh_token: &str) -> TokenAnswer {
        self.token(&[("grant_type", "refresh_token"), ("refresh_token", refresh_token)]).await
    }

    /// Asks userinfo, with the token in the header.
    pub async fn userinfo(&self, access_token: &str) -> Answer {
        self.server.get("/oidc/userinfo").bearer(access_token).send().await
    }

    /// Introspects a token.
    pub async fn introspect(&self, token: &str) -> Answer {
        self.post("/oidc/introspect", &[("token", token)]).await
    }

    /// Whether introspection calls a token active.
    pub async fn is_active(&self, token: &str) -> bool {
        let answer = self.introspect(token).await.ok();
        answer["active"].as_bool().expect("active is a boolean")
    }

    /// Revokes a token.
    pub async fn revoke(&self, token: &str) -> Answer {
        self.post("/oidc/revoke", &[("token", token)]).await
    }

    /// What `check_token_revoked` says.
    pub async fn is_revoked(&self, access_token: &str) -> bool {
        let answer =
            self.token(&[("grant_type", "check_token_revoked"), ("access_token", access_token)]).await;
        let body = answer.0.ok();
        assert_eq!(body.as_object().map(serde_json::Map::len), Some(1), "it says nothing else: {body}");
        body["revoked"].as_bool().expect("revoked is a boolean")
    }
}

/// An authorization request about to be sent.
#[must_use]
#[derive(Clone, Debug)]
pub struct AuthorizeRequest {
    params: Vec<(String, String)>,
}

impl AuthorizeRequest {
    /// Sets a parameter.
    pub fn with(self, name: &str, value: &str) -> Self {
        self.without(name).and(name, value)
    }

    /// Leaves a parameter out.
    pub fn without(mut self, name: &str) -> Self {
        self.params.retain(|(n, _)| n != name);
        self
    }

    /// Adds a parameter, even if it is there.
    pub fn and(mut self, name: &str, value: &str) -> Self {
        self.params.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Adds a challenge; [`ClientApp::redeem`] of a public client has its verifier.
    pub fn with_pkce(self) -> Self {
        self.with_challenge(&pkce::challenge(VERIFIER))
    }

    /// Adds this challenge.
    pub fn with_challenge(self, challenge: &str) -> Self {
        self.with("code_challenge", challenge).with("code_challenge_method", "S256")
    }

    /// The parameters, encoded.
    pub fn encoded(&self) -> String {
        form::encode(self.params.iter().map(|(name, value)| (name.as_str(), value.as_str())))
    }

    /// The parameters.
    pub fn params(&self) -> Vec<(&str, &str)> {
        self.params.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect()
    }

    /// The target of a GET.
    pub fn url(&self) -> String {
        format!("/oidc/authorize?{}", self.encoded())
    }
}

/// What the token endpoint answered.
#[derive(Debug)]
pub struct TokenAnswer(pub Answer);

impl Deref for TokenAnswer {
    type Target = Answer;

    fn deref(&self) -> &Answer {
        &self.0
    }
}

impl TokenAnswer {
    /// The tokens of a 200.
    #[track_caller]
    pub fn ok(&self) -> Tokens {
        let body = self.0.ok();
        assert_eq!(self.header("cache-control"), Some("no-store"));
        assert_eq!(body["token_type"], "Bearer");
        let text = |name: &str| body[name].as_str().map(str::to_owned);
        Tokens {
            access_token: text("access_token").expect("there is an access_token"),
            refresh_token: text("refresh_token"),
            id_token: text("id_token"),
            scope: text("scope").expect("there is a scope"),
            expires_in: body["expires_in"].as_i64().expect("there is an expires_in"),
            body,
        }
    }
}

/// Tokens that a client was given.
#[derive(Clone, Debug)]
pub struct Tokens {
    /// `access_token`.
    pub access_token: String,
    /// `refresh_token`.
    pub refresh_token: Option<String>,
    /// `id_token`.
    pub id_token: Option<String>,
    /// `scope`.
    pub scope: String,
    /// `expires_in`.
    pub expires_in: i64,
    /// All of the answer.
    pub body: Value,
}

impl Tokens {
    /// The refresh token.
    #[track_caller]
    pub fn refresh_token(&self) -> &str {
        self.refresh_token.as_deref().expect("there is a refresh_token")
    }

    /// The ID token.
    #[track_caller]
    pub fn id_token(&self) -> &str {
        self.id_token.as_deref().expect("there is an id_token")
    }
}
