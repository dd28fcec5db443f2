//! The few things in which the engines differ: how values pass, what errors mean, how a transaction begins.
//!
//! Everything else is written once. What both understand: BIGINT, BOOLEAN, TEXT, bytes; `$1, $2` numbered by first
//! appearance; `ON CONFLICT`, `RETURNING`; `CAST($1 AS BIGINT)` where no column gives the type, never `::`, which
//! SQLite reads as part of a name.

use postgres::types::{IsNull, ToSql as PostgresValue, Type, to_sql_checked};
use rusqlite::ffi;
use rusqlite::types::{ToSql as SqliteValue, ToSqlOutput, ValueRef};

use crate::error::{Failure, StoreError};
use crate::value::{Cell, Param};

/// Takes SQLite's one write lock at once, so that no statement finds it taken later.
pub(crate) const SQLITE_BEGIN: &str = "BEGIN IMMEDIATE";
/// For reads that must agree: SQLite's transaction sees what was there at its first read,
pub(crate) const SQLITE_BEGIN_VIEW: &str = "BEGIN DEFERRED";
/// and so does PostgreSQL's at this level, not at the usual one.
pub(crate) const POSTGRES_BEGIN_VIEW: &str = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY";
/// SQLite's number that changes when another connection has written (<https://sqlite.org/pragma.html#pragma_data_version>).
pub(crate) const SQLITE_DATA_VERSION: &str = "PRAGMA data_version";
/// The server's clock, in milliseconds since 1970.
pub(crate) const POSTGRES_CLOCK: &str = "SELECT CAST(EXTRACT(EPOCH FROM clock_timestamp()) * 1000 AS BIGINT)";
/// Whatever the server's defaults are.
pub(crate) const POSTGRES_BEGIN: &str = "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE";
/// For each new connection: a statement that hangs is cut, and a transaction that we forgot ends.
pub(crate) const POSTGRES_SESSION: &str = "SET statement_timeout = '5s'; SET lock_timeout = '2s';
    SET idle_in_transaction_session_timeout = '10s'; SET client_min_messages = 'warning'";

impl SqliteValue for Param<'_> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(match self {
            Self::Null => ValueRef::Null,
            Self::Int(value) => ValueRef::Integer(*value),
            Self::Bool(value) => ValueRef::Integer((*value).into()),
            Self::Text(value) => ValueRef::Text(value.as_bytes()),
            Self::Bytes(value) => ValueRef::Blob(value),
        }))
    }
}

impl std::fmt::Debug for Param<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Param(***)")
    }
}

impl PostgresValue for Param<'_> {
    fn to_sql(
        &self,
        kind: &Type,
        out: &mut bytes::BytesMut,
    ) -> Result<IsNull, Box<dyn std::error::Error + Sync + Send>> {
        match self {
            Self::Null => Ok(IsNull::Yes),
            Self::Int(value) if *kind == Type::INT8 => PostgresValue::to_sql(value, kind, out),
            Self::Bool(value) if *kind == Type::BOOL => PostgresValue::to_sql(value, kind, out),
            Self::Text(value) if *kind == Type::TEXT => PostgresValue::to_sql(value, kind, out),
            Self::Bytes(value) if *kind == Type::BYTEA => PostgresValue::to_sql(value, kind, out),
            _ => Err(format!("a parameter should be {kind}").into()),
        }
    }

    fn accepts(_: &Type) -> bool {
        true // `to_sql` looks at value and type together
    }

    to_sql_checked!();
}

pub(crate) fn sqlite_cell<'a>(row: &'a rusqlite::Row<'_>, at: usize) -> Cell<'a> {
    match row.get_ref(at) {
        Ok(ValueRef::Null) => Cell::Null,
        Ok(ValueRef::Integer(value)) => Cell::Int(value),
        Ok(ValueRef::Text(value)) => std::str::from_utf8(value).map_or(Cell::Other, Cell::Text),
        Ok(ValueRef::Blob(value)) => Cell::Bytes(value),
        Ok(ValueRef::Real(_)) | Err(_) => Cell::Other,
    }
}

pub(crate) fn postgres_cell(row: &postgres::Row, at: usize) -> Cell<'_> {
    let Some(column) = row.columns().get(at) else { return Cell::Other };
    let cell = match *column.type_() {
        Type::INT8 => row.try_get::<_, Option<i64>>(at).map(|value| value.map(Cell::Int)),
        Type::BOOL => row.try_get::<_, Option<bool>>(at).map(|value| value.map(Cell::Bool)),
        Type::TEXT => row.try_get::<_, Option<&str>>(at).map(|value| value.map(Cell::Text)),
        Type::BYTEA => row.try_get::<_, Option<&[u8]>>(at).map(|value| value.map(Cell::Bytes)),
        _ => return Cell::Other,
    };
    cell.map_or(Cell::Other, |cell| cell.unwrap_or(Cell::Null))
}

/// What an error of SQLite means (<https://sqlite.org/rescode.html>).
pub(crate) fn sqlite_failure(error: &rusqlite::Error) -> Failure {
    let cause = error.to_string();
    let rusqlite::Error::SqliteFailure(code, _) = error else {
        return StoreError::Driver(cause.into()).into();
    };
    let cause = format!("SQLite {}: {cause}", code.extended_code);
    Failure::from(match code.extended_code & 0xFF {
        ffi::SQLITE_CONSTRAINT
            if matches!(
                code.extended_code,
                ffi::SQLITE_CONSTRAINT_UNIQUE
                    | ffi::SQLITE_CONSTRAINT_PRIMARYKEY
                    | ffi::SQLITE_CONSTRAINT_ROWID
            ) =>
        {
            StoreError::Conflict
        }
        ffi::SQLITE_BUSY
        | ffi::SQLITE_LOCKED
        | ffi::SQLITE_FULL
        | ffi::SQLITE_IOERR
        | ffi::SQLITE_READONLY
        | ffi::SQLITE_CANTOPEN
        | ffi::SQLITE_NOMEM => StoreError::Unavailable(cause.into()),
        ffi::SQLITE_CORRUPT | ffi::SQLITE_NOTADB => StoreError::Corrupt { table: "database", id: 0 },
        _ => StoreError::Driver(cause.into()),
    })
}

/// What an error of PostgreSQL means (<https://www.postgresql.org/docs/current/errcodes-appendix.html>).
pub(crate) fn postgres_failure(error: &postgres::Error) -> Failure {
    use std::error::Error as _;
    let Some(code) = error.code().map(postgres::error::SqlState::code) else {
        let io = error.source().is_some_and(|source| source.is::<std::io::Error>());
        let cause = error.to_string().into();
        let error =
            if io || error.is_closed() { StoreError::Unavailable(cause) } else { StoreError::Driver(cause) };
        return Failure { error, again: false, lost: true };
    };
    // Not DETAIL, which may hold values.
    let message = error.as_db_error().map_or("", postgres::error::DbError::message);
    let cause = format!("PostgreSQL {code}: {message}").into();
    let (error, again, lost) = match code {
        "23505" => (StoreError::Conflict, false, false),
        "40001" | "40P01" => (StoreError::Unavailable(cause), true, false),
        // A statement or a wait for a lock that took too long.
        "57014" | "55P03" => (StoreError::Unavailable(cause), false, false),
        "25006" => (StoreError::Unavailable(cause), false, true),
        "XX001" | "XX002" => (StoreError::Corrupt { table: "database", id: 0 }, false, false),
        code if ["08", "53", "57P0"].iter().any(|class| code.starts_with(class)) => {
            (StoreError::Unavailable(cause), false, true)
        }
        // Our bug, or a plan that an upgrade of the schema made stale: a new connection plans anew.
        _ => (StoreError::Driver(cause), false, true),
    };
    Failure { error, again, lost }
}
