//! `authmachine help-all`: the page docs/cli.md.

use anyhow::Result;
use clap::{Command, CommandFactory as _};

use crate::output;

/// Characters in a line of help.
const WIDTH: usize = 100;

pub(crate) fn run() -> Result<()> {
    Ok(output::text(&page())?)
}

fn page() -> String {
    let mut root = crate::Cli::command().term_width(WIDTH);
    root.build();
    let mut page = String::from(
        "# Command line\n\n\
         <!-- Written by `authmachine help-all`; change the doc comments in crates/authmachine-cli/src instead. -->\n\n\
         Results go to standard output, remarks, prompts and the log to standard error. A command that did not do what it says ends\n\
         with 1, one that was called wrongly with 2. `--json` prints the result as JSON. Secrets are asked for on the terminal or read\n\
         from standard input, one line, and what is made is shown once. Every change is in the audit trail, by `operator`.\n\n\
         The commands work beside a running server, which notices within a second. Every command takes `--config` and `--database`.\n",
    );
    describe(&root, &mut Vec::new(), &mut page);
    page
}

fn describe(command: &Command, path: &mut Vec<String>, page: &mut String) {
    path.push(command.get_name().to_owned());
    // Said once, in the first section.
    let is_first = path.len() == 1;
    let shown = command.clone().mut_args(|argument| {
        if argument.is_global_set() && !is_first { argument.hide(true) } else { argument }
    });
    let help = shown.clone().render_long_help().to_string();
    let help: Vec<&str> = help.lines().map(str::trim_end).collect();
    *page += &format!("\n## {}\n\n```text\n{}\n```\n", path.join(" "), help.join("\n").trim_end());
    for child in command.get_subcommands().filter(|child| !child.is_hide_set()) {
        describe(child, path, page);
    }
    path.pop();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_command_has_its_place_in_the_page_and_says_what_it_does() {
        let page = page();
        for heading in
            ["authmachine", "authmachine serve", "authmachine client add", "authmachine group member"]
        {
            assert!(page.contains(&format!("\n## {heading}\n")), "{heading}");
        }
        assert!(!page.contains("help-all\n\n```"), "hidden");
        assert!(page.lines().all(|line| line.chars().count() <= 140), "wrapped");
        let mut stack = vec![crate::Cli::command()];
        while let Some(command) = stack.pop() {
            assert!(command.get_about().is_some(), "{} says nothing", command.get_name());
            for argument in command.get_arguments() {
                assert!(argument.get_help().is_some(), "{} {}", command.get_name(), argument.get_id());
            }
            stack.extend(command.get_subcommands().cloned());
        }
    }

    #[test]
    fn the_command_line_is_well_formed() {
        crate::Cli::command().debug_assert();
    }
}
