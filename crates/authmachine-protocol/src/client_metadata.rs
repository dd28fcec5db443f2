//! Client metadata on the wire (RFC 7591 §2, OIDC Registration §2, RP-Initiated Logout §3.1, Front-Channel Logout §2, Back-Channel
//! Logout §2.2, RFC 9101 §10.5).

use std::collections::BTreeMap;

use serde_json::{Map, Value};

/// The most items of a list.
pub const MAX_ITEMS: usize = 50;
/// The most bytes of a text.
pub const MAX_TEXT_BYTES: usize = 2_000;

/// A member of the wrong type, or too large.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0} is malformed or too long")]
pub struct MemberError(pub &'static str);

macro_rules! members {
    ($($(#[$doc:meta])* $name:ident: $type:ty,)+) => {
        /// What a client asks to be registered with. `null` and empty are as good as absent (RFC 7592 §2.2).
        #[derive(Clone, Debug, Default, PartialEq)]
        pub struct RegistrationRequest {
            $($(#[$doc])* pub $name: $type,)+
            /// What people read, in other languages: `client_name#de` (RFC 7591 §2.2).
            pub localized: BTreeMap<String, String>,
        }

        impl RegistrationRequest {
            /// Reads a request. Members that nobody here knows are ignored (RFC 7591 §2).
            ///
            /// # Errors
            /// [`MemberError`].
            pub fn read(members: &Map<String, Value>) -> Result<Self, MemberError> {
                Ok(Self {
                    $($name: match members.get(stringify!($name)) {
                        None | Some(Value::Null) => <$type>::default(),
                        Some(value) => Member::read(value).ok_or(MemberError(stringify!($name)))?,
                    },)+
                    localized: localized(members)?,
                })
            }
        }
    };
}

members! {
    /// Where authorization responses go.
    redirect_uris: Vec<String>,
    /// What it asks for at the authorization endpoint.
    response_types: Vec<String>,
    /// What it asks for at the token endpoint, and `implicit`.
    grant_types: Vec<String>,
    /// `web` or `native`.
    application_type: Option<String>,
    /// Mail addresses of people.
    contacts: Vec<String>,
    /// What people read.
    client_name: Option<String>,
    /// A picture.
    logo_uri: Option<String>,
    /// A page about it.
    client_uri: Option<String>,
    /// How it uses data.
    policy_uri: Option<String>,
    /// Its terms of service.
    tos_uri: Option<String>,
    /// Where its keys are.
    jwks_uri: Option<String>,
    /// Its keys.
    jwks: Option<Map<String, Value>>,
    /// Whose subjects it shares.
    sector_identifier_uri: Option<String>,
    /// `public` or `pairwise`.
    subject_type: Option<String>,
    /// How ID tokens are signed.
    id_token_signed_response_alg: Option<String>,
    /// How ID tokens are encrypted.
    id_token_encrypted_response_alg: Option<String>,
    /// How ID tokens are encrypted.
    id_token_encrypted_response_enc: Option<String>,
    /// How userinfo is signed.
    userinfo_signed_response_alg: Option<String>,
    /// How userinfo is encrypted.
    userinfo_encrypted_response_alg: Option<String>,
    /// How userinfo is encrypted.
    userinfo_encrypted_response_enc: Option<String>,
    /// How it signs request objects.
    request_object_signing_alg: Option<String>,
    /// How it encrypts request objects.
    request_object_encryption_alg: Option<String>,
    /// How it encrypts request objects.
    request_object_encryption_enc: Option<String>,
    /// Whether its requests come in signed objects alone.
    require_signed_request_object: bool,
    /// How it proves itself.
    token_endpoint_auth_method: Option<String>,
    /// How it signs what it proves itself with.
    token_endpoint_auth_signing_alg: Option<String>,
    /// `max_age` of its requests that have none.
    default_max_age: Option<u32>,
    /// Whether it needs `auth_time`.
    require_auth_time: bool,
    /// `acr_values` of its requests that have none.
    default_acr_values: Vec<String>,
    /// Where others send people to begin a sign-in.
    initiate_login_uri: Option<String>,
    /// Where its request objects are.
    request_uris: Vec<String>,
    /// The scopes it asks for.
    scope: Option<String>,
    /// Of the software, the same for all installations.
    software_id: Option<String>,
    /// Of the software.
    software_version: Option<String>,
    /// Where browsers go after a logout.
    post_logout_redirect_uris: Vec<String>,
    /// What is loaded in a frame at a logout.
    frontchannel_logout_uri: Option<String>,
    /// Whether that needs `iss` and `sid`.
    frontchannel_logout_session_required: bool,
    /// Where logout tokens go.
    backchannel_logout_uri: Option<String>,
    /// Whether they need `sid`.
    backchannel_logout_session_required: bool,
}

/// A type that members have.
trait Member: Sized {
    fn read(value: &Value) -> Option<Self>;
}

impl Member for Option<String> {
    fn read(value: &Value) -> Option<Self> {
        let text = value.as_str().filter(|text| text.len() <= MAX_TEXT_BYTES)?;
        Some(Some(text.to_owned()).filter(|text| !text.is_empty()))
    }
}

impl Member for Vec<String> {
    fn read(value: &Value) -> Option<Self> {
        let items = value.as_array().filter(|items| items.len() <= MAX_ITEMS)?;
        let mut texts = Self::new();
        for item in items {
            let text = item.as_str().filter(|text| text.len() <= MAX_TEXT_BYTES)?;
            if !texts.iter().any(|known| known == text) {
                texts.push(text.to_owned());
            }
        }
        Some(texts)
    }
}

impl Member for bool {
    fn read(value: &Value) -> Option<Self> {
        value.as_bool()
    }
}

impl Member for Option<u32> {
    fn read(value: &Value) -> Option<Self> {
        value.as_u64().and_then(|number| u32::try_from(number).ok()).map(Some)
    }
}

impl Member for Option<Map<String, Value>> {
    fn read(value: &Value) -> Option<Self> {
        value.as_object().cloned().map(Some)
    }
}

/// The members that people read, each of which may come in several languages.
const HUMAN: [&str; 5] = ["client_name", "logo_uri", "client_uri", "policy_uri", "tos_uri"];

/// Of a localized member, its name without the language.
pub fn base_name(member: &str) -> Option<&'static str> {
    let (name, tag) = member.split_once('#')?;
    let is_tag =
        tag.len() <= 35 && !tag.is_empty() && tag.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
    HUMAN.into_iter().find(|known| *known == name).filter(|_| is_tag)
}

fn localized(members: &Map<String, Value>) -> Result<BTreeMap<String, String>, MemberError> {
    let mut all = BTreeMap::new();
    for (member, value) in members.iter().filter(|(_, value)| !value.is_null()) {
        let Some(name) = base_name(member) else { continue };
        let text =
            Option::<String>::read(value).filter(|_| all.len() < MAX_ITEMS).ok_or(MemberError(name))?;
        all.extend(text.map(|text| (member.clone(), text)));
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn read(request: &Value) -> Result<RegistrationRequest, MemberError> {
        RegistrationRequest::read(request.as_object().expect("an object"))
    }

    #[test]
    fn members_are_read_by_their_types_and_others_are_ignored() {
        let request = read(&json!({
            "redirect_uris": ["https://app.example/cb", "https://app.example/cb"],
            "client_name": "App", "client_name#de": "Anwendung", "client_name#": "no", "evil#de": 7, "logo_uri": null,
            "policy_uri": "", "default_max_age": 0, "require_auth_time": true, "jwks": {"keys": []}, "first_party": true,
        }));
        let expected = RegistrationRequest {
            redirect_uris: vec!["https://app.example/cb".to_owned()],
            client_name: Some("App".to_owned()),
            localized: BTreeMap::from([("client_name#de".to_owned(), "Anwendung".to_owned())]),
            default_max_age: Some(0),
            require_auth_time: true,
            jwks: json!({"keys": []}).as_object().cloned(),
            ..RegistrationRequest::default()
        };
        assert_eq!(request, Ok(expected));
        assert_eq!(read(&json!({})), Ok(RegistrationRequest::default()));
    }

    #[test]
    fn dr2_a_wrong_type_is_a_refusal() {
        let many: Vec<_> = (0..=MAX_ITEMS).map(|n| n.to_string()).collect();
        for (member, value) in [
            ("redirect_uris", json!("https://app.example/cb")),
            ("redirect_uris", json!([["https://app.example/cb"]])),
            ("redirect_uris", json!(many)),
            ("contacts", json!({"a": "b"})),
            ("client_name", json!(["App"])),
            ("client_name", json!("x".repeat(MAX_TEXT_BYTES + 1))),
            ("default_max_age", json!(-1)),
            ("default_max_age", json!(1.5)),
            ("default_max_age", json!("60")),
            ("default_max_age", json!(5_000_000_000_u64)),
            ("require_auth_time", json!("true")),
            ("jwks", json!([])),
            ("jwks", json!("{}")),
        ] {
            assert_eq!(read(&json!({ member: value })), Err(MemberError(member)), "{member}: {value}");
        }
        assert_eq!(read(&json!({"tos_uri#de": 7})), Err(MemberError("tos_uri")));
        let many: Map<_, _> = (0..=MAX_ITEMS).map(|n| (format!("client_name#{n}"), json!("x"))).collect();
        assert_eq!(read(&many.into()), Err(MemberError("client_name")));
    }
}
