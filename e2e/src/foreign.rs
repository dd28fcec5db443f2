//! Counterparts that others wrote: clients in Python, a client and a provider for Node.js.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use crate::client::Client;
use crate::process::{self, Process};
use crate::provider::Provider;
use crate::suite::Suite;

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

/// A person's name and password, for programs that sign them in.
pub type Person<'a> = (&'a str, &'a str);

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

    /// The app on pyoidc, as `client` at `provider`, on `port`.
    pub async fn pyoidc_app(
        &self,
        client: &Client,
        provider: &Provider,
        port: u16,
        api_token: &str,
    ) -> Server {
        let mut command = self.script("pyoidc_app.py");
        be_client(&mut command, client, provider);
        command.env("AUTHMACHINE_API_TOKEN", api_token).env("PORT", port.to_string());
        // Two apps at one host name share its cookies.
        command.env("SESSION_COOKIE_NAME", format!("session-{}", client.id));
        serve(&client.id, &mut command).await
    }

    /// The code flow of `authlib_flow.py`; what it found out.
    pub async fn authlib_flow(
        &self,
        client: &Client,
        provider: &Provider,
        person: Person<'_>,
        scope: &str,
    ) -> Value {
        flow(self.script("authlib_flow.py"), client, provider, person, scope).await
    }
}

impl Python {
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

    /// The code flow of `openid_client_flow.mjs`; what it found out.
    pub async fn openid_client_flow(
        &self,
        client: &Client,
        provider: &Provider,
        person: Person<'_>,
        scope: &str,
        algorithm: &str,
    ) -> Value {
        let mut command = self.script("openid_client_flow.mjs");
        command.env("ID_TOKEN_ALG", algorithm);
        flow(command, client, provider, person, scope).await
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
    command.env("AUTHMACHINE_URL", provider.issuer()).env("AUTHMACHINE_CLIENT_ID", &client.id);
    if !client.secret.is_empty() {
        command.env("AUTHMACHINE_CLIENT_SECRET", &client.secret);
    }
}

async fn serve(name: &str, command: &mut Command) -> Server {
    let mut process = Process::spawn_afresh(name, command);
    let ready = process.line("ready ").await;
    Server { ready, _process: process }
}

async fn flow(
    mut command: Command,
    client: &Client,
    provider: &Provider,
    person: Person<'_>,
    scope: &str,
) -> Value {
    be_client(&mut command, client, provider);
    command.env("AUTHMACHINE_SCOPE", scope).env("REDIRECT_URI", &client.redirect_uri);
    command.env("LOGIN_USERNAME", person.0).env("LOGIN_PASSWORD", person.1);
    let printed = process::stdout(command, None).await;
    let line = printed.lines().last().unwrap_or_default();
    serde_json::from_str(line).unwrap_or_else(|error| panic!("the last line is no JSON ({error}): {printed}"))
}
