//! A provider that is there to be certified, with the person and the clients that its operator made.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use authmachine_e2e::{Engine, Provider};
use serde_json::{Value, json};

use crate::jwt::Key;
use crate::site::Site;
use crate::variant::ALL;

/// People about whom everything is known: several, because one cannot try many passwords at a time.
const USERS: usize = 8;
/// Of each of them.
pub(crate) const PASSWORD: &str = "correct horse battery";

/// The running provider and what the clients have in common.
pub(crate) struct Installation {
    pub(crate) provider: Provider,
    pub(crate) site: Site,
    /// By response type: the first client, the second, and the one with `client_secret_post`.
    clients: BTreeMap<&'static str, [Made; 3]>,
    next_user: AtomicUsize,
    /// The clients' key: without a name, as a client with one key may have it.
    pub(crate) key: Arc<Key>,
}

/// A client that the operator made.
#[derive(Clone, Debug)]
pub(crate) struct Made {
    pub(crate) client_id: String,
    pub(crate) secret: String,
    pub(crate) redirect_uri: String,
    pub(crate) post_logout_redirect_uri: String,
    pub(crate) auth_method: &'static str,
}

/// Which of a run's clients; the second has a redirect URI with a query.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Which {
    First,
    Second,
    SecretPost,
}

impl Installation {
    pub(crate) async fn start(engine: &Engine) -> Self {
        let mut provider = Provider::prepare(engine).await;
        provider.speak_tls();
        provider.set("OIDC__PROFILE", "conformance");
        // The clients' site is on loopback, under a root of its own.
        provider.set("FETCH__PRIVATE_NETWORKS", "127.0.0.0/8,::1/128");
        provider.set("FETCH__CA_FILE", &root_file().display().to_string());
        provider.launch().await;
        let site = Site::start().await;
        for number in 0..USERS {
            let user = user(number);
            provider.add_user(&user).await;
            let facts = about(&user);
            let facts: Vec<_> = facts.iter().map(|(claim, value)| format!("{claim}={value}")).collect();
            let facts = facts.iter().map(String::as_str);
            provider.cli(&["user", "set", &user].into_iter().chain(facts).collect::<Vec<_>>()).await;
        }
        let mut clients = BTreeMap::new();
        for (at, response_type) in ALL.iter().enumerate() {
            let make = async |name: &str, query: &str, auth_method: &'static str| {
                make_client(
                    &provider,
                    &site,
                    response_type,
                    &format!("static-{at}-{name}"),
                    query,
                    auth_method,
                )
                .await
            };
            let first = make("first", "", "client_secret_basic").await;
            let second = make("second", "?dummy1=lorem&dummy2=ipsum", "client_secret_basic").await;
            let post = make("post", "", "client_secret_post").await;
            clients.insert(*response_type, [first, second, post]);
        }
        Self { provider, site, clients, next_user: AtomicUsize::new(0), key: Arc::new(Key::generate(None)) }
    }

    /// Somebody who signs in.
    pub(crate) fn user(&self) -> String {
        user(self.next_user.fetch_add(1, Relaxed) % USERS)
    }

    /// One of the operator's clients.
    pub(crate) fn client(&self, response_type: &str, which: Which) -> &Made {
        &self.clients[response_type][which as usize]
    }

    /// What every address of the clients begins with.
    pub(crate) fn clients_origin(&self) -> String {
        self.site.url("/")
    }
}

async fn make_client(
    provider: &Provider,
    site: &Site,
    response_type: &str,
    id: &str,
    query: &str,
    auth_method: &'static str,
) -> Made {
    let redirect_uri = site.url(&format!("/{id}/callback{query}"));
    let post_logout_redirect_uri = site.url(&format!("/{id}/post_logout_redirect"));
    let made = provider
        .json(&[
            "client",
            "add",
            "--id",
            id,
            "--redirect-uri",
            &redirect_uri,
            "--post-logout-redirect-uri",
            &post_logout_redirect_uri,
            "--response-type",
            response_type,
            "--scope",
            "openid profile email address phone offline_access",
            "--auth-method",
            auth_method,
        ])
        .await;
    let secret = made["client_secret"].as_str().expect("it is printed once").to_owned();
    Made { client_id: id.to_owned(), secret, redirect_uri, post_logout_redirect_uri, auth_method }
}

/// Who vouches for the clients' site.
fn root_file() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../crates/authmachine-server/tests/data/tls/root.pem")
}

fn user(number: usize) -> String {
    format!("alice-{number}")
}

/// Every standard claim that an operator can set (OIDC Core §5.1); name, mail address and time of change are there already.
fn about(user: &str) -> [(&'static str, Value); 17] {
    [
        ("name", json!("Alice Pleasance Liddell")),
        ("given_name", json!("Alice")),
        ("family_name", json!("Liddell")),
        ("middle_name", json!("Pleasance")),
        ("nickname", json!("Ali")),
        ("profile", json!("https://alice.example/about")),
        ("picture", json!("https://alice.example/alice.png")),
        ("website", json!("https://alice.example/")),
        ("gender", json!("female")),
        ("birthdate", json!("1852-05-04")),
        ("zoneinfo", json!("Europe/London")),
        ("locale", json!("en-GB")),
        ("email", json!(format!("{user}@example.com"))),
        ("email_verified", json!(true)),
        ("phone_number", json!("+44 1865 000000")),
        ("phone_number_verified", json!(false)),
        (
            "address",
            json!({"street_address": "Tom Quad", "locality": "Oxford", "postal_code": "OX1 1DP", "country": "GB"}),
        ),
    ]
}
