//! PostgreSQL: threads with a connection each; one transaction a unit.
//!
//! The threads are our own because `postgres::Client` runs its own small runtime and panics inside another one.

use std::collections::HashMap;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use postgres::config::{Host, SslMode};
use postgres::types::ToSql;
use postgres::{Client, Config, NoTls, Statement};

use super::{Connection, EachRow, Shared, run_hooks};
use crate::dialect::{POSTGRES_BEGIN, POSTGRES_SESSION, postgres_failure};
use crate::error::{Failure, OpenError, StoreError};
use crate::unit::{Tx, Unit};
use crate::value::{Cells, Param, Row};

/// How often a unit is run again that lost against another one.
const AGAIN: u32 = 3;

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
    config.connect_timeout(Duration::from_secs(3)).tcp_user_timeout(Duration::from_secs(5));
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

/// Connects; every failure is «not available».
pub(crate) fn connect(config: &Config) -> Result<Client, StoreError> {
    config.connect(NoTls).map_err(|error| {
        let cause = error.as_db_error().map_or_else(
            || match std::error::Error::source(&error) {
                Some(source) => format!("{error}: {source}"),
                None => error.to_string(),
            },
            |error| format!("PostgreSQL {}: {}", error.code().code(), error.message()),
        );
        StoreError::Unavailable(cause.into())
    })
}

/// A connection that is made when it is needed, and made again after it was lost.
pub(crate) struct Link {
    config: Config,
    client: Option<Client>,
    statements: HashMap<&'static str, Statement>,
}

impl Link {
    pub(crate) fn new(config: Config) -> Self {
        Self { config, client: None, statements: HashMap::new() }
    }

    fn drop_client(&mut self) {
        self.client = None;
        self.statements.clear();
    }

    fn client(&mut self) -> Result<&mut Client, Failure> {
        if self.client.as_ref().is_none_or(Client::is_closed) {
            self.drop_client();
            let mut client = connect(&self.config)?;
            client.batch_execute(POSTGRES_SESSION).map_err(|error| postgres_failure(&error))?;
            self.client = Some(client);
        }
        Ok(self.client.as_mut().expect("it was set just now"))
    }

    /// Runs a statement on the open connection: in the middle of a transaction a new one would be wrong.
    fn with<T>(
        &mut self,
        sql: &'static str,
        run: impl FnOnce(&mut Client, &Statement) -> Result<T, postgres::Error>,
    ) -> Result<T, Failure> {
        let failure = |error| postgres_failure(&error);
        let Some(client) = &mut self.client else {
            return Err(Failure { lost: true, ..crate::error::unavailable("not connected").into() });
        };
        let statement = match self.statements.get(sql) {
            Some(statement) => statement,
            None => {
                let statement = client.prepare(sql).map_err(failure)?;
                self.statements.entry(sql).or_insert(statement)
            }
        };
        run(client, statement).map_err(failure)
    }

    pub(super) fn query(
        &mut self,
        sql: &'static str,
        params: &[Param<'_>],
        each: EachRow<'_>,
    ) -> Result<(), Failure> {
        let rows = self.with(sql, |client, statement| client.query(statement, &borrow(params)))?;
        for row in &rows {
            each(&mut Row::new(Cells::Postgres(row)))?;
        }
        Ok(())
    }

    pub(super) fn execute(&mut self, sql: &'static str, params: &[Param<'_>]) -> Result<u64, Failure> {
        self.with(sql, |client, statement| client.execute(statement, &borrow(params)))
    }

    pub(super) fn prepare(&mut self, sql: &'static str) -> Result<(), Failure> {
        self.with(sql, |_, _| Ok(()))
    }

    /// Runs BEGIN, COMMIT or ROLLBACK.
    fn control(&mut self, sql: &str) -> Result<(), Failure> {
        let Some(client) = &mut self.client else { return Ok(()) };
        client.batch_execute(sql).map_err(|error| postgres_failure(&error))
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
            worker.link().drop_client();
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
            self.link().drop_client();
            outcome = self.read_once(&mut *unit);
        }
        unit.answer(outcome);
    }

    fn read_once(&mut self, unit: &mut dyn Unit) -> Result<(), StoreError> {
        self.link().client().map_err(|failure| failure.error)?;
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
                        self.link().drop_client();
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
        self.link().client()?;
        match self.link().control(POSTGRES_BEGIN) {
            Err(failure) if failure.lost => {
                self.link().drop_client();
                self.link().client()?;
                self.link().control(POSTGRES_BEGIN)
            }
            other => other,
        }
    }
}
