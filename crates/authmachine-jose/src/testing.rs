//! Keys and tokens of the standards, for tests.

use crate::base64url;
use serde_json::{Value, json};

/// RFC 7515 A.2.
pub(crate) const RSA_JWK: &str = r#"{"kty":"RSA","n":"ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL-yRT-SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5z5rexMdbBYUsLA9e-KXBdQOS-UTo7WTBEMa2R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRWyuXpoQ","e":"AQAB"}"#;
/// RFC 7515 A.2, its private key.
pub(crate) const RSA_PKCS8: &[u8] = include_bytes!("../tests/data/rfc7515_a2_rsa.pkcs8");
/// RFC 7515 A.2, the token.
pub(crate) const RFC7515_A2: &str = include_str!("../tests/data/rfc7515_a2.jws");

/// RFC 7515 A.3.
pub(crate) const P256_JWK: &str = r#"{"kty":"EC","crv":"P-256","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"}"#;
/// RFC 7515 A.3, its private key.
pub(crate) const P256_PKCS8: &[u8] = include_bytes!("../tests/data/rfc7515_a3_p256.pkcs8");
/// RFC 7515 A.3, the token.
pub(crate) const RFC7515_A3: &str = include_str!("../tests/data/rfc7515_a3.jws");

/// RFC 8037 A.2.
pub(crate) const ED25519_JWK: &str =
    r#"{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}"#;
/// RFC 8037 A.1.
pub(crate) const ED25519_PKCS8: &[u8] = include_bytes!("../tests/data/rfc8037_a1_ed25519.pkcs8");

/// PS256 by OpenSSL with the key of RFC 7515 A.2, and once with a salt of the greatest length.
pub(crate) const OPENSSL_PS256: &str = include_str!("../tests/data/openssl_ps256.jws");
/// See [`OPENSSL_PS256`].
pub(crate) const OPENSSL_PS256_LONG_SALT: &str = include_str!("../tests/data/openssl_ps256_long_salt.jws");

/// `jwk` with these members added or replaced.
pub(crate) fn jwk_with(jwk: &str, members: Value) -> Value {
    let mut jwk: Value = serde_json::from_str(jwk).unwrap();
    jwk.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
    jwk
}

/// An RSA key with this modulus.
pub(crate) fn rsa_jwk_of(n: &[u8]) -> Value {
    json!({"kty": "RSA", "n": base64url::encode(n), "e": "AQAB"})
}
