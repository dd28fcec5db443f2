//! Key and value pairs of the installation, and the numbers of its nodes.

use crate::error::StoreError;
use crate::statements::statements;
use crate::unit::{Reads, Tx};
use crate::value::params;

statements! {
    FIND = "SELECT value FROM meta WHERE name = $1";
    INSERT = "INSERT INTO meta (name, value) VALUES ($1, $2) ON CONFLICT (name) DO NOTHING";
    NEXT_NODE = "INSERT INTO counters (name, value) VALUES ('node', 0)
        ON CONFLICT (name) DO UPDATE SET value = counters.value + 1 RETURNING value";
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

    /// The number of a process that begins to make ids: another one than that of the 63 that began before it.
    pub fn next_node(&mut self) -> Result<u8, StoreError> {
        let drawn: Option<i64> = self.one(NEXT_NODE, &[], |row| row.get())?;
        Ok(u8::try_from(drawn.unwrap_or_default() & 0x3F).expect("six bits"))
    }
}
