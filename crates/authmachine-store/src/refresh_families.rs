//! Refresh token families.

use authmachine_provider::Timestamp;
use authmachine_provider::grant::GrantFacts;
use authmachine_provider::ids::GrantId;
use authmachine_provider::refresh_token::RefreshFamily;

use crate::error::StoreError;
use crate::grants::{facts, facts_joins, read_facts};
use crate::statements::statements;
use crate::unit::{Reads, Tx};
use crate::value::{Row, params};

statements! {
    FIND = concat!(
        "SELECT refresh_families.id, refresh_families.generation, refresh_families.sha256,
        refresh_families.proof_sha256, refresh_families.scopes, refresh_families.idle_expires_at,
        refresh_families.expires_at, refresh_families.revoked_at, refresh_families.last_answer,
        refresh_families.last_answer_until, ", facts!(),
        " FROM refresh_families JOIN grants ON grants.id = refresh_families.grant_id", facts_joins!(),
        "WHERE refresh_families.id = $1");
    INSERT = "INSERT INTO refresh_families (id, grant_id, generation, sha256, proof_sha256, scopes, idle_expires_at,
        expires_at, revoked_at, last_answer, last_answer_until) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)";
    /// The generation is the test: of many at once one moves it.
    ROTATE = "UPDATE refresh_families SET generation = $1, sha256 = $2, idle_expires_at = $3, last_answer = $4,
        last_answer_until = $5 WHERE id = $6 AND generation = $7 AND revoked_at IS NULL";
    REVOKE = "UPDATE refresh_families SET revoked_at = $1, last_answer = NULL, last_answer_until = NULL
        WHERE id = $2 AND revoked_at IS NULL";
}

fn read(row: &mut Row<'_>) -> Result<(RefreshFamily, GrantFacts), StoreError> {
    row.table("refresh_families");
    let family = RefreshFamily {
        id: row.get()?,
        generation: row.get()?,
        sha256: row.get()?,
        proof_sha256: row.get()?,
        scopes: row.get()?,
        idle_expires_at: row.get()?,
        expires_at: row.get()?,
        revoked_at: row.get()?,
        last_answer: row.get::<Option<Vec<u8>>>()?.zip(row.get()?),
    };
    Ok((family, read_facts(row)?))
}

/// The answer and its end, each in a column.
fn last_answer(family: &RefreshFamily) -> (Option<&Vec<u8>>, Option<Timestamp>) {
    family.last_answer.as_ref().map(|(answer, until)| (answer, *until)).unzip()
}

impl Reads {
    /// A family with everything that it depends on as it is now: dead or alive. Whether a token is its own,
    /// [`RefreshFamily::recognise`] says.
    pub fn find_refresh_family(
        &mut self,
        id: i64,
    ) -> Result<Option<(RefreshFamily, GrantFacts)>, StoreError> {
        let found = self.one(FIND, params![id], read)?;
        self.with_client(found)
    }
}

impl Tx {
    /// Stores a new family.
    pub fn insert_refresh_family(
        &mut self,
        family: &RefreshFamily,
        grant: GrantId,
    ) -> Result<(), StoreError> {
        let (answer, until) = last_answer(family);
        let values = params![
            family.id,
            grant,
            family.generation,
            &family.sha256,
            &family.proof_sha256,
            &family.scopes,
            family.idle_expires_at,
            family.expires_at,
            family.revoked_at,
            answer,
            until,
        ];
        self.run(INSERT, values).map(drop)
    }

    /// Brings a family from one generation to that of `family`, with its secret, idle end and last answer; `false`, and nothing
    /// happened, when it is at another generation by now or revoked.
    pub fn rotate_refresh_family(
        &mut self,
        family: &RefreshFamily,
        from_generation: u32,
    ) -> Result<bool, StoreError> {
        let (answer, until) = last_answer(family);
        let values = params![
            family.generation,
            &family.sha256,
            family.idle_expires_at,
            answer,
            until,
            family.id,
            from_generation,
        ];
        Ok(self.run(ROTATE, values)? == 1)
    }

    /// Revokes a family; `false` when it was revoked already.
    pub fn revoke_refresh_family(&mut self, id: i64, now: Timestamp) -> Result<bool, StoreError> {
        Ok(self.run(REVOKE, params![now, id])? == 1)
    }
}
