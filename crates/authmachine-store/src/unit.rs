//! Units of work: what runs inside a transaction, and what it may call.

use std::ops::{Deref, DerefMut};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::AtomicI64;
use std::sync::{Arc, mpsc};
use std::time::Instant;

use tokio::sync::oneshot;

use crate::client_cache::ClientCache;
use crate::engine::{Connection, Shared};
use crate::error::{Failure, StoreError};
use crate::faults::Faults;
use crate::throttles::CountedNames;
use crate::value::{Param, Row};

/// What can be read. Each statement sees what was committed when it began (and, in a unit of work, what the unit wrote):
/// what must agree stands in one statement.
///
/// After an error nothing more is asked of the database: each further call gives the same error.
pub struct Reads {
    pub(crate) connection: Connection,
    pub(crate) faults: Arc<Faults>,
    pub(crate) memory: Arc<ClientCache>,
    pub(crate) counted_names: Arc<CountedNames>,
    /// The newest change of this store's own.
    pub(crate) newest: Arc<AtomicI64>,
    /// Whether this is a unit of work, which sees what is not committed yet.
    pub(crate) writes: bool,
    pub(crate) failure: Option<Failure>,
}

/// What a unit of work may do: everything that [`Reads`] can, and write.
pub struct Tx {
    pub(crate) reads: Reads,
    pub(crate) hooks: Vec<Hook>,
    /// How often [`Tx::evict_interactions`] was called since it looked.
    pub(crate) evict_calls: i64,
}

/// Runs after the commit.
pub(crate) type Hook = Box<dyn FnOnce() + Send>;

impl Deref for Tx {
    type Target = Reads;

    fn deref(&self) -> &Reads {
        &self.reads
    }
}

impl DerefMut for Tx {
    fn deref_mut(&mut self) -> &mut Reads {
        &mut self.reads
    }
}

impl Reads {
    pub(crate) fn new(connection: Connection, shared: &Shared) -> Self {
        let (faults, memory) = (Arc::clone(&shared.faults), Arc::clone(&shared.memory));
        let counted_names = Arc::clone(&shared.counted_names);
        let newest = Arc::clone(&shared.newest);
        Self { connection, faults, memory, counted_names, newest, writes: false, failure: None }
    }

    fn call<T>(&mut self, call: impl FnOnce(&mut Connection) -> Result<T, Failure>) -> Result<T, StoreError> {
        if let Some(failure) = &self.failure {
            return Err(failure.error.clone());
        }
        let result = self.faults.call().map_err(Failure::from).and_then(|()| call(&mut self.connection));
        result.map_err(|failure| {
            let error = failure.error.clone();
            self.failure = Some(failure);
            error
        })
    }

    /// The first row, if there is one.
    pub(crate) fn one<T>(
        &mut self,
        sql: &'static str,
        params: &[Param<'_>],
        mut read: impl FnMut(&mut Row<'_>) -> Result<T, StoreError>,
    ) -> Result<Option<T>, StoreError> {
        let mut found = None;
        self.call(|connection| {
            connection.query(sql, params, &mut |row| {
                if found.is_none() {
                    found = Some(read(row)?);
                }
                Ok(())
            })
        })?;
        Ok(found)
    }

    /// All rows.
    pub(crate) fn all<T>(
        &mut self,
        sql: &'static str,
        params: &[Param<'_>],
        mut read: impl FnMut(&mut Row<'_>) -> Result<T, StoreError>,
    ) -> Result<Vec<T>, StoreError> {
        let mut found = Vec::new();
        self.call(|connection| {
            connection.query(sql, params, &mut |row| {
                found.push(read(row)?);
                Ok(())
            })
        })?;
        Ok(found)
    }

    /// Runs `read` in one transaction: all its statements see the database at one moment. In a unit of work, which is a
    /// transaction already, that holds on SQLite, and on PostgreSQL for what every writer takes a turn for.
    pub(crate) fn in_one_view<T>(
        &mut self,
        read: impl FnOnce(&mut Self) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        if self.writes {
            return read(self);
        }
        self.call(Connection::begin_view)?;
        let result = read(self);
        if let Err(failure) = self.connection.end_view() {
            // Nothing was written; a connection in a doubtful state is not used again.
            self.failure.get_or_insert(failure);
        }
        result
    }

    /// Plans `sql` without running it.
    pub(crate) fn prepare(&mut self, sql: &'static str) -> Result<(), StoreError> {
        self.call(|connection| connection.prepare(sql))
    }
}

impl Tx {
    pub(crate) const fn new(reads: Reads) -> Self {
        Self { reads, hooks: Vec::new(), evict_calls: 0 }
    }

    /// Runs a writing statement; how many rows it touched.
    pub(crate) fn run(&mut self, sql: &'static str, params: &[Param<'_>]) -> Result<u64, StoreError> {
        self.reads.call(|connection| connection.execute(sql, params))
    }

    /// Whether units run beside this one, so that only a written row makes them take turns: on PostgreSQL.
    pub(crate) const fn has_other_writers(&self) -> bool {
        matches!(self.reads.connection, Connection::Postgres(_))
    }

    /// Has `hook` run after the commit, on the store's thread: short, such as dropping a cache entry. It runs as well when
    /// the commit's outcome is not known, and not at all when nothing was committed.
    pub fn after_commit(&mut self, hook: Box<dyn FnOnce() + Send>) {
        self.hooks.push(hook);
    }

    /// Runs `unit` once; a panic and an error that it swallowed are errors.
    pub(crate) fn attempt(&mut self, unit: &mut dyn Unit) -> Result<(), StoreError> {
        self.reads.failure = None;
        self.reads.writes = unit.writes();
        self.hooks.clear();
        // A unit touches nothing but `tx`, whose transaction is rolled back, and its own result, which is dropped.
        match catch_unwind(AssertUnwindSafe(|| unit.run(self))) {
            Err(_) => Err(StoreError::Driver("a unit of work panicked".into())),
            Ok(Ok(())) => self.reads.failure.as_ref().map_or(Ok(()), |failure| Err(failure.error.clone())),
            Ok(Err(error)) => Err(error),
        }
    }
}

/// A unit of work, or a read, in the queue.
pub(crate) trait Unit: Send {
    /// Whether it needs a transaction.
    fn writes(&self) -> bool;
    /// Why it is not worth beginning, if so.
    fn is_stale(&self, now: Instant) -> bool;
    /// Runs it; a second run forgets the first.
    fn run(&mut self, tx: &mut Tx) -> Result<(), StoreError>;
    /// Tells its caller; on `Ok` what the last run gave.
    fn answer(self: Box<Self>, outcome: Result<(), StoreError>);
}

/// Who waits for a unit.
pub(crate) enum Caller<T> {
    Task(oneshot::Sender<Result<T, StoreError>>),
    Thread(mpsc::SyncSender<Result<T, StoreError>>),
    Nobody,
}

/// A closure as a [`Unit`].
pub(crate) struct Work<T, F> {
    pub(crate) run: F,
    pub(crate) writes: bool,
    pub(crate) deadline: Option<Instant>,
    pub(crate) caller: Caller<T>,
    pub(crate) result: Option<T>,
}

impl<T: Send, F: Fn(&mut Tx) -> Result<T, StoreError> + Send> Unit for Work<T, F> {
    fn writes(&self) -> bool {
        self.writes
    }

    fn is_stale(&self, now: Instant) -> bool {
        let left = matches!(&self.caller, Caller::Task(sender) if sender.is_closed());
        left || self.deadline.is_some_and(|deadline| deadline <= now)
    }

    fn run(&mut self, tx: &mut Tx) -> Result<(), StoreError> {
        self.result = None;
        self.result = Some((self.run)(tx)?);
        Ok(())
    }

    fn answer(self: Box<Self>, outcome: Result<(), StoreError>) {
        let Self { result, caller, .. } = *self;
        let result = outcome.map(|()| result.expect("a unit that ended well has left its result"));
        // A caller that has left does not care.
        match caller {
            Caller::Task(sender) => drop(sender.send(result)),
            Caller::Thread(sender) => drop(sender.send(result)),
            Caller::Nobody => {
                if let Err(error) = result {
                    tracing::warn!(%error, "A write that nobody waits for was lost");
                }
            }
        }
    }
}
