//! No room: on the disk of the data, or on that of the log.

use std::time::Instant;

use authmachine_e2e::{Client, Engine, Provider, Tokens, Visitor, http};

use crate::ledger::{Ledger, Load};
use crate::preload::{Control, Preload};
use crate::scenario::Scenario;

const WORKERS: usize = 6;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rb11_a_full_disk_stops_writes_alone_and_heals() {
    let mut scenario = Scenario::begin("disk full", "RB11", &Engine::Sqlite, 2, 100);
    let mut provider = Provider::prepare(&Engine::Sqlite).await;
    provider.set("LOG__LEVEL", "warn");
    provider.set("LIVES__CODE", "10m");
    let preload = Preload::before(&mut provider, false);
    provider.launch().await;
    let (app, access_token) = app_and_token(&provider).await;
    let mut ledger = Ledger::open(&provider, WORKERS, &mut scenario.random).await;
    for n in 0..scenario.count {
        let enough = 20 + scenario.random.below(100);
        let with_room_again = ledger
            .under_load(false, async |load| {
                load.acknowledges(enough).await;
                // No file may grow; or, as on a file system that never writes in place, nothing may be written.
                preload.set(Control::IsFull, if n % 2 == 0 { 1 } else { 2 });
                load.refuses(WORKERS).await;
                reads_go_on(&provider, &app, &access_token).await;
                writes_are_refused(&app, n % 2 == 0).await;
                assert!(preload.get(Control::Refused) > 0);
                preload.set(Control::IsFull, 0);
                let now = Instant::now();
                load.acknowledges(WORKERS).await;
                now
            })
            .await;
        scenario.recovered(ledger.is_normal(with_room_again).await);
        ledger.check().await;
        provider.check_database().await;
        assert_eq!(provider.metric("authmachine_panics_total").await, "0");
    }
    let log = provider.log();
    assert!(log.contains("disk is full"), "the operator learns why: {log}");
    // And what was told is on the disk, not in memory alone.
    provider.kill();
    provider.launch().await;
    ledger.check_all().await;
    scenario.acknowledged(ledger.acknowledged());
    scenario.end();
}

async fn reads_go_on(provider: &Provider, app: &Client, access_token: &str) {
    for path in ["/.well-known/openid-configuration", "/oidc/jwks", "/healthz"] {
        http::get(&provider.url(path)).await.expect(200);
    }
    app.userinfo(access_token).await.expect("an answer").expect(200);
    assert!(app.is_active(access_token).await.expect("an answer"));
}

/// As long as nothing is written, a write is refused so that its sender comes again. Where files may only not grow, the log may
/// have begun anew meanwhile: then there is room in it for some.
async fn writes_are_refused(app: &Client, has_room_in_files: bool) {
    let answer = app.token(&[("grant_type", "client_credentials")]).await.expect("an answer");
    if has_room_in_files && answer.status == 200 {
        assert!(app.is_active(&Tokens::of(answer).access).await.expect("an answer"));
        return;
    }
    assert!(answer.expect(503).header("retry-after").is_some());
}

async fn app_and_token(provider: &Provider) -> (Client, String) {
    provider.add_user("alice").await;
    let more = ["--first-party", "--grant-type", "authorization_code", "--grant-type", "client_credentials"];
    let app = provider.add_client(Client::of("app", "https://app.example.com/cb").with(&more)).await;
    let mut alice = Visitor::new();
    let url = app.authorize_url(&[]);
    let left = alice.sign_in(&url, "alice", provider.password(), &[&app.redirect_uri]).await.left();
    let code = left.query_pairs().find(|(name, _)| name == "code").expect("a code").1.into_owned();
    let tokens = Tokens::of(app.redeem(&code).await.expect("an answer"));
    (app, tokens.access)
}

on_each_engine!(rb11_a_log_that_cannot_be_written_stops_nothing);

async fn rb11_a_log_that_cannot_be_written_stops_nothing(engine: Engine) {
    let mut scenario = Scenario::begin("log full", "RB11", &engine, 1, 10);
    for _ in 0..scenario.count {
        let mut provider = Provider::prepare(&engine).await;
        provider.set("LOG__LEVEL", "debug");
        provider.launch_mute().await;
        scenario.happened();
        let mut ledger = Ledger::open(&provider, WORKERS, &mut scenario.random).await;
        ledger.under_load(false, async |load: &Load| load.acknowledges(100).await).await;
        ledger.check_all().await;
        assert_eq!(provider.metric("authmachine_panics_total").await, "0");
        assert!(provider.stop().await.success());
        scenario.acknowledged(ledger.acknowledged());
    }
    scenario.end();
}
