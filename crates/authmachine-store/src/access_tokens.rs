//! Access tokens.

use authmachine_provider::Timestamp;
use authmachine_provider::access_token::AccessToken;
use authmachine_provider::grant::GrantFacts;
use authmachine_provider::handle::Presented;
use authmachine_provider::ids::GrantId;

use crate::error::StoreError;
use crate::grants::{facts, facts_joins, read_facts};
use crate::statements::statements;
use crate::unit::{Reads, Tx};
use crate::value::{Row, params};

statements! {
    FIND = concat!(
        "SELECT access_tokens.id, access_tokens.scopes, access_tokens.created_at, access_tokens.expires_at,
        access_tokens.revoked_at, ", facts!(),
        " FROM access_tokens JOIN grants ON grants.id = access_tokens.grant_id", facts_joins!(),
        "WHERE access_tokens.id = $1 AND access_tokens.sha256 = $2");
    INSERT = "INSERT INTO access_tokens (id, sha256, grant_id, scopes, created_at, expires_at, revoked_at)
        VALUES ($1, $2, $3, $4, $5, $6, $7)";
    REVOKE = "UPDATE access_tokens SET revoked_at = $1 WHERE id = $2 AND revoked_at IS NULL";
}

fn read(row: &mut Row<'_>) -> Result<(AccessToken, GrantFacts), StoreError> {
    row.table("access_tokens");
    let token = AccessToken {
        id: row.get()?,
        scopes: row.get()?,
        created_at: row.get()?,
        expires_at: row.get()?,
        revoked_at: row.get()?,
    };
    Ok((token, read_facts(row)?))
}

impl Reads {
    /// The access token of a handle, with everything that it depends on as it is now: dead or alive.
    pub fn find_access_token(
        &mut self,
        presented: &Presented,
    ) -> Result<Option<(AccessToken, GrantFacts)>, StoreError> {
        let found = self.one(FIND, params![presented.id, &presented.sha256], read)?;
        self.with_client(found)
    }
}

impl Tx {
    /// Stores a new access token; `sha256` is its handle's.
    pub fn insert_access_token(
        &mut self,
        token: &AccessToken,
        sha256: &[u8; 32],
        grant: GrantId,
    ) -> Result<(), StoreError> {
        let values = params![
            token.id,
            sha256,
            grant,
            &token.scopes,
            token.created_at,
            token.expires_at,
            token.revoked_at,
        ];
        self.run(INSERT, values).map(drop)
    }

    /// Revokes one access token; `false` when it was revoked already.
    pub fn revoke_access_token(&mut self, id: i64, now: Timestamp) -> Result<bool, StoreError> {
        Ok(self.run(REVOKE, params![now, id])? == 1)
    }
}
