//! The schema's steps, in pairs; all that are missing in one transaction. What a step did never changes; a new step is a new file.

use rusqlite::OptionalExtension as _;

use crate::dialect::{postgres_failure, sqlite_failure};
use crate::error::OpenError;

/// One step for both engines.
struct Step {
    version: i64,
    sqlite: &'static str,
    postgres: &'static str,
}

macro_rules! steps {
    ($($version:literal $name:literal,)+) => {
        &[$(Step {
            version: $version,
            sqlite: include_str!(concat!("../migrations/sqlite/", $name, ".sql")),
            postgres: include_str!(concat!("../migrations/postgres/", $name, ".sql")),
        }),+]
    };
}

const STEPS: &[Step] = steps![
    1 "0001_start",
    2 "0002_response_types",
    3 "0003_client_metadata",
    4 "0004_key_schedule",
    5 "0005_logout_deliveries",
    6 "0006_client_logos",
    7 "0007_assertions",
    8 "0008_permissions",
    9 "0009_subject_ids",
];

const NEWEST: i64 = STEPS[STEPS.len() - 1].version;

/// Two processes that start at once take turns under it.
const POSTGRES_LOCK: i64 = 0x61_75_74_68_6D_61_63_68;

/// Brings a SQLite file up to date.
pub(crate) fn sqlite(connection: &mut rusqlite::Connection) -> Result<(), OpenError> {
    let failure = |error: rusqlite::Error| sqlite_failure(&error).error;
    let version = |connection: &rusqlite::Connection| -> rusqlite::Result<i64> {
        let is_new = "SELECT name FROM sqlite_schema WHERE name = 'schema_steps'";
        if connection.query_row(is_new, [], |_| Ok(())).optional()?.is_none() {
            return Ok(0);
        }
        connection.query_row("SELECT COALESCE(MAX(version), 0) FROM schema_steps", [], |row| row.get(0))
    };
    let found = version(connection).map_err(failure)?;
    check(found)?;
    if found == NEWEST {
        return Ok(());
    }
    let mut run = || {
        let transaction = connection.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
        // Another process may have been quicker.
        let found = version(&transaction)?;
        for step in STEPS.iter().filter(|step| step.version > found) {
            transaction.execute_batch(step.sqlite)?;
            transaction.execute("INSERT INTO schema_steps (version) VALUES ($1)", [step.version])?;
        }
        transaction.commit()
    };
    run().map_err(failure).map_err(OpenError::from)
}

/// Brings a PostgreSQL database up to date.
pub(crate) fn postgres(client: &mut postgres::Client) -> Result<(), OpenError> {
    let failure = |error: postgres::Error| postgres_failure(&error).error;
    client.execute("SELECT pg_advisory_lock($1)", &[&POSTGRES_LOCK]).map_err(failure)?;
    // The lock ends with the connection, which is dropped after this.
    let known = |client: &mut postgres::Client| -> Result<i64, postgres::Error> {
        let found = client.query_one("SELECT to_regclass('schema_steps') IS NOT NULL", &[])?;
        if !found.try_get::<_, bool>(0)? {
            return Ok(0);
        }
        client.query_one("SELECT COALESCE(MAX(version), 0) FROM schema_steps", &[])?.try_get(0)
    };
    let found = known(client).map_err(failure)?;
    check(found)?;
    let mut run = || {
        let mut transaction = client.transaction()?;
        for step in STEPS.iter().filter(|step| step.version > found) {
            transaction.batch_execute(step.postgres)?;
            transaction.execute("INSERT INTO schema_steps (version) VALUES ($1)", &[&step.version])?;
        }
        transaction.commit()
    };
    run().map_err(failure).map_err(OpenError::from)
}

fn check(found: i64) -> Result<(), OpenError> {
    if found > NEWEST { Err(OpenError::NewerSchema { found, known: NEWEST }) } else { Ok(()) }
}

const _: () = {
    let mut at = 0;
    while at < STEPS.len() {
        assert!(STEPS[at].version == at as i64 + 1, "steps are numbered 1, 2, 3 …");
        at += 1;
    }
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_engines_have_the_same_tables_and_columns() {
        // Names and columns in order of appearance; types and constraints differ by dialect.
        fn tables(sql: &str) -> Vec<String> {
            let mut tables = Vec::new();
            let mut table = String::new();
            for line in sql.lines().map(str::trim) {
                if let Some(rest) = line.strip_prefix("CREATE TABLE ") {
                    table = rest.split(' ').next().unwrap_or_default().to_owned();
                } else if let Some(added) = line.strip_prefix("ALTER TABLE ") {
                    let added: Vec<_> = added.splitn(5, ' ').collect();
                    assert_eq!(added[1..3], ["ADD", "COLUMN"]);
                    tables.push(format!("{}.{}", added[0], added[3]));
                } else if line.starts_with(')') {
                    table.clear();
                } else if !table.is_empty() && line.chars().next().is_some_and(|c| c.is_ascii_lowercase()) {
                    tables.push(format!("{table}.{}", line.split(' ').next().unwrap_or_default()));
                }
            }
            tables
        }
        for step in STEPS {
            assert!(tables(step.sqlite).len() > if step.version == 1 { 10 } else { 0 });
            assert_eq!(tables(step.sqlite), tables(step.postgres), "step {}", step.version);
        }
    }

    #[test]
    fn a_newer_schema_is_refused() {
        assert!(check(NEWEST).is_ok());
        assert!(
            matches!(check(NEWEST + 1), Err(OpenError::NewerSchema { found, known }) if found == known + 1)
        );
    }
}
