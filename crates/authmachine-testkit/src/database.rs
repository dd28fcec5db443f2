//! A database of its own for each test, and a look at its rows from outside.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use authmachine_store::Store;
use authmachine_store::settings::{Database as Which, Settings, Synchronous};
use postgres::NoTls;
use tempfile::TempDir;

use crate::engine::Engine;

const URL: &str = "AUTHMACHINE_TEST_POSTGRES";
const SKIP: &str = "AUTHMACHINE_TEST_SKIP";
/// Databases of test processes: the process's id follows.
const PREFIX: &str = "authmachine_test_";

/// Every row of every table, as text, by table.
pub type Rows = BTreeMap<String, Vec<String>>;

/// A test's database; gone when it is dropped.
pub(crate) enum Database {
    Sqlite(TempDir),
    Postgres { name: String },
}

impl Database {
    /// Makes one.
    pub(crate) fn make(engine: Engine) -> Self {
        match engine {
            Engine::Sqlite => Self::Sqlite(tempfile::tempdir().expect("a temporary folder can be made")),
            Engine::Postgres => {
                static COUNT: AtomicU32 = AtomicU32::new(0);
                let template = template();
                let name =
                    format!("{PREFIX}{}_{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
                run_sql(
                    "postgres",
                    &[format!("CREATE DATABASE {name} TEMPLATE {template} STRATEGY FILE_COPY")],
                );
                Self::Postgres { name }
            }
        }
    }

    /// Opens the store in it.
    pub(crate) fn open(&self) -> Store {
        let database = match self {
            Self::Sqlite(folder) => {
                Which::Sqlite { folder: folder.path().to_owned(), synchronous: Synchronous::Off }
            }
            Self::Postgres { name } => {
                Which::Postgres { url: url_of(name), max_connections: Which::CONNECTIONS }
            }
        };
        // A test that lasts says itself when a server looks at the changes.
        let settings = Settings { trusted_for: Duration::from_secs(3_600), ..Settings::new(database) };
        Store::open(settings).expect("the test's database opens")
    }

    /// Cuts the database off, as if its server had gone: PostgreSQL alone.
    pub(crate) fn cut(&self) {
        let Self::Postgres { name } = self else { panic!("an embedded database cannot be cut off") };
        run_sql(
            "postgres",
            &[
                format!("ALTER DATABASE {name} ALLOW_CONNECTIONS false"),
                format!("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'"),
            ],
        );
    }

    /// Lets it be reached again.
    pub(crate) fn mend(&self) {
        let Self::Postgres { name } = self else { panic!("an embedded database cannot be cut off") };
        run_sql("postgres", &[format!("ALTER DATABASE {name} ALLOW_CONNECTIONS true")]);
    }

    /// Every row, read past the store.
    pub(crate) fn rows(&self) -> Rows {
        match self {
            Self::Sqlite(folder) => {
                sqlite_rows(&folder.path().join("authmachine.db")).expect("the file can be read")
            }
            Self::Postgres { name } => {
                let url = url_of(name);
                outside(move || postgres_rows(&url).expect("the database can be read"))
            }
        }
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        if let Self::Postgres { name } = self {
            run_sql("postgres", &[format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)")]);
        }
    }
}

/// Whether the tests on PostgreSQL are left out by name.
///
/// # Panics
/// When they are not, and there is no PostgreSQL: nothing is left out silently.
pub(crate) fn is_postgres_left_out() -> bool {
    let skipped = std::env::var(SKIP).unwrap_or_default();
    if skipped.split(',').any(|name| name.trim() == "postgres") {
        return true;
    }
    assert!(
        std::env::var_os(URL).is_some(),
        "{URL} is not set: `cargo xtask test` sets it, `{SKIP}=postgres` leaves these tests out"
    );
    false
}

/// The empty, migrated database that those of this process are copied from.
fn template() -> &'static str {
    static TEMPLATE: OnceLock<String> = OnceLock::new();
    TEMPLATE.get_or_init(|| {
        drop_leftovers();
        let name = format!("{PREFIX}{}_template", std::process::id());
        run_sql("postgres", &[format!("CREATE DATABASE {name}")]);
        let which = Which::Postgres { url: url_of(&name), max_connections: 1 };
        drop(Store::open(Settings::new(which)).expect("the template can be migrated"));
        name
    })
}

/// Drops the databases of test processes that are no more. A process never drops its template: it does not know its last test.
fn drop_leftovers() {
    let names: Vec<String> = outside(|| {
        let mut client = postgres::Client::connect(&url_of("postgres"), NoTls).expect("PostgreSQL answers");
        let rows = client.query("SELECT datname FROM pg_database", &[]).expect("it lists its databases");
        rows.iter().map(|row| row.get(0)).collect()
    });
    for name in names {
        let pid = name.strip_prefix(PREFIX).and_then(|rest| rest.split('_').next());
        if pid.is_some_and(|pid| Path::new("/proc/self").exists() && !Path::new("/proc").join(pid).exists()) {
            run_sql("postgres", &[format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)")]);
        }
    }
}

/// The URL of another database on the test server.
fn url_of(database: &str) -> String {
    let url = std::env::var(URL).expect("it was looked at before");
    let mut url = url::Url::parse(&url).unwrap_or_else(|_| panic!("{URL} is a postgres:// URL"));
    url.set_path(database);
    url.into()
}

fn run_sql(database: &str, statements: &[String]) {
    let url = url_of(database);
    let statements = statements.to_vec();
    outside(move || {
        let mut client = postgres::Client::connect(&url, NoTls).expect("PostgreSQL answers");
        for statement in &statements {
            client.execute(statement.as_str(), &[]).unwrap_or_else(|error| panic!("{statement}: {error}"));
        }
    });
}

/// Runs `work` on a thread of its own: `postgres::Client` must not run inside a runtime.
fn outside<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    std::thread::spawn(work).join().expect("the work does not panic")
}

fn sqlite_rows(file: &Path) -> rusqlite::Result<Rows> {
    use rusqlite::types::ValueRef;
    let connection = rusqlite::Connection::open_with_flags(file, rusqlite::OpenFlags::SQLITE_OPEN_READ_ONLY)?;
    let mut tables = connection
        .prepare("SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite%'")?;
    let tables: Vec<String> = tables.query_map([], |row| row.get(0))?.collect::<Result<_, _>>()?;
    let mut all = Rows::new();
    for table in tables {
        let mut select = connection.prepare(&format!("SELECT * FROM {table}"))?;
        let columns = select.column_count();
        let mut rows = select.query([])?;
        let lines = all.entry(table).or_default();
        while let Some(row) = rows.next()? {
            let cells = (0..columns).map(|column| {
                Ok(match row.get_ref(column)? {
                    ValueRef::Null => "NULL".to_owned(),
                    ValueRef::Integer(number) => number.to_string(),
                    ValueRef::Real(number) => number.to_string(),
                    ValueRef::Text(text) => String::from_utf8_lossy(text).into_owned(),
                    ValueRef::Blob(bytes) => format!("{} {}", hex(bytes), String::from_utf8_lossy(bytes)),
                })
            });
            lines.push(cells.collect::<rusqlite::Result<Vec<_>>>()?.join(" | "));
        }
        lines.sort_unstable();
    }
    Ok(all)
}

fn postgres_rows(url: &str) -> Result<Rows, postgres::Error> {
    let mut client = postgres::Client::connect(url, NoTls)?;
    let tables = client.query("SELECT tablename::text FROM pg_tables WHERE schemaname = 'public'", &[])?;
    let mut all = Rows::new();
    for table in tables {
        let table: String = table.get(0);
        let rows = client.query(&format!("SELECT t::text FROM {table} t ORDER BY 1"), &[])?;
        all.insert(table, rows.iter().map(|row| row.get(0)).collect());
    }
    Ok(all)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
