//! A store of its own for each test, on the engine of the test.

use std::future::Future;
use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use authmachine_store::settings::{Database, Settings, Synchronous};
use authmachine_store::{OpenError, Reads, Store, StoreError, Tx};
use postgres::NoTls;
use tempfile::TempDir;
use tokio::sync::Semaphore;

const URL: &str = "AUTHMACHINE_TEST_POSTGRES";
const SKIP: &str = "AUTHMACHINE_TEST_SKIP";
/// Databases of test processes: the process's id follows.
const PREFIX: &str = "authmachine_test_";
/// Tests that hold connections to PostgreSQL at once: a server takes some hundred.
static POSTGRES_TESTS: Semaphore = Semaphore::const_new(12);

/// Makes of each test one per engine: `sqlite::name` and `postgres::name`.
macro_rules! both_engines {
    ($($(#[$meta:meta])* async fn $name:ident($store:ident: TestStore) $body:block)+) => {
        $($(#[$meta])* async fn $name($store: $crate::support::TestStore) $body)+

        mod sqlite {
            $(#[test] fn $name() { $crate::support::run($crate::support::Engine::Sqlite, super::$name); })+
        }

        mod postgres {
            $(#[test] fn $name() { $crate::support::run($crate::support::Engine::Postgres, super::$name); })+
        }
    };
}
pub(crate) use both_engines;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Engine {
    Sqlite,
    Postgres,
}

/// Runs a test with a fresh store on `engine`, unless that is left out by name: nothing is left out silently.
pub(crate) fn run(engine: Engine, test: impl AsyncFnOnce(TestStore)) {
    if engine == Engine::Postgres {
        if is_left_out("postgres") {
            return;
        }
        server_url();
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(4).enable_all().build();
    runtime.expect("a runtime can be had").block_on(async {
        let _permit = match engine {
            Engine::Postgres => Some(POSTGRES_TESTS.acquire().await.expect("it is never closed")),
            Engine::Sqlite => None,
        };
        test(TestStore::new(engine)).await;
    });
}

/// Says with which seed a test ran: shown when it fails, and with `--nocapture`.
#[expect(clippy::print_stdout, reason = "whoever reads a failure wants to run it again")]
pub(crate) fn tell(what: &str) {
    println!("{what}");
}

/// A number that the environment sets.
pub(crate) fn setting(name: &str) -> Option<u64> {
    std::env::var(name)
        .ok()
        .map(|value| value.parse().unwrap_or_else(|_| panic!("{name} is no number: {value}")))
}

fn is_left_out(engine: &str) -> bool {
    std::env::var(SKIP).is_ok_and(|skipped| skipped.split(',').any(|name| name.trim() == engine))
}

/// A store with a database of its own.
pub(crate) struct TestStore {
    pub(crate) engine: Engine,
    store: Store,
    place: Place,
}

/// The database, gone when it is dropped.
enum Place {
    Sqlite(TempDir),
    Postgres(String),
}

impl Deref for TestStore {
    type Target = Store;

    fn deref(&self) -> &Store {
        &self.store
    }
}

impl TestStore {
    fn new(engine: Engine) -> Self {
        let place = match engine {
            Engine::Sqlite => Place::Sqlite(tempfile::tempdir().expect("a temporary folder can be made")),
            Engine::Postgres => {
                static COUNT: AtomicU32 = AtomicU32::new(0);
                let template = template();
                let name =
                    format!("{PREFIX}{}_{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
                run_postgres(
                    "postgres",
                    &format!("CREATE DATABASE {name} TEMPLATE {template} STRATEGY FILE_COPY"),
                );
                Place::Postgres(name)
            }
        };
        let store = Store::open(place.settings()).expect("a fresh database opens");
        Self { engine, store, place }
    }

    /// The store, for calls that go wrong.
    pub(crate) const fn store(&self) -> &Store {
        &self.store
    }

    /// Where and how this store opens its database.
    pub(crate) fn settings(&self) -> Settings {
        self.place.settings()
    }

    /// The same database, opened once more: another process, to the database.
    pub(crate) fn open_again(&self) -> Result<Store, OpenError> {
        Store::open(self.settings())
    }

    /// The data folder; of SQLite alone.
    pub(crate) fn folder(&self) -> &Path {
        match &self.place {
            Place::Sqlite(folder) => folder.path(),
            Place::Postgres(_) => panic!("PostgreSQL has no folder of ours"),
        }
    }

    /// The database's file; of SQLite alone.
    pub(crate) fn file(&self) -> PathBuf {
        self.folder().join("authmachine.db")
    }

    /// Cuts all connections; of PostgreSQL alone.
    pub(crate) fn cut_connections(&self) {
        let Place::Postgres(name) = &self.place else {
            panic!("an embedded database has no connections to cut")
        };
        run_postgres(
            "postgres",
            &format!("SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = '{name}'"),
        );
    }

    /// Runs a statement past the store.
    pub(crate) fn run_sql(&self, sql: &str) {
        match &self.place {
            Place::Sqlite(_) => {
                let connection = rusqlite::Connection::open(self.file()).expect("the file opens");
                connection.busy_timeout(Duration::from_secs(5)).expect("it takes a timeout");
                connection.execute_batch(sql).unwrap_or_else(|error| panic!("{sql}: {error}"));
            }
            Place::Postgres(name) => run_postgres(name, sql),
        }
    }

    /// How many rows `table` has, counted past the store.
    pub(crate) fn count(&self, table: &str) -> i64 {
        let sql = format!("SELECT COUNT(*) FROM {table}");
        match &self.place {
            Place::Sqlite(_) => {
                let connection = rusqlite::Connection::open(self.file()).expect("the file opens");
                connection.query_row(&sql, [], |row| row.get(0)).expect("the table is there")
            }
            Place::Postgres(name) => {
                let name = name.clone();
                outside(move || connect(&name).query_one(&sql, &[]).expect("the table is there").get(0))
            }
        }
    }

    /// What the database takes on disk. PostgreSQL's autovacuum looks once a minute, which a fast clock does not wait for.
    pub(crate) fn bytes(&self) -> i64 {
        match &self.place {
            Place::Sqlite(_) => {
                let stats = self.store.stats();
                let bytes = stats.file_bytes.into_iter().chain(stats.log_bytes).sum::<u64>();
                i64::try_from(bytes).expect("it is no exabyte")
            }
            Place::Postgres(name) => {
                run_postgres(name, "VACUUM");
                let name = name.clone();
                outside(move || {
                    let size = "SELECT pg_database_size(current_database())";
                    connect(&name).query_one(size, &[]).expect("it knows its size").get(0)
                })
            }
        }
    }

    /// [`Store::write`] with time enough.
    pub(crate) async fn try_write<T, F>(&self, unit: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: Fn(&mut Tx) -> Result<T, StoreError> + Send + 'static,
    {
        self.store.write(soon(), unit).await
    }

    /// [`Store::write`] that goes well.
    #[track_caller]
    pub(crate) fn write<T, F>(&self, unit: F) -> impl Future<Output = T>
    where
        T: Send + 'static,
        F: Fn(&mut Tx) -> Result<T, StoreError> + Send + 'static,
    {
        let caller = std::panic::Location::caller();
        async move { self.try_write(unit).await.unwrap_or_else(|error| panic!("{caller}: {error}")) }
    }

    /// [`Store::read`] that goes well.
    #[track_caller]
    pub(crate) fn read<T, F>(&self, read: F) -> impl Future<Output = T>
    where
        T: Send + 'static,
        F: Fn(&mut Reads) -> Result<T, StoreError> + Send + 'static,
    {
        let caller = std::panic::Location::caller();
        async move { self.store.read(read).await.unwrap_or_else(|error| panic!("{caller}: {error}")) }
    }

    /// Runs `count` units at once, on this store and on a second one with the same database; what each gave.
    pub(crate) async fn race<T, F>(&self, count: usize, unit: F) -> Vec<T>
    where
        T: Send + 'static,
        F: Fn(&mut Tx) -> Result<T, StoreError> + Clone + Send + Sync + 'static,
    {
        let other = self.open_again().expect("it opens twice");
        let start = std::sync::Arc::new(tokio::sync::Barrier::new(count));
        let mut tasks = tokio::task::JoinSet::new();
        for n in 0..count {
            let store = if n % 2 == 0 { self.store.clone() } else { other.clone() };
            let (unit, start) = (unit.clone(), start.clone());
            tasks.spawn(async move {
                start.wait().await;
                store.write(soon(), unit).await
            });
        }
        tasks.join_all().await.into_iter().map(|result| result.expect("each unit goes well")).collect()
    }
}

/// A deadline that no test meets.
pub(crate) fn soon() -> Instant {
    Instant::now() + Duration::from_secs(30)
}

impl Place {
    fn settings(&self) -> Settings {
        Settings::new(match self {
            Self::Sqlite(folder) => {
                Database::Sqlite { folder: folder.path().to_owned(), synchronous: Synchronous::Off }
            }
            Self::Postgres(name) => Database::Postgres { url: url_of(name), max_connections: 3 },
        })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if let Self::Postgres(name) = self {
            run_postgres("postgres", &format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)"));
        }
    }
}

/// The migrated database that those of this process are copied from. It stays behind, since nobody knows the last test; the
/// next process removes it.
fn template() -> &'static str {
    static TEMPLATE: OnceLock<String> = OnceLock::new();
    TEMPLATE.get_or_init(|| {
        drop_leftovers();
        let name = format!("{PREFIX}{}_template", std::process::id());
        run_postgres("postgres", &format!("CREATE DATABASE {name}"));
        let place = Database::Postgres { url: url_of(&name), max_connections: 1 };
        drop(Store::open(Settings::new(place)).expect("the template can be migrated"));
        name
    })
}

/// Drops the databases of test processes that are no more.
fn drop_leftovers() {
    let names: Vec<String> = outside(|| {
        let rows = connect("postgres").query("SELECT datname::text FROM pg_database", &[]);
        rows.expect("it lists its databases").iter().map(|row| row.get(0)).collect()
    });
    for name in names {
        let pid = name.strip_prefix(PREFIX).and_then(|rest| rest.split('_').next());
        if pid.is_some_and(|pid| Path::new("/proc/self").exists() && !Path::new("/proc").join(pid).exists()) {
            run_postgres("postgres", &format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)"));
        }
    }
}

fn server_url() -> String {
    std::env::var(URL).unwrap_or_else(|_| {
        panic!("{URL} is not set: `cargo xtask test` sets it, `{SKIP}=postgres` leaves these tests out")
    })
}

/// The URL of another database on the test server.
fn url_of(database: &str) -> String {
    let url = server_url();
    let (server, _) = url.rsplit_once('/').unwrap_or_else(|| panic!("{URL} is no URL with a database"));
    format!("{server}/{database}")
}

fn connect(database: &str) -> postgres::Client {
    postgres::Client::connect(&url_of(database), NoTls).expect("PostgreSQL answers")
}

fn run_postgres(database: &str, sql: &str) {
    let (database, sql) = (database.to_owned(), sql.to_owned());
    outside(move || {
        connect(&database).batch_execute(&sql).unwrap_or_else(|error| panic!("{sql}: {error}"));
    });
}

/// Runs `work` on a thread of its own: `postgres::Client` must not run inside a runtime.
fn outside<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    std::thread::spawn(work).join().expect("the helper thread does not panic")
}
