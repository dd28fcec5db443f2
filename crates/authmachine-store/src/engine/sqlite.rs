//! SQLite: one writer thread with group commit, readers inline.

use std::cell::Cell;
use std::path::Path;
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, TryLockError};
use std::time::{Duration, Instant};

use rusqlite::config::DbConfig;
use rusqlite::hooks::Wal;
use rusqlite::wal::CheckpointMode;
use rusqlite::{Connection as Sqlite, MAIN_DB, OpenFlags, params_from_iter};

use super::{Connection, EachRow, Shared, run_hooks};
use crate::dialect::{SQLITE_BEGIN, SQLITE_BEGIN_VIEW, sqlite_failure};
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
/// Pages after which the log is moved into the file: more gives longer pauses.
const CHECKPOINT_PAGES: u32 = 200;
/// What the writer may keep of the file: rows of tokens that are refreshed are all over it.
const WRITER_CACHE_KIB: i64 = 16 << 10;
/// What the log's file keeps of its length when it begins anew, after a large transaction or a long reader.
const LOG_BYTES: i64 = 4 << 20;

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
            connection.pragma_update_and_check(None, "journal_size_limit", LOG_BYTES, |_| Ok(()))?;
            connection.pragma_update(None, "cache_size", -WRITER_CACHE_KIB)?;
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

/// Begins a transaction that reads. One that is open was left by a read that panicked.
pub(super) fn begin_view(connection: &Sqlite) -> Result<(), Failure> {
    if !connection.is_autocommit() {
        execute(connection, "ROLLBACK", &[])?;
    }
    execute(connection, SQLITE_BEGIN_VIEW, &[]).map(drop)
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
    Ok(Reads::new(Connection::Sqlite(connect(path, None)?), shared))
}

/// The writer thread: takes what is queued, runs it in one durable transaction, commits, answers, and then sees to the log.
pub(crate) fn write_loop(mut tx: Tx, shared: &Shared) {
    let mut log = Log::watch(&mut tx);
    while let Some(unit) = shared.queue.pop() {
        let began = Instant::now();
        if let Some(unit) = shared.admit(unit, began) {
            Batch { tx: &mut tx, shared, done: Vec::new(), with_savepoints: false }.run(unit, began);
        }
        log.move_if_long(&tx, shared);
        shared.counters.held(began.elapsed());
    }
}

fn connection(tx: &Tx) -> &Sqlite {
    match &tx.reads.connection {
        Connection::Sqlite(connection) => connection,
        Connection::Postgres(_) => unreachable!("the writer of SQLite has a connection to SQLite"),
    }
}

/// The write-ahead log. The writer moves it into the file itself, after the answers, when it has grown by some pages: SQLite
/// would do it within COMMIT, and a thread of its own lets the log grow without end under load.
struct Log {
    /// Its pages after the last commit.
    pages: Arc<AtomicU32>,
    seen: u32,
    moved: u32,
    due: u32,
}

impl Log {
    fn watch(tx: &mut Tx) -> Self {
        let pages = Arc::new(AtomicU32::new(0));
        let told = Arc::clone(&pages);
        let Connection::Sqlite(connection) = &mut tx.reads.connection else {
            unreachable!("the writer of SQLite has a connection to SQLite")
        };
        // This takes the place of SQLite's own checkpoints, which are a hook as well.
        let hook = connection.wal_hook(Some(move |_: &mut Wal, pages: i32| {
            told.store(pages.unsigned_abs(), Ordering::Relaxed);
            Ok(())
        }));
        hook.expect("a connection takes a hook");
        Self { pages, seen: 0, moved: 0, due: CHECKPOINT_PAGES }
    }

    fn move_if_long(&mut self, tx: &Tx, shared: &Shared) {
        let pages = self.pages.load(Ordering::Relaxed);
        if pages < self.seen {
            // All of it was in the file and nobody read it, so SQLite began it anew.
            (self.moved, self.due) = (0, CHECKPOINT_PAGES);
        }
        self.seen = pages;
        if pages < self.due {
            return;
        }
        // Whether or not a reader stood in the way of some pages, the next try has as many new ones.
        self.due = pages.saturating_add(CHECKPOINT_PAGES);
        let began = Instant::now();
        match connection(tx).wal_checkpoint_v2(Some(MAIN_DB), CheckpointMode::PASSIVE) {
            Ok((_, moved)) => {
                let before = std::mem::replace(&mut self.moved, moved.unsigned_abs());
                let pages = self.moved.saturating_sub(before);
                shared.counters.checkpointed(pages.into(), began.elapsed());
            }
            // A full disk: the log holds what was committed, and grows until there is room.
            Err(error) => tracing::warn!(%error, "The log could not be moved into the database's file"),
        }
    }
}

struct Batch<'a> {
    tx: &'a mut Tx,
    shared: &'a Shared,
    done: Vec<(Box<dyn Unit>, Vec<Hook>)>,
    /// Units that fail are rare and savepoints are not free: only a batch in which one has failed has them.
    with_savepoints: bool,
}

/// The transaction is gone, with everything in it.
struct Gone(StoreError);

impl Batch<'_> {
    fn run(mut self, first: Box<dyn Unit>, began: Instant) {
        if let Err(error) = self.control(SQLITE_BEGIN) {
            self.shared.counters.failed(1);
            return first.answer(Err(error));
        }
        let mut next = Some(first);
        while let Some(unit) = next {
            if let Err(Gone(error)) = self.step(unit) {
                return self.fail(&error);
            }
            next = self.next(began);
        }
        if self.done.is_empty() {
            // Nothing to keep; an error here shows at the next BEGIN.
            let _ = self.control("ROLLBACK");
            return;
        }
        self.commit();
    }

    /// The next unit that is worth beginning, if the batch may have one more.
    fn next(&self, began: Instant) -> Option<Box<dyn Unit>> {
        loop {
            let now = Instant::now();
            if self.done.len() >= BATCH_UNITS || now.duration_since(began) >= BATCH_TIME {
                return None;
            }
            if let Some(unit) = self.shared.admit(self.shared.queue.try_pop()?, now) {
                return Some(unit);
            }
        }
    }

    /// Runs one unit. One that fails is answered, and leaves nothing behind.
    fn step(&mut self, mut unit: Box<dyn Unit>) -> Result<(), Gone> {
        let ran = self.savepoint("SAVEPOINT unit").and_then(|()| {
            self.tx.attempt(&mut *unit)?;
            self.savepoint("RELEASE unit")
        });
        let Err(error) = ran else {
            self.done.push((unit, std::mem::take(&mut self.tx.hooks)));
            return Ok(());
        };
        self.shared.counters.failed(1);
        unit.answer(Err(error));
        // A full disk ends the whole transaction, not only the savepoint.
        if self.is_over() {
            return Err(Gone(unavailable("the transaction was rolled back by the database")));
        }
        if self.with_savepoints {
            return self
                .control("ROLLBACK TO unit")
                .and_then(|()| self.control("RELEASE unit"))
                .map_err(Gone);
        }
        self.run_again()
    }

    /// Runs the units before one that failed again, in a new transaction with savepoints.
    fn run_again(&mut self) -> Result<(), Gone> {
        self.with_savepoints = true;
        self.control("ROLLBACK").and_then(|()| self.control(SQLITE_BEGIN)).map_err(Gone)?;
        let mut before = std::mem::take(&mut self.done).into_iter();
        while let Some((unit, _)) = before.next() {
            if let Err(gone) = self.step(unit) {
                self.done.extend(before);
                return Err(gone);
            }
        }
        Ok(())
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

    fn is_over(&self) -> bool {
        connection(self.tx).is_autocommit()
    }

    fn savepoint(&self, sql: &str) -> Result<(), StoreError> {
        if self.with_savepoints { self.control(sql) } else { Ok(()) }
    }

    fn control(&self, sql: &str) -> Result<(), StoreError> {
        execute(connection(self.tx), sql, &[]).map(drop).map_err(|failure| failure.error)
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
