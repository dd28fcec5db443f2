//! Key and value pairs of the installation.

use crate::error::StoreError;
use crate::statements::statements;
use crate::unit::{Reads, Tx};
use crate::value::params;

statements! {
    FIND = "SELECT value FROM meta WHERE name = $1";
    INSERT = "INSERT INTO meta (name, value) VALUES ($1, $2) ON CONFLICT (name) DO NOTHING";
}

impl Reads {
    /// The value under `name`.
    pub fn find_meta(&mut self, name: &str) -> Result<Option<String>, StoreError> {
        self.one(FIND, params![name], |row| row.get())
    }
}

impl Tx {
    /// Puts `value` under `name`, unless something is there.
    pub fn insert_meta(&mut self, name: &str, value: &str) -> Result<(), StoreError> {
        self.run(INSERT, params![name, value]).map(drop)
    }
}
