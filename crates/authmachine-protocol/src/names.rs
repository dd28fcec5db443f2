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

words! {
    /// `response_type` at the authorization endpoint.
    ResponseType {
        /// RFC 6749 §4.1.1.
        Code = "code",
    }
}

words! {
    /// `response_mode` (OAuth 2.0 Multiple Response Type Encoding Practices §2.1).
    ResponseMode {
        /// Parameters in the query of the redirect URI.
        Query = "query",
    }
}

words! {
    /// How a client proves itself (OIDC Core §9).
    ClientAuthMethod {
        /// HTTP Basic, with both parts form-encoded (RFC 6749 §2.3.1).
        ClientSecretBasic = "client_secret_basic",
        /// `client_id` and `client_secret` in the form body (RFC 6749 §2.3.1).
        ClientSecretPost = "client_secret_post",
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
