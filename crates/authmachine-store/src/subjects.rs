//! What programs call users, groups and clients, and the rows of those: for questions about permissions, and their answers.

use authmachine_provider::ids::{ClientId, GroupId, UserId};
use authmachine_provider::subject_ids::SubjectIds;
use authmachine_provider::user::fold;

use crate::error::StoreError;
use crate::statements::statements;
use crate::unit::Reads;
use crate::value::{Param, params};

/// How many rows one statement asks for; unused places hold NULL, which equals nothing.
const ROWS: usize = 16;

macro_rules! names {
    ($column:literal, $table:literal) => {
        concat!(
            "SELECT ",
            $column,
            " FROM ",
            $table,
            " WHERE id IN ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16)"
        )
    };
}

statements! {
    BY_SUB = "SELECT id FROM users WHERE sub = $1";
    BY_USERNAME = "SELECT id FROM users WHERE username_folded = $1";
    BY_EMAIL = "SELECT id FROM users WHERE email_folded = $1";
    SUBS = names!("sub", "users");
    USERNAMES = names!("username", "users");
    /// Those who have one.
    EMAILS = concat!(names!("email", "users"), " AND email IS NOT NULL");
    GROUPS = names!("code", "user_groups");
    CLIENTS = names!("client_id", "clients");
}

impl Reads {
    /// The user whom a program with these ids calls `id`. Names and addresses are compared in their folded form, as at the sign-in.
    pub fn find_user_called(&mut self, ids: SubjectIds, id: &str) -> Result<Option<UserId>, StoreError> {
        match ids {
            SubjectIds::Sub => self.one(BY_SUB, params![id], |row| row.get()),
            SubjectIds::Username => self.one(BY_USERNAME, params![fold(id)], |row| row.get()),
            SubjectIds::Email => self.one(BY_EMAIL, params![fold(id)], |row| row.get()),
        }
    }

    /// What a program with these ids calls `users`, in no order: those that have such an id.
    pub fn list_user_names(&mut self, ids: SubjectIds, users: &[UserId]) -> Result<Vec<String>, StoreError> {
        let sql = match ids {
            SubjectIds::Sub => SUBS,
            SubjectIds::Username => USERNAMES,
            SubjectIds::Email => EMAILS,
        };
        self.names(sql, users.iter().map(|id| id.0))
    }

    /// The codes of groups, in no order.
    pub fn list_group_codes(&mut self, groups: &[GroupId]) -> Result<Vec<String>, StoreError> {
        self.names(GROUPS, groups.iter().map(|id| id.0))
    }

    /// The `client_id`s of clients, in no order.
    pub fn list_client_ids(&mut self, clients: &[ClientId]) -> Result<Vec<String>, StoreError> {
        self.names(CLIENTS, clients.iter().map(|id| id.0))
    }

    fn names(
        &mut self,
        sql: &'static str,
        rows: impl Iterator<Item = i64>,
    ) -> Result<Vec<String>, StoreError> {
        let rows: Vec<i64> = rows.collect();
        let mut names = Vec::with_capacity(rows.len());
        for rows in rows.chunks(ROWS) {
            let mut values: Vec<Param<'_>> = rows.iter().map(|row| Param::from(*row)).collect();
            values.resize(ROWS, Param::Null);
            names.extend(self.all(sql, &values, |row| row.get())?);
        }
        Ok(names)
    }
}
