//! Who may be asked: judged where the client learns an address, so that it goes to no other.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use tokio::sync::Semaphore;
use url::{Host, Url};

use super::error::FetchError;
use super::network::{IpNetwork, is_public};

/// The system's way to look up a name, which blocks its thread.
pub(super) type Lookup = fn(&str) -> io::Result<Vec<SocketAddr>>;

/// Lets listed addresses pass, and public ones if they may. As the client's resolver it hands over what it has checked.
#[derive(Clone)]
pub(super) struct Guard {
    pub(super) networks: Arc<[IpNetwork]>,
    /// Whether public addresses may be asked: by https.
    pub(super) public: bool,
    pub(super) lookup: Lookup,
    /// A lookup cannot be broken off: it keeps its place until it ends, though its fetch be over.
    pub(super) lookups: Arc<Semaphore>,
}

impl Guard {
    /// Judges a URL before it is asked. A host that is an address is not looked up later.
    pub(super) fn check(&self, url: &Url) -> Result<(), FetchError> {
        match url.host() {
            Some(Host::Ipv4(address)) => self.check_address(address.into()),
            Some(Host::Ipv6(address)) => self.check_address(address.into()),
            Some(Host::Domain(_)) if self.public || !self.networks.is_empty() => Ok(()),
            // Whatever its addresses are.
            Some(Host::Domain(_)) => Err(self.refusal()),
            None => Err(FetchError::Url),
        }
    }

    fn check_address(&self, address: IpAddr) -> Result<(), FetchError> {
        let is_listed = self.networks.iter().any(|network| network.contains(address));
        if is_listed || self.public && is_public(address) { Ok(()) } else { Err(self.refusal()) }
    }

    fn refusal(&self) -> FetchError {
        if self.public { FetchError::NotAllowed } else { FetchError::PlainHttp }
    }
}

impl Resolve for Guard {
    fn resolve(&self, name: Name) -> Resolving {
        let guard = self.clone();
        Box::pin(async move {
            let place = guard.lookups.clone().acquire_owned().await.expect("it is never closed");
            let lookup = guard.lookup;
            let looked_up = tokio::task::spawn_blocking(move || {
                let _place = place;
                lookup(name.as_str())
            });
            let addresses = looked_up.await?.map_err(|_| FetchError::Dns)?;
            if addresses.is_empty() {
                return Err(FetchError::Dns.into());
            }
            // One that is not allowed spoils the name: its owner mixes them for a reason.
            addresses.iter().try_for_each(|address| guard.check_address(address.ip()))?;
            Ok(Box::new(addresses.into_iter()) as Addrs)
        })
    }
}
