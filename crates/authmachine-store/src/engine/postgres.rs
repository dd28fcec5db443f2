//! PostgreSQL: threads with a connection each; one transaction a unit.
//!
//! The threads are our own: each has a small runtime for its connection, which would panic inside another one.

use std::collections::HashMap;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use postgres::types::ToSql;
use postgres::{Client, NoTls, Statement};
use tokio::runtime::{self, Runtime};
pub(crate) use tokio_postgres::config::Config;
use tokio_postgres::config::{Host, SslMode};

use super::{Connection, EachRow, Shared, run_hooks};
use crate::dialect::{POSTGRES_BEGIN, POSTGRES_SESSION, postgres_failure};
use crate::error::{Failure, OpenError, StoreError, unavailable};
use crate::unit::{Tx, Unit};
use crate::value::{Cells, Param, Row};

/// How often a unit is run again that lost against another one.
const AGAIN: u32 = 3;
/// A new connection is ready within this time, or is given up.
const CONNECT_TIME: Duration = Duration::from_secs(3);
/// A statement is answered within this time, or its connection is given up: a little more than the server gives it
/// ([`POSTGRES_SESSION`]), for one that stands still or is not there any more.
const ANSWER_TIME: Duration = Duration::from_secs(6);

/// Reads the URL and adds our limits.
pub(crate) fn config(url: &str) -> Result<Config, OpenError> {
    // The parser's message repeats parts of the URL at most by name of the key; the password is never in it.
    let mut config: Config = url.parse().map_err(|error: postgres::Error| {
        let cause = std::error::Error::source(&error).map_or_else(|| error.to_string(), ToString::to_string);
        OpenError::Url(cause)
    })?;
    match config.get_ssl_mode() {
        SslMode::Disable => {}
        SslMode::Prefer
            if config.get_hosts().iter().all(is_local)
                && config.get_hostaddrs().iter().all(IpAddr::is_loopback) => {}
        SslMode::Prefer => {
            return Err(OpenError::Url(
                "the server is on another machine and there is no TLS yet: use a tunnel to a local port, or say \
                 sslmode=disable if the network between is private"
                    .to_owned(),
            ));
        }
        _ => return Err(OpenError::Url("sslmode asks for TLS, which is not there yet".to_owned())),
    }
    config.ssl_mode(SslMode::Disable);
    config.connect_timeout(CONNECT_TIME).tcp_user_timeout(Duration::from_secs(5));
    config.keepalives_idle(Duration::from_secs(30));
    if config.get_application_name().is_none() {
        config.application_name("authmachine");
    }
    Ok(config)
}

fn is_local(host: &Host) -> bool {
    match host {
        Host::Unix(_) => true,
        Host::Tcp(name) => name == "localhost" || name.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback()),
    }
}

/// Connects for a migration, which takes the time it needs.
pub(crate) fn connect(config: &Config) -> Result<Client, StoreError> {
    postgres::Config::from(config.clone()).connect(NoTls).map_err(|error| cannot_connect(&error))
}

/// Every failure is «not available».
fn cannot_connect(error: &postgres::Error) -> StoreError {
    let cause = error.as_db_error().map_or_else(
        || match std::error::Error::source(error) {
            Some(source) => format!("{error}: {source}"),
            None => error.to_string(),
        },
        |error| format!("PostgreSQL {}: {}", error.code().code(), error.message()),
    );
    StoreError::Unavailable(cause.into())
}

/// An open connection.
struct Session {
    runtime: Runtime,
    client: tokio_postgres::Client,
    statements: HashMap<&'static str, Statement>,
}

impl Session {
    fn open(config: &Config) -> Result<Self, Failure> {
        let runtime = runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|error| unavailable(&format!("cannot start a runtime: {error}")))?;
        let connecting = async {
            let (client, connection) = config.connect(NoTls).await?;
            // What ends it is told to whoever asks next.
            tokio::spawn(async { drop(connection.await) });
            Ok(client)
        };
        let client = runtime
            .block_on(async { tokio::time::timeout(CONNECT_TIME, connecting).await })
            .map_err(|_| unavailable("no connection in time"))?
            .map_err(|error| cannot_connect(&error))?;
        let session = Self { runtime, client, statements: HashMap::new() };
        session.wait(session.client.batch_execute(POSTGRES_SESSION))?;
        Ok(session)
    }

    /// Waits for an answer, but not for ever.
    fn wait<T>(&self, answer: impl Future<Output = Result<T, postgres::Error>>) -> Result<T, Failure> {
        match self.runtime.block_on(async { tokio::time::timeout(ANSWER_TIME, answer).await }) {
            Ok(answer) => answer.map_err(|error| postgres_failure(&error)),
            Err(_) => Err(Failure { lost: true, ..unavailable("no answer in time").into() }),
        }
    }

    fn statement(&mut self, sql: &'static str) -> Result<Statement, Failure> {
        if let Some(statement) = self.statements.get(sql) {
            return Ok(statement.clone());
        }
        let statement = self.wait(self.client.prepare(sql))?;
        self.statements.insert(sql, statement.clone());
        Ok(statement)
    }
}

/// A connection that is made when it is needed, and made again after it was lost.
pub(crate) struct Link {
    config: Config,
    session: Option<Session>,
}

impl Link {
    pub(crate) fn new(config: Config) -> Self {
        Self { config, session: None }
    }

    fn close(&mut self) {
        self.session = None;
    }

    /// Opens the connection, if there is none.
    pub(crate) fn open(&mut self) -> Result<(), Failure> {
        if self.session.as_ref().is_none_or(|session| session.client.is_closed()) {
            self.close();
            self.session = Some(Session::open(&self.config)?);
        }
        Ok(())
    }

    /// The open connection: in the middle of a transaction a new one would be wrong.
    fn session(&mut self) -> Result<&mut Session, Failure> {
        let lost = || Failure { lost: true, ..unavailable("not connected").into() };
        self.session.as_mut().ok_or_else(lost)
    }

    pub(super) fn query(
        &mut self,
        sql: &'static str,
        params: &[Param<'_>],
        each: EachRow<'_>,
    ) -> Result<(), Failure> {
        let session = self.session()?;
        let statement = session.statement(sql)?;
        let rows = session.wait(session.client.query(&statement, &borrow(params)))?;
        for row in &rows {
            each(&mut Row::new(Cells::Postgres(row)))?;
        }
        Ok(())
    }

    pub(super) fn execute(&mut self, sql: &'static str, params: &[Param<'_>]) -> Result<u64, Failure> {
        let session = self.session()?;
        let statement = session.statement(sql)?;
        session.wait(session.client.execute(&statement, &borrow(params)))
    }

    pub(super) fn prepare(&mut self, sql: &'static str) -> Result<(), Failure> {
        self.session()?.statement(sql).map(drop)
    }

    /// Runs BEGIN, COMMIT or ROLLBACK.
    pub(super) fn control(&mut self, sql: &str) -> Result<(), Failure> {
        let Some(session) = &self.session else { return Ok(()) };
        session.wait(session.client.batch_execute(sql))
    }
}

fn borrow<'a>(params: &'a [Param<'_>]) -> Vec<&'a (dyn ToSql + Sync)> {
    params.iter().map(|param| -> &(dyn ToSql + Sync) { param }).collect()
}

/// A thread of the pool.
pub(crate) fn work_loop(tx: Tx, shared: &Shared) {
    let mut worker = Worker { tx, shared };
    while let Some(unit) = shared.queue.pop() {
        let began = Instant::now();
        let Some(unit) = shared.admit(unit, began) else { continue };
        if unit.writes() {
            worker.write(unit)
        } else {
            worker.read(unit)
        }
        if worker.tx.reads.failure.as_ref().is_some_and(|failure| failure.lost) {
            worker.link().close();
        }
        shared.counters.held(began.elapsed());
    }
}

struct Worker<'a> {
    tx: Tx,
    shared: &'a Shared,
}

impl Worker<'_> {
    fn link(&mut self) -> &mut Link {
        match &mut self.tx.reads.connection {
            Connection::Postgres(link) => link,
            Connection::Sqlite(_) => unreachable!("a thread of PostgreSQL has a connection to PostgreSQL"),
        }
    }

    fn read(&mut self, mut unit: Box<dyn Unit>) {
        let mut outcome = self.read_once(&mut *unit);
        // The connection may have died of old age; reading twice harms nobody.
        if outcome.is_err() && self.tx.reads.failure.as_ref().is_some_and(|failure| failure.lost) {
            self.link().close();
            outcome = self.read_once(&mut *unit);
        }
        unit.answer(outcome);
    }

    fn read_once(&mut self, unit: &mut dyn Unit) -> Result<(), StoreError> {
        self.link().open().map_err(|failure| failure.error)?;
        self.tx.attempt(unit)
    }

    fn write(&mut self, mut unit: Box<dyn Unit>) {
        let mut runs = 0;
        let outcome = loop {
            runs += 1;
            match self.write_once(&mut *unit) {
                Err(failure) if failure.again && runs <= AGAIN => {}
                Err(failure) => {
                    if failure.lost {
                        self.link().close();
                    }
                    break Err(failure.error);
                }
                Ok(()) => break self.shared.faults.committed(),
            }
        };
        if outcome.is_err() {
            self.shared.counters.failed(1);
        }
        unit.answer(outcome);
    }

    fn write_once(&mut self, unit: &mut dyn Unit) -> Result<(), Failure> {
        self.begin()?;
        if let Err(error) = self.tx.attempt(unit) {
            // What the unit gave counts; what the database said about the connection counts as well.
            let failure = match self.tx.reads.failure.clone() {
                Some(failure) => Failure { error, ..failure },
                None => error.into(),
            };
            if !failure.lost {
                self.link().control("ROLLBACK").map_err(|gone| Failure { lost: true, ..gone })?;
            }
            return Err(failure);
        }
        let began = Instant::now();
        let committed =
            self.shared.faults.call().map_err(Failure::from).and_then(|()| self.link().control("COMMIT"));
        if let Err(failure) = committed {
            if !failure.again {
                // The commit may have happened: never again, and no cache may go on as before.
                run_hooks(std::mem::take(&mut self.tx.hooks));
            }
            let _ = self.link().control("ROLLBACK");
            return Err(failure);
        }
        self.shared.counters.committed(1, began.elapsed());
        run_hooks(std::mem::take(&mut self.tx.hooks));
        Ok(())
    }

    /// Begins a transaction, on a new connection if the old one turns out to be dead: nothing has happened yet.
    fn begin(&mut self) -> Result<(), Failure> {
        self.link().open()?;
        match self.link().control(POSTGRES_BEGIN) {
            Err(failure) if failure.lost => {
                self.link().close();
                self.link().open()?;
                self.link().control(POSTGRES_BEGIN)
            }
            other => other,
        }
    }
}
