//! `authmachine demo`, and the demo client on its own.

use std::process::{Command, ExitStatus};

use tempfile::TempDir;

use crate::process::{self, Process};
use crate::suite::{binary, demo_binary};
use crate::{free_port, http, wait};

/// `authmachine demo`: provider and demo client in one process.
pub struct Demo {
    process: Process,
    port: u16,
    client_port: u16,
}

/// The demo client as a process of its own.
pub struct DemoClient {
    port: u16,
    _process: Process,
    _folder: TempDir,
}

impl Demo {
    /// Starts it on free ports, and waits until both parts answer.
    pub async fn start() -> Self {
        let (port, client_port) = (free_port(), free_port());
        let mut command = Command::new(binary());
        command.env_clear().current_dir(std::env::temp_dir());
        command.args(["demo", "--port", &port.to_string(), "--client-port", &client_port.to_string()]);
        let mut process = Process::spawn_afresh("demo", &mut command);
        answers(&mut process, &format!("http://localhost:{port}/.well-known/openid-configuration")).await;
        answers(&mut process, &format!("http://localhost:{client_port}/")).await;
        Self { process, port, client_port }
    }

    /// Starts it with `flags` that it refuses; what it says.
    ///
    /// # Panics
    /// When it does not refuse.
    pub async fn refused(flags: &[&str]) -> String {
        let mut command = Command::new(binary());
        command.env_clear().current_dir(std::env::temp_dir()).arg("demo").args(flags);
        let output = process::output(command, None).await;
        assert!(!output.status.success(), "{output:?}");
        String::from_utf8_lossy(&output.stderr).into_owned()
    }

    /// The provider's issuer.
    pub fn issuer(&self) -> String {
        format!("http://localhost:{}", self.port)
    }

    /// The demo client's address.
    pub fn client(&self) -> String {
        format!("http://localhost:{}", self.client_port)
    }

    /// Does what it prints to be tried: the line with `mark` in it, up to `cargo` if there is one, as settings and a command.
    ///
    /// # Panics
    /// When it prints no such line.
    fn told(&self, mark: &str) -> (Vec<(String, String)>, Vec<String>) {
        let log = self.log();
        let line = log
            .lines()
            .find(|line| line.contains(mark))
            .unwrap_or_else(|| panic!("nothing about {mark}: {log}"));
        let words: Vec<&str> = line.split_whitespace().collect();
        let count = words.iter().take_while(|word| word.split_once('=').is_some()).count();
        let settings = words[..count].iter().filter_map(|word| word.split_once('='));
        let settings = settings.map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        (settings, words[count..].iter().map(|word| (*word).to_owned()).collect())
    }

    /// Starts another demo client as the demo tells to, on `port`.
    pub async fn another_client(&self, port: u16) -> DemoClient {
        let (settings, command) = self.told(&format!("PORT={port} "));
        // Cargo would build it first.
        assert_eq!(command, ["cargo", "run", "-p", "authmachine-demo"]);
        DemoClient::start_with(&settings, port).await
    }

    /// Runs the command beside it that changes a permission.
    pub async fn change_a_permission(&self) {
        let (_, command) = self.told(" grant add ");
        let words: Vec<&str> = command[1..].iter().map(String::as_str).collect();
        self.command(&words).await;
    }

    /// Runs another command beside it.
    pub async fn command(&self, words: &[&str]) {
        let (settings, command) = self.told(" grant add ");
        let mut change = Command::new(&command[0]);
        change.env_clear().envs(settings).args(words);
        process::stdout(change, None).await;
    }

    /// What it printed.
    pub fn log(&self) -> String {
        self.process.log()
    }

    /// SIGTERM, and waits for the end.
    pub async fn stop(mut self) -> ExitStatus {
        self.process.terminate();
        self.process.end().await
    }
}

impl DemoClient {
    /// Starts it as the client `id` at `issuer`, on `port`, and waits until it answers. It asks about object1 and object2.
    pub async fn start(issuer: &str, id: &str, secret: &str, port: u16) -> Self {
        let settings = [("URL", issuer), ("CLIENT_ID", id), ("CLIENT_SECRET", secret)];
        let mut settings: Vec<_> = settings
            .iter()
            .map(|(name, value)| (format!("AUTHMACHINE_{name}"), (*value).to_owned()))
            .collect();
        settings.push(("PORT".to_owned(), port.to_string()));
        Self::start_with(&settings, port).await
    }

    async fn start_with(settings: &[(String, String)], port: u16) -> Self {
        // A `.env` file is read from the folder it starts in.
        let folder = tempfile::tempdir().expect("there is a place for temporary files");
        let mut command = Command::new(demo_binary());
        command
            .env_clear()
            .current_dir(folder.path())
            .envs(settings.iter().map(|(name, value)| (name, value)));
        let mut process = Process::spawn_afresh(&format!("demo-client-{port}"), &mut command);
        answers(&mut process, &format!("http://localhost:{port}/")).await;
        Self { port, _process: process, _folder: folder }
    }

    /// Its address.
    pub fn url(&self) -> String {
        format!("http://localhost:{}", self.port)
    }
}

async fn answers(process: &mut Process, url: &str) {
    wait::until(url, || {
        process.must_run();
        async move { http::try_get(url).await.ok().filter(|answer| answer.status == 200) }
    })
    .await;
}
