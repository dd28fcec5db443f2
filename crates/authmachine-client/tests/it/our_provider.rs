//! Against our own provider: its real router over a real store, called in process.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use authmachine_client::{
    Algorithm, ClientAuthMethod, HttpAnswer, HttpClient, HttpError, Login, LoginBuilder, User,
};
use authmachine_jose::SigningKey;
use authmachine_testkit::{Browser as Person, ClientBuilder, TestServer};
use axum::{Router, routing::get};
use bytes::Bytes;
use http::{Request, Response, StatusCode};

use crate::app::{Answer, Browser};

/// HTTP to a server in this process.
struct InProcess(TestServer);

impl HttpClient for InProcess {
    fn send(&self, request: Request<Bytes>, max_bytes: usize) -> HttpAnswer<'_> {
        Box::pin(async move {
            let url = request.uri().to_string();
            let target = url.strip_prefix(self.0.issuer()).ok_or(HttpError::Connect)?;
            let (head, body) = request.into_parts();
            let mut asked = self.0.request(head.method, target);
            for (name, value) in &head.headers {
                let value = value.to_str().expect("we send ASCII");
                asked = match name.as_str() {
                    "content-type" => asked.body(value, body.to_vec()),
                    name => asked.header(name, value),
                };
            }
            let answer = asked.send().await;
            if answer.body.len() > max_bytes {
                return Err(HttpError::TooLarge);
            }
            let mut response = Response::new(answer.body);
            *response.status_mut() = answer.status;
            *response.headers_mut() = answer.headers;
            Ok(response)
        })
    }
}

/// An application, and a person's browser at it and at the provider.
struct App {
    login: Login,
    browser: Browser,
    person: Person,
}

/// Registers `name` with what `register` adds, and starts it with what `set` adds.
async fn start(
    server: &TestServer,
    name: &str,
    person: &Person,
    register: impl FnOnce(ClientBuilder) -> ClientBuilder,
    set: impl FnOnce(LoginBuilder) -> LoginBuilder,
) -> App {
    let url = format!("https://{name}.example");
    let client = server
        .client(name)
        .secret("a secret of thirty-two characters")
        .redirect_uris(&[&format!("{url}/oidc-callback")])
        .post_logout_redirect_uris(&[&format!("{url}/oidc-logout-callback")]);
    register(client).create().await;
    let clock = server.clock().clone();
    let now = move || SystemTime::UNIX_EPOCH + Duration::from_millis(clock.now().ms().unsigned_abs());
    let builder = Login::builder(server.issuer(), name)
        .client_secret("a secret of thirty-two characters")
        .public_url(url)
        .session_key("k".repeat(32))
        .http_client(InProcess(server.clone()))
        .clock(now);
    let login = set(builder).build().expect("legal settings");
    let home = get(async |user: Option<User>| match user {
        Some(user) => format!("{} {:?} {}", user.name(), user.token_status(), user.id() == user.subject()),
        None => "nobody".to_owned(),
    });
    let edit = get(async |user: User| user.require("write", "object1").await.map(|()| "edited"));
    let browser = Browser::new(login.attach(Router::new().route("/", home).route("/edit", edit)));
    App { login, browser, person: person.clone() }
}

impl App {
    /// Signs in, agreeing where the provider asks.
    async fn sign_in(&mut self) -> Answer {
        let sent = self.browser.open("/login").await;
        let visit = self.person.authorize_with(sent.location()).await;
        self.come_back(visit.away()).await
    }

    /// Follows an address of the provider's to this application.
    async fn come_back(&mut self, address: &str) -> Answer {
        let path = address.splitn(4, '/').nth(3).expect("an address with a path");
        self.browser.open_from("cross-site", &format!("/{path}")).await
    }

    async fn home(&mut self) -> String {
        self.browser.open("/").await.body
    }
}

#[tokio::test]
async fn the_client_crate_signs_in_and_out_at_our_own_provider() {
    let server = TestServer::start().await;
    let person = server.browser().log_in("alice").await;
    server.permit("alice", "object1", &["read"]).await;
    let objects = |builder: LoginBuilder| builder.objects(["object1", "object2"]);
    let mut app = start(&server, "shop", &person, ClientBuilder::first_party, objects).await;
    let mut other = start(&server, "news", &person, ClientBuilder::first_party, |builder| builder).await;

    for app in [&mut app, &mut other] {
        assert_eq!(app.home().await, "nobody");
        let back = app.sign_in().await;
        assert_eq!((back.status, back.location()), (StatusCode::SEE_OTHER, "/"), "{}", back.body);
        assert_eq!(app.home().await, "alice Alive true");
    }
    assert_eq!(app.browser.open("/edit").await.status, StatusCode::FORBIDDEN);
    server.permit("alice", "object1", &["write"]).await;
    assert_eq!(app.browser.open("/edit").await.body, "edited", "at once, without a new sign-in");
    assert_eq!(
        other.browser.open("/edit").await.status,
        StatusCode::FORBIDDEN,
        "it asked for no permissions"
    );

    // Out of one application, and so out of the other: the provider asks nobody, and says so at the next request.
    let sent = app.browser.open("/logout").await;
    let visit = app.person.follow(sent.location()).await;
    assert_eq!(app.come_back(visit.away()).await.location(), "/");
    assert_eq!(app.home().await, "nobody");
    assert_eq!(other.home().await, "nobody");
    assert!(!other.browser.has("-session"));
    assert!(!person.is_signed_in().await);
}

#[tokio::test]
async fn who_does_not_consent_is_not_signed_in() {
    let server = TestServer::start().await;
    let person = server.browser().log_in("alice").await;
    let mut app = start(&server, "guest", &person, |client| client, |builder| builder).await;
    let sent = app.browser.open("/login").await;
    let asked = person.follow(sent.location()).await;
    let refused = asked.submit(&[("decision", "no")]).await;
    let answer = app.come_back(refused.away()).await;
    assert_eq!(answer.status, StatusCode::FORBIDDEN);
    assert!(answer.body.contains("You can start again whenever you like."), "{}", answer.body);
    assert_eq!(app.home().await, "nobody");
    assert_eq!(app.sign_in().await.location(), "/", "and may think better of it");
    assert_eq!(app.home().await, "alice Alive true");
}

#[tokio::test]
async fn a_session_ends_with_its_access_token() {
    let server = TestServer::start().await;
    let person = server.browser().log_in("alice").await;
    let mut app = start(&server, "shop", &person, |client| client, |builder| builder).await;
    assert_eq!(app.sign_in().await.location(), "/");
    server.clock().advance(3_599);
    assert_eq!(app.home().await, "alice Alive true");
    server.clock().advance(1);
    assert_eq!(app.home().await, "nobody");
}

#[tokio::test]
async fn a_program_asks_our_own_api() {
    let server = TestServer::start().await;
    let person = server.browser().log_in("alice").await;
    server.permit("alice", "object1", &["read"]).await;
    let alice = server.find_user("alice").await.expect("she is there");
    let token = server.api_token("reports").await.token;
    let app = start(&server, "shop", &person, |client| client, |builder| builder.api_token(token)).await;
    let api = app.login.permissions_api().expect("there is a token");
    let held = api.of(&alice.sub, &["object1", "object2"]).await.expect("an answer");
    assert_eq!(held.on("object1"), ["read"]);
    assert_eq!(held.iter().count(), 2, "object2 with nothing");
    assert!(api.of("nobody", &["object1"]).await.is_err(), "no such user");
}

#[tokio::test]
async fn es256_works_as_rs256_does() {
    use authmachine_client::Algorithm::ES256;
    let server = TestServer::start().await;
    let person = server.browser().log_in("alice").await;
    let register = |client: ClientBuilder| client.id_token_alg(ES256);
    let mut app = start(&server, "fast", &person, register, |builder| builder.id_token_alg(ES256)).await;
    assert_eq!(app.sign_in().await.location(), "/");
    let mut wrong = start(&server, "slow", &person, register, |builder| builder).await;
    assert_eq!(wrong.sign_in().await.status, StatusCode::BAD_GATEWAY, "not as registered");
}

#[tokio::test]
async fn ca4_a_client_with_a_key_needs_no_secret() {
    let server = TestServer::start().await;
    let person = server.browser().log_in("alice").await;
    // As `openssl genpkey -algorithm ed25519` writes it.
    const PEM: &str = "-----BEGIN PRIVATE KEY-----\n\
        MC4CAQAwBQYDK2VwBCIEIJ1hsZ3v/VpguoRK9JLsLMREScVpezJpGXA7rAMcrn9g\n\
        -----END PRIVATE KEY-----\n";
    for (name, kid) in [("named", Some("k1")), ("nameless", None)] {
        let key = SigningKey::from_pem(Algorithm::EdDSA, kid.unwrap_or_default(), PEM).expect("a key");
        let mut jwk = serde_json::to_value(key.public_jwk()).expect("JSON");
        if kid.is_none() {
            jwk.as_object_mut().expect("an object").remove("kid");
        }
        let register = |client: ClientBuilder| {
            let jwks = serde_json::json!({ "keys": [jwk] });
            client.first_party().private_key_jwt(&Arc::new(key)).jwks(&jwks)
        };
        let set = |builder: LoginBuilder| builder.client_key(Algorithm::EdDSA, kid, PEM);
        let mut app = start(&server, name, &person, register, set).await;
        let back = app.sign_in().await;
        assert_eq!((back.status, back.location()), (StatusCode::SEE_OTHER, "/"), "{}", back.body);
        // The token check proves the client by another assertion.
        assert_eq!(app.home().await, "alice Alive true");
    }
    let builder = || Login::builder("https://id.example", "shop").public_url("https://shop.example");
    assert!(builder().client_key(Algorithm::EdDSA, None, PEM).build().is_ok());
    for wrong in [
        builder().client_key(Algorithm::ES256, None, PEM),
        builder().client_key(Algorithm::EdDSA, None, "no key"),
        builder().client_auth(ClientAuthMethod::PrivateKeyJwt),
        builder().client_key(Algorithm::EdDSA, None, PEM).client_secret("a secret"),
        builder().client_key(Algorithm::EdDSA, None, PEM).client_auth(ClientAuthMethod::ClientSecretPost),
    ] {
        assert!(wrong.build().is_err());
    }
}
