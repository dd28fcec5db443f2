//! Handles: the bearer strings for things that a row stands behind (code, access token, session, …).
//!
//! A handle is `base64url(8-byte id ‖ 32-byte secret)`, 54 characters; a refresh token, whose family is one row,
//! is longer ([`RefreshToken`]). The row keeps SHA-256 of the whole string, so any other spelling is unknown.

use authmachine_jose::sha256;
use base64ct::{Base64UrlUnpadded, Encoding};
use zeroize::Zeroizing;

use crate::ids::Kind;

/// A freshly made handle: the only moment at which its text exists here.
#[derive(Clone)]
pub struct Handle {
    id: i64,
    text: Zeroizing<String>,
}

/// A handle that somebody presented, parsed strictly: what the store looks up.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Presented {
    /// The row.
    pub id: i64,
    /// SHA-256 of the whole string, to be compared with the row's.
    pub sha256: [u8; 32],
}

impl Handle {
    /// The handle of the row `id` with 32 fresh random bytes.
    pub fn new(id: i64, secret: &[u8; 32]) -> Self {
        let mut bytes = Zeroizing::new([0; 40]);
        bytes[..8].copy_from_slice(&id.to_be_bytes());
        bytes[8..].copy_from_slice(secret);
        Self { id, text: Zeroizing::new(Base64UrlUnpadded::encode_string(&*bytes)) }
    }

    /// The row's id.
    pub const fn id(&self) -> i64 {
        self.id
    }

    /// The string to hand out, once.
    pub fn reveal(&self) -> &str {
        &self.text
    }

    /// What the row keeps of it.
    pub fn sha256(&self) -> [u8; 32] {
        sha256(self.text.as_bytes())
    }
}

impl std::fmt::Debug for Handle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Handle(***)")
    }
}

impl std::fmt::Debug for Presented {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Presented(***)")
    }
}

impl Presented {
    /// Reads a handle of `kind`; `None` when it is not one, whatever is wrong with it.
    pub fn parse(kind: Kind, text: &str) -> Option<Self> {
        let mut buffer = Zeroizing::new([0; 40]);
        if text.len() != 54 {
            return None;
        }
        let bytes = Base64UrlUnpadded::decode(text, &mut *buffer).ok()?;
        let id = id_of(kind, bytes)?;
        Some(Self { id, sha256: sha256(text.as_bytes()) })
    }
}

fn id_of(kind: Kind, bytes: &[u8]) -> Option<i64> {
    let id = i64::from_be_bytes(bytes.get(..8)?.try_into().ok()?);
    (Kind::of(id) == Some(kind)).then_some(id)
}

/// A refresh token: `base64url(8-byte id ‖ 4-byte generation ‖ 16-byte family proof ‖ 32-byte secret)`, 80 characters.
///
/// The proof stays the same while the family lives, the secret changes at each rotation. Right proof and older
/// generation is reuse; a wrong proof is merely unknown, so nobody kills a family by guessing ids.
#[derive(Clone)]
pub struct RefreshToken {
    /// The family's row.
    pub id: i64,
    /// How often the family was rotated before this token; the first has 0.
    pub generation: u32,
    proof: Zeroizing<[u8; 16]>,
    secret: Zeroizing<[u8; 32]>,
}

impl RefreshToken {
    /// The first token of a family, from fresh random bytes.
    pub fn first(id: i64, proof: [u8; 16], secret: [u8; 32]) -> Self {
        Self { id, generation: 0, proof: Zeroizing::new(proof), secret: Zeroizing::new(secret) }
    }

    /// The token after this one, with a fresh secret.
    #[must_use]
    pub fn next(&self, secret: [u8; 32]) -> Self {
        let generation = self.generation.saturating_add(1);
        Self { generation, secret: Zeroizing::new(secret), ..self.clone() }
    }

    /// Reads a refresh token; `None` when it is not one.
    pub fn parse(text: &str) -> Option<Self> {
        let mut buffer = Zeroizing::new([0; 60]);
        if text.len() != 80 {
            return None;
        }
        let bytes = Base64UrlUnpadded::decode(text, &mut *buffer).ok()?;
        Some(Self {
            id: id_of(Kind::RefreshToken, bytes)?,
            generation: u32::from_be_bytes(bytes.get(8..12)?.try_into().ok()?),
            proof: Zeroizing::new(bytes.get(12..28)?.try_into().ok()?),
            secret: Zeroizing::new(bytes.get(28..60)?.try_into().ok()?),
        })
    }

    /// The string to hand out.
    pub fn reveal(&self) -> Zeroizing<String> {
        let mut bytes = Zeroizing::new([0; 60]);
        bytes[..8].copy_from_slice(&self.id.to_be_bytes());
        bytes[8..12].copy_from_slice(&self.generation.to_be_bytes());
        bytes[12..28].copy_from_slice(&*self.proof);
        bytes[28..].copy_from_slice(&*self.secret);
        Zeroizing::new(Base64UrlUnpadded::encode_string(&*bytes))
    }

    /// What the row keeps of the family proof.
    pub fn proof_sha256(&self) -> [u8; 32] {
        sha256(&*self.proof)
    }

    /// What the row keeps of the current token: SHA-256 of the whole string.
    pub fn sha256(&self) -> [u8; 32] {
        sha256(self.reveal().as_bytes())
    }
}

impl std::fmt::Debug for RefreshToken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("RefreshToken(***)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::IdSource;
    use authmachine_protocol::Timestamp;

    const KINDS: [Kind; 6] = [
        Kind::AuthorizationCode,
        Kind::AccessToken,
        Kind::RefreshToken,
        Kind::Session,
        Kind::Interaction,
        Kind::ApiToken,
    ];

    fn handle(kind: Kind) -> Handle {
        Handle::new(IdSource::new(1).next(kind, Timestamp::from_ms(1_800_000_000_000)), &[7; 32])
    }

    #[test]
    fn g4_no_kind_of_handle_passes_for_another() {
        for made in KINDS {
            for asked in KINDS {
                let presented = Presented::parse(asked, handle(made).reveal());
                assert_eq!(presented.is_some(), made == asked, "{made:?} as {asked:?}");
            }
            assert!(RefreshToken::parse(handle(made).reveal()).is_none());
        }
    }

    #[test]
    fn tk1_any_other_spelling_is_unknown() {
        let handle = handle(Kind::AccessToken);
        let text = handle.reveal();
        assert_eq!(text.len(), 54);
        assert_eq!(Presented::parse(Kind::AccessToken, text).expect("ours").sha256, handle.sha256());
        let padded = format!("{text}==");
        // The last character carries unused bits: another one there must not decode to the same bytes.
        let last = if text.ends_with('c') { 'd' } else { 'c' };
        for other in
            [&text[..53], &format!("{text}A"), &padded, &format!(" {text}"), &text.replace('B', "+"), ""]
        {
            let same =
                Presented::parse(Kind::AccessToken, other).is_some_and(|p| p.sha256 == handle.sha256());
            assert!(!same || other == text, "{other}");
        }
        let respelled = format!("{}{last}", &text[..53]);
        assert!(Presented::parse(Kind::AccessToken, &respelled).is_none_or(|p| p.sha256 != handle.sha256()));
    }

    #[test]
    fn a_refresh_token_keeps_its_proof_and_changes_its_secret() {
        let id = IdSource::new(1).next(Kind::RefreshToken, Timestamp::from_ms(1_800_000_000_000));
        let first = RefreshToken::first(id, [1; 16], [2; 32]);
        let second = first.next([3; 32]);
        let read = RefreshToken::parse(&second.reveal()).expect("ours");
        assert_eq!((read.id, read.generation), (id, 1));
        assert_eq!(read.proof_sha256(), first.proof_sha256());
        assert_ne!(read.sha256(), first.sha256());
        assert_eq!(second.reveal().len(), 80);
        assert!(RefreshToken::parse(&second.reveal()[1..]).is_none());
        assert_eq!(format!("{second:?}"), "RefreshToken(***)");
    }
}
