//! A provider that runs: configuration, data, process, and the operator's commands beside it.

use std::ffi::OsString;
use std::fmt::Write as _;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Output};
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;
use url::Url;

use crate::client::{Client, NewClient};
use crate::database::{Database, Engine};
use crate::process::{self, Process};
use crate::suite::binary;
use crate::{free_port, http, wait};

/// Between two looks whether it answers: short, because the time until then is measured.
const LOOK_AGAIN: Duration = Duration::from_millis(2);
/// Long enough for the password rule, and nobody's name.
pub(crate) const PASSWORD: &str = "correct horse battery";
/// Good for tests alone: anybody may have the key.
pub const TLS_CERTIFICATE: &[u8] = include_bytes!("../../crates/authmachine-server/tests/data/tls/first.pem");
/// Its key.
pub const TLS_KEY: &[u8] = include_bytes!("../../crates/authmachine-server/tests/data/tls/first.key");

/// What no fault may leave behind: tables of tokens have no foreign keys.
const INCONSISTENT: [(&str, &str); 3] = [
    (
        "access tokens without their grant",
        "SELECT COUNT(*) FROM access_tokens AS t LEFT JOIN grants AS g ON g.id = t.grant_id WHERE g.id IS NULL",
    ),
    (
        "refresh token families without their grant",
        "SELECT COUNT(*) FROM refresh_families AS f LEFT JOIN grants AS g ON g.id = f.grant_id WHERE g.id IS NULL",
    ),
    (
        "tokens for which no code was used",
        "SELECT COUNT(*) FROM authorization_codes AS c JOIN access_tokens AS t ON t.grant_id = c.grant_id
         WHERE c.used_at IS NULL",
    ),
];

/// `authmachine serve` on a loopback port of its own, with data of its own.
pub struct Provider {
    // Dropped first: nothing writes into what goes next.
    process: Option<Process>,
    database: Option<Database>,
    folder: TempDir,
    environment: Vec<(String, String)>,
    /// For `serve` alone.
    serve_environment: Vec<(&'static str, OsString)>,
    port: u16,
    metrics_port: u16,
    issuer: String,
    scheme: &'static str,
}

impl Provider {
    /// A running provider.
    pub async fn start(engine: &Engine) -> Self {
        let mut provider = Self::prepare(engine).await;
        provider.launch().await;
        provider
    }

    /// A provider that is configured, and does not run yet.
    pub async fn prepare(engine: &Engine) -> Self {
        let folder = tempfile::Builder::new()
            .prefix("authmachine-e2e-")
            .tempdir()
            .expect("there is a place for temporary files");
        let (port, metrics_port) = (free_port(), free_port());
        let database = match engine {
            Engine::Sqlite => None,
            Engine::Postgres(url) => Some(Database::make(url).await),
        };
        let mut provider = Self {
            process: None,
            database,
            folder,
            environment: Vec::new(),
            serve_environment: Vec::new(),
            port,
            metrics_port,
            issuer: format!("http://localhost:{port}"),
            scheme: "http",
        };
        provider.write_config();
        provider
    }

    fn write_config(&mut self) {
        let (port, metrics_port) = (self.port, self.metrics_port);
        let mut text = format!(
            "[server]\nlisten = \"127.0.0.1:{port}\"\nmetrics_listen = \"127.0.0.1:{metrics_port}\"\n\n[data]\nfolder = {:?}\n",
            self.data()
        );
        if let Some(database) = &self.database {
            let key = self.folder.path().join("master.key");
            let _ = write!(text, "key_file = {key:?}\n\n[database]\nurl = {:?}\n", database.url());
        }
        std::fs::write(self.config(), text).expect("the folder is ours");
    }

    /// Changes a setting, by its name in the environment without the beginning: `LIVES__CODE`.
    pub fn set(&mut self, name: &str, value: &str) {
        if name == "SERVER__ISSUER" {
            value.clone_into(&mut self.issuer);
        }
        self.environment.push((format!("AUTHMACHINE__{name}"), value.to_owned()));
    }

    /// A variable for `serve` alone, in place of one with the same name.
    pub fn set_for_serve(&mut self, name: &'static str, value: impl Into<OsString>) {
        self.serve_environment.retain(|(known, _)| *known != name);
        self.serve_environment.push((name, value.into()));
    }

    /// `serve` has no variables of its own any more.
    pub fn clear_for_serve(&mut self) {
        self.serve_environment.clear();
    }

    /// Lets it speak TLS, with a certificate for `localhost` that [`http`] trusts.
    pub fn speak_tls(&mut self) {
        let (certificate, key) = (self.folder.path().join("tls.pem"), self.folder.path().join("tls.key"));
        std::fs::write(&certificate, TLS_CERTIFICATE).expect("the folder is ours");
        let mut options = std::fs::File::options();
        let written = options
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&key)
            .and_then(|mut file| file.write_all(TLS_KEY));
        written.expect("the folder is ours");
        self.scheme = "https";
        self.set("TLS__CERTIFICATE_FILE", &certificate.display().to_string());
        self.set("TLS__KEY_FILE", &key.display().to_string());
        self.set("SERVER__ISSUER", &format!("https://localhost:{}", self.port));
    }

    /// The issuer.
    pub fn issuer(&self) -> &str {
        &self.issuer
    }

    /// The port of the provider, on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The address of a path, at the issuer.
    pub fn url(&self, path: &str) -> String {
        format!("{}{path}", self.issuer)
    }

    /// The address of a path, at the listener itself.
    pub fn direct(&self, path: &str) -> String {
        format!("{}://127.0.0.1:{}{path}", self.scheme, self.port)
    }

    /// The address of a path, at the listener for operators.
    pub fn operators(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.metrics_port)
    }

    /// The configuration file.
    pub fn config(&self) -> PathBuf {
        self.folder.path().join("authmachine.toml")
    }

    /// All of it: configuration, data, keys.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The data folder.
    pub fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// The binary, about this installation, with nothing of our environment in it.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(binary());
        command.env_clear().envs(self.environment.iter().map(|(name, value)| (name, value)));
        command.current_dir(self.folder.path()).arg("--config").arg(self.config()).args(arguments);
        command
    }

    /// Starts it, and waits until it answers; how long that took.
    pub async fn launch(&mut self) -> Duration {
        match self.process.take() {
            Some(_) => self.launch_by(Process::spawn).await,
            None => self.launch_by(Process::spawn_afresh).await,
        }
    }

    /// The same with a log that no line can be written to.
    pub async fn launch_mute(&mut self) -> Duration {
        self.launch_by(Process::spawn_mute).await
    }

    /// Starts it with an empty log, where it may refuse to: then how it ended.
    pub async fn try_launch(&mut self) -> Result<Duration, ExitStatus> {
        self.try_launch_by(Process::spawn_afresh).await
    }

    async fn launch_by(&mut self, spawn: fn(&str, &mut Command) -> Process) -> Duration {
        let launched = self.try_launch_by(spawn).await;
        launched.unwrap_or_else(|status| panic!("`serve` has ended with {status}"))
    }

    async fn try_launch_by(
        &mut self,
        spawn: fn(&str, &mut Command) -> Process,
    ) -> Result<Duration, ExitStatus> {
        let started = Instant::now();
        let mut command = self.command(&["serve"]);
        command.envs(self.serve_environment.iter().map(|(name, value)| (name, value)));
        let process = self.process.insert(spawn("serve", &mut command));
        let discovery = format!("{}://127.0.0.1:{}/.well-known/openid-configuration", self.scheme, self.port);
        while !http::try_get(&discovery).await.is_ok_and(|answer| answer.status == 200) {
            if let Some(status) = process.ended() {
                return Err(status);
            }
            assert!(started.elapsed() < wait::PATIENCE, "`serve` does not answer");
            tokio::time::sleep(LOOK_AGAIN).await;
        }
        Ok(started.elapsed())
    }

    /// The running process.
    ///
    /// # Panics
    /// When it was not started.
    pub fn process(&mut self) -> &mut Process {
        self.process.as_mut().expect("it was started")
    }

    /// SIGKILL.
    pub fn kill(&mut self) {
        self.process().kill();
    }

    /// SIGTERM, and waits for the end.
    pub async fn stop(&mut self) -> ExitStatus {
        let process = self.process();
        process.terminate();
        process.end().await
    }

    /// What the process said so far.
    pub fn log(&mut self) -> String {
        self.process().log()
    }

    /// The port of PostgreSQL.
    ///
    /// # Panics
    /// With SQLite.
    pub fn database_port(&self) -> u16 {
        let database = self.database.as_ref().expect("SQLite has no port");
        Url::parse(&database.url()).ok().and_then(|url| url.port()).expect("the URL has a port")
    }

    /// Lets it, from its next start on, reach PostgreSQL by a proxy at this port.
    ///
    /// # Panics
    /// With SQLite.
    pub fn reach_database_by(&mut self, port: u16) {
        let database = self.database.as_ref().expect("SQLite has no port");
        let mut url = Url::parse(&database.url()).expect("it is a URL");
        url.set_port(Some(port)).expect("it has a host");
        self.set("DATABASE__URL", url.as_str());
    }

    /// Another node: a second process on the same database (PostgreSQL). It answers at the address that is returned.
    pub async fn second_node(&self) -> (Process, String) {
        let (port, metrics_port) = (free_port(), free_port());
        let mut command = self.command(&["serve"]);
        command
            .env("AUTHMACHINE__SERVER__ISSUER", self.issuer())
            .env("AUTHMACHINE__SERVER__LISTEN", format!("127.0.0.1:{port}"))
            .env("AUTHMACHINE__SERVER__METRICS_LISTEN", format!("127.0.0.1:{metrics_port}"));
        let mut process = Process::spawn_afresh("second-node", &mut command);
        let address = format!("http://127.0.0.1:{port}");
        wait::until("the second node", || {
            process.must_run();
            let health = format!("{address}/healthz");
            async move { http::try_get(&health).await.ok().filter(|answer| answer.status == 200) }
        })
        .await;
        (process, address)
    }

    /// The database's connections are cut and refused, or let in again (PostgreSQL).
    pub async fn database_away(&self, away: bool) {
        self.database.as_ref().expect("SQLite cannot be away").be_away(away).await;
    }

    /// The database's connections are cut once (PostgreSQL).
    pub async fn cut_database(&self) {
        self.database.as_ref().expect("SQLite has no connections to cut").cut().await;
    }

    /// Fails unless the database is whole, whether it is in use or not: by the engine's own check (SQLite), and by ours.
    pub async fn check_database(&self) {
        let Some(database) = &self.database else {
            let connection = self.open_database();
            let verdict: String = connection
                .query_row("PRAGMA integrity_check", [], |row| row.get(0))
                .expect("the database can be read");
            assert_eq!(verdict, "ok");
            let orphans =
                connection.prepare("PRAGMA foreign_key_check").and_then(|mut check| check.exists([]));
            assert!(!orphans.expect("the database can be read"), "a row refers to one that is not there");
            for (what, sql) in INCONSISTENT {
                let found: i64 = connection.query_row(sql, [], |row| row.get(0)).expect("a count");
                assert_eq!(found, 0, "{what}");
            }
            return;
        };
        for (what, sql) in INCONSISTENT {
            assert_eq!(database.number(sql).await, 0, "{what}");
        }
    }

    /// The file of SQLite.
    fn open_database(&self) -> rusqlite::Connection {
        let file = self.data().join("authmachine.db");
        let connection =
            rusqlite::Connection::open(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        connection.busy_timeout(wait::PATIENCE).expect("it takes a time");
        connection
    }

    /// Runs a statement behind the back of the server, which does not run.
    pub async fn run_sql(&self, sql: &str) {
        match &self.database {
            Some(database) => database.run_inside(sql).await,
            None => self.open_database().execute_batch(sql).expect("a legal statement"),
        }
    }

    /// Makes so many more users at once, like `name`, with the same password; the server does not run.
    pub async fn add_crowd(&self, name: &str, count: usize) {
        // Ids before the one of `name`, where nobody is.
        self.run_sql(&format!(
            "INSERT INTO users (id, sub, username, username_folded, email, email_folded, email_verified, status, claims, epoch,
                created_at, updated_at)
             WITH RECURSIVE crowd (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM crowd WHERE n < {count})
             SELECT id - n, sub || '-' || n, username || '-' || n, username_folded || '-' || n, n || email, n || email_folded,
                email_verified, status, claims, epoch, created_at, updated_at
             FROM users CROSS JOIN crowd WHERE username = '{name}';
             INSERT INTO passwords (user_id, hash, changed_at)
             WITH RECURSIVE crowd (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM crowd WHERE n < {count})
             SELECT user_id - n, hash, changed_at FROM passwords CROSS JOIN crowd
             WHERE user_id = (SELECT id FROM users WHERE username = '{name}')"
        ))
        .await;
    }

    /// A metric without labels.
    pub async fn metric(&self, name: &str) -> String {
        let metrics = http::get(&self.operators("/metrics")).await.expect(200).body;
        let line = metrics.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        line.unwrap_or_else(|| panic!("no metric {name}: {metrics}")).to_owned()
    }

    /// Runs a command to its end.
    pub async fn run(&self, arguments: &[&str], input: Option<&str>) -> Output {
        process::output(self.command(arguments), input.map(str::to_owned)).await
    }

    /// Runs a command that must succeed; what it prints.
    pub async fn cli(&self, arguments: &[&str]) -> String {
        process::stdout(self.command(arguments), None).await
    }

    /// Runs a command with `--json`.
    pub async fn json(&self, arguments: &[&str]) -> Value {
        let printed = self.cli(&[arguments, &["--json"]].concat()).await;
        serde_json::from_str(&printed)
            .unwrap_or_else(|error| panic!("{arguments:?} printed no JSON ({error}): {printed}"))
    }

    /// Makes a user whose password is [`Provider::password`]; their id.
    pub async fn add_user(&self, name: &str) -> String {
        self.add_user_with(&[name, "--email", &format!("{name}@example.com")]).await
    }

    /// Makes a user with these arguments of `user add`.
    pub async fn add_user_with(&self, arguments: &[&str]) -> String {
        let add = self.command(&[&["user", "add", "--password-stdin", "--json"], arguments].concat());
        let made: Value =
            serde_json::from_str(&process::stdout(add, Some(format!("{PASSWORD}\n"))).await).expect("JSON");
        made["id"].as_str().expect("a user has an id").to_owned()
    }

    /// The password of every user that a test makes.
    pub fn password(&self) -> &'static str {
        PASSWORD
    }

    /// Makes a client.
    pub async fn add_client(&self, new: NewClient<'_>) -> Client {
        let input = new.secret.map(|secret| format!("{secret}\n"));
        process::stdout(self.command(&new.arguments()), input).await;
        Client::new(self, &new)
    }

    /// Grants a permission, making object and type where needed.
    pub async fn grant(&self, user: &str, object: &str, types: &[&str]) {
        // Both may be there already.
        self.run(&["object", "add", object], None).await;
        for permission_type in types {
            self.run(&["permission-type", "add", permission_type], None).await;
            self.cli(&["grant", "add", "--user", user, "--object", object, "--type", permission_type]).await;
        }
    }
}
