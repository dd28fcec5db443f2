//! Servers as processes: on a processor of their own, with their use of it and of memory as the kernel counts them.

use std::collections::HashMap;
use std::env;
use std::fs::{self, File};
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::num::NonZero;
use std::path::{Path, PathBuf};
use std::process::{self, Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

/// How long a server may take to start or to stop.
const LIMIT: Duration = Duration::from_secs(60);
/// What the kernel counts processor time in; the same on all Linux machines that matter.
const TICKS_PER_SECOND: u64 = 100;

/// A running server; dropping it kills it.
pub(crate) struct Server {
    child: Child,
    /// From the start of the process to the first request answered.
    pub(crate) first_answer: Duration,
}

/// Which processors the servers and the load have.
pub(crate) struct Pinning {
    taskset: Option<PathBuf>,
}

impl Pinning {
    /// The first processor for servers and the second for us, if there are two and somebody can pin.
    pub(crate) fn new() -> Result<Self> {
        let path = env::var_os("PATH").context("PATH is not set")?;
        let taskset =
            env::split_paths(&path).map(|folder| folder.join("taskset")).find(|file| file.is_file());
        let is_possible = thread::available_parallelism().map_or(1, NonZero::get) >= 2;
        Ok(Self { taskset: taskset.filter(|_| is_possible) })
    }

    /// Nobody is put anywhere.
    #[cfg(test)]
    pub(crate) fn off() -> Self {
        Self { taskset: None }
    }

    pub(crate) fn is_on(&self) -> bool {
        self.taskset.is_some()
    }

    /// Puts this process, with the threads that it will start, on the load's processor.
    pub(crate) fn pin_self(&self) -> Result<()> {
        let Some(taskset) = &self.taskset else { return Ok(()) };
        let pid = process::id().to_string();
        let mut command = Command::new(taskset);
        let status =
            command.args(["--all-tasks", "--cpu-list", "--pid", "1", &pid]).stdout(Stdio::null()).status()?;
        if !status.success() {
            bail!("taskset cannot pin this process");
        }
        Ok(())
    }

    /// `program` on the servers' processor.
    fn command(&self, program: &Path) -> Command {
        match &self.taskset {
            Some(taskset) => {
                let mut command = Command::new(taskset);
                command.args(["--cpu-list", "0"]).arg(program);
                command
            }
            None => Command::new(program),
        }
    }
}

/// What to start, and how to see that it answers.
pub(crate) struct Start<'a> {
    pub(crate) program: &'a Path,
    pub(crate) args: &'a [&'a str],
    pub(crate) environment: &'a [(&'a str, &'a str)],
    pub(crate) folder: &'a Path,
    pub(crate) address: SocketAddr,
}

impl Server {
    /// Starts it with nothing of our environment, and waits until its discovery document is there.
    pub(crate) fn start(start: &Start<'_>, pinning: Option<&Pinning>) -> Result<Self> {
        let log = start.folder.join("server.log");
        let log_file = File::options().create(true).append(true).open(&log)?;
        let mut command =
            pinning.map_or_else(|| Command::new(start.program), |pinning| pinning.command(start.program));
        command
            .args(start.args)
            .current_dir(start.folder)
            .env_clear()
            .envs(start.environment.iter().copied());
        command.stdin(Stdio::null()).stdout(log_file.try_clone()?).stderr(log_file);
        let began = Instant::now();
        let child = command.spawn().with_context(|| format!("cannot start {}", start.program.display()))?;
        let mut server = Self { child, first_answer: Duration::ZERO };
        while !answers(start.address) {
            if server.child.try_wait()?.is_some() || began.elapsed() > LIMIT {
                bail!("the server does not start: {}", fs::read_to_string(&log).unwrap_or_default());
            }
            thread::sleep(Duration::from_micros(500));
        }
        server.first_answer = began.elapsed();
        Ok(server)
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Stops it as an operator would.
    pub(crate) fn stop(mut self) -> Result<()> {
        let pid = self.pid().to_string();
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

/// Whether discovery can be had.
fn answers(address: SocketAddr) -> bool {
    let ask = || -> std::io::Result<String> {
        let mut stream = TcpStream::connect(address)?;
        stream.set_read_timeout(Some(Duration::from_secs(5)))?;
        let request = format!(
            "GET /.well-known/openid-configuration HTTP/1.1\r\nHost: localhost:{}\r\nConnection: close\r\n\r\n",
            address.port()
        );
        stream.write_all(request.as_bytes())?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        Ok(answer)
    };
    ask().is_ok_and(|answer| answer.starts_with("HTTP/1.1 200"))
}

/// The processor time that a process and all below it have used, to a hundredth of a second.
pub(crate) fn cpu_time(pid: u32) -> Result<Duration> {
    let mut ticks = 0;
    for pid in tree(pid)? {
        // Who has ended meanwhile counts no more.
        ticks += stat(pid).map_or(0, |stat| stat.ticks);
    }
    Ok(Duration::from_millis(ticks * 1_000 / TICKS_PER_SECOND))
}

/// The memory that a process and all below it hold now, in bytes.
pub(crate) fn memory_bytes(pid: u32) -> Result<u64> {
    status_bytes(pid, "VmRSS:")
}

/// The most memory that they have held.
pub(crate) fn peak_memory_bytes(pid: u32) -> Result<u64> {
    status_bytes(pid, "VmHWM:")
}

fn status_bytes(pid: u32, field: &str) -> Result<u64> {
    let mut bytes = 0;
    for pid in tree(pid)? {
        let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
        let kib = status.lines().find_map(|line| line.strip_prefix(field)?.trim().strip_suffix(" kB"));
        bytes += kib.map_or(Ok(0), str::parse::<u64>)? * 1024;
    }
    Ok(bytes)
}

struct Stat {
    parent: u32,
    /// User and system.
    ticks: u64,
}

fn stat(pid: u32) -> Option<Stat> {
    parse_stat(&fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)
}

/// The second field is a name in brackets; the parent is the 4th, utime and stime are the 14th and 15th.
fn parse_stat(stat: &str) -> Option<Stat> {
    let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
    let number = |at: usize| -> Option<u64> { fields.get(at)?.parse().ok() };
    Some(Stat { parent: u32::try_from(number(1)?).ok()?, ticks: number(11)? + number(12)? })
}

/// A process and all below it.
fn tree(root: u32) -> Result<Vec<u32>> {
    let mut children: HashMap<u32, Vec<u32>> = HashMap::new();
    for entry in fs::read_dir("/proc").context("no /proc here")? {
        let Some(pid) = entry?.file_name().to_str().and_then(|name| name.parse().ok()) else { continue };
        if let Some(stat) = stat(pid) {
            children.entry(stat.parent).or_default().push(pid);
        }
    }
    let mut tree = vec![root];
    let mut at = 0;
    while let Some(pid) = tree.get(at) {
        tree.extend(children.remove(pid).unwrap_or_default());
        at += 1;
    }
    Ok(tree)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_is_read_whatever_its_name_is() {
        let stat = parse_stat("7 (a) b (c)) S 3 7 7 0 -1 4194304 100 0 0 0 250 50 0 0 20 0 1 0 9 9 9")
            .expect("whole");
        assert_eq!((stat.parent, stat.ticks), (3, 300));
        assert!(parse_stat("7 (a) S 3").is_none());
    }

    #[test]
    fn our_own_process_has_memory_and_a_tree() {
        let own = process::id();
        assert!(tree(own).expect("/proc").contains(&own));
        let (now, peak) = (memory_bytes(own).expect("/proc"), peak_memory_bytes(own).expect("/proc"));
        assert!(now > 0 && peak >= now / 2);
        cpu_time(own).expect("/proc");
    }
}
