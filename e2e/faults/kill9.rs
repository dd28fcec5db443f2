//! `kill -9` in the middle of logins, redemptions, refreshes and revocations.

use std::time::{Duration, Instant};

use authmachine_e2e::{Engine, Provider};

use crate::ledger::Ledger;
use crate::scenario::Scenario;

const WORKERS: usize = 8;
/// Acknowledgements before the server is killed.
const ACKNOWLEDGED: std::ops::Range<usize> = 50..250;
/// Checklist RB1: the median of a full run, which builds for release and has the machine for itself.
const READY_WITHIN: Duration = Duration::from_secs(2);
/// Who else has an account, in a full run (checklist RB1).
const CROWD: usize = 100_000;

on_each_engine!(rb1_nothing_acknowledged_is_lost_and_nothing_works_twice);

async fn rb1_nothing_acknowledged_is_lost_and_nothing_works_twice(engine: Engine) {
    let mut scenario = Scenario::begin("kill -9", "RB1", &engine, 8, 100);
    let mut provider = Provider::prepare(&engine).await;
    // What is told here is told by the books; the log of thousands of requests is not needed.
    provider.set("LOG__LEVEL", "warn");
    // The codes of the first rounds are still good in the last one.
    provider.set("LIVES__CODE", "10m");
    provider.launch().await;
    if scenario.is_full() {
        provider.add_user("crowd").await;
        provider.stop().await;
        provider.add_crowd("crowd", CROWD).await;
        provider.launch().await;
    }
    let mut ledger = Ledger::open(&provider, WORKERS, &mut scenario.random).await;
    for _ in 0..scenario.count {
        let enough = ACKNOWLEDGED.start + scenario.random.below(ACKNOWLEDGED.len());
        let moment = Duration::from_micros(scenario.random.below(5_000).try_into().expect("small"));
        ledger
            .under_load(true, async |load| {
                load.acknowledges(enough).await;
                tokio::time::sleep(moment).await;
                provider.kill();
            })
            .await;
        let started = Instant::now();
        provider.launch().await;
        scenario.recovered(ledger.is_normal(started).await);
        provider.check_database().await;
        ledger.check().await;
        assert_eq!(provider.metric("authmachine_panics_total").await, "0");
    }
    ledger.check_all().await;
    assert!(provider.stop().await.success());
    provider.check_database().await;
    scenario.acknowledged(ledger.acknowledged());
    let is_full = scenario.is_full();
    let median = scenario.end();
    assert!(!is_full || median.is_some_and(|median| median <= READY_WITHIN), "{median:?}");
}
