//! A private key that signs tokens, parsed once.

use crate::{Algorithm, Jwk, base64url};
use aws_lc_rs::{
    encoding::{AsDer, Pkcs8V1Der},
    rand::SystemRandom,
    rsa::KeySize,
    signature::{
        ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _, RSA_PKCS1_SHA256,
        RSA_PSS_SHA256, RsaKeyPair,
    },
};
use base64ct::{Base64, Encoding as _};
use std::fmt;
use zeroize::Zeroizing;

/// A private key with its `kid`, kept to one algorithm. `Debug` shows neither key nor bytes of it.
pub struct SigningKey {
    key_pair: KeyPair,
    algorithm: Algorithm,
    public_jwk: Jwk,
    kid: String,
    /// The protected header's JSON up to where `typ` and the closing brace go.
    header_start: String,
}

enum KeyPair {
    Rsa(RsaKeyPair),
    P256(EcdsaKeyPair),
    Ed25519(Ed25519KeyPair),
}

/// Why there is no signing key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SigningKeyError {
    /// The cryptographic library could not make one.
    #[error("no key could be generated")]
    Generation,
    /// The bytes are not PKCS#8 with a sound key of this algorithm (RSA: 2,048 to 8,192 bits).
    #[error("not a PKCS#8 key for this algorithm")]
    Rejected,
}

/// The cryptographic library refused to sign, for want of memory or entropy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the token could not be signed")]
pub struct SignError;

impl SigningKey {
    /// Makes a new key; for RSA of 2,048 bits, which takes some tenths of a second.
    ///
    /// # Errors
    /// [`SigningKeyError::Generation`].
    pub fn generate(algorithm: Algorithm, kid: impl Into<String>) -> Result<Self, SigningKeyError> {
        let key_pair = match algorithm {
            Algorithm::RS256 | Algorithm::PS256 => RsaKeyPair::generate(KeySize::Rsa2048).map(KeyPair::Rsa),
            Algorithm::ES256 => EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).map(KeyPair::P256),
            Algorithm::EdDSA => Ed25519KeyPair::generate().map(KeyPair::Ed25519),
        };
        Self::new(algorithm, kid.into(), key_pair.map_err(|_| SigningKeyError::Generation)?)
    }

    /// Reads an unencrypted PKCS#8 key (RFC 5958).
    ///
    /// # Errors
    /// [`SigningKeyError::Rejected`].
    pub fn from_pkcs8(
        algorithm: Algorithm,
        kid: impl Into<String>,
        pkcs8: &[u8],
    ) -> Result<Self, SigningKeyError> {
        let key_pair = match algorithm {
            Algorithm::RS256 | Algorithm::PS256 => RsaKeyPair::from_pkcs8(pkcs8).map(KeyPair::Rsa),
            Algorithm::ES256 => {
                EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, pkcs8).map(KeyPair::P256)
            }
            Algorithm::EdDSA => Ed25519KeyPair::from_pkcs8(pkcs8).map(KeyPair::Ed25519),
        };
        Self::new(algorithm, kid.into(), key_pair.map_err(|_| SigningKeyError::Rejected)?)
    }

    /// The same in PEM (RFC 7468 §10): `-----BEGIN PRIVATE KEY-----` and so on.
    ///
    /// # Errors
    /// [`SigningKeyError::Rejected`].
    pub fn from_pem(
        algorithm: Algorithm,
        kid: impl Into<String>,
        pem: &str,
    ) -> Result<Self, SigningKeyError> {
        let text = pem.split_once("-----BEGIN PRIVATE KEY-----").and_then(|(_, rest)| {
            let (text, _) = rest.split_once("-----END PRIVATE KEY-----")?;
            Some(Zeroizing::new(text.split_ascii_whitespace().collect::<String>()))
        });
        let text = text.ok_or(SigningKeyError::Rejected)?;
        let pkcs8 = Base64::decode_vec(&text).map(Zeroizing::new).map_err(|_| SigningKeyError::Rejected)?;
        Self::from_pkcs8(algorithm, kid, &pkcs8)
    }

    fn new(algorithm: Algorithm, kid: String, key_pair: KeyPair) -> Result<Self, SigningKeyError> {
        let public_jwk =
            key_pair.public_jwk().ok_or(SigningKeyError::Rejected)?.named(kid.clone(), algorithm);
        let header_start = format!(r#"{{"alg":"{algorithm}","kid":{}"#, json_string(&kid));
        Ok(Self { key_pair, algorithm, public_jwk, kid, header_start })
    }

    /// The same key, its `kid` the thumbprint of its public half (RFC 7638): unique without asking anybody.
    #[must_use]
    pub fn with_thumbprint_kid(self) -> Self {
        let kid = self.public_jwk.thumbprint();
        Self::new(self.algorithm, kid, self.key_pair).expect("only the name of a sound key changes")
    }

    /// The key in PKCS#8 (version 1), to be sealed before it is stored.
    #[must_use]
    pub fn to_pkcs8(&self) -> Zeroizing<Vec<u8>> {
        const WRITABLE: &str = "a parsed key can be written";
        Zeroizing::new(match &self.key_pair {
            KeyPair::Rsa(key) => AsDer::<Pkcs8V1Der<'_>>::as_der(key).expect(WRITABLE).as_ref().to_vec(),
            KeyPair::P256(key) => key.to_pkcs8v1().expect(WRITABLE).as_ref().to_vec(),
            KeyPair::Ed25519(key) => key.to_pkcs8v1().expect(WRITABLE).as_ref().to_vec(),
        })
    }

    /// The public half, with `kid` and `alg`, as it is published.
    #[must_use]
    pub fn public_jwk(&self) -> Jwk {
        self.public_jwk.clone()
    }

    /// The one algorithm that it signs with.
    #[must_use]
    pub fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// Its name in headers and JWK Sets.
    #[must_use]
    pub fn kid(&self) -> &str {
        &self.kid
    }

    /// Makes a compact JWS (RFC 7515 §7.1) of `payload_json`, the JSON of the claims, under a header with
    /// `alg`, `kid` and, if given, `typ`.
    ///
    /// # Errors
    /// [`SignError`].
    pub fn sign(&self, typ: Option<&str>, payload_json: &[u8]) -> Result<String, SignError> {
        self.sign_under(&self.header_start, typ, payload_json)
    }

    /// The same without `kid`, for readers who know the key under none.
    ///
    /// # Errors
    /// [`SignError`].
    pub fn sign_nameless(&self, typ: Option<&str>, payload_json: &[u8]) -> Result<String, SignError> {
        self.sign_under(&format!(r#"{{"alg":"{}""#, self.algorithm), typ, payload_json)
    }

    fn sign_under(&self, start: &str, typ: Option<&str>, payload_json: &[u8]) -> Result<String, SignError> {
        let typ = typ.map(|typ| format!(r#","typ":{}"#, json_string(typ))).unwrap_or_default();
        let header = format!("{start}{typ}}}");
        // 684 letters hold the signature of an RSA key of 4,096 bits.
        let room =
            base64url::encoded_len(header.len()) + base64url::encoded_len(payload_json.len()) + 2 + 684;
        let mut token = Vec::with_capacity(room);
        base64url::push(&mut token, header.as_bytes());
        token.push(b'.');
        base64url::push(&mut token, payload_json);
        let signature = self.signature(&token)?;
        token.push(b'.');
        base64url::push(&mut token, &signature);
        Ok(String::from_utf8(token).expect("base64url and dots are ASCII"))
    }

    fn signature(&self, message: &[u8]) -> Result<Vec<u8>, SignError> {
        let random = SystemRandom::new(); // asked for by the interface; aws-lc uses its own generator
        match &self.key_pair {
            KeyPair::Rsa(key) => {
                let padding =
                    if self.algorithm == Algorithm::PS256 { &RSA_PSS_SHA256 } else { &RSA_PKCS1_SHA256 };
                let mut signature = vec![0; key.public_modulus_len()];
                key.sign(padding, &random, message, &mut signature).map(|()| signature)
            }
            KeyPair::P256(key) => key.sign(&random, message).map(|signature| signature.as_ref().to_vec()),
            KeyPair::Ed25519(key) => key.try_sign(message).map(|signature| signature.as_ref().to_vec()),
        }
        .map_err(|_| SignError)
    }
}

impl KeyPair {
    fn public_jwk(&self) -> Option<Jwk> {
        match self {
            Self::Rsa(key) => {
                let (n, e) = rsa_numbers(key.public_key().as_ref())?;
                Jwk::rsa(n, e).ok()
            }
            Self::P256(key) => {
                // Uncompressed point: 4, x, y (SEC 1 §2.3.3).
                let (x, y) = key.public_key().as_ref().get(1..)?.split_at_checked(32)?;
                Jwk::p256(x, y).ok()
            }
            Self::Ed25519(key) => Jwk::ed25519(key.public_key().as_ref()).ok(),
        }
    }
}

/// Modulus and exponent out of the DER that aws-lc gives: `SEQUENCE { INTEGER n, INTEGER e }` (RFC 8017 A.1.1).
fn rsa_numbers(der: &[u8]) -> Option<(&[u8], &[u8])> {
    /// Contents of the element with this tag at the start, and what follows it.
    fn element(der: &[u8], tag: u8) -> Option<(&[u8], &[u8])> {
        let (found, rest) = der.split_first()?;
        let (&first, rest) = rest.split_first()?;
        // Under 128 the length itself, else the number of its octets.
        let (len, rest) = match first.checked_sub(0x80) {
            None => (usize::from(first), rest),
            Some(octets @ 1..=3) => {
                let (octets, rest) = rest.split_at_checked(octets.into())?;
                (octets.iter().fold(0, |len, octet| len << 8 | usize::from(*octet)), rest)
            }
            Some(_) => return None,
        };
        if *found == tag { rest.split_at_checked(len) } else { None }
    }
    const INTEGER: u8 = 0x02;
    const SEQUENCE: u8 = 0x30;
    /// A leading zero keeps a DER integer positive; a JWK has none.
    fn unsigned(integer: &[u8]) -> &[u8] {
        integer.strip_prefix(&[0]).unwrap_or(integer)
    }
    let (numbers, _) = element(der, SEQUENCE)?;
    let (n, rest) = element(numbers, INTEGER)?;
    let (e, _) = element(rest, INTEGER)?;
    Some((unsigned(n), unsigned(e)))
}

fn json_string(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SigningKey({} {:?} ***)", self.algorithm, self.kid)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{ED25519_JWK, ED25519_PKCS8, P256_JWK, P256_PKCS8, RFC7515_A2, RSA_JWK, RSA_PKCS8};
    use serde_json::json;

    #[test]
    fn a_key_is_read_from_pem_as_openssl_writes_it() {
        let text = Base64::encode_string(P256_PKCS8);
        let lines: Vec<_> = text.as_bytes().chunks(64).map(|line| str::from_utf8(line).unwrap()).collect();
        let pem = |label: &str, end: &str| {
            let lines = lines.join(end);
            format!("of somebody{end}-----BEGIN {label}-----{end}{lines}{end}-----END {label}-----{end}")
        };
        for end in ["\n", "\r\n"] {
            let key = SigningKey::from_pem(Algorithm::ES256, "k", &pem("PRIVATE KEY", end)).unwrap();
            assert_eq!(
                key.to_pkcs8(),
                SigningKey::from_pkcs8(Algorithm::ES256, "", P256_PKCS8).unwrap().to_pkcs8()
            );
        }
        let good = pem("PRIVATE KEY", "\n");
        for bad in [
            "",
            &text,
            &pem("EC PRIVATE KEY", "\n"),
            &pem("ENCRYPTED PRIVATE KEY", "\n"),
            &good.replace("M", "!"),
            &good[..80],
        ] {
            let refused = SigningKey::from_pem(Algorithm::ES256, "k", bad);
            assert_eq!(refused.unwrap_err(), SigningKeyError::Rejected, "{bad}");
        }
        assert!(SigningKey::from_pem(Algorithm::EdDSA, "k", &good).is_err());
    }

    #[test]
    fn a_nameless_token_has_no_kid() {
        let key = SigningKey::from_pkcs8(Algorithm::ES256, "k", P256_PKCS8).unwrap();
        let token = key.sign_nameless(Some("JWT"), b"{}").unwrap();
        let verified =
            crate::verify(&token, &[key.public_jwk()].into_iter().collect(), &Algorithm::ALL).unwrap();
        assert_eq!((verified.header.kid, verified.header.typ.as_deref()), (None, Some("JWT")));
    }

    #[test]
    fn rs256_signs_as_rfc_7515_a2_does() {
        let key = SigningKey::from_pkcs8(Algorithm::RS256, "k", RSA_PKCS8).unwrap();
        let (message, signature) = RFC7515_A2.rsplit_once('.').unwrap();
        assert_eq!(base64url::encode(&key.signature(message.as_bytes()).unwrap()), signature);
    }

    #[test]
    fn eddsa_signs_as_rfc_8037_a4_does() {
        let key = SigningKey::from_pkcs8(Algorithm::EdDSA, "k", ED25519_PKCS8).unwrap();
        let message = b"eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc";
        let signature =
            "hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg";
        assert_eq!(base64url::encode(&key.signature(message).unwrap()), signature);
        let public: Jwk = ED25519_JWK.parse().unwrap();
        assert!(public.is_signed(Algorithm::EdDSA, message, &base64url::decode(signature).unwrap()));
    }

    #[test]
    fn jw7_es256_signatures_have_their_fixed_64_bytes() {
        let key = SigningKey::from_pkcs8(Algorithm::ES256, "k", P256_PKCS8).unwrap();
        let public: Jwk = P256_JWK.parse().unwrap();
        for _ in 0..64 {
            let signature = key.signature(b"message").unwrap();
            assert_eq!(signature.len(), 64);
            assert!(public.is_signed(Algorithm::ES256, b"message", &signature));
        }
    }

    #[test]
    fn the_public_half_is_the_published_key() {
        for (algorithm, pkcs8, jwk) in [
            (Algorithm::RS256, RSA_PKCS8, RSA_JWK),
            (Algorithm::PS256, RSA_PKCS8, RSA_JWK),
            (Algorithm::ES256, P256_PKCS8, P256_JWK),
            (Algorithm::EdDSA, ED25519_PKCS8, ED25519_JWK),
        ] {
            let key = SigningKey::from_pkcs8(algorithm, "2026-07", pkcs8).unwrap();
            let mut expected: serde_json::Value = serde_json::from_str(jwk).unwrap();
            expected["use"] = json!("sig");
            expected["alg"] = json!(algorithm);
            expected["kid"] = json!("2026-07");
            assert_eq!(serde_json::to_value(key.public_jwk()).unwrap(), expected);
            let thumbprint = key.public_jwk().thumbprint();
            let key = key.with_thumbprint_kid();
            assert_eq!((key.kid(), key.public_jwk().kid()), (thumbprint.as_str(), Some(thumbprint.as_str())));
        }
    }

    #[test]
    fn the_header_says_alg_kid_and_typ_whatever_their_letters() {
        let key = SigningKey::from_pkcs8(Algorithm::EdDSA, "a\"b", ED25519_PKCS8).unwrap();
        let header = |typ| {
            let token = key.sign(typ, b"{}").unwrap();
            String::from_utf8(base64url::decode(token.split('.').next().unwrap()).unwrap()).unwrap()
        };
        assert_eq!(header(None), r#"{"alg":"EdDSA","kid":"a\"b"}"#);
        assert_eq!(header(Some("at+jwt")), r#"{"alg":"EdDSA","kid":"a\"b","typ":"at+jwt"}"#);
    }

    #[test]
    fn a_key_written_and_read_again_is_the_same() {
        for algorithm in Algorithm::ALL {
            let key = SigningKey::generate(algorithm, "k").unwrap();
            let read = SigningKey::from_pkcs8(algorithm, "k", &key.to_pkcs8()).unwrap();
            assert_eq!(key.public_jwk().thumbprint(), read.public_jwk().thumbprint(), "{algorithm}");
            let other = SigningKey::generate(algorithm, "k").unwrap();
            assert_ne!(key.public_jwk().thumbprint(), other.public_jwk().thumbprint(), "{algorithm}");
        }
    }

    #[test]
    fn jw7_short_rsa_and_other_curves_do_not_sign() {
        let rsa_1024 = include_bytes!("../tests/data/rsa_1024.pkcs8").as_slice();
        let p384 = include_bytes!("../tests/data/p384.pkcs8").as_slice();
        for (algorithm, pkcs8) in [
            (Algorithm::RS256, rsa_1024),
            (Algorithm::PS256, rsa_1024),
            (Algorithm::ES256, p384),
            (Algorithm::RS256, P256_PKCS8),
            (Algorithm::ES256, ED25519_PKCS8),
            (Algorithm::EdDSA, RSA_PKCS8),
            (Algorithm::EdDSA, &ED25519_PKCS8[..20]),
            (Algorithm::RS256, b""),
        ] {
            let refused = SigningKey::from_pkcs8(algorithm, "k", pkcs8).unwrap_err();
            assert_eq!(refused, SigningKeyError::Rejected, "{algorithm}");
        }
    }

    #[test]
    fn jw8_debug_shows_no_key() {
        let key = SigningKey::from_pkcs8(Algorithm::EdDSA, "k", ED25519_PKCS8).unwrap();
        assert_eq!(format!("{key:?}"), r#"SigningKey(EdDSA "k" ***)"#);
    }
}
