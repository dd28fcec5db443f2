//! What objects, permission types and groups have in common: a code and a name.

use anyhow::{Result, bail};
use clap::Args;
use serde_json::Value;

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

/// What people read, by default the code, which has its own rules and may be longer.
pub(crate) fn name(given: Option<&str>, code: &str) -> Result<String> {
    let Some(name) = given else { return Ok(code.to_owned()) };
    if name.trim().is_empty() || name.chars().count() > MAX_NAME || name.chars().any(char::is_control) {
        bail!("the name {name:?} cannot be used: a name has 1 to {MAX_NAME} printable characters");
    }
    Ok(name.to_owned())
}

/// Says what was done: as `view` shows it, or in `words`.
pub(crate) fn done(json: bool, view: &Value, words: impl std::fmt::Display) -> Result<()> {
    if json {
        output::json(view)?;
    } else {
        output::line(words)?;
    }
    Ok(())
}

/// What somebody meant who wrote `wanted`: the most similar of `known`, if it is similar.
pub(crate) fn nearest(wanted: &str, known: impl IntoIterator<Item = String>) -> Option<String> {
    const SIMILAR: f64 = 0.85;
    let likeness = known.into_iter().map(|known| (strsim::jaro_winkler(wanted, &known), known));
    let nearest = likeness.filter(|(likeness, _)| *likeness >= SIMILAR).max_by(|a, b| a.0.total_cmp(&b.0));
    nearest.map(|(_, known)| known)
}

/// The first half of a code: what is similar mostly begins so, and lists go on from there.
pub(crate) fn beginning(code: &str) -> String {
    code.chars().take(code.chars().count() / 2).collect()
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_printable_and_short() {
        assert_eq!(name(None, "object1").ok().as_deref(), Some("object1"));
        assert_eq!(name(Some("Ein Ding"), "object1").ok().as_deref(), Some("Ein Ding"));
        assert!(name(None, &"x".repeat(128)).is_ok(), "the longest code");
        for bad in ["", "  ", "a\nb", &"x".repeat(101)] {
            assert!(name(Some(bad), "x").is_err(), "{bad:?}");
        }
    }

    #[test]
    fn what_is_similar_is_found_and_nothing_else() {
        let known = || ["object1", "printer", "read"].map(str::to_owned);
        assert_eq!(nearest("objct1", known()).as_deref(), Some("object1"));
        assert_eq!(nearest("Read", ["read".to_owned()]).as_deref(), None, "capitals count");
        assert_eq!(nearest("door", known()), None);
        assert_eq!((beginning("objct1"), beginning("ä")), ("obj".to_owned(), String::new()));
    }

    #[test]
    fn pages_are_read_to_the_end() {
        let pages = |after: Option<&i32>| Ok((after.map_or(0, |n| n + 1)..7).take(3).collect());
        assert_eq!(all(pages).expect("no errors"), (0..7).collect::<Vec<_>>());
    }
}
