//! Limits and deadlines of connections, at their edges, on HTTP/1 and HTTP/2.

use super::*;
use axum::routing::get;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::sync::oneshot;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::crypto::aws_lc_rs;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::version::{TLS12, TLS13};
use tokio_rustls::rustls::{
    ALL_VERSIONS, ClientConfig, ProtocolVersion, RootCertStore, SupportedProtocolVersion,
};

use super::tls::tests::{ROOT, first, second};

const QUICK: Limits = Limits {
    per_address: 3,
    head: Duration::from_millis(200),
    idle: Duration::from_millis(800),
    drain: Duration::from_millis(400),
};

struct Running {
    address: SocketAddr,
    counters: Arc<Connections>,
    stop: oneshot::Sender<()>,
    ended: tokio::task::JoinHandle<()>,
}

async fn start(exempt: Vec<IpAddr>) -> Running {
    start_with(None, QUICK, exempt).await
}

async fn start_tls() -> Running {
    start_with(Some(Tls::new(first())), QUICK, Vec::new()).await
}

async fn start_with(tls: Option<Tls>, limits: Limits, exempt: Vec<IpAddr>) -> Running {
    let slow = || async {
        sleep(Duration::from_millis(300)).await;
        "slow"
    };
    let peer = |ConnectInfo(peer): ConnectInfo<SocketAddr>| async move { peer.ip().to_string() };
    let router = Router::new()
        .route("/", get(peer))
        .route("/slow", get(slow))
        .route("/never", get(std::future::pending::<()>));
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("bound");
    let counters = Arc::new(Connections::default());
    let server = Server::new(router, tls, limits, exempt, counters.clone());
    let (stop, stopped) = oneshot::channel();
    let ended = tokio::spawn(server.serve(vec![listener], async { drop(stopped.await) }));
    Running { address, counters, stop, ended }
}

impl Running {
    async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.expect("listening")
    }
}

async fn ask(stream: &mut (impl AsyncRead + AsyncWrite + Unpin), head: &str) -> String {
    stream.write_all(head.as_bytes()).await.expect("open");
    let mut buffer = vec![0; 4096];
    let n = stream.read(&mut buffer).await.unwrap_or(0);
    String::from_utf8_lossy(&buffer[..n]).into_owned()
}

/// Milliseconds until the peer closes.
async fn closed_after(stream: &mut (impl AsyncRead + Unpin)) -> u128 {
    let started = Instant::now();
    let mut rest = Vec::new();
    let _ =
        timeout(Duration::from_secs(5), stream.read_to_end(&mut rest)).await.expect("it is closed at last");
    started.elapsed().as_millis()
}

const GET: &str = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
/// The preface of a client and its settings, none.
const HTTP_2: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";

#[tokio::test]
async fn handlers_find_the_peer_and_connections_are_kept() {
    let server = start(Vec::new()).await;
    let mut stream = server.connect().await;
    for _ in 0..2 {
        let answer = ask(&mut stream, GET).await;
        assert!(answer.starts_with("HTTP/1.1 200") && answer.ends_with("127.0.0.1"), "{answer}");
    }
}

#[tokio::test]
async fn do4_a_slow_head_is_cut_and_an_idle_connection_is_closed_later() {
    let server = start(Vec::new()).await;
    let (mut silent, mut idle) = (server.connect().await, server.connect().await);
    let mut slow = server.connect().await;
    slow.write_all(b"GET / HT").await.expect("open");
    assert!(ask(&mut idle, GET).await.starts_with("HTTP/1.1 200"));
    let idle = tokio::spawn(async move { closed_after(&mut idle).await });
    assert!(closed_after(&mut slow).await < 600);
    assert!(closed_after(&mut silent).await < 600);
    let idle = idle.await.expect("no panic");
    assert!((700..2_000).contains(&idle), "{idle} ms");
    assert_eq!(server.counters.timed_out.load(Relaxed), 2);
}

#[tokio::test]
async fn do4_a_slow_second_head_is_cut_like_the_first() {
    let server = start(Vec::new()).await;
    let mut stream = server.connect().await;
    assert!(ask(&mut stream, GET).await.starts_with("HTTP/1.1 200"));
    stream.write_all(b"GET").await.expect("open");
    let after = closed_after(&mut stream).await;
    assert!((150..700).contains(&after), "{after} ms");
}

#[tokio::test]
async fn a_long_answer_is_no_idle_connection() {
    let server = start(Vec::new()).await;
    let mut stream = server.connect().await;
    assert!(
        ask(&mut stream, "GET /slow HTTP/1.1\r\nHost: a\r\n\r\n").await.ends_with("slow"),
        "longer than a head may take"
    );
}

#[tokio::test]
async fn do4_an_address_has_so_many_connections_and_gets_them_back() {
    let server = start(Vec::new()).await;
    let mut open = Vec::new();
    for _ in 0..QUICK.per_address {
        let mut stream = server.connect().await;
        assert!(ask(&mut stream, GET).await.starts_with("HTTP/1.1 200"));
        open.push(stream);
    }
    assert_eq!(ask(&mut server.connect().await, GET).await, "");
    assert_eq!(server.counters.refused.load(Relaxed), 1);
    open.clear();
    sleep(Duration::from_millis(100)).await;
    assert!(ask(&mut server.connect().await, GET).await.starts_with("HTTP/1.1 200"));
}

#[tokio::test]
async fn proxies_have_as_many_connections_as_they_like() {
    let server = start(vec![IpAddr::from([127, 0, 0, 1])]).await;
    let mut open = Vec::new();
    for _ in 0..3 * QUICK.per_address {
        let mut stream = server.connect().await;
        assert!(ask(&mut stream, GET).await.starts_with("HTTP/1.1 200"));
        open.push(stream);
    }
}

#[tokio::test]
async fn do1_a_head_has_16_kib_and_64_fields() {
    let server = start(Vec::new()).await;
    let fields = |n: usize| format!("GET / HTTP/1.1\r\nHost: a\r\n{}\r\n", "x: y\r\n".repeat(n - 1));
    let bytes = |n: usize| format!("GET / HTTP/1.1\r\nHost: a\r\nx: {}\r\n\r\n", "y".repeat(n - 32));
    assert_eq!(bytes(MAX_HEAD_BYTES).len(), MAX_HEAD_BYTES);
    for (head, status) in [
        (fields(MAX_HEAD_FIELDS), "200"),
        (fields(MAX_HEAD_FIELDS + 1), "431"),
        (bytes(MAX_HEAD_BYTES), "200"),
        (bytes(MAX_HEAD_BYTES + 1), "431"),
    ] {
        let answer = ask(&mut server.connect().await, &head).await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status}")), "{} bytes: {answer}", head.len());
    }
}

#[tokio::test]
async fn a_request_of_http_1_1_has_one_host() {
    let server = start(Vec::new()).await;
    for (head, status) in [
        ("GET / HTTP/1.1\r\nHost: a\r\n\r\n", "1.1 200"),
        ("GET / HTTP/1.1\r\n\r\n", "1.1 400"),
        ("GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n", "1.1 400"),
        ("GET / HTTP/1.0\r\n\r\n", "1.0 200"),
    ] {
        let answer = ask(&mut server.connect().await, head).await;
        assert!(answer.starts_with(&format!("HTTP/{status}")), "{head}: {answer}");
    }
}

#[tokio::test]
async fn rb16_at_shutdown_answers_finish_and_nothing_new_begins() {
    let server = start(Vec::new()).await;
    let (mut idle, mut slow) = (server.connect().await, server.connect().await);
    assert!(ask(&mut idle, GET).await.starts_with("HTTP/1.1 200"));
    let answer = tokio::spawn(async move { ask(&mut slow, "GET /slow HTTP/1.1\r\nHost: a\r\n\r\n").await });
    sleep(Duration::from_millis(50)).await;
    server.stop.send(()).expect("running");
    assert!(closed_after(&mut idle).await < 200);
    assert!(TcpStream::connect(server.address).await.is_err());
    assert!(answer.await.expect("no panic").ends_with("slow"));
    timeout(Duration::from_millis(200), server.ended)
        .await
        .expect("it ends with the last answer")
        .expect("no panic");
}

#[tokio::test]
async fn rb16_an_answer_without_end_does_not_hold_the_shutdown() {
    let server = start(Vec::new()).await;
    let mut stream = server.connect().await;
    let waiting =
        tokio::spawn(async move { ask(&mut stream, "GET /never HTTP/1.1\r\nHost: a\r\n\r\n").await });
    sleep(Duration::from_millis(50)).await;
    server.stop.send(()).expect("running");
    timeout(Duration::from_secs(1), server.ended).await.expect("it is cut").expect("no panic");
    assert_eq!(waiting.await.expect("no panic"), "");
}

/// Sends a GET with so many fields `x: y` as the HTTP/2 stream `id`; the first byte of the answer's header block, which is
/// 0x88 for a 200 (RFC 7541 appendix A).
async fn ask_http_2(stream: &mut (impl AsyncRead + AsyncWrite + Unpin), id: u8, fields: usize) -> u8 {
    let mut block = b"\x82\x86\x84\x41\x01a".to_vec();
    block.extend(b"\x00\x01x\x01y".repeat(fields));
    let length = u16::try_from(block.len()).expect("short").to_be_bytes();
    let mut frame = vec![0, length[0], length[1], 0x1, 0x5, 0, 0, 0, id];
    frame.extend(block);
    stream.write_all(&frame).await.expect("open");
    loop {
        let mut head = [0; 9];
        stream.read_exact(&mut head).await.expect("an answer comes");
        let mut payload = vec![0; usize::from(head[1]) << 8 | usize::from(head[2])];
        stream.read_exact(&mut payload).await.expect("the whole frame");
        if head[3] == 0x1 {
            return payload[0];
        }
    }
}

#[tokio::test]
async fn http_2_by_prior_knowledge_has_the_same_limits_and_may_be_idle() {
    let server = start(Vec::new()).await;
    let mut stream = server.connect().await;
    stream.write_all(HTTP_2).await.expect("open");
    assert_eq!(ask_http_2(&mut stream, 1, 0).await, 0x88);
    assert_ne!(ask_http_2(&mut stream, 3, MAX_HEAD_FIELDS + 1).await, 0x88);
    stream.write_all(b"\0\0\x08\x06\0\0\0\0\0pingping").await.expect("open");
    sleep(QUICK.head * 2).await;
    assert_eq!(ask_http_2(&mut stream, 5, 0).await, 0x88, "a ping is no slow head");
    let after = closed_after(&mut stream).await;
    assert!((600..1_500).contains(&after), "{after} ms");
}

/// What a client offers in its handshake.
#[derive(Clone, Copy)]
struct Hello<'a> {
    /// The time that it takes to begin.
    after: Duration,
    versions: &'a [&'static SupportedProtocolVersion],
    alpn: &'a [&'a str],
}

const HELLO: Hello<'_> = Hello { after: Duration::ZERO, versions: ALL_VERSIONS, alpn: &[] };

impl Running {
    async fn shake_hands(&self, hello: Hello<'_>) -> io::Result<TlsStream<TcpStream>> {
        let stream = self.connect().await;
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(ROOT).expect("PEM")).expect("a certificate");
        let mut config = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_protocol_versions(hello.versions)
            .expect("known ones")
            .with_root_certificates(roots)
            .with_no_client_auth();
        config.alpn_protocols = hello.alpn.iter().map(|name| name.as_bytes().to_vec()).collect();
        let name = ServerName::try_from("localhost").expect("a name");
        sleep(hello.after).await;
        TlsConnector::from(Arc::new(config)).connect(name, stream).await
    }
}

fn certificate_of(stream: &TlsStream<TcpStream>) -> Vec<u8> {
    stream.get_ref().1.peer_certificates().expect("there is one")[0].to_vec()
}

#[tokio::test]
async fn tls_is_1_3_or_1_2_and_handlers_find_the_peer() {
    let server = start_tls().await;
    for (versions, version) in [
        (ALL_VERSIONS, ProtocolVersion::TLSv1_3),
        (&[&TLS13][..], ProtocolVersion::TLSv1_3),
        (&[&TLS12], ProtocolVersion::TLSv1_2),
    ] {
        let mut stream = server.shake_hands(Hello { versions, ..HELLO }).await.expect("a handshake");
        assert_eq!(stream.get_ref().1.protocol_version(), Some(version));
        for _ in 0..2 {
            let answer = ask(&mut stream, GET).await;
            assert!(answer.starts_with("HTTP/1.1 200") && answer.ends_with("127.0.0.1"), "{answer}");
        }
    }
}

#[tokio::test]
async fn http_2_comes_by_alpn_and_another_protocol_is_refused() {
    let server = start_tls().await;
    for (alpn, chosen) in [
        (&["h2", "http/1.1"][..], Some("h2")),
        (&["http/1.1", "h2"], Some("h2")),
        (&["http/1.1"], Some("http/1.1")),
        (&[], None),
    ] {
        let mut stream = server.shake_hands(Hello { alpn, ..HELLO }).await.expect("a handshake");
        assert_eq!(stream.get_ref().1.alpn_protocol(), chosen.map(str::as_bytes), "{alpn:?}");
        if chosen == Some("h2") {
            stream.write_all(HTTP_2).await.expect("open");
            assert_eq!(ask_http_2(&mut stream, 1, 0).await, 0x88);
            assert_ne!(ask_http_2(&mut stream, 3, MAX_HEAD_FIELDS + 1).await, 0x88);
        } else {
            assert!(ask(&mut stream, GET).await.starts_with("HTTP/1.1 200"));
        }
    }
    // RFC 7301 §3.2: what is meant for a mail server does not end up here.
    let refused = server.shake_hands(Hello { alpn: &["smtp"], ..HELLO }).await;
    assert!(refused.is_err());
}

#[tokio::test]
async fn another_certificate_is_for_the_handshakes_from_then_on() {
    let tls = Tls::new(first());
    let server = start_with(Some(tls.clone()), QUICK, Vec::new()).await;
    let mut old = server.shake_hands(HELLO).await.expect("a handshake");
    assert!(ask(&mut old, GET).await.starts_with("HTTP/1.1 200"));
    tls.replace(second());
    let mut new = server.shake_hands(HELLO).await.expect("a handshake");
    assert_ne!(certificate_of(&new), certificate_of(&old));
    assert!(ask(&mut new, GET).await.starts_with("HTTP/1.1 200"));
    assert!(ask(&mut old, GET).await.starts_with("HTTP/1.1 200"), "connections go on");
}

#[tokio::test]
async fn do4_a_slow_handshake_is_cut() {
    let server = start_tls().await;
    let (mut silent, mut slow) = (server.connect().await, server.connect().await);
    // The first bytes of a ClientHello that is longer.
    slow.write_all(b"\x16\x03\x01\x02\0\x01").await.expect("open");
    assert!(closed_after(&mut silent).await < 600);
    assert!(closed_after(&mut slow).await < 600);
    assert_eq!(server.counters.timed_out.load(Relaxed), 2);
}

#[tokio::test]
async fn do4_a_handshake_and_the_first_head_have_one_deadline_together() {
    let limits = Limits { head: Duration::from_secs(1), ..QUICK };
    let server = start_with(Some(Tls::new(first())), limits, Vec::new()).await;
    let began = Instant::now();
    let after = Duration::from_millis(600);
    let mut stream = server.shake_hands(Hello { after, ..HELLO }).await.expect("in time");
    stream.write_all(b"GET / HT").await.expect("open");
    closed_after(&mut stream).await;
    assert!(began.elapsed() < limits.head + after, "{:?}", began.elapsed());
    assert_eq!(server.counters.timed_out.load(Relaxed), 1);
}

#[tokio::test]
async fn what_is_no_tls_is_closed_at_once_and_gives_its_place_back() {
    let server = start_tls().await;
    for nonsense in [GET.as_bytes(), HTTP_2, b"\0\0\0\0\0\0\0\0", b"\x16\x03\x01\0\x04\x01\0\0\0"] {
        for _ in 0..2 * QUICK.per_address {
            let mut stream = server.connect().await;
            stream.write_all(nonsense).await.expect("open");
            closed_after(&mut stream).await;
            assert_eq!(server.counters.timed_out.load(Relaxed), 0, "{nonsense:?}");
        }
    }
    let mut stream = server.shake_hands(HELLO).await.expect("a handshake");
    assert!(ask(&mut stream, GET).await.starts_with("HTTP/1.1 200"));
    server.stop.send(()).expect("running");
    server.ended.await.expect("no panic");
}

#[tokio::test]
async fn do4_connections_are_counted_before_their_handshake() {
    let server = start_tls().await;
    let mut open = Vec::new();
    for _ in 0..QUICK.per_address {
        open.push(server.shake_hands(HELLO).await.expect("a handshake"));
    }
    assert!(server.shake_hands(HELLO).await.is_err());
    assert_eq!(server.counters.refused.load(Relaxed), 1);
}

#[tokio::test]
async fn rb16_at_shutdown_answers_over_tls_finish_and_handshakes_do_not_hold_it() {
    let server = start_tls().await;
    let (mut silent, mut slow) =
        (server.connect().await, server.shake_hands(HELLO).await.expect("a handshake"));
    let answer = tokio::spawn(async move { ask(&mut slow, "GET /slow HTTP/1.1\r\nHost: a\r\n\r\n").await });
    sleep(Duration::from_millis(50)).await;
    server.stop.send(()).expect("running");
    closed_after(&mut silent).await;
    assert_eq!(server.counters.timed_out.load(Relaxed), 0, "it is not waited for");
    assert!(answer.await.expect("no panic").ends_with("slow"));
    timeout(Duration::from_millis(200), server.ended)
        .await
        .expect("it ends with the last answer")
        .expect("no panic");
}

#[test]
fn an_ipv6_peer_is_counted_by_its_network() {
    let count = |text: &str| network_of(text.parse().expect("an address")).to_string();
    assert_eq!(count("2001:db8::1:2:3:4"), "2001:db8::");
    assert_eq!(count("::ffff:192.0.2.1"), "192.0.2.1");
    assert_eq!(count("::1"), "::1");
}
