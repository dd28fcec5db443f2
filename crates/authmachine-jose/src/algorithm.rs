//! Signature algorithms (RFC 7518 §3.1, RFC 8037 §3.1) and the token hash that depends on them.

use crate::{base64url, sha256};
use aws_lc_rs::digest;
use serde::{Deserialize, Serialize};
use std::{fmt, str::FromStr};

/// A signature algorithm that we sign with and accept. There is no `none`: an unsigned token is no JWS of ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Algorithm {
    /// RSASSA-PKCS1-v1_5 with SHA-256, the default of OpenID Connect.
    RS256,
    /// RSASSA-PSS with SHA-256 and a salt of 32 bytes.
    PS256,
    /// ECDSA on P-256 with SHA-256, the signature in its fixed form of 64 bytes.
    ES256,
    /// Ed25519 (RFC 8037).
    EdDSA,
}

/// The name is no algorithm that we sign with or accept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a signature algorithm in use here (RS256, PS256, ES256, EdDSA)")]
pub struct UnknownAlgorithm;

impl Algorithm {
    /// Each algorithm, the most widely understood first.
    pub const ALL: [Self; 4] = [Self::RS256, Self::PS256, Self::ES256, Self::EdDSA];

    /// The name in `alg` (RFC 7518 §3.1).
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::RS256 => "RS256",
            Self::PS256 => "PS256",
            Self::ES256 => "ES256",
            Self::EdDSA => "EdDSA",
        }
    }
}

impl fmt::Display for Algorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Algorithm {
    type Err = UnknownAlgorithm;

    fn from_str(name: &str) -> Result<Self, UnknownAlgorithm> {
        Self::ALL.into_iter().find(|algorithm| algorithm.as_str() == name).ok_or(UnknownAlgorithm)
    }
}

/// `at_hash` of an access token or `c_hash` of a code: the left half of its hash in base64url, with the hash
/// of the ID token's algorithm (OIDC Core §3.1.3.6, §3.3.2.11). For Ed25519 that is SHA-512.
#[must_use]
pub fn left_half_hash(algorithm: Algorithm, value: &str) -> String {
    match algorithm {
        Algorithm::RS256 | Algorithm::PS256 | Algorithm::ES256 => {
            base64url::encode(&sha256(value.as_bytes())[..16])
        }
        Algorithm::EdDSA => {
            base64url::encode(&digest::digest(&digest::SHA512, value.as_bytes()).as_ref()[..32])
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn jw1_a_name_is_an_algorithm_only_when_spelt_exactly() {
        for algorithm in Algorithm::ALL {
            assert_eq!(algorithm.as_str().parse(), Ok(algorithm));
            assert_eq!(serde_json::to_value(algorithm).unwrap(), algorithm.as_str());
            assert_eq!(serde_json::from_value::<Algorithm>(algorithm.as_str().into()).unwrap(), algorithm);
        }
        for name in ["none", "None", "", "rs256", "RS256 ", "HS256", "RS512", "ES256K", "EDDSA", "RSA-OAEP"] {
            assert_eq!(name.parse::<Algorithm>(), Err(UnknownAlgorithm), "{name}");
        }
    }

    #[test]
    fn token_hashes_are_those_of_the_standard() {
        // OIDC Core appendix A.3 and A.4.
        let at_hash = left_half_hash(Algorithm::RS256, "jHkWEdUXMU1BwAsC4vtUsZwnNvTIxEl0z9K3vx5KF0Y");
        assert_eq!(at_hash, "77QmUPtjPfzWtF2AnpK9RQ");
        let code = "Qcb0Orv1zh30vL1MPRsbm-diHiMwcLyZvn1arpZv-Jxf_11jnpEX3Tgfvk";
        assert_eq!(left_half_hash(Algorithm::ES256, code), "LDktKdoQak3Pk0cnXxCltA");
        // SHA-512 of "abc" begins ddaf35a1…454d4423 (FIPS 180-4): 32 bytes of it remain.
        let half = base64url::decode(&left_half_hash(Algorithm::EdDSA, "abc")).unwrap();
        assert_eq!((half.len(), &half[..4]), (32, &[0xdd, 0xaf, 0x35, 0xa1][..]));
    }
}
