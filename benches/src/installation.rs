//! An installation of the built binary: durable SQLite in a folder of its own, users and clients made by the command line.

use std::fs::{self, File};
use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use tempfile::TempDir;

/// How long a server may take to start or to stop.
const LIMIT: Duration = Duration::from_secs(30);
/// What the kernel counts processor time in; the same on all Linux machines that matter.
const TICKS_PER_SECOND: u64 = 100;

pub(crate) struct Installation {
    binary: PathBuf,
    folder: TempDir,
    pub(crate) address: SocketAddr,
}

impl Installation {
    /// An empty one in a new folder under `base`, which should lie on a real disk.
    pub(crate) fn new(binary: &Path, base: &Path, log_level: &str) -> Result<Self> {
        let folder = tempfile::Builder::new().prefix("installation-").tempdir_in(base)?;
        let address = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?;
        let config = format!(
            "[server]\nissuer = \"http://localhost:{port}\"\nlisten = [\"{address}\"]\nmetrics_listen = \"\"\n\
             [lives]\ncode = \"10m\"\n[log]\nlevel = \"{log_level}\"\n",
            port = address.port()
        );
        fs::write(folder.path().join("authmachine.toml"), config)?;
        Ok(Self { binary: binary.to_owned(), folder, address })
    }

    /// A command in the installation's folder, where it finds its configuration and data.
    fn command(&self, program: &Path, args: &[&str]) -> Command {
        let mut command = Command::new(program);
        command.args(args).current_dir(self.folder.path()).env_clear();
        command
    }

    /// Runs a command of the operator's, with `input` on its standard input.
    pub(crate) fn run(&self, args: &[&str], input: &str) -> Result<()> {
        let mut command = self.command(&self.binary, args);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn()?;
        child.stdin.take().context("no standard input")?.write_all(input.as_bytes())?;
        let output = child.wait_with_output()?;
        if !output.status.success() {
            bail!(
                "authmachine {} failed: {}",
                args.join(" "),
                String::from_utf8_lossy(&output.stderr).trim()
            );
        }
        Ok(())
    }

    /// Starts the server, on one processor if `taskset` is given, and waits for its first answer.
    pub(crate) fn start(&self, taskset: Option<&Path>) -> Result<Server> {
        let log = self.folder.path().join("server.log");
        let log_file = File::create(&log)?;
        let mut command = match taskset {
            Some(taskset) => {
                let mut command = self.command(taskset, &["--cpu-list", "0"]);
                command.arg(&self.binary);
                command
            }
            None => self.command(&self.binary, &[]),
        };
        command.arg("serve").stdin(Stdio::null()).stdout(log_file.try_clone()?).stderr(log_file);
        let began = Instant::now();
        let mut child = command.spawn().context("cannot start the server")?;
        while !self.answers() {
            if child.try_wait()?.is_some() || began.elapsed() > LIMIT {
                let _ = child.kill();
                bail!("the server does not start: {}", fs::read_to_string(&log).unwrap_or_default());
            }
            thread::sleep(Duration::from_micros(500));
        }
        Ok(Server { child, first_answer: began.elapsed() })
    }

    /// Whether discovery can be had.
    fn answers(&self) -> bool {
        let ask = || -> std::io::Result<String> {
            let mut stream = TcpStream::connect(self.address)?;
            stream.set_read_timeout(Some(Duration::from_secs(5)))?;
            stream.write_all(
                b"GET /.well-known/openid-configuration HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
            )?;
            let mut answer = String::new();
            stream.read_to_string(&mut answer)?;
            Ok(answer)
        };
        ask().is_ok_and(|answer| answer.starts_with("HTTP/1.1 200"))
    }
}

/// A running server.
pub(crate) struct Server {
    child: Child,
    /// From the start of the process to the first request answered.
    pub(crate) first_answer: Duration,
}

impl Server {
    /// The memory that it holds now, in bytes.
    pub(crate) fn memory_bytes(&self) -> Result<u64> {
        let status = self.proc("status")?;
        let line =
            status.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("no VmRSS in status")?;
        let kib: u64 = line.trim().trim_end_matches(" kB").parse()?;
        Ok(kib * 1024)
    }

    /// The processor time that it has used, to a hundredth of a second.
    pub(crate) fn cpu_time(&self) -> Result<Duration> {
        let stat = self.proc("stat")?;
        // The second field is a name in brackets; utime and stime are the 14th and 15th.
        let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
        let ticks = |at: usize| -> Result<u64> { Ok(fields.get(at).context("a short stat")?.parse()?) };
        Ok(Duration::from_millis((ticks(11)? + ticks(12)?) * 1_000 / TICKS_PER_SECOND))
    }

    fn proc(&self, file: &str) -> Result<String> {
        let path = format!("/proc/{}/{file}", self.child.id());
        fs::read_to_string(&path).with_context(|| format!("cannot read {path}"))
    }

    /// Stops it as an operator would.
    pub(crate) fn stop(mut self) -> Result<()> {
        let pid = self.child.id().to_string();
        Command::new("kill").args(["-TERM", &pid]).status().context("cannot run kill")?;
        let began = Instant::now();
        while self.child.try_wait()?.is_none() {
            if began.elapsed() > LIMIT {
                bail!("the server does not stop");
            }
            thread::sleep(Duration::from_millis(5));
        }
        Ok(())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Of no effect on one that has stopped.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
