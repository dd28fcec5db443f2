//! One PostgreSQL cluster a run: fresh, on a free loopback port, gone afterwards.

use std::fs::{self, File, Permissions};
use std::io::Read;
use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use crate::install;
use crate::run::{Workspace, find_program, output, tail};
use crate::test::Suite;

/// Runs `postgres` until its own standard input ends, then stops it and removes its folder ($0). The pipe's other end is
/// ours, so this happens however we end: by success, failure, Ctrl-C or SIGKILL.
const GUARDIAN: &str = r#"
    "$@" </dev/null & server=$!
    cat >/dev/null
    kill -INT $server; wait $server
    rm -rf "$0"
"#;

/// 300 connections: the tests of several binaries at once.
const SETTINGS: [&str; 2] = ["max_connections=300", "listen_addresses=127.0.0.1"];
/// Nothing that a test writes outlives the run, so nothing waits for the disk.
const NOT_DURABLE: [&str; 3] = ["fsync=off", "synchronous_commit=off", "full_page_writes=off"];

/// A running cluster; dropping it stops it.
pub(crate) struct Cluster {
    guardian: Child,
    port: u16,
    password: String,
}

impl Cluster {
    /// For tests.
    pub(crate) fn start(workspace: &Workspace) -> Result<Self> {
        Self::start_with(workspace, &NOT_DURABLE)
    }

    /// For figures: what is committed is on disk.
    pub(crate) fn start_durable(workspace: &Workspace) -> Result<Self> {
        Self::start_with(workspace, &[])
    }

    fn start_with(workspace: &Workspace, settings: &[&str]) -> Result<Self> {
        if binaries().is_none() {
            install::debian(workspace, Suite::Postgres, &["postgresql"])?;
        }
        let binaries = binaries().context(
            "no initdb in PATH nor under /usr/lib/postgresql; --skip postgres leaves its tests out",
        )?;

        // Not under target/: PostgreSQL does not run as root, and its own user may not look into root's folders.
        let folder = tempfile::Builder::new()
            .prefix("authmachine-postgres-")
            .permissions(Permissions::from_mode(0o700))
            .tempdir()?
            .keep();
        // A superuser may run programs: without a password every user of this machine could, as us.
        let password = random_hex()?;
        let password_file = folder.join("password");
        fs::write(&password_file, &password)?;
        let owner = if install::is_root()? { Some(Owner::find("postgres")?) } else { None };
        if let Some(owner) = &owner {
            for path in [&folder, &password_file] {
                chown(path, Some(owner.uid), Some(owner.gid))?;
            }
        }
        let command = |program: PathBuf| {
            let mut command = Command::new(program);
            command.current_dir(&folder);
            if let Some(owner) = &owner {
                command.uid(owner.uid).gid(owner.gid);
            }
            command
        };

        let data = folder.join("data");
        let mut initdb = command(binaries.join("initdb"));
        // The password travels in clear: cheap, and on loopback only.
        initdb.args(["--no-sync", "--auth-host=password", "--auth-local=trust", "--username=postgres"]);
        initdb
            .args(["--encoding=UTF8", "--locale=C", "--pwfile"])
            .arg(&password_file)
            .arg("--pgdata")
            .arg(&data);
        if let Err(error) = output(&mut initdb) {
            fs::remove_dir_all(&folder)?;
            return Err(error);
        }

        let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port();
        let log = workspace.log("postgres")?;
        let log_file = File::create(&log)?;
        let mut guardian = command("/bin/sh".into());
        guardian.args(["-c", GUARDIAN]).arg(&folder).arg(binaries.join("postgres"));
        guardian.arg("-D").arg(&data).arg("-k").arg(&folder).args(["-p", &port.to_string()]);
        guardian.args(SETTINGS.iter().chain(settings).flat_map(|setting| ["-c", setting]));
        // A group of its own: Ctrl-C reaches us only, and the guardian learns of it by the pipe.
        guardian.process_group(0).stdin(Stdio::piped()).stdout(log_file.try_clone()?).stderr(log_file);
        let guardian = guardian.spawn().context("cannot start postgres")?;
        let mut cluster = Self { guardian, port, password };

        let started = Instant::now();
        let mut ready = Command::new(binaries.join("pg_isready"));
        ready.args(["--quiet", "--host=127.0.0.1", "--port", &port.to_string()]);
        while !ready.status()?.success() {
            if cluster.guardian.try_wait()?.is_some() || started.elapsed() > Duration::from_secs(30) {
                bail!("PostgreSQL does not start\n{}", tail(&log));
            }
            thread::sleep(Duration::from_millis(50));
        }
        Ok(cluster)
    }

    /// A superuser's URL; each test makes a database of its own.
    pub(crate) fn url(&self) -> String {
        format!("postgres://postgres:{}@127.0.0.1:{}/postgres", self.password, self.port)
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        drop(self.guardian.stdin.take());
        // It ends by itself; there is nobody left to tell if it could not be waited for.
        let _ = self.guardian.wait();
    }
}

/// The folder with `initdb` and `postgres`: Debian keeps them out of `PATH`, a folder for each version.
fn binaries() -> Option<PathBuf> {
    let by_version =
        fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten().filter_map(|entry| {
            let version: u32 = entry.file_name().to_str()?.parse().ok()?;
            let folder = entry.path().join("bin");
            folder.join("initdb").is_file().then_some((version, folder))
        });
    by_version
        .max()
        .map(|(_, folder)| folder)
        .or_else(|| Some(find_program(&["initdb"])?.parent()?.to_owned()))
}

fn random_hex() -> Result<String> {
    let mut bytes = [0; 16];
    File::open("/dev/urandom")?.read_exact(&mut bytes)?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

struct Owner {
    uid: u32,
    gid: u32,
}

impl Owner {
    fn find(user: &str) -> Result<Self> {
        let id = |flag| -> Result<u32> { Ok(output(Command::new("id").args([flag, user]))?.trim().parse()?) };
        let found = || Ok(Self { uid: id("-u")?, gid: id("-g")? });
        found().map_err(|error: anyhow::Error| {
            error.context(format!("root cannot run PostgreSQL, and there is no user {user}"))
        })
    }
}
