//! The provider's metadata (OIDC Discovery §3, RFC 8414 §2).

use serde::{Deserialize, Serialize};

/// `{issuer}/.well-known/openid-configuration`. What a provider does not say is absent.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProviderMetadata {
    /// Equal to the `iss` of every ID token, byte for byte.
    pub issuer: String,
    /// The authorization endpoint.
    pub authorization_endpoint: String,
    /// The token endpoint.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token_endpoint: Option<String>,
    /// The userinfo endpoint.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub userinfo_endpoint: Option<String>,
    /// Where the keys are.
    pub jwks_uri: String,
    /// RP-initiated logout.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub end_session_endpoint: Option<String>,
    /// The frame of session management (Session Management §3.3).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub check_session_iframe: Option<String>,
    /// Whether clients are told of logouts through frames (Front-Channel Logout §3).
    #[serde(default)]
    pub frontchannel_logout_supported: bool,
    /// Whether that names the session.
    #[serde(default)]
    pub frontchannel_logout_session_supported: bool,
    /// Whether clients are told of logouts from server to server (Back-Channel Logout §2.1).
    #[serde(default)]
    pub backchannel_logout_supported: bool,
    /// Whether that names the session.
    #[serde(default)]
    pub backchannel_logout_session_supported: bool,
    /// RFC 7009.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revocation_endpoint: Option<String>,
    /// RFC 7662.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub introspection_endpoint: Option<String>,
    /// Dynamic registration, while it is on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub registration_endpoint: Option<String>,
    /// Scopes that can be asked for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub scopes_supported: Vec<String>,
    /// Response types.
    #[serde(default)]
    pub response_types_supported: Vec<String>,
    /// Response modes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub response_modes_supported: Vec<String>,
    /// Grant types.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub grant_types_supported: Vec<String>,
    /// Values of `prompt`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub prompt_values_supported: Vec<String>,
    /// Authentication context classes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub acr_values_supported: Vec<String>,
    /// `public`, `pairwise`.
    #[serde(default)]
    pub subject_types_supported: Vec<String>,
    /// Algorithms of ID tokens.
    #[serde(default)]
    pub id_token_signing_alg_values_supported: Vec<String>,
    /// Algorithms of signed userinfo.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub userinfo_signing_alg_values_supported: Vec<String>,
    /// How clients may prove themselves at the token endpoint; absent means `client_secret_basic`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub token_endpoint_auth_methods_supported: Vec<String>,
    /// What client assertions may be signed with at the token endpoint.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub token_endpoint_auth_signing_alg_values_supported: Vec<String>,
    /// The same at the revocation endpoint.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub revocation_endpoint_auth_methods_supported: Vec<String>,
    /// The same at the revocation endpoint.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub revocation_endpoint_auth_signing_alg_values_supported: Vec<String>,
    /// The same at the introspection endpoint.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub introspection_endpoint_auth_methods_supported: Vec<String>,
    /// The same at the introspection endpoint.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub introspection_endpoint_auth_signing_alg_values_supported: Vec<String>,
    /// Values of `display`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub display_values_supported: Vec<String>,
    /// `normal`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub claim_types_supported: Vec<String>,
    /// Claims that may be had.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub claims_supported: Vec<String>,
    /// Languages of the pages.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ui_locales_supported: Vec<String>,
    /// Whether `claims` is read.
    #[serde(default)]
    pub claims_parameter_supported: bool,
    /// Whether `request` is read.
    #[serde(default)]
    pub request_parameter_supported: bool,
    /// Whether `request_uri` is read; absent means yes (OIDC Discovery §3), so it is always said.
    #[serde(default = "yes")]
    pub request_uri_parameter_supported: bool,
    /// Whether a `request_uri` must be registered; always said where `request_uri` is read.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub require_request_uri_registration: bool,
    /// Algorithms of request objects.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub request_object_signing_alg_values_supported: Vec<String>,
    /// PKCE methods (RFC 8414 §2).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub code_challenge_methods_supported: Vec<String>,
    /// Whether authorization responses carry `iss` (RFC 9207 §3).
    #[serde(default)]
    pub authorization_response_iss_parameter_supported: bool,
}

const fn yes() -> bool {
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_foreign_document_reads_with_the_standard_defaults() {
        let text = r#"{"issuer":"https://op.example","authorization_endpoint":"https://op.example/a","jwks_uri":"https://op.example/k",
            "response_types_supported":["code"],"subject_types_supported":["public"],"id_token_signing_alg_values_supported":["RS256"],"x":1}"#;
        let metadata: ProviderMetadata = serde_json::from_str(text).expect("legal");
        assert!(metadata.request_uri_parameter_supported);
        assert!(!metadata.claims_parameter_supported);
        assert!(metadata.token_endpoint_auth_methods_supported.is_empty());
    }
}
