//! A connection of either engine, and the threads that own them.

pub(crate) mod postgres;
pub(crate) mod sqlite;

use std::sync::Arc;
use std::sync::atomic::AtomicI64;
use std::time::Instant;

use crate::client_cache::ClientCache;
use crate::dialect::POSTGRES_BEGIN_VIEW;
use crate::error::{Failure, StoreError, unavailable};
use crate::faults::Faults;
use crate::queue::Queue;
use crate::stats::Counters;
use crate::throttles::CountedNames;
use crate::unit::{Hook, Unit};
use crate::value::{Param, Row};

/// What each row of an answer is given to.
pub(crate) type EachRow<'a> = &'a mut dyn FnMut(&mut Row<'_>) -> Result<(), StoreError>;

/// A connection to the database.
pub(crate) enum Connection {
    Sqlite(Box<rusqlite::Connection>),
    Postgres(Box<postgres::Link>),
}

impl Connection {
    /// Runs a statement and gives each row to `each`.
    pub(crate) fn query(
        &mut self,
        sql: &'static str,
        params: &[Param<'_>],
        each: EachRow<'_>,
    ) -> Result<(), Failure> {
        check(params)?;
        match self {
            Self::Sqlite(connection) => sqlite::query(connection, sql, params, each),
            Self::Postgres(link) => link.query(sql, params, each),
        }
    }

    /// Runs a statement without rows; how many it touched.
    pub(crate) fn execute(&mut self, sql: &'static str, params: &[Param<'_>]) -> Result<u64, Failure> {
        check(params)?;
        match self {
            Self::Sqlite(connection) => sqlite::execute(connection, sql, params),
            Self::Postgres(link) => link.execute(sql, params),
        }
    }

    /// Begins a transaction that reads, at one moment of the database.
    pub(crate) fn begin_view(&mut self) -> Result<(), Failure> {
        match self {
            Self::Sqlite(connection) => sqlite::begin_view(connection),
            Self::Postgres(link) => link.control(POSTGRES_BEGIN_VIEW),
        }
    }

    /// Ends it.
    pub(crate) fn end_view(&mut self) -> Result<(), Failure> {
        match self {
            Self::Sqlite(connection) => sqlite::execute(connection, "ROLLBACK", &[]).map(drop),
            Self::Postgres(link) => {
                link.control("ROLLBACK").map_err(|failure| Failure { lost: true, ..failure })
            }
        }
    }

    /// Plans a statement.
    pub(crate) fn prepare(&mut self, sql: &'static str) -> Result<(), Failure> {
        match self {
            Self::Sqlite(connection) => sqlite::prepare(connection, sql),
            Self::Postgres(link) => link.prepare(sql),
        }
    }
}

/// PostgreSQL's text has no U+0000, and SQLite's functions end at one: we store none. Whoever reads input refuses it there.
fn check(params: &[Param<'_>]) -> Result<(), StoreError> {
    let has_nul = |param: &Param<'_>| matches!(param, Param::Text(text) if text.contains('\0'));
    if params.iter().any(has_nul) {
        return Err(StoreError::Driver("a text has U+0000".into()));
    }
    Ok(())
}

/// What handlers and the engine's threads have in common.
pub(crate) struct Shared {
    pub(crate) queue: Queue<Box<dyn Unit>>,
    pub(crate) faults: Arc<Faults>,
    pub(crate) memory: Arc<ClientCache>,
    pub(crate) counted_names: Arc<CountedNames>,
    /// The newest change that was written through this store.
    pub(crate) newest: Arc<AtomicI64>,
    pub(crate) counters: Counters,
}

impl Shared {
    /// Whether `unit` is worth beginning; answers it if not.
    fn admit(&self, unit: Box<dyn Unit>, now: Instant) -> Option<Box<dyn Unit>> {
        if unit.is_stale(now) {
            self.counters.skipped();
            unit.answer(Err(unavailable("the deadline passed before the unit began")));
            return None;
        }
        Some(unit)
    }
}

/// Runs what a unit left for after its commit. A hook that panics ends neither the thread nor the hooks after it.
fn run_hooks(hooks: Vec<Hook>) {
    for hook in hooks {
        if std::panic::catch_unwind(std::panic::AssertUnwindSafe(hook)).is_err() {
            tracing::error!("A hook after a commit panicked");
        }
    }
}
