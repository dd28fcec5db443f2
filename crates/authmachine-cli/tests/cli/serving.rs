//! `serve`

use std::net::TcpListener;
use std::time::{Duration, Instant};

use crate::support::{PASSWORD, Place, get, post};

#[test]
fn a_first_start_serves_says_how_to_go_on_and_ends_by_sigterm() {
    let place = Place::new();
    let server = place.serve();
    assert!(server.url.starts_with("http://localhost:") && !server.url.ends_with(":0"), "{}", server.url);
    assert_eq!(server.get("/healthz"), (200, r#"{"status":"ok"}"#.to_owned()));
    assert_eq!(server.get("/readyz").0, 200);
    let discovery = server.json("/.well-known/openid-configuration");
    assert_eq!(discovery["issuer"], server.url);
    let log = server.log();
    assert!(log.contains("user add alice --email alice@example.com"), "{log}");
    assert!(log.contains("Made the master key ./data/authmachine.key"), "{log}");
    assert_eq!(server.stop(), (Some(0), String::new()));

    place.ok_with(&["user", "add", "alice", "--password-stdin"], PASSWORD);
    let server = place.serve();
    assert!(!server.log().contains("user add"), "{}", server.log());
    assert_eq!(server.stop().0, Some(0));
}

#[test]
fn rb32_a_second_serve_on_one_folder_is_refused() {
    let place = Place::new();
    let server = place.serve();
    let said = place.refused(&["serve", "--listen", "127.0.0.1:0"]);
    assert!(said.contains("another authmachine serves this data folder"), "{said}");
    assert_eq!(server.get("/healthz").0, 200, "the first goes on");
    assert_eq!(server.stop().0, Some(0));
    assert_eq!(place.serve().stop().0, Some(0), "the lock ends with its process");
}

#[test]
fn a_busy_port_says_what_to_do() {
    let taken = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = taken.local_addr().expect("bound").to_string();
    let said = Place::new().refused(&["serve", "--listen", &address]);
    assert!(said.contains("is busy") && said.contains("--listen"), "{said}");
    let place = Place::new().with("SERVER__METRICS_LISTEN", &address);
    let said = place.refused(&["serve", "--listen", "127.0.0.1:0"]);
    assert!(said.contains("is busy") && said.contains("server.metrics_listen"), "{said}");
}

#[test]
fn an_issuer_behind_a_proxy_is_not_where_we_listen() {
    let place = Place::new();
    let server = place.start(&["serve", "--listen", "127.0.0.1:0", "--issuer", "https://id.example.com"]);
    assert!(server.url.starts_with("http://127.0.0.1:"), "{}", server.url);
    assert_eq!(server.json("/.well-known/openid-configuration")["issuer"], "https://id.example.com");
    assert_eq!(server.stop().0, Some(0));
}

#[test]
fn metrics_are_on_a_port_of_their_own() {
    let free =
        TcpListener::bind("127.0.0.1:0").expect("a free port").local_addr().expect("bound").to_string();
    let place = Place::new().with("SERVER__METRICS_LISTEN", &free);
    let server = place.serve();
    let (status, body) = get(&format!("http://{free}"), "/metrics");
    assert!(status == 200 && body.contains("authmachine_panics_total 0"), "{body}");
    assert_eq!(server.get("/metrics").0, 404);
    assert_eq!(server.stop().0, Some(0));
}

#[test]
fn tk8_a_client_changed_beside_a_running_server_is_so_within_a_second() {
    let place = Place::new();
    let server = place.serve();
    let add = ["client", "add", "--id", "cron", "--grant-type", "client_credentials", "--scope", "jobs"];
    let secret = place.json(&add)["client_secret"].as_str().expect("text").to_owned();
    let ask = |secret: &str| {
        let form = format!("grant_type=client_credentials&client_id=cron&client_secret={secret}&scope=jobs");
        post(&server.url, "/oidc/token", &form)
    };
    let is_soon = |secret: &str, expected: u16, word: &str| {
        let began = Instant::now();
        loop {
            let (status, body) = ask(secret);
            if status == expected && body.contains(word) {
                break;
            }
            assert!(began.elapsed() < Duration::from_secs(1), "{status} {body}");
            std::thread::sleep(Duration::from_millis(50)); // failures count
        }
    };
    is_soon(&secret, 200, "access_token");
    place.ok(&["client", "disable", "cron"]);
    is_soon(&secret, 401, "invalid_client");
    place.ok(&["client", "enable", "cron"]);
    is_soon(&secret, 200, "access_token");
    let new =
        place.json(&["client", "rotate-secret", "cron"])["client_secret"].as_str().expect("text").to_owned();
    is_soon(&new, 200, "access_token");
    assert_eq!(ask(&secret).0, 401, "the old secret");
    // LG1: what clients send is in no log.
    assert!(!server.log().contains(&secret), "{}", server.log());
    assert_eq!(server.stop().0, Some(0));
}

#[test]
fn lg4_logs_are_json_when_asked() {
    let place = Place::new().with("LOG__FORMAT", "json");
    place.ok_with(&["user", "add", "alice", "--password-stdin"], PASSWORD);
    let server = place.serve();
    assert_eq!(server.get("/healthz").0, 200);
    let log = server.log();
    assert!(log.lines().count() > 0, "{log}");
    for line in log.lines() {
        let parsed: serde_json::Value =
            serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
        assert!(parsed["message"].is_string() && parsed["level"].is_string(), "{line}");
    }
    assert_eq!(server.stop().0, Some(0));
}
