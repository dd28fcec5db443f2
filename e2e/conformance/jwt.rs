//! JSON Web Tokens from the client's side (RFC 7515, RFC 7519), written for this suite: RS256, and none where it is asked for.

use aws_lc_rs::digest;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{
    KeyPair as _, RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_SHA256, RsaKeyPair, RsaPublicKeyComponents,
};
use base64ct::{Base64UrlUnpadded, Encoding as _};
use serde_json::{Map, Value, json};

/// A token in compact form, read.
#[derive(Clone, Debug)]
pub(crate) struct Jwt {
    pub(crate) header: Map<String, Value>,
    pub(crate) claims: Map<String, Value>,
    signed: String,
    signature: Vec<u8>,
}

impl Jwt {
    /// Reads a token strictly.
    #[track_caller]
    pub(crate) fn read(token: &str) -> Self {
        let parts: Vec<_> = token.split('.').collect();
        let [header, claims, signature] = parts[..] else { panic!("not three parts: {token}") };
        let object = |part: &str| -> Map<String, Value> {
            serde_json::from_slice(&decode(part))
                .unwrap_or_else(|error| panic!("not a JSON object ({error}): {part}"))
        };
        Self {
            header: object(header),
            claims: object(claims),
            signed: format!("{header}.{claims}"),
            signature: decode(signature),
        }
    }

    /// `alg`.
    pub(crate) fn alg(&self) -> &str {
        self.header.get("alg").and_then(Value::as_str).unwrap_or_default()
    }

    /// A claim that is text.
    pub(crate) fn text(&self, claim: &str) -> Option<&str> {
        self.claims.get(claim)?.as_str()
    }

    /// A claim that is a whole number.
    pub(crate) fn number(&self, claim: &str) -> Option<i64> {
        self.claims.get(claim)?.as_i64()
    }

    /// Fails unless the key that `kid` names has signed it with RS256.
    #[track_caller]
    pub(crate) fn is_signed_by(&self, jwks: &[Map<String, Value>]) {
        assert_eq!(self.alg(), "RS256", "{:?}", self.header);
        let kid = self.header.get("kid").and_then(Value::as_str).unwrap_or_default();
        assert!(!kid.is_empty(), "no kid in {:?}", self.header);
        let key =
            jwks.iter().find(|key| key["kid"] == kid).unwrap_or_else(|| panic!("no key {kid} is published"));
        assert_eq!(key["kty"], "RSA");
        assert!(key.get("use").is_none_or(|purpose| purpose == "sig"), "{key:?}");
        assert!(key.get("alg").is_none_or(|alg| alg == "RS256"), "{key:?}");
        let number = |name: &str| decode(key[name].as_str().expect("a number of the key"));
        RsaPublicKeyComponents { n: number("n"), e: number("e") }
            .verify(&RSA_PKCS1_2048_8192_SHA256, self.signed.as_bytes(), &self.signature)
            .unwrap_or_else(|_| panic!("the key {kid} did not sign {self:?}"));
    }

    /// Fails unless it is unsigned: `alg=none`, and nothing after the second dot (RFC 7515 appendix A.5).
    #[track_caller]
    pub(crate) fn is_unsigned(&self) {
        assert_eq!(self.alg(), "none", "{:?}", self.header);
        assert!(self.signature.is_empty(), "an unsigned token has a signature");
    }
}

/// A key pair of the client's.
pub(crate) struct Key {
    pair: RsaKeyPair,
    kid: Option<String>,
}

impl Key {
    /// A new one, with or without a name.
    pub(crate) fn generate(kid: Option<&str>) -> Self {
        let pair = RsaKeyPair::generate(KeySize::Rsa2048).expect("a key can be made");
        Self { pair, kid: kid.map(str::to_owned) }
    }

    /// The public half.
    pub(crate) fn public(&self) -> Value {
        // RSAPublicKey in DER (RFC 8017 appendix A.1.1); of 2,048 bits and 65,537 its parts are always in the same places.
        let der = self.pair.public_key().as_ref();
        assert_eq!((der.len(), der[8], &der[265..267]), (270, 0, &[0x02, 0x03][..]));
        let (n, e) = (encode(&der[9..265]), encode(&der[267..]));
        let mut jwk = json!({"kty": "RSA", "use": "sig", "alg": "RS256", "n": n, "e": e});
        if let Some(kid) = &self.kid {
            jwk["kid"] = kid.as_str().into();
        }
        jwk
    }

    /// Signs.
    pub(crate) fn sign(&self, claims: &Value) -> String {
        let mut header = json!({"alg": "RS256"});
        if let Some(kid) = &self.kid {
            header["kid"] = kid.as_str().into();
        }
        let signed =
            format!("{}.{}", encode(header.to_string().as_bytes()), encode(claims.to_string().as_bytes()));
        let mut signature = vec![0; self.pair.public_modulus_len()];
        self.pair
            .sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), signed.as_bytes(), &mut signature)
            .expect("the key signs");
        format!("{signed}.{}", encode(&signature))
    }
}

/// A token that nobody signed.
pub(crate) fn unsigned(claims: &Value) -> String {
    format!("{}.{}.", encode(br#"{"alg":"none"}"#), encode(claims.to_string().as_bytes()))
}

/// `at_hash` or `c_hash` of a value under RS256 (OIDC Core §3.1.3.6, §3.3.2.11).
pub(crate) fn left_half(value: &str) -> String {
    encode(&digest::digest(&digest::SHA256, value.as_bytes()).as_ref()[..16])
}

/// `code_challenge` of a verifier (RFC 7636 §4.2).
pub(crate) fn s256(verifier: &str) -> String {
    encode(digest::digest(&digest::SHA256, verifier.as_bytes()).as_ref())
}

pub(crate) fn encode(bytes: &[u8]) -> String {
    Base64UrlUnpadded::encode_string(bytes)
}

#[track_caller]
fn decode(text: &str) -> Vec<u8> {
    Base64UrlUnpadded::decode_vec(text)
        .unwrap_or_else(|_| panic!("not base64url without padding (RFC 7515 §2): {text}"))
}
