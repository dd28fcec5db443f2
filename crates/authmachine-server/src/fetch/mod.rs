//! The one way in which the server asks others: key sets, sector documents, request objects, logout receivers. Somebody else
//! chose these addresses, so each is fetched as if by an enemy (checklist SR1 to SR4).
//!
//! - https, with a verified certificate; every address of the host is public. Networks on the operator's list may be private and
//!   plain http.
//! - The connection goes to an address that was checked: a name is looked up once, by the client's own resolver.
//! - No redirect, proxy, cookie or referrer. Five seconds and 256 KiB for all of it, and few fetches at once.
//!
//! Why a fetch failed is for the operator's log. Strangers learn only that it did: else they could scan a network through us.

mod error;
mod guard;
mod network;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::future::Future;
use std::net::ToSocketAddrs as _;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http::{StatusCode, header};
use reqwest::{Certificate, Client, ClientBuilder, Response};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;
use tokio_rustls::rustls::RootCertStore;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use url::Url;

use self::error::{Failure, causes};
use self::guard::{Guard, Lookup};

pub use error::FetchError;
pub use network::{IpNetwork, IpNetworkError, is_public};
pub use tokio_rustls::rustls::pki_types::CertificateDer;

/// The time for all of a fetch, waiting included.
const DEADLINE: Duration = Duration::from_secs(5);
/// The time for a connection, shared by the addresses of a name.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);
/// The most bytes of a body.
pub const MAX_BODY_BYTES: usize = 256 * 1024;
/// Fetches at once.
const MAX_FETCHES: usize = 64;
/// Fetches at once from one host, so that a slow one leaves room for the others (checklist LO4).
const MAX_FETCHES_OF_HOST: usize = 8;

/// What the operator allows beyond the public internet.
#[derive(Clone, Debug, Default)]
pub struct FetchSettings {
    /// `fetch.private_networks`: may be private, and plain http.
    pub private_networks: Vec<IpNetwork>,
    /// `fetch.ca_file`: trusted beside the roots of this machine.
    pub ca_certificates: Vec<CertificateDer<'static>>,
}

/// Why no fetcher can be made.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FetchSetupError {
    /// No certificate in PEM.
    #[error("no certificate is in its file (PEM, from -----BEGIN CERTIFICATE----- on)")]
    NoCertificate,
    /// One that cannot be a root.
    #[error("one of its certificates is damaged")]
    UnusableCertificate,
    /// TLS does not start.
    #[error("cannot prepare TLS for fetches: {0}")]
    Tls(String),
}

impl FetchSettings {
    /// The certificates in the text of `fetch.ca_file`.
    ///
    /// # Errors
    /// [`FetchSetupError`].
    pub fn certificates(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, FetchSetupError> {
        let certificates: Vec<_> = CertificateDer::pem_slice_iter(pem)
            .collect::<Result<_, _>>()
            .map_err(|_| FetchSetupError::UnusableCertificate)?;
        if certificates.is_empty() {
            return Err(FetchSetupError::NoCertificate);
        }
        let mut roots = RootCertStore::empty();
        for certificate in &certificates {
            roots.add(certificate.clone()).map_err(|_| FetchSetupError::UnusableCertificate)?;
        }
        Ok(certificates)
    }
}

/// A document.
#[derive(Clone, Debug)]
pub struct Fetched {
    /// Its media type in lower case, without parameters; empty when it has none.
    pub content_type: String,
    /// The whole body.
    pub body: Bytes,
}

/// The fetches so far, by result.
#[derive(Debug, Default)]
pub struct Fetches([AtomicU64; Self::RESULTS.len()]);

impl Fetches {
    const RESULTS: [&'static str; 13] = [
        "ok",
        "url",
        "plain_http",
        "not_allowed",
        "dns",
        "connect",
        "tls",
        "timeout",
        "redirect",
        "status",
        "content_type",
        "too_large",
        "broken",
    ];

    fn count(&self, result: &str) {
        if let Some(index) = Self::RESULTS.iter().position(|known| *known == result) {
            self.0[index].fetch_add(1, Relaxed);
        }
    }

    /// Each result with its count.
    pub fn counts(&self) -> impl Iterator<Item = (&'static str, u64)> {
        Self::RESULTS.into_iter().zip(self.0.iter().map(|count| count.load(Relaxed)))
    }
}

/// Fetches, guarded. Cheap to clone.
#[derive(Clone)]
pub struct Fetcher(Arc<Inner>);

struct Inner {
    /// For what is read: strangers name it, and can make us wait for as much as there is room for.
    gets: Lane,
    /// For what is told, which waits for none of that.
    posts: Lane,
    deadline: Duration,
    counters: Arc<Fetches>,
}

/// Ways with places of their own.
struct Lane {
    https: Way,
    plain: Way,
    fetches: Semaphore,
    hosts: Mutex<HashMap<String, Arc<Semaphore>>>,
}

/// How a scheme is spoken.
struct Way {
    client: Client,
    guard: Guard,
}

impl Way {
    fn new(
        guard: Guard,
        trust: impl FnOnce(ClientBuilder) -> ClientBuilder,
    ) -> Result<Self, FetchSetupError> {
        let client = Client::builder()
            .dns_resolver(guard.clone())
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .retry(reqwest::retry::never())
            .referer(false)
            .user_agent("AuthMachine")
            .connect_timeout(CONNECT_TIMEOUT)
            // Each fetch looks the name up anew: whoever moves away is not asked on an old connection.
            .pool_max_idle_per_host(0);
        let client = trust(client).build().map_err(|why| FetchSetupError::Tls(causes(&why)))?;
        Ok(Self { client, guard })
    }
}

impl Fetcher {
    /// A fetcher for the public internet and what `settings` allow.
    ///
    /// # Errors
    /// [`FetchSetupError`]: a certificate that cannot be a root.
    pub fn new(settings: &FetchSettings) -> Result<Self, FetchSetupError> {
        Self::with(settings, DEADLINE, |name| Ok((name, 0).to_socket_addrs()?.collect()))
    }

    fn with(settings: &FetchSettings, deadline: Duration, lookup: Lookup) -> Result<Self, FetchSetupError> {
        let (gets, posts) = (Lane::new(settings, lookup)?, Lane::new(settings, lookup)?);
        Ok(Self(Arc::new(Inner { gets, posts, deadline, counters: Arc::default() })))
    }

    /// Gets a document of one of `content_types`, which are without parameters; of any type when there are none.
    ///
    /// # Errors
    /// [`FetchError`], logged and counted here.
    pub async fn get(&self, url: &str, content_types: &[&str]) -> Result<Fetched, FetchError> {
        self.within_bounds(&self.0.gets, url, |client, url| async move {
            let accept = if content_types.is_empty() { "*/*".to_owned() } else { content_types.join(", ") };
            let answer = client.get(url).header(header::ACCEPT, accept).send().await?;
            read(answer, content_types).await
        })
        .await
    }

    /// Posts a form; what the status is. The answer's body is not read.
    ///
    /// # Errors
    /// [`FetchError`], logged and counted here. Statuses other than redirects are none.
    pub async fn post_form(&self, url: &str, form: &[(&str, &str)]) -> Result<u16, FetchError> {
        let body = authmachine_protocol::form::encode(form.iter().copied());
        self.within_bounds(&self.0.posts, url, |client, url| async move {
            let request = client.post(url).header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
            Ok(not_redirected(request.body(body).send().await?.status())?.as_u16())
        })
        .await
    }

    /// What it counts.
    pub fn counters(&self) -> Arc<Fetches> {
        self.0.counters.clone()
    }

    async fn within_bounds<T, F>(
        &self,
        lane: &Lane,
        url: &str,
        exchange: impl FnOnce(Client, Url) -> F,
    ) -> Result<T, FetchError>
    where
        F: Future<Output = Result<T, Failure>>,
    {
        let url = parse(url);
        let host = url.as_ref().ok().and_then(Url::host_str).unwrap_or_default().to_owned();
        let fetch = async {
            let url = url?;
            let way = if url.scheme() == "https" { &lane.https } else { &lane.plain };
            way.guard.check(&url)?;
            let _of_host = lane.place_of_host(&host).await;
            let _place = lane.fetches.acquire().await.expect("it is never closed");
            exchange(way.client.clone(), url).await
        };
        let fetched = timeout(self.0.deadline, fetch).await;
        match fetched.unwrap_or_else(|_| Err(FetchError::Timeout.into())) {
            Ok(fetched) => {
                self.0.counters.count("ok");
                Ok(fetched)
            }
            Err(Failure { error, cause }) => {
                self.0.counters.count(error.word());
                tracing::warn!(host, result = error.word(), cause, "A fetch from {host:?} failed: {error}");
                Err(error)
            }
        }
    }
}

impl Lane {
    fn new(settings: &FetchSettings, lookup: Lookup) -> Result<Self, FetchSetupError> {
        let guard = Guard {
            networks: settings.private_networks.as_slice().into(),
            public: true,
            lookup,
            lookups: Arc::new(Semaphore::new(MAX_FETCHES)),
        };
        let roots = settings.ca_certificates.iter().map(|der| Certificate::from_der(der));
        let roots: Vec<_> =
            roots.collect::<Result<_, _>>().map_err(|_| FetchSetupError::UnusableCertificate)?;
        let https =
            Way::new(guard.clone(), |client| client.tls_certs_merge(roots.clone())).or_else(|why| {
                // A machine without root certificates still starts.
                tracing::warn!("Of https, only what fetch.ca_file certifies can be fetched: {why}");
                Way::new(guard.clone(), |client| client.tls_certs_only(roots))
            })?;
        let plain = Way::new(Guard { public: false, ..guard }, |client| client.tls_certs_only([]))?;
        Ok(Self { https, plain, fetches: Semaphore::new(MAX_FETCHES), hosts: Mutex::default() })
    }

    async fn place_of_host(&self, host: &str) -> OwnedSemaphorePermit {
        let places = {
            let mut hosts = self.hosts.lock().unwrap_or_else(PoisonError::into_inner);
            // Nobody holds or waits for a place at these.
            hosts.retain(|_, places| Arc::strong_count(places) > 1);
            let new = || Arc::new(Semaphore::new(MAX_FETCHES_OF_HOST));
            hosts.entry(host.to_owned()).or_insert_with(new).clone()
        };
        places.acquire_owned().await.expect("it is never closed")
    }
}

/// A URL that may be fetched if its addresses may, without its fragment.
///
/// Browsers mend `https:host`, `https:///host`, backslashes and spaces. What we store is compared by others, who may not.
fn parse(text: &str) -> Result<Url, FetchError> {
    let (scheme, rest) = text.split_once("://").ok_or(FetchError::Url)?;
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let is_odd = |c: char| c.is_control() || c.is_whitespace() || c == '\\';
    if !["http", "https"].iter().any(|known| scheme.eq_ignore_ascii_case(known))
        || authority.is_empty()
        || authority.contains('@')
        || text.contains(is_odd)
    {
        return Err(FetchError::Url);
    }
    let mut url = Url::parse(text).map_err(|_| FetchError::Url)?;
    url.set_fragment(None);
    Ok(url)
}

fn not_redirected(status: StatusCode) -> Result<StatusCode, FetchError> {
    if status.is_redirection() { Err(FetchError::Redirect) } else { Ok(status) }
}

async fn read(mut answer: Response, content_types: &[&str]) -> Result<Fetched, Failure> {
    let status = not_redirected(answer.status())?;
    if status != StatusCode::OK {
        return Err(FetchError::Status(status.as_u16()).into());
    }
    let content_type = essence(&answer);
    let is_expected = content_types.iter().any(|expected| content_type.eq_ignore_ascii_case(expected));
    if !content_types.is_empty() && !is_expected {
        return Err(FetchError::ContentType.into());
    }
    let mut body = Vec::new();
    while let Some(chunk) = answer.chunk().await? {
        if body.len() + chunk.len() > MAX_BODY_BYTES {
            return Err(FetchError::TooLarge.into());
        }
        body.extend_from_slice(&chunk);
    }
    Ok(Fetched { content_type, body: body.into() })
}

/// The media type without parameters (RFC 9110 §8.3); two of them are none.
fn essence(answer: &Response) -> String {
    let mut all = answer.headers().get_all(header::CONTENT_TYPE).iter();
    let (Some(only), None) = (all.next(), all.next()) else { return String::new() };
    only.to_str().unwrap_or_default().split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
}
