//! What objects, permission types and groups have in common: a code and a name.

use anyhow::{Result, bail};
use clap::Args;
use serde_json::{Value, json};

use crate::output;

/// The most characters of a name.
const MAX_NAME: usize = 100;
/// Rows that are read at once.
pub(crate) const PAGE: i64 = 500;

/// Arguments of `add`.
#[derive(Args)]
pub(crate) struct New {
    /// The code, such as `object1`; it never changes
    pub(crate) code: String,
    /// What people read; by default the code
    #[arg(long, value_name = "N")]
    name: Option<String>,
    /// Prints JSON
    #[arg(long)]
    pub(crate) json: bool,
}

impl New {
    /// The name, checked.
    pub(crate) fn name(&self) -> Result<String> {
        name(self.name.as_deref(), &self.code)
    }
}

/// What people read, by default `otherwise`.
pub(crate) fn name(given: Option<&str>, otherwise: &str) -> Result<String> {
    let name = given.unwrap_or(otherwise);
    if name.trim().is_empty() || name.chars().count() > MAX_NAME || name.chars().any(char::is_control) {
        bail!("the name {name:?} cannot be used: a name has 1 to {MAX_NAME} printable characters");
    }
    Ok(name.to_owned())
}

/// Says what was made.
pub(crate) fn made(what: &str, code: &str, name: &str, json: bool) -> Result<()> {
    if json {
        output::json(&view(code, name))?
    } else {
        output::line(format_args!("Made the {what} {code}"))?
    }
    Ok(())
}

/// Lists codes and names.
pub(crate) fn list<'a>(rows: impl IntoIterator<Item = (&'a str, &'a str)>, json: bool) -> Result<()> {
    let rows = rows.into_iter();
    if json {
        output::json(&rows.map(|(code, name)| view(code, name)).collect())?;
    } else {
        let rows: Vec<_> = rows.map(|(code, name)| [code.to_owned(), name.to_owned()]).collect();
        output::table(["CODE", "NAME"], &rows)?;
    }
    Ok(())
}

/// Reads all rows, page after page.
pub(crate) fn all<T>(mut page: impl FnMut(Option<&T>) -> Result<Vec<T>>) -> Result<Vec<T>> {
    let mut rows = Vec::new();
    loop {
        let more = page(rows.last())?;
        if more.is_empty() {
            return Ok(rows);
        }
        rows.extend(more);
    }
}

fn view(code: &str, name: &str) -> Value {
    json!({ "code": code, "name": name })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_printable_and_short() {
        assert_eq!(name(None, "object1").ok().as_deref(), Some("object1"));
        assert_eq!(name(Some("Ein Ding"), "object1").ok().as_deref(), Some("Ein Ding"));
        for bad in ["", "  ", "a\nb", &"x".repeat(101)] {
            assert!(name(Some(bad), "x").is_err(), "{bad:?}");
        }
    }

    #[test]
    fn pages_are_read_to_the_end() {
        let pages = |after: Option<&i32>| Ok((after.map_or(0, |n| n + 1)..7).take(3).collect());
        assert_eq!(all(pages).expect("no errors"), (0..7).collect::<Vec<_>>());
    }
}
