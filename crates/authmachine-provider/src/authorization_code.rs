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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{NOW, facts, shop};

    // RFC 7636 appendix B.
    const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
    const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

    #[test]
    fn az10_a_code_is_bound_to_time_client_uri_and_challenge() {
        let code = AuthorizationCode {
            id: 1,
            redirect_uri: "https://shop.example/cb".to_owned(),
            code_challenge: Some(CHALLENGE.to_owned()),
            expires_at: NOW.plus_seconds(60),
        };
        let request = |uri: Option<&str>, verifier: Option<&str>| CodeRequest {
            redirect_uri: uri.map(str::to_owned),
            code_verifier: verifier.map(str::to_owned),
        };
        let right = request(Some("https://shop.example/cb"), Some(VERIFIER));
        let redeem = |code: &AuthorizationCode, facts: &GrantFacts, request: &CodeRequest, now: Timestamp| {
            redeem(code, facts, request, &shop(), now).err()
        };
        assert_eq!(redeem(&code, &facts(), &right, NOW.plus_ms(59_999)), None);
        assert_eq!(redeem(&code, &facts(), &right, NOW.plus_ms(60_000)), Some(CodeError::Expired));

        for uri in [None, Some("https://shop.example/cb/"), Some("https://shop.example/CB")] {
            let wrong = request(uri, Some(VERIFIER));
            assert_eq!(redeem(&code, &facts(), &wrong, NOW), Some(CodeError::RedirectUriMismatch));
        }
        for verifier in [None, Some(CHALLENGE), Some("short")] {
            let wrong = request(Some("https://shop.example/cb"), verifier);
            assert!(matches!(redeem(&code, &facts(), &wrong, NOW), Some(CodeError::Pkce(_))), "{verifier:?}");
        }
        // A verifier where nobody sent a challenge: somebody took it off on the way (checklist PK3).
        let bare = AuthorizationCode { code_challenge: None, ..code.clone() };
        assert!(matches!(redeem(&bare, &facts(), &right, NOW), Some(CodeError::Pkce(_))));

        let mut withdrawn = facts();
        withdrawn.session.as_mut().expect("it has one").ended_at = Some(NOW);
        assert_eq!(redeem(&code, &withdrawn, &right, NOW), Some(CodeError::Withdrawn));
        let other = Client { grant_types: vec![GrantType::RefreshToken], ..shop() };
        assert_eq!(super::redeem(&code, &facts(), &right, &other, NOW), Err(CodeError::GrantTypeNotAllowed));
    }
}
