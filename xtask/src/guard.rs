//! What must not get into the repository by accident: one machine's paths, the hosts it downloads from, and links to nowhere.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Result, bail};

use crate::run::{Workspace, output};

/// Split, so that this file passes its own check.
const PATHS: [&str; 3] = [concat!("/ro", "ot/"), concat!("/ho", "me/"), concat!("/wo", "rk/")];

/// Where package managers download from; a lock file with hosts works only where these are reachable.
const HOSTS: [&str; 6] = [
    concat!("registry.", "npmjs.org"),
    concat!("pypi.", "org/simple"),
    concat!("files.", "pythonhosted.org"),
    concat!("static.", "crates.io"),
    concat!("index.", "crates.io"),
    concat!("deb.", "debian.org"),
];

const CRATES_IO: &str = "registry+https://github.com/rust-lang/crates.io-index";

/// Reads every file that is, or would be, in the repository.
pub(crate) fn check(workspace: &Workspace) -> Result<()> {
    let mut git = Command::new("git");
    // A checkout that belongs to somebody else, as in many a container, is read all the same.
    git.args(["-c", "safe.directory=*", "ls-files", "-z", "--cached", "--others", "--exclude-standard"])
        .current_dir(&workspace.root);
    let mut found = Vec::new();
    for file in output(&mut git)?.split_terminator('\0') {
        // Gone from the folder but not yet from the index, or not text.
        let Ok(text) = fs::read_to_string(workspace.root.join(file)) else { continue };
        found.extend(
            text.lines()
                .enumerate()
                .filter_map(|(at, line)| Some(format!("{file}:{}: {}", at + 1, complaint(file, line)?))),
        );
        let folder = Path::new(file).parent().unwrap_or(Path::new(""));
        let dead = |link: &&str| file.ends_with(".md") && !workspace.root.join(folder).join(link).exists();
        found.extend(text.lines().enumerate().flat_map(|(at, line)| {
            links(line).filter(dead).map(move |link| format!("{file}:{}: a link to nowhere, {link}", at + 1))
        }));
    }
    if !found.is_empty() {
        bail!("{}", found.join("\n"));
    }
    Ok(())
}

fn complaint(file: &str, line: &str) -> Option<String> {
    if let Some(path) = PATHS.iter().find(|path| starts_a_path(line, path)) {
        return Some(format!("a path of one machine, {path}…"));
    }
    if let Some(host) = HOSTS.iter().find(|host| line.contains(*host)) {
        return Some(format!("a download host, {host}"));
    }
    let name = file.rsplit('/').next().unwrap_or(file);
    let names_a_source = match name {
        "Cargo.lock" => line.starts_with("source = ") && !line.contains(CRATES_IO),
        "package-lock.json" => line.trim_start().starts_with("\"resolved\""),
        "requirements.txt" => line.contains("://") || line.starts_with('-'),
        _ => false,
    };
    names_a_source.then(|| "a download source".to_owned())
}

/// The files that a line of Markdown links to.
fn links(line: &str) -> impl Iterator<Item = &str> {
    line.split("](")
        .skip(1)
        .filter_map(|rest| rest.split([')', '#']).next())
        .filter(|link| !link.is_empty() && !link.contains(':'))
}

/// Whether `line` has `path` at the start of an absolute path, not inside a longer one or a URL.
fn starts_a_path(line: &str, path: &str) -> bool {
    line.match_indices(path).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        !before.is_some_and(|before| before.is_alphanumeric() || "._-/{}~$".contains(before))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_hosts_and_foreign_sources_are_named() {
        let refused = [
            ("README.md", format!("see {}me/notes", PATHS[0])),
            ("src/main.rs", format!("include!(\"{}project/x\")", PATHS[2])),
            ("docs/a.md", format!("get it from https://{}/x", HOSTS[0])),
            ("Cargo.lock", "source = \"git+https://example.com/x\"".to_owned()),
            ("e2e/node/package-lock.json", "      \"resolved\": \"https://example.com/x.tgz\",".to_owned()),
            ("e2e/python/requirements.txt", "--index-url https://example.com/".to_owned()),
        ];
        for (file, line) in &refused {
            assert!(complaint(file, line).is_some(), "{file}: {line}");
        }
    }

    #[test]
    fn links_to_files_are_found() {
        let line = "see [a](../a.md#top), [b](https://example.com/b.md), [c](#c) and [d](d/)";
        assert_eq!(links(line).collect::<Vec<_>>(), ["../a.md", "d/"]);
    }

    #[test]
    fn ordinary_lines_pass() {
        let passed = [
            ("README.md", format!("`{{root}}{0}x`, https://example.com{0}x, target{0}", PATHS[2])),
            ("Cargo.lock", format!("source = \"{CRATES_IO}\"")),
            ("e2e/python/requirements.txt", "Flask==3.1.3".to_owned()),
            ("docs/a.md", "\"resolved\"".to_owned()),
        ];
        for (file, line) in &passed {
            assert_eq!(complaint(file, line), None, "{file}: {line}");
        }
    }
}
