//! Files that are not what they were: damaged, of another installation, of a newer version, in use by another server.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use authmachine_e2e::{Engine, Provider, Random, http};

use crate::disk::{copy, paste};
use crate::ledger::Ledger;
use crate::scenario::Scenario;

const WORKERS: usize = 3;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rb22_a_damaged_file_is_refused_with_a_reason_or_does_no_harm() {
    let mut scenario = Scenario::begin("damaged file", "RB22", &Engine::Sqlite, 15, 400);
    let mut provider = Provider::prepare(&Engine::Sqlite).await;
    provider.set("LOG__LEVEL", "warn");
    provider.launch().await;
    let mut ledger = Ledger::open(&provider, WORKERS, &mut scenario.random).await;
    // So that the keys are in the file, and not in its log.
    provider.stop().await;
    provider.launch().await;
    ledger.under_load(true, async |load| load.acknowledges(100).await).await;
    let known = kids(&provider).await;
    provider.kill();
    let whole = copy(provider.folder());
    let whole_key = fs::read(provider.data().join("authmachine.key")).expect("it is there");

    let mut refused = 0;
    for n in 0..scenario.count {
        paste(whole.path(), provider.folder());
        let name = ["authmachine.db", "authmachine.db-wal", "authmachine.key"][n % 3];
        let file = provider.data().join(name);
        let how = damage(&file, &mut scenario.random);
        let damaged_key = fs::read(provider.data().join("authmachine.key")).expect("it is there");
        let what = format!("{name}, {how}");
        match provider.try_launch().await {
            Err(status) => {
                refused += 1;
                let said = provider.log();
                assert_eq!(status.code(), Some(1), "{what}: {said}");
                assert!(said.contains("error") || said.contains("Error"), "{what}: no reason: {said}");
            }
            Ok(_) => {
                let found = kids(&provider).await;
                assert!(found.is_subset(&known), "{what}: new keys in silence");
                // What is found is of one time or another, and each request has an answer.
                ledger.ask().await;
                assert_eq!(provider.metric("authmachine_panics_total").await, "0", "{what}");
                provider.kill();
                // Hex in capitals, and with another white space at its end, is the same key.
                let key = |bytes: &[u8]| bytes.get(..64).map(<[u8]>::to_ascii_lowercase);
                assert_eq!(key(&damaged_key), key(&whole_key), "{how}: another key is not noticed");
            }
        }
        assert!(!provider.log().contains("panicked"), "{what}: {}", provider.log());
        let key = fs::read(provider.data().join("authmachine.key")).expect("it is there");
        assert_eq!(key, damaged_key, "{what}: a key is never replaced");
        scenario.happened();
    }
    assert!(refused >= scenario.count / 3, "only {refused} were refused");
    scenario.acknowledged(ledger.acknowledged());
    scenario.end();
}

#[tokio::test]
async fn rb22_a_damaged_configuration_is_refused_with_a_reason_or_legal() {
    let mut scenario = Scenario::begin("damaged configuration", "RB22", &Engine::Sqlite, 10, 400);
    let provider = Provider::prepare(&Engine::Sqlite).await;
    let whole = fs::read(provider.config()).expect("it is there");
    for _ in 0..scenario.count {
        fs::write(provider.config(), &whole).expect("the folder is ours");
        let how = damage(&provider.config(), &mut scenario.random);
        let output = provider.run(&["config", "check"], None).await;
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(matches!(output.status.code(), Some(0 | 1)), "{how}: {said}");
        assert!(output.status.success() || !said.is_empty(), "{how}: no reason");
        scenario.happened();
    }
    scenario.end();
}

#[tokio::test]
async fn rb22_a_newer_schema_and_a_lost_database_are_told() {
    let mut provider = Provider::prepare(&Engine::Sqlite).await;
    provider.launch().await;
    provider.stop().await;
    provider.run_sql("INSERT INTO schema_steps (version) VALUES (999)").await;
    let status = provider.try_launch().await.expect_err("a newer schema");
    let said = provider.log();
    assert!(status.code() == Some(1) && said.contains("999") && said.contains("newer"), "{said}");
    // A new database beside an old key: legal, and not in silence.
    fs::remove_file(provider.data().join("authmachine.db")).expect("it is there");
    provider.launch().await;
    let said = provider.log();
    assert!(said.contains("new database") && said.contains("backup"), "{said}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rb32_a_second_server_is_refused_under_load() {
    let mut scenario = Scenario::begin("second server", "RB32", &Engine::Sqlite, 1, 50);
    let mut provider = Provider::prepare(&Engine::Sqlite).await;
    provider.set("LOG__LEVEL", "warn");
    provider.launch().await;
    let mut ledger = Ledger::open(&provider, WORKERS, &mut scenario.random).await;
    for _ in 0..scenario.count {
        ledger
            .under_load(false, async |load| {
                load.acknowledges(20).await;
                let second = ["serve", "--listen", "127.0.0.1:0"];
                let (one, other) = tokio::join!(provider.run(&second, None), provider.run(&second, None));
                for output in [one, other] {
                    let said = String::from_utf8_lossy(&output.stderr).into_owned();
                    assert!(output.status.code() == Some(1) && said.contains("another"), "{said}");
                }
                load.acknowledges(20).await;
            })
            .await;
        scenario.happened();
        ledger.check().await;
    }
    provider.kill();
    provider.launch().await;
    ledger.check_all().await;
    provider.check_database().await;
    scenario.acknowledged(ledger.acknowledged());
    scenario.end();
}

async fn kids(provider: &Provider) -> BTreeSet<String> {
    let jwks = http::get(&provider.url("/oidc/jwks")).await.expect(200).json();
    let keys = jwks["keys"].as_array().expect("a set of keys").iter();
    keys.map(|key| key["kid"].as_str().expect("a key has a name").to_owned()).collect()
}

/// Damages a file; how.
fn damage(file: &Path, random: &mut Random) -> String {
    let mut bytes = fs::read(file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    let at = random.below(bytes.len());
    let how = match random.below(5) {
        0 => {
            bytes.truncate(at);
            format!("cut off at {at}")
        }
        1 => {
            let end = bytes.len().min(at + 512);
            bytes[at..end].fill(0);
            format!("zeros from {at} to {end}")
        }
        _ => {
            let bit = random.below(8);
            bytes[at] ^= 1 << bit;
            format!("bit {bit} of byte {at}")
        }
    };
    fs::write(file, bytes).expect("the folder is ours");
    how
}
