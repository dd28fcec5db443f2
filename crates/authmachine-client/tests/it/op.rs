//! A provider that plays by the script of a test: a good one, until the script says otherwise.

use std::{
    collections::HashMap,
    sync::{Arc, LazyLock, Mutex, MutexGuard},
};

use authmachine_client::{Algorithm, HttpAnswer, HttpClient, HttpError};
use authmachine_jose::{JwkSet, SigningKey, left_half_hash};
use authmachine_protocol::{Params, form, pkce};
use bytes::Bytes;
use http::{HeaderMap, Request, Response, header};
use http_body_util::BodyExt as _;
use serde_json::{Map, Value, json};

pub(crate) const ISSUER: &str = "https://op.example";
pub(crate) const CLIENT_ID: &str = "app";
pub(crate) const CLIENT_SECRET: &str = "client-secret-of-the-application";
/// When the tests begin, in seconds since 1970.
pub(crate) const START: i64 = 1_800_000_000;

pub(crate) static KEY: LazyLock<Arc<SigningKey>> = LazyLock::new(|| new_key(Algorithm::ES256, "k1"));

pub(crate) fn new_key(algorithm: Algorithm, kid: &str) -> Arc<SigningKey> {
    Arc::new(SigningKey::generate(algorithm, kid).expect("a key"))
}

/// One request that the provider saw.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    pub(crate) line: String,
    pub(crate) headers: HeaderMap,
    pub(crate) form: Params,
}

pub(crate) struct Script {
    pub(crate) now: i64,
    pub(crate) metadata: Value,
    pub(crate) published: Vec<Arc<SigningKey>>,
    pub(crate) signs_with: Arc<SigningKey>,
    /// Changes to a good ID token; `null` takes a claim away.
    pub(crate) id_token: Value,
    /// Sent in place of an ID token.
    pub(crate) raw_id_token: Option<String>,
    pub(crate) userinfo: Value,
    /// Whether the access tokens have been revoked.
    pub(crate) revoked: bool,
    /// It knows nothing of `check_token_revoked`.
    pub(crate) is_foreign: bool,
    /// What answers say of the revision of the permission data.
    pub(crate) revision: Option<u64>,
    /// Nothing answers.
    pub(crate) down: bool,
    /// Answers in place of the right ones, by path.
    pub(crate) answers: HashMap<&'static str, (u16, String)>,
    pub(crate) seen: Vec<Seen>,
    /// Nonce and code challenge, by code.
    codes: HashMap<String, (String, String)>,
    issued: usize,
}

#[derive(Clone)]
pub(crate) struct Op(Arc<Mutex<Script>>);

impl Op {
    pub(crate) fn new() -> Self {
        Self::at(ISSUER, Arc::clone(&KEY))
    }

    pub(crate) fn at(issuer: &str, key: Arc<SigningKey>) -> Self {
        let metadata = json!({
            "issuer": issuer,
            "authorization_endpoint": format!("{issuer}/authorize"),
            "token_endpoint": format!("{issuer}/token"),
            "userinfo_endpoint": format!("{issuer}/userinfo"),
            "end_session_endpoint": format!("{issuer}/logout"),
            "jwks_uri": format!("{issuer}/jwks"),
            "response_types_supported": ["code"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": ["RS256", "ES256"],
            "authorization_response_iss_parameter_supported": true,
        });
        Self(Arc::new(Mutex::new(Script {
            now: START,
            metadata,
            published: vec![Arc::clone(&key)],
            signs_with: key,
            id_token: json!({}),
            raw_id_token: None,
            userinfo: json!({"sub": "u-1", "preferred_username": "alice"}),
            revoked: false,
            is_foreign: false,
            revision: None,
            down: false,
            answers: HashMap::new(),
            seen: Vec::new(),
            codes: HashMap::new(),
            issued: 0,
        })))
    }

    pub(crate) fn script(&self) -> MutexGuard<'_, Script> {
        self.0.lock().expect("no test panicked with the script in hand")
    }

    /// What was asked at `path`.
    pub(crate) fn seen(&self, path: &str) -> Vec<Seen> {
        let seen = self.script().seen.clone();
        seen.into_iter().filter(|seen| seen.line.split(['?', ' ']).nth(1) == Some(path)).collect()
    }

    /// How often a token was asked about by AuthMachine's own grant.
    pub(crate) fn token_checks(&self) -> usize {
        let is_check = |seen: &&Seen| seen.form.get("grant_type") == Some("check_token_revoked");
        self.seen("/token").iter().filter(is_check).count()
    }

    /// A person signs in at the address the browser was sent to; gives the query that the browser comes back with.
    pub(crate) fn authorize(&self, location: &str) -> String {
        let (_, query) = location.split_once('?').expect("an authorization request");
        let request = Params::parse(query.as_bytes()).expect("a legal query");
        let value = |name: &str| request.get(name).unwrap_or_else(|| panic!("{name} is missing")).to_owned();
        assert_eq!((value("response_type").as_str(), value("client_id").as_str()), ("code", CLIENT_ID));
        assert_eq!(value("code_challenge_method"), "S256", "PKCE always");
        let mut script = self.script();
        script.issued += 1;
        let code = format!("code-{}-0123456789abcdefghij", script.issued);
        script.codes.insert(code.clone(), (value("nonce"), value("code_challenge")));
        let issuer = script.metadata["issuer"].as_str().expect("a text").to_owned();
        form::encode([("code", code.as_str()), ("state", &value("state")), ("iss", &issuer)])
    }

    /// Answers one request.
    pub(crate) fn answer(&self, request: &Request<Bytes>) -> Response<Bytes> {
        let mut script = self.script();
        let path = request.uri().path();
        script.seen.push(Seen {
            line: format!("{} {}", request.method(), request.uri().path_and_query().expect("a path")),
            headers: request.headers().clone(),
            form: Params::parse(request.body()).expect("a form"),
        });
        if let Some((status, body)) = script.answers.get(path) {
            return Response::builder()
                .status(*status)
                .header(header::LOCATION, "https://op.example/elsewhere")
                .body(body.clone().into())
                .expect("an answer");
        }
        let (status, body) = match path {
            "/.well-known/openid-configuration" => (200, script.metadata.clone()),
            "/jwks" => {
                let keys: JwkSet = script.published.iter().map(|key| key.public_jwk()).collect();
                (200, serde_json::to_value(keys).expect("JSON"))
            }
            "/token" => script.token(&Params::parse(request.body()).expect("a form")),
            "/userinfo" => (200, script.userinfo.clone()),
            "/introspect" => (200, json!({"active": !script.revoked})),
            "/api/scim/v1/Users/u-1/permissions" => (200, json!({"permissions": {"object1": ["read"]}})),
            _ => (404, json!({})),
        };
        let mut answer = Response::builder().status(status);
        if let Some(revision) = script.revision {
            answer = answer.header("AuthMachine-Revision", revision);
        }
        answer.body(body.to_string().into()).expect("an answer")
    }

    /// Answers on a socket.
    pub(crate) async fn serve(self, listener: impl axum::serve::Listener<Addr: std::fmt::Debug>) {
        let answer = move |request: axum::extract::Request| {
            let op = self.clone();
            async move {
                let (head, body) = request.into_parts();
                let body = body.collect().await.expect("a body").to_bytes();
                op.answer(&Request::from_parts(head, body)).map(axum::body::Body::from)
            }
        };
        axum::serve(listener, axum::Router::new().fallback(answer)).await.expect("it serves");
    }
}

impl Script {
    fn token(&mut self, form: &Params) -> (u16, Value) {
        let refused = |code: &str| (400, json!({"error": code}));
        match form.get("grant_type") {
            Some("check_token_revoked") if !self.is_foreign => (200, json!({"revoked": self.revoked})),
            Some("authorization_code") => {
                let code = form.get("code").and_then(|code| self.codes.remove(code));
                let Some((nonce, challenge)) = code else { return refused("invalid_grant") };
                let verifier = form.get("code_verifier").expect("PKCE always");
                assert_eq!(pkce::challenge(verifier), challenge);
                let access_token = format!("access-token-{}-0123456789abcdefghij", self.issued);
                let id_token = match self.raw_id_token.clone() {
                    Some(raw) => raw,
                    None => {
                        let claims = Value::Object(self.claims(&nonce, &access_token)).to_string();
                        self.signs_with.sign(None, claims.as_bytes()).expect("signed")
                    }
                };
                (200, json!({"access_token": access_token, "token_type": "Bearer", "id_token": id_token}))
            }
            _ => refused("unsupported_grant_type"),
        }
    }

    fn claims(&self, nonce: &str, access_token: &str) -> Map<String, Value> {
        let mut claims = json!({
            "iss": self.metadata["issuer"], "sub": "u-1", "aud": CLIENT_ID, "nonce": nonce,
            "iat": self.now, "exp": self.now + 600,
            "at_hash": left_half_hash(self.signs_with.algorithm(), access_token),
        });
        let members = claims.as_object_mut().expect("an object");
        for (name, value) in self.id_token.as_object().expect("an object") {
            match value {
                Value::Null => drop(members.remove(name)),
                value => drop(members.insert(name.clone(), value.clone())),
            }
        }
        members.clone()
    }
}

impl HttpClient for Op {
    fn send(&self, request: Request<Bytes>, _max_bytes: usize) -> HttpAnswer<'_> {
        Box::pin(async move {
            if self.script().down {
                return Err(HttpError::Connect);
            }
            Ok(self.answer(&request))
        })
    }
}
