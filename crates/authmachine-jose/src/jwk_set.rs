//! A set of public keys (RFC 7517 §5).

use crate::{
    Algorithm, Jwk, JwkError,
    strict_json::{self, JsonError},
};
use serde::Serialize;
use serde_json::Value;
use std::str::FromStr;

/// Public keys that check signatures, each parsed once. Serialises as the document behind a `jwks_uri`.
#[derive(Debug, Clone, Default, Serialize)]
pub struct JwkSet {
    keys: Vec<Jwk>,
}

/// Why a document is not taken as a JWK Set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum JwkSetError {
    /// Longer than [`JwkSet::MAX_BYTES`].
    #[error("the JWK Set is larger than 256 KiB")]
    TooLarge,
    /// Not a JSON object, or not strictly.
    #[error(transparent)]
    Json(#[from] JsonError),
    /// `keys` is missing or not an array of objects.
    #[error("the JWK Set's keys is not an array of objects")]
    Keys,
    /// More than [`JwkSet::MAX_KEYS`].
    #[error("the JWK Set has more than 100 keys")]
    TooManyKeys,
    /// It shows a private or symmetric key.
    #[error("the JWK Set shows a private or symmetric key, which must be replaced")]
    PrivateKey,
}

impl JwkSet {
    /// The longest document that is read.
    pub const MAX_BYTES: usize = 256 * 1024;
    /// The most keys, used or not, that a document may list.
    pub const MAX_KEYS: usize = 100;

    /// Reads a document. A key that we cannot use is skipped (RFC 7517 §5), whatever the reason, except that a
    /// private key refuses the whole set: who publishes one has lost it.
    ///
    /// # Errors
    /// See [`JwkSetError`].
    pub fn parse(json: &str) -> Result<Self, JwkSetError> {
        if json.len() > Self::MAX_BYTES {
            return Err(JwkSetError::TooLarge);
        }
        let document = strict_json::parse_object(json.as_bytes())?;
        let listed = document.get("keys").and_then(Value::as_array).ok_or(JwkSetError::Keys)?;
        if listed.len() > Self::MAX_KEYS {
            return Err(JwkSetError::TooManyKeys);
        }
        let mut keys = Vec::with_capacity(listed.len());
        for jwk in listed {
            match Jwk::from_object(jwk.as_object().ok_or(JwkSetError::Keys)?) {
                Ok(key) => keys.push(key),
                Err(JwkError::PrivateKey) => return Err(JwkSetError::PrivateKey),
                Err(_) => {}
            }
        }
        Ok(Self { keys })
    }

    /// The usable keys, in the document's order.
    #[must_use]
    pub fn keys(&self) -> &[Jwk] {
        &self.keys
    }

    /// Whether a key has this `kid`.
    #[must_use]
    pub fn has_kid(&self, kid: &str) -> bool {
        self.keys.iter().any(|key| key.kid() == Some(kid))
    }

    /// The keys that serve `algorithm`, with `kid` only those of that name.
    pub fn candidates(&self, algorithm: Algorithm, kid: Option<&str>) -> impl Iterator<Item = &Jwk> {
        self.keys
            .iter()
            .filter(move |key| key.serves(algorithm) && kid.is_none_or(|kid| key.kid() == Some(kid)))
    }
}

impl FromIterator<Jwk> for JwkSet {
    fn from_iter<I: IntoIterator<Item = Jwk>>(keys: I) -> Self {
        Self { keys: keys.into_iter().collect() }
    }
}

impl FromStr for JwkSet {
    type Err = JwkSetError;

    fn from_str(json: &str) -> Result<Self, JwkSetError> {
        Self::parse(json)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{ED25519_JWK, P256_JWK, RSA_JWK, jwk_with, rsa_jwk_of};
    use proptest::prelude::*;
    use serde_json::json;

    #[test]
    fn keys_that_cannot_be_used_are_skipped() {
        let set = json!({"more": 1, "keys": [
            {"kty": "XYZ", "anything": {}},
            {},
            jwk_with(RSA_JWK, json!({"use": "enc"})),
            rsa_jwk_of(&[0xff; 128]),
            jwk_with(P256_JWK, json!({"kid": "one"})),
            jwk_with(P256_JWK, json!({"crv": "P-521"})),
            jwk_with(ED25519_JWK, json!({"kid": "two", "alg": "EdDSA"})),
        ]});
        let set: JwkSet = set.to_string().parse().unwrap();
        let kids: Vec<_> = set.keys().iter().map(Jwk::kid).collect();
        assert_eq!(kids, [Some("one"), Some("two")]);
        assert!(set.has_kid("two") && !set.has_kid("three") && !set.has_kid(""));
        let published = serde_json::to_string(&set).unwrap();
        assert_eq!(JwkSet::parse(&published).unwrap().keys().len(), 2);
        assert!(published.starts_with(r#"{"keys":[{"kty":"EC","use":"sig","kid":"one","#), "{published}");
    }

    #[test]
    fn jw1_candidates_fit_both_kid_and_algorithm() {
        let named = |jwk, kid| Jwk::from_value(&jwk_with(jwk, json!({"kid": kid}))).unwrap();
        let set: JwkSet =
            [named(RSA_JWK, "a"), named(P256_JWK, "b"), RSA_JWK.parse().unwrap()].into_iter().collect();
        let count = |algorithm, kid| set.candidates(algorithm, kid).count();
        assert_eq!(count(Algorithm::RS256, None), 2);
        assert_eq!(count(Algorithm::RS256, Some("a")), 1);
        assert_eq!(count(Algorithm::RS256, Some("b")), 0);
        assert_eq!(count(Algorithm::ES256, Some("b")), 1);
        assert_eq!(count(Algorithm::EdDSA, None), 0);
    }

    #[test]
    fn jw4_what_is_not_a_set_is_refused() {
        let private =
            json!({"keys": [jwk_with(P256_JWK, json!({})), jwk_with(RSA_JWK, json!({"d": "AQAB"}))]});
        let symmetric = json!({"keys": [{"kty": "oct", "k": "c2VjcmV0"}]});
        let many = format!(r#"{{"keys":[{}{{}}]}}"#, "{},".repeat(JwkSet::MAX_KEYS));
        let large = format!(r#"{{"keys":[],"pad":"{}"}}"#, "x".repeat(JwkSet::MAX_BYTES));
        for (json, error) in [
            ("", JwkSetError::Json(JsonError::Malformed)),
            ("[]", JwkSetError::Json(JsonError::NotAnObject)),
            ("<html>", JwkSetError::Json(JsonError::Malformed)),
            (r#"{"keys":[],"keys":[]}"#, JwkSetError::Json(JsonError::DuplicateMember)),
            ("{}", JwkSetError::Keys),
            (r#"{"keys":{}}"#, JwkSetError::Keys),
            (r#"{"keys":["key"]}"#, JwkSetError::Keys),
            (&many, JwkSetError::TooManyKeys),
            (&large, JwkSetError::TooLarge),
            (&private.to_string(), JwkSetError::PrivateKey),
            (&symmetric.to_string(), JwkSetError::PrivateKey),
        ] {
            assert_eq!(JwkSet::parse(json).unwrap_err(), error, "{json:.60}");
        }
        assert!(JwkSet::parse(r#"{"keys":[]}"#).unwrap().keys().is_empty());
    }

    proptest! {
        #[test]
        fn jw4_no_text_makes_it_panic(text: String, member in "[a-z]{1,3}", value in "[A-Za-z0-9_=-]{0,50}") {
            let _ = JwkSet::parse(&text);
            for jwk in [RSA_JWK, P256_JWK, ED25519_JWK] {
                let _ = Jwk::from_value(&jwk_with(jwk, json!({ member.clone(): value.clone() })));
            }
        }

        #[test]
        fn jw7_no_numbers_make_it_panic(n: Vec<u8>, e: Vec<u8>, x: [u8; 32], y: [u8; 32]) {
            let _ = Jwk::rsa(&n, &e);
            let _ = Jwk::rsa(&[&[0xff], [x, y].concat().repeat(4).as_slice(), &n].concat(), &e);
            let _ = Jwk::p256(&x, &y);
            let _ = Jwk::ed25519(&x);
        }
    }
}
