//! What the tests of client libraries have in common: where they come back to, and what a program must have found.

use authmachine_e2e::{Engine, Provider};
use serde_json::{Value, json};

/// The redirect URI; nothing listens there.
pub(crate) const CALLBACK: &str = "https://app.example.com/cb";
/// The address after logout.
pub(crate) const SIGNED_OUT: &str = "https://app.example.com/out";

/// Fails unless the program found all of this.
#[track_caller]
pub(crate) fn assert_found(found: &Value, expected: &[(&str, Value)]) {
    for (what, expected) in expected {
        assert_eq!(&found[what], expected, "{what}: {found}");
    }
}

/// What a sign-in comes to whose answer comes by `way`, then single sign-on, logout, and no more single sign-on.
pub(crate) fn whole_visit(subject: &str, way: &str) -> [(&'static str, Value); 4] {
    [
        ("came_by", json!(way)),
        ("silent_subject", json!(subject)),
        ("logout_state_returned", json!(true)),
        ("after_logout", json!("login_required")),
    ]
}

/// A provider with alice, where clients may register themselves; `open`: all of them.
pub(crate) async fn registering_provider(engine: &Engine, open: bool) -> (Provider, String) {
    let mut provider = Provider::prepare(engine).await;
    provider.set("OIDC__IMPLICIT", "true");
    provider.set("REGISTRATION__MODE", if open { "open" } else { "token" });
    // Their keys and request objects lie on loopback.
    provider.set("FETCH__PRIVATE_NETWORKS", "127.0.0.0/8");
    provider.launch().await;
    let id = provider.add_user("alice").await;
    (provider, id)
}
