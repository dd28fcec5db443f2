//! The reference page and the sample file.

use std::fmt::Write as _;

use super::raw::env_name;
use super::sections::SECTIONS;

/// The reference page, in Markdown.
pub(crate) fn reference() -> String {
    let mut page = String::from(
        "# Configuration\n\n\
         <!-- Written by `authmachine config reference`; change crates/authmachine-cli/src/config/sections.rs instead. -->\n\n\
         Nothing needs to be configured to start on loopback. Settings come from a file in [TOML](https://toml.io), then from the\n\
         environment, then from flags; the later one wins. The file is the one that `--config` names, else `authmachine.toml` in the working\n\
         directory, else `/etc/authmachine/authmachine.toml`. Every command reads the same settings.\n\n\
         A key that is not known, in the file or in the environment, stops the start, as does a value that makes no sense. All problems are\n\
         named at once, each with its line. `authmachine config check` does just that. [authmachine.sample.toml](authmachine.sample.toml) has\n\
         every key with its default.\n\n\
         In the environment a setting is `AUTHMACHINE__SECTION__KEY`, with double underscores; the items of a list are separated by commas.\n\
         Names with single underscores, such as `AUTHMACHINE_URL`, belong to client applications and are ignored.\n",
    );
    for section in SECTIONS {
        let _ = write!(page, "\n## [{}]\n\n{}\n", section.name, lines(section.doc, ""));
        for setting in section.settings {
            let _ = write!(
                page,
                "\n### {key}\n\n{doc}\n\n{kind}, by default `{default}` · `{env}`\n",
                key = setting.key,
                doc = lines(setting.doc, ""),
                kind = upper_first(setting.kind),
                default = (setting.toml)(setting.default),
                env = env_name(section.name, setting.key),
            );
        }
    }
    page
}

/// The sample file: every key, commented out, with its default.
pub(crate) fn sample() -> String {
    let mut file = String::from(
        "# A sample of authmachine.toml: every setting with its default. Uncomment what you change.\n\
         # Written by `authmachine config sample`. What the words mean: docs/config.md.\n",
    );
    for section in SECTIONS {
        let _ = write!(file, "\n{}\n[{}]\n", lines(section.doc, "# "), section.name);
        for setting in section.settings {
            let value = (setting.toml)(setting.default);
            let _ = write!(file, "\n{}\n#{} = {value}\n", lines(setting.doc, "# "), setting.key);
        }
    }
    file
}

fn lines(doc: &[&str], prefix: &str) -> String {
    doc.iter().map(|line| format!("{prefix}{}", line.trim())).collect::<Vec<_>>().join("\n")
}

fn upper_first(text: &str) -> String {
    let mut characters = text.chars();
    characters.next().map_or_else(String::new, |first| first.to_uppercase().chain(characters).collect())
}
