//! Fresh secrets from the system's generator.

use authmachine_provider::Timestamp;
use authmachine_provider::handle::{Handle, RefreshToken};
use authmachine_provider::ids::{IdSource, Kind};
use base64ct::{Base64UrlUnpadded, Encoding as _};
use zeroize::Zeroizing;

/// `N` random bytes.
///
/// # Panics
/// When the operating system has no randomness to give: nothing safe can be done then.
pub fn bytes<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    aws_lc_rs::rand::fill(&mut bytes).expect("the system's random generator works");
    bytes
}

/// A public identifier: 128 random bits as 32 hex digits (`sub`, `sid`).
pub fn public_id() -> String {
    authmachine_jose::hex(&bytes::<16>())
}

/// A secret of 256 random bits as text that goes anywhere: 43 characters (`client_secret`).
pub fn secret() -> Zeroizing<String> {
    Zeroizing::new(Base64UrlUnpadded::encode_string(&*Zeroizing::new(bytes::<32>())))
}

/// A fresh handle of `kind`.
pub fn handle(ids: &IdSource, kind: Kind, now: Timestamp) -> Handle {
    Handle::new(ids.next(kind, now), &bytes())
}

/// The first token of a fresh refresh token family.
pub fn refresh_token(ids: &IdSource, now: Timestamp) -> RefreshToken {
    RefreshToken::first(ids.next(Kind::RefreshToken, now), bytes(), bytes())
}
