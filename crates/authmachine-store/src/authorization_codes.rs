//! Authorization codes.

use authmachine_provider::Timestamp;
use authmachine_provider::authorization_code::{AuthorizationCode, Taken};
use authmachine_provider::grant::Grant;
use authmachine_provider::handle::Presented;
use authmachine_provider::ids::{ClientId, GrantId};

use crate::error::StoreError;
use crate::statements::statements;
use crate::unit::Tx;
use crate::value::{Row, params};

statements! {
    INSERT = "INSERT INTO authorization_codes (id, sha256, grant_id, client_id, redirect_uri, code_challenge, expires_at)
        VALUES ($1, $2, $3, $4, $5, $6, $7)";
    /// Consuming is the test: of many at once one gets the row.
    TAKE = "UPDATE authorization_codes SET used_at = $1
        WHERE id = $2 AND sha256 = $3 AND client_id = $4 AND used_at IS NULL
        RETURNING id, redirect_uri, code_challenge, expires_at, grant_id";
    FIND_USED = "SELECT grant_id FROM authorization_codes
        WHERE id = $1 AND sha256 = $2 AND client_id = $3 AND used_at IS NOT NULL";
}

fn read(row: &mut Row<'_>) -> Result<(AuthorizationCode, GrantId), StoreError> {
    row.table("authorization_codes");
    let code = AuthorizationCode {
        id: row.get()?,
        redirect_uri: row.get()?,
        code_challenge: row.get()?,
        expires_at: row.get()?,
    };
    Ok((code, row.get()?))
}

impl Tx {
    /// Stores a new code of `grant`; `sha256` is its handle's.
    pub fn insert_code(
        &mut self,
        code: &AuthorizationCode,
        sha256: &[u8; 32],
        grant: &Grant,
    ) -> Result<(), StoreError> {
        let values = params![
            code.id,
            sha256,
            grant.id,
            grant.client_id,
            &code.redirect_uri,
            code.code_challenge.as_ref(),
            code.expires_at,
        ];
        self.run(INSERT, values).map(drop)
    }

    /// Consumes the code that `client` presented, expired or not.
    pub fn take_code(
        &mut self,
        presented: &Presented,
        client: ClientId,
        now: Timestamp,
    ) -> Result<Taken, StoreError> {
        let taken = self.one(TAKE, params![now, presented.id, &presented.sha256, client], read)?;
        if let Some((code, grant)) = taken {
            let facts = self.find_grant(grant)?;
            return Ok(facts.map_or(Taken::Unknown, |facts| Taken::Now(Box::new((code, facts)))));
        }
        let used = params![presented.id, &presented.sha256, client];
        match self.one(FIND_USED, used, |row| row.get())? {
            Some(grant) => {
                Ok(self.find_grant(grant)?.map_or(Taken::Unknown, |facts| Taken::Before(Box::new(facts))))
            }
            None => Ok(Taken::Unknown),
        }
    }
}
