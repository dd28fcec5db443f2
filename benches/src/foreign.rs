//! `oidc-provider` from npm as a server under load, by a small script of ours.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use tempfile::TempDir;

use crate::installation::{CLIENTS, POST_LOGOUT_REDIRECT_URI, REDIRECT_URI, SECRET, USER, client};
use crate::process::{Pinning, Server, Start};
use crate::target::{Access, Extras, Login, Target};

/// A provider that is not running yet.
pub(crate) struct Foreign {
    script: PathBuf,
    node: PathBuf,
    folder: TempDir,
    address: SocketAddr,
}

impl Foreign {
    /// `packages` has the script and its `node_modules`.
    pub(crate) fn new(packages: &Path, base: &Path) -> Result<Self> {
        let path = std::env::var_os("PATH").context("PATH is not set")?;
        let node = std::env::split_paths(&path).map(|folder| folder.join("node")).find(|file| file.is_file());
        Ok(Self {
            script: packages.join("oidc_provider_bench.mjs"),
            node: node.context("node is not in PATH")?,
            folder: tempfile::Builder::new().prefix("oidc-provider-").tempdir_in(base)?,
            address: TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?,
        })
    }

    pub(crate) fn start(&self, pinning: &Pinning) -> Result<Server> {
        let script = self.script.to_str().context("a path that is not UTF-8")?;
        let clients = CLIENTS.map(|(id, algorithm)| format!("{id}={algorithm}")).join(" ");
        let start = Start {
            program: &self.node,
            args: &[script],
            environment: &[
                ("NODE_ENV", "production"),
                ("PORT", &self.address.port().to_string()),
                ("CLIENTS", &clients),
                ("CLIENT_SECRET", SECRET),
                ("REDIRECT_URI", REDIRECT_URI),
                ("POST_LOGOUT_REDIRECT_URI", POST_LOGOUT_REDIRECT_URI),
            ],
            folder: self.folder.path(),
            address: self.address,
        };
        Server::start(&start, Some(pinning))
    }

    /// The running server as a target.
    pub(crate) async fn target(&self) -> Result<Target> {
        let access = Access {
            clients: CLIENTS.map(|(id, algorithm)| client(id, algorithm)).to_vec(),
            login: Login::Form(vec![("login".to_owned(), USER.to_owned())]),
            extras: Extras::default(),
        };
        let discovery = format!("http://127.0.0.1:{}/.well-known/openid-configuration", self.address.port());
        Target::discover("oidc-provider", &discovery, access).await
    }
}
