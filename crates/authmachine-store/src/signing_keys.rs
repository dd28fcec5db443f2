//! Signing keys.

use authmachine_provider::Timestamp;
use authmachine_provider::keys::SigningKeyRecord;

use crate::error::StoreError;
use crate::statements::statements;
use crate::unit::{Reads, Tx};
use crate::value::{Row, params};

statements! {
    LIST = "SELECT kid, algorithm, private_sealed, created_at, retired_at, expires_at FROM signing_keys
        ORDER BY created_at, kid";
    INSERT = "INSERT INTO signing_keys (kid, algorithm, private_sealed, created_at, retired_at, expires_at)
        VALUES ($1, $2, $3, $4, $5, $6)";
    RETIRE = "UPDATE signing_keys SET retired_at = $1, expires_at = $2 WHERE kid = $3 AND retired_at IS NULL";
}

fn read(row: &mut Row<'_>) -> Result<SigningKeyRecord, StoreError> {
    row.table("signing_keys");
    Ok(SigningKeyRecord {
        kid: row.get()?,
        algorithm: row.get()?,
        private_sealed: row.get()?,
        created_at: row.get()?,
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
    /// Stores a new signing key.
    pub fn insert_signing_key(&mut self, key: &SigningKeyRecord) -> Result<(), StoreError> {
        let values = params![
            &key.kid,
            key.algorithm.as_str(),
            &key.private_sealed,
            key.created_at,
            key.retired_at,
            key.expires_at,
        ];
        self.run(INSERT, values)?;
        self.note("signing_key", 0, Some(key.created_at))
    }

    /// Has a key sign nothing from now on, and leave the key set at `expires_at`.
    pub fn retire_signing_key(
        &mut self,
        kid: &str,
        now: Timestamp,
        expires_at: Timestamp,
    ) -> Result<(), StoreError> {
        if self.run(RETIRE, params![now, expires_at, kid])? == 1 {
            self.note("signing_key", 0, Some(now))?;
        }
        Ok(())
    }
}
