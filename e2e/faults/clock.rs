//! The clock is wrong, and set right again.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::time::{Duration, Instant};

use authmachine_e2e::{Client, Engine, Provider, Stop, Visitor, http};

use crate::ledger::Ledger;
use crate::preload::{Control, Preload};
use crate::scenario::Scenario;

const WORKERS: usize = 3;
const HOUR_MS: i64 = 60 * 60 * 1_000;
const YEAR_MS: i64 = 365 * 24 * HOUR_MS;
/// Each of them is longer than anything lives that the load makes.
const JUMPS: [i64; 6] = [13 * HOUR_MS, -13 * HOUR_MS, 10 * YEAR_MS, -YEAR_MS, 72 * HOUR_MS, -72 * HOUR_MS];
/// Longer than it takes until the server looks what can be removed.
const CLEANED_AFTER: Duration = Duration::from_secs(35);

on_each_engine!(rb12_nothing_outlives_its_time_and_nothing_is_lost_by_a_wrong_clock);

async fn rb12_nothing_outlives_its_time_and_nothing_is_lost_by_a_wrong_clock(engine: Engine) {
    let mut scenario = Scenario::begin("clock jumps", "RB12", &engine, 3, 60);
    let mut provider = Provider::prepare(&engine).await;
    provider.set("LOG__LEVEL", "warn");
    provider.set("LIVES__CODE", "10m");
    let preload = Preload::before(&mut provider, false);
    provider.launch().await;
    provider.add_user("mallory").await;
    let app =
        provider.add_client(Client::of("app", "https://app.example.com/cb").with(&["--first-party"])).await;
    let mut ledger = Ledger::open(&provider, WORKERS, &mut scenario.random).await;
    let noise = Noise::start(&app);
    for n in 0..scenario.count {
        ledger.under_load(false, async |load| load.acknowledges(40).await).await;
        let published = kids(&provider).await;

        preload.set(Control::ClockMs, JUMPS[n % JUMPS.len()]);
        if n % 3 == 2 {
            provider.kill();
            provider.launch().await;
        }
        ledger.is_refused().await;
        let mut others = ledger.anew().await;
        others.under_load(false, async |load| load.acknowledges(20).await).await;
        others.check_all().await;
        guess(&app).await;
        if scenario.is_full() && n < JUMPS.len() {
            tokio::time::sleep(CLEANED_AFTER).await;
        }

        preload.set(Control::ClockMs, 0);
        let right_again = Instant::now();
        if n % 3 == 1 {
            provider.kill();
            provider.launch().await;
        }
        scenario.recovered(ledger.is_normal(right_again).await);
        others.is_refused().await;
        ledger.check().await;
        let url = app.authorize_url(&[]);
        let stop = Visitor::new().sign_in(&url, "mallory", provider.password(), &[&app.redirect_uri]).await;
        assert!(matches!(stop, Stop::Left(_)), "a lock lasts longer than it should: {stop:?}");
        assert!(published.is_subset(&kids(&provider).await), "keys stay that have signed");
        provider.check_database().await;
        assert_eq!(provider.metric("authmachine_panics_total").await, "0");
        scenario.acknowledged(others.acknowledged());
    }
    noise.stop().await;
    ledger.check_all().await;
    scenario.acknowledged(ledger.acknowledged());
    scenario.end();
}

#[tokio::test]
async fn rb12_before_2024_nothing_starts() {
    let mut provider = Provider::prepare(&Engine::Sqlite).await;
    let preload = Preload::before(&mut provider, false);
    preload.set(Control::ClockMs, -50 * YEAR_MS);
    let status = provider.try_launch().await.expect_err("ids of that time would be made again");
    let said = provider.log();
    assert!(status.code() == Some(1) && said.contains("clock"), "{said}");
    preload.set(Control::ClockMs, 0);
    provider.launch().await;
}

async fn kids(provider: &Provider) -> BTreeSet<String> {
    let jwks = http::get(&provider.url("/oidc/jwks")).await.expect(200).json();
    let keys = jwks["keys"].as_array().expect("a set of keys").iter();
    keys.map(|key| key["kid"].as_str().expect("a key has a name").to_owned()).collect()
}

/// Guesses passwords until it has to wait.
async fn guess(app: &Client) {
    let url = app.authorize_url(&[]);
    // Five are free; then the wait doubles, and no machine is so slow as to miss it long.
    for _ in 0..12 {
        let stop = Visitor::new().sign_in(&url, "mallory", "not the password", &[&app.redirect_uri]).await;
        if stop.page().status == 429 {
            return;
        }
    }
    panic!("who guesses has to wait");
}

/// Requests all the while, in which nothing can be known but that each has an answer that is not a failure.
struct Noise {
    stops: Arc<AtomicBool>,
    running: tokio::task::JoinHandle<usize>,
}

impl Noise {
    fn start(app: &Client) -> Self {
        let stops = Arc::new(AtomicBool::new(false));
        let (app, until) = (app.clone(), Arc::clone(&stops));
        let running = tokio::spawn(async move {
            let mut answers = 0;
            while !until.load(SeqCst) {
                let mut visitor = Visitor::new();
                // The server may be away for a restart.
                let Ok(Stop::Page(page)) = visitor.try_visit(&app.authorize_url(&[]), &[]).await else {
                    continue;
                };
                assert!(page.status < 500, "{page:?}");
                if let Ok(answer) = app.redeem("none").await {
                    assert!(answer.status < 500, "{answer:?}");
                    answers += 1;
                }
            }
            answers
        });
        Self { stops, running }
    }

    async fn stop(self) {
        self.stops.store(true, SeqCst);
        assert!(self.running.await.expect("no answer was a failure") > 0);
    }
}
