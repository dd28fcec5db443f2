//! Users and their passwords.

use authmachine_provider::Timestamp;
use authmachine_provider::ids::UserId;
use authmachine_provider::user::{User, UserStatus, fold};

use crate::error::StoreError;
use crate::statements::statements;
use crate::unit::{Reads, Tx};
use crate::value::{Row, json, params};

/// What became of a user to be stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Inserted {
    /// It is stored.
    Yes,
    /// Nothing happened: another user has that name.
    NameTaken,
    /// Nothing happened: another user has that mail address.
    EmailTaken,
}

/// The columns that [`read`] reads.
macro_rules! columns {
    () => {
        "users.id, users.sub, users.username, users.email, users.email_verified, users.status, users.claims, \
         users.epoch, users.created_at, users.updated_at"
    };
}
pub(crate) use columns;

pub(crate) fn read(row: &mut Row<'_>) -> Result<User, StoreError> {
    row.table("users");
    Ok(User {
        id: row.get()?,
        sub: row.get()?,
        username: row.get()?,
        email: row.get()?,
        email_verified: row.get()?,
        status: row.word(UserStatus::from_word)?,
        claims: row.json()?,
        epoch: row.get()?,
        created_at: row.get()?,
        updated_at: row.get()?,
    })
}

statements! {
    FIND = concat!("SELECT ", columns!(), " FROM users WHERE id = $1");
    FIND_BY_SUB = concat!("SELECT ", columns!(), " FROM users WHERE sub = $1");
    FIND_BY_LOGIN = concat!("SELECT ", columns!(), " FROM users WHERE username_folded = $1 OR email_folded = $1
        ORDER BY username_folded = $1 DESC LIMIT 1");
    LIST = concat!("SELECT ", columns!(), " FROM users WHERE id > $1 ORDER BY id LIMIT $2");
    INSERT = "INSERT INTO users (id, sub, username, username_folded, email, email_folded, email_verified, status, claims,
        epoch, created_at, updated_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)
        ON CONFLICT DO NOTHING";
    HAS_NAME = "SELECT id FROM users WHERE username_folded = $1";
    HAS_EMAIL = "SELECT id FROM users WHERE email_folded = $1";
    UPDATE = "UPDATE users SET username = $1, username_folded = $2, email = $3, email_folded = $4, email_verified = $5,
        claims = $6, updated_at = $7 WHERE id = $8";
    SET_STATUS = "UPDATE users SET status = $1, epoch = epoch + CAST($2 AS BIGINT), updated_at = $3 WHERE id = $4";
    NEXT_EPOCH = "UPDATE users SET epoch = epoch + 1 WHERE id = $1 RETURNING epoch";
    FIND_PASSWORD = "SELECT hash FROM passwords WHERE user_id = $1";
    SET_PASSWORD = "INSERT INTO passwords (user_id, hash, changed_at) VALUES ($1, $2, $3)
        ON CONFLICT (user_id) DO UPDATE SET hash = excluded.hash, changed_at = excluded.changed_at";
    REHASH_PASSWORD = "UPDATE passwords SET hash = $1 WHERE user_id = $2 AND hash = $3";
}

impl Reads {
    /// The user in the row `id`.
    pub fn find_user(&mut self, id: UserId) -> Result<Option<User>, StoreError> {
        self.one(FIND, params![id], read)
    }

    /// The user with that `sub`.
    pub fn find_user_by_sub(&mut self, sub: &str) -> Result<Option<User>, StoreError> {
        self.one(FIND_BY_SUB, params![sub], read)
    }

    /// The user who signs in as `login`: a user name, else a mail address, each in its folded form.
    pub fn find_user_by_login(&mut self, login: &str) -> Result<Option<User>, StoreError> {
        self.one(FIND_BY_LOGIN, params![fold(login)], read)
    }

    /// The users after `after`, oldest first, at most `limit`.
    pub fn list_users(&mut self, after: Option<UserId>, limit: i64) -> Result<Vec<User>, StoreError> {
        self.all(LIST, params![after.map_or(i64::MIN, |id| id.0), limit], read)
    }

    /// The hash of the user's password.
    pub fn find_password(&mut self, id: UserId) -> Result<Option<String>, StoreError> {
        self.one(FIND_PASSWORD, params![id], |row| row.get())
    }

    fn has_other(&mut self, sql: &'static str, folded: &str, id: UserId) -> Result<bool, StoreError> {
        let found: Option<UserId> = self.one(sql, params![folded], |row| row.get())?;
        Ok(found.is_some_and(|other| other != id))
    }

    /// Whether another user than `user` has its name or address.
    fn taken(&mut self, user: &User, username: &str, email: Option<&str>) -> Result<Inserted, StoreError> {
        if self.has_other(HAS_NAME, username, user.id)? {
            return Ok(Inserted::NameTaken);
        }
        match email {
            Some(email) if self.has_other(HAS_EMAIL, email, user.id)? => Ok(Inserted::EmailTaken),
            _ => Ok(Inserted::Yes),
        }
    }
}

impl Tx {
    /// Stores a new user.
    pub fn insert_user(&mut self, user: &User) -> Result<Inserted, StoreError> {
        let (username, email) = (fold(&user.username), user.email.as_deref().map(fold));
        let rows = self.run(
            INSERT,
            params![
                user.id,
                &user.sub,
                &user.username,
                &username,
                user.email.as_ref(),
                email.as_ref(),
                user.email_verified,
                user.status.as_str(),
                json(&user.claims),
                user.epoch,
                user.created_at,
                user.updated_at,
            ],
        )?;
        if rows == 1 {
            self.note("user", user.id.0, Some(user.created_at))?;
            return Ok(Inserted::Yes);
        }
        match self.taken(user, &username, email.as_deref())? {
            Inserted::Yes => Err(StoreError::Conflict), // the id or the `sub`, which are random
            taken => Ok(taken),
        }
    }

    /// Stores the name, address and claims of a user that is there. Status and epoch have methods of their own, so that a
    /// record read some time ago brings no old ones back.
    pub fn update_user(&mut self, user: &User) -> Result<Inserted, StoreError> {
        let (username, email) = (fold(&user.username), user.email.as_deref().map(fold));
        // Two who take one name at the same moment both pass; then the unique column stops the second (`Conflict`).
        let taken = self.taken(user, &username, email.as_deref())?;
        if taken != Inserted::Yes {
            return Ok(taken);
        }
        let rows = self.run(
            UPDATE,
            params![
                &user.username,
                username,
                user.email.as_ref(),
                email,
                user.email_verified,
                json(&user.claims),
                user.updated_at,
                user.id,
            ],
        )?;
        if rows == 1 {
            self.note("user", user.id.0, Some(user.updated_at))?;
        }
        Ok(Inserted::Yes)
    }

    /// Sets the hash of a password, and ends everything that was issued for the user: returns the new epoch.
    pub fn set_password(&mut self, id: UserId, hash: &str, now: Timestamp) -> Result<i64, StoreError> {
        let epoch: Option<i64> = self.one(NEXT_EPOCH, params![id], |row| row.get())?;
        let epoch = epoch.ok_or_else(|| StoreError::Driver("a password for no user".into()))?;
        self.run(SET_PASSWORD, params![id, hash, now])?;
        self.end_sessions_of(id, now)?;
        self.note("user", id.0, Some(now))?;
        Ok(epoch)
    }

    /// Puts a new hash of the same password in the place of `old`, unless the password was changed meanwhile.
    pub fn rehash_password(&mut self, id: UserId, old: &str, new: &str) -> Result<(), StoreError> {
        self.run(REHASH_PASSWORD, params![new, id, old]).map(drop)
    }

    /// Locks or unlocks a user. A lock ends everything that was issued, for good.
    pub fn set_user_status(
        &mut self,
        id: UserId,
        status: UserStatus,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let is_end = status == UserStatus::Locked;
        if self.run(SET_STATUS, params![status.as_str(), i64::from(is_end), now, id])? == 1 {
            if is_end {
                self.end_sessions_of(id, now)?;
            }
            self.note("user", id.0, Some(now))?;
        }
        Ok(())
    }
}
