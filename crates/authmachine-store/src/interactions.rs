//! Authorization requests that wait for a person.

use authmachine_provider::Timestamp;
use authmachine_provider::handle::Presented;
use authmachine_provider::interaction::{Done, Interaction};

use crate::error::StoreError;
use crate::statements::statements;
use crate::unit::{Reads, Tx};
use crate::value::{Row, json, params};

/// The columns that [`read`] reads.
macro_rules! columns {
    () => {
        "id, request, done, created_at, expires_at"
    };
}

fn read(row: &mut Row<'_>) -> Result<Interaction, StoreError> {
    row.table("interactions");
    Ok(Interaction {
        id: row.get()?,
        request: row.json()?,
        done: row.json()?,
        created_at: row.get()?,
        expires_at: row.get()?,
    })
}

statements! {
    FIND = concat!("SELECT ", columns!(), " FROM interactions WHERE id = $1 AND sha256 = $2 AND browser_sha256 = $3");
    INSERT = "INSERT INTO interactions (id, sha256, browser_sha256, request, done, created_at, expires_at)
        VALUES ($1, $2, $3, $4, $5, $6, $7)";
    FIND_DONE = "SELECT done FROM interactions WHERE id = $1";
    /// Of many who answer one step, one finds it unanswered.
    UPDATE = "UPDATE interactions SET done = $1 WHERE id = $2 AND done = $3";
    /// Taking is the test: who gets the row, ends the interaction.
    TAKE = concat!("DELETE FROM interactions WHERE id = $1 AND sha256 = $2 AND browser_sha256 = $3 AND expires_at > $4
        RETURNING ", columns!());
    /// Ids are ordered by time: from the first one too many downwards.
    EVICT = "DELETE FROM interactions WHERE id <= (SELECT id FROM interactions ORDER BY id DESC LIMIT 1 OFFSET $1)";
}

/// The most calls of [`Tx::evict_interactions`] that pass until one looks: walking past a hundred thousand rows takes
/// milliseconds, which is nothing once in a thousand times.
const LOOK_AFTER: i64 = 1_024;

impl Reads {
    /// The interaction of a handle, in the browser it was begun in; expired or not.
    pub fn find_interaction(
        &mut self,
        presented: &Presented,
        browser: &[u8; 32],
    ) -> Result<Option<Interaction>, StoreError> {
        self.one(FIND, params![presented.id, &presented.sha256, browser], read)
    }
}

impl Tx {
    /// Stores a new interaction; `sha256` is its handle's, `browser` that of the browser's own secret.
    pub fn insert_interaction(
        &mut self,
        interaction: &Interaction,
        sha256: &[u8; 32],
        browser: &[u8; 32],
    ) -> Result<(), StoreError> {
        let values = params![
            interaction.id,
            sha256,
            browser,
            json(&interaction.request),
            json(&interaction.done),
            interaction.created_at,
            interaction.expires_at,
        ];
        self.run(INSERT, values).map(drop)
    }

    /// Notes what the person has done after `before`; `false` when something else was done meanwhile, or the interaction is over.
    pub fn update_interaction(&mut self, id: i64, before: &Done, after: &Done) -> Result<bool, StoreError> {
        let found: Option<String> = self.one(FIND_DONE, params![id], |row| row.get())?;
        // Another version may have written it in other words.
        let Some(text) =
            found.filter(|text| serde_json::from_str::<Done>(text).is_ok_and(|done| done == *before))
        else {
            return Ok(false);
        };
        Ok(self.run(UPDATE, params![json(after), id, text.as_str()])? == 1)
    }

    /// Ends the interaction of a handle: of many at once one gets it. An expired one is nobody's.
    pub fn take_interaction(
        &mut self,
        presented: &Presented,
        browser: &[u8; 32],
        now: Timestamp,
    ) -> Result<Option<Interaction>, StoreError> {
        self.one(TAKE, params![presented.id, &presented.sha256, browser, now], read)
    }

    /// Removes the oldest interactions over `most`, so that nobody fills the disk by asking. It looks now and then: of a large
    /// `most`, some two in a hundred more can be there meanwhile.
    pub fn evict_interactions(&mut self, most: i64) -> Result<(), StoreError> {
        self.evict_calls += 1;
        if self.evict_calls < (most / 64).clamp(1, LOOK_AFTER) {
            return Ok(());
        }
        self.evict_calls = 0;
        self.run(EVICT, params![most]).map(drop)
    }
}
