//! Where the benches find what they need, as `cargo xtask bench` tells it.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use anyhow::{Context, Result};
use clap::ValueEnum;
use tokio::runtime::{Builder, Runtime};
use url::Url;

use crate::installation::Installation;
use crate::process::Pinning;

/// How many databases were made.
static DATABASES: AtomicU32 = AtomicU32::new(0);

/// What all tasks have in common.
pub(crate) struct Setting {
    /// The `authmachine` under load.
    pub(crate) binary: PathBuf,
    /// Where paths in arguments begin.
    pub(crate) root: PathBuf,
    /// Of installations and results, on the disk that is measured.
    pub(crate) folder: PathBuf,
    /// With `oidc-provider`.
    pub(crate) node: Option<PathBuf>,
    /// A superuser on a PostgreSQL server.
    postgres: Option<String>,
    pub(crate) engine: Engine,
    pub(crate) log_level: String,
    pub(crate) pinning: Pinning,
}

/// The database under the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Engine {
    Sqlite,
    Postgres,
}

impl Engine {
    pub(crate) const fn title(self) -> &'static str {
        match self {
            Self::Sqlite => "SQLite",
            Self::Postgres => "PostgreSQL on the same machine",
        }
    }
}

impl Setting {
    pub(crate) fn read(engine: Engine, log_level: &str) -> Result<Self> {
        let path = |name: &str| env::var_os(name).map(PathBuf::from);
        let binary = path("AUTHMACHINE_TEST_BIN");
        let binary = binary.context("AUTHMACHINE_TEST_BIN is not set; run `cargo xtask bench`")?;
        let target =
            binary.parent().and_then(Path::parent).context("the binary is not in a target folder")?;
        let folder = target.join("bench");
        fs::create_dir_all(&folder)?;
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().context("the crate is in a workspace")?;
        Ok(Self {
            root: root.to_owned(),
            folder,
            node: path("AUTHMACHINE_BENCH_NODE"),
            postgres: env::var("AUTHMACHINE_TEST_POSTGRES").ok(),
            engine,
            log_level: log_level.to_owned(),
            pinning: Pinning::new()?,
            binary,
        })
    }

    /// A new installation of a binary, on the engine.
    pub(crate) fn installation(&self, binary: &Path) -> Result<Installation> {
        let postgres = match self.engine {
            Engine::Sqlite => None,
            Engine::Postgres => Some(self.make_database()?),
        };
        Installation::new(binary, &self.folder, &self.log_level, postgres)
    }

    /// An empty database on the PostgreSQL server, which goes with the server.
    fn make_database(&self) -> Result<String> {
        let server = self.postgres.as_deref();
        let server = server.context("AUTHMACHINE_TEST_POSTGRES is not set; run `cargo xtask bench`")?;
        let name = format!("bench_{}_{}", std::process::id(), DATABASES.fetch_add(1, Ordering::Relaxed));
        let mut client =
            postgres::Client::connect(server, postgres::NoTls).context("PostgreSQL does not answer")?;
        client.batch_execute(&format!("CREATE DATABASE {name}"))?;
        let mut url = Url::parse(server)?;
        url.set_path(&name);
        Ok(url.into())
    }

    /// One thread: it shares its processor with nobody.
    pub(crate) fn runtime(&self) -> Result<Runtime> {
        Ok(Builder::new_current_thread().enable_all().build()?)
    }
}

/// A number of seconds, such as `1.5`.
pub(crate) fn seconds(text: &str) -> Result<Duration, String> {
    let seconds = text.parse().ok().and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    seconds
        .filter(|seconds| !seconds.is_zero() && seconds.as_secs() <= 60)
        .ok_or_else(|| "not a number of seconds such as 1.5, at most 60".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_a_number_of_seconds() {
        assert_eq!(seconds("1.5"), Ok(Duration::from_millis(1_500)));
        for bad in ["0", "-1", "NaN", "inf", "1e99", "1s", "61", ""] {
            assert!(seconds(bad).is_err(), "{bad}");
        }
    }
}
