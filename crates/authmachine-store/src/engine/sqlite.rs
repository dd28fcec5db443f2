//! SQLite: one writer thread with group commit, readers inline.

use std::cell::Cell;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, TryLockError};
use std::time::{Duration, Instant};

use rusqlite::config::DbConfig;
use rusqlite::{Connection as Sqlite, OpenFlags, params_from_iter};

use super::{Connection, EachRow, Shared, run_hooks};
use crate::dialect::{SQLITE_BEGIN, sqlite_failure};
use crate::error::{Failure, StoreError, unavailable};
use crate::settings::Synchronous;
use crate::unit::{Hook, Reads, Tx, Unit};
use crate::value::{Cells, Param, Row};

/// A batch ends at so many units,
const BATCH_UNITS: usize = 256;
/// or after so long, so that its first unit does not wait for ever.
const BATCH_TIME: Duration = Duration::from_millis(2);
/// How long a writer waits for one of another process (the command line beside a running server).
const BUSY: Duration = Duration::from_millis(1_500);
/// Pages after which a commit moves the log into the file: more gives longer pauses (design.md, measured limits).
const CHECKPOINT_PAGES: i64 = 200;

/// Opens the file for the writer, or read-only for a reader.
pub(crate) fn connect(path: &Path, synchronous: Option<Synchronous>) -> Result<Box<Sqlite>, StoreError> {
    let access = match synchronous {
        Some(_) => OpenFlags::SQLITE_OPEN_READ_WRITE,
        None => OpenFlags::SQLITE_OPEN_READ_ONLY,
    };
    let open = || {
        let connection = Sqlite::open_with_flags(path, access | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
        connection.busy_timeout(BUSY)?;
        connection.set_prepared_statement_cache_capacity(256);
        // Plans do not depend on what is bound. Else SQLite plans a join anew at every call when it compares a column without an
        // index with a parameter, as the look-up of a handle with its facts does: that cost four times the look-up itself.
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
        connection.pragma_update(None, "foreign_keys", true)?;
        connection.pragma_update(None, "trusted_schema", false)?;
        if let Some(synchronous) = synchronous {
            let level = match synchronous {
                Synchronous::Full => "FULL",
                Synchronous::Off => "OFF",
            };
            connection.pragma_update_and_check(None, "journal_mode", "WAL", |_| Ok(()))?;
            connection.pragma_update(None, "synchronous", level)?;
            connection.pragma_update_and_check(None, "wal_autocheckpoint", CHECKPOINT_PAGES, |_| Ok(()))?;
        }
        Ok(Box::new(connection))
    };
    open().map_err(|error| sqlite_failure(&error).error)
}

pub(super) fn query(
    connection: &Sqlite,
    sql: &str,
    params: &[Param<'_>],
    each: EachRow<'_>,
) -> Result<(), Failure> {
    let failure = |error| sqlite_failure(&error);
    let mut statement = connection.prepare_cached(sql).map_err(failure)?;
    let mut rows = statement.query(params_from_iter(params)).map_err(failure)?;
    while let Some(row) = rows.next().map_err(failure)? {
        each(&mut Row::new(Cells::Sqlite(row)))?;
    }
    Ok(())
}

pub(super) fn execute(connection: &Sqlite, sql: &str, params: &[Param<'_>]) -> Result<u64, Failure> {
    let run = || connection.prepare_cached(sql)?.execute(params_from_iter(params));
    run().map(|rows| u64::try_from(rows).unwrap_or(u64::MAX)).map_err(|error| sqlite_failure(&error))
}

pub(super) fn prepare(connection: &Sqlite, sql: &str) -> Result<(), Failure> {
    connection.prepare_cached(sql).map(drop).map_err(|error| sqlite_failure(&error))
}

/// Read-only connections, a slot a thread. They belong to the store and not to the threads, which outlive it.
pub(crate) struct Readers {
    slots: Vec<Mutex<Reads>>,
}

impl Readers {
    pub(crate) fn open(path: &Path, shared: &Shared) -> Result<Self, StoreError> {
        let count = std::thread::available_parallelism().map_or(4, usize::from).clamp(4, 16);
        let slots = (0..count).map(|_| Ok(Mutex::new(reader(path, shared)?)));
        Ok(Self { slots: slots.collect::<Result<_, StoreError>>()? })
    }

    /// A reader that nobody uses just now: the thread's own, or another, or else the thread's own after a wait.
    pub(crate) fn pick(&self) -> MutexGuard<'_, Reads> {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        std::thread_local!(static OWN: Cell<usize> = Cell::new(NEXT.fetch_add(1, Ordering::Relaxed)));
        let own = OWN.get() % self.slots.len();
        let (after, before) = (&self.slots[own..], &self.slots[..own]);
        let free = after.iter().chain(before).find_map(|slot| match slot.try_lock() {
            Ok(reads) => Some(reads),
            // Somebody's closure panicked; the connection is none the worse.
            Err(TryLockError::Poisoned(poisoned)) => Some(poisoned.into_inner()),
            Err(TryLockError::WouldBlock) => None,
        });
        let mut reads =
            free.unwrap_or_else(|| self.slots[own].lock().unwrap_or_else(PoisonError::into_inner));
        reads.failure = None;
        reads
    }
}

/// One more read-only connection.
pub(crate) fn reader(path: &Path, shared: &Shared) -> Result<Reads, StoreError> {
    Ok(Reads::new(Connection::Sqlite(connect(path, None)?), Arc::clone(&shared.faults)))
}

/// The writer thread: takes what is queued, runs each unit in a savepoint of one durable transaction, commits, answers.
pub(crate) fn write_loop(mut tx: Tx, shared: &Shared) {
    while let Some(unit) = shared.queue.pop() {
        if let Some(unit) = shared.admit(unit) {
            Batch { tx: &mut tx, shared, done: Vec::new() }.run(unit);
        }
    }
}

struct Batch<'a> {
    tx: &'a mut Tx,
    shared: &'a Shared,
    done: Vec<(Box<dyn Unit>, Vec<Hook>)>,
}

/// The transaction is gone, with everything in it.
struct Gone(StoreError);

impl Batch<'_> {
    fn run(mut self, first: Box<dyn Unit>) {
        let began = Instant::now();
        if let Err(error) = self.control(SQLITE_BEGIN) {
            self.shared.counters.failed(1);
            return first.answer(Err(error));
        }
        let mut next = Some(first);
        while let Some(unit) = next {
            if let Some(unit) = self.shared.admit(unit)
                && let Err(Gone(error)) = self.step(unit)
            {
                return self.fail(&error);
            }
            let more = self.done.len() < BATCH_UNITS && began.elapsed() < BATCH_TIME;
            next = if more { self.shared.queue.try_pop() } else { None };
        }
        if self.done.is_empty() {
            // Nothing to keep; an error here shows at the next BEGIN.
            let _ = self.control("ROLLBACK");
            return;
        }
        self.commit();
    }

    /// Runs one unit in a savepoint of its own.
    fn step(&mut self, mut unit: Box<dyn Unit>) -> Result<(), Gone> {
        if let Err(error) = self.control("SAVEPOINT unit") {
            unit.answer(Err(error.clone()));
            return Err(Gone(error));
        }
        match self.tx.attempt(&mut *unit) {
            Ok(()) => match self.control("RELEASE unit") {
                Ok(()) => {
                    self.done.push((unit, std::mem::take(&mut self.tx.hooks)));
                    Ok(())
                }
                Err(error) => {
                    unit.answer(Err(error.clone()));
                    Err(Gone(error))
                }
            },
            Err(error) => {
                self.shared.counters.failed(1);
                unit.answer(Err(error));
                // A full disk ends the whole transaction, not only the savepoint.
                if self.is_over() {
                    return Err(Gone(unavailable("the transaction was rolled back by the database")));
                }
                self.control("ROLLBACK TO unit").and_then(|()| self.control("RELEASE unit")).map_err(Gone)
            }
        }
    }

    fn commit(mut self) {
        let began = Instant::now();
        let committed = self.shared.faults.call().and_then(|()| self.control("COMMIT"));
        if let Err(error) = committed {
            return self.fail(&error);
        }
        self.shared.counters.committed(self.done.len(), began.elapsed());
        let outcome = self.shared.faults.committed();
        for (unit, hooks) in std::mem::take(&mut self.done) {
            // First the caches, then the answer: who has it must not meet the old state.
            run_hooks(hooks);
            unit.answer(outcome.clone());
        }
    }

    /// Nothing of the batch is on disk.
    fn fail(mut self, error: &StoreError) {
        if !self.is_over() {
            let _ = self.control("ROLLBACK");
        }
        self.shared.counters.failed(self.done.len());
        for (unit, hooks) in std::mem::take(&mut self.done) {
            // A COMMIT that failed while writing may have reached the disk.
            run_hooks(hooks);
            unit.answer(Err(unavailable(&error.to_string())));
        }
    }

    fn connection(&self) -> &Sqlite {
        match &self.tx.reads.connection {
            Connection::Sqlite(connection) => connection,
            Connection::Postgres(_) => unreachable!("the writer of SQLite has a connection to SQLite"),
        }
    }

    fn is_over(&self) -> bool {
        self.connection().is_autocommit()
    }

    fn control(&self, sql: &str) -> Result<(), StoreError> {
        execute(self.connection(), sql, &[]).map(drop).map_err(|failure| failure.error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Store;
    use crate::settings::{Database, Settings};

    #[test]
    fn a_statement_is_planned_once() {
        let folder = tempfile::tempdir().expect("a temporary folder can be made");
        let path = folder.path().join("a.db");
        std::fs::write(&path, "").expect("it can be written");
        let connection = connect(&path, Some(Synchronous::Off)).expect("it opens");
        connection.execute_batch("CREATE TABLE t (id INTEGER PRIMARY KEY, sha256 BLOB)").expect("a table");
        let find = "SELECT t.id FROM t LEFT JOIN t AS u ON u.id = t.id WHERE t.id = $1 AND t.sha256 = $2";
        for n in 0..3 {
            let params = [Param::Int(n), Param::Bytes(&[7; 32])];
            query(&connection, find, &params, &mut |_| Ok(())).expect("no row");
        }
        let statement = connection.prepare_cached(find).expect("in the cache");
        assert_eq!(statement.get_status(rusqlite::StatementStatus::RePrepare), 0);
    }

    /// Forbids the writer's file to grow, as a full disk does, or allows it again.
    fn limit(tx: &Tx, pages: u32) {
        let Connection::Sqlite(connection) = &tx.reads.connection else { unreachable!("it is SQLite's") };
        connection
            .pragma_update_and_check(None, "max_page_count", pages, |_| Ok(()))
            .expect("it takes the limit");
    }

    #[test]
    fn rb11_a_full_disk_ends_the_whole_batch_and_the_writer_outlives_it() {
        let folder = tempfile::tempdir().expect("a temporary folder can be made");
        let database = Database::Sqlite { folder: folder.path().to_owned(), synchronous: Synchronous::Off };
        let store = Store::open(Settings::new(database)).expect("it opens");
        let soon = Instant::now() + Duration::from_secs(30);
        let (go, wait) = std::sync::mpsc::channel::<()>();
        let find = |name: &'static str| store.read_blocking(move |reads| reads.find_meta(name));
        let queued = |count: u64| {
            while store.stats().queue < count {
                assert!(Instant::now() < soon, "nothing is queued");
                std::thread::yield_now();
            }
        };
        std::thread::scope(|scope| {
            store.write_later(move |_| {
                wait.recv().expect("somebody lets go");
                Ok(())
            });
            // While that one holds the writer, the next two come into one batch.
            while store.stats().queue > 0 {
                std::thread::yield_now();
            }
            let good = scope.spawn(|| store.write_blocking(soon, |tx| tx.insert_meta("good", "value")));
            queued(1);
            let full = scope.spawn(|| {
                store.write_blocking(soon, |tx| {
                    limit(tx, 1);
                    (0..100).try_for_each(|n| tx.insert_meta(&format!("m{n}"), &"x".repeat(10_000)))
                })
            });
            queued(2);
            go.send(()).expect("it waits");
            let (good, full) = (good.join().expect("no panic"), full.join().expect("no panic"));
            assert!(matches!(full, Err(StoreError::Unavailable(_))), "{full:?}");
            // On a slow machine its batch has ended by time before the other came.
            let found = find("good").expect("reads go on");
            assert_eq!(found.is_some(), good.is_ok(), "{good:?}");
            assert_eq!(find("m0"), Ok(None));
        });

        let grow = |tx: &mut Tx| {
            limit(tx, u32::MAX - 1);
            Ok(())
        };
        store.write_blocking(soon, grow).expect("the writer is there");
        store.write_blocking(soon, |tx| tx.insert_meta("after", "value")).expect("it heals");
        assert_eq!(find("after"), Ok(Some("value".to_owned())));
    }
}
