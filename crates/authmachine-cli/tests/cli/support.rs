//! A place to run the binary in, and servers that end with their test.

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use authmachine_provider::event::Event;
use authmachine_store::settings::Database;
use authmachine_store::{Settings, Store};
use serde_json::Value;
use tempfile::TempDir;

pub(crate) const BINARY: &str = env!("CARGO_BIN_EXE_authmachine");
/// A password that may be set.
pub(crate) const PASSWORD: &str = "walrus and carpenter";
/// How long anything may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// A folder that commands run in, with nothing of our environment.
pub(crate) struct Place {
    folder: TempDir,
    environment: Vec<(String, String)>,
}

/// What a command left.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Place {
    pub(crate) fn new() -> Self {
        let folder = tempfile::Builder::new().prefix("authmachine-cli-").tempdir().expect("a folder");
        // Tests run side by side, and the usual port is one.
        Self { folder, environment: Vec::new() }.with("SERVER__METRICS_LISTEN", "")
    }

    /// With a setting, by its name in the environment.
    pub(crate) fn with(mut self, setting: &str, value: &str) -> Self {
        self.environment.push((format!("AUTHMACHINE__{setting}"), value.to_owned()));
        self
    }

    /// With a user and an object, a permission type and a group.
    pub(crate) fn furnished() -> Self {
        let place = Self::new();
        place
            .ok_with(&["user", "add", "alice", "--email", "alice@example.com", "--password-stdin"], PASSWORD);
        place.ok(&["object", "add", "object1"]);
        place.ok(&["permission-type", "add", "read"]);
        place.ok(&["group", "add", "staff"]);
        place
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, text: &str) -> PathBuf {
        fs::write(self.path(name), text).expect("the folder is ours");
        self.path(name)
    }

    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(BINARY);
        command.args(arguments).current_dir(self.folder.path()).env_clear();
        command.envs(self.environment.iter().map(|(name, value)| (name, value)));
        command
    }

    /// Runs a command, with `input` on its standard input.
    pub(crate) fn run(&self, arguments: &[&str], input: &str) -> Outcome {
        run(self.command(arguments), input)
    }

    /// What a command prints that must succeed.
    pub(crate) fn ok(&self, arguments: &[&str]) -> String {
        self.ok_with(arguments, "")
    }

    /// The same with `input`.
    pub(crate) fn ok_with(&self, arguments: &[&str], input: &str) -> String {
        let outcome = self.run(arguments, input);
        assert_eq!(outcome.code, Some(0), "{arguments:?}: {outcome:?}");
        outcome.stdout
    }

    /// What a command prints with `--json`.
    pub(crate) fn json(&self, arguments: &[&str]) -> Value {
        self.json_with(arguments, "")
    }

    /// The same with `input`.
    pub(crate) fn json_with(&self, arguments: &[&str], input: &str) -> Value {
        let printed = self.ok_with(&[arguments, &["--json"]].concat(), input);
        serde_json::from_str(&printed).unwrap_or_else(|error| panic!("{arguments:?}: {error}: {printed}"))
    }

    /// What a command says that must fail, without a result.
    pub(crate) fn refused(&self, arguments: &[&str]) -> String {
        self.refused_with(arguments, "")
    }

    /// The same with `input`.
    pub(crate) fn refused_with(&self, arguments: &[&str], input: &str) -> String {
        let outcome = self.run(arguments, input);
        assert_eq!((outcome.code, outcome.stdout.as_str()), (Some(1), ""), "{arguments:?}: {outcome:?}");
        assert!(outcome.stderr.contains("error: "), "{arguments:?}: {outcome:?}");
        outcome.stderr
    }

    /// Starts `serve` on a free port.
    pub(crate) fn serve(&self) -> Server {
        let server = self.start(&["serve", "--listen", "127.0.0.1:0"]);
        // A new installation answers this once it has its keys. What speaks TLS is asked by its own tests.
        if server.url.starts_with("http://") {
            server.json("/oidc/jwks");
        }
        server
    }

    /// Starts a server and waits until it listens.
    pub(crate) fn start(&self, arguments: &[&str]) -> Server {
        let log = self.path("server.log");
        let mut command = self.command(arguments);
        let log_file = fs::File::create(&log).expect("the folder is ours");
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(log_file);
        let mut child = command.spawn().expect("the binary runs");
        let mut stdout = BufReader::new(child.stdout.take().expect("it is piped"));
        let mut line = String::new();
        // An end of the pipe is the end of the process.
        let read = stdout.read_line(&mut line).expect("UTF-8");
        let mut server = Server { child, stdout, url: String::new(), log };
        assert!(read > 0 && line.starts_with("Serving "), "{line}{}", server.log());
        server.url = line.split_whitespace().last().expect("a word").to_owned();
        server
    }

    /// The data folder.
    pub(crate) fn data(&self) -> PathBuf {
        self.path("data")
    }

    /// The database, past the program.
    pub(crate) fn store(&self) -> Store {
        let database = Database::Sqlite {
            folder: self.data(),
            synchronous: authmachine_store::settings::Synchronous::Off,
        };
        Store::open(Settings::new(database)).expect("it is there")
    }

    /// The audit trail.
    pub(crate) fn events(&self) -> Vec<Event> {
        self.store().read_blocking(|reads| reads.list_events(None, 1_000)).expect("readable")
    }

    /// The kinds of the events after the first `skip`.
    pub(crate) fn event_kinds(&self, skip: usize) -> Vec<String> {
        self.events().iter().skip(skip).map(|event| event.kind.as_str()).collect()
    }
}

pub(crate) fn run(mut command: Command, input: &str) -> Outcome {
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("the binary runs");
    // A command that reads nothing may be gone already.
    let _ = child.stdin.take().expect("it is piped").write_all(input.as_bytes());
    let output = child.wait_with_output().expect("it ends");
    Outcome {
        code: output.status.code(),
        stdout: String::from_utf8(output.stdout).expect("UTF-8"),
        stderr: String::from_utf8(output.stderr).expect("UTF-8"),
    }
}

/// A running server, killed at the end.
pub(crate) struct Server {
    child: Child,
    stdout: BufReader<std::process::ChildStdout>,
    /// Where it says that it can be reached.
    pub(crate) url: String,
    log: PathBuf,
}

impl Server {
    /// What it said on standard error so far.
    pub(crate) fn log(&self) -> String {
        fs::read_to_string(&self.log).expect("it is ours")
    }

    /// Reads the next line of its standard output.
    pub(crate) fn line(&mut self) -> String {
        let mut line = String::new();
        self.stdout.read_line(&mut line).expect("UTF-8");
        line.trim_end().to_owned()
    }

    pub(crate) fn get(&self, path: &str) -> (u16, String) {
        get(&self.url, path)
    }

    /// The answer to `GET`, which must be JSON.
    pub(crate) fn json(&self, path: &str) -> Value {
        let (status, body) = self.get(path);
        assert_eq!(status, 200, "{path}: {body}");
        serde_json::from_str(&body).expect("JSON")
    }

    /// Sends it a signal, such as `-HUP`.
    pub(crate) fn signal(&self, signal: &str) {
        let told = Command::new("kill").args([signal, &self.child.id().to_string()]).status();
        assert!(told.expect("kill is there").success());
    }

    /// SIGTERM; its exit code and what is left of its output.
    pub(crate) fn stop(mut self) -> (Option<i32>, String) {
        self.signal("-TERM");
        let mut rest = String::new();
        self.stdout.read_to_string(&mut rest).expect("UTF-8");
        let status = until(|| self.child.try_wait().expect("it is ours"));
        (status.code(), rest)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Asks again until there is an answer.
pub(crate) fn until<T>(mut ask: impl FnMut() -> Option<T>) -> T {
    let began = Instant::now();
    loop {
        if let Some(answer) = ask() {
            return answer;
        }
        assert!(began.elapsed() < PATIENCE, "it takes too long");
        std::thread::sleep(Duration::from_millis(10));
    }
}

pub(crate) fn get(url: &str, path: &str) -> (u16, String) {
    ask(url, &format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"))
}

pub(crate) fn post(url: &str, path: &str, form: &str) -> (u16, String) {
    let length = form.len();
    ask(
        url,
        &format!(
            "POST {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\
             Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {length}\r\n\r\n{form}"
        ),
    )
}

fn ask(url: &str, request: &str) -> (u16, String) {
    let address = url.trim_start_matches("http://").replace("localhost", "127.0.0.1");
    let mut stream = TcpStream::connect(address).expect("it listens");
    stream.set_read_timeout(Some(PATIENCE)).expect("a legal time");
    stream.write_all(request.as_bytes()).expect("open");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("UTF-8");
    let status = answer.get(9..12).and_then(|digits| digits.parse().ok()).expect("a status line");
    let body = answer.split_once("\r\n\r\n").map(|(_, body)| body.to_owned()).unwrap_or_default();
    (status, body)
}

pub(crate) fn set_mode(path: &Path, mode: u32) {
    use std::os::unix::fs::PermissionsExt as _;
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("it is ours");
}
