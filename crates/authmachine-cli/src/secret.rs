//! Secrets that come in: from standard input or a prompt, never from where others read along.

use std::io::{self, Read as _};

use anyhow::{Context as _, Result, bail};
use zeroize::Zeroizing;

/// More than any secret has.
const MAX_BYTES: u64 = 64 * 1024;

/// Reads the one line on standard input.
///
/// # Errors
/// When there is none, or more than one.
pub(crate) fn from_stdin(what: &str) -> Result<Zeroizing<String>> {
    let mut text = Zeroizing::new(String::new());
    io::stdin()
        .lock()
        .take(MAX_BYTES)
        .read_to_string(&mut text)
        .with_context(|| format!("cannot read the {what}"))?;
    one_line(&text, what)
}

fn one_line(text: &str, what: &str) -> Result<Zeroizing<String>> {
    let line = text.strip_suffix('\n').unwrap_or(text);
    let line = line.strip_suffix('\r').unwrap_or(line);
    if line.is_empty() {
        bail!("standard input is empty; the {what} is expected there");
    }
    if line.contains(['\n', '\r', '\0']) {
        bail!("the {what} on standard input is one line");
    }
    Ok(Zeroizing::new(line.to_owned()))
}

/// Asks for a new secret on the terminal, twice.
///
/// # Errors
/// Without a terminal; when the two differ. `flag` is what to use instead.
pub(crate) fn ask_twice(what: &str, flag: &str) -> Result<Zeroizing<String>> {
    let ask = |prompt: String| {
        rpassword::prompt_password(prompt)
            .map(Zeroizing::new)
            .with_context(|| format!("there is no terminal to ask for the {what} on; use {flag}"))
    };
    let first = ask(format!("New {what}: "))?;
    if first.is_empty() {
        bail!("the {what} is empty");
    }
    if *ask(format!("The same {what} again: "))? != *first {
        bail!("the two are not the same; nothing was changed");
    }
    Ok(first)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_one_line_and_nothing_in_it_is_trimmed() {
        let read = |text: &str| one_line(text, "password").map(|secret| secret.to_string()).ok();
        assert_eq!(read(" a b \n").as_deref(), Some(" a b "));
        assert_eq!(read("a\r\n").as_deref(), Some("a"));
        assert_eq!(read("a").as_deref(), Some("a"));
        for bad in ["", "\n", "a\nb", "a\n\n", "a\0"] {
            assert_eq!(read(bad), None, "{bad:?}");
        }
    }
}
