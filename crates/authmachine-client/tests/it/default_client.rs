//! The HTTP client that is there by default, against sockets.

use std::{net::SocketAddr, sync::Arc};

use authmachine_client::Login;
use axum::Router;
use http::StatusCode;
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::{
    TlsAcceptor,
    rustls::{ServerConfig, crypto::aws_lc_rs, pki_types::PrivateKeyDer},
    server::TlsStream,
};

use crate::{
    app::{Answer, Browser},
    op::{KEY, Op},
};

const DISCOVERY: &str = "/.well-known/openid-configuration";
/// For `localhost`, by nobody but itself.
const CERTIFICATE: &[u8] = include_bytes!("../data/self_signed.der");
const CERTIFICATE_KEY: &[u8] = include_bytes!("../data/self_signed.pkcs8");

/// What comes of a sign-in's first step at `issuer`.
async fn start_at(issuer: &str) -> Answer {
    let login = Login::builder(issuer, "app").public_url("https://app.example").session_key("k".repeat(32));
    let login = login.build().expect("legal settings");
    Browser::new(login.attach(Router::new())).open("/login").await
}

/// A provider on plain http, with one answer changed.
async fn with_answer(path: &'static str, status: u16, body: String) -> (Op, Answer) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let issuer = format!("http://{}", listener.local_addr().expect("an address"));
    let op = Op::at(&issuer, Arc::clone(&KEY));
    if status != 0 {
        op.script().answers.insert(path, (status, body));
    }
    let server = tokio::spawn(op.clone().serve(listener));
    let answer = start_at(&issuer).await;
    server.abort();
    (op, answer)
}

#[tokio::test]
async fn it_asks_over_http() {
    let (op, answer) = with_answer(DISCOVERY, 0, String::new()).await;
    assert_eq!(answer.status, StatusCode::SEE_OTHER, "{}", answer.body);
    let asked = op.seen(DISCOVERY).remove(0);
    assert!(asked.headers["user-agent"].to_str().is_ok_and(|agent| agent.starts_with("authmachine-client/")));
}

#[tokio::test]
async fn do1_it_reads_no_answer_without_end() {
    let (_, answer) = with_answer(DISCOVERY, 200, " ".repeat(300_000)).await;
    assert_eq!(answer.status, StatusCode::BAD_GATEWAY);
}

#[tokio::test]
async fn it_follows_no_redirect() {
    let (op, answer) = with_answer(DISCOVERY, 302, String::new()).await;
    assert_eq!(answer.status, StatusCode::BAD_GATEWAY);
    assert_eq!(op.script().seen.len(), 1);
}

#[tokio::test]
async fn nobody_there_is_try_again() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let issuer = format!("http://{}", listener.local_addr().expect("an address"));
    drop(listener);
    assert_eq!(start_at(&issuer).await.status, StatusCode::SERVICE_UNAVAILABLE);
}

/// Speaks TLS under [`CERTIFICATE`].
struct Tls {
    listener: TcpListener,
    acceptor: TlsAcceptor,
}

impl axum::serve::Listener for Tls {
    type Io = TlsStream<TcpStream>;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Self::Io, SocketAddr) {
        loop {
            let (stream, address) = self.listener.accept().await.expect("a connection");
            // Who does not trust the certificate hangs up.
            if let Ok(stream) = self.acceptor.accept(stream).await {
                return (stream, address);
            }
        }
    }

    fn local_addr(&self) -> std::io::Result<SocketAddr> {
        self.listener.local_addr()
    }
}

#[tokio::test]
async fn cl9_a_certificate_by_nobody_is_refused() {
    let listener = TcpListener::bind("localhost:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    let issuer = format!("https://localhost:{}", address.port());
    let key = PrivateKeyDer::Pkcs8(CERTIFICATE_KEY.into());
    let config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_no_client_auth()
        .with_single_cert(vec![CERTIFICATE.into()], key)
        .expect("a certificate and its key");
    let op = Op::at(&issuer, Arc::clone(&KEY));
    let server = tokio::spawn(op.clone().serve(Tls { listener, acceptor: Arc::new(config).into() }));

    let answer = start_at(&issuer).await;
    assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE);
    assert!(op.script().seen.is_empty(), "it is asked nothing");

    // The server is a good one for whoever trusts that certificate.
    let trusted = reqwest::Certificate::from_der(CERTIFICATE).expect("a certificate");
    let trusting =
        reqwest::Client::builder().tls_certs_only([trusted]).no_proxy().resolve("localhost", address);
    let answer = trusting.build().expect("a client").get(format!("{issuer}{DISCOVERY}")).send().await;
    assert_eq!(answer.expect("an answer").status(), 200);
    server.abort();
}
