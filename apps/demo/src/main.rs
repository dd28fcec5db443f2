//! The demo client app as a program of its own. Settings come from the environment or a file `.env`.

use std::{
    io::{self, IsTerminal as _, Write as _},
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    process::ExitCode,
};

use anyhow::{Context as _, Result, anyhow, bail};
use authmachine_client::{LoginBuilder, Variables};
use authmachine_demo::DEFAULT_OBJECTS;
use tokio::net::TcpListener;
use tracing_subscriber::EnvFilter;

const DEFAULT_PORT: u16 = 5000;

#[tokio::main]
async fn main() -> ExitCode {
    match run().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Nobody may be there to read it.
            let _ = writeln!(io::stderr(), "authmachine-demo: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn run() -> Result<()> {
    tracing_subscriber::fmt()
        .with_env_filter(EnvFilter::new("warn,authmachine=info"))
        .with_writer(io::stderr)
        .with_ansi(io::stderr().is_terminal())
        .init();
    let variables = Variables::read().context("cannot read the file .env")?;
    let port = port(variables.get("PORT").as_deref())?;
    let mut builder = LoginBuilder::from_env()?;
    if variables.get("AUTHMACHINE_OBJECTS").is_none() {
        builder = builder.objects(DEFAULT_OBJECTS);
    }
    let app = authmachine_demo::app(builder)?;
    let listeners = listen(variables.get("HOST").as_deref(), port).await?;
    let url = variables.get("PUBLIC_URL").unwrap_or_else(|| format!("http://localhost:{port}"));
    writeln!(io::stdout(), "The demo app is at {url} (Ctrl-C ends it)")
        .context("cannot write to standard output")?;
    authmachine_demo::serve(listeners, app, stopped()?).await.context("the server failed")
}

fn port(text: Option<&str>) -> Result<u16> {
    let Some(text) = text else { return Ok(DEFAULT_PORT) };
    match text.parse() {
        Ok(0) | Err(_) => bail!("PORT is {text:?}: it must be a number from 1 to 65535"),
        Ok(port) => Ok(port),
    }
}

/// Listens on `host`, or on this machine only.
async fn listen(host: Option<&str>, port: u16) -> Result<Vec<TcpListener>> {
    let addresses: Vec<IpAddr> = match host {
        None => vec![Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()],
        Some(host) => vec![host.parse().map_err(|_| {
            anyhow!("HOST is {host:?}: it must be an address such as 127.0.0.1, or 0.0.0.0 for all networks")
        })?],
    };
    let mut listeners = Vec::new();
    for address in addresses {
        match TcpListener::bind(SocketAddr::new(address, port)).await {
            Ok(listener) => listeners.push(listener),
            // A machine without IPv6 is served by IPv4.
            Err(cause)
                if host.is_none() && !listeners.is_empty() && cause.kind() != io::ErrorKind::AddrInUse =>
            {
                tracing::info!(%cause, "Not listening on {address}: {cause}");
            }
            Err(cause) if cause.kind() == io::ErrorKind::AddrInUse => {
                bail!("port {port} of {address} is in use: stop what runs there, or set PORT to another one")
            }
            Err(cause) => {
                return Err(cause).with_context(|| format!("cannot listen on {address} port {port}"));
            }
        }
    }
    Ok(listeners)
}

/// Ends with Ctrl-C or SIGTERM.
#[cfg(unix)]
fn stopped() -> Result<impl Future<Output = ()>> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut terminate = signal(SignalKind::terminate()).context("cannot wait for SIGTERM")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("cannot wait for Ctrl-C")?;
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    })
}

/// Ends with Ctrl-C.
#[cfg(not(unix))]
fn stopped() -> Result<impl Future<Output = ()>> {
    Ok(async {
        let _ = tokio::signal::ctrl_c().await;
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wrong_port_is_named() {
        assert_eq!(port(None).expect("the default"), 5000);
        assert_eq!(port(Some("5055")).expect("a port"), 5055);
        for bad in ["0", "65536", "-1", "http", "50 00"] {
            let error = port(Some(bad)).expect_err("no port").to_string();
            assert!(error.contains("PORT is") && error.contains(bad), "{error}");
        }
    }

    #[tokio::test]
    async fn a_busy_port_says_what_to_do() {
        let busy = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let port = busy.local_addr().expect("bound").port();
        let error = listen(None, port).await.expect_err("busy").to_string();
        assert!(error.contains(&port.to_string()) && error.contains("set PORT"), "{error}");
        let error = listen(Some("localhost!"), port).await.expect_err("no address").to_string();
        assert!(error.contains("HOST is"), "{error}");
    }
}
