//! JWK, JWS and JWT: sign and verify, on vetted cryptography (`aws-lc-rs`).
//!
//! Knows the compact form of signed tokens, the public keys that check them, and the few primitives that
//! our other crates need: a hash, a keyed hash, a derived key, a sealed box. Knows nothing of issuers,
//! clients, lives of tokens or where keys come from: what a claim *means* is its reader's business.
//!
//! Pure, with one exception: what needs fresh randomness by its nature (making a key, signing with ES256 or
//! PS256, the nonce of a [`Sealer`]) takes it from the operating system's generator inside `aws-lc-rs`.

mod algorithm;
mod base64url;
pub mod claims;
pub mod compact;
mod digest;
mod jwk;
mod jwk_set;
mod sealer;
mod signing_key;
pub mod strict_json;
#[cfg(test)]
mod testing;

pub use algorithm::{Algorithm, UnknownAlgorithm, left_half_hash};
pub use claims::ClaimError;
pub use compact::{Header, JoseError, Unverified, Verified, danger_unsecured, verify};
pub use digest::{MacKey, constant_time_eq, derive_key, hex, hmac_sha256, sha256};
pub use jwk::{Jwk, JwkError};
pub use jwk_set::{JwkSet, JwkSetError};
pub use sealer::Sealer;
pub use signing_key::{SignError, SigningKey, SigningKeyError};
