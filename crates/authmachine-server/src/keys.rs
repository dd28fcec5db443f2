//! The signing keys in use, parsed once, and the published key set as prepared bytes.

use std::sync::Arc;

use authmachine_jose::{Algorithm, JwkSet, SigningKey};
use authmachine_provider::Timestamp;
use authmachine_provider::keys::SigningKeyRecord;
use authmachine_store::{StoreError, Tx};
use bytes::Bytes;

use crate::secrets::Secrets;

/// The keys of this moment; replaced as a whole when the store's change.
pub struct KeyRing {
    active: Vec<Arc<SigningKey>>,
    /// Every published key, retired ones as well: verifies our own tokens when they come back as hints.
    pub published: JwkSet,
    /// The key set as it is served.
    pub body: Bytes,
}

/// Why the keys cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// The sealed key does not open: another master key, or a damaged row.
    #[error(
        "signing key {0} does not open with this master key; is authmachine.key the one that this database was made with?"
    )]
    Sealed(String),
    /// It opened and is not a key.
    #[error("signing key {0} is damaged")]
    Damaged(String),
    /// No key signs with the default algorithm.
    #[error("there is no active RS256 signing key")]
    NoDefault,
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl KeyRing {
    /// Opens the keys in `records`.
    ///
    /// # Errors
    /// [`KeyError`].
    pub fn open(records: &[SigningKeyRecord], secrets: &Secrets, now: Timestamp) -> Result<Self, KeyError> {
        let mut active = Vec::new();
        let mut published = Vec::new();
        for record in records.iter().filter(|record| record.is_published(now)) {
            let sealed = KeyError::Sealed;
            let pkcs8 = secrets
                .signing_keys()
                .open(&record.private_sealed, record.kid.as_bytes())
                .ok_or_else(|| sealed(record.kid.clone()))?;
            let key = SigningKey::from_pkcs8(record.algorithm, record.kid.clone(), &pkcs8)
                .map_err(|_| KeyError::Damaged(record.kid.clone()))?;
            published.push(key.public_jwk());
            if record.is_active() {
                active.push(Arc::new(key));
            }
        }
        let published: JwkSet = published.into_iter().collect();
        let body = serde_json::to_vec(&published).expect("a key set is JSON").into();
        let ring = Self { active, published, body };
        if ring.signer(Algorithm::RS256).is_none() { Err(KeyError::NoDefault) } else { Ok(ring) }
    }

    /// The key that signs with `algorithm` now.
    pub fn signer(&self, algorithm: Algorithm) -> Option<&Arc<SigningKey>> {
        self.active.iter().find(|key| key.algorithm() == algorithm)
    }

    /// The algorithms that can be had, the default first.
    pub fn algorithms(&self) -> Vec<Algorithm> {
        Algorithm::ALL.iter().copied().filter(|algorithm| self.signer(*algorithm).is_some()).collect()
    }
}

/// The algorithms for which a new installation makes keys.
pub const INITIAL: [Algorithm; 3] = [Algorithm::RS256, Algorithm::ES256, Algorithm::EdDSA];

/// Makes a new key and seals it for the store.
///
/// # Panics
/// When the system has no randomness to give.
pub fn generate(algorithm: Algorithm, secrets: &Secrets, now: Timestamp) -> SigningKeyRecord {
    let key = SigningKey::generate(algorithm, "")
        .expect("the system's random generator works")
        .with_thumbprint_kid();
    seal(&key, secrets, now)
}

/// Seals `key` for the store.
pub fn seal(key: &SigningKey, secrets: &Secrets, now: Timestamp) -> SigningKeyRecord {
    SigningKeyRecord {
        kid: key.kid().to_owned(),
        algorithm: key.algorithm(),
        private_sealed: secrets.signing_keys().seal(&key.to_pkcs8(), key.kid().as_bytes()),
        created_at: now,
        retired_at: None,
        expires_at: None,
    }
}

/// Puts `new` in the place of the active key of its algorithm. The old one signs nothing from now on, and stays published until
/// `last_token_ends`, when the last token that it signed has expired.
///
/// # Errors
/// [`StoreError`].
pub fn rotate(tx: &mut Tx, new: &SigningKeyRecord, last_token_ends: Timestamp) -> Result<(), StoreError> {
    let now = new.created_at;
    for old in tx.list_signing_keys()?.iter().filter(|old| old.is_active() && old.algorithm == new.algorithm)
    {
        tx.retire_signing_key(&old.kid, now, last_token_ends)?;
    }
    tx.insert_signing_key(new)?;
    Ok(())
}
