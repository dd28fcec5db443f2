//! Sessions of browsers.

use authmachine_provider::Timestamp;
use authmachine_provider::browser_session::Session;
use authmachine_provider::handle::Presented;
use authmachine_provider::ids::{SessionId, UserId};
use authmachine_provider::user::User;

use crate::error::StoreError;
use crate::statements::statements;
use crate::unit::{Reads, Tx};
use crate::users;
use crate::value::{Row, json, params};

/// The columns that [`read`] reads.
macro_rules! columns {
    () => {
        "sessions.id, sessions.sid, sessions.user_id, sessions.user_epoch, sessions.created_at, sessions.auth_time, \
         sessions.amr, sessions.last_seen_at, sessions.expires_at, sessions.ended_at, sessions.tokens_revoked_at, \
         sessions.user_agent, sessions.address"
    };
}
pub(crate) use columns;

pub(crate) fn read(row: &mut Row<'_>) -> Result<Session, StoreError> {
    row.table("sessions");
    Ok(Session {
        id: row.get()?,
        sid: row.get()?,
        user_id: row.get()?,
        user_epoch: row.get()?,
        created_at: row.get()?,
        auth_time: row.get()?,
        amr: row.json()?,
        last_seen_at: row.get()?,
        expires_at: row.get()?,
        ended_at: row.get()?,
        tokens_revoked_at: row.get()?,
        user_agent: row.get()?,
        address: row.get()?,
    })
}

/// The most sessions that are listed at once.
pub const MAX_LISTED_SESSIONS: usize = 200;

statements! {
    FIND = concat!("SELECT ", columns!(), ", ", users::columns!(), " FROM sessions
        JOIN users ON users.id = sessions.user_id WHERE sessions.id = $1 AND sessions.sha256 = $2");
    LIST_OF_USER = concat!("SELECT ", columns!(), " FROM sessions
        WHERE user_id = $1 AND ended_at IS NULL ORDER BY id DESC LIMIT 200");
    INSERT = "INSERT INTO sessions (id, sha256, sid, user_id, user_epoch, created_at, auth_time, amr, last_seen_at,
        expires_at, ended_at, tokens_revoked_at, user_agent, address, purge_at)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)";
    RENEW = "UPDATE sessions SET sha256 = $1, user_epoch = $2, auth_time = $3, amr = $4, last_seen_at = $5,
        expires_at = $6, user_agent = $7, address = $8, purge_at = CASE WHEN purge_at < $6 THEN $6 ELSE purge_at END
        WHERE id = $9 AND user_id = $10 AND ended_at IS NULL AND tokens_revoked_at IS NULL";
    END = "UPDATE sessions SET ended_at = $1 WHERE id = $2 AND ended_at IS NULL";
    TOUCH = "UPDATE sessions SET last_seen_at = $1 WHERE id = $2 AND last_seen_at < $1";
    END_ALL = "UPDATE sessions SET ended_at = $1 WHERE user_id = $2 AND ended_at IS NULL RETURNING id";
    REVOKE_TOKENS = "UPDATE sessions SET tokens_revoked_at = $1 WHERE id = $2 AND tokens_revoked_at IS NULL";
}

impl Reads {
    /// The session of a handle, with its user; over or not.
    pub fn find_session(&mut self, presented: &Presented) -> Result<Option<(Session, User)>, StoreError> {
        let read = |row: &mut Row<'_>| Ok((read(row)?, users::read(row)?));
        self.one(FIND, params![presented.id, &presented.sha256], read)
    }

    /// The user's sessions that nobody ended, newest first, at most [`MAX_LISTED_SESSIONS`].
    pub fn list_sessions_of(&mut self, id: UserId) -> Result<Vec<Session>, StoreError> {
        self.all(LIST_OF_USER, params![id], read)
    }
}

impl Tx {
    /// Stores a new session; `sha256` is its handle's.
    pub fn insert_session(&mut self, session: &Session, sha256: &[u8; 32]) -> Result<(), StoreError> {
        let values = params![
            session.id,
            sha256,
            &session.sid,
            session.user_id,
            session.user_epoch,
            session.created_at,
            session.auth_time,
            json(&session.amr),
            session.last_seen_at,
            session.expires_at,
            session.ended_at,
            session.tokens_revoked_at,
            &session.user_agent,
            &session.address,
            session.expires_at,
        ];
        self.run(INSERT, values).map(drop)
    }

    /// The user proved themselves again: the row goes on under another handle. One that is over stays over.
    pub fn renew_session(&mut self, session: &Session, sha256: &[u8; 32]) -> Result<(), StoreError> {
        let values = params![
            sha256,
            session.user_epoch,
            session.auth_time,
            json(&session.amr),
            session.last_seen_at,
            session.expires_at,
            &session.user_agent,
            &session.address,
            session.id,
            session.user_id,
        ];
        self.run(RENEW, values).map(drop)
    }

    /// Signs out, and has its clients told; `false` when the session had ended already.
    pub fn end_session(&mut self, id: SessionId, now: Timestamp) -> Result<bool, StoreError> {
        let is_end = self.run(END, params![now, id])? == 1;
        if is_end {
            self.insert_logout_deliveries(id, now)?;
        }
        Ok(is_end)
    }

    /// The same for every session of a user.
    pub(crate) fn end_sessions_of(&mut self, id: UserId, now: Timestamp) -> Result<(), StoreError> {
        let ended: Vec<SessionId> = self.all(END_ALL, params![now, id], |row| row.get())?;
        ended.into_iter().try_for_each(|session| self.insert_logout_deliveries(session, now))
    }

    /// The browser used it.
    pub fn touch_session(&mut self, id: SessionId, now: Timestamp) -> Result<(), StoreError> {
        self.run(TOUCH, params![now, id]).map(drop)
    }

    /// Signs out and revokes everything that the session issued; `false` when that had happened already.
    pub fn revoke_session_tokens(&mut self, id: SessionId, now: Timestamp) -> Result<bool, StoreError> {
        self.end_session(id, now)?;
        Ok(self.run(REVOKE_TOKENS, params![now, id])? == 1)
    }
}
