//! `docs/interoperability.md` says what the tests use: the versions that are pinned, and tests that exist.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

/// What is in `requirements.txt` for its own sake; the rest is there because these need it.
const PYTHON: [&str; 3] = ["Authlib", "idpyoidc", "oic"];

fn read(path: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Name and exact version of each library.
fn pinned() -> BTreeMap<String, String> {
    let requirements = read("python/requirements.txt");
    let python = requirements
        .lines()
        .filter_map(|line| line.split_once("=="))
        .filter(|(name, _)| PYTHON.contains(name))
        .map(|(name, version)| (name.to_owned(), version.to_owned()));
    let package: serde_json::Value = serde_json::from_str(&read("node/package.json")).expect("JSON");
    let node = package["dependencies"].as_object().expect("it has dependencies");
    let node = node
        .iter()
        .map(|(name, version)| (name.clone(), version.as_str().expect("a version is a string").to_owned()));
    python.chain(node).collect()
}

/// The words of a cell that are set as code.
fn code(cell: &str) -> Vec<&str> {
    cell.split('`').skip(1).step_by(2).collect()
}

#[test]
fn the_page_has_the_versions_that_are_pinned_and_tests_that_exist() {
    let page = read("../docs/interoperability.md");
    let rows: Vec<Vec<&str>> = page
        .lines()
        .filter(|line| line.starts_with('|'))
        .skip(2)
        .map(|line| line.trim_matches('|').split('|').map(str::trim).collect())
        .collect();
    let documented: BTreeMap<String, String> =
        rows.iter().map(|row| (code(row[0])[0].to_owned(), row[1].to_owned())).collect();
    assert_eq!(documented, pinned());

    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/e2e");
    let tests: String = fs::read_dir(folder)
        .expect("this file is in it")
        .map(|entry| fs::read_to_string(entry.expect("it can be listed").path()).expect("it is text"))
        .collect();
    for row in &rows {
        let named = code(row[3]);
        assert!(!named.is_empty(), "no test: {row:?}");
        for name in named {
            assert!(tests.contains(&format!("async fn {name}(")), "no such test: {name}");
        }
    }
}
