//! Which database, and how it is used.

use std::path::PathBuf;
use std::time::Duration;

use crate::client_cache::TRUSTED_FOR;

/// What [`Store::open`](crate::Store::open) needs to know.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Which database.
    pub database: Database,
    /// How many units of work may wait; one more is refused at once.
    pub queue: usize,
    /// How long after the last look at the changes ([`Store::changed_since`](crate::Store::changed_since)) what is in memory is
    /// believed.
    pub trusted_for: Duration,
}

impl Settings {
    /// `database` with the usual limits.
    pub const fn new(database: Database) -> Self {
        Self { database, queue: 4_096, trusted_for: TRUSTED_FOR }
    }
}

/// The database.
#[derive(Clone)]
pub enum Database {
    /// Embedded, in files of a folder of ours.
    Sqlite {
        /// The data folder; made (0700) if it is missing.
        folder: PathBuf,
        /// Whether a commit waits for the disk.
        synchronous: Synchronous,
    },
    /// A server, by a Unix socket or TCP. There is no TLS yet, so another machine is refused
    /// unless the URL says `sslmode=disable`.
    Postgres {
        /// `postgres://user:password@host:port/database` or the key-value form of libpq.
        url: String,
        /// How many connections at most; [`Database::CONNECTIONS`] is usual.
        max_connections: usize,
    },
}

/// Whether a commit waits for the disk (SQLite's `PRAGMA synchronous`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Synchronous {
    /// Yes: what was acknowledged survives a power cut.
    Full,
    /// No: for tests.
    Off,
}

impl Database {
    /// The usual number of connections to PostgreSQL.
    pub const CONNECTIONS: usize = 8;
}

impl std::fmt::Debug for Database {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Sqlite { folder, synchronous } => {
                f.debug_struct("Sqlite").field("folder", folder).field("synchronous", synchronous).finish()
            }
            // The URL may hold a password.
            Self::Postgres { max_connections, .. } => {
                f.debug_struct("Postgres").field("max_connections", max_connections).finish_non_exhaustive()
            }
        }
    }
}
