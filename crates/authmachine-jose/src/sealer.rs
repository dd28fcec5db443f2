//! Sealed boxes: bytes that only their maker can read, and nobody can change.

use crate::derive_key;
use aws_lc_rs::{
    aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey},
    rand,
};
use std::fmt;
use zeroize::Zeroizing;

const TAG_BYTES: usize = 16;

/// Seals and opens with AES-256-GCM under a key derived for one purpose. Made once and kept: the key is
/// expanded when the sealer is made.
///
/// A box is `nonce (12) ‖ ciphertext ‖ tag (16)`. Nonces are random, made inside by the operating system's
/// generator; NIST SP 800-38D §8.3 allows 2³² of them a key, so what seals more than that rotates its master key.
pub struct Sealer(LessSafeKey);

impl Sealer {
    /// How many bytes longer a box is than what it holds.
    pub const OVERHEAD_BYTES: usize = NONCE_LEN + TAG_BYTES;

    /// A sealer for `purpose`, under the key that [`derive_key`] gives for it.
    #[must_use]
    pub fn new(master: &[u8], purpose: &str) -> Self {
        let key = UnboundKey::new(&AES_256_GCM, derive_key(master, purpose).as_slice());
        Self(LessSafeKey::new(key.expect("AES-256 keys have 32 bytes")))
    }

    /// Seals `plaintext`. Only [`open`](Self::open) with the same `aad` gives it back: put there what the box
    /// belongs to (a row's id, a cookie's name and version), so that it cannot be moved elsewhere.
    #[must_use]
    pub fn seal(&self, plaintext: &[u8], aad: &[u8]) -> Vec<u8> {
        let mut nonce = [0; NONCE_LEN];
        rand::fill(&mut nonce).expect("aws-lc aborts rather than run without entropy");
        let mut sealed = Vec::with_capacity(plaintext.len() + Self::OVERHEAD_BYTES);
        sealed.extend_from_slice(&nonce);
        sealed.extend_from_slice(plaintext);
        let nonce = Nonce::assume_unique_for_key(nonce);
        let tag = self.0.seal_in_place_separate_tag(nonce, Aad::from(aad), &mut sealed[NONCE_LEN..]);
        sealed.extend_from_slice(tag.expect("GCM seals up to 64 GiB").as_ref());
        sealed
    }

    /// Opens a box of [`seal`](Self::seal); `None` if it is anything else, or was sealed with another key or `aad`.
    #[must_use]
    pub fn open(&self, sealed: &[u8], aad: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
        let (nonce, body) = sealed.split_at_checked(NONCE_LEN)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
        let mut plaintext = Zeroizing::new(body.to_vec());
        let len = self.0.open_in_place(nonce, Aad::from(aad), &mut plaintext).ok()?.len();
        plaintext.truncate(len);
        Some(plaintext)
    }
}

impl fmt::Debug for Sealer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Sealer(***)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_box_opens_only_with_its_key_purpose_and_place() {
        let sealer = Sealer::new(&[7; 32], "cookies");
        let sealed = sealer.seal(b"secret", b"session.1");
        assert_eq!(sealer.open(&sealed, b"session.1").unwrap().as_slice(), b"secret");
        assert!(sealer.open(&sealed, b"session.2").is_none());
        assert!(Sealer::new(&[7; 32], "signing keys").open(&sealed, b"session.1").is_none());
        assert!(Sealer::new(&[8; 32], "cookies").open(&sealed, b"session.1").is_none());
    }

    #[test]
    fn a_changed_or_cut_box_does_not_open() {
        let sealer = Sealer::new(&[7; 32], "cookies");
        let sealed = sealer.seal(b"secret", b"");
        for at in 0..sealed.len() {
            let mut changed = sealed.clone();
            changed[at] ^= 1;
            assert!(sealer.open(&changed, b"").is_none(), "byte {at}");
            assert!(sealer.open(&sealed[..at], b"").is_none(), "first {at} bytes");
        }
    }

    #[test]
    fn no_two_boxes_are_alike_and_none_shows_its_key() {
        let sealer = Sealer::new(&[7; 32], "cookies");
        assert_ne!(sealer.seal(b"same", b""), sealer.seal(b"same", b""));
        assert_eq!(format!("{sealer:?}"), "Sealer(***)");
    }

    proptest! {
        #[test]
        fn what_is_sealed_opens(plaintext: Vec<u8>, aad: Vec<u8>) {
            let sealer = Sealer::new(&[7; 32], "test");
            let sealed = sealer.seal(&plaintext, &aad);
            prop_assert_eq!(sealed.len(), plaintext.len() + Sealer::OVERHEAD_BYTES);
            let opened = sealer.open(&sealed, &aad).unwrap();
            prop_assert_eq!(&*opened, &plaintext);
        }

        #[test]
        fn anything_else_is_refused_quietly(bytes: Vec<u8>) {
            prop_assert!(Sealer::new(&[7; 32], "test").open(&bytes, b"").is_none());
        }
    }
}
