//! Asking before something goes for good.

use std::io::{self, IsTerminal as _};

use anyhow::{Result, bail};

use crate::output;

/// Says what ends, and waits for a yes.
///
/// # Errors
/// When nobody is there to ask, and when the answer is another; `what` stays then.
pub(crate) fn ask(what: &str, ends: &str, instead: &str) -> Result<()> {
    if !io::stdin().is_terminal() {
        bail!("nobody is here to ask whether {what} goes for good: say --yes, or {instead}");
    }
    output::note(format_args!("{what} goes for good: {ends}\nType yes to remove it:"));
    let mut answer = String::new();
    io::stdin().read_line(&mut answer)?;
    if answer.trim() != "yes" {
        bail!("{what} stays");
    }
    Ok(())
}
