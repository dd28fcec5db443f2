//! What a client says of itself beside what it may ask for: kept as it was registered, by the words of the standards.

use authmachine_jose::Algorithm;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Metadata of a client (RFC 7591 §2, OIDC Registration §2, RP-Initiated, Front-Channel and Back-Channel Logout). Every URI in it has
/// passed the one validator; what is absent was not registered.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ClientMetadata {
    /// `client_uri`: its home page.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_uri: Option<String>,
    /// `logo_uri`: where its logo was fetched from; browsers get our copy.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub logo_uri: Option<String>,
    /// `policy_uri`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub policy_uri: Option<String>,
    /// `tos_uri`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tos_uri: Option<String>,
    /// `contacts`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub contacts: Vec<String>,
    /// `jwks`: a JWK Set without private parts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub jwks: Option<Value>,
    /// `jwks_uri`; never beside `jwks`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub jwks_uri: Option<String>,
    /// `sector_identifier_uri`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sector_identifier_uri: Option<String>,
    /// `token_endpoint_auth_signing_alg`: what its assertions must be signed with.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub token_endpoint_auth_signing_alg: Option<Algorithm>,
    /// `request_object_signing_alg`: what its request objects must be signed with.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub request_object_signing_alg: Option<RequestObjectAlg>,
    /// `require_signed_request_object` (RFC 9101 §10.5).
    #[serde(skip_serializing_if = "is_false")]
    pub require_signed_request_object: bool,
    /// `request_uris`, with their fragments.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub request_uris: Vec<String>,
    /// Registered `id_token_signed_response_alg=none`: at the token endpoint, while `oidc.unsigned_id_tokens` is on.
    #[serde(skip_serializing_if = "is_false")]
    pub unsigned_id_tokens: bool,
    /// `default_max_age`, in seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub default_max_age: Option<u32>,
    /// `require_auth_time`.
    #[serde(skip_serializing_if = "is_false")]
    pub require_auth_time: bool,
    /// `default_acr_values`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub default_acr_values: Vec<String>,
    /// `initiate_login_uri` (OIDC Core §4).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub initiate_login_uri: Option<String>,
    /// `frontchannel_logout_uri`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub frontchannel_logout_uri: Option<String>,
    /// `frontchannel_logout_session_required`.
    #[serde(skip_serializing_if = "is_false")]
    pub frontchannel_logout_session_required: bool,
    /// `backchannel_logout_uri`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub backchannel_logout_uri: Option<String>,
    /// `backchannel_logout_session_required`.
    #[serde(skip_serializing_if = "is_false")]
    pub backchannel_logout_session_required: bool,
    /// Registered `scope`. Else what it may ask for is our affair, and none of its metadata.
    #[serde(skip_serializing_if = "is_false")]
    pub names_scope: bool,
    /// `software_id` (RFC 7591 §2).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub software_id: Option<String>,
    /// `software_version` (RFC 7591 §2).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub software_version: Option<String>,
    /// What people read in other languages, as `client_name#de` (RFC 7591 §2.2).
    #[serde(skip_serializing_if = "serde_json::Map::is_empty")]
    pub localized: serde_json::Map<String, Value>,
}

impl ClientMetadata {
    /// What it says under `name` to people who read `language`: that of the first tag whose primary part it is, as `tos_uri#de-AT` for
    /// `de` (RFC 7591 §2.2, RFC 4647 §2.1).
    pub fn localized(&self, name: &str, language: &str) -> Option<&str> {
        self.localized.iter().find_map(|(key, value)| {
            let (named, tag) = key.split_once('#')?;
            let primary = tag.split('-').next()?;
            (named == name && primary.eq_ignore_ascii_case(language)).then_some(value)?.as_str()
        })
    }
}

/// `request_object_signing_alg`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum RequestObjectAlg {
    /// `none`: counts while `oidc.unsigned_request_objects` is on.
    #[serde(rename = "none")]
    Unsigned,
    /// This algorithm.
    #[serde(untagged)]
    Signed(Algorithm),
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands over a reference")]
const fn is_false(value: &bool) -> bool {
    !*value
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_not_registered_is_not_stored() {
        assert_eq!(serde_json::to_string(&ClientMetadata::default()).expect("JSON"), "{}");
        assert_eq!(serde_json::from_str::<ClientMetadata>("{}").expect("JSON"), ClientMetadata::default());
    }

    #[test]
    fn people_are_told_in_their_language() {
        let localized = serde_json::json!({
            "client_name#de-AT": "Fotoalbum", "client_name#den": "x", "client_name": "y", "tos_uri#DE": "https://photos.example/agb",
            "policy_uri#de": 1,
        });
        let metadata =
            ClientMetadata { localized: localized.as_object().expect("it is").clone(), ..Default::default() };
        for (name, language, said) in [
            ("client_name", "de", Some("Fotoalbum")),
            ("client_name", "en", None),
            ("client_name", "", None),
            ("tos_uri", "de", Some("https://photos.example/agb")),
            ("policy_uri", "de", None),
            ("client_uri", "de", None),
        ] {
            assert_eq!(metadata.localized(name, language), said, "{name}#{language}");
        }
    }

    #[test]
    fn an_algorithm_of_request_objects_is_a_word() {
        for (alg, word) in [
            (RequestObjectAlg::Unsigned, r#""none""#),
            (RequestObjectAlg::Signed(Algorithm::ES256), r#""ES256""#),
        ] {
            assert_eq!(serde_json::to_string(&alg).expect("JSON"), word);
            assert_eq!(serde_json::from_str::<RequestObjectAlg>(word).expect("JSON"), alg);
        }
        assert!(serde_json::from_str::<RequestObjectAlg>(r#""HS256""#).is_err());
    }
}
