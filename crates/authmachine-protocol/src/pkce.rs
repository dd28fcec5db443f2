//! Proof Key for Code Exchange (RFC 7636), `S256` alone.

use aws_lc_rs::{constant_time, digest};
use base64ct::{Base64UrlUnpadded, Encoding};

/// The one method: `plain` protects nothing (OAuth 2.1 §7.5.2).
pub const S256: &str = "S256";

/// Why a proof fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PkceError {
    /// The challenge is not 43 characters of base64url (RFC 7636 §4.2).
    #[error("code_challenge is malformed")]
    Challenge,
    /// The verifier is not 43 to 128 unreserved characters (RFC 7636 §4.1).
    #[error("code_verifier is malformed")]
    Verifier,
    /// There was a challenge, and there is no verifier.
    #[error("code_verifier is missing")]
    Missing,
    /// There is a verifier, and there was no challenge (RFC 9700 §2.1.1).
    #[error("code_verifier without code_challenge")]
    Unexpected,
    /// The verifier is another one.
    #[error("code_verifier does not match")]
    Mismatch,
}

/// Checks the form of a `code_challenge` made with `S256`.
///
/// # Errors
/// [`PkceError::Challenge`].
pub fn check_challenge(challenge: &str) -> Result<(), PkceError> {
    let mut digest = [0; 32];
    match Base64UrlUnpadded::decode(challenge, &mut digest) {
        Ok(bytes) if bytes.len() == 32 => Ok(()),
        _ => Err(PkceError::Challenge),
    }
}

/// The challenge of `verifier` (RFC 7636 §4.2).
pub fn challenge(verifier: &str) -> String {
    Base64UrlUnpadded::encode_string(digest::digest(&digest::SHA256, verifier.as_bytes()).as_ref())
}

/// Checks a token request's `code_verifier` against its code's `code_challenge` (RFC 7636 §4.6). Where one is,
/// both must be.
///
/// # Errors
/// [`PkceError`], which the client sees as `invalid_grant`.
pub fn verify(code_challenge: Option<&str>, code_verifier: Option<&str>) -> Result<(), PkceError> {
    match (code_challenge, code_verifier) {
        (None, None) => Ok(()),
        (None, Some(_)) => Err(PkceError::Unexpected),
        (Some(_), None) => Err(PkceError::Missing),
        (Some(expected), Some(verifier)) => {
            let legal = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_' | b'~');
            if !(43..=128).contains(&verifier.len()) || !verifier.bytes().all(legal) {
                return Err(PkceError::Verifier);
            }
            constant_time::verify_slices_are_equal(challenge(verifier).as_bytes(), expected.as_bytes())
                .map_err(|_| PkceError::Mismatch)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 7636 appendix B.
    const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
    const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

    #[test]
    fn the_example_of_the_standard_holds() {
        assert_eq!(challenge(VERIFIER), CHALLENGE);
        assert_eq!(verify(Some(CHALLENGE), Some(VERIFIER)), Ok(()));
    }

    #[test]
    fn pk1_the_grammar_of_challenge_and_verifier_is_enforced() {
        assert_eq!(check_challenge(CHALLENGE), Ok(()));
        let long = format!("{CHALLENGE}A");
        for bad in ["", "short", &CHALLENGE[1..], &long, "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw+cM"] {
            assert_eq!(check_challenge(bad), Err(PkceError::Challenge), "{bad}");
        }
        let (short, long) = ("a".repeat(42), "a".repeat(129));
        for bad in [short.as_str(), &long, "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEj k"] {
            assert_eq!(verify(Some(CHALLENGE), Some(bad)), Err(PkceError::Verifier), "{bad}");
        }
    }

    #[test]
    fn pk3_challenge_and_verifier_come_together() {
        assert_eq!(verify(None, None), Ok(()));
        assert_eq!(verify(None, Some(VERIFIER)), Err(PkceError::Unexpected));
        assert_eq!(verify(Some(CHALLENGE), None), Err(PkceError::Missing));
        assert_eq!(verify(Some(CHALLENGE), Some(&"b".repeat(43))), Err(PkceError::Mismatch));
    }
}
