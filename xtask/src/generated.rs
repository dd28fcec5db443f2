//! Files that the program itself writes, and code that documents quote, so that neither can disagree with it.

use std::fs;
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::run::{Workspace, cargo, output};

/// A file of the repository and the `authmachine` command that prints it.
struct Generated {
    file: &'static str,
    command: &'static [&'static str],
}

const GENERATED: &[Generated] = &[
    Generated { file: "docs/config.md", command: &["config", "reference"] },
    Generated { file: "docs/authmachine.sample.toml", command: &["config", "sample"] },
    Generated { file: "docs/cli.md", command: &["help-all"] },
];

/// The README's program, and the example that is compiled and run as a test.
const QUOTED: (&str, &str) = ("README.md", "crates/authmachine-client/examples/twelve_lines.rs");

/// Builds the workspace's binaries with the features that the tests build them with, so that nothing is built twice.
pub(crate) fn build(workspace: &Workspace) -> Result<()> {
    workspace.run(&mut cargo(["build", "--workspace", "--bins", "--locked"]))
}

/// Writes the files that differ.
pub(crate) fn write(workspace: &Workspace) -> Result<()> {
    for generated in GENERATED {
        let (now, wanted) = generated.both(workspace)?;
        if now.as_deref() != Some(&wanted) {
            let path = workspace.root.join(generated.file);
            fs::write(&path, wanted).with_context(|| format!("cannot write {}", path.display()))?;
            println!("wrote {}", generated.file);
        }
    }
    Ok(())
}

/// Names the files that differ.
pub(crate) fn check(workspace: &Workspace) -> Result<()> {
    let mut stale = Vec::new();
    for generated in GENERATED {
        let (now, wanted) = generated.both(workspace)?;
        if now.as_deref() != Some(&wanted) {
            stale.push(generated.file);
        }
    }
    if !stale.is_empty() {
        bail!("out of date: {}; run `cargo xtask gen` and commit", stale.join(", "));
    }
    let (document, example) = QUOTED;
    let read =
        |file| fs::read_to_string(workspace.root.join(file)).with_context(|| format!("cannot read {file}"));
    let (text, program) = (read(document)?, read(example)?);
    let program: Vec<&str> = program.lines().filter(|line| !line.starts_with("//!")).collect();
    if !text.contains(program.join("\n").trim()) {
        bail!("{document} does not show the program of {example}, word for word");
    }
    Ok(())
}

impl Generated {
    /// The file as it is and as it should be.
    fn both(&self, workspace: &Workspace) -> Result<(Option<String>, String)> {
        // The size of a terminal must not decide about the text, nor may the caller's settings.
        let mut command = Command::new(workspace.binary("debug"));
        command.args(self.command).env_clear().env("COLUMNS", "100").current_dir(&workspace.root);
        let wanted = output(&mut command).with_context(|| format!("cannot make {}", self.file))?;
        Ok((fs::read_to_string(workspace.root.join(self.file)).ok(), wanted))
    }
}
