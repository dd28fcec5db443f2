//! Copies of clients' logos, each with the address that it came from.

use authmachine_provider::Timestamp;
use authmachine_provider::ids::ClientId;

use crate::error::StoreError;
use crate::statements::statements;
use crate::unit::{Reads, Tx};
use crate::value::params;

/// A logo that could not be had is asked for again after this.
const AGAIN_AFTER_S: i64 = 24 * 60 * 60;

/// How it stands with a client's logo.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Logo {
    /// There is a copy.
    Copied,
    /// Nobody has tried to fetch it within a day.
    Wanted,
    /// Somebody has, and it is not there.
    Missing,
}

statements! {
    STANDING = "SELECT png IS NOT NULL, fetched_at FROM client_logos WHERE client_id = $1 AND source = $2";
    FIND = "SELECT png FROM client_logos WHERE client_id = $1 AND source = $2 AND png IS NOT NULL";
    /// Claiming is the test: of many at once one gets it, and fetches.
    CLAIM = "INSERT INTO client_logos (client_id, source, fetched_at)
        SELECT id, CAST($1 AS TEXT), CAST($2 AS BIGINT) FROM clients WHERE id = $3
        ON CONFLICT (client_id) DO UPDATE SET source = excluded.source, png = NULL, fetched_at = excluded.fetched_at
        WHERE client_logos.source <> excluded.source OR (client_logos.png IS NULL AND client_logos.fetched_at <= $4)";
    SET = "UPDATE client_logos SET png = $1 WHERE client_id = $2 AND source = $3";
}

impl Reads {
    /// How it stands with the logo that a client has at `source`.
    pub fn client_logo(&mut self, id: ClientId, source: &str, now: Timestamp) -> Result<Logo, StoreError> {
        let found: Option<(bool, Timestamp)> =
            self.one(STANDING, params![id, source], |row| Ok((row.get()?, row.get()?)))?;
        Ok(match found {
            Some((true, _)) => Logo::Copied,
            Some((false, at)) if now < at.plus_seconds(AGAIN_AFTER_S) => Logo::Missing,
            Some((false, _)) | None => Logo::Wanted,
        })
    }

    /// The copy, a PNG.
    pub fn find_client_logo(&mut self, id: ClientId, source: &str) -> Result<Option<Vec<u8>>, StoreError> {
        self.one(FIND, params![id, source], |row| row.get())
    }
}

impl Tx {
    /// Takes it on to fetch a client's logo, if it is [`Logo::Wanted`]; else `false`.
    pub fn claim_client_logo(
        &mut self,
        id: ClientId,
        source: &str,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        Ok(self.run(CLAIM, params![source, now, id, now.plus_seconds(-AGAIN_AFTER_S)])? == 1)
    }

    /// Stores the copy, unless the client has another logo by now.
    pub fn set_client_logo(&mut self, id: ClientId, source: &str, png: &[u8]) -> Result<(), StoreError> {
        self.run(SET, params![png, id, source]).map(drop)
    }
}
