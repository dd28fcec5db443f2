//! `docs/conformance.md` and the modules: neither has what the other lacks.

use std::collections::BTreeSet;
use std::path::Path;

use crate::areas::MODULES;

/// Every test that the table names is there, and every module is in the table.
pub(crate) fn every_module_is_in_the_table() {
    let e2e = Path::new(env!("CARGO_MANIFEST_DIR"));
    let read = |path: &Path| {
        std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
    };
    let page = read(&e2e.join("../docs/conformance.md"));
    let named: BTreeSet<&str> = page
        .lines()
        .filter(|line| line.starts_with('|'))
        .filter_map(|line| line.trim_end_matches('|').rsplit('|').next())
        .flat_map(|cell| cell.split('`').skip(1).step_by(2))
        .filter(|name| name.contains("::"))
        .collect();
    for name in &named {
        let (file, function) = name.rsplit_once("::").expect("it was filtered");
        let folder = e2e.join("conformance");
        let file = format!("{}.rs", file.replace("::", "/"));
        let places = [folder.join(&file), folder.join("areas").join(&file)];
        let source = places.iter().find(|place| place.is_file()).map(|place| read(place));
        let source = source.unwrap_or_else(|| panic!("the table names {name}, and there is no {file}"));
        assert!(source.contains(&format!("fn {function}(")), "the table names {name}, which is not there");
    }
    for module in MODULES {
        let name = format!("{}::{}", module.area, module.name);
        assert!(named.contains(name.as_str()), "the table lacks {name}");
    }
}
