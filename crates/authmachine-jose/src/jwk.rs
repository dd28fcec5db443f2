//! One public key (RFC 7517, RFC 7518 §6, RFC 8037 §2), checked and parsed once.

use crate::{
    Algorithm, base64url, sha256,
    strict_json::{self, JsonError},
};
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ED25519, ParsedPublicKey, RSA_PKCS1_2048_8192_SHA256, RSA_PSS_2048_8192_SHA256,
    RsaPublicKeyComponents,
};
use serde::{Serialize, Serializer, ser::SerializeMap};
use serde_json::{Map, Value};
use std::{fmt, str::FromStr};

/// A public key that checks signatures: RSA of 2,048 to 8,192 bits, P-256 or Ed25519.
///
/// It has been checked and parsed when it exists, so using it costs the signature only. It serialises as it is
/// published in a JWK Set, and cannot hold a private part.
#[derive(Clone)]
pub struct Jwk {
    kid: Option<String>,
    algorithm: Option<Algorithm>,
    material: Material,
}

/// Why a JWK is no key for us.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum JwkError {
    /// Not a JSON object, or not strictly.
    #[error(transparent)]
    Json(#[from] JsonError),
    /// It holds a private or symmetric key, which has been shown to somebody now.
    #[error("the JWK holds a private or symmetric key, which must be replaced")]
    PrivateKey,
    /// `kty` is none of `RSA`, `EC`, `OKP`.
    #[error("the JWK's kty is not in use here")]
    UnsupportedKeyType,
    /// `crv` is neither `P-256` nor `Ed25519`.
    #[error("the JWK's crv is not in use here")]
    UnsupportedCurve,
    /// `alg` is none of ours, or none of this key's type.
    #[error("the JWK's alg is not in use here for its kty")]
    UnsupportedAlgorithm,
    /// `use` or `key_ops` keeps the key for something else than checking signatures.
    #[error("the JWK is not for checking signatures")]
    NotForSignatures,
    /// This member is missing, of a wrong type, or not in its one right form.
    #[error("the JWK's member {0} is missing or malformed")]
    Member(&'static str),
    /// An RSA key under 2,048 or over 8,192 bits.
    #[error("the JWK's modulus is shorter than 2048 bits or longer than 8192")]
    RsaSize,
    /// The numbers make no key: a point that is not on its curve, say.
    #[error("the JWK's numbers are not a key")]
    NotAKey,
}

/// The published numbers in base64url beside the parsed key.
#[derive(Clone)]
enum Material {
    Rsa { n: String, e: String, pkcs1: ParsedPublicKey, pss: ParsedPublicKey },
    P256 { x: String, y: String, key: ParsedPublicKey },
    Ed25519 { x: String, key: ParsedPublicKey },
}

/// RFC 7518 §6.2.2, §6.3.2, §6.4.1, and `priv` of the newer key types.
const PRIVATE_MEMBERS: [&str; 10] = ["d", "p", "q", "dp", "dq", "qi", "oth", "k", "priv", "seed"];

impl Jwk {
    /// Reads one JWK. Members that nobody here needs (`x5c`, `x5u`…) are ignored.
    ///
    /// # Errors
    /// See [`JwkError`].
    pub fn from_object(jwk: &Map<String, Value>) -> Result<Self, JwkError> {
        if PRIVATE_MEMBERS.iter().any(|member| jwk.contains_key(*member)) {
            return Err(JwkError::PrivateKey);
        }
        let kty = text(jwk, "kty")?.ok_or(JwkError::Member("kty"))?;
        if !matches!(kty, "RSA" | "EC" | "OKP") {
            return Err(JwkError::UnsupportedKeyType);
        }
        if text(jwk, "use")?.is_some_and(|purpose| purpose != "sig") {
            return Err(JwkError::NotForSignatures);
        }
        match jwk.get("key_ops") {
            None => {}
            Some(Value::Array(ops)) if ops.iter().any(|op| op == "verify") => {}
            Some(Value::Array(_)) => return Err(JwkError::NotForSignatures),
            Some(_) => return Err(JwkError::Member("key_ops")),
        }
        let algorithm = match text(jwk, "alg")? {
            None => None,
            Some(name) => Some(name.parse().map_err(|_| JwkError::UnsupportedAlgorithm)?),
        };
        let material = match (kty, text(jwk, "crv")?) {
            ("RSA", _) => Material::rsa(&bytes(jwk, "n")?, &bytes(jwk, "e")?)?,
            ("EC", Some("P-256")) => Material::p256(&bytes(jwk, "x")?, &bytes(jwk, "y")?)?,
            ("OKP", Some("Ed25519")) => Material::ed25519(&bytes(jwk, "x")?)?,
            (_, Some(_)) => return Err(JwkError::UnsupportedCurve),
            (_, None) => return Err(JwkError::Member("crv")),
        };
        let jwk = Self { kid: text(jwk, "kid")?.map(str::to_owned), algorithm, material };
        match algorithm {
            Some(algorithm) if !jwk.serves(algorithm) => Err(JwkError::UnsupportedAlgorithm),
            _ => Ok(jwk),
        }
    }

    /// As [`from_object`](Self::from_object).
    ///
    /// # Errors
    /// See [`JwkError`].
    pub fn from_value(jwk: &Value) -> Result<Self, JwkError> {
        Self::from_object(jwk.as_object().ok_or(JsonError::NotAnObject)?)
    }

    /// An RSA key from its big-endian numbers.
    pub(crate) fn rsa(n: &[u8], e: &[u8]) -> Result<Self, JwkError> {
        Ok(Self::bare(Material::rsa(n, e)?))
    }

    /// A P-256 key from its coordinates.
    pub(crate) fn p256(x: &[u8], y: &[u8]) -> Result<Self, JwkError> {
        Ok(Self::bare(Material::p256(x, y)?))
    }

    /// An Ed25519 key.
    pub(crate) fn ed25519(x: &[u8]) -> Result<Self, JwkError> {
        Ok(Self::bare(Material::ed25519(x)?))
    }

    fn bare(material: Material) -> Self {
        Self { kid: None, algorithm: None, material }
    }

    /// The same key under a name, kept to one algorithm.
    pub(crate) fn named(self, kid: String, algorithm: Algorithm) -> Self {
        Self { kid: Some(kid), algorithm: Some(algorithm), ..self }
    }

    /// `kid`, if it has one.
    #[must_use]
    pub fn kid(&self) -> Option<&str> {
        self.kid.as_deref()
    }

    /// `alg`, if the key is kept to one.
    #[must_use]
    pub fn algorithm(&self) -> Option<Algorithm> {
        self.algorithm
    }

    /// Whether the key checks signatures of `algorithm`: by its type, and by its `alg` where it has one.
    #[must_use]
    pub fn serves(&self, algorithm: Algorithm) -> bool {
        self.parsed(algorithm).is_some()
    }

    /// Whether `signature` is this key's over `message`. A key that does not serve `algorithm` says no.
    pub(crate) fn is_signed(&self, algorithm: Algorithm, message: &[u8], signature: &[u8]) -> bool {
        self.parsed(algorithm).is_some_and(|key| key.verify_sig(message, signature).is_ok())
    }

    fn parsed(&self, algorithm: Algorithm) -> Option<&ParsedPublicKey> {
        if self.algorithm.is_some_and(|own| own != algorithm) {
            return None;
        }
        match (algorithm, &self.material) {
            (Algorithm::RS256, Material::Rsa { pkcs1: key, .. })
            | (Algorithm::PS256, Material::Rsa { pss: key, .. })
            | (Algorithm::ES256, Material::P256 { key, .. })
            | (Algorithm::EdDSA, Material::Ed25519 { key, .. }) => Some(key),
            _ => None,
        }
    }

    /// The key's SHA-256 thumbprint in base64url (RFC 7638, RFC 8037 §2), a `kid` that is unique to the key.
    #[must_use]
    pub fn thumbprint(&self) -> String {
        // Base64url needs no escaping in JSON; the order of members is the standard's.
        let canonical = match &self.material {
            Material::Rsa { n, e, .. } => format!(r#"{{"e":"{e}","kty":"RSA","n":"{n}"}}"#),
            Material::P256 { x, y, .. } => format!(r#"{{"crv":"P-256","kty":"EC","x":"{x}","y":"{y}"}}"#),
            Material::Ed25519 { x, .. } => format!(r#"{{"crv":"Ed25519","kty":"OKP","x":"{x}"}}"#),
        };
        base64url::encode(&sha256(canonical.as_bytes()))
    }
}

impl Material {
    /// RFC 7518 §6.3.1: both numbers in the fewest octets.
    fn rsa(n: &[u8], e: &[u8]) -> Result<Self, JwkError> {
        match n.first() {
            None | Some(0) => return Err(JwkError::Member("n")),
            Some(first) if !(2_048..=8_192).contains(&(n.len() * 8 - first.leading_zeros() as usize)) => {
                return Err(JwkError::RsaSize);
            }
            Some(_) => {}
        }
        // An exponent of 1 would make every message its own signature; more than 32 bits nobody uses.
        let odd = |number: &[u8]| number.last().is_some_and(|last| last % 2 == 1);
        if e.len() > 4 || e.first() == Some(&0) || e == [1] || !odd(e) {
            return Err(JwkError::Member("e"));
        }
        if !odd(n) {
            return Err(JwkError::NotAKey);
        }
        let components = RsaPublicKeyComponents { n, e };
        let parsed = |parameters| components.to_parsed_public_key(parameters).map_err(|_| JwkError::NotAKey);
        Ok(Self::Rsa {
            n: base64url::encode(n),
            e: base64url::encode(e),
            pkcs1: parsed(&RSA_PKCS1_2048_8192_SHA256)?,
            pss: parsed(&RSA_PSS_2048_8192_SHA256)?,
        })
    }

    /// RFC 7518 §6.2.1: both coordinates in 32 octets.
    fn p256(x: &[u8], y: &[u8]) -> Result<Self, JwkError> {
        if x.len() != 32 {
            return Err(JwkError::Member("x"));
        }
        if y.len() != 32 {
            return Err(JwkError::Member("y"));
        }
        let point = [&[4], x, y].concat();
        let key = ParsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point).map_err(|_| JwkError::NotAKey)?;
        Ok(Self::P256 { x: base64url::encode(x), y: base64url::encode(y), key })
    }

    /// RFC 8037 §2: 32 octets.
    fn ed25519(x: &[u8]) -> Result<Self, JwkError> {
        if x.len() != 32 {
            return Err(JwkError::Member("x"));
        }
        let key = ParsedPublicKey::new(&ED25519, x).map_err(|_| JwkError::NotAKey)?;
        Ok(Self::Ed25519 { x: base64url::encode(x), key })
    }
}

fn text<'a>(jwk: &'a Map<String, Value>, member: &'static str) -> Result<Option<&'a str>, JwkError> {
    jwk.get(member).map(|value| value.as_str().ok_or(JwkError::Member(member))).transpose()
}

fn bytes(jwk: &Map<String, Value>, member: &'static str) -> Result<Vec<u8>, JwkError> {
    text(jwk, member)?.and_then(base64url::decode).ok_or(JwkError::Member(member))
}

impl FromStr for Jwk {
    type Err = JwkError;

    fn from_str(json: &str) -> Result<Self, JwkError> {
        Self::from_object(&strict_json::parse_object(json.as_bytes())?)
    }
}

impl Serialize for Jwk {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut jwk = serializer.serialize_map(None)?;
        let kty = match &self.material {
            Material::Rsa { .. } => "RSA",
            Material::P256 { .. } => "EC",
            Material::Ed25519 { .. } => "OKP",
        };
        jwk.serialize_entry("kty", kty)?;
        jwk.serialize_entry("use", "sig")?;
        if let Some(algorithm) = self.algorithm {
            jwk.serialize_entry("alg", &algorithm)?;
        }
        if let Some(kid) = &self.kid {
            jwk.serialize_entry("kid", kid)?;
        }
        match &self.material {
            Material::Rsa { n, e, .. } => {
                jwk.serialize_entry("n", n)?;
                jwk.serialize_entry("e", e)?;
            }
            Material::P256 { x, y, .. } => {
                jwk.serialize_entry("crv", "P-256")?;
                jwk.serialize_entry("x", x)?;
                jwk.serialize_entry("y", y)?;
            }
            Material::Ed25519 { x, .. } => {
                jwk.serialize_entry("crv", "Ed25519")?;
                jwk.serialize_entry("x", x)?;
            }
        }
        jwk.end()
    }
}

impl fmt::Debug for Jwk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Jwk")
            .field("kid", &self.kid)
            .field("algorithm", &self.algorithm)
            .field("thumbprint", &self.thumbprint())
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{ED25519_JWK, P256_JWK, RSA_JWK, jwk_with, rsa_jwk_of};
    use serde_json::json;

    #[test]
    fn thumbprints_are_those_of_the_standards() {
        // RFC 7638 §3.1 and RFC 8037 A.3.
        let rfc7638 = json!({
            "kty": "RSA",
            "n": "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPeb\
                  WKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQM\
                  icAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRw\
                  r3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw",
            "e": "AQAB", "alg": "RS256", "kid": "2011-04-29"
        });
        let key = Jwk::from_value(&rfc7638).unwrap();
        assert_eq!(key.thumbprint(), "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs");
        assert_eq!((key.kid(), key.algorithm()), (Some("2011-04-29"), Some(Algorithm::RS256)));
        let key: Jwk = ED25519_JWK.parse().unwrap();
        assert_eq!(key.thumbprint(), "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k");
    }

    #[test]
    fn a_key_is_published_as_it_was_read() {
        for (text, algorithm) in
            [(RSA_JWK, "PS256"), (RSA_JWK, "RS256"), (P256_JWK, "ES256"), (ED25519_JWK, "EdDSA")]
        {
            let whole = jwk_with(text, json!({"use": "sig", "alg": algorithm, "kid": "a\"b"}));
            let published = serde_json::to_value(Jwk::from_value(&whole).unwrap()).unwrap();
            assert_eq!(published, whole);
        }
        let published = serde_json::to_string(&ED25519_JWK.parse::<Jwk>().unwrap()).unwrap();
        let expected =
            r#"{"kty":"OKP","use":"sig","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}"#;
        assert_eq!(published, expected);
    }

    #[test]
    fn jw1_a_key_serves_the_algorithms_of_its_type_and_its_own_alg_only() {
        let served = |jwk: &Value| -> Vec<Algorithm> {
            let key = Jwk::from_value(jwk).unwrap();
            Algorithm::ALL.into_iter().filter(|algorithm| key.serves(*algorithm)).collect()
        };
        assert_eq!(served(&jwk_with(RSA_JWK, json!({}))), [Algorithm::RS256, Algorithm::PS256]);
        assert_eq!(served(&jwk_with(RSA_JWK, json!({"alg": "PS256"}))), [Algorithm::PS256]);
        assert_eq!(served(&jwk_with(P256_JWK, json!({}))), [Algorithm::ES256]);
        assert_eq!(served(&jwk_with(ED25519_JWK, json!({}))), [Algorithm::EdDSA]);
    }

    #[test]
    fn jw7_only_vetted_keys_are_taken() {
        // The point is on P-384, not P-256; the coordinates have its 48 octets.
        let p384 = json!({
            "kty": "EC", "crv": "P-384",
            "x": "fD66CD0ryKi7Lw9ddsfP5cyEp6Fyzo-Cjd2mWQcms9ChUxwbLNYyWi2dOiIY1SyD",
            "y": "w8JK_TIitUKx_fBr3_sri9zrjpHdsfwIazoJ6yjsdxVppwJZXYAS34_jW8gN1LZH"
        });
        let mut p384_as_p256 = p384.clone();
        p384_as_p256["crv"] = json!("P-256");
        let x = base64url::encode(&[1; 32]);
        for (jwk, error) in [
            (rsa_jwk_of(&[0xff; 128]), JwkError::RsaSize),
            (rsa_jwk_of(&[[0x7f; 1].as_slice(), &[0xff; 255]].concat()), JwkError::RsaSize), // 2,047 bits
            (rsa_jwk_of(&[[1; 1].as_slice(), &[0xff; 1_024]].concat()), JwkError::RsaSize),  // 8,193 bits
            (rsa_jwk_of(&[[0; 1].as_slice(), &[0xff; 256]].concat()), JwkError::Member("n")),
            (rsa_jwk_of(&[0xfe; 256]), JwkError::NotAKey),
            (rsa_jwk_of(&[]), JwkError::Member("n")),
            (jwk_with(RSA_JWK, json!({"e": "AQ"})), JwkError::Member("e")),
            (jwk_with(RSA_JWK, json!({"e": "AAEAAQ"})), JwkError::Member("e")),
            (jwk_with(RSA_JWK, json!({"e": "AQAA"})), JwkError::Member("e")),
            (jwk_with(RSA_JWK, json!({"e": "AQAAAAE"})), JwkError::Member("e")),
            (jwk_with(RSA_JWK, json!({"e": ""})), JwkError::Member("e")),
            (p384, JwkError::UnsupportedCurve),
            (p384_as_p256, JwkError::Member("x")),
            (jwk_with(P256_JWK, json!({"crv": "secp256k1"})), JwkError::UnsupportedCurve),
            (jwk_with(P256_JWK, json!({"crv": "Ed25519"})), JwkError::UnsupportedCurve),
            (jwk_with(P256_JWK, json!({"x": x, "y": x})), JwkError::NotAKey),
            (jwk_with(P256_JWK, json!({"y": "AQAB"})), JwkError::Member("y")),
            (jwk_with(ED25519_JWK, json!({"crv": "X25519"})), JwkError::UnsupportedCurve),
            (jwk_with(ED25519_JWK, json!({"crv": "P-256"})), JwkError::UnsupportedCurve),
            (jwk_with(ED25519_JWK, json!({"x": "AQAB"})), JwkError::Member("x")),
        ] {
            assert_eq!(Jwk::from_value(&jwk).unwrap_err(), error, "{jwk}");
        }
    }

    #[test]
    fn jw8_a_key_with_a_private_part_is_refused() {
        for member in PRIVATE_MEMBERS {
            for jwk in [RSA_JWK, P256_JWK, ED25519_JWK] {
                let jwk = jwk_with(jwk, json!({member: "AQAB"}));
                assert_eq!(Jwk::from_value(&jwk).unwrap_err(), JwkError::PrivateKey, "{jwk}");
            }
        }
        assert_eq!(r#"{"kty":"oct","k":"c2VjcmV0"}"#.parse::<Jwk>().unwrap_err(), JwkError::PrivateKey);
    }

    #[test]
    fn jw1_a_key_kept_for_something_else_is_refused() {
        for (members, error) in [
            (json!({"use": "enc"}), JwkError::NotForSignatures),
            (json!({"use": 1}), JwkError::Member("use")),
            (json!({"key_ops": ["sign", "encrypt"]}), JwkError::NotForSignatures),
            (json!({"key_ops": []}), JwkError::NotForSignatures),
            (json!({"key_ops": "verify"}), JwkError::Member("key_ops")),
            (json!({"alg": "RSA-OAEP"}), JwkError::UnsupportedAlgorithm),
            (json!({"alg": "none"}), JwkError::UnsupportedAlgorithm),
            (json!({"alg": "ES256"}), JwkError::UnsupportedAlgorithm),
            (json!({"alg": null}), JwkError::Member("alg")),
            (json!({"kid": 7}), JwkError::Member("kid")),
            (json!({"kty": "rsa"}), JwkError::UnsupportedKeyType),
            (json!({"kty": null}), JwkError::Member("kty")),
            (json!({"n": 1}), JwkError::Member("n")),
            (json!({"e": "AQAB="}), JwkError::Member("e")),
        ] {
            assert_eq!(Jwk::from_value(&jwk_with(RSA_JWK, members.clone())).unwrap_err(), error, "{members}");
        }
        let allowed = json!({"key_ops": ["verify"], "use": "sig", "x5u": "https://evil.example/", "x5c": []});
        assert!(Jwk::from_value(&jwk_with(RSA_JWK, allowed)).is_ok());
    }

    #[test]
    fn jw4_a_member_given_twice_is_refused() {
        let twice = RSA_JWK.replacen('{', r#"{"e":"AQAB","#, 1);
        assert_eq!(twice.parse::<Jwk>().unwrap_err(), JwkError::Json(JsonError::DuplicateMember));
        assert_eq!(Jwk::from_value(&json!([])).unwrap_err(), JwkError::Json(JsonError::NotAnObject));
    }
}
