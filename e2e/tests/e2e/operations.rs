//! What an operator relies on: stopping, proxies, keys, metrics, limits.

use std::os::unix::fs::PermissionsExt;
use std::process::Command;
use std::time::{Duration, Instant};

use authmachine_e2e::foreign::Python;
use authmachine_e2e::http::{self, Answer};
use authmachine_e2e::{
    Client, Engine, Process, Provider, Tokens, Visitor, binary, decode, free_port, stdout, wait,
};
use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

on_each_engine!(
    rb16_sigterm_lets_answers_finish,
    keys_are_rotated_while_it_runs,
    metrics_have_a_port_of_their_own,
    a_restart_keeps_everything,
);

/// One connection, byte for byte.
struct Raw(TcpStream);

impl Raw {
    async fn open(provider: &Provider) -> Self {
        Self(TcpStream::connect(("127.0.0.1", provider.port())).await.expect("it listens"))
    }

    async fn write(&mut self, text: &str) {
        self.0.write_all(text.as_bytes()).await.expect("it reads");
    }

    /// What comes until it is closed.
    async fn rest(&mut self) -> String {
        let mut bytes = Vec::new();
        // A server that refuses while we still write may reset the connection; what it said before counts.
        let _ =
            tokio::time::timeout(wait::PATIENCE, self.0.read_to_end(&mut bytes)).await.expect("it is closed");
        String::from_utf8_lossy(&bytes).into_owned()
    }
}

async fn rb16_sigterm_lets_answers_finish(engine: Engine) {
    let mut provider = Provider::start(&engine).await;
    let (mut half, mut idle) = (Raw::open(&provider).await, Raw::open(&provider).await);
    let body = "grant_type=authorization_code&client_id=nobody&client_secret=nothing&code=x";
    let (first, second) = body.split_at(20);
    half.write(&format!(
        "POST /oidc/token HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/x-www-form-urlencoded\r\n\
         Content-Length: {}\r\n\r\n{first}",
        body.len()
    ))
    .await;
    idle.write("GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n").await;
    let mut answer = [0; 15];
    idle.0.read_exact(&mut answer).await.expect("an answer");
    assert_eq!(&answer, b"HTTP/1.1 200 OK");

    let started = Instant::now();
    provider.process().terminate();
    // It stops listening, and closes who waits for nothing; who is being answered has time.
    wait::until("the listener's end", || {
        let connecting = TcpStream::connect(("127.0.0.1", provider.port()));
        async move { connecting.await.err() }
    })
    .await;
    idle.rest().await;
    half.write(second).await;
    let answer = half.rest().await;
    assert!(answer.starts_with("HTTP/1.1 401") && answer.contains("invalid_client"), "{answer}");
    assert!(provider.process().end().await.success(), "{}", provider.log());
    assert!(started.elapsed() < Duration::from_secs(10), "{:?}", started.elapsed());
}

async fn a_restart_keeps_everything(engine: Engine) {
    let mut provider = Provider::start(&engine).await;
    let id = provider.add_user("alice").await;
    let client =
        provider.add_client(Client::of("app", "https://app.example.com/cb").with(&["--first-party"])).await;
    let mut alice = Visitor::new();
    let (tokens, _) = sign_in(&provider, &client, &mut alice).await;
    let keys = http::get(&provider.url("/oidc/jwks")).await.json();

    assert!(provider.stop().await.success());
    let ready_after = provider.launch().await;
    authmachine_e2e::note(format_args!("answers {} ms after its start", ready_after.as_millis()));
    assert_eq!(http::get(&provider.url("/oidc/jwks")).await.json(), keys);
    let userinfo = client.userinfo(&tokens.access).await.expect("an answer").expect(200).json();
    assert_eq!(userinfo["sub"], id.as_str());
    let silent = alice.try_visit(&client.authorize_url(&[("prompt", "none")]), &[&client.redirect_uri]).await;
    assert!(silent.expect("an answer").left().as_str().contains("code="), "the session lives on");
    // And what ends, ends at once, though the command is another process.
    provider.cli(&["user", "lock", "alice"]).await;
    wait::until("the end of alice's token", || async {
        let answer = client.userinfo(&tokens.access).await.expect("an answer");
        (answer.status == 401).then_some(())
    })
    .await;
    provider.stop().await;
    provider.check_database().await;
}

async fn keys_are_rotated_while_it_runs(engine: Engine) {
    let provider = Provider::start(&engine).await;
    provider.add_user("alice").await;
    let logout_uri = "https://app.example.com/out";
    let client =
        provider.add_client(Client::of("app", "https://app.example.com/cb").logout_uri(logout_uri)).await;
    let mut alice = Visitor::new();
    let (_, old_token) = sign_in(&provider, &client, &mut alice).await;
    let old_kid = kid(&old_token);
    let old_key = key(&http::get(&provider.url("/oidc/jwks")).await, &old_kid)
        .expect("the key that signed is published");

    provider.cli(&["keys", "rotate", "--now"]).await;
    let new_token = wait::until("an ID token under the new key", || async {
        let (_, token) = sign_in(&provider, &client, &mut alice.clone()).await;
        (kid(&token) != old_kid).then_some(token)
    })
    .await;
    let published = http::get(&provider.url("/oidc/jwks")).await;
    assert!(key(&published, &kid(&new_token)).is_some(), "{published:?}");
    assert_eq!(key(&published, &old_kid), Some(old_key), "old tokens are still verified by the same key");
    if let Some(python) = Python::find() {
        for token in [&old_token, &new_token] {
            assert_eq!(python.verify_id_token(&provider, token).await, decode(token, 1));
        }
    }
    // We verify it too: as a hint it signs alice out without a question.
    let mut url = url::Url::parse(&provider.url("/oidc/logout")).expect("a URL");
    url.query_pairs_mut().extend_pairs([
        ("id_token_hint", &*old_token),
        ("post_logout_redirect_uri", logout_uri),
        ("state", "x y"),
    ]);
    let left = alice.try_visit(url.as_str(), &[logout_uri]).await.expect("an answer").left();
    assert_eq!(left.as_str(), "https://app.example.com/out?state=x+y");
}

fn kid(token: &str) -> String {
    decode(token, 0)["kid"].as_str().expect("a key id").to_owned()
}

fn key(jwks: &Answer, kid: &str) -> Option<Value> {
    jwks.json()["keys"].as_array().expect("a set of keys").iter().find(|key| key["kid"] == kid).cloned()
}

/// Signs alice in; her tokens.
async fn sign_in(provider: &Provider, client: &Client, alice: &mut Visitor) -> (Tokens, String) {
    let stop = client.authorize(alice, "alice", provider.password(), &[]).await.expect("an answer").left();
    let code = stop.query_pairs().find(|(name, _)| name == "code").expect("a code").1.into_owned();
    let tokens = Tokens::of(client.redeem(&code).await.expect("an answer"));
    let id_token = tokens.id.clone().expect("scope openid");
    (tokens, id_token)
}

async fn metrics_have_a_port_of_their_own(engine: Engine) {
    let provider = Provider::start(&engine).await;
    provider.add_user("alice").await;
    let client = provider.add_client(Client::of("app", "https://app.example.com/cb")).await;
    sign_in(&provider, &client, &mut Visitor::new()).await;
    for path in ["/healthz", "/readyz"] {
        http::get(&provider.operators(path)).await.expect(200);
    }
    let metrics = http::get(&provider.operators("/metrics")).await.expect(200).body;
    for line in ["panics_total 0", "sign_ins_total{result=\"ok\"} 1", "codes_issued_total 1"] {
        assert!(metrics.lines().any(|found| found.ends_with(line)), "{line}: {metrics}");
    }
    assert!(!metrics.contains("alice"), "labels are words of ours");
    http::get(&provider.url("/metrics")).await.expect(404);
}

#[tokio::test]
async fn without_any_configuration_it_starts_and_says_how_to_go_on() {
    let folder = tempfile::tempdir().expect("there is a place for temporary files");
    let port = free_port();
    let mut command = Command::new(binary());
    command.env_clear().current_dir(folder.path()).args(["serve", "--listen", &format!("127.0.0.1:{port}")]);
    let mut process = Process::spawn_afresh("serve", &mut command);
    assert_eq!(process.line("Serving AuthMachine at ").await, format!("http://localhost:{port}"));
    assert!(folder.path().join("data/authmachine.db").is_file());
    let told = wait::until("the line to go on with", || {
        let log = process.log();
        let line = log.lines().find(|line| line.contains(" user add ")).map(|line| line.trim().to_owned());
        std::future::ready(line)
    })
    .await;
    let words: Vec<&str> = told.split_whitespace().collect();
    let mut add = Command::new(words[0]);
    // There is no terminal to ask for the password on.
    add.env_clear().current_dir(folder.path()).args(&words[1..]).arg("--password-stdin");
    stdout(add, Some("correct horse battery\n".to_owned())).await;

    let login = format!("http://localhost:{port}/login");
    let page = Visitor::new().sign_in(&login, "alice", "correct horse battery", &[]).await.page();
    assert!(page.body.contains("Signed in as"), "{page:?}");
    process.terminate();
    assert!(process.end().await.success());
}

#[tokio::test]
async fn rb22_without_its_key_it_refuses_to_start_and_makes_no_other() {
    let mut provider = Provider::start(&Engine::Sqlite).await;
    assert!(provider.stop().await.success());
    let key = provider.data().join("authmachine.key");
    let kept = std::fs::read(&key).expect("the key is there");
    std::fs::remove_file(&key).expect("the folder is ours");
    let output = provider.run(&["serve"], None).await;
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success() && said.contains("master key") && said.contains("backup"), "{said}");
    assert!(!key.exists(), "no new key in silence");
    std::fs::write(&key, kept).expect("the folder is ours");
    // Others may read it now, unless whoever writes it sees to that (checklist G9).
    std::fs::set_permissions(&key, PermissionsExt::from_mode(0o644)).expect("the file is ours");
    assert!(!provider.run(&["serve"], None).await.status.success());
    std::fs::set_permissions(&key, PermissionsExt::from_mode(0o600)).expect("the file is ours");
    provider.launch().await;
}

#[tokio::test]
async fn rb32_a_second_process_on_one_folder_refuses_to_start() {
    let mut provider = Provider::start(&Engine::Sqlite).await;
    let output = provider.run(&["serve", "--listen", "127.0.0.1:0"], None).await;
    assert!(!output.status.success());
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(said.contains("another") && said.contains("data"), "{said}");
    // Commands may run beside it.
    provider.add_user("alice").await;
    assert!(provider.stop().await.success());
}

#[tokio::test]
async fn an_https_issuer_works_behind_a_proxy() {
    let mut provider = Provider::prepare(&Engine::Sqlite).await;
    provider.set("SERVER__ISSUER", "https://id.example.com");
    provider.set("SERVER__TRUSTED_PROXIES", "127.0.0.1");
    provider.launch().await;
    provider.add_user("alice").await;
    let client =
        provider.add_client(Client::of("app", "https://app.example.com/cb").with(&["--first-party"])).await;

    // Checklist HO1: whatever the headers say, addresses come from the configuration.
    let lies = [
        ("host", "evil.example"),
        ("x-forwarded-host", "evil.example"),
        ("x-forwarded-proto", "http"),
        ("forwarded", "host=evil.example"),
    ];
    let mut request =
        http::request(reqwest::Method::GET, &provider.direct("/.well-known/openid-configuration"));
    for (name, value) in lies {
        request = request.header(name, value);
    }
    let discovery = http::send(request).await.expect("an answer").expect(200);
    assert_eq!(discovery.json()["issuer"], "https://id.example.com");
    for (name, value) in discovery.json().as_object().expect("an object") {
        if name.ends_with("_endpoint") || name == "jwks_uri" {
            assert!(
                value.as_str().is_some_and(|url| url.starts_with("https://id.example.com/")),
                "{name}: {value}"
            );
        }
    }
    assert!(!discovery.body.contains("evil"));
    assert!(
        discovery.header("strict-transport-security").is_some_and(|value| value.starts_with("max-age=")),
        "{discovery:?}"
    );

    let mut alice = Visitor::new();
    alice.by_way_of = Some(("https://id.example.com".to_owned(), provider.direct("")));
    alice.headers = vec![("x-forwarded-for", "198.51.100.1, 203.0.113.7".to_owned())];
    let left = alice
        .sign_in(&client.authorize_url(&[]), "alice", provider.password(), &[&client.redirect_uri])
        .await
        .left();
    assert!(left.as_str().contains("iss=https%3A%2F%2Fid.example.com"), "{left}");
    let cookies = alice.cookies("id.example.com");
    assert!(!cookies.is_empty() && cookies.keys().all(|name| name.starts_with("__Host-")), "{cookies:?}");
    let root = alice.visit("https://id.example.com/").await;
    assert!(
        root.body.contains("203.0.113.7") && !root.body.contains("198.51.100.1"),
        "counted from the right (checklist HO2): {root:?}"
    );
    let cookies: Vec<_> =
        http::get(&provider.direct("/login")).await.headers.get_all("set-cookie").iter().cloned().collect();
    assert!(!cookies.is_empty());
    for cookie in cookies {
        let cookie = cookie.to_str().expect("ASCII").to_owned();
        for attribute in ["Secure", "HttpOnly", "SameSite=Lax", "Path=/"] {
            assert!(
                cookie.split("; ").any(|part| part.eq_ignore_ascii_case(attribute)),
                "{attribute}: {cookie}"
            );
        }
        assert!(!cookie.to_ascii_lowercase().contains("domain="), "{cookie}");
    }
}

#[tokio::test]
async fn rb10_the_database_may_go_away_and_come_back() {
    let Some(engine) = Engine::postgres() else { return };
    let provider = Provider::start(&engine).await;
    provider.add_user("alice").await;
    let client =
        provider.add_client(Client::of("app", "https://app.example.com/cb").with(&["--first-party"])).await;
    let mut alice = Visitor::new();
    let (tokens, _) = sign_in(&provider, &client, &mut alice).await;

    provider.database_away(true).await;
    http::get(&provider.operators("/readyz")).await.expect(503);
    http::get(&provider.operators("/healthz")).await.expect(200);
    http::get(&provider.url("/.well-known/openid-configuration")).await.expect(200);
    http::get(&provider.url("/oidc/jwks")).await.expect(200);
    let started = Instant::now();
    let answer = client.userinfo(&tokens.access).await.expect("an answer").expect(503);
    assert!(answer.header("retry-after").is_some(), "{answer:?}");
    let answer = client.token(&[("grant_type", "client_credentials")]).await.expect("an answer").expect(503);
    assert!(answer.header("retry-after").is_some(), "{answer:?}");
    assert!(started.elapsed() < Duration::from_secs(4), "two refusals took {:?}", started.elapsed());

    provider.database_away(false).await;
    let started = Instant::now();
    wait::until("the database's return", || async {
        let answer = client.userinfo(&tokens.access).await.expect("an answer");
        (answer.status == 200).then_some(())
    })
    .await;
    assert!(started.elapsed() < Duration::from_secs(5), "back after {:?}", started.elapsed());
    sign_in(&provider, &client, &mut Visitor::new()).await;

    // Connections that were cut while idle are replaced without a word.
    provider.cut_database().await;
    wait::until("an answer after the cut", || async {
        let answer = client.userinfo(&tokens.access).await.expect("an answer");
        (answer.status == 200).then_some(())
    })
    .await;
    sign_in(&provider, &client, &mut Visitor::new()).await;
}

#[tokio::test]
async fn do1_what_is_too_big_is_refused() {
    let provider = Provider::start(&Engine::Sqlite).await;
    let long = "x".repeat(17 * 1024);
    let many = "a: b\r\n".repeat(65);
    for (what, head) in [
        ("a long field", format!("GET / HTTP/1.1\r\nHost: localhost\r\nX-Long: {long}\r\n\r\n")),
        ("many fields", format!("GET / HTTP/1.1\r\nHost: localhost\r\n{many}\r\n")),
    ] {
        let mut connection = Raw::open(&provider).await;
        connection.write(&head).await;
        let answer = connection.rest().await;
        assert!(answer.starts_with("HTTP/1.1 431"), "{what}: {answer}");
    }
    let target = "y".repeat(8 * 1024);
    let mut connection = Raw::open(&provider).await;
    connection
        .write(&format!("GET /{target} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"))
        .await;
    let answer = connection.rest().await;
    assert!(answer.starts_with("HTTP/1.1 414") && !answer.contains("yyyy"), "{answer}");

    let form = format!("grant_type={}", "z".repeat(64 * 1024));
    for path in ["/oidc/token", "/oidc/revoke", "/login"] {
        let url = provider.url(path);
        let request = http::request(reqwest::Method::POST, &url);
        let request = request.header("content-type", "application/x-www-form-urlencoded").body(form.clone());
        let answer = http::send(request).await.expect("an answer");
        assert_eq!(answer.status, 413, "{path}: {answer:?}");
        assert!(!answer.body.contains("zzzz"), "{path} echoes (checklist XS4)");
    }
    http::get(&provider.url("/healthz")).await.expect(200);
}

#[tokio::test]
async fn do4_a_slow_head_is_cut() {
    let provider = Provider::start(&Engine::Sqlite).await;
    let started = Instant::now();
    let mut slow = Raw::open(&provider).await;
    slow.write("GET / HTTP/1.1\r\nHost: local").await;
    slow.rest().await;
    let took = started.elapsed();
    assert!((Duration::from_secs(9)..Duration::from_secs(12)).contains(&took), "{took:?}");
    http::get(&provider.url("/healthz")).await.expect(200);
}
