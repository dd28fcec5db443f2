//! A web site that the server asks: key sets, sector documents, request objects, receivers of logout tokens.

use std::collections::HashMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use authmachine_server::Settings;
use authmachine_server::fetch::FetchSettings;
use bytes::Bytes;
use http::{HeaderMap, Method, Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto::Builder;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::aws_lc_rs;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};

macro_rules! tls_data {
    ($name:literal) => {
        include_bytes!(concat!("../../authmachine-server/tests/data/tls/", $name))
    };
}

/// How long a request is waited for.
const PATIENCE: Duration = Duration::from_secs(10);

/// A site on loopback with answers that a test sets and requests that it looks at. It ends when it is dropped.
pub struct WebSite {
    origin: String,
    shared: Arc<Shared>,
    accepting: JoinHandle<()>,
}

#[derive(Default)]
struct Shared {
    answers: Mutex<HashMap<String, Answer>>,
    received: watch::Sender<Vec<Received>>,
}

#[derive(Clone)]
enum Answer {
    Whole(StatusCode, HeaderMap, Bytes),
    Never,
}

/// A request that came.
#[derive(Clone, Debug)]
pub struct Received {
    /// Its method.
    pub method: Method,
    /// Path and query.
    pub target: String,
    /// Its headers.
    pub headers: HeaderMap,
    /// Its body.
    pub body: Bytes,
}

impl Received {
    /// The fields of a form.
    pub fn form(&self) -> Vec<(String, String)> {
        url::form_urlencoded::parse(&self.body).into_owned().collect()
    }
}

/// Lets a server fetch from sites on loopback, with plain http and with the certificates of tests: `TestServer::start_with(reach_loopback)`.
pub fn reach_loopback(settings: &mut Settings) {
    settings.fetch = FetchSettings {
        private_networks: ["127.0.0.0/8", "::1"].map(|text| text.parse().expect("a network")).into(),
        ca_certificates: FetchSettings::certificates(tls_data!("root.pem")).expect("certificates"),
    };
}

impl WebSite {
    /// Starts one with plain http.
    pub async fn start() -> Self {
        Self::listen(None).await
    }

    /// Starts one with https, whose certificate the tests' root has signed.
    pub async fn start_with_tls() -> Self {
        let chain = CertificateDer::pem_slice_iter(tls_data!("first.pem"))
            .collect::<Result<Vec<_>, _>>()
            .expect("certificates");
        let key = PrivateKeyDer::from_pem_slice(tls_data!("first.key")).expect("a key");
        let config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()
            .expect("TLS 1.2 and 1.3")
            .with_no_client_auth()
            .with_single_cert(chain, key)
            .expect("they fit");
        Self::listen(Some(Arc::new(config).into())).await
    }

    async fn listen(tls: Option<TlsAcceptor>) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a free port");
        let port = listener.local_addr().as_ref().map(SocketAddr::port).expect("it is bound");
        let scheme = if tls.is_some() { "https" } else { "http" };
        let shared = Arc::<Shared>::default();
        let accepting = tokio::spawn(shared.clone().accept(listener, tls));
        Self { origin: format!("{scheme}://localhost:{port}"), shared, accepting }
    }

    /// The URL of a path, which starts with a slash.
    pub fn url(&self, path: &str) -> String {
        format!("{}{path}", self.origin)
    }

    /// Answers a path with 200 from now on; others get 404. Its URL.
    pub fn serve(&self, path: &str, content_type: &str, body: impl Into<Bytes>) -> String {
        self.answer(path, 200, &[("content-type", content_type)], body)
    }

    /// Answers a path in any way from now on. Its URL.
    pub fn answer(
        &self,
        path: &str,
        status: u16,
        headers: &[(&'static str, &str)],
        body: impl Into<Bytes>,
    ) -> String {
        let headers = headers.iter().map(|(name, value)| {
            (http::HeaderName::from_static(name), value.parse().expect("a header's value"))
        });
        let status = StatusCode::from_u16(status).expect("a status");
        self.set(path, Answer::Whole(status, headers.collect(), body.into()))
    }

    /// Takes requests for a path and never answers, from now on. Its URL.
    pub fn hang(&self, path: &str) -> String {
        self.set(path, Answer::Never)
    }

    fn set(&self, path: &str, answer: Answer) -> String {
        self.shared.answers().insert(path.to_owned(), answer);
        self.url(path)
    }

    /// The requests so far, in the order in which they came.
    pub fn received(&self) -> Vec<Received> {
        self.shared.received.borrow().clone()
    }

    /// The requests, once there are as many as `count`.
    ///
    /// # Panics
    /// When they do not come in ten seconds.
    pub async fn wait_for(&self, count: usize) -> Vec<Received> {
        let mut received = self.shared.received.subscribe();
        let enough = timeout(PATIENCE, received.wait_for(|received| received.len() >= count)).await;
        match enough {
            Ok(received) => received.expect("the sender is ours").clone(),
            Err(_) => panic!("{count} requests come; there are {:?}", self.received()),
        }
    }
}

impl Drop for WebSite {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

impl Shared {
    fn answers(&self) -> MutexGuard<'_, HashMap<String, Answer>> {
        self.answers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn accept(self: Arc<Self>, listener: TcpListener, tls: Option<TlsAcceptor>) {
        loop {
            let (stream, _) = listener.accept().await.expect("there are descriptors left");
            let (shared, tls) = (self.clone(), tls.clone());
            tokio::spawn(async move {
                let service = service_fn(move |request| shared.clone().answer(request));
                let http = Builder::new(TokioExecutor::new());
                // Whoever goes away early is the server, as it should.
                let _ = match tls {
                    None => http.serve_connection(TokioIo::new(stream), service).await,
                    Some(tls) => match tls.accept(stream).await {
                        Ok(stream) => http.serve_connection(TokioIo::new(stream), service).await,
                        Err(_) => Ok(()),
                    },
                };
            });
        }
    }

    async fn answer(self: Arc<Self>, request: Request<Incoming>) -> hyper::Result<Response<Full<Bytes>>> {
        let (parts, body) = request.into_parts();
        let body = body.collect().await?.to_bytes();
        let answer = self.answers().get(parts.uri.path()).cloned();
        let target = parts.uri.path_and_query().map(ToString::to_string).unwrap_or_default();
        let received = Received { method: parts.method, target, headers: parts.headers, body };
        self.received.send_modify(|all| all.push(received));
        let (status, headers, body) = match answer {
            None => (StatusCode::NOT_FOUND, HeaderMap::new(), Bytes::new()),
            Some(Answer::Whole(status, headers, body)) => (status, headers, body),
            Some(Answer::Never) => std::future::pending().await,
        };
        let mut response = Response::new(Full::new(body));
        (*response.status_mut(), *response.headers_mut()) = (status, headers);
        Ok(response)
    }
}
