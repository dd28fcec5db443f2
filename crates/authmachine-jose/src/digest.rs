//! Hash, keyed hash, key derivation and comparison, so that no other crate needs cryptography of its own.

use aws_lc_rs::{constant_time, digest, hkdf, hmac};
use zeroize::Zeroizing;

/// SHA-256.
#[must_use]
pub fn sha256(data: &[u8]) -> [u8; 32] {
    array(digest::digest(&digest::SHA256, data).as_ref())
}

/// HMAC-SHA-256 (RFC 2104).
#[must_use]
pub fn hmac_sha256(key: &[u8], data: &[u8]) -> [u8; 32] {
    array(hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), data).as_ref())
}

/// A key for HMAC-SHA-256, set up once: half of what [`hmac_sha256`] takes on a short text.
pub struct MacKey(hmac::Key);

impl MacKey {
    /// Sets `key` up.
    #[must_use]
    pub fn new(key: &[u8]) -> Self {
        Self(hmac::Key::new(hmac::HMAC_SHA256, key))
    }

    /// The MAC of `parts` one after the other: what must not be mistaken for another has a separator between.
    #[must_use]
    pub fn mac(&self, parts: &[&str]) -> [u8; 32] {
        let mut context = hmac::Context::with_key(&self.0);
        parts.iter().for_each(|part| context.update(part.as_bytes()));
        array(context.sign().as_ref())
    }
}

/// The key for one purpose, out of a master key: HKDF-SHA-256 without salt, `purpose` as `info` (RFC 5869).
///
/// `master` is a key with full entropy, never a password. Each use has a purpose text of its own, and keeps it.
#[must_use]
pub fn derive_key(master: &[u8], purpose: &str) -> Zeroizing<[u8; 32]> {
    let mut key = Zeroizing::new([0; 32]);
    hkdf::Salt::new(hkdf::HKDF_SHA256, &[])
        .extract(master)
        .expand(&[purpose.as_bytes()], hkdf::HKDF_SHA256)
        .and_then(|okm| okm.fill(key.as_mut_slice()))
        .expect("HKDF-SHA-256 gives up to 8,160 bytes, and 32 are asked for");
    key
}

/// `bytes` as hexadecimal digits in lower case.
#[must_use]
pub fn hex(bytes: &[u8]) -> String {
    let digit = |bits: u8| char::from(b"0123456789abcdef"[usize::from(bits)]);
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
}

/// Whether `a` and `b` are equal, in a time that depends on their lengths only.
#[must_use]
pub fn constant_time_eq(a: &[u8], b: &[u8]) -> bool {
    constant_time::verify_slices_are_equal(a, b).is_ok()
}

fn array(hash: &[u8]) -> [u8; 32] {
    hash.try_into().expect("a SHA-256 hash has 32 bytes")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_primitives_are_those_of_their_standards() {
        // FIPS 180-4.
        assert_eq!(hex(&sha256(b"abc")), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
        // RFC 4231 §4.3.
        assert_eq!(
            hex(&hmac_sha256(b"Jefe", b"what do ya want for nothing?")),
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
        );
        // RFC 5869 A.3: no salt, no info.
        assert_eq!(
            hex(derive_key(&[0x0b; 22], "").as_slice()),
            "8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d"
        );
    }

    #[test]
    fn each_purpose_has_its_own_key() {
        assert_ne!(derive_key(&[1; 32], "cookies"), derive_key(&[1; 32], "signing keys"));
        assert_ne!(derive_key(&[1; 32], "cookies"), derive_key(&[2; 32], "cookies"));
    }

    #[test]
    fn equal_means_same_length_and_same_bytes() {
        assert!(constant_time_eq(b"", b"") && constant_time_eq(b"abc", b"abc"));
        assert!(!constant_time_eq(b"abc", b"abd") && !constant_time_eq(b"abc", b"ab"));
    }
}
