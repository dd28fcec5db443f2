//! The engines, and a fresh database for each provider on PostgreSQL.

use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

use url::Url;

use crate::suite::Suite;

/// Makes a test of each of these functions for each engine.
#[macro_export]
macro_rules! on_each_engine {
    ($($test:ident),+ $(,)?) => {
        mod sqlite {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $test() {
                super::$test($crate::Engine::Sqlite).await;
            })+
        }
        mod postgres {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $test() {
                if let Some(engine) = $crate::Engine::postgres() {
                    super::$test(engine).await;
                }
            })+
        }
    };
}

/// What a provider stores in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Engine {
    /// Embedded.
    Sqlite,
    /// A server; the URL is a superuser's.
    Postgres(String),
}

impl Engine {
    /// What people call it.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Sqlite => "SQLite",
            Self::Postgres(_) => "PostgreSQL",
        }
    }

    /// PostgreSQL, unless it is left out by name.
    pub fn postgres() -> Option<Self> {
        let url = Suite::Postgres.find()?;
        Some(Self::Postgres(url.into_string().expect("a URL is UTF-8")))
    }
}

/// A database of one test; dropping it drops it.
pub(crate) struct Database {
    superuser: String,
    name: String,
}

impl Database {
    pub(crate) async fn make(superuser: &str) -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name = format!("e2e_{}_{}", std::process::id(), NEXT.fetch_add(1, Relaxed));
        let database = Self { superuser: superuser.to_owned(), name };
        database.run(format!("CREATE DATABASE {}", database.name)).await;
        database
    }

    /// The superuser's URL with this database in it.
    pub(crate) fn url(&self) -> String {
        let mut url = Url::parse(&self.superuser).expect("AUTHMACHINE_TEST_POSTGRES is a URL");
        url.set_path(&self.name);
        url.into()
    }

    /// Cuts every connection to it and lets no new one in; or lets them in again.
    pub(crate) async fn be_away(&self, away: bool) {
        let name = &self.name;
        self.run(format!("ALTER DATABASE {name} ALLOW_CONNECTIONS {}", !away)).await;
        if away {
            self.cut().await;
        }
    }

    /// Cuts every connection to it.
    pub(crate) async fn cut(&self) {
        self.run(format!(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{}'",
            self.name
        ))
        .await;
    }

    /// Runs statements in it.
    pub(crate) async fn run_inside(&self, statements: &str) {
        let (url, statements) = (self.url(), statements.to_owned());
        tokio::task::spawn_blocking(move || run(&url, &statements))
            .await
            .expect("it does not panic")
            .expect("legal statements");
    }

    /// The number that a query in it gives.
    pub(crate) async fn number(&self, query: &'static str) -> i64 {
        let url = self.url();
        let ask = move || postgres::Client::connect(&url, postgres::NoTls)?.query_one(query, &[])?.try_get(0);
        tokio::task::spawn_blocking(ask).await.expect("it does not panic").expect("PostgreSQL answers")
    }

    async fn run(&self, statement: String) {
        let superuser = self.superuser.clone();
        // The synchronous client may not be used where async code runs.
        tokio::task::spawn_blocking(move || run(&superuser, &statement))
            .await
            .expect("it does not panic")
            .expect("PostgreSQL answers");
    }
}

fn run(superuser: &str, statement: &str) -> Result<(), postgres::Error> {
    postgres::Client::connect(superuser, postgres::NoTls)?.batch_execute(statement)
}

impl Drop for Database {
    fn drop(&mut self) {
        let (superuser, statement) =
            (self.superuser.clone(), format!("DROP DATABASE {} WITH (FORCE)", self.name));
        // The cluster may be gone already; it takes the database with it.
        let _ = std::thread::spawn(move || run(&superuser, &statement)).join();
    }
}
