//! Counterparts that others wrote: clients in Python, a client and a provider for Node.js.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use crate::client::Client;
use crate::process::{self, Process};
use crate::provider::Provider;
use crate::suite::{Suite, note};

/// Python with the packages of `e2e/python/requirements.txt`.
pub struct Python(PathBuf);

/// Node.js with the packages of `e2e/node/package-lock.json`.
pub struct Node(PathBuf);

/// A program that serves on loopback.
pub struct Server {
    /// What it said after `ready`: its port or its address.
    pub ready: String,
    // Ends with it.
    _process: Process,
}

/// What a program is told in its environment, beside who it is and where: its own file has the names.
pub type Settings<'a> = &'a [(&'a str, &'a str)];

impl Python {
    /// `None` if it is left out by name.
    pub fn find() -> Option<Self> {
        Suite::Python.find().map(|path| Self(path.into()))
    }

    fn script(&self, name: &str) -> Command {
        let mut command = clean(&self.0);
        // Nothing is written into the checkout.
        command.arg("-B").arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("python").join(name));
        command
    }

    /// Starts `program`, which serves on `port`, as `client` at `provider`.
    pub async fn app(
        &self,
        program: &str,
        client: &Client,
        provider: &Provider,
        port: u16,
        settings: Settings<'_>,
    ) -> Server {
        app(self.script(program), client, provider, port, settings).await
    }

    /// Runs `program` as `client` at `provider`, with alice before its browser; what it found out.
    pub async fn flow(
        &self,
        program: &str,
        client: &Client,
        provider: &Provider,
        settings: Settings<'_>,
    ) -> Value {
        flow(self.script(program), program, client, provider, settings).await
    }

    /// The claims of an ID token, verified by the keys that `provider` publishes now.
    pub async fn verify_id_token(&self, provider: &Provider, token: &str) -> Value {
        let mut command = self.script("verify_id_token.py");
        command.env("AUTHMACHINE_URL", provider.issuer());
        let printed = process::stdout(command, Some(token.to_owned())).await;
        serde_json::from_str(&printed).unwrap_or_else(|error| panic!("no JSON ({error}): {printed}"))
    }
}

impl Node {
    /// `None` if it is left out by name.
    pub fn find() -> Option<Self> {
        Suite::Node.find().map(|path| Self(path.into()))
    }

    fn script(&self, name: &str) -> Command {
        let mut command = clean(Path::new("node"));
        command.arg(self.0.join(name));
        command
    }

    /// Runs `program` as `client` at `provider`, with alice before its browser; what it found out.
    pub async fn flow(
        &self,
        program: &str,
        client: &Client,
        provider: &Provider,
        settings: Settings<'_>,
    ) -> Value {
        flow(self.script(program), program, client, provider, settings).await
    }

    /// Starts `program`, which serves on `port`, as `client` at `provider`.
    pub async fn app(
        &self,
        program: &str,
        client: &Client,
        provider: &Provider,
        port: u16,
        settings: Settings<'_>,
    ) -> Server {
        app(self.script(program), client, provider, port, settings).await
    }

    /// `oidc-provider` with the client `test`, secret `test`, that listens at `app`.
    pub async fn oidc_provider(&self, app: &str) -> Server {
        let mut command = self.script("oidc_provider.mjs");
        command.env("REDIRECT_URIS", format!("{app}/oidc-callback"));
        command.env("POST_LOGOUT_REDIRECT_URIS", format!("{app}/oidc-logout-callback"));
        serve("oidc-provider", &mut command).await
    }
}

/// `program` without our environment: a proxy named there would be asked for loopback.
fn clean(program: &Path) -> Command {
    let mut command = Command::new(program);
    command.env_clear();
    if let Some(path) = std::env::var_os("PATH") {
        command.env("PATH", path);
    }
    command
}

fn be_client(command: &mut Command, client: &Client, provider: &Provider) {
    command.env("AUTHMACHINE_URL", provider.issuer());
    if !client.id.is_empty() {
        command.env("AUTHMACHINE_CLIENT_ID", &client.id);
    }
    if !client.secret.is_empty() {
        command.env("AUTHMACHINE_CLIENT_SECRET", &client.secret);
    }
}

async fn app(
    mut command: Command,
    client: &Client,
    provider: &Provider,
    port: u16,
    settings: Settings<'_>,
) -> Server {
    be_client(&mut command, client, provider);
    command.env("PORT", port.to_string()).envs(settings.iter().copied());
    // Two apps at one host name share its cookies.
    command.env("SESSION_COOKIE_NAME", format!("session-{}", client.id));
    serve(&client.id, &mut command).await
}

async fn serve(name: &str, command: &mut Command) -> Server {
    let mut process = Process::spawn_afresh(name, command);
    let ready = process.line("ready ").await;
    Server { ready, _process: process }
}

async fn flow(
    mut command: Command,
    program: &str,
    client: &Client,
    provider: &Provider,
    settings: Settings<'_>,
) -> Value {
    be_client(&mut command, client, provider);
    command.env("REDIRECT_URI", &client.redirect_uri);
    command.env("LOGIN_USERNAME", "alice").env("LOGIN_PASSWORD", provider.password());
    command.envs(settings.iter().copied());
    let printed = process::stdout(command, None).await;
    let line = printed.lines().last().unwrap_or_default();
    let shown: Vec<String> = settings.iter().map(|(name, value)| format!("{name}={value:?}")).collect();
    note(format_args!("{program} as {}, {}: {line}", client.id, shown.join(" ")));
    serde_json::from_str(line).unwrap_or_else(|error| panic!("the last line is no JSON ({error}): {printed}"))
}
