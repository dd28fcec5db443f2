//! The log: structured, on standard error.

use std::io::IsTerminal as _;

use anyhow::{Result, anyhow};
use tracing_subscriber::EnvFilter;

use crate::config::Log;

/// Starts it. What libraries say below a warning stays out: they do not know what is secret here (checklist LG1).
///
/// # Errors
/// When it was started before.
pub(crate) fn start(log: Log) -> Result<()> {
    let level = log.level.as_str().to_lowercase();
    let filter = EnvFilter::try_new(format!("warn,authmachine={level}"))?;
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        // A line that cannot be written is lost. To say so, on the same full disk, would panic (checklist RB11).
        .log_internal_errors(false)
        .with_ansi(std::io::stderr().is_terminal());
    let started = if log.json { builder.json().flatten_event(true).try_init() } else { builder.try_init() };
    started.map_err(|cause| anyhow!("cannot start the log: {cause}"))
}
