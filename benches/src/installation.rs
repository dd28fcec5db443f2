//! An installation of the built binary in a folder of its own, users and clients made by the command line.

use std::fs::{self, Permissions};
use std::io::Write as _;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};
use authmachine_store::Store;
use authmachine_store::settings::{Database, Settings, Synchronous};
use serde_json::Value;
use tempfile::TempDir;

use crate::process::{Pinning, Server, Start};
use crate::rows;
use crate::target::{Access, Client, Extras, Login, Target};

/// What is in the table's «userinfo with 20 permissions», and in the answer about permissions.
const OBJECTS: usize = 20;
pub(crate) const USER: &str = "alice";
const PASSWORD: &str = "nobody signs in with this";
pub(crate) const SECRET: &str = "a secret of the benches, not of anybody else";
pub(crate) const REDIRECT_URI: &str = "http://localhost:5000/oidc-callback";
pub(crate) const POST_LOGOUT_REDIRECT_URI: &str = "http://localhost:5000/signed-out";

/// The clients that every server under load has: id, and what its ID tokens are signed with.
pub(crate) const CLIENTS: [(&str, &str); 2] = [("bench", "ES256"), ("bench-rs256", "RS256")];

/// An installation; its folder goes with it.
pub(crate) struct Installation {
    binary: PathBuf,
    folder: TempDir,
    postgres: Option<String>,
    pub(crate) address: SocketAddr,
}

impl Installation {
    /// An empty one in a new folder under `base`, which should lie on a real disk. `postgres` is the URL of its database, if it has
    /// one there.
    pub(crate) fn new(binary: &Path, base: &Path, log_level: &str, postgres: Option<String>) -> Result<Self> {
        let folder = tempfile::Builder::new().prefix("installation-").tempdir_in(base)?;
        let address = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?;
        let mut config = format!(
            "[server]\nissuer = \"http://localhost:{port}\"\nlisten = [\"{address}\"]\nmetrics_listen = \"\"\n\
             [lives]\ncode = \"10m\"\n[log]\nlevel = \"{log_level}\"\n",
            port = address.port()
        );
        if let Some(url) = &postgres {
            config.push_str(&format!(
                "[data]\nkey_file = \"./authmachine.key\"\n[database]\nurl = \"{url}\"\n"
            ));
        }
        let file = folder.path().join("authmachine.toml");
        fs::write(&file, config)?;
        fs::set_permissions(&file, Permissions::from_mode(0o600))?;
        Ok(Self { binary: binary.to_owned(), folder, postgres, address })
    }

    /// Where the embedded database is.
    pub(crate) fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// Its database, while no server runs. The embedded one waits for the disk when `synchronous` says so.
    pub(crate) fn store(&self, synchronous: Synchronous) -> Result<Store> {
        match &self.postgres {
            None => rows::open(&self.data(), synchronous),
            Some(url) => {
                let max_connections = Database::CONNECTIONS;
                let database = Database::Postgres { url: url.clone(), max_connections };
                Ok(Store::open(Settings::new(database))?)
            }
        }
    }

    /// Runs a command of the operator's, with `input` on its standard input; what it prints.
    pub(crate) fn run(&self, args: &[&str], input: &str) -> Result<String> {
        let mut command = Command::new(&self.binary);
        command.args(args).current_dir(self.folder.path()).env_clear();
        let mut child =
            command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
        child.stdin.take().context("no standard input")?.write_all(input.as_bytes())?;
        let output = child.wait_with_output()?;
        if !output.status.success() {
            let error = String::from_utf8_lossy(&output.stderr);
            bail!("authmachine {} failed: {}", args.join(" "), error.trim());
        }
        Ok(String::from_utf8(output.stdout)?)
    }

    /// Makes a user with permissions, the clients and an API token; what a load needs to know of them.
    pub(crate) fn prepare(&self) -> Result<Access> {
        let user = self.run(
            &["user", "add", USER, "--email", "alice@example.com", "--password-stdin", "--json"],
            PASSWORD,
        )?;
        let user: Value = serde_json::from_str(&user)?;
        let sub = user["id"].as_str().context("a user without an id")?;
        for (id, algorithm) in CLIENTS {
            let mut client = vec!["client", "add", "--id", id, "--secret-stdin", "--first-party"];
            client.extend([
                "--redirect-uri",
                REDIRECT_URI,
                "--post-logout-redirect-uri",
                POST_LOGOUT_REDIRECT_URI,
            ]);
            client.extend(["--id-token-alg", algorithm, "--scope", "offline_access"]);
            for grant_type in ["authorization_code", "refresh_token", "client_credentials"] {
                client.extend(["--grant-type", grant_type]);
            }
            self.run(&client, SECRET)?;
        }
        self.run(&["permission-type", "add", "read"], "")?;
        let objects: Vec<String> = (1..=OBJECTS).map(|n| format!("object{n}")).collect();
        for object in &objects {
            self.run(&["object", "add", object], "")?;
            self.run(&["grant", "add", "--user", USER, "--object", object, "--type", "read"], "")?;
        }
        let token = self.run(&["api-token", "create", "bench", "--all-objects", "--json"], "")?;
        let token: Value = serde_json::from_str(&token)?;
        let token = token["token"].as_str().context("an API token without its text")?;
        let claims = serde_json::json!({ "userinfo": { "authmachine_permissions": { "values": objects } } });
        Ok(Access {
            clients: CLIENTS.map(|(id, algorithm)| client(id, algorithm)).to_vec(),
            login: Login::Form(vec![("username".into(), USER.into()), ("password".into(), PASSWORD.into())]),
            extras: Extras {
                empty: Some("/healthz".into()),
                permissions: Some((
                    format!("/api/scim/v1/Users/{sub}/permissions"),
                    format!("Token {token}"),
                )),
                token_check: true,
                permission_claims: Some(claims.to_string()),
            },
        })
    }

    /// Starts the server and waits for its first answer.
    pub(crate) fn start(&self, pinning: Option<&Pinning>) -> Result<Server> {
        let start = Start {
            program: &self.binary,
            args: &["serve"],
            environment: &[],
            folder: self.folder.path(),
            address: self.address,
        };
        Server::start(&start, pinning)
    }

    /// The running server as a target.
    pub(crate) async fn target(&self, name: &str, access: Access) -> Result<Target> {
        let discovery = format!("http://localhost:{}/.well-known/openid-configuration", self.address.port());
        Target::discover(name, &discovery, access).await
    }
}

/// A client of [`CLIENTS`].
pub(crate) fn client(id: &str, algorithm: &str) -> Client {
    Client {
        id: id.to_owned(),
        secret: SECRET.to_owned(),
        redirect_uri: REDIRECT_URI.to_owned(),
        post_logout_redirect_uri: POST_LOGOUT_REDIRECT_URI.to_owned(),
        algorithm: algorithm.to_owned(),
        scope: "openid profile email".to_owned(),
    }
}
