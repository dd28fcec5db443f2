//! Settings from the environment, and from a `.env` file beside it. The environment wins.

use std::{collections::HashMap, fmt};

/// The variables of one process: its own, and those of its `.env` file. An application reads its own settings with it,
/// so that all stand in one place.
#[derive(Default)]
pub struct Variables {
    file: HashMap<String, String>,
}

impl Variables {
    /// Reads `.env` in the current folder, if there is one.
    ///
    /// # Errors
    /// When it is there and cannot be read.
    pub fn read() -> std::io::Result<Self> {
        match std::fs::read_to_string(".env") {
            Ok(text) => Ok(Self { file: parse(&text) }),
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(Self::default()),
            Err(e) => Err(e),
        }
    }

    /// The value of `name`; an empty one is as absent.
    pub fn get(&self, name: &str) -> Option<String> {
        std::env::var(name).ok().or_else(|| self.file.get(name).cloned()).filter(|value| !value.is_empty())
    }
}

impl fmt::Debug for Variables {
    /// Without values: some are secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.file.keys()).finish()
    }
}

/// Lines of `NAME=value`, `export NAME=value`, comments and empty lines; values may stand in quotes. Other lines are
/// skipped, as other readers of such files do.
fn parse(text: &str) -> HashMap<String, String> {
    text.lines()
        .filter_map(|line| {
            let line = line.trim();
            let (name, value) = line.strip_prefix("export ").unwrap_or(line).split_once('=')?;
            let name = name.trim();
            (!name.is_empty() && !name.starts_with('#')).then(|| (name.to_owned(), unquoted(value.trim())))
        })
        .collect()
}

fn unquoted(value: &str) -> String {
    for quote in ['"', '\''] {
        if let Some((inside, _)) = value.strip_prefix(quote).and_then(|rest| rest.split_once(quote)) {
            return inside.to_owned();
        }
    }
    // A comment needs a space before it: `#` may stand in a secret.
    value.split(" #").next().unwrap_or_default().trim_end().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn env_files_are_read_as_usual() {
        let read = parse(
            "# a comment\nA=1\nexport B = two words  # why\nC=\"x # y\" # z\nD='q\"'\nE=a#b\nF=\n\nnonsense\n#G=1\r\nH=1\r\n=x\nI=a=b",
        );
        let expected = [
            ("A", "1"),
            ("B", "two words"),
            ("C", "x # y"),
            ("D", "q\""),
            ("E", "a#b"),
            ("F", ""),
            ("H", "1"),
            ("I", "a=b"),
        ];
        assert_eq!(read, expected.into_iter().map(|(n, v)| (n.to_owned(), v.to_owned())).collect());
    }
}
