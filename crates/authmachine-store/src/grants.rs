//! Authorization grants, and everything that one depends on: in one statement, but for the client, which is mostly in memory.

use authmachine_provider::Timestamp;
use authmachine_provider::consent::Consent;
use authmachine_provider::grant::{Grant, GrantFacts};
use authmachine_provider::ids::{GrantId, SessionId};

use crate::error::StoreError;
use crate::statements::statements;
use crate::unit::{Reads, Tx};
use crate::value::{Row, json, params, width};
use crate::{consents, sessions, users};

/// The columns that [`read_facts`] reads.
macro_rules! facts {
    () => {
        concat!(
            "grants.id, grants.user_id, grants.client_id, grants.session_id, grants.scopes, grants.claims, grants.nonce, \
             grants.auth_time, grants.amr, grants.acr, grants.offline, grants.user_epoch, \
             grants.consent_version, grants.created_at, grants.expires_at, grants.revoked_at, ",
            $crate::users::columns!(),
            ", ",
            $crate::sessions::columns!(),
            ", ",
            $crate::consents::columns!()
        )
    };
}

/// What `grants` is joined with for [`read_facts`].
macro_rules! facts_joins {
    () => {
        " LEFT JOIN users ON users.id = grants.user_id
        LEFT JOIN sessions ON sessions.id = grants.session_id
        LEFT JOIN consents ON consents.user_id = grants.user_id AND consents.client_id = grants.client_id "
    };
}
pub(crate) use {facts, facts_joins};

fn read(row: &mut Row<'_>) -> Result<Grant, StoreError> {
    row.table("grants");
    Ok(Grant {
        id: row.get()?,
        user_id: row.get()?,
        client_id: row.get()?,
        session_id: row.get()?,
        scopes: row.get()?,
        claims: row.json()?,
        nonce: row.get()?,
        auth_time: row.get()?,
        amr: row.json()?,
        acr: row.get()?,
        offline: row.get()?,
        user_epoch: row.get()?,
        consent_version: row.get()?,
        created_at: row.get()?,
        expires_at: row.get()?,
        revoked_at: row.get()?,
    })
}

/// The facts of a row, but for the client: [`Reads::with_client`].
pub(crate) fn read_facts(row: &mut Row<'_>) -> Result<GrantFacts, StoreError> {
    Ok(GrantFacts {
        grant: read(row)?,
        user: row.optional(const { width(users::columns!()) }, users::read)?,
        client: None,
        session: row.optional(const { width(sessions::columns!()) }, sessions::read)?,
        consent: row.optional::<Consent>(const { width(consents::columns!()) }, consents::read)?,
    })
}

statements! {
    FIND = concat!("SELECT ", facts!(), " FROM grants", facts_joins!(), "WHERE grants.id = $1");
    INSERT = "INSERT INTO grants (id, user_id, client_id, session_id, scopes, claims, nonce, auth_time,
        amr, acr, offline, user_epoch, consent_version, created_at, expires_at, revoked_at)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16)";
    /// Without a session there is none to note it in.
    INSERT_SESSION_CLIENT = "INSERT INTO session_clients (session_id, client_id)
        SELECT id, CAST($1 AS BIGINT) FROM sessions WHERE id = $2 ON CONFLICT DO NOTHING";
    /// A client that is new in a session takes turns with the session's end, on its row: so it is told, or gets nothing.
    JOIN_SESSION = "UPDATE sessions SET purge_at = CASE WHEN purge_at < $1 THEN $1 ELSE purge_at END WHERE id = $2";
    KEEP_SESSION = "UPDATE sessions SET purge_at = $1 WHERE id = $2 AND purge_at < $3";
    EXTEND = "UPDATE grants SET expires_at = CASE WHEN expires_at < $1 THEN $2 ELSE expires_at END
        WHERE id = $3 AND (expires_at < $1 OR $4) RETURNING session_id";
    REVOKE = "UPDATE grants SET revoked_at = $1 WHERE id = $2 AND revoked_at IS NULL";
}

impl Reads {
    /// A grant with everything that it depends on as it is now.
    pub fn find_grant(&mut self, id: GrantId) -> Result<Option<GrantFacts>, StoreError> {
        let found = self.one(FIND, params![id], |row| Ok(((), read_facts(row)?)))?;
        Ok(self.with_client(found)?.map(|((), facts)| facts))
    }

    /// Puts the client into what was found.
    pub(crate) fn with_client<T>(
        &mut self,
        mut found: Option<(T, GrantFacts)>,
    ) -> Result<Option<(T, GrantFacts)>, StoreError> {
        if let Some((_, facts)) = &mut found {
            facts.client = self.client(facts.grant.client_id)?;
        }
        Ok(found)
    }
}

impl Tx {
    /// Stores a new grant, and notes its client in its session, whose row stays as long as the grant's.
    pub fn insert_grant(&mut self, grant: &Grant) -> Result<(), StoreError> {
        self.run(
            INSERT,
            params![
                grant.id,
                grant.user_id,
                grant.client_id,
                grant.session_id,
                &grant.scopes,
                json(&grant.claims),
                grant.nonce.as_ref(),
                grant.auth_time,
                json(&grant.amr),
                grant.acr.as_ref(),
                grant.offline,
                grant.user_epoch,
                grant.consent_version,
                grant.created_at,
                grant.expires_at,
                grant.revoked_at,
            ],
        )?;
        if let Some(session) = grant.session_id {
            let is_new = self.run(INSERT_SESSION_CLIENT, params![grant.client_id, session])? == 1;
            match is_new {
                true => self.run(JOIN_SESSION, params![grant.expires_at, session])?,
                false => self.run(KEEP_SESSION, params![grant.expires_at, session, grant.expires_at])?,
            };
        }
        Ok(())
    }

    /// Something issued under the grant at `now` lives until `until`. Each unit that issues does this first, as one that revokes
    /// first revokes: so they take turns on the grant's row.
    ///
    /// The rows of the grant and its session are kept a sixteenth longer than that, which spares the next refreshes the writing
    /// of two pages.
    pub fn extend_grant(&mut self, id: GrantId, until: Timestamp, now: Timestamp) -> Result<(), StoreError> {
        let kept = until.plus_ms((until.ms() - now.ms()).max(0) / 16);
        let takes_turns = self.has_other_writers();
        let session: Option<Option<SessionId>> =
            self.one(EXTEND, params![until, kept, id, takes_turns], |row| row.get())?;
        if let Some(session) = session.flatten() {
            self.run(KEEP_SESSION, params![kept, session, until])?;
        }
        Ok(())
    }

    /// Revokes the grant with everything that was issued under it; `false` when it was revoked already.
    pub fn revoke_grant(&mut self, id: GrantId, now: Timestamp) -> Result<bool, StoreError> {
        Ok(self.run(REVOKE, params![now, id])? == 1)
    }
}
