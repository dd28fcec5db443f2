//! `authmachine demo`: the product in one process, on loopback, in a folder that is removed at the end.

use std::fs::Permissions;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use anyhow::{Context as _, Result, bail};
use authmachine_client::Login;
use authmachine_server::{App, Clock, Issuer, Settings, jobs, listen};
use clap::Args;
use tokio::net::TcpListener;
use tokio::sync::watch;

use crate::config::{Config, Log};
use crate::demo_data::{self, ApiAccess, GUEST, OBJECTS, TEST, USERS};
use crate::installation::{Installation, Missing};
use crate::ports::{self, Wanted};
use crate::{Place, log, output, serve};

#[derive(Args)]
pub(crate) struct Options {
    /// The provider's port; 0 is any free one
    #[arg(long, value_name = "N", default_value_t = 8000)]
    port: u16,
    /// The demo client's port; 0 is any free one
    #[arg(long, value_name = "N", default_value_t = 5000)]
    client_port: u16,
}

pub(crate) fn run(options: &Options, place: &Place) -> Result<()> {
    if place.config.is_some() || place.database.is_some() {
        bail!(
            "the demo has settings and data of its own; --config and --database are for `authmachine serve`"
        );
    }
    if options.port == options.client_port && options.port != 0 {
        bail!("the provider and the demo client need two ports: choose with --port and --client-port");
    }
    log::start(Log { json: false, level: tracing::Level::WARN })?;
    // Lives until everything in it is closed.
    let folder = tempfile::Builder::new()
        .prefix("authmachine-demo-")
        .permissions(Permissions::from_mode(0o700))
        .tempdir()
        .context("cannot make a folder")?;
    serve::runtime()?.block_on(demo(options, folder.path()))?;
    let path = folder.path().to_owned();
    folder.close().with_context(|| format!("cannot remove {}", path.display()))
}

async fn demo(options: &Options, folder: &Path) -> Result<()> {
    let stop = serve::stop_signal()?;
    let provider_ports = take(options.port, "the provider", "--port 8001").await?;
    let client_ports = take(options.client_port, "the demo client", "--client-port 5001").await?;
    let issuer = url(&provider_ports)?;
    let client_url = url(&client_ports)?;
    let client_port = client_ports[0].local_addr()?.port();

    let folder = folder.to_owned();
    let place = folder.clone();
    // Hashing and waiting for the disk are no work for these threads.
    let filled = tokio::task::spawn_blocking(move || -> Result<(Installation, ApiAccess)> {
        let config = Config::of_folder(&folder)?;
        let installation = Installation::open(&config, Missing::MakeUnsaid)?;
        let access = demo_data::fill(&installation, client_port)?;
        Ok((installation, access))
    });
    let (installation, access) = filled.await??;
    installation.store.lock_for_serving()?;

    let settings = Settings::new(Issuer::parse(&issuer)?);
    let app =
        App::start(settings, installation.store.clone(), &installation.master_key, Clock::System).await?;
    drop(installation);
    let running = jobs::start(app.clone());
    let login = Login::builder(&issuer, TEST.id)
        .client_secret(TEST.secret)
        .public_url(&client_url)
        .objects(OBJECTS)
        .api_token(access.token())
        .session_key(authmachine_server::random::public_id());
    let client = authmachine_demo::app(login)?;

    output::text(&welcome(&issuer, &client_url, &place))?;
    let (stopping, stopped) = watch::channel(());
    let until_stopped = || {
        let mut stopped = stopped.clone();
        async move { drop(stopped.changed().await) }
    };
    tokio::join!(
        async {
            stop.await;
            drop(stopping);
        },
        listen::serve(app.clone(), authmachine_server::router(&app), provider_ports, None, until_stopped()),
        listen::serve(app.clone(), client, client_ports, None, until_stopped()),
    );
    running.stop().await;
    output::note("The demo has ended; its data is removed.");
    Ok(())
}

/// Loopback only: the demo's passwords are known to everybody (checklist G9).
async fn take(port: u16, purpose: &str, choose: &str) -> Result<Vec<TcpListener>> {
    let addresses =
        [SocketAddr::from((Ipv4Addr::LOCALHOST, port)), SocketAddr::from((Ipv6Addr::LOCALHOST, port))];
    ports::take(&addresses, Wanted { purpose, choose, may_lack_ipv6: true }).await
}

fn url(listeners: &[TcpListener]) -> Result<String> {
    Ok(format!("http://localhost:{}", listeners[0].local_addr()?.port()))
}

fn welcome(issuer: &str, client_url: &str, folder: &Path) -> String {
    let [(alice, alice_password), (bob, bob_password)] = USERS;
    format!(
        "\
Serving the provider at {issuer}
Serving the demo client at {client_url}

Open {client_url} and sign in:

  {alice:<6} {alice_password}
  {bob:<6} {bob_password}

A second app, which signs out together with the first:

  PORT=5055 AUTHMACHINE_URL={issuer} AUTHMACHINE_CLIENT_ID={test} AUTHMACHINE_CLIENT_SECRET={test_secret} cargo run -p authmachine-demo

The same as an app of somebody else, which asks for consent:

  PORT=5056 AUTHMACHINE_URL={issuer} AUTHMACHINE_CLIENT_ID={guest} AUTHMACHINE_CLIENT_SECRET={guest_secret} cargo run -p authmachine-demo

Change a permission, and reload the demo client:

  AUTHMACHINE__DATA__FOLDER={folder} {program} grant add --user {bob} --object object2 --type write

Ctrl-C ends the demo and removes its data.
",
        test = TEST.id,
        test_secret = TEST.secret,
        guest = GUEST.id,
        guest_secret = GUEST.secret,
        folder = folder.display(),
        program = serve::program(),
    )
}
