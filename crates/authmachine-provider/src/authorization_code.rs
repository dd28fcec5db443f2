//! Authorization codes (RFC 6749 §4.1.2).

use authmachine_protocol::pkce::{self, PkceError};
use authmachine_protocol::{GrantType, Timestamp};

use crate::client::Client;
use crate::grant::{GrantFacts, Live, Use};

/// A code's own row, beside its grant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuthorizationCode {
    /// The row, and the id of the handle.
    pub id: i64,
    /// The `redirect_uri` of the authorization request.
    pub redirect_uri: String,
    /// `code_challenge`, S256.
    pub code_challenge: Option<String>,
    /// A minute after it was made.
    pub expires_at: Timestamp,
}

/// What the store found when a client presented a code: consuming it is the test.
#[derive(Clone, Debug, PartialEq)]
pub enum Taken {
    /// No such code, or not this client's: nothing happened.
    Unknown,
    /// It was used before (RFC 6749 §4.1.2): what it gave must end.
    Before(Box<GrantFacts>),
    /// It is used now, whatever comes of it.
    Now(Box<(AuthorizationCode, GrantFacts)>),
}

/// Why a code buys nothing. A client sees `invalid_grant`, or `unauthorized_client` for the first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CodeError {
    /// The client may not use the grant type.
    #[error("this client may not use authorization_code")]
    GrantTypeNotAllowed,
    /// Unknown, or another client's.
    #[error("the code is unknown")]
    Unknown,
    /// Used before.
    #[error("the code was used before")]
    AlreadyUsed,
    /// Too old.
    #[error("the code has expired")]
    Expired,
    /// User, client, session or consent ended since.
    #[error("what the code stands for was withdrawn")]
    Withdrawn,
    /// `redirect_uri` is not that of the request.
    #[error("redirect_uri is not the one of the authorization request")]
    RedirectUriMismatch,
    /// The proof of possession fails.
    #[error("{0}")]
    Pkce(#[from] PkceError),
}

/// What a token request with a code carries (RFC 6749 §4.1.3).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CodeRequest {
    /// `redirect_uri`.
    pub redirect_uri: Option<String>,
    /// `code_verifier`.
    pub code_verifier: Option<String>,
}

/// Decides whether `client` may turn its `code` into tokens at `now`.
///
/// # Errors
/// [`CodeError`]; the code stays used.
pub fn redeem(
    code: &AuthorizationCode,
    facts: &GrantFacts,
    request: &CodeRequest,
    client: &Client,
    now: Timestamp,
) -> Result<Live, CodeError> {
    if !client.may_use(GrantType::AuthorizationCode) {
        return Err(CodeError::GrantTypeNotAllowed);
    }
    if code.expires_at <= now {
        return Err(CodeError::Expired);
    }
    let live = facts.live(Use::Code, now).ok_or(CodeError::Withdrawn)?;
    // RFC 6749 §4.1.3: byte for byte. The authorization request always names one (RU4), so this must as well.
    if request.redirect_uri.as_deref() != Some(code.redirect_uri.as_str()) {
        return Err(CodeError::RedirectUriMismatch);
    }
    pkce::verify(code.code_challenge.as_deref(), request.code_verifier.as_deref())?;
    Ok(live)
}
