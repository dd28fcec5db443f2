//! A provider that answers as it is told, and a browser in front of the app. No socket, no clock.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, SystemTime},
};

use authmachine_client::{Algorithm, HttpAnswer, HttpClient, HttpError, LoginBuilder};
use authmachine_jose::{JwkSet, SigningKey};
use axum::{
    Router,
    body::{Body, Bytes},
    http::{HeaderMap, Request, Response, StatusCode, header},
};
use http_body_util::BodyExt as _;
use serde_json::{Map, Value, json};
use tower::ServiceExt as _;

pub(crate) const ISSUER: &str = "https://op.example";
pub(crate) const NOW_SECONDS: u64 = 1_795_555_555;

#[derive(Clone)]
pub(crate) struct Provider {
    key: Arc<SigningKey>,
    answers: Arc<Mutex<Answers>>,
}

/// What it says.
pub(crate) struct Answers {
    /// Whether it says anything.
    pub(crate) is_away: bool,
    pub(crate) is_revoked: bool,
    pub(crate) nonce: String,
    /// Over the claims of a good ID token.
    pub(crate) id_token: Map<String, Value>,
    /// Over those that every user has.
    pub(crate) userinfo: Map<String, Value>,
    /// Status and body of the permissions API.
    pub(crate) permissions: (u16, Value),
    /// Over the metadata.
    pub(crate) metadata: Map<String, Value>,
    /// Paths that were asked for.
    pub(crate) asked: Vec<String>,
}

impl Provider {
    pub(crate) fn new() -> Self {
        let answers = Answers {
            is_away: false,
            is_revoked: false,
            nonce: String::new(),
            id_token: Map::new(),
            userinfo: Map::new(),
            permissions: (200, json!({"object1": ["read", "write"], "object2": ["read"]})),
            metadata: Map::new(),
            asked: Vec::new(),
        };
        let key = SigningKey::generate(Algorithm::ES256, "k1").expect("a key");
        Self { key: Arc::new(key), answers: Arc::new(Mutex::new(answers)) }
    }

    pub(crate) fn answers(&self) -> MutexGuard<'_, Answers> {
        self.answers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Settings of an app that signs in here.
    pub(crate) fn settings(&self) -> LoginBuilder {
        authmachine_client::Login::builder(ISSUER, "test")
            .client_secret("a-client-secret")
            .public_url("http://localhost:5000")
            .objects(authmachine_demo::DEFAULT_OBJECTS)
            .session_key("k".repeat(32))
            .id_token_alg(Algorithm::ES256)
            .clock(|| SystemTime::UNIX_EPOCH + Duration::from_secs(NOW_SECONDS))
            .http_client(self.clone())
    }

    pub(crate) fn browser(&self) -> Browser {
        self.browser_of(authmachine_demo::app(self.settings()).expect("legal settings"))
    }

    pub(crate) fn browser_of(&self, app: Router) -> Browser {
        Browser { app, provider: self.clone(), cookies: BTreeMap::new() }
    }

    fn answer(&self, path: &str, form: &str) -> (u16, Value) {
        let mut answers = self.answers();
        answers.asked.push(path.to_owned());
        let over = |mut body: Value, members: &Map<String, Value>| {
            body.as_object_mut().expect("an object").extend(members.clone());
            body
        };
        let body = match path {
            "/.well-known/openid-configuration" => over(
                json!({
                    "issuer": ISSUER,
                    "authorization_endpoint": format!("{ISSUER}/oidc/authorize"),
                    "token_endpoint": format!("{ISSUER}/oidc/token"),
                    "userinfo_endpoint": format!("{ISSUER}/oidc/userinfo"),
                    "jwks_uri": format!("{ISSUER}/oidc/jwks"),
                    "end_session_endpoint": format!("{ISSUER}/oidc/end_session"),
                    "scopes_supported": ["openid", "profile", "email", "address", "phone", "offline_access"],
                    "response_types_supported": ["code"],
                    "subject_types_supported": ["public"],
                    "id_token_signing_alg_values_supported": ["RS256", "ES256", "EdDSA"],
                    "authorization_response_iss_parameter_supported": true,
                }),
                &answers.metadata,
            ),
            "/oidc/jwks" => {
                let keys: JwkSet = [self.key.public_jwk()].into_iter().collect();
                serde_json::to_value(keys).expect("JSON")
            }
            "/oidc/token" if form.contains("check_token_revoked") => json!({"revoked": answers.is_revoked}),
            "/oidc/token" => {
                let claims = over(
                    json!({
                        "iss": ISSUER, "sub": "0f8c1e", "aud": "test", "nonce": answers.nonce,
                        "iat": NOW_SECONDS, "exp": NOW_SECONDS + 600, "auth_time": NOW_SECONDS - 5,
                    }),
                    &answers.id_token,
                );
                let id_token = self.key.sign(None, claims.to_string().as_bytes()).expect("signed");
                json!({
                    "access_token": "an-access-token-that-opens-doors", "token_type": "Bearer", "expires_in": 3600,
                    "scope": "openid email profile", "id_token": id_token,
                })
            }
            "/oidc/userinfo" => over(
                json!({
                    "sub": "0f8c1e", "preferred_username": "alice", "name": "Alice Liddell",
                    "email": "alice@example.com", "email_verified": true,
                    "authmachine_permissions": {"object1": ["read", "write"], "object2": []},
                }),
                &answers.userinfo,
            ),
            path if path.starts_with("/api/scim/v1/Users/") => return answers.permissions.clone(),
            _ => return (404, json!({"error": "not_found"})),
        };
        (200, body)
    }
}

impl HttpClient for Provider {
    fn send(&self, request: Request<Bytes>, max_bytes: usize) -> HttpAnswer<'_> {
        Box::pin(async move {
            if self.answers().is_away {
                return Err(HttpError::Connect);
            }
            let form = std::str::from_utf8(request.body()).expect("a form");
            let (status, body) = self.answer(request.uri().path(), form);
            let body = body.to_string();
            if body.len() > max_bytes {
                return Err(HttpError::TooLarge);
            }
            let mut answer = Response::new(Bytes::from(body));
            *answer.status_mut() = StatusCode::from_u16(status).expect("a status");
            Ok(answer)
        })
    }
}

/// A browser with its cookies.
#[derive(Clone)]
pub(crate) struct Browser {
    app: Router,
    provider: Provider,
    pub(crate) cookies: BTreeMap<String, String>,
}

/// What it shows.
pub(crate) struct Shown {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: String,
}

impl Shown {
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map(|value| value.to_str().expect("ASCII")).unwrap_or_default()
    }
}

impl Browser {
    pub(crate) async fn get(&mut self, path: &str) -> Shown {
        self.send("GET", path, &[]).await
    }

    pub(crate) async fn send(&mut self, method: &str, path: &str, headers: &[(&str, &str)]) -> Shown {
        let cookies: Vec<_> = self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let mut request =
            Request::builder().method(method).uri(path).header(header::COOKIE, cookies.join("; "));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(Body::empty()).expect("a request");
        let answer = self.app.clone().oneshot(request).await.expect("the app answers");
        let (head, body) = answer.into_parts();
        for set in head.headers.get_all(header::SET_COOKIE) {
            let set = set.to_str().expect("ASCII");
            let (name, value) = set.split(';').next().and_then(|pair| pair.split_once('=')).expect("a pair");
            if set.contains("Max-Age=0") {
                self.cookies.remove(name);
            } else {
                self.cookies.insert(name.to_owned(), value.to_owned());
            }
        }
        let body = body.collect().await.expect("a body").to_bytes();
        let body = String::from_utf8(body.to_vec()).expect("UTF-8");
        Shown { status: head.status, headers: head.headers, body }
    }

    /// Goes to log in, up to the way back from the provider; gives the query of the way back.
    pub(crate) async fn begin(&mut self) -> String {
        let sent = self.get("/login").await;
        let location = sent.header("location").to_owned();
        let parameter = |name: &str| {
            let value =
                location.split(['?', '&']).find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='));
            value.unwrap_or_else(|| panic!("{name} in {location:?}")).to_owned()
        };
        self.provider.answers().nonce = parameter("nonce");
        format!("code=a-code-good-for-one-use&state={}&iss=https%3A%2F%2Fop.example", parameter("state"))
    }

    /// Logs in, up to the redirect to the page that was asked for.
    pub(crate) async fn log_in(&mut self) -> Shown {
        let query = self.begin().await;
        self.get(&format!("/oidc-callback?{query}")).await
    }
}
