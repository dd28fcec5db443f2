//! One run of a module: its variant, its place at the clients' site, its clients.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use authmachine_e2e::http;
use serde_json::{Map, Value, json};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::browser::Browser;
use crate::checks;
use crate::installation::{Installation, Which};
use crate::random;
use crate::relying_party::{Management, RelyingParty};
use crate::variant::Variant;

/// A run.
pub(crate) struct Run {
    pub(crate) installation: Arc<Installation>,
    pub(crate) variant: Variant,
    /// The provider's metadata, as they were when it began.
    pub(crate) metadata: Map<String, Value>,
    /// A word of its own, in the paths of its clients.
    pub(crate) id: String,
    registered: Mutex<Vec<Management>>,
    slot: Mutex<Option<OwnedSemaphorePermit>>,
}

impl Run {
    /// Waits for its turn, then begins by discovery, as every module does.
    pub(crate) async fn begin(
        installation: Arc<Installation>,
        variant: Variant,
        slots: Arc<Semaphore>,
    ) -> Self {
        let slot = slots.clone().acquire_owned().await.expect("it is never closed");
        let issuer = installation.provider.issuer();
        let answer = http::get(&format!("{issuer}/.well-known/openid-configuration")).await.expect(200);
        let metadata = checks::is_json(&answer);
        assert_eq!(metadata["issuer"], issuer);
        for endpoint in ["authorization_endpoint", "token_endpoint", "userinfo_endpoint", "jwks_uri"] {
            checks::is_https(endpoint, &metadata[endpoint]);
        }
        Self {
            installation,
            variant,
            metadata,
            id: random::letters(10),
            registered: Mutex::default(),
            slot: Mutex::new(Some(slot)),
        }
    }

    /// Ends it: what registered itself is taken away again.
    pub(crate) async fn end(self) {
        let registered = std::mem::take(&mut *self.registered.lock().unwrap_or_else(PoisonError::into_inner));
        for management in registered {
            management.delete().await;
        }
    }

    pub(crate) fn remember(&self, management: Management) {
        self.registered.lock().unwrap_or_else(PoisonError::into_inner).push(management);
    }

    pub(crate) fn issuer(&self) -> &str {
        self.installation.provider.issuer()
    }

    /// An endpoint's address.
    #[track_caller]
    pub(crate) fn endpoint(&self, name: &str) -> &str {
        let address = self.metadata.get(name).and_then(Value::as_str);
        address.unwrap_or_else(|| panic!("discovery names no {name}"))
    }

    /// Whether a list of discovery has `value`.
    pub(crate) fn supports(&self, list: &str, value: &str) -> bool {
        self.metadata
            .get(list)
            .and_then(Value::as_array)
            .is_some_and(|all| all.iter().any(|one| one == value))
    }

    /// The published keys.
    pub(crate) async fn keys(&self) -> Vec<Map<String, Value>> {
        checks::keys(&http::get(self.endpoint("jwks_uri")).await)
    }

    /// A person at a browser that was never here.
    pub(crate) fn browser(&self) -> Browser {
        Browser::of(&self.installation.user())
    }

    /// A client, the run's own or the operator's first.
    pub(crate) async fn client(&self) -> RelyingParty<'_> {
        self.client_with(Which::First, json!({})).await
    }

    /// One of several; `more` is registered by those that register themselves, and what the operator's have anyway.
    pub(crate) async fn client_with(&self, which: Which, mut more: Value) -> RelyingParty<'_> {
        if !self.variant.dynamic {
            return RelyingParty::made(self, which);
        }
        match which {
            Which::First => {}
            Which::Second => {
                let path = format!("/{}/second?dummy1=lorem&dummy2=ipsum", self.id);
                more["redirect_uris"] = json!([self.installation.site.url(&path)]);
            }
            Which::SecretPost => more["token_endpoint_auth_method"] = "client_secret_post".into(),
        }
        self.register(more).await
    }

    /// A client that registers itself, with `more` metadata than any.
    pub(crate) async fn register(&self, more: Value) -> RelyingParty<'_> {
        RelyingParty::register(self, more).await
    }

    /// Lets time go by, and somebody else work in its place; what it does afterwards is little, and cannot wait for all of them.
    pub(crate) async fn rest(&self, time: Duration) {
        drop(self.slot.lock().unwrap_or_else(PoisonError::into_inner).take());
        tokio::time::sleep(time).await;
    }
}
