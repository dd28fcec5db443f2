//! Peers that are slow, lose what they sent, end in the middle, or say nothing more (checklist RB18): deadlines hold, and nothing is
//! done twice that must not be.

use std::time::{Duration, Instant};

use authmachine_e2e::{
    Client, DemoClient, End, Engine, Provider, Proxy, Spoil, Tokens, Visitor, Weather, free_port, http,
};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::scenario::Scenario;

const REDIRECT_URI: &str = "https://shop.example.com/cb";

on_each_engine!(
    rb18_behind_a_bad_network_nothing_is_lost_and_nothing_done_twice,
    rb18_the_client_crate_never_repeats_a_code_exchange,
);

/// A provider whose issuer is at a proxy.
async fn behind_a_proxy(engine: &Engine) -> (Provider, Proxy) {
    let mut provider = Provider::prepare(engine).await;
    let proxy = Proxy::to(provider.port()).await;
    provider.set("SERVER__ISSUER", &format!("http://localhost:{}", proxy.port()));
    provider.set("LOG__LEVEL", "warn");
    provider.launch().await;
    (provider, proxy)
}

async fn code(client: &Client, visitor: &mut Visitor, password: &str) -> String {
    let stop = client.authorize(visitor, "alice", password, &[]).await.expect("an answer").left();
    let found = stop.query_pairs().find(|(name, _)| name == "code").map(|(_, value)| value.into_owned());
    found.expect("a code")
}

async fn rb18_behind_a_bad_network_nothing_is_lost_and_nothing_done_twice(engine: Engine) {
    let mut scenario = Scenario::begin("slow, half-open, truncated peers", "RB18", &engine, 5, 200);
    let (provider, proxy) = behind_a_proxy(&engine).await;
    provider.add_user("alice").await;
    let shop = provider.add_client(Client::of("shop", REDIRECT_URI).with(&["--first-party"])).await;
    let password = provider.password();
    let mut alice = Visitor::new();

    for weather in [Weather::Delay(Duration::from_millis(100)), Weather::Bandwidth(20_000)] {
        proxy.set(weather);
        let mut visitor = Visitor::new();
        let bought = code(&shop, &mut visitor, password).await;
        shop.redeem(&bought).await.expect("an answer").expect(200);
        scenario.happened();
    }
    proxy.set(Weather::Fine);

    for round in 0..scenario.count {
        // A request that ends before its end has done nothing.
        let once = code(&shop, &mut alice, password).await;
        let body = format!(
            "grant_type=authorization_code&code={once}&redirect_uri=https%3A%2F%2Fshop.example.com%2Fcb\
             &client_id=shop&client_secret={}",
            shop.secret
        );
        let head = format!(
            "POST /oidc/token HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: {}\r\n\r\n",
            body.len()
        );
        let mut stream = TcpStream::connect(("127.0.0.1", provider.port())).await.expect("listening");
        stream.write_all(head.as_bytes()).await.expect("open");
        // The whole of the form is there, but for its last byte: a secret that is too short, if anybody looked.
        stream.write_all(&body.as_bytes()[..body.len() - 1]).await.expect("open");
        match round % 2 {
            0 => stream.shutdown().await.expect("open"),
            _ => stream.set_zero_linger().expect("a socket"),
        }
        if round % 2 == 0 {
            let mut answer = String::new();
            let _ = stream.read_to_string(&mut answer).await;
            assert!(!answer.contains("200 OK"), "{answer}");
        }
        drop(stream);
        let tokens = Tokens::of(shop.redeem(&once).await.expect("an answer"));
        scenario.happened();

        // An answer that is cut has happened: whoever asks again is told that the token was used.
        let refresh = tokens.refresh.expect("it may refresh");
        let then = [End::Reset, End::Close][round % 2];
        proxy.spoil(Spoil { mark: b"POST /oidc/token", keep: 120, then });
        assert!(shop.refresh(&refresh).await.is_err());
        shop.refresh(&refresh).await.expect("an answer").expect(400);
        assert!(!shop.is_active(&tokens.access).await.expect("an answer"));
        scenario.happened();
    }

    if scenario.is_full() {
        // Half-open in the middle of a body: its deadline is 30 seconds, whatever the network forgot.
        let mut stream = TcpStream::connect(("127.0.0.1", proxy.port())).await.expect("listening");
        let head = "POST /oidc/token HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: 9\r\n\r\n";
        stream.write_all(head.as_bytes()).await.expect("open");
        tokio::time::sleep(Duration::from_millis(200)).await;
        proxy.forget();
        let open =
            async || provider.metric("authmachine_connections_open").await.parse::<u64>().expect("a number");
        let (began, before) = (Instant::now(), open().await);
        while open().await >= before {
            assert!(began.elapsed() < Duration::from_secs(120), "it is held for ever");
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
        scenario.recovered(began.elapsed());
    }
    http::get(&provider.url("/healthz")).await.expect(200);
    scenario.end();
}

async fn rb18_the_client_crate_never_repeats_a_code_exchange(engine: Engine) {
    let mut scenario =
        Scenario::begin("token answers cut short for the client crate", "RB18", &engine, 3, 30);
    let (provider, proxy) = behind_a_proxy(&engine).await;
    provider.add_user("alice").await;
    let port = free_port();
    let url = format!("http://localhost:{port}");
    let (callback, bye) = (format!("{url}/oidc-callback"), format!("{url}/oidc-logout-callback"));
    let new = Client::of("demo", &callback).logout_uri(&bye).with(&["--first-party"]);
    let client = provider.add_client(new).await;
    let demo = DemoClient::start(provider.issuer(), &client.id, &client.secret, port).await;
    let exchanges = async || {
        let metrics = http::get(&provider.operators("/metrics")).await.expect(200).body;
        let of_token = metrics
            .lines()
            .filter(|line| line.starts_with("authmachine_http_requests_total{route=\"/oidc/token\""));
        of_token.filter_map(|line| line.rsplit(' ').next()?.parse::<u64>().ok()).sum::<u64>()
    };
    for round in 0..scenario.count {
        for then in [End::Reset, End::Close, End::Silence] {
            for keep in [0, 30, 300] {
                // Silence lasts as long as the client waits: once is enough.
                if matches!(then, End::Silence) && (keep != 30 || round > 0) {
                    continue;
                }
                let before = exchanges().await;
                let spoiled = proxy.spoiled();
                proxy.spoil(Spoil { mark: b"POST /oidc/token", keep, then });
                let login = format!("{}/login", demo.url());
                let stop = Visitor::new().sign_in(&login, "alice", provider.password(), &[]).await;
                let page = stop.page();
                assert!(page.status >= 400, "{page:?}");
                assert_eq!(proxy.spoiled(), spoiled + 1);
                assert_eq!(exchanges().await, before + 1, "asked once");
                scenario.happened();
            }
        }
    }
    let login = format!("{}/login", demo.url());
    let page = Visitor::new().sign_in(&login, "alice", provider.password(), &[]).await.page();
    assert_eq!(page.status, 200, "{page:?}");
    scenario.end();
}
