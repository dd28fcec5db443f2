//! Everything that the process logs, at the finest level, kept for the tests that look for what must not be there.

use std::io;
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::fmt::MakeWriter;

static RECORDS: Mutex<Vec<String>> = Mutex::new(Vec::new());

fn records() -> MutexGuard<'static, Vec<String>> {
    RECORDS.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Begins to keep what is logged, once a process; where the next record will stand.
pub(crate) fn begin() -> usize {
    static BEGUN: OnceLock<()> = OnceLock::new();
    BEGUN.get_or_init(|| {
        let subscriber = tracing_subscriber::fmt()
            .with_max_level(LevelFilter::TRACE)
            .with_ansi(false)
            .with_writer(Records)
            .finish();
        tracing::subscriber::set_global_default(subscriber).expect("nobody else keeps the log of a test");
    });
    records().len()
}

/// The records from `start` on, of all the tests that run beside each other. Each is what was written for one event.
pub(crate) fn since(start: usize) -> Vec<String> {
    records()[start..].to_vec()
}

/// The first of `secrets` that stands in a record from `start` on, with the record.
pub(crate) fn find_since<'a>(
    start: usize,
    secrets: impl IntoIterator<Item = &'a String>,
) -> Option<(&'a str, String)> {
    let records = records();
    let mut secrets = secrets.into_iter();
    secrets.find_map(|secret| {
        let record = records[start..].iter().find(|record| record.contains(secret.as_str()))?;
        Some((secret.as_str(), record.clone()))
    })
}

struct Records;

impl MakeWriter<'_> for Records {
    type Writer = Self;

    fn make_writer(&self) -> Self {
        Self
    }
}

impl io::Write for Records {
    fn write(&mut self, record: &[u8]) -> io::Result<usize> {
        records().push(String::from_utf8_lossy(record).into_owned());
        Ok(record.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
