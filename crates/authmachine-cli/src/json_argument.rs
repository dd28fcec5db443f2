//! Arguments that are JSON, or `@` and the file that has it.

use std::fs::File;
use std::io::Read as _;
use std::sync::Arc;

use anyhow::{Context as _, Result, bail};
use authmachine_permissions::{Attributes, Condition};

/// What is read of a file: more than anything here may have.
const MAX_BYTES: u64 = 64 * 1024;

/// Reads what conditions may ask about an object.
///
/// # Errors
/// A file that cannot be read, and what is no attributes.
pub(crate) fn attributes(argument: &str) -> Result<Arc<Attributes>> {
    let attributes = Attributes::parse(&text(argument)?).context("--attributes cannot be used")?;
    Ok(Arc::new(attributes))
}

/// Reads a condition.
///
/// # Errors
/// A file that cannot be read, and what is no condition.
pub(crate) fn condition(argument: &str) -> Result<Arc<Condition>> {
    let condition = Condition::parse(&text(argument)?).context("--condition cannot be used")?;
    Ok(Arc::new(condition))
}

fn text(argument: &str) -> Result<String> {
    let Some(path) = argument.strip_prefix('@') else { return Ok(argument.to_owned()) };
    let mut text = String::new();
    File::open(path)
        .and_then(|file| file.take(MAX_BYTES + 1).read_to_string(&mut text))
        .with_context(|| format!("cannot read {path}"))?;
    if text.len() as u64 > MAX_BYTES {
        bail!("{path} has more than {MAX_BYTES} bytes");
    }
    Ok(text.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_stands_in_the_argument_or_in_a_file() {
        let file = tempfile::NamedTempFile::new().expect("a file");
        std::fs::write(&file, "{\"floor\": 3}\n").expect("it is ours");
        let named = format!("@{}", file.path().display());
        for argument in [r#"{"floor":3}"#, &named] {
            let read = attributes(argument).expect("attributes");
            assert_eq!(serde_json::to_string(&*read).expect("JSON"), r#"{"floor":3}"#);
        }
        assert!(attributes("@/nowhere").is_err() && attributes("[]").is_err() && condition("{}").is_err());
        std::fs::write(&file, "x".repeat(70_000)).expect("it is ours");
        assert!(attributes(&named).expect_err("large").to_string().contains("65536 bytes"));
    }
}
