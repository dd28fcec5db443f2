//! Taking the ports to listen on, and saying what to do when one cannot be had.

use std::io::{self, ErrorKind};
use std::net::SocketAddr;

use anyhow::{Result, anyhow};
use tokio::net::TcpListener;

/// What is said about addresses that cannot be had.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wanted<'a> {
    /// For what.
    pub(crate) purpose: &'a str,
    /// How to choose another, such as `--listen 127.0.0.1:8001`.
    pub(crate) choose: &'a str,
    /// Nobody asked for IPv6, so a machine without it may do without.
    pub(crate) may_lack_ipv6: bool,
}

/// Listens on each address. Those with port 0 get one free port together.
///
/// # Errors
/// When one cannot be had, with what to do.
pub(crate) async fn take(addresses: &[SocketAddr], wanted: Wanted<'_>) -> Result<Vec<TcpListener>> {
    let mut listeners = Vec::new();
    let mut free_port = 0;
    for address in addresses {
        let mut address = *address;
        let is_free_choice = address.port() == 0;
        if is_free_choice {
            address.set_port(free_port);
        }
        match TcpListener::bind(address).await {
            Ok(listener) => {
                if is_free_choice {
                    free_port = listener.local_addr()?.port();
                }
                listeners.push(listener);
            }
            Err(error) if wanted.may_lack_ipv6 && address.is_ipv6() && lacks_ipv6(&error) => {
                tracing::info!("This machine has no {}; IPv4 alone will do", address.ip());
            }
            Err(error) => return Err(refusal(address, &error, wanted)),
        }
    }
    if listeners.is_empty() {
        return Err(anyhow!("there is no address to listen on for {}", wanted.purpose));
    }
    Ok(listeners)
}

fn lacks_ipv6(error: &io::Error) -> bool {
    // EAFNOSUPPORT has no kind of its own.
    error.kind() == ErrorKind::AddrNotAvailable || error.raw_os_error() == Some(97)
}

fn refusal(address: SocketAddr, error: &io::Error, wanted: Wanted<'_>) -> anyhow::Error {
    let Wanted { purpose, choose, .. } = wanted;
    let port = address.port();
    match error.kind() {
        ErrorKind::AddrInUse => anyhow!(
            "port {port} ({address}), for {purpose}, is busy: another program listens there. \
             Stop that one (`ss -ltnp 'sport = :{port}'` names it), or choose another port with {choose}"
        ),
        ErrorKind::PermissionDenied if port < 1024 => anyhow!(
            "this user may not listen on port {port} ({address}), for {purpose}: ports below 1024 are the system's. \
             Choose another with {choose} and let a proxy have that one, or give the service CAP_NET_BIND_SERVICE"
        ),
        ErrorKind::AddrNotAvailable => {
            anyhow!(
                "{} is no address of this machine; choose another for {purpose} with {choose}",
                address.ip()
            )
        }
        _ => anyhow!("cannot listen on {address} for {purpose}: {error}; choose another with {choose}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WANTED: Wanted<'_> = Wanted { purpose: "the test", choose: "--port 1", may_lack_ipv6: true };

    fn address(text: &str) -> SocketAddr {
        text.parse().expect("an address")
    }

    #[tokio::test]
    async fn addresses_without_a_port_get_the_same_free_one() {
        let listeners = take(&[address("127.0.0.1:0"), address("[::1]:0")], WANTED).await.expect("free");
        let ports: Vec<u16> = listeners.iter().map(|l| l.local_addr().expect("bound").port()).collect();
        assert!(ports.iter().all(|port| *port == ports[0] && *port != 0), "{ports:?}");
    }

    #[tokio::test]
    async fn a_busy_port_says_what_to_do() {
        let first = take(&[address("127.0.0.1:0")], WANTED).await.expect("free");
        let busy = first[0].local_addr().expect("bound");
        let said = take(&[busy], WANTED).await.expect_err("busy").to_string();
        for part in [&format!("port {}", busy.port()), "the test", "is busy", "--port 1"] {
            assert!(said.contains(part), "{said}");
        }
    }

    #[tokio::test]
    async fn a_foreign_address_is_named() {
        let said = take(&[address("192.0.2.77:0")], WANTED).await.expect_err("not ours").to_string();
        assert!(said.contains("192.0.2.77 is no address of this machine"), "{said}");
    }

    #[test]
    fn a_low_port_is_the_systems() {
        let error = io::Error::from(ErrorKind::PermissionDenied);
        assert!(refusal(address("127.0.0.1:80"), &error, WANTED).to_string().contains("below 1024"));
    }
}
