//! The web site of all clients: documents that the provider fetches, addresses that it or the browser sends something to.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use authmachine_e2e::{TLS_CERTIFICATE, TLS_KEY};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::aws_lc_rs;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};

/// It speaks HTTPS on loopback. Dropping it stops it.
pub(crate) struct Site {
    port: u16,
    content: Arc<Mutex<Content>>,
    serving: JoinHandle<()>,
}

#[derive(Default)]
struct Content {
    documents: BTreeMap<String, Document>,
    requests: Vec<Request>,
}

#[derive(Clone)]
struct Document {
    content_type: &'static str,
    body: Vec<u8>,
}

/// A request that came.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    pub(crate) method: String,
    /// Path and query.
    pub(crate) target: String,
    /// Names in lower case.
    pub(crate) headers: BTreeMap<String, String>,
    pub(crate) body: String,
}

impl Site {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let port = listener.local_addr().expect("it is bound").port();
        let content = Arc::<Mutex<Content>>::default();
        let shared = content.clone();
        let acceptor = acceptor();
        let serving = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (acceptor, content) = (acceptor.clone(), shared.clone());
                // Whoever goes away in the middle gets nothing.
                tokio::spawn(async move { serve(&acceptor, stream, &content).await });
            }
        });
        Self { port, content, serving }
    }

    /// The address of a path.
    pub(crate) fn url(&self, path: &str) -> String {
        format!("https://localhost:{}{path}", self.port)
    }

    /// Puts a document there, or in the place of another.
    pub(crate) fn publish(&self, path: &str, content_type: &'static str, body: impl Into<Vec<u8>>) {
        let mut content = self.content.lock().unwrap_or_else(PoisonError::into_inner);
        content.documents.insert(path.to_owned(), Document { content_type, body: body.into() });
    }

    /// What was asked of a path, whatever its query.
    pub(crate) fn requests(&self, path: &str) -> Vec<Request> {
        let content = self.content.lock().unwrap_or_else(PoisonError::into_inner);
        let is_there = |request: &&Request| request.target.split('?').next() == Some(path);
        content.requests.iter().filter(is_there).cloned().collect()
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

fn acceptor() -> TlsAcceptor {
    let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(TLS_CERTIFICATE).collect();
    let key = PrivateKeyDer::from_pem_slice(TLS_KEY).expect("a key");
    let config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("the provider has them")
        .with_no_client_auth()
        .with_single_cert(chain.expect("certificates"), key);
    TlsAcceptor::from(Arc::new(config.expect("they belong together")))
}

async fn serve(acceptor: &TlsAcceptor, stream: TcpStream, content: &Mutex<Content>) -> Option<()> {
    let mut stream = BufReader::new(acceptor.accept(stream).await.ok()?);
    let mut line = String::new();
    stream.read_line(&mut line).await.ok()?;
    let mut words = line.split_whitespace().map(str::to_owned);
    let (method, target) = (words.next()?, words.next()?);
    let mut headers = BTreeMap::new();
    loop {
        line.clear();
        stream.read_line(&mut line).await.ok()?;
        let Some((name, value)) = line.split_once(':') else { break };
        headers.insert(name.to_ascii_lowercase(), value.trim().to_owned());
    }
    let length = headers.get("content-length").map_or(Some(0), |length| length.parse().ok())?;
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await.ok()?;
    let body = String::from_utf8(body).ok()?;
    let path = target.split('?').next()?.to_owned();
    let document = {
        let mut content = content.lock().unwrap_or_else(PoisonError::into_inner);
        content.requests.push(Request { method, target, headers, body });
        content.documents.get(&path).cloned()
    };
    let (status, document) = match document {
        Some(document) => ("200 OK", document),
        None => ("404 Not Found", Document { content_type: "text/plain", body: b"not here".to_vec() }),
    };
    let Document { content_type, body } = document;
    let head = format!(
        "HTTP/1.1 {status}\r\nContent-Type: {content_type}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes()).await.ok()?;
    stream.write_all(&body).await.ok()?;
    stream.shutdown().await.ok()
}
