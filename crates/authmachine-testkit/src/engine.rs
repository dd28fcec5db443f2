//! Which engine a test runs on.

use std::future::Future;

/// A database engine that the product runs on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Engine {
    /// Embedded.
    Sqlite,
    /// The server that `AUTHMACHINE_TEST_POSTGRES` names.
    Postgres,
}

tokio::task_local! {
    static ENGINE: Engine;
}

impl Engine {
    /// The engine of the test that asks; SQLite outside of [`run`].
    pub fn current() -> Self {
        ENGINE.try_with(|engine| *engine).unwrap_or(Self::Sqlite)
    }
}

/// Runs a test on `engine`, unless that was left out by name (`AUTHMACHINE_TEST_SKIP`).
///
/// # Panics
/// When the test does, or when PostgreSQL is neither there nor left out.
pub fn run(engine: Engine, test: impl Future<Output = ()>) {
    if engine == Engine::Postgres && crate::database::is_postgres_left_out() {
        return;
    }
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("a runtime can be had");
    runtime.block_on(ENGINE.scope(engine, test));
}
