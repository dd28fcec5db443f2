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
        // A `.env` file is read from the folder it starts in.
        let folder = tempfile::tempdir().expect("there is a place for temporary files");
        let mut command = Command::new(demo_binary());
        command.env_clear().current_dir(folder.path());
        command
            .env("AUTHMACHINE_URL", issuer)
            .env("AUTHMACHINE_CLIENT_ID", id)
            .env("AUTHMACHINE_CLIENT_SECRET", secret);
        command.env("PORT", port.to_string());
        let mut process = Process::spawn_afresh(&format!("demo-client-{id}"), &mut command);
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
