//! `[tls]`

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::time::Duration;

use reqwest::{Certificate, Client, Response, Version, redirect, tls::TlsInfo};
use serde_json::Value;

use crate::support::{Place, Server, get, set_mode, until};

const DATA: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../authmachine-server/tests/data/tls/");

/// A place whose server has the certificate `first.pem`, with TLS and no proxy.
fn with_tls() -> Place {
    let place = Place::new().with("TLS__CERTIFICATE_FILE", "server.pem").with("TLS__KEY_FILE", "server.key");
    install(&place, "first.pem", "first.key");
    place
}

/// Puts a certificate and a key in their places, as a program does that renews them.
fn install(place: &Place, certificate: &str, key: &str) {
    for (from, to) in [(certificate, "server.pem"), (key, "server.key")] {
        let draft = place.path("draft");
        fs::copy(format!("{DATA}{from}"), &draft).expect("the folder is ours");
        set_mode(&draft, 0o600);
        fs::rename(&draft, place.path(to)).expect("the folder is ours");
    }
}

/// Asks on a new connection, trusting the tests' root alone.
async fn ask(server: &Server, path: &str) -> Response {
    let root = Certificate::from_pem(&fs::read(format!("{DATA}root.pem")).expect("it is there"));
    let client = Client::builder()
        .tls_certs_only([root.expect("a certificate")])
        .tls_info(true)
        .resolve("localhost", SocketAddr::from((Ipv4Addr::LOCALHOST, 0)))
        .redirect(redirect::Policy::none())
        .timeout(Duration::from_secs(10))
        .no_proxy();
    let url = format!("{}{path}", server.url);
    client.build().expect("a client").get(url).send().await.expect("an answer")
}

/// The certificate that a new connection gets.
async fn certificate_of(server: &Server) -> Vec<u8> {
    let answer = ask(server, "/healthz").await;
    let info: &TlsInfo = answer.extensions().get().expect("it came by TLS");
    info.peer_certificate().expect("there is one").to_vec()
}

/// Waits until new connections get another certificate than `old`.
async fn another_certificate(server: &Server, old: &[u8]) -> Vec<u8> {
    for _ in 0..1_000 {
        let now = certificate_of(server).await;
        if now != old {
            return now;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("it stays the same: {}", server.log());
}

#[tokio::test]
async fn with_a_certificate_no_proxy_is_needed() {
    let free =
        TcpListener::bind("127.0.0.1:0").expect("a free port").local_addr().expect("bound").to_string();
    let place = with_tls().with("SERVER__METRICS_LISTEN", &free);
    let server = place.serve();
    assert!(server.url.starts_with("https://localhost:"), "{}", server.url);
    let answer = ask(&server, "/.well-known/openid-configuration").await;
    assert_eq!((answer.status().as_u16(), answer.version()), (200, Version::HTTP_2));
    assert!(answer.headers().contains_key("strict-transport-security"), "{:?}", answer.headers());
    let discovery: Value = serde_json::from_slice(&answer.bytes().await.expect("whole")).expect("JSON");
    assert_eq!(discovery["issuer"], server.url);
    assert_eq!(discovery["token_endpoint"], format!("{}/oidc/token", server.url));
    assert!(server.log().contains("Listening on https://127.0.0.1:"), "{}", server.log());
    assert_eq!(get(&format!("http://{free}"), "/readyz").0, 200, "the operator's listener is plain");

    let mut plain =
        TcpStream::connect(server.url.replace("https://localhost", "127.0.0.1")).expect("it listens");
    plain.write_all(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n").expect("open");
    let mut answer = Vec::new();
    // A reset is an end, too.
    let _ = plain.read_to_end(&mut answer);
    assert!(!answer.starts_with(b"HTTP/"), "{answer:?}");
    assert_eq!(ask(&server, "/healthz").await.status(), 200);
    assert!(!server.log().contains("panic"), "{}", server.log());
    assert_eq!(server.stop(), (Some(0), String::new()));
}

#[test]
fn the_issuer_may_have_another_name_than_the_address() {
    let place = with_tls();
    let server = place.start(&["serve", "--listen", "127.0.0.1:0", "--issuer", "https://id.example.com"]);
    assert!(server.url.starts_with("https://127.0.0.1:"), "{}", server.url);
    assert_eq!(server.stop().0, Some(0));
    let said = place.refused(&["serve", "--issuer", "http://localhost:8000"]);
    assert!(said.contains("speaks https, and so does its issuer"), "{said}");
}

#[tokio::test]
async fn a_renewed_certificate_is_taken_up_and_a_broken_one_is_not() {
    let place = with_tls();
    let server = place.serve();
    let first = certificate_of(&server).await;
    install(&place, "second.pem", "second.key");
    let second = another_certificate(&server, &first).await;
    assert!(server.log().contains("Took up the certificate server.pem"), "{}", server.log());

    install(&place, "first.pem", "second.key");
    until(|| server.log().contains("the key belongs to another certificate").then_some(()));
    assert_eq!(certificate_of(&server).await, second, "the one in use stays");
    server.signal("-HUP");
    until(|| (server.log().matches("the key belongs to another certificate").count() == 2).then_some(()));
    assert_eq!(certificate_of(&server).await, second);

    install(&place, "first.pem", "first.key");
    server.signal("-HUP");
    assert_eq!(another_certificate(&server, &second).await, first);
    assert_eq!(server.stop().0, Some(0));
}

#[test]
fn files_that_cannot_be_used_stop_the_start_and_say_why() {
    let expect = |prepare: &dyn Fn(&Place), said: &[&str]| {
        let place = with_tls();
        prepare(&place);
        for command in [&["serve", "--listen", "127.0.0.1:0"][..], &["config", "check"]] {
            let by_us = place.refused(command);
            assert!(said.iter().all(|part| by_us.contains(part)), "{said:?}: {by_us}");
            assert!(!place.data().exists(), "{command:?} made something");
        }
    };
    let remove = |name: &'static str| move |place: &Place| fs::remove_file(place.path(name)).expect("there");
    expect(&remove("server.pem"), &["cannot read the TLS certificate server.pem"]);
    expect(&remove("server.key"), &["cannot read the TLS key server.key"]);
    expect(
        &|place| install(place, "first.pem", "second.key"),
        &["server.pem", "server.key", "another certificate"],
    );
    expect(&|place| install(place, "expired.pem", "first.key"), &["has expired at 2021-01-01T00:00:00Z"]);
    expect(&|place| install(place, "first.key", "first.key"), &["no certificate is in its file"]);
    expect(&|place| install(place, "first.pem", "first.pem"), &["no private key is in its file"]);
    expect(
        &|place| set_mode(&place.path("server.key"), 0o644),
        &["others can read the TLS key server.key (mode 0644)", "chmod 6"],
    );
    let said = Place::new().with("TLS__KEY_FILE", "server.key").refused(&["config", "check"]);
    assert!(
        said.contains("tls.certificate_file: the certificate of the key server.key is not named"),
        "{said}"
    );
}

#[test]
fn a_check_says_how_long_the_certificate_is_valid_and_doctor_is_content_with_it() {
    let place = with_tls();
    let said = place.ok(&["config", "check"]);
    assert!(said.contains("server.pem, valid until 2120-01-01T00:00:00Z"), "{said}");
    assert!(said.contains("https://localhost:8000"), "{said}");
    assert_eq!(place.serve().stop().0, Some(0));
    assert_eq!(place.ok(&["doctor"]), "No risk found\n");
    let place = place.with("SERVER__ISSUER", "https://id.example.com").with("SERVER__LISTEN", "0.0.0.0:8000");
    let said = place.run(&["doctor"], "");
    assert!(said.stdout.contains("is not for https://id.example.com"), "{said:?}");
    assert!(said.stdout.ends_with("One risk found\n"), "{said:?}");
    install(&place, "expired.pem", "first.key");
    let said = place.run(&["doctor"], "");
    assert!(said.stdout.contains("has expired at 2021-01-01T00:00:00Z"), "{said:?}");
    assert!(said.code == Some(1) && said.stdout.ends_with("One risk found\n"), "{said:?}");
}
