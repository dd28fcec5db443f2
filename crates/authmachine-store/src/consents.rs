//! What people allowed clients.

use authmachine_protocol::Scopes;
use authmachine_provider::Timestamp;
use authmachine_provider::consent::Consent;
use authmachine_provider::ids::{ClientId, UserId};

use crate::error::StoreError;
use crate::statements::statements;
use crate::unit::{Reads, Tx};
use crate::value::{Row, json, params};

/// The columns that [`read`] reads.
macro_rules! columns {
    () => {
        "consents.scopes, consents.objects, consents.version, consents.updated_at"
    };
}
pub(crate) use columns;

pub(crate) fn read(row: &mut Row<'_>) -> Result<Consent, StoreError> {
    row.table("consents");
    Ok(Consent { scopes: row.get()?, objects: row.json()?, version: row.get()?, updated_at: row.get()? })
}

statements! {
    FIND = concat!("SELECT ", columns!(), " FROM consents WHERE user_id = $1 AND client_id = $2");
    /// Gives the row as it stands, and holds it until the commit: two who widen at once both count.
    HOLD = "INSERT INTO consents (user_id, client_id, scopes, objects, version, updated_at)
        VALUES ($1, $2, $3, $4, 1, $5) ON CONFLICT (user_id, client_id) DO UPDATE SET updated_at = excluded.updated_at
        RETURNING scopes, objects, version, updated_at";
    WIDEN = "UPDATE consents SET scopes = $1, objects = $2 WHERE user_id = $3 AND client_id = $4";
    WITHDRAW = "UPDATE consents SET scopes = '', objects = '[]', version = version + 1, updated_at = $1
        WHERE user_id = $2 AND client_id = $3";
}

impl Reads {
    /// What `user` allowed `client`; withdrawn is empty.
    pub fn find_consent(&mut self, user: UserId, client: ClientId) -> Result<Option<Consent>, StoreError> {
        self.one(FIND, params![user, client], read)
    }
}

impl Tx {
    /// Adds `scopes` and `objects` to what `user` allows `client`. The version stays, so grants made before live on.
    pub fn upsert_consent(
        &mut self,
        user: UserId,
        client: ClientId,
        scopes: &Scopes,
        objects: &[String],
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let held = self.one(HOLD, params![user, client, scopes, json(&objects), now], read)?;
        let held = held.ok_or(StoreError::Corrupt { table: "consents", id: user.0 })?;
        let wider = held.scopes.union(scopes);
        let mut all = held.objects.clone();
        all.extend(objects.iter().filter(|object| !held.objects.contains(object)).cloned());
        if wider == held.scopes && all == held.objects {
            return Ok(());
        }
        self.run(WIDEN, params![&wider, json(&all), user, client]).map(drop)
    }

    /// Takes back everything that `user` allowed `client`, and with it each grant made under it; `false` when there was nothing.
    pub fn withdraw_consent(
        &mut self,
        user: UserId,
        client: ClientId,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        Ok(self.run(WITHDRAW, params![now, user, client])? == 1)
    }
}
