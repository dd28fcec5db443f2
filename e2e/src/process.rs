//! Processes that do not outlive their test.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::time::Duration;

use crate::suite::{note, target, test_name};
use crate::wait;

/// Lines of a log that a failed test shows.
const SHOWN_LINES: usize = 60;

/// A running program; its output is in `target/e2e-logs`. Dropping it kills it, and shows the end of the log if the test failed.
pub struct Process {
    name: String,
    child: Child,
    log: PathBuf,
}

impl Process {
    /// Starts `command`. `name` is the log's, and unique in the test.
    pub fn spawn(name: &str, command: &mut Command) -> Self {
        let log = target("e2e-logs").join(format!("{}-{name}.log", test_name()));
        let file = File::options().create(true).append(true).open(&log);
        let file = file.unwrap_or_else(|error| panic!("cannot write {}: {error}", log.display()));
        Self::spawn_with(name, command, log, file)
    }

    /// Starts with an empty log.
    pub fn spawn_afresh(name: &str, command: &mut Command) -> Self {
        let log = target("e2e-logs").join(format!("{}-{name}.log", test_name()));
        // It may not be there.
        let _ = std::fs::remove_file(log);
        Self::spawn(name, command)
    }

    /// Starts with a log that no line can be written to.
    pub fn spawn_mute(name: &str, command: &mut Command) -> Self {
        let full = PathBuf::from("/dev/full");
        let file = File::options().write(true).open(&full).expect("Linux has it");
        Self::spawn_with(name, command, full, file)
    }

    fn spawn_with(name: &str, command: &mut Command, log: PathBuf, file: File) -> Self {
        let errors = file.try_clone().expect("a file that was opened can be opened twice");
        command.stdin(Stdio::null()).stdout(file).stderr(errors);
        let child =
            command.spawn().unwrap_or_else(|error| panic!("cannot start {name} as {command:?}: {error}"));
        Self { name: name.to_owned(), child, log }
    }

    /// The log so far.
    pub fn log(&self) -> String {
        // What is no file never ends.
        if self.log.is_file() { read(&self.log) } else { String::new() }
    }

    /// Memory that it has in use now, in KiB.
    pub fn resident_kib(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap_or_default();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let number = line.and_then(|rest| rest.trim().split(' ').next()?.parse().ok());
        number.expect("Linux tells it of a running process")
    }

    /// Time of a processor that it has used so far.
    pub fn processor_time(&self) -> Duration {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.child.id())).unwrap_or_default();
        // After the name, which may have blanks: state is field 3, utime 14, stime 15 (proc(5)), in hundredths of a second.
        let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
        let ticks = |n: usize| fields.get(n - 3).and_then(|field| field.parse::<u64>().ok());
        Duration::from_millis(10 * (ticks(14).expect("a number") + ticks(15).expect("a number")))
    }

    /// Whether it has ended, and how.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().expect("our own child can be asked")
    }

    /// Waits for a line that begins with `start`; the rest of it.
    pub async fn line(&mut self, start: &str) -> String {
        let (log, name) = (self.log.clone(), self.name.clone());
        wait::until(&format!("a line «{start}…» of {name}"), || {
            let found = read(&log).lines().find_map(|line| Some(line.strip_prefix(start)?.trim().to_owned()));
            if found.is_none() {
                self.must_run();
            }
            std::future::ready(found)
        })
        .await
    }

    /// Fails when it has ended.
    pub fn must_run(&mut self) {
        if let Some(status) = self.ended() {
            panic!("{} has ended with {status}", self.name);
        }
    }

    /// Sends SIGTERM.
    pub fn terminate(&self) {
        let pid = self.child.id().to_string();
        let status = Command::new("kill").args(["-TERM", &pid]).status().expect("there is a `kill`");
        assert!(status.success(), "cannot send SIGTERM to {}", self.name);
    }

    /// Waits for its end.
    pub async fn end(&mut self) -> ExitStatus {
        let name = self.name.clone();
        wait::until(&format!("the end of {name}"), || std::future::ready(self.ended())).await
    }

    /// Sends SIGKILL and waits for the end.
    pub fn kill(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        self.child.wait().expect("our own child can be waited for");
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
        if std::thread::panicking() {
            note(format_args!("the end of {}:\n{}", self.log.display(), tail(&self.log())));
        }
    }
}

/// Runs `command` to its end, on threads that may wait.
pub(crate) async fn output(mut command: Command, input: Option<String>) -> Output {
    let shown = format!("{command:?}");
    let run = move || -> std::io::Result<Output> {
        use std::io::Write as _;
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn()?;
        let mut stdin = child.stdin.take().expect("it is a pipe");
        if let Some(input) = input {
            stdin.write_all(input.as_bytes())?;
        }
        drop(stdin);
        child.wait_with_output()
    };
    let output = tokio::task::spawn_blocking(run).await.expect("it does not panic");
    output.unwrap_or_else(|error| panic!("cannot run {shown}: {error}"))
}

/// What `command` prints, with `input` on its standard input.
///
/// # Panics
/// With both outputs, when it fails.
pub async fn stdout(command: Command, input: Option<String>) -> String {
    let shown = format!("{command:?}");
    let output = output(command, input).await;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let (stdout, stderr) = (text(&output.stdout), text(&output.stderr));
    assert!(output.status.success(), "{shown} ended with {}\n{stdout}\n{}", output.status, tail(&stderr));
    stdout
}

fn read(path: &Path) -> String {
    std::fs::read(path).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default()
}

fn tail(text: &str) -> String {
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(SHOWN_LINES)..].join("\n")
}
