//! Ids of client assertions that were used (RFC 7523 §3), until the assertions have ended.

use authmachine_provider::Timestamp;
use authmachine_provider::ids::ClientId;

use crate::error::StoreError;
use crate::statements::statements;
use crate::unit::Tx;
use crate::value::params;

statements! {
    INSERT = "INSERT INTO assertion_ids (client_id, jti_sha256, expires_at) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING";
}

impl Tx {
    /// Uses up the id of an assertion of a client, which is kept until `expires_at`; `false` when it was used before.
    pub fn take_assertion_id(
        &mut self,
        client: ClientId,
        jti_sha256: &[u8; 32],
        expires_at: Timestamp,
    ) -> Result<bool, StoreError> {
        Ok(self.run(INSERT, params![client, jti_sha256, expires_at])? == 1)
    }
}
