//! Error codes of the standards.

macro_rules! codes {
    ($($(#[$doc:meta])* $variant:ident = $word:literal,)+) => {
        /// An `error` value as the standards spell it.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum ErrorCode { $($(#[$doc])* $variant,)+ }

        impl ErrorCode {
            /// The word on the wire.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word),+ }
            }

            /// The code whose word is `word`.
            pub fn from_word(word: &str) -> Option<Self> {
                match word { $($word => Some(Self::$variant),)+ _ => None }
            }
        }
    };
}

codes! {
    /// RFC 6749 §4.1.2.1, §5.2.
    InvalidRequest = "invalid_request",
    /// RFC 6749 §5.2.
    InvalidClient = "invalid_client",
    /// RFC 6749 §5.2.
    InvalidGrant = "invalid_grant",
    /// RFC 6749 §4.1.2.1, §5.2.
    UnauthorizedClient = "unauthorized_client",
    /// RFC 6749 §5.2.
    UnsupportedGrantType = "unsupported_grant_type",
    /// RFC 6749 §4.1.2.1.
    UnsupportedResponseType = "unsupported_response_type",
    /// RFC 6749 §4.1.2.1, §5.2.
    InvalidScope = "invalid_scope",
    /// RFC 6749 §4.1.2.1.
    AccessDenied = "access_denied",
    /// RFC 6749 §4.1.2.1.
    ServerError = "server_error",
    /// RFC 6749 §4.1.2.1.
    TemporarilyUnavailable = "temporarily_unavailable",
    /// OIDC Core §3.1.2.6.
    LoginRequired = "login_required",
    /// OIDC Core §3.1.2.6.
    InteractionRequired = "interaction_required",
    /// OIDC Core §3.1.2.6.
    ConsentRequired = "consent_required",
    /// OIDC Core §3.1.2.6.
    AccountSelectionRequired = "account_selection_required",
    /// OIDC Core §3.1.2.6.
    RequestNotSupported = "request_not_supported",
    /// OIDC Core §3.1.2.6.
    RequestUriNotSupported = "request_uri_not_supported",
    /// OIDC Core §3.1.2.6.
    InvalidRequestUri = "invalid_request_uri",
    /// OIDC Core §3.1.2.6.
    InvalidRequestObject = "invalid_request_object",
    /// OIDC Core §3.1.2.6.
    RegistrationNotSupported = "registration_not_supported",
    /// RFC 6750 §3.1.
    InvalidToken = "invalid_token",
    /// RFC 6750 §3.1.
    InsufficientScope = "insufficient_scope",
    /// RFC 7009 §2.2.1.
    UnsupportedTokenType = "unsupported_token_type",
    /// RFC 7591 §3.2.2.
    InvalidRedirectUri = "invalid_redirect_uri",
    /// RFC 7591 §3.2.2.
    InvalidClientMetadata = "invalid_client_metadata",
    /// OpenID Connect Core Unmet Authentication Requirements §2.
    UnmetAuthenticationRequirements = "unmet_authentication_requirements",
}

impl std::fmt::Display for ErrorCode {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}
