//! Signing keys and their life.

use authmachine_jose::Algorithm;
use authmachine_protocol::Timestamp;

/// A signing key's row.
#[derive(Clone, PartialEq, Eq)]
pub struct SigningKeyRecord {
    /// `kid`.
    pub kid: String,
    /// What it signs with.
    pub algorithm: Algorithm,
    /// PKCS#8, sealed under the master key and bound to the `kid`.
    pub private_sealed: Vec<u8>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When another took over: it signs nothing from then on.
    pub retired_at: Option<Timestamp>,
    /// When the last token that it signed has expired, and it leaves the key set; set with `retired_at`.
    pub expires_at: Option<Timestamp>,
}

impl std::fmt::Debug for SigningKeyRecord {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SigningKeyRecord")
            .field("kid", &self.kid)
            .field("algorithm", &self.algorithm)
            .finish_non_exhaustive()
    }
}

impl SigningKeyRecord {
    /// Whether it signs.
    pub fn is_active(&self) -> bool {
        self.retired_at.is_none()
    }

    /// Whether it stands in the key set.
    pub fn is_published(&self, now: Timestamp) -> bool {
        self.expires_at.is_none_or(|end| now < end)
    }
}
