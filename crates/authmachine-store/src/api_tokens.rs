//! API tokens.

use authmachine_provider::Timestamp;
use authmachine_provider::api_token::ApiToken;
use authmachine_provider::client::ObjectScope;
use authmachine_provider::handle::Presented;
use authmachine_provider::ids::ApiTokenId;
use authmachine_provider::subject_ids::SubjectIds;

use crate::error::StoreError;
use crate::statements::statements;
use crate::unit::{Reads, Tx};
use crate::value::{Row, json, params};

/// The columns that [`read`] reads.
macro_rules! columns {
    () => {
        "id, name, scopes, all_objects, objects, subject_ids, created_at, expires_at, revoked_at, last_used_at"
    };
}

fn read(row: &mut Row<'_>) -> Result<ApiToken, StoreError> {
    row.table("api_tokens");
    let (id, name, scopes) = (row.get()?, row.get()?, row.get()?);
    let (all, attached) = (row.get()?, row.json()?);
    Ok(ApiToken {
        id,
        name,
        scopes,
        objects: if all { ObjectScope::All } else { ObjectScope::Attached(attached) },
        subject_ids: row.word(SubjectIds::from_word)?,
        created_at: row.get()?,
        expires_at: row.get()?,
        revoked_at: row.get()?,
        last_used_at: row.get()?,
    })
}

statements! {
    FIND = concat!("SELECT ", columns!(), " FROM api_tokens WHERE id = $1 AND sha256 = $2");
    LIST = concat!("SELECT ", columns!(), " FROM api_tokens ORDER BY id");
    INSERT = "INSERT INTO api_tokens (id, name, sha256, scopes, all_objects, objects, subject_ids, created_at, expires_at,
        revoked_at, last_used_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11) ON CONFLICT (name) DO NOTHING";
    REVOKE = "UPDATE api_tokens SET revoked_at = $1 WHERE name = $2 AND revoked_at IS NULL RETURNING id";
    TOUCH = "UPDATE api_tokens SET last_used_at = $1 WHERE id = $2 AND (last_used_at IS NULL OR last_used_at < $1)";
}

impl Reads {
    /// The API token of a handle, dead or alive.
    pub fn find_api_token(&mut self, presented: &Presented) -> Result<Option<ApiToken>, StoreError> {
        self.one(FIND, params![presented.id, &presented.sha256], read)
    }

    /// All API tokens, oldest first.
    pub fn list_api_tokens(&mut self) -> Result<Vec<ApiToken>, StoreError> {
        self.all(LIST, &[], read)
    }
}

impl Tx {
    /// Stores a new API token, `sha256` being its handle's; `false`, and nothing happened, when its name is taken.
    pub fn insert_api_token(&mut self, token: &ApiToken, sha256: &[u8; 32]) -> Result<bool, StoreError> {
        let (all, attached) = match &token.objects {
            ObjectScope::All => (true, &[][..]),
            ObjectScope::Attached(codes) => (false, &codes[..]),
        };
        let values = params![
            token.id,
            &token.name,
            sha256,
            &token.scopes,
            all,
            json(&attached),
            token.subject_ids.as_str(),
            token.created_at,
            token.expires_at,
            token.revoked_at,
            token.last_used_at,
        ];
        if self.run(INSERT, values)? == 0 {
            return Ok(false);
        }
        self.note("api_token", token.id.0, Some(token.created_at))?;
        Ok(true)
    }

    /// Revokes the API token with that name; `false` when there is none, or it was revoked already.
    pub fn revoke_api_token(&mut self, name: &str, now: Timestamp) -> Result<bool, StoreError> {
        let revoked: Option<ApiTokenId> = self.one(REVOKE, params![now, name], |row| row.get())?;
        if let Some(id) = revoked {
            self.note("api_token", id.0, Some(now))?;
        }
        Ok(revoked.is_some())
    }

    /// The API token was used.
    pub fn touch_api_token(&mut self, id: ApiTokenId, now: Timestamp) -> Result<(), StoreError> {
        self.run(TOUCH, params![now, id]).map(drop)
    }
}
