//! What can go wrong between us and the database.

use std::path::PathBuf;
use std::sync::Arc;

/// The driver's own words, for the log: a code and a message, never a value of ours.
pub type Cause = Arc<str>;

/// Why a unit of work or a read gave nothing. «Not found» is no error: it is `None`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// A row with that name or id is there already, where the caller took care that it is not.
    #[error("a row with that name or id is there already")]
    Conflict,
    /// The database is away, full, busy or too slow: try again later (503). Whether a write happened is not known
    /// when its connection was lost at COMMIT; otherwise it did not.
    #[error("the database is not available: {0}")]
    Unavailable(Cause),
    /// A stored value is none that we write.
    #[error("row {id} of table {table} cannot be read")]
    Corrupt {
        /// The table, or `database` when the file itself is damaged.
        table: &'static str,
        /// The row, 0 when it has no number.
        id: i64,
    },
    /// Our bug: a statement that the database refuses, or a unit of work that panicked.
    #[error("the store has a bug: {0}")]
    Driver(Cause),
}

/// Why the store does not open. Its reader is the operator.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// A folder or file cannot be made or opened.
    #[error("cannot open {path}; does it belong to the service's user?")]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// Another `serve` works on this folder.
    #[error("{path} is locked: another authmachine serves this data folder; stop it first")]
    InUse {
        /// The lock file.
        path: PathBuf,
    },
    /// The URL of the database is none, or asks for what we cannot give.
    #[error("the database URL is not usable: {0}")]
    Url(String),
    /// A newer version of the program has been here.
    #[error(
        "the database has schema {found}, this program knows schemas up to {known}: start the newer version again, \
         or restore the backup made before the upgrade"
    )]
    NewerSchema {
        /// The schema in the database.
        found: i64,
        /// The newest that this program knows.
        known: i64,
    },
    /// The database does not answer, or not as expected.
    #[error("cannot open the database")]
    Database(#[from] StoreError),
}

/// What a driver's error means, and what it says about the connection.
#[derive(Clone, Debug)]
pub(crate) struct Failure {
    pub(crate) error: StoreError,
    /// The transaction lost against another one and may be run again: 40001, 40P01.
    pub(crate) again: bool,
    /// The connection is of no use any more.
    pub(crate) lost: bool,
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        Self { error, again: false, lost: false }
    }
}

pub(crate) fn unavailable(cause: &str) -> StoreError {
    StoreError::Unavailable(cause.into())
}
