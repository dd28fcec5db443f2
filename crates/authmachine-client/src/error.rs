//! What can go wrong, and whose turn it is then.

use authmachine_jose::{ClaimError, JoseError};

use crate::http_client::HttpError;

/// Who can do something about an [`Error`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorKind {
    /// The person at the browser decided so, or can decide otherwise.
    User,
    /// The provider broke a rule or refused without a reason that we could mend.
    Provider,
    /// The operator of this application: a setting is wrong.
    Operator,
    /// Nobody: the same again may succeed.
    TryAgain,
}

/// Why a sign-in, or a step of it, failed. No variant carries a secret.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A setting is missing or wrong; the text names it and the cure.
    #[error("{0}")]
    Config(String),
    /// No answer from the provider.
    #[error("no answer from {url}: {cause}")]
    Unreachable {
        /// What was asked.
        url: String,
        /// Why there is no answer.
        cause: HttpError,
    },
    /// An answer that is not what the standard says.
    #[error("{url} answered {status}: {problem}")]
    BadAnswer {
        /// What was asked.
        url: String,
        /// Its HTTP status.
        status: u16,
        /// What is wrong with it.
        problem: String,
    },
    /// A question about permissions was declined (AuthZEN 1.0 §10.1.2): with 400 it cannot be understood, with 401 the
    /// token or secret is wrong, with 403 it may not be asked, with 429 or 503 it may be later.
    #[error("{url} declined with {status}{}{message}", if .message.is_empty() { "" } else { ": " })]
    Declined {
        /// What was asked.
        url: String,
        /// The HTTP status, 400 to 599.
        status: u16,
        /// The server's own words, cut.
        message: String,
    },
    /// An answer from before the [demanded](crate::authzen::Pdp::at_least) revision, or one that does not say which
    /// revision it is from.
    #[error(
        "{url} answered from revision {}, and {demanded} was demanded",
        .found.map_or("unknown".to_owned(), |found| found.to_string())
    )]
    TooOld {
        /// What was asked.
        url: String,
        /// The revision that the answer should have seen.
        demanded: u64,
        /// The one it is from.
        found: Option<u64>,
    },
    /// The server says that it has no such endpoint.
    #[error("{server} has no {endpoint}")]
    NotOffered {
        /// The issuer or decision point.
        server: String,
        /// Member of its metadata.
        endpoint: &'static str,
    },
    /// A decision point's metadata name another one than configured (AuthZEN 1.0 §9.2.3).
    #[error("the decision point calls itself {found}, but it is configured as {configured}")]
    PdpMismatch {
        /// The configured one.
        configured: String,
        /// `policy_decision_point` of the metadata.
        found: String,
    },
    /// The discovery document names another issuer than configured (OIDC Discovery §4.3).
    #[error("the provider calls itself {found}, but it is configured as {configured}")]
    IssuerMismatch {
        /// The configured issuer.
        configured: String,
        /// `issuer` of the document.
        found: String,
    },
    /// An error of the provider's: of its authorization endpoint (RFC 6749 §4.1.2.1) or token endpoint (§5.2).
    #[error("the provider refused: {code}{}", .description.as_ref().map(|d| format!(" ({d})")).unwrap_or_default())]
    Refused {
        /// `error`.
        code: String,
        /// `error_description`.
        description: Option<String>,
    },
    /// The browser came back with something that is no answer to a question of ours.
    #[error(transparent)]
    Callback(#[from] CallbackError),
    /// The ID token does not hold.
    #[error("the ID token was refused: {0}")]
    IdToken(#[from] IdTokenError),
    /// Userinfo speaks of somebody else (OIDC Core §5.3.2).
    #[error("userinfo is about another subject than the ID token")]
    UserinfoSubject,
    /// The provider says that the access token which it has just issued does not hold.
    #[error("the provider says that the access token which it has just issued does not hold")]
    EndedAtOnce,
    /// The session does not fit into two cookies.
    #[error(
        "the session takes {bytes} bytes as a cookie, and only {limit} fit: ask for fewer scopes, claims or objects"
    )]
    SessionTooLarge {
        /// What it would take.
        bytes: usize,
        /// What browsers take without dropping it.
        limit: usize,
    },
    /// A login was asked for by something else than a page load.
    #[error("a sign-in starts from a page load, not from a script, frame or image")]
    NotANavigation,
    /// The provider has not said for some minutes whether the session still holds.
    #[error("the provider does not answer, so it is not known whether this session still holds")]
    NoAnswer,
}

/// Why the callback is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CallbackError {
    /// The query cannot be read, or a parameter is repeated.
    #[error("the provider's answer cannot be read")]
    Malformed,
    /// No sign-in with this `state` is in flight in this browser: it took too long, was finished already, or began
    /// in another browser (RFC 6749 §10.12).
    #[error("this sign-in is not one that began in this browser a short while ago")]
    UnknownState,
    /// `iss` is another issuer (RFC 9207 §2.4).
    #[error("the answer comes from another issuer than was asked")]
    Issuer,
    /// The provider promises `iss` and it is missing (RFC 9207 §2.4).
    #[error("the answer does not say which issuer it comes from")]
    IssuerMissing,
    /// Neither `code` nor `error`.
    #[error("the answer has no code")]
    NoCode,
}

/// Why an ID token is refused (OIDC Core §3.1.3.7).
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum IdTokenError {
    /// The token endpoint sent none.
    #[error("there is none")]
    Missing,
    /// Form, algorithm or signature.
    #[error(transparent)]
    Jose(#[from] JoseError),
    /// A claim has the wrong JSON type.
    #[error(transparent)]
    Claim(#[from] ClaimError),
    /// This claim is missing.
    #[error("claim {0} is missing")]
    ClaimMissing(&'static str),
    /// `iss` is not the provider's.
    #[error("iss is another issuer")]
    Issuer,
    /// `aud` does not hold our client id.
    #[error("aud is another client")]
    Audience,
    /// `azp` is another client, or missing among several audiences.
    #[error("azp is another client")]
    AuthorizedParty,
    /// Past `exp`.
    #[error("it has expired")]
    Expired,
    /// `iat` is in the future or too long ago.
    #[error("iat is not now")]
    IssuedAt,
    /// `nonce` is not the one of this sign-in.
    #[error("nonce is not the one of this sign-in")]
    Nonce,
    /// `at_hash` is not of this access token.
    #[error("at_hash is not of this access token")]
    AccessTokenHash,
}

impl Error {
    /// The provider's words, fit for a log: they may come by way of the browser.
    pub(crate) fn refused(code: &str, description: Option<&str>) -> Self {
        let fit = |text: &str| text.chars().filter(|c| !c.is_control()).take(300).collect();
        Self::Refused { code: fit(code), description: description.map(fit) }
    }

    /// Who can do something about it.
    pub fn kind(&self) -> ErrorKind {
        use ErrorKind::{Operator, Provider, TryAgain, User};
        match self {
            Self::Config(_)
            | Self::IssuerMismatch { .. }
            | Self::PdpMismatch { .. }
            | Self::NotOffered { .. }
            | Self::SessionTooLarge { .. } => Operator,
            Self::Declined { status: 408 | 429 | 500.., .. } | Self::TooOld { found: Some(_), .. } => {
                TryAgain
            }
            Self::Declined { .. } => Operator,
            Self::TooOld { found: None, .. } => Provider,
            Self::Unreachable { cause: HttpError::TooLarge, .. } => Provider,
            Self::Unreachable { .. } | Self::NoAnswer => TryAgain,
            Self::BadAnswer { status, .. } if *status >= 500 => TryAgain,
            Self::BadAnswer { .. } | Self::UserinfoSubject | Self::IdToken(_) | Self::EndedAtOnce => Provider,
            Self::Callback(CallbackError::UnknownState) => TryAgain,
            Self::Callback(_) => Provider,
            Self::NotANavigation => User,
            Self::Refused { code, .. } => match code.as_str() {
                "access_denied" => User,
                "server_error"
                | "temporarily_unavailable"
                | "login_required"
                | "interaction_required"
                | "invalid_grant" => TryAgain,
                _ => Operator,
            },
        }
    }

    /// What the person at the browser is told: no cause, no detail, whose turn it is.
    pub fn advice(&self) -> &'static str {
        match self {
            Self::Callback(CallbackError::UnknownState) => {
                "This sign-in took too long, was finished already, or began in another browser. Please start again."
            }
            Self::NoAnswer => {
                "We cannot check your session just now, because the sign-in service does not answer. You are still \
                 signed in; please try again in a moment."
            }
            _ => match self.kind() {
                ErrorKind::User => "The sign-in was not completed. You can start again whenever you like.",
                ErrorKind::TryAgain => "Something got in the way. Please try again in a moment.",
                ErrorKind::Provider => {
                    "The sign-in service answered in a way we cannot accept. Please try again; if it stays so, tell us."
                }
                ErrorKind::Operator => {
                    "This application's sign-in is not set up correctly. Its operator has been told why."
                }
            },
        }
    }
}
