//! The power goes, and takes what was not synced, in whole or in part.

use std::time::Instant;

use authmachine_e2e::{Engine, Provider, http};

use crate::disk::{Promises, Record, copy};
use crate::ledger::{Ledger, Load};
use crate::preload::{Control, Preload};
use crate::scenario::Scenario;

const WORKERS: usize = 4;
/// Acknowledgements in one record: the log is moved into the file some times.
const ACKNOWLEDGED: usize = 400;
/// Points at which the power is cut in one record.
const POINTS: usize = 25;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rb2_what_was_acknowledged_outlives_the_power() {
    let mut scenario = Scenario::begin("power cut", "RB2", &Engine::Sqlite, 20, 500);
    hold(&mut scenario, async |_, load| load.acknowledges(ACKNOWLEDGED).await).await;
    scenario.end();
}

/// What a failed sync was about, no later one brings to the disk. So nothing that was acknowledged may stand on it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rb11_a_sync_that_fails_takes_nothing_that_was_acknowledged() {
    let mut scenario = Scenario::begin("sync fails, then power cut", "RB11, RB2", &Engine::Sqlite, 8, 250);
    hold(&mut scenario, async |preload, load| {
        for n in 0..10 {
            load.acknowledges(ACKNOWLEDGED / 10).await;
            preload.set(Control::FailSyncs, 1 + n % 3);
        }
        load.acknowledges(ACKNOWLEDGED / 10).await;
        assert!(preload.get(Control::Refused) > 0, "no sync failed");
    })
    .await;
    scenario.end();
}

/// Records what a server writes under load, with `fault` in it; cuts the power at some points, and holds what is found then to
/// the books. Again, until it was often enough.
async fn hold(scenario: &mut Scenario, fault: impl AsyncFn(&Preload, &Load)) {
    let mut points = 0;
    while points < scenario.count {
        let mut provider = quiet().await;
        provider.launch().await;
        let mut ledger = Ledger::open(&provider, WORKERS, &mut scenario.random).await;
        assert!(provider.stop().await.success());
        let base = copy(provider.folder());
        let preload = Preload::before(&mut provider, true);
        ledger.follow(&preload.log());
        provider.launch().await;
        ledger.under_load(false, async |load| fault(&preload, load).await).await;
        assert_eq!(provider.metric("authmachine_panics_total").await, "0");
        provider.kill();
        provider.clear_for_serve();
        scenario.acknowledged(ledger.acknowledged());

        let record = Record::read(&preload.log(), provider.folder(), base.path());
        for _ in 0..POINTS.min(scenario.count - points) {
            points += 1;
            let point = record.pick(&mut scenario.random);
            let promises = [Promises::Journal, Promises::None][scenario.random.below(2)];
            record.restore(point, promises, provider.folder(), &mut scenario.random);
            let mut ledger = ledger.as_of(record.length_at(point));
            let started = Instant::now();
            provider.launch().await;
            scenario.recovered(ledger.is_normal(started).await);
            ledger.check().await;
            provider.check_database().await;
            assert_eq!(provider.metric("authmachine_panics_total").await, "0");
            provider.kill();
        }
    }
}

/// There is no backup yet, so nobody can be asked for one.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rb2_the_first_start_may_lose_its_power() {
    let mut scenario = Scenario::begin("power cut in the first start", "RB2, G9", &Engine::Sqlite, 10, 200);
    let mut provider = quiet().await;
    let base = copy(provider.folder());
    let preload = Preload::before(&mut provider, true);
    provider.launch().await;
    let key_set = http::get(&provider.url("/oidc/jwks")).await.expect(200).json();
    let told_at = std::fs::metadata(preload.log()).expect("it grows").len();
    provider.kill();
    provider.clear_for_serve();
    let record = Record::read(&preload.log(), provider.folder(), base.path());
    for n in 0..scenario.count {
        // The end of it all, and then anywhere.
        let point = if n < 2 { record.len() } else { record.pick(&mut scenario.random) };
        let promises = [Promises::Journal, Promises::None][n % 2];
        record.restore(point, promises, provider.folder(), &mut scenario.random);
        scenario.recovered(provider.launch().await);
        let found = http::get(&provider.url("/oidc/jwks")).await.expect(200).json();
        if record.length_at(point) >= told_at {
            assert_eq!(found, key_set, "a key set that was seen stays");
        }
        provider.check_database().await;
        provider.kill();
        // And once more, with what this one made.
        provider.launch().await;
        assert_eq!(http::get(&provider.url("/oidc/jwks")).await.expect(200).json(), found);
        provider.kill();
    }
    scenario.end();
}

async fn quiet() -> Provider {
    let mut provider = Provider::prepare(&Engine::Sqlite).await;
    provider.set("LOG__LEVEL", "warn");
    provider.set("LIVES__CODE", "10m");
    provider
}
