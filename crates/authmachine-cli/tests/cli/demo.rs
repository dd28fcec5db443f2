//! `demo`

use std::net::TcpListener;
use std::path::Path;

use crate::support::{Place, get};

#[test]
fn the_demo_serves_provider_and_client_and_leaves_nothing() {
    let place = Place::new();
    let mut server = place.start(&["demo", "--port", "0", "--client-port", "0"]);
    let client = server.line();
    let client_url = client.strip_prefix("Serving the demo client at ").expect("the second line").to_owned();
    assert_eq!(server.json("/.well-known/openid-configuration")["issuer"], server.url);
    let (status, body) = get(&client_url, "/");
    assert!(status == 200 && body.contains("/login"), "{status} {body}");
    let provider_url = server.url.clone();
    let log = server.log();

    let mut text = String::new();
    let folder = loop {
        let line = server.line();
        text += &line;
        text.push('\n');
        if let Some(rest) = line.trim().strip_prefix("AUTHMACHINE__DATA__FOLDER=") {
            break rest.split(' ').next().expect("a word").to_owned();
        }
    };
    for part in [
        "alice",
        "wonderland-demo",
        "bob",
        "builder-demo",
        "guest-app",
        "guest-app-demo-secret",
        &provider_url,
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
    // The operator's commands work beside it.
    let beside = Place::new().with("DATA__FOLDER", &folder);
    beside.ok(&["grant", "add", "--user", "bob", "--object", "object2", "--type", "write"]);
    assert!(Path::new(&folder).exists());
    assert_eq!(server.stop().0, Some(0));
    assert!(!Path::new(&folder).exists(), "{folder}");
    assert_eq!(log, "", "the start of a demo is quiet");
    assert!(!place.data().exists());
}

#[test]
fn a_busy_port_names_the_flag() {
    let taken = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let port = taken.local_addr().expect("bound").port().to_string();
    let place = Place::new();
    let said = place.refused(&["demo", "--port", &port, "--client-port", "0"]);
    assert!(
        said.contains(&format!("port {port}")) && said.contains("is busy") && said.contains("--port"),
        "{said}"
    );
    let said = place.refused(&["demo", "--port", "0", "--client-port", &port]);
    assert!(said.contains("is busy") && said.contains("--client-port"), "{said}");
    assert!(place.refused(&["demo", "--port", "7000", "--client-port", "7000"]).contains("two ports"));
}

#[test]
fn g9_the_demo_is_loopback_with_data_of_its_own() {
    let place = Place::new();
    place
        .write("authmachine.toml", "[server]\nlisten = \"0.0.0.0:0\"\nissuer = \"https://id.example.com\"\n");
    for flags in [["--config", "authmachine.toml"], ["--database", "sqlite"]] {
        assert!(place.refused(&[&["demo"][..], &flags].concat()).contains("data of its own"));
    }
    assert_eq!(place.run(&["demo", "--listen", "0.0.0.0:0"], "").code, Some(2));
}
