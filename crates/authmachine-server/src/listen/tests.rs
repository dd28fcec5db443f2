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
    ping: Duration::from_secs(5),
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
        .route("/large", get(|| async { vec![0; 8 * 1024 * 1024] }))
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

#[tokio::test]
async fn a_request_with_a_transfer_encoding_is_the_last_of_its_connection() {
    let server = start(Vec::new()).await;
    let both =
        "GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n";
    let mut stream = server.connect().await;
    stream.write_all([both, GET].concat().as_bytes()).await.expect("open");
    let mut all = String::new();
    stream.read_to_string(&mut all).await.expect("it is closed");
    assert_eq!(all.matches("HTTP/1.1 ").count(), 1, "{all}");
    assert!(all.contains("connection: close"), "{all}");
}

#[tokio::test]
async fn do4_who_does_not_take_an_answer_is_cut() {
    let server = start(Vec::new()).await;
    let mut stream = server.connect().await;
    stream.write_all(b"GET /large HTTP/1.1\r\nHost: a\r\n\r\n").await.expect("open");
    let late = QUICK.idle + QUICK.drain;
    sleep(late - Duration::from_millis(200)).await;
    assert_eq!(server.counters.closed.load(Relaxed), 0);
    sleep(Duration::from_millis(800)).await;
    assert_eq!(server.counters.closed.load(Relaxed), 1);
}

/// A frame of HTTP/2 (RFC 9113 §4.1).
fn frame(kind: u8, flags: u8, id: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).expect("short").to_be_bytes();
    let mut frame = vec![length[1], length[2], length[3], kind, flags];
    frame.extend(id.to_be_bytes());
    frame.extend(payload);
    frame
}

const DATA: u8 = 0x0;
const HEADERS: u8 = 0x1;
const RST_STREAM: u8 = 0x3;
const SETTINGS: u8 = 0x4;
const PING: u8 = 0x6;
const GOAWAY: u8 = 0x7;
/// END_STREAM and END_HEADERS.
const WHOLE: u8 = 0x5;

struct Frame {
    kind: u8,
    flags: u8,
    id: u32,
    payload: Vec<u8>,
}

/// The next frame; `None` when the peer has closed.
async fn next_frame(stream: &mut (impl AsyncRead + Unpin)) -> Option<Frame> {
    let mut head = [0; 9];
    timeout(Duration::from_secs(5), stream.read_exact(&mut head)).await.expect("something comes").ok()?;
    let [a, b, c, kind, flags, id @ ..] = head;
    let mut payload = vec![0; usize::try_from(u32::from_be_bytes([0, a, b, c])).expect("short")];
    stream.read_exact(&mut payload).await.ok()?;
    Some(Frame { kind, flags, id: u32::from_be_bytes(id), payload })
}

/// The header block of a GET of `path` (RFC 7541 §6), with `more` after it.
fn block(path: &str, more: &[u8]) -> Vec<u8> {
    let length = u8::try_from(path.len()).expect("short");
    let mut block = vec![0x82, 0x86, 0x04, length];
    block.extend(path.as_bytes());
    block.extend(b"\x41\x01a");
    block.extend(more);
    block
}

/// Sends a GET with so many fields `x: y` as the HTTP/2 stream `id`; the first byte of the answer's header block, which is
/// 0x88 for a 200 (RFC 7541 appendix A).
async fn ask_http_2(stream: &mut (impl AsyncRead + AsyncWrite + Unpin), id: u32, fields: usize) -> u8 {
    ask_block(stream, id, &block("/", &b"\x00\x01x\x01y".repeat(fields))).await
}

async fn ask_block(stream: &mut (impl AsyncRead + AsyncWrite + Unpin), id: u32, block: &[u8]) -> u8 {
    stream.write_all(&frame(HEADERS, WHOLE, id, block)).await.expect("open");
    loop {
        let frame = next_frame(stream).await.expect("an answer comes");
        if frame.kind == HEADERS && frame.id == id {
            return frame.payload[0];
        }
    }
}

#[tokio::test]
async fn do1_a_head_of_http_2_has_16_kib() {
    let server = start(Vec::new()).await;
    // What RFC 9113 §6.5.2 counts: names, values, and 32 bytes for each field.
    let usual = (":methodGET:schemehttp:path/:authoritya".len() + 4 * 32) + "x".len() + 32;
    let with = |length: usize| {
        let mut field = b"\x00\x01x\x7f".to_vec();
        let rest = length - 127;
        field.extend([
            u8::try_from(rest % 128).expect("7 bits") | 0x80,
            u8::try_from(rest / 128).expect("7 bits"),
        ]);
        field.extend(vec![b'y'; length]);
        block("/", &field)
    };
    for (bytes, is_ok) in [(MAX_HEAD_BYTES, true), (MAX_HEAD_BYTES + 1, false)] {
        let mut stream = server.connect().await;
        stream.write_all(HTTP_2).await.expect("open");
        assert_eq!(ask_block(&mut stream, 1, &with(bytes - usual)).await == 0x88, is_ok, "{bytes}");
    }
}

#[tokio::test]
async fn do1_one_connection_of_http_2_has_one_hundred_requests_at_once() {
    let server = start(Vec::new()).await;
    let mut stream = server.connect().await;
    stream.write_all(HTTP_2).await.expect("open");
    for n in 0..=MAX_STREAMS {
        stream.write_all(&frame(HEADERS, WHOLE, 2 * n + 1, &block("/never", &[]))).await.expect("open");
    }
    loop {
        let frame = next_frame(&mut stream).await.expect("it stays open");
        assert_ne!(frame.kind, HEADERS);
        if frame.kind == RST_STREAM {
            // REFUSED_STREAM: it was not begun, and may be sent again (RFC 9113 §8.7).
            assert_eq!((frame.id, frame.payload), (2 * MAX_STREAMS + 1, vec![0, 0, 0, 7]));
            break;
        }
    }
    let mut other = server.connect().await;
    assert!(ask(&mut other, GET).await.starts_with("HTTP/1.1 200"));
}

#[tokio::test]
async fn do4_a_slow_head_of_http_2_is_cut() {
    let server = start(Vec::new()).await;
    for begun in [&b""[..], &frame(HEADERS, 0x1, 1, &block("/", &[]))] {
        let mut stream = server.connect().await;
        stream.write_all(&[HTTP_2, begun].concat()).await.expect("open");
        assert!(closed_after(&mut stream).await < 600);
    }
    assert_eq!(server.counters.timed_out.load(Relaxed), 2);
}

#[tokio::test]
async fn do4_who_gives_no_window_for_an_answer_is_cut() {
    let server = start(Vec::new()).await;
    let mut stream = server.connect().await;
    // SETTINGS_INITIAL_WINDOW_SIZE is 0.
    let settings = frame(SETTINGS, 0, 0, &[0, 4, 0, 0, 0, 0]);
    stream.write_all(&[b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", &*settings].concat()).await.expect("open");
    assert_eq!(ask_http_2(&mut stream, 1, 0).await, 0x88);
    let after = closed_after(&mut stream).await;
    assert!((600..1_900).contains(&after), "{after} ms");
}

#[tokio::test]
async fn do4_a_peer_of_http_2_that_answers_no_ping_is_cut() {
    let limits = Limits { ping: Duration::from_millis(300), ..QUICK };
    let server = start_with(None, limits, Vec::new()).await;
    for is_alive in [false, true] {
        let mut stream = server.connect().await;
        stream.write_all(HTTP_2).await.expect("open");
        stream.write_all(&frame(HEADERS, WHOLE, 1, &block("/never", &[]))).await.expect("open");
        let began = Instant::now();
        let mut pings = 0;
        while pings < 4
            && let Some(next) = next_frame(&mut stream).await
        {
            if next.kind == PING && next.flags == 0 {
                pings += 1;
                if is_alive {
                    stream.write_all(&frame(PING, 0x1, 0, &next.payload)).await.expect("open");
                }
            }
        }
        assert_eq!(pings == 4, is_alive, "{:?}", began.elapsed());
        assert!(began.elapsed() < Duration::from_secs(3));
    }
}

#[tokio::test]
async fn rb16_at_shutdown_http_2_is_told_to_go_and_its_answer_finishes() {
    let server = start_tls().await;
    let mut stream = server.shake_hands(Hello { alpn: &["h2"], ..HELLO }).await.expect("a handshake");
    stream.write_all(HTTP_2).await.expect("open");
    stream.write_all(&frame(HEADERS, WHOLE, 1, &block("/slow", &[]))).await.expect("open");
    sleep(Duration::from_millis(100)).await;
    server.stop.send(()).expect("running");
    let (mut goes, mut answer) = (0, Vec::new());
    while let Some(next) = next_frame(&mut stream).await {
        match next.kind {
            // How far a request of this moment came is asked before the last word (RFC 9113 §6.8).
            PING if next.flags == 0 => {
                stream.write_all(&frame(PING, 0x1, 0, &next.payload)).await.expect("open");
            }
            GOAWAY => goes += 1,
            DATA => answer.extend(next.payload),
            _ => {}
        }
    }
    assert_eq!((goes, answer), (2, b"slow".to_vec()));
    timeout(Duration::from_millis(500), server.ended)
        .await
        .expect("it ends with the last answer")
        .expect("no panic");
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
