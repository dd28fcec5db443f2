//! Hostile framing (checklist RB24): requests that two readers could read in two ways, and frames of HTTP/2 that cost the sender
//! little. They are refused or bounded, never taken for two requests, and the others are served.

use std::sync::Arc;
use std::time::{Duration, Instant};

use authmachine_e2e::{Engine, Provider, http, note};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

use crate::scenario::Scenario;

const ROOT: &[u8] = include_bytes!("../../crates/authmachine-server/tests/data/tls/root.pem");
/// What an attack may cost beyond what a quiet server needs.
const MORE_KIB: u64 = 24 * 1024;

/// What may come of a head: so many answers, the first with one of these statuses, or none at all.
struct Shape {
    name: &'static str,
    bytes: Vec<u8>,
    answers: usize,
    statuses: &'static [&'static str],
}

/// What a front that reads otherwise would take for the next request.
const HIDDEN: &str = "GET /healthz HTTP/1.1\r\nHost: hidden\r\n\r\n";

fn shapes() -> Vec<Shape> {
    let post = |more: &str, body: &str| {
        format!(
            "POST /oidc/token HTTP/1.1\r\nHost: a\r\nContent-Type: application/x-www-form-urlencoded\r\n{more}\r\n{body}"
        )
    };
    let get = |more: &str| format!("GET /healthz HTTP/1.1\r\nHost: a\r\n{more}\r\n");
    let shape =
        |name, text: String, answers, statuses| Shape { name, bytes: text.into_bytes(), answers, statuses };
    let bad: &[&str] = &["400"];
    let large: &[&str] = &["431", "400"];
    vec![
        shape(
            "length and encoding",
            post("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", &format!("0\r\n\r\n{HIDDEN}")),
            1,
            &["400", "401"],
        ),
        shape(
            "encoding and length",
            post("Transfer-Encoding: chunked\r\nContent-Length: 5\r\n", &format!("0\r\n\r\n{HIDDEN}")),
            1,
            &["400", "401"],
        ),
        shape(
            "encoding alone",
            post("Transfer-Encoding: chunked\r\n", &format!("0\r\n\r\n{HIDDEN}")),
            1,
            &["400", "401"],
        ),
        shape(
            "encoding twice",
            post(
                "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n",
                &format!("0\r\n\r\n{HIDDEN}"),
            ),
            1,
            bad,
        ),
        shape(
            "encoding unknown",
            post("Transfer-Encoding: xchunked\r\n", &format!("0\r\n\r\n{HIDDEN}")),
            1,
            bad,
        ),
        shape(
            "encoding with a blank before its colon",
            post("Transfer-Encoding : chunked\r\n", &format!("0\r\n\r\n{HIDDEN}")),
            1,
            bad,
        ),
        shape(
            "encoding after a tab",
            post("Transfer-Encoding:\tchunked\r\n", &format!("0\r\n\r\n{HIDDEN}")),
            1,
            &["400", "401"],
        ),
        shape(
            "encoding with a vertical tab",
            post("Transfer-Encoding:\x0bchunked\r\n", &format!("0\r\n\r\n{HIDDEN}")),
            1,
            bad,
        ),
        shape(
            "encoding on a folded line",
            post("Transfer-Encoding:\r\n chunked\r\n", &format!("0\r\n\r\n{HIDDEN}")),
            1,
            bad,
        ),
        shape(
            "encoding in HTTP/1.0",
            format!("POST /oidc/token HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n{HIDDEN}"),
            1,
            bad,
        ),
        shape("two lengths", post("Content-Length: 0\r\nContent-Length: 40\r\n", HIDDEN), 1, bad),
        shape("two lengths in one", post("Content-Length: 0, 40\r\n", HIDDEN), 1, bad),
        shape("length with a sign", post("Content-Length: +0\r\n", HIDDEN), 1, bad),
        shape("length in hex", post("Content-Length: 0x0\r\n", HIDDEN), 1, bad),
        shape("length without end", post("Content-Length: 99999999999999999999999\r\n", HIDDEN), 1, bad),
        shape("negative length", post("Content-Length: -1\r\n", HIDDEN), 1, bad),
        shape(
            "chunk without a size",
            post("Transfer-Encoding: chunked\r\n", &format!("z\r\n{HIDDEN}")),
            1,
            &["400"],
        ),
        shape(
            "chunk of more than there is",
            post("Transfer-Encoding: chunked\r\n", &format!("FFFFFFFFFFFFFFFFF\r\n{HIDDEN}")),
            1,
            &["400"],
        ),
        shape(
            "chunk extension",
            post("Transfer-Encoding: chunked\r\n", &format!("0;a=\"\r\n\r\n{HIDDEN}")),
            1,
            &["400", "401"],
        ),
        shape(
            "chunk extension without end",
            post("Transfer-Encoding: chunked\r\n", &format!("1;{}", "a".repeat(64 * 1024))),
            1,
            &["400"],
        ),
        shape(
            "trailers without end",
            post("Transfer-Encoding: chunked\r\n", &format!("0\r\n{}", "a: b\r\n".repeat(20_000))),
            1,
            &["400", "431"],
        ),
        shape("folded line", get("x: y\r\n z: 1\r\n"), 1, bad),
        shape("null in a value", get("x: a\0b\r\n"), 1, bad),
        shape("null in a name", get("x\0: b\r\n"), 1, bad),
        shape("return in a value", get("x: a\rHost: b\r\n"), 1, bad),
        shape("no name", get(": b\r\n"), 1, bad),
        shape("no colon", get("abc\r\n"), 1, bad),
        shape("blank in a name", get("a b: c\r\n"), 1, bad),
        shape("blank in the target", "GET /healthz /x HTTP/1.1\r\nHost: a\r\n\r\n".to_owned(), 1, bad),
        shape("no version", "GET /healthz\r\n\r\n".to_owned(), 1, bad),
        shape("another version", "GET /healthz HTTP/3.7\r\nHost: a\r\n\r\n".to_owned(), 1, bad),
        shape("lower case", "get /healthz http/1.1\r\nHost: a\r\n\r\n".to_owned(), 1, bad),
        shape("two hosts", get("Host: b\r\n"), 1, bad),
        shape("no host", "GET /healthz HTTP/1.1\r\n\r\n".to_owned(), 1, bad),
        shape("large head", get(&format!("x: {}\r\n", "y".repeat(64 * 1024))), 1, large),
        shape(
            "large target",
            format!("GET /{} HTTP/1.1\r\nHost: a\r\n\r\n", "y".repeat(64 * 1024)),
            1,
            &["431", "414", "400"],
        ),
        shape("many fields", get(&"x: y\r\n".repeat(3_000)), 1, large),
        shape("name without end", get(&"x".repeat(64 * 1024)), 1, large),
        shape("only returns", "\r\n".repeat(40_000), 1, large),
        shape("nonsense", "\u{1}\u{2}\u{3}\u{4}\r\n\r\n".to_owned(), 1, bad),
        shape(
            "a tunnel",
            "CONNECT example.com:443 HTTP/1.1\r\nHost: example.com:443\r\n\r\n".to_owned(),
            1,
            &["400", "404", "405"],
        ),
        shape(
            "a proxy's target",
            "GET http://evil.example/healthz HTTP/1.1\r\nHost: evil.example\r\n\r\n".to_owned(),
            1,
            &["200", "400", "404"],
        ),
        shape(
            "an upgrade",
            get(
                "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n",
            ),
            1,
            &["200"],
        ),
        shape("two in a row", format!("{HIDDEN}{HIDDEN}"), 2, &["200"]),
    ]
}

/// All that comes back until it is closed, or nothing comes for a while.
async fn answers(stream: &mut (impl AsyncRead + Unpin)) -> String {
    let mut all = Vec::new();
    let mut part = [0; 16 * 1024];
    loop {
        match timeout(Duration::from_millis(400), stream.read(&mut part)).await {
            Ok(Ok(count)) if count > 0 => all.extend_from_slice(&part[..count]),
            _ => return String::from_utf8_lossy(&all).into_owned(),
        }
    }
}

async fn shaken(provider: &Provider, protocol: &str) -> TlsStream<TcpStream> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(ROOT).expect("PEM")).expect("a certificate");
    let provider_of_ciphers = Arc::new(tokio_rustls::rustls::crypto::aws_lc_rs::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider_of_ciphers)
        .with_safe_default_protocol_versions()
        .expect("known ones")
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![protocol.as_bytes().to_vec()];
    let stream = TcpStream::connect(("127.0.0.1", provider.port())).await.expect("listening");
    let name = ServerName::try_from("localhost").expect("a name");
    TlsConnector::from(Arc::new(config)).connect(name, stream).await.expect("a handshake")
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
const PRIORITY: u8 = 0x2;
const RST_STREAM: u8 = 0x3;
const SETTINGS: u8 = 0x4;
const PING: u8 = 0x6;
const WINDOW_UPDATE: u8 = 0x8;
const CONTINUATION: u8 = 0x9;
const END_STREAM: u8 = 0x1;
const END_HEADERS: u8 = 0x4;
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// The header block of a request of `path` by `method`, an index of RFC 7541 appendix A: 0x82 is GET, 0x83 POST.
fn block(method: u8, path: &str, more: &[u8]) -> Vec<u8> {
    let mut block = vec![method, 0x87, 0x04, u8::try_from(path.len()).expect("short")];
    block.extend(path.as_bytes());
    block.extend(b"\x41\x01a");
    block.extend(more);
    block
}

/// What is sent first, and then again and again with another stream's number.
struct Attack {
    name: &'static str,
    first: Vec<u8>,
    again: Box<dyn Fn(u32) -> Vec<u8> + Send + Sync>,
    /// The server has to end it, rather than bear it within its limits.
    is_ended: bool,
}

fn attacks() -> Vec<Attack> {
    let settings = |payload: &[u8]| [PREFACE, &frame(SETTINGS, 0, 0, payload)].concat();
    let plain = settings(&[]);
    let get = |id| frame(HEADERS, END_STREAM | END_HEADERS, id, &block(0x82, "/healthz", &[]));
    let attack = |name, first: Vec<u8>, is_ended, again: Box<dyn Fn(u32) -> Vec<u8> + Send + Sync>| Attack {
        name,
        first,
        again,
        is_ended,
    };
    // A field of 4,000 bytes for the table, and then it again and again by one byte each (a bomb).
    let mut bomb = b"\x40\x01x\x7f\xa1\x1e".to_vec();
    bomb.extend(vec![b'y'; 127 + 0x21 + (0x1e << 7)]);
    bomb.extend(vec![0xbe; 12_000]);
    vec![
        attack(
            "rapid reset",
            plain.clone(),
            false,
            Box::new(move |id| [get(id), frame(RST_STREAM, 0, id, &[0, 0, 0, 8])].concat()),
        ),
        attack(
            "rapid reset of what is not begun",
            plain.clone(),
            true,
            Box::new(move |id| {
                // A thousand at once, so that most are reset before anybody takes them up.
                (0..1_000)
                    .flat_map(|n| [get(id + 2 * n), frame(RST_STREAM, 0, id + 2 * n, &[0, 0, 0, 8])].concat())
                    .collect()
            }),
        ),
        attack(
            "frames of headers without end",
            [plain.clone(), frame(HEADERS, END_STREAM, 1, &block(0x82, "/", &[]))].concat(),
            true,
            Box::new(|_| frame(CONTINUATION, 0, 1, &b"\x00\x01x\x01y".repeat(1_000))),
        ),
        attack(
            "empty frames of headers without end",
            [plain.clone(), frame(HEADERS, END_STREAM, 1, &block(0x82, "/", &[]))].concat(),
            true,
            Box::new(|_| frame(CONTINUATION, 0, 1, &[])),
        ),
        attack(
            "settings",
            plain.clone(),
            false,
            Box::new(|_| frame(SETTINGS, 0, 0, &[0, 4, 0, 0, 0xff, 0xff]).repeat(100)),
        ),
        attack("pings", plain.clone(), false, Box::new(|_| frame(PING, 0, 0, b"flooding").repeat(100))),
        attack(
            "priorities",
            plain.clone(),
            false,
            Box::new(|id| frame(PRIORITY, 0, id, &[0, 0, 0, 0, 16]).repeat(100)),
        ),
        attack("no window", settings(&[0, 4, 0, 0, 0, 0]), false, Box::new(get)),
        attack(
            "windows of one byte",
            settings(&[0, 4, 0, 0, 0, 1]),
            false,
            Box::new(move |id| [get(id), frame(WINDOW_UPDATE, 0, id, &[0, 0, 0, 1]).repeat(50)].concat()),
        ),
        attack(
            "a window over its end",
            plain.clone(),
            true,
            Box::new(|_| frame(WINDOW_UPDATE, 0, 0, &[0x7f, 0xff, 0xff, 0xff])),
        ),
        attack(
            "a bomb in the table",
            plain.clone(),
            false,
            Box::new(move |id| frame(HEADERS, END_STREAM | END_HEADERS, id, &block(0x82, "/", &bomb))),
        ),
        attack(
            "streams without end",
            plain.clone(),
            false,
            Box::new(|id| {
                frame(
                    HEADERS,
                    END_HEADERS,
                    id,
                    &block(0x83, "/oidc/token", b"\x0f\x10\x21application/x-www-form-urlencoded"),
                )
            }),
        ),
        attack(
            "empty data",
            [
                plain.clone(),
                frame(
                    HEADERS,
                    END_HEADERS,
                    1,
                    &block(0x83, "/oidc/token", b"\x0f\x10\x21application/x-www-form-urlencoded"),
                ),
            ]
            .concat(),
            false,
            Box::new(|_| frame(DATA, 0, 1, &[]).repeat(100)),
        ),
        attack("data for nobody", plain.clone(), true, Box::new(|_| frame(DATA, 0, 9_999, &[0; 100]))),
        attack(
            "an even number",
            plain.clone(),
            true,
            Box::new(|_| frame(HEADERS, END_STREAM | END_HEADERS, 2, &block(0x82, "/", &[]))),
        ),
        attack("a frame too large", plain, true, Box::new(|_| frame(DATA, 0, 1, &[0; 100_000]))),
    ]
}

/// Sends it for a time, and takes what comes; whether the server ended it.
async fn carry_out(attack: &Attack, stream: impl AsyncRead + AsyncWrite + Unpin, time: Duration) -> bool {
    let (mut from, mut to) = tokio::io::split(stream);
    let sending = async {
        if to.write_all(&attack.first).await.is_err() {
            return;
        }
        let mut id = 1;
        loop {
            if to.write_all(&(attack.again)(id)).await.is_err() || to.flush().await.is_err() {
                return;
            }
            id += 2_000;
            if id > 0x7fff_0000 {
                return;
            }
        }
    };
    let taking = async {
        let mut part = vec![0; 64 * 1024];
        while from.read(&mut part).await.is_ok_and(|count| count > 0) {}
    };
    tokio::select! {
        () = async { tokio::join!(sending, taking); } => true,
        () = tokio::time::sleep(time) => false,
    }
}

/// What comes before the store is the same on both engines.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rb24_heads_that_can_be_read_in_two_ways_are_read_in_one() {
    let engine = Engine::Sqlite;
    let mut scenario = Scenario::begin("hostile HTTP/1 framing", "RB24", &engine, 1, 20);
    let mut provider = Provider::prepare(&engine).await;
    provider.set("LOG__LEVEL", "error");
    provider.launch().await;
    for _ in 0..scenario.count {
        for Shape { name, bytes, answers: count, statuses } in shapes() {
            let mut stream = TcpStream::connect(("127.0.0.1", provider.port())).await.expect("listening");
            // It may be closed before all of it is taken.
            let _ = stream.write_all(&bytes).await;
            let all = answers(&mut stream).await;
            let heads: Vec<&str> = all.match_indices("HTTP/1.").map(|(at, _)| &all[at..]).collect();
            assert!(heads.len() <= count, "{name} is taken for {} requests: {all}", heads.len());
            if let Some(first) = heads.first() {
                let status = first.split(' ').nth(1).unwrap_or_default();
                assert!(statuses.contains(&status), "{name}: {all}");
            }
            scenario.happened();
        }
        http::get(&provider.url("/healthz")).await.expect(200);
    }
    assert_eq!(provider.metric("authmachine_panics_total").await, "0");
    scenario.end();
}

/// What comes before the store is the same on both engines.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rb24_hostile_frames_are_bounded_and_others_are_served() {
    let engine = Engine::Sqlite;
    let mut scenario = Scenario::begin("hostile HTTP/2 framing", "RB24", &engine, 1, 5);
    let time = Duration::from_secs(if scenario.is_full() { 5 } else { 1 });
    let mut provider = Provider::prepare(&engine).await;
    provider.speak_tls();
    provider.set("LOG__LEVEL", "error");
    provider.launch().await;
    // Whoever was here before has left what the allocator keeps.
    for _ in 0..200 {
        http::get(&provider.url("/oidc/jwks")).await.expect(200);
    }
    let quiet = provider.process().resident_kib();
    let (mut worst, mut most) = (Duration::ZERO, 0);
    for _ in 0..scenario.count {
        for attack in attacks() {
            let stream = shaken(&provider, "h2").await;
            let health = provider.url("/healthz");
            let others = async {
                loop {
                    let began = Instant::now();
                    http::get(&health).await.expect(200);
                    worst = worst.max(began.elapsed());
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
            };
            let was_ended = tokio::select! {
                was_ended = carry_out(&attack, stream, time) => was_ended,
                () = others => unreachable!("it goes on"),
            };
            assert!(was_ended || !attack.is_ended, "{} is borne", attack.name);
            let now = provider.process().resident_kib();
            most = most.max(now);
            assert!(now <= quiet + MORE_KIB, "{}: {now} KiB after {quiet}", attack.name);
            scenario.happened();
        }
    }
    // None of it goes on.
    tokio::time::sleep(Duration::from_millis(200)).await;
    let before = provider.process().processor_time();
    tokio::time::sleep(Duration::from_secs(1)).await;
    let idle = provider.process().processor_time() - before;
    assert!(idle < Duration::from_millis(500), "it still works on something: {idle:?}");
    note(format_args!("{quiet} KiB before, {most} KiB at most; others waited {worst:?} at worst"));
    assert!(worst < Duration::from_secs(2), "{worst:?}");
    assert_eq!(provider.metric("authmachine_panics_total").await, "0");
    assert!(provider.stop().await.success());
    scenario.end();
}
