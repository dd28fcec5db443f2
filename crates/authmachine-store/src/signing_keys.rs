//! Signing keys.

use authmachine_provider::Timestamp;
use authmachine_provider::keys::SigningKeyRecord;

use crate::changes::SIGNING_KEY;
use crate::error::StoreError;
use crate::statements::statements;
use crate::unit::{Reads, Tx};
use crate::value::{Row, params};

statements! {
    LIST = "SELECT kid, algorithm, private_sealed, created_at, COALESCE(active_from, created_at), retired_at, expires_at
        FROM signing_keys ORDER BY created_at, kid";
    INSERT = "INSERT INTO signing_keys (kid, algorithm, private_sealed, created_at, active_from, retired_at, expires_at)
        VALUES ($1, $2, $3, $4, $5, $6, $7)";
    RETIRE = "UPDATE signing_keys SET retired_at = $1, expires_at = $2 WHERE kid = $3 AND retired_at IS NULL";
    TAKE_TURNS = "INSERT INTO counters (name, value) VALUES ('signing keys', 0)
        ON CONFLICT (name) DO UPDATE SET value = counters.value + 1";
}

fn read(row: &mut Row<'_>) -> Result<SigningKeyRecord, StoreError> {
    row.table("signing_keys");
    Ok(SigningKeyRecord {
        kid: row.get()?,
        algorithm: row.get()?,
        private_sealed: row.get()?,
        created_at: row.get()?,
        active_from: row.get()?,
        retired_at: row.get()?,
        expires_at: row.get()?,
    })
}

impl Reads {
    /// All signing keys, oldest first.
    pub fn list_signing_keys(&mut self) -> Result<Vec<SigningKeyRecord>, StoreError> {
        self.all(LIST, &[], read)
    }
}

impl Tx {
    /// Lets nobody else decide about keys until this unit's end: what it reads from now on is still so when it writes.
    pub fn lock_signing_keys(&mut self) -> Result<(), StoreError> {
        self.run(TAKE_TURNS, &[]).map(drop)
    }

    /// Stores a new signing key.
    pub fn insert_signing_key(&mut self, key: &SigningKeyRecord) -> Result<(), StoreError> {
        let values = params![
            &key.kid,
            key.algorithm.as_str(),
            &key.private_sealed,
            key.created_at,
            key.active_from,
            key.retired_at,
            key.expires_at,
        ];
        self.run(INSERT, values)?;
        self.note(SIGNING_KEY, 0, Some(key.created_at))
    }

    /// Has a key sign nothing from `retired_at` on, and leave the key set at `expires_at`.
    pub fn retire_signing_key(
        &mut self,
        kid: &str,
        retired_at: Timestamp,
        expires_at: Timestamp,
    ) -> Result<(), StoreError> {
        if self.run(RETIRE, params![retired_at, expires_at, kid])? == 1 {
            self.note(SIGNING_KEY, 0, None)?;
        }
        Ok(())
    }
}
