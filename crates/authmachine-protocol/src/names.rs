//! Closed lists of words that the standards define.

use serde::{Deserialize, Serialize};

macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $($(#[$vdoc:meta])* $variant:ident = $word:literal,)+ }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
        pub enum $name {
            $($(#[$vdoc])* #[serde(rename = $word)] $variant,)+
        }

        impl $name {
            /// All of them, in the order of the definition.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// The word on the wire.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word),+ }
            }

            /// The value whose word on the wire is `word`, byte for byte.
            pub fn from_word(word: &str) -> Option<Self> {
                match word { $($word => Some(Self::$variant),)+ _ => None }
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.as_str())
            }
        }
    };
}

words! {
    /// `grant_type` at the token endpoint.
    GrantType {
        /// RFC 6749 §4.1.3.
        AuthorizationCode = "authorization_code",
        /// RFC 6749 §6.
        RefreshToken = "refresh_token",
        /// RFC 6749 §4.4.
        ClientCredentials = "client_credentials",
    }
}

/// What clients with response types of the front channel register beside their grant types (RFC 7591 §2). The token endpoint does
/// not take it, so it is no [`GrantType`].
pub const IMPLICIT: &str = "implicit";

words! {
    /// `response_type` at the authorization endpoint (OAuth 2.0 Multiple Response Type Encoding Practices).
    ResponseType {
        /// RFC 6749 §4.1.1.
        Code = "code",
        /// OIDC Core §3.2: implicit, without an access token.
        IdToken = "id_token",
        /// OIDC Core §3.2: implicit.
        IdTokenToken = "id_token token",
        /// OIDC Core §3.3: hybrid.
        CodeIdToken = "code id_token",
        /// OIDC Core §3.3: hybrid.
        CodeToken = "code token",
        /// OIDC Core §3.3: hybrid.
        CodeIdTokenToken = "code id_token token",
    }
}

impl ResponseType {
    /// Reads `response_type`: the order of its words means nothing (RFC 6749 §3.1.1).
    pub fn parse(text: &str) -> Option<Self> {
        let mut words: Vec<&str> = text.split(' ').collect();
        words.sort_unstable();
        Self::from_word(&words.join(" "))
    }

    /// Whether a code is issued.
    pub const fn has_code(self) -> bool {
        !matches!(self, Self::IdToken | Self::IdTokenToken)
    }

    /// Whether an ID token passes through the browser.
    pub const fn has_id_token(self) -> bool {
        !matches!(self, Self::Code | Self::CodeToken)
    }

    /// Whether an access token passes through the browser.
    pub const fn has_token(self) -> bool {
        matches!(self, Self::IdTokenToken | Self::CodeToken | Self::CodeIdTokenToken)
    }

    /// Whether any token passes through the browser: implicit and hybrid.
    pub const fn is_front_channel(self) -> bool {
        self.has_id_token() || self.has_token()
    }

    /// Where the answer stands unless `response_mode` says it (Multiple Response Type Encoding Practices §3, §5).
    pub const fn default_mode(self) -> ResponseMode {
        if self.is_front_channel() { ResponseMode::Fragment } else { ResponseMode::Query }
    }
}

words! {
    /// `response_mode` (OAuth 2.0 Multiple Response Type Encoding Practices §2.1, OAuth 2.0 Form Post Response Mode §2).
    ResponseMode {
        /// Parameters in the query of the redirect URI.
        Query = "query",
        /// Parameters in its fragment.
        Fragment = "fragment",
        /// Parameters in a form that the browser posts there.
        FormPost = "form_post",
    }
}

words! {
    /// How a client proves itself (OIDC Core §9).
    ClientAuthMethod {
        /// HTTP Basic, with both parts form-encoded (RFC 6749 §2.3.1).
        ClientSecretBasic = "client_secret_basic",
        /// `client_id` and `client_secret` in the form body (RFC 6749 §2.3.1).
        ClientSecretPost = "client_secret_post",
        /// A token that the client signed (RFC 7523 §2.2).
        PrivateKeyJwt = "private_key_jwt",
        /// A public client: nothing but its `client_id`.
        None = "none",
    }
}

words! {
    /// `prompt` (OIDC Core §3.1.2.1).
    Prompt {
        /// Show nothing.
        None = "none",
        /// Prove yourself again.
        Login = "login",
        /// Ask for consent again.
        Consent = "consent",
        /// Ask which account.
        SelectAccount = "select_account",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_words_of_a_response_type_stand_in_any_order() {
        use ResponseType::{Code, CodeIdToken, CodeIdTokenToken, CodeToken, IdToken, IdTokenToken};
        for (text, expected) in [
            ("code", Some(Code)),
            ("id_token", Some(IdToken)),
            ("id_token token", Some(IdTokenToken)),
            ("token id_token", Some(IdTokenToken)),
            ("id_token code", Some(CodeIdToken)),
            ("token code", Some(CodeToken)),
            ("token id_token code", Some(CodeIdTokenToken)),
            ("id_token code token", Some(CodeIdTokenToken)),
            ("token", None),
            ("none", None),
            ("", None),
            ("CODE", None),
            ("code code", None),
            ("code  id_token", None),
            (" code", None),
            ("code\tid_token", None),
            ("code,id_token", None),
        ] {
            assert_eq!(ResponseType::parse(text), expected, "{text:?}");
        }
        for response_type in ResponseType::ALL {
            assert_eq!(ResponseType::parse(response_type.as_str()), Some(*response_type));
            let has = |word: &str| response_type.as_str().split(' ').any(|w| w == word);
            let says = (response_type.has_code(), response_type.has_id_token(), response_type.has_token());
            assert_eq!(says, (has("code"), has("id_token"), has("token")), "{response_type}");
            let mode = if *response_type == Code { ResponseMode::Query } else { ResponseMode::Fragment };
            assert_eq!(response_type.default_mode(), mode, "{response_type}");
        }
    }
}
