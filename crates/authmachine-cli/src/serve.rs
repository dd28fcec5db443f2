//! `authmachine serve`

use std::future::Future;

use anyhow::{Context as _, Result};
use authmachine_server::{App, Clock, health, jobs, listen, random};
use clap::Args;
use tokio::net::TcpListener;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;

use crate::config::{Config, Flags};
use crate::installation::{Installation, Missing};
use crate::ports::{self, Wanted};
use crate::tls::Source;
use crate::{Place, log, output};

#[derive(Args)]
pub(crate) struct Options {
    /// An address to listen on, such as 127.0.0.1:8000 (again for more); port 0 is any free one
    #[arg(long, value_name = "ADDR")]
    listen: Vec<String>,
    /// The address that browsers and clients use, such as https://id.example.com
    #[arg(long, value_name = "URL")]
    issuer: Option<String>,
}

pub(crate) fn run(options: Options, place: &Place) -> Result<()> {
    let flags = Flags { listen: options.listen, issuer: options.issuer, ..place.flags() };
    // The generator takes some 10 ms to begin: meanwhile the configuration is read and the database opened. A process that ended
    // in the middle of it would crash, so it is waited for, whatever happens.
    let (config, certificate, installation) = std::thread::scope(|threads| {
        threads.spawn(random::bytes::<1>);
        open(&flags)
    })?;
    let has_users = !installation.read(|reads| reads.list_users(None, 1))?.is_empty();
    let next_step = (!has_users).then(|| user_add(&config, place));
    runtime()?.block_on(serve(&config, installation, certificate, next_step))
}

fn open(flags: &Flags) -> Result<(Config, Option<Source>, Installation)> {
    let config = Config::load(flags)?;
    log::start(config.log)?;
    let certificate = config.tls.as_ref().map(Source::open).transpose()?;
    let installation = Installation::open(&config, Missing::Make)?;
    installation.store.lock_for_serving()?;
    Ok((config, certificate, installation))
}

/// A runtime for servers.
pub(crate) fn runtime() -> Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("cannot start the threads of the server")
}

async fn serve(
    config: &Config,
    installation: Installation,
    certificate: Option<Source>,
    next_step: Option<String>,
) -> Result<()> {
    // From the first moment on: whoever asks us to stop does not wait for our start.
    let stop = stop_signal()?;
    let tls = certificate.as_ref().map(|certificate| certificate.tls.clone());
    let following = certificate.map(Source::follow).transpose()?.map(tokio::spawn);
    let wanted = Wanted {
        purpose: "the provider",
        choose: "--listen 127.0.0.1:8001 or server.listen",
        may_lack_ipv6: config.listens_by_default,
    };
    let listeners = ports::take(&config.listen, wanted).await?;
    let metrics = take_metrics(config).await?;
    let first = listeners[0].local_addr()?;

    let settings = config.settings(first.port());
    let issuer = settings.issuer.as_str().to_owned();
    let name = settings.brand.product_name.clone();
    let app =
        App::start(settings, installation.store.clone(), &installation.master_key, Clock::System).await?;
    drop(installation);
    let running = jobs::start(app.clone());

    for listener in &listeners {
        tracing::info!("Listening on {}://{}", config.scheme(), listener.local_addr()?);
    }
    for listener in &metrics {
        tracing::info!("Metrics at http://{}/metrics", listener.local_addr()?);
    }
    // The last word of the line is where it can be reached. Whether anybody reads it does not matter.
    let _ = match &config.issuer {
        None => output::line(format_args!("Serving {name} at {issuer}")),
        Some(_) => output::line(format_args!("Serving {issuer} at {}://{first}", config.scheme())),
    };
    if let Some(next_step) = next_step {
        output::note(format_args!("Nobody can sign in yet. Make the first user with:\n  {next_step}"));
    }

    let (stopping, stopped) = watch::channel(());
    let until_stopped = || {
        let mut stopped = stopped.clone();
        async move { drop(stopped.changed().await) }
    };
    tokio::join!(
        async {
            stop.await;
            tracing::info!("Stopping: answers that have begun finish, nothing new begins");
            drop(stopping);
        },
        listen::serve(app.clone(), authmachine_server::router(&app), listeners, tls, until_stopped()),
        listen::serve(app.clone(), health::router(&app), metrics, None, until_stopped()),
    );
    if let Some(following) = following {
        following.abort();
    }
    running.stop().await;
    tracing::info!("Stopped");
    Ok(())
}

/// The listener for operators. On its usual port, which nobody asked for, it may be missing: a second installation has none then.
async fn take_metrics(config: &Config) -> Result<Vec<TcpListener>> {
    let Some(address) = config.metrics_listen else { return Ok(Vec::new()) };
    let wanted = Wanted { purpose: "metrics", choose: "server.metrics_listen", may_lack_ipv6: false };
    match ports::take(&[address], wanted).await {
        Err(error) if config.metrics_by_default => {
            tracing::warn!("No metrics: {error}");
            Ok(Vec::new())
        }
        taken => taken,
    }
}

/// Waits for SIGTERM or Ctrl-C, from now on.
pub(crate) fn stop_signal() -> Result<impl Future<Output = ()>> {
    let listen = |kind| -> Result<Signal> { signal(kind).context("cannot listen to signals") };
    let (mut terminate, mut interrupt) = (listen(SignalKind::terminate())?, listen(SignalKind::interrupt())?);
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    })
}

/// The line that makes the first user of this installation.
fn user_add(config: &Config, place: &Place) -> String {
    let mut line = program();
    if let Some(file) = &place.config {
        line += &format!(" --config {}", file.display());
    }
    if config.database_by_flag() {
        // Not repeated: there may be a password in it.
        line += " --database URL";
    }
    line + " user add alice --email alice@example.com"
}

/// This program as it was called.
pub(crate) fn program() -> String {
    std::env::args().next().unwrap_or_else(|| "authmachine".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_usual_port_of_metrics_may_be_busy_and_a_chosen_one_may_not() {
        let taken = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let folder = tempfile::tempdir().expect("a folder");
        let mut config = Config::of_folder(folder.path()).expect("legal");
        assert!(config.metrics_by_default);
        config.metrics_listen = taken.local_addr().ok();
        assert!(take_metrics(&config).await.expect("a warning").is_empty());
        config.metrics_by_default = false;
        let said = take_metrics(&config).await.expect_err("busy").to_string();
        assert!(said.contains("server.metrics_listen"), "{said}");
        drop(taken);
        assert_eq!(take_metrics(&config).await.expect("free now").len(), 1);
        config.metrics_listen = None;
        assert!(take_metrics(&config).await.expect("none").is_empty());
    }
}
