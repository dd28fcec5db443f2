//! SIGTERM in the middle of the same load.

use std::time::{Duration, Instant};

use authmachine_e2e::{Client, Engine, Provider, Visitor};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::ledger::Ledger;
use crate::scenario::Scenario;

const WORKERS: usize = 8;
/// Checklist RB16.
const ENDS_WITHIN: Duration = Duration::from_secs(10);
/// So long, a request that has begun has been seen.
const SEEN_AFTER: Duration = Duration::from_millis(200);

on_each_engine!(rb16_sigterm_loses_nothing_and_what_has_begun_is_answered);

async fn rb16_sigterm_loses_nothing_and_what_has_begun_is_answered(engine: Engine) {
    let mut scenario = Scenario::begin("SIGTERM", "RB16", &engine, 2, 50);
    let mut provider = Provider::prepare(&engine).await;
    provider.set("LOG__LEVEL", "warn");
    provider.set("LIVES__CODE", "10m");
    provider.launch().await;
    provider.add_user("alice").await;
    let app =
        provider.add_client(Client::of("app", "https://app.example.com/cb").with(&["--first-party"])).await;
    let mut alice = Visitor::new();
    let mut ledger = Ledger::open(&provider, WORKERS, &mut scenario.random).await;
    for _ in 0..scenario.count {
        let enough = 50 + scenario.random.below(200);
        let url = app.authorize_url(&[]);
        let left = alice.sign_in(&url, "alice", provider.password(), &[&app.redirect_uri]).await.left();
        let code = left.query_pairs().find(|(name, _)| name == "code").expect("a code").1.into_owned();
        let (mut begun, rest) = begin_to_redeem(&provider, &app, &code).await;
        let answer = ledger
            .under_load(true, async |load| {
                load.acknowledges(enough).await;
                tokio::time::sleep(SEEN_AFTER).await;
                let asked_at = Instant::now();
                provider.process().terminate();
                let mut answer = String::new();
                begun.write_all(rest.as_bytes()).await.expect("it still listens to what has begun");
                begun.read_to_string(&mut answer).await.expect("an answer");
                let status = provider.process().end().await;
                assert!(status.success(), "{status}: {}", provider.log());
                assert!(asked_at.elapsed() < ENDS_WITHIN, "{:?}", asked_at.elapsed());
                answer
            })
            .await;
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
        let started = Instant::now();
        provider.launch().await;
        scenario.recovered(ledger.is_normal(started).await);
        let again = app.redeem(&code).await.expect("an answer").expect(400);
        assert_eq!(again.json()["error"], "invalid_grant", "it was redeemed with the answer");
        provider.check_database().await;
        ledger.check().await;
        assert_eq!(provider.metric("authmachine_panics_total").await, "0");
    }
    ledger.check_all().await;
    scenario.acknowledged(ledger.acknowledged());
    scenario.end();
}

/// Sends a redemption but for its end.
async fn begin_to_redeem(provider: &Provider, app: &Client, code: &str) -> (TcpStream, String) {
    let body = format!(
        "grant_type=authorization_code&code={code}&client_id={}&client_secret={}&redirect_uri=https%3A%2F%2Fapp.example.com%2Fcb",
        app.id, app.secret
    );
    let head = format!(
        "POST /oidc/token HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\
         Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    let mut stream = TcpStream::connect(("127.0.0.1", provider.port())).await.expect("it listens");
    let (start, rest) = body.split_at(body.len() / 2);
    stream.write_all((head + start).as_bytes()).await.expect("it listens");
    (stream, rest.to_owned())
}
