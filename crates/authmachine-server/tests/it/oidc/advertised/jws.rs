//! Signatures of all kinds: those that are offered, and those that are not.

use std::sync::OnceLock;

use authmachine_jose::{Algorithm, JwkSet, SigningKey};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{
    RSA_PKCS1_SHA384, RSA_PKCS1_SHA512, RSA_PSS_SHA384, RSA_PSS_SHA512, RsaEncoding, RsaKeyPair,
};
use base64ct::{Base64UrlUnpadded, Encoding as _};
use serde_json::{Value, json};

/// The signature algorithms of the registry (IANA «JSON Web Signature and Encryption Algorithms») that one could be talked into.
pub(super) const ALGORITHMS: [&str; 10] =
    ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "EdDSA", "HS256", "none"];

/// The client's key for an algorithm: one of each kind for all clients.
pub(super) fn key(algorithm: Algorithm) -> &'static SigningKey {
    static KEYS: [OnceLock<SigningKey>; Algorithm::ALL.len()] =
        [const { OnceLock::new() }; Algorithm::ALL.len()];
    let at = Algorithm::ALL.iter().position(|one| *one == algorithm).expect("it is one of all");
    KEYS[at].get_or_init(|| SigningKey::generate(algorithm, algorithm.as_str()).expect("the generator works"))
}

/// The public half of each [`key`], as a client registers them.
pub(super) fn key_set() -> Value {
    let keys: JwkSet = Algorithm::ALL.map(|algorithm| key(algorithm).public_jwk()).into_iter().collect();
    serde_json::to_value(keys).expect("JSON")
}

/// A compact JWS: of `HS256` with `secret`, of `none` without a signature, of all others with a [`key`].
pub(super) fn signed(algorithm: &str, typ: &str, claims: &Value, secret: &str) -> String {
    if let Ok(ours) = algorithm.parse::<Algorithm>() {
        return key(ours).sign(Some(typ), claims.to_string().as_bytes()).expect("it signs");
    }
    let encode = |bytes: &[u8]| Base64UrlUnpadded::encode_string(bytes);
    let header = match algorithm {
        "none" | "HS256" => json!({"alg": algorithm, "typ": typ}),
        rsa => json!({"alg": rsa, "typ": typ, "kid": key(kind_of(rsa)).kid()}),
    };
    let message =
        format!("{}.{}", encode(header.to_string().as_bytes()), encode(claims.to_string().as_bytes()));
    let signature = match algorithm {
        "none" => Vec::new(),
        "HS256" => authmachine_jose::hmac_sha256(secret.as_bytes(), message.as_bytes()).to_vec(),
        "RS384" => rsa(algorithm, &RSA_PKCS1_SHA384, &message),
        "RS512" => rsa(algorithm, &RSA_PKCS1_SHA512, &message),
        "PS384" => rsa(algorithm, &RSA_PSS_SHA384, &message),
        "PS512" => rsa(algorithm, &RSA_PSS_SHA512, &message),
        other => panic!("{other} is advertised, and nothing here signs with it"),
    };
    format!("{message}.{}", encode(&signature))
}

fn kind_of(algorithm: &str) -> Algorithm {
    if algorithm.starts_with("PS") { Algorithm::PS256 } else { Algorithm::RS256 }
}

fn rsa(algorithm: &str, encoding: &'static dyn RsaEncoding, message: &str) -> Vec<u8> {
    let key = RsaKeyPair::from_pkcs8(&key(kind_of(algorithm)).to_pkcs8()).expect("a key of ours");
    let mut signature = vec![0; key.public_modulus_len()];
    key.sign(encoding, &SystemRandom::new(), message.as_bytes(), &mut signature).expect("it signs");
    signature
}
