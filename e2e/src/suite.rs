//! What a test needs and where the environment says it is; CONTRIBUTING.md has the table.

use std::env;
use std::ffi::OsString;
use std::fmt::Arguments;
use std::io::Write as _;
use std::path::PathBuf;

/// What some tests need beyond the binary.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Suite {
    Postgres,
    Browser,
    Python,
    Node,
}

impl Suite {
    fn variable(self) -> &'static str {
        match self {
            Self::Postgres => "AUTHMACHINE_TEST_POSTGRES",
            Self::Browser => "AUTHMACHINE_TEST_CHROMEDRIVER",
            Self::Python => "AUTHMACHINE_TEST_PYTHON",
            Self::Node => "AUTHMACHINE_TEST_NODE",
        }
    }

    /// Its name in `AUTHMACHINE_TEST_SKIP`.
    fn name(self) -> &'static str {
        match self {
            Self::Postgres => "postgres",
            Self::Browser => "browser",
            Self::Python => "python",
            Self::Node => "node",
        }
    }

    /// What its variable says; `None` if the suite is left out by name.
    ///
    /// # Panics
    /// With neither: nothing is left out silently.
    pub(crate) fn find(self) -> Option<OsString> {
        let (name, variable) = (self.name(), self.variable());
        let skip = env::var("AUTHMACHINE_TEST_SKIP").unwrap_or_default();
        if skip.split(',').any(|skipped| skipped.trim() == name) {
            note(format_args!("left out, because AUTHMACHINE_TEST_SKIP names {name}"));
            return None;
        }
        Some(env::var_os(variable).unwrap_or_else(|| {
            panic!("{variable} is not set: run `cargo xtask test`, or leave this out by AUTHMACHINE_TEST_SKIP={name}")
        }))
    }
}

/// The built `authmachine`.
pub fn binary() -> PathBuf {
    let path =
        env::var_os("AUTHMACHINE_TEST_BIN").expect("AUTHMACHINE_TEST_BIN is not set: run `cargo xtask test`");
    PathBuf::from(path)
}

/// The built demo client, beside it.
pub(crate) fn demo_binary() -> PathBuf {
    binary().with_file_name("authmachine-demo")
}

/// A folder for what stays after the tests: cargo's own, where the binary is.
pub fn target(folder: &str) -> PathBuf {
    let binary = binary();
    let target =
        binary.parent().and_then(|profile| profile.parent()).expect("the binary is in target/<profile>/");
    let folder = target.join(folder);
    std::fs::create_dir_all(&folder)
        .unwrap_or_else(|error| panic!("cannot make {}: {error}", folder.display()));
    folder
}

/// The running test's name: libtest names its thread so.
pub(crate) fn test_name() -> String {
    std::thread::current().name().unwrap_or("test").replace("::", "-")
}

/// Tells the person who runs the tests, also when they pass.
pub fn note(message: Arguments<'_>) {
    // Without a terminal there is nobody to tell.
    let _ = writeln!(std::io::stderr(), "{}: {message}", test_name());
}
