//! The provider's metadata (OIDC Discovery §3, §4; RFC 8414 §2).

use serde_json::{Map, Value};

use crate::checks;
use crate::run::Run;

/// Known members by type: what registries of RFC 8414 and OpenID Connect have, and no other.
const URLS: [&str; 11] = [
    "authorization_endpoint",
    "token_endpoint",
    "userinfo_endpoint",
    "jwks_uri",
    "registration_endpoint",
    "end_session_endpoint",
    "revocation_endpoint",
    "introspection_endpoint",
    "check_session_iframe",
    "op_policy_uri",
    "op_tos_uri",
];
const LISTS: [&str; 24] = [
    "scopes_supported",
    "response_types_supported",
    "response_modes_supported",
    "grant_types_supported",
    "acr_values_supported",
    "subject_types_supported",
    "id_token_signing_alg_values_supported",
    "userinfo_signing_alg_values_supported",
    "request_object_signing_alg_values_supported",
    "token_endpoint_auth_methods_supported",
    "token_endpoint_auth_signing_alg_values_supported",
    "revocation_endpoint_auth_methods_supported",
    "revocation_endpoint_auth_signing_alg_values_supported",
    "introspection_endpoint_auth_methods_supported",
    "introspection_endpoint_auth_signing_alg_values_supported",
    "display_values_supported",
    "claim_types_supported",
    "claims_supported",
    "claims_locales_supported",
    "ui_locales_supported",
    "code_challenge_methods_supported",
    "prompt_values_supported",
    "id_token_encryption_alg_values_supported",
    "id_token_encryption_enc_values_supported",
];
const SWITCHES: [&str; 9] = [
    "claims_parameter_supported",
    "request_parameter_supported",
    "request_uri_parameter_supported",
    "require_request_uri_registration",
    "authorization_response_iss_parameter_supported",
    "frontchannel_logout_supported",
    "frontchannel_logout_session_supported",
    "backchannel_logout_supported",
    "backchannel_logout_session_supported",
];

/// Complete, typed, and about this issuer. The run has fetched it: 200, JSON, and the issuer that was asked.
pub(super) async fn oidcc_discovery_endpoint_verification(run: &Run) {
    let metadata = &run.metadata;
    let issuer = run.issuer();
    assert!(issuer.starts_with("https://") && !issuer.contains(['?', '#']), "{issuer}");
    for (name, value) in metadata {
        let name = name.as_str();
        if name == "issuer" {
            continue;
        }
        if URLS.contains(&name) {
            checks::is_https(name, value);
        } else if LISTS.contains(&name) {
            let list = value.as_array().unwrap_or_else(|| panic!("{name} is no list: {value}"));
            let is_text = |one: &Value| one.as_str().is_some_and(|text| !text.is_empty());
            assert!(!list.is_empty() && list.iter().all(is_text), "{name}: {value}");
        } else {
            assert!(SWITCHES.contains(&name) && value.is_boolean(), "{name}: {value}");
        }
    }
    let has = |list: &str, values: &[&str]| {
        for value in values {
            assert!(run.supports(list, value), "{list} lacks {value}");
        }
    };
    has("id_token_signing_alg_values_supported", &["RS256"]);
    has("subject_types_supported", &["public", "pairwise"]);
    has("userinfo_signing_alg_values_supported", &["RS256"]);
    has("request_object_signing_alg_values_supported", &["RS256"]);
    has("response_types_supported", crate::variant::ALL);
    has("response_modes_supported", &["query", "fragment", "form_post"]);
    has("grant_types_supported", &["authorization_code", "implicit", "refresh_token"]);
    has("scopes_supported", &["openid", "profile", "email", "address", "phone", "offline_access"]);
    has("claims_supported", &["sub", "name", "email"]);
    has("code_challenge_methods_supported", &["S256"]);
    has("token_endpoint_auth_methods_supported", &["client_secret_basic", "client_secret_post", "private_key_jwt"]);
    checks::is_https("registration_endpoint", &metadata["registration_endpoint"]);
    // RFC 6749 §3.3.
    let is_scope = |text: &str| text.bytes().all(|b| matches!(b, 0x21 | 0x23..=0x5B | 0x5D..=0x7E));
    assert!(texts(metadata, "scopes_supported").all(is_scope));
    for list in ["ui_locales_supported", "claims_locales_supported"] {
        assert!(texts(metadata, list).all(is_language_tag), "{list}");
    }
    run.keys().await;
}

/// RP-Initiated Logout 1.0 §2.1.
pub(super) async fn oidcc_rp_initiated_logout_discovery_endpoint_verification(run: &Run) {
    checks::is_https("end_session_endpoint", &run.metadata["end_session_endpoint"]);
}

/// Session Management 1.0 §3.3.
pub(super) async fn oidcc_session_management_discovery_endpoint_verification(run: &Run) {
    checks::is_https("end_session_endpoint", &run.metadata["end_session_endpoint"]);
    checks::is_https("check_session_iframe", &run.metadata["check_session_iframe"]);
}

/// Front-Channel Logout 1.0 §3.
pub(super) async fn oidcc_frontchannel_logout_discovery_endpoint_verification(run: &Run) {
    checks::is_https("end_session_endpoint", &run.metadata["end_session_endpoint"]);
    assert_eq!(run.metadata["frontchannel_logout_supported"], true);
    assert_eq!(run.metadata["frontchannel_logout_session_supported"], true);
}

/// Back-Channel Logout 1.0 §2.1.
pub(super) async fn oidcc_backchannel_logout_discovery_endpoint_verification(run: &Run) {
    checks::is_https("end_session_endpoint", &run.metadata["end_session_endpoint"]);
    assert_eq!(run.metadata["backchannel_logout_supported"], true);
    assert_eq!(run.metadata["backchannel_logout_session_supported"], true);
}

/// A list's members; none, if it is not there.
fn texts<'a>(metadata: &'a Map<String, Value>, list: &str) -> impl Iterator<Item = &'a str> {
    metadata.get(list).and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str)
}

/// A language, then subtags (RFC 5646 §2.1).
fn is_language_tag(tag: &str) -> bool {
    let mut parts = tag.split('-');
    let language = parts.next().unwrap_or_default();
    (2..=8).contains(&language.len())
        && language.bytes().all(|b| b.is_ascii_alphabetic())
        && parts.all(|part| (1..=8).contains(&part.len()) && part.bytes().all(|b| b.is_ascii_alphanumeric()))
}
