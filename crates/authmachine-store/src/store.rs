//! The store itself: open, write, read.

use std::fs::{File, OpenOptions};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use authmachine_provider::Timestamp;
use authmachine_provider::ids::ClientId;
use tokio::sync::oneshot;

use crate::changes::{CLIENT, SIGNING_KEY};
use crate::cleanup::{Pace, Purge, Step};
use crate::client_cache::ClientCache;
use crate::engine::{Connection, Shared, postgres, sqlite};
use crate::error::{OpenError, StoreError, unavailable};
use crate::faults::Faults;
use crate::folder;
use crate::migrations;
use crate::queue::Queue;
use crate::settings::{Database, Settings};
use crate::stats::{Counters, Stats};
use crate::throttles::CountedNames;
use crate::unit::{Caller, Reads, Tx, Unit, Work};

/// The database's file in the data folder.
const FILE: &str = "authmachine.db";
/// Its write-ahead log, as SQLite calls it.
const LOG: &str = "authmachine.db-wal";
/// The lock file beside it.
const LOCK: &str = "serve.lock";
/// Changes that are looked at one by one; after more, everything may have changed.
const MAX_CHANGES: i64 = 1_000;
/// The longest wait for a read that has to queue: a little less than the two seconds after which a caller is told (checklist RB10).
const READ_TIME: Duration = Duration::from_millis(1_500);

/// The database, ready for use; cheap to clone. Dropping the last clone finishes what is queued and closes everything.
#[derive(Clone)]
pub struct Store {
    inner: Arc<Inner>,
}

struct Inner {
    shared: Arc<Shared>,
    /// On SQLite.
    files: Option<Files>,
    /// On PostgreSQL: how to connect.
    server: Option<postgres::Config>,
    threads: Mutex<Vec<JoinHandle<()>>>,
}

struct Files {
    folder: PathBuf,
    readers: sqlite::Readers,
    /// Reads nothing but `data_version`, which each connection counts for itself.
    watch: Mutex<Reads>,
    lock: Mutex<Option<File>>,
}

/// Up to where somebody knows the changes ([`Store::changed_since`]); new ones know nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Marker {
    data_version: i64,
    /// The last change known.
    pub revision: i64,
}

/// What has changed ([`Store::changed_since`]).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Changed {
    /// Some client.
    pub clients: bool,
    /// Some signing key.
    pub signing_keys: bool,
    /// These, or anything else.
    pub anything: bool,
}

impl Store {
    /// Opens the database, makes it if it is missing, and brings its schema up to date. Blocks.
    ///
    /// # Errors
    /// [`OpenError`].
    pub fn open(settings: Settings) -> Result<Self, OpenError> {
        let shared = Arc::new(Shared {
            queue: Queue::new(settings.queue),
            faults: Arc::new(Faults::default()),
            memory: Arc::new(ClientCache::new(settings.trusted_for)),
            counted_names: Arc::new(CountedNames::new()),
            newest: Arc::default(),
            counters: Counters::default(),
        });
        match settings.database {
            Database::Sqlite { folder, synchronous } => {
                folder::make(&folder).map_err(|source| OpenError::File { path: folder.clone(), source })?;
                let path = folder.join(FILE);
                // SQLite gives its other files the mode of this one.
                open_private(&path)?;
                let mut writer = sqlite::connect(&path, Some(synchronous))?;
                migrations::sqlite(&mut writer)?;
                let files = Files {
                    readers: sqlite::Readers::open(&path, &shared)?,
                    watch: Mutex::new(sqlite::reader(&path, &shared)?),
                    lock: Mutex::new(None),
                    folder,
                };
                let mut tx = Tx::new(Reads::new(Connection::Sqlite(writer), &shared));
                shared.counted_names.learn(&mut tx)?;
                let store = Self::new(shared, Some(files), None);
                store.spawn("store-writer", tx, sqlite::write_loop)?;
                Ok(store)
            }
            Database::Postgres { url, max_connections } => {
                let config = postgres::config(&url)?;
                let first = config.clone();
                // On a thread of its own, because the caller's may be inside a runtime.
                std::thread::spawn(move || migrations::postgres(&mut postgres::connect(&first)?))
                    .join()
                    .map_err(|_| StoreError::Driver("migrating panicked".into()))??;
                let store = Self::new(shared, None, Some(config.clone()));
                for n in 1..=max_connections.max(1) {
                    let link = Connection::Postgres(Box::new(postgres::Link::new(config.clone())));
                    let tx = Tx::new(Reads::new(link, &store.inner.shared));
                    store.spawn(&format!("store-{n}"), tx, postgres::work_loop)?;
                }
                Ok(store)
            }
        }
    }

    fn new(shared: Arc<Shared>, files: Option<Files>, server: Option<postgres::Config>) -> Self {
        Self { inner: Arc::new(Inner { shared, files, server, threads: Mutex::new(Vec::new()) }) }
    }

    fn spawn(&self, name: &str, tx: Tx, run: fn(Tx, &Shared)) -> Result<(), OpenError> {
        let shared = Arc::clone(&self.inner.shared);
        let thread = std::thread::Builder::new()
            .name(name.to_owned())
            .spawn(move || run(tx, &shared))
            .map_err(|error| unavailable(&format!("cannot start a thread: {error}")))?;
        self.inner.threads.lock().unwrap_or_else(PoisonError::into_inner).push(thread);
        Ok(())
    }

    /// Runs `unit` in a transaction: when this returns `Ok`, all of it is on disk; on `Err` none of it, unless the answer to
    /// COMMIT was lost or the deadline passed while the unit ran: then that is not known.
    ///
    /// `unit` may run more than once, so it takes clock, secrets and ids with it and touches nothing but its `tx`.
    /// `Ok(Err(refusal))` commits. After an error from `tx` it must return. Dropping the future does not cut a unit that
    /// has begun; one that has not begun is then skipped.
    ///
    /// # Errors
    /// [`StoreError`]; at once when the queue is full.
    pub async fn write<T, F>(&self, deadline: Instant, unit: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: Fn(&mut Tx) -> Result<T, StoreError> + Send + 'static,
    {
        self.ask(true, deadline, unit).await
    }

    /// Runs `read`: inline on SQLite, where it takes microseconds, and on the pool on PostgreSQL.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn read<T, F>(&self, read: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: Fn(&mut Reads) -> Result<T, StoreError> + Send + 'static,
    {
        if let Some(files) = &self.inner.files {
            return read(&mut files.readers.pick());
        }
        self.ask(false, Instant::now() + READ_TIME, move |tx| read(tx)).await
    }

    async fn ask<T, F>(&self, writes: bool, deadline: Instant, run: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: Fn(&mut Tx) -> Result<T, StoreError> + Send + 'static,
    {
        let (sender, answer) = oneshot::channel();
        let work = Work { run, writes, deadline: Some(deadline), caller: Caller::Task(sender), result: None };
        self.submit(Box::new(work))?;
        match tokio::time::timeout_at(deadline.into(), answer).await {
            Ok(Ok(result)) => result,
            Ok(Err(_)) => Err(unavailable("the store is closed")),
            Err(_) => Err(unavailable("the deadline passed")),
        }
    }

    /// [`Store::write`] for callers without a runtime.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn write_blocking<T, F>(&self, deadline: Instant, unit: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: Fn(&mut Tx) -> Result<T, StoreError> + Send + 'static,
    {
        self.ask_blocking(true, deadline, unit)
    }

    /// [`Store::read`] for callers without a runtime.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn read_blocking<T, F>(&self, read: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: Fn(&mut Reads) -> Result<T, StoreError> + Send + 'static,
    {
        if let Some(files) = &self.inner.files {
            return read(&mut files.readers.pick());
        }
        self.ask_blocking(false, Instant::now() + READ_TIME, move |tx| read(tx))
    }

    fn ask_blocking<T, F>(&self, writes: bool, deadline: Instant, run: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: Fn(&mut Tx) -> Result<T, StoreError> + Send + 'static,
    {
        let (sender, answer) = mpsc::sync_channel(1);
        let work =
            Work { run, writes, deadline: Some(deadline), caller: Caller::Thread(sender), result: None };
        self.submit(Box::new(work))?;
        let wait = deadline.saturating_duration_since(Instant::now());
        answer.recv_timeout(wait).unwrap_or_else(|_| Err(unavailable("the deadline passed")))
    }

    /// Queues `unit` and goes on: for events and last-used times. It is dropped when the queue is full, and logged when it fails.
    pub fn write_later<F>(&self, unit: F)
    where
        F: Fn(&mut Tx) -> Result<(), StoreError> + Send + 'static,
    {
        let work = Work { run: unit, writes: true, deadline: None, caller: Caller::Nobody, result: None };
        if self.submit(Box::new(work)).is_err() {
            tracing::warn!("A write that nobody waits for was dropped: the queue is full");
        }
    }

    fn submit(&self, unit: Box<dyn Unit>) -> Result<(), StoreError> {
        self.inner.shared.queue.push(unit).map_err(|_| {
            self.inner.shared.counters.failed(1);
            unavailable("the queue is full")
        })
    }

    /// A connection for one long read, which takes none of those that requests use. Blocks.
    pub(crate) fn extra_reader(&self) -> Result<Reads, StoreError> {
        let Inner { shared, files, server, .. } = &*self.inner;
        if let Some(files) = files {
            return sqlite::reader(&files.folder.join(FILE), shared);
        }
        let config = server.clone().expect("what has no files has a server");
        let mut link = postgres::Link::new(config);
        link.open().map_err(|failure| failure.error)?;
        Ok(Reads::new(Connection::Postgres(Box::new(link)), shared))
    }

    /// The revision of the newest change that was written through this store, here and not by others: after its commit whoever has
    /// something in memory knows that it is behind. 0 before the first; too high when a commit was lost.
    pub fn newest_revision(&self) -> u64 {
        u64::try_from(self.inner.shared.newest.load(Relaxed)).unwrap_or_default()
    }

    /// What changed of what is kept in memory (users, clients, keys, permissions: see [`Reads::list_changes`]), by this process or
    /// another; moves `marker` up, and has the clients in memory follow. Cheap enough for four times a second.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn changed_since(&self, marker: &mut Marker) -> Result<Changed, StoreError> {
        let asked_at = Instant::now();
        let memory = &self.inner.shared.memory;
        let mut data_version = 0;
        if let Some(files) = &self.inner.files {
            let mut watch = files.watch.lock().unwrap_or_else(PoisonError::into_inner);
            watch.failure = None;
            data_version = watch.data_version()?;
            if data_version == marker.data_version {
                memory.is_current_at(asked_at);
                return Ok(Changed::default());
            }
        }
        let known = marker.revision;
        let (revision, changes) = self
            .read(move |reads| {
                let revision = reads.current_revision()?;
                let count = revision - known;
                let is_near = known > 0 && (0..=MAX_CHANGES).contains(&count);
                Ok((revision, if is_near { reads.list_changes(known, count)? } else { Vec::new() }))
            })
            .await?;
        let missed = i64::try_from(changes.len()) != Ok(revision - known);
        let changed = |kind: &str| missed || changes.iter().any(|change| change.kind == kind);
        if missed {
            memory.forget_all();
        }
        for change in changes.iter().filter(|change| change.kind == CLIENT) {
            memory.forget(ClientId(change.entity_id));
        }
        memory.is_current_at(asked_at);
        *marker = Marker { data_version, revision };
        Ok(Changed {
            clients: changed(CLIENT),
            signing_keys: changed(SIGNING_KEY),
            anything: revision != known,
        })
    }

    /// Takes the data folder for the one process that serves from it, until the store is dropped. On PostgreSQL, where several may
    /// serve, it does nothing.
    ///
    /// # Errors
    /// [`OpenError::InUse`], [`OpenError::File`].
    pub fn lock_for_serving(&self) -> Result<(), OpenError> {
        let Some(files) = &self.inner.files else { return Ok(()) };
        let path = files.folder.join(LOCK);
        let file = open_private(&path)?;
        match file.try_lock() {
            Ok(()) => {
                *files.lock.lock().unwrap_or_else(PoisonError::into_inner) = Some(file);
                Ok(())
            }
            Err(std::fs::TryLockError::WouldBlock) => Err(OpenError::InUse { path }),
            Err(std::fs::TryLockError::Error(source)) => Err(OpenError::File { path, source }),
        }
    }

    /// Plans every statement of the store against the schema, as `doctor` does; how many there are.
    ///
    /// # Errors
    /// [`StoreError::Driver`] for the first that the database refuses.
    pub fn check_statements(&self) -> Result<usize, StoreError> {
        let all = || crate::STATEMENTS.iter().copied().flatten();
        self.ask_blocking(true, Instant::now() + Duration::from_secs(30), move |tx| {
            all().try_for_each(|(name, sql)| {
                tx.prepare(sql).map_err(|error| match error {
                    StoreError::Driver(cause) => StoreError::Driver(format!("{name}: {cause}").into()),
                    other => other,
                })
            })
        })?;
        Ok(all().count())
    }

    /// Goes one step through a table and removes what is over at `now`, at a pace that holds no writer for long. The step after
    /// the last begins again.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn purge(
        &self,
        deadline: Instant,
        what: Purge,
        now: Timestamp,
        pace: &mut Pace,
    ) -> Result<Step, StoreError> {
        let rows = pace.rows();
        let step = self.write(deadline, move |tx| tx.purge(what, now, rows)).await?;
        *pace = pace.after(step.took);
        self.inner.shared.counters.purged(what, step.removed);
        Ok(step)
    }

    /// Counters for metrics.
    pub fn stats(&self) -> Stats {
        let bytes = |name: &str| {
            let file = self.inner.files.as_ref()?.folder.join(name);
            Some(file.metadata().map_or(0, |file| file.len()))
        };
        Stats {
            queue: u64::try_from(self.inner.shared.queue.len()).unwrap_or(u64::MAX),
            file_bytes: bytes(FILE),
            log_bytes: bytes(LOG),
            clients: self.inner.shared.memory.stats(),
            ..self.inner.shared.counters.read()
        }
    }

    /// Faults on demand, for tests.
    pub fn faults(&self) -> &Faults {
        &self.inner.shared.faults
    }
}

impl std::fmt::Debug for Store {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Store").field("stats", &self.stats()).finish_non_exhaustive()
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        // The writer's connection is closed last: then SQLite moves the log into the file and removes it, unless another process
        // has the database open.
        let lock = self.files.take().map(|files| files.lock);
        self.shared.queue.close();
        let threads = std::mem::take(&mut *self.threads.lock().unwrap_or_else(PoisonError::into_inner));
        for thread in threads {
            // A hook after a commit may hold the last clone: a thread cannot wait for itself.
            if thread.thread().id() != std::thread::current().id() {
                let _ = thread.join();
            }
        }
        drop(lock);
    }
}

/// Opens a file for writing, made for its owner alone if it is missing.
fn open_private(path: &Path) -> Result<File, OpenError> {
    let opened = OpenOptions::new().create(true).truncate(false).write(true).mode(0o600).open(path);
    opened.map_err(|source| OpenError::File { path: path.to_owned(), source })
}
