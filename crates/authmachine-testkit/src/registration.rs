//! Clients that register themselves.

use authmachine_protocol::ClientAuthMethod;
use serde_json::{Value, json};

use crate::answer::Answer;
use crate::client::{ClientApp, ClientAuth};
use crate::server::{ISSUER, RequestBuilder, TestServer};

/// A client that registered itself.
#[derive(Clone)]
pub struct RegisteredClient {
    server: TestServer,
    /// What the registration was answered with.
    pub body: Value,
}

impl TestServer {
    /// Asks to be registered.
    pub fn registration(&self, metadata: &Value) -> RequestBuilder {
        self.post("/oidc/register").json(metadata)
    }

    /// Registers a client (RFC 7591 §3.2.1).
    ///
    /// # Panics
    /// When the server refuses.
    #[track_caller]
    pub fn register(&self, metadata: Value) -> impl Future<Output = RegisteredClient> + use<> {
        let server = self.clone();
        async move {
            let answer = server.registration(&metadata).send().await;
            let body = answer.assert_status(201).json();
            assert_eq!(answer.header("cache-control"), Some("no-store"));
            server.reload().await;
            RegisteredClient { server, body }
        }
    }
}

impl RegisteredClient {
    /// A text of what it registered.
    ///
    /// # Panics
    /// When there is none.
    #[track_caller]
    pub fn text(&self, member: &str) -> &str {
        self.body[member].as_str().unwrap_or_else(|| panic!("{member} is a text in {}", self.body))
    }

    /// `client_id`.
    #[track_caller]
    pub fn id(&self) -> &str {
        self.text("client_id")
    }

    /// The path of `registration_client_uri`.
    #[track_caller]
    pub fn path(&self) -> &str {
        self.text("registration_client_uri").strip_prefix(ISSUER).expect("below the issuer")
    }

    /// A request to its registration, with its token.
    pub fn manage(&self, method: http::Method) -> RequestBuilder {
        self.server.request(method, self.path()).bearer(self.text("registration_access_token"))
    }

    /// Reads it (RFC 7592 §2.1).
    pub async fn read(&self) -> Answer {
        self.manage(http::Method::GET).send().await
    }

    /// Puts `metadata` in the place of what is registered; its id is added (RFC 7592 §2.2).
    pub async fn update(&self, mut metadata: Value) -> Answer {
        metadata["client_id"] = json!(self.id());
        let answer = self.manage(http::Method::PUT).json(&metadata).send().await;
        self.server.reload().await;
        answer
    }

    /// Removes it (RFC 7592 §2.3).
    pub async fn delete(&self) -> Answer {
        self.manage(http::Method::DELETE).send().await
    }

    /// It at work.
    ///
    /// # Panics
    /// When it is not there any more.
    pub async fn app(&self) -> ClientApp {
        let id = self.id().to_owned();
        let found = self.server.store().read(move |reads| reads.find_client_by_client_id(&id)).await;
        let record = found.expect("the store answers").expect("it is there");
        let auth = match record.auth_method {
            Some(ClientAuthMethod::ClientSecretBasic) => ClientAuth::Basic,
            Some(ClientAuthMethod::PrivateKeyJwt) => ClientAuth::Assertion,
            Some(ClientAuthMethod::None) => ClientAuth::Nothing,
            _ => ClientAuth::Post,
        };
        let secret = self.body["client_secret"].as_str().map(str::to_owned);
        ClientApp { server: self.server.clone(), record, secret, key: None, auth }
    }
}
