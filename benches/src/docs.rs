//! Where results go: a folder of the run, or the documentation.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

/// The places for tables and plots.
pub(crate) struct Docs {
    page: Option<PathBuf>,
    images: PathBuf,
}

impl Docs {
    /// Plots go into `folder`; with `root`, the checkout, they go into `docs/img`, and tables into `docs/performance.md`.
    pub(crate) fn new(folder: &Path, root: Option<&Path>) -> Result<Self> {
        let images = root.map_or_else(|| folder.to_owned(), |root| root.join("docs/img"));
        fs::create_dir_all(&images)?;
        Ok(Self { page: root.map(|root| root.join("docs/performance.md")), images })
    }

    /// Keeps a plot.
    pub(crate) fn image(&self, name: &str, svg: &str) -> Result<()> {
        let path = self.images.join(format!("{name}.svg"));
        fs::write(&path, svg).with_context(|| format!("cannot write {}", path.display()))?;
        println!("written: {}", path.display());
        Ok(())
    }

    /// Prints a table, and puts it in its place.
    pub(crate) fn table(&self, name: &str, markdown: &str) -> Result<()> {
        println!("\n{markdown}");
        let Some(page) = &self.page else { return Ok(()) };
        let text = fs::read_to_string(page).with_context(|| format!("cannot read {}", page.display()))?;
        let text = replace(&text, name, markdown)
            .with_context(|| format!("{} has no place for {name}", page.display()))?;
        fs::write(page, text).with_context(|| format!("cannot write {}", page.display()))?;
        println!("written: {}", page.display());
        Ok(())
    }
}

/// Puts `markdown` between the comments that name it.
fn replace(page: &str, name: &str, markdown: &str) -> Option<String> {
    let begin = format!("<!-- bench: {name} -->\n");
    let (before, rest) = page.split_once(&begin)?;
    let (_, after) = rest.split_once("<!-- /bench -->")?;
    Some(format!("{before}{begin}\n{}\n\n<!-- /bench -->{after}", markdown.trim()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_goes_between_its_comments() {
        let page = "a\n<!-- bench: one -->\nold\n<!-- /bench -->\nb\n<!-- bench: two -->\n<!-- /bench -->\n";
        assert_eq!(
            replace(page, "one", "new\n").as_deref(),
            Some(
                "a\n<!-- bench: one -->\n\nnew\n\n<!-- /bench -->\nb\n<!-- bench: two -->\n<!-- /bench -->\n"
            )
        );
        assert_eq!(replace(page, "three", "new"), None);
    }
}
