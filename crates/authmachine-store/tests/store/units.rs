//! Units of work: all or nothing, in order, and never for ever.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::time::{Duration, Instant};

use authmachine_provider::event::EventKind;
use authmachine_provider::refresh_token::RefreshFamily;
use authmachine_store::settings::{Database, Settings};
use authmachine_store::{Inserted, Store, StoreError, Tx};
use tokio::task::JoinHandle;

use crate::records::{
    LATER, NOW, access_token, client, code, event, grant, hash_of, make, presented, refresh_family, scopes,
    session, user,
};
use crate::support::{Engine, TestStore, both_engines, soon};

/// A unit that holds its writer until it is let go.
struct Held {
    go: mpsc::Sender<()>,
    unit: JoinHandle<Result<(), StoreError>>,
}

impl Held {
    /// Has a unit begin, and hold the store's writer; of a store that has only one.
    async fn begin(store: &Store) -> Self {
        let (go, wait) = mpsc::channel();
        let (begun, has_begun) = tokio::sync::oneshot::channel();
        let begun = Mutex::new(Some(begun));
        let store = store.clone();
        let unit = tokio::spawn(async move {
            store
                .write(soon(), move |_| {
                    if let Some(begun) = begun.lock().expect("nobody panicked").take() {
                        begun.send(()).expect("somebody waits");
                        wait.recv().expect("somebody lets go");
                    }
                    Ok(())
                })
                .await
        });
        has_begun.await.expect("the unit begins");
        Self { go, unit }
    }

    async fn let_go(self) {
        self.go.send(()).expect("it is held");
        self.unit.await.expect("it did not panic").expect("it goes well");
    }
}

/// The same database with one writer and a queue of `queue`.
fn one_writer(store: &TestStore, queue: usize) -> Store {
    let database = match store.settings().database {
        Database::Postgres { url, .. } => Database::Postgres { url, max_connections: 1 },
        sqlite @ Database::Sqlite { .. } => sqlite,
    };
    Store::open(Settings { queue, ..Settings::new(database) }).expect("it opens twice")
}

async fn until(condition: impl Fn() -> bool) {
    let began = Instant::now();
    while !condition() {
        assert!(began.elapsed() < Duration::from_secs(20), "it does not happen");
        tokio::task::yield_now().await;
    }
}

fn insert(code: String) -> impl Fn(&mut Tx) -> Result<bool, StoreError> + Send + 'static {
    move |tx| make(tx, &code)
}

both_engines! {
    async fn every_statement_is_one_that_the_database_plans(store: TestStore) {
        let statements = store.store().clone();
        let count = tokio::task::spawn_blocking(move || statements.check_statements()).await.expect("no panic");
        assert!(count.expect("each is planned") > 80);
    }

    async fn a_read_sees_what_was_written_before(store: TestStore) {
        for n in 0..100 {
            let code = format!("o{n}");
            store.write(insert(code.clone())).await;
            assert!(store.read(move |reads| reads.find_object(&code)).await.is_some(), "{n}");
        }
    }

    async fn a_unit_sees_what_it_wrote(store: TestStore) {
        let found = store.write(|tx| {
            make(tx, "doc")?;
            tx.find_object("doc")
        });
        assert!(found.await.is_some());
    }

    async fn callers_without_a_runtime_are_served(store: TestStore) {
        let store = store.store().clone();
        let outcome = std::thread::spawn(move || {
            store.write_blocking(soon(), insert("doc".to_owned()))?;
            store.read_blocking(|reads| reads.find_object("doc"))
        }).join().expect("no panic");
        assert!(outcome.expect("it goes well").is_some());
    }

    async fn units_that_fail_or_panic_roll_back_alone(store: TestStore) {
        let store_with_one = one_writer(&store, 4_096);
        let before = store_with_one.stats();
        let held = Held::begin(&store_with_one).await;
        let mut tasks = Vec::new();
        for n in 0..90 {
            let store = store_with_one.clone();
            tasks.push(tokio::spawn(async move {
                store
                    .write(soon(), move |tx| {
                        make(tx, &format!("o{n:02}"))?;
                        match n % 30 {
                            3 => Err(StoreError::Conflict),
                            4 => panic!("the unit panics, as ordered"),
                            // The error is swallowed, and counts all the same.
                            5 => tx.insert_meta("a\0b", "").map(|()| true).or(Ok(true)),
                            _ => Ok(true),
                        }
                    })
                    .await
            }));
        }
        until(|| store_with_one.stats().queue == 90).await;
        held.let_go().await;
        for (n, task) in tasks.into_iter().enumerate() {
            let outcome = task.await.expect("the panic stays in its unit");
            match n % 30 {
                3 => assert_eq!(outcome, Err(StoreError::Conflict), "{n}"),
                4 | 5 => assert!(matches!(outcome, Err(StoreError::Driver(_))), "{n}: {outcome:?}"),
                _ => assert_eq!(outcome, Ok(true), "{n}"),
            }
            let found = store.read(move |reads| reads.find_object(&format!("o{n:02}"))).await;
            assert_eq!(found.is_some(), !matches!(n % 30, 3..=5), "{n}");
        }
        let after = store_with_one.stats();
        assert_eq!((after.units - before.units, after.failures - before.failures), (82, 9));
        assert_eq!(store.read(|reads| reads.current_revision()).await, 81);
        store_with_one.write(soon(), insert("after".to_owned())).await.expect("the writer outlives it");
        let commits = after.commits.count - before.commits.count;
        match store.engine {
            // A batch ends by time as well, so how many there are is not said.
            Engine::Sqlite => assert!(commits < 41, "{commits} transactions for 82 units"),
            Engine::Postgres => assert_eq!(commits, 82, "one transaction a unit"),
        }
    }

    async fn units_that_fail_cost_each_other_one_more_run_at_most(store: TestStore) {
        let store_with_one = one_writer(&store, 4_096);
        let held = Held::begin(&store_with_one).await;
        let runs: Arc<[AtomicUsize; 20]> = Arc::default();
        let mut tasks = Vec::new();
        for n in 0..20 {
            let (store, runs) = (store_with_one.clone(), Arc::clone(&runs));
            tasks.push(tokio::spawn(async move {
                store
                    .write(soon(), move |tx| {
                        runs[n].fetch_add(1, Ordering::SeqCst);
                        make(tx, &format!("o{n:02}"))?;
                        if n % 3 == 2 { Err(StoreError::Conflict) } else { Ok(()) }
                    })
                    .await
            }));
            until(|| store_with_one.stats().queue == n as u64 + 1).await;
        }
        held.let_go().await;
        for (n, task) in tasks.into_iter().enumerate() {
            let outcome = task.await.expect("no panic");
            assert_eq!(outcome.is_ok(), n % 3 != 2, "{n}: {outcome:?}");
            assert!((1..=2).contains(&runs[n].load(Ordering::SeqCst)), "{n}");
        }
        assert_eq!(store.count("objects"), 14);
    }

    async fn many_writers_at_once_are_all_served(store: TestStore) {
        let n = Arc::new(AtomicUsize::new(0));
        let stored = store.race(200, move |tx| {
            let n = n.fetch_add(1, Ordering::Relaxed);
            tx.insert_event(&event(EventKind::SignIn))?;
            tx.insert_meta(&format!("m{n}"), "value")
        }).await;
        assert_eq!((stored.len(), store.count("events"), store.count("meta")), (200, 200, 200));
    }

    async fn a_full_queue_is_refused_at_once(store: TestStore) {
        let small = one_writer(&store, 3);
        let held = Held::begin(&small).await;
        let waiting: Vec<_> = (0..3).map(|n| {
            let small = small.clone();
            tokio::spawn(async move { small.write(soon(), insert(format!("o{n}"))).await })
        }).collect();
        until(|| small.stats().queue == 3).await;

        let began = Instant::now();
        let refused = small.write(soon(), insert("refused".to_owned())).await;
        assert!(matches!(refused, Err(StoreError::Unavailable(_))), "{refused:?}");
        small.write_later(|tx| make(tx, "dropped").map(drop));
        assert!(began.elapsed() < Duration::from_secs(5), "it did not wait");

        held.let_go().await;
        for unit in waiting {
            assert_eq!(unit.await.expect("no panic"), Ok(true));
        }
        assert_eq!(store.count("objects"), 3);
    }

    async fn a_unit_whose_time_is_up_never_begins(store: TestStore) {
        let small = one_writer(&store, 9);
        let held = Held::begin(&small).await;
        let deadline = Instant::now() + Duration::from_millis(20);
        let late = small.write(deadline, insert("late".to_owned())).await;
        assert!(matches!(late, Err(StoreError::Unavailable(_))), "{late:?}");
        assert!(Instant::now() >= deadline);
        // Nobody waits for this one any more.
        let left = tokio::spawn({
            let small = small.clone();
            async move { small.write(soon(), insert("left".to_owned())).await }
        });
        until(|| small.stats().queue == 2).await;
        left.abort();
        assert!(left.await.expect_err("it was cut").is_cancelled());
        small.write_later(|tx| make(tx, "nobody-waits-and-it-is-written").map(drop));
        held.let_go().await;
        small.write(soon(), |_| Ok(())).await.expect("the queue is worked off in order");
        assert_eq!(small.stats().skipped, 2);
        assert_eq!(store.count("objects"), 1);
    }

    async fn a_unit_that_has_begun_is_not_cut(store: TestStore) {
        let small = one_writer(&store, 9);
        let (go, wait) = mpsc::channel::<()>();
        let begun = Arc::new(AtomicBool::new(false));
        let unit = tokio::spawn({
            let (small, begun) = (small.clone(), begun.clone());
            async move {
                small.write(soon(), move |tx| {
                    begun.store(true, Ordering::SeqCst);
                    wait.recv().expect("somebody lets go");
                    make(tx, "doc")
                }).await
            }
        });
        until(|| begun.load(Ordering::SeqCst)).await;
        unit.abort();
        assert!(unit.await.expect_err("it was cut").is_cancelled());
        go.send(()).expect("it is held");
        small.write(soon(), |_| Ok(())).await.expect("the writer goes on");
        assert_eq!(store.count("objects"), 1);
    }

    async fn what_is_queued_is_finished_when_the_store_is_dropped(store: TestStore) {
        let other = store.open_again().expect("it opens twice");
        for n in 0..50 {
            other.write_later(move |tx| make(tx, &format!("o{n}")).map(drop));
        }
        drop(other);
        assert_eq!(store.count("objects"), 50);
    }

    async fn a_hook_runs_after_its_commit_and_before_the_answer(store: TestStore) {
        let runs = Arc::new(AtomicUsize::new(0));
        let unit = |outcome: Result<(), StoreError>| {
            let runs = runs.clone();
            move |tx: &mut Tx| {
                let runs = runs.clone();
                tx.after_commit(Box::new(move || {
                    runs.fetch_add(1, Ordering::SeqCst);
                }));
                outcome.clone()
            }
        };
        store.write(unit(Ok(()))).await;
        assert_eq!(runs.load(Ordering::SeqCst), 1);
        assert!(store.try_write(unit(Err(StoreError::Conflict))).await.is_err());
        store.write(|_| Ok(())).await;
        assert_eq!(runs.load(Ordering::SeqCst), 1, "nothing was committed");
        store.write(|tx| {
            tx.after_commit(Box::new(|| panic!("the hook panics, as ordered")));
            Ok(())
        }).await;
        store.write(unit(Ok(()))).await;
        assert_eq!(runs.load(Ordering::SeqCst), 2);
    }

    async fn rb4_whichever_call_fails_nothing_is_half_done(store: TestStore) {
        let (alice, shop) = (user("alice"), client("shop"));
        let session = session(&alice);
        let (granted, code, token, family) = (grant(&shop, &session), code(), access_token(), refresh_family());
        let (handle, by, g) = (presented(code.id), shop.id, granted.clone());
        store.write(move |tx| {
            tx.insert_user(&alice)?;
            tx.insert_client(&shop)?;
            tx.insert_session(&session, &hash_of(session.id.0))?;
            tx.insert_grant(&g)?;
            tx.insert_code(&code, &handle.sha256, &g)
        }).await;
        let tables = ["access_tokens", "refresh_families", "consents", "events", "changes", "meta"];
        let before = tables.map(|table| store.count(table));

        // Redeeming, and a little more.
        let redeem = {
            let (id, token, family, user) = (granted.id, token.clone(), family.clone(), granted.user_id);
            move |tx: &mut Tx| {
                tx.extend_grant(id, LATER, NOW)?;
                let taken = tx.take_code(&handle, by, NOW)?;
                assert!(matches!(taken, authmachine_provider::authorization_code::Taken::Now(_)), "{taken:?}");
                tx.insert_access_token(&token, &hash_of(token.id), id)?;
                tx.insert_refresh_family(&family, id)?;
                tx.rotate_refresh_family(&RefreshFamily { generation: 1, ..family.clone() }, 0)?;
                tx.upsert_consent(user.expect("it has one"), by, &scopes("openid"), &["obj".to_owned()], NOW)?;
                tx.insert_meta("name", "value")?;
                tx.set_client_secret(by, &[5; 32], NOW)?;
                tx.insert_event(&event(EventKind::TokensIssued))
            }
        };
        let mut n = 0;
        loop {
            n += 1;
            store.faults().fail_call(n);
            let outcome = store.try_write(redeem.clone()).await;
            if store.faults().is_pending() {
                store.faults().fail_call(0);
                assert_eq!(outcome, Ok(()), "there are {} calls", n - 1);
                break;
            }
            assert!(matches!(outcome, Err(StoreError::Unavailable(_))), "call {n}: {outcome:?}");
            assert_eq!(tables.map(|table| store.count(table)), before, "call {n}");
            let secret = store.read(move |reads| reads.find_client(by)).await.and_then(|client| client.secret_hmac);
            assert_eq!(secret, Some([3; 32]), "call {n}");
        }
        assert!(n > 12, "{n}");
        let found = store.read(move |reads| reads.find_access_token(&presented(token.id))).await;
        assert!(found.is_some());
    }

    async fn rb10_an_answer_lost_after_the_commit_is_an_error_and_the_unit_is_done(store: TestStore) {
        let hooked = Arc::new(AtomicBool::new(false));
        let hook = hooked.clone();
        store.faults().lose_answer(1);
        let outcome = store.try_write(move |tx| {
            let hook = hook.clone();
            tx.after_commit(Box::new(move || hook.store(true, Ordering::SeqCst)));
            make(tx, "doc")
        }).await;
        assert!(matches!(outcome, Err(StoreError::Unavailable(_))), "{outcome:?}");
        assert_eq!(store.count("objects"), 1, "it is done, once");
        assert!(hooked.load(Ordering::SeqCst), "no cache goes on as before");
        assert!(!store.write(insert("doc".to_owned())).await);
        assert!(!store.faults().is_pending());
    }

    async fn a_read_that_fails_is_an_error_and_the_next_one_works(store: TestStore) {
        store.faults().fail_call(1);
        let outcome = store.store().read(|reads| reads.find_object("doc")).await;
        assert!(matches!(outcome, Err(StoreError::Unavailable(_))), "{outcome:?}");
        assert_eq!(store.read(|reads| reads.find_object("doc")).await, None);
        // After an error nothing more is asked.
        store.faults().fail_call(1);
        let outcome = store.store().read(|reads| {
            let first = reads.find_object("doc");
            Ok((first, reads.find_object("doc")))
        }).await;
        if let Ok((first, second)) = outcome {
            assert!(first.is_err());
            assert_eq!(first, second);
        }
    }

    async fn units_that_cross_each_other_both_happen(store: TestStore) {
        let (alice, bob) = (user("alice"), user("bob"));
        let sessions = [session(&alice), session(&bob)];
        let ids = sessions.clone().map(|session| session.id);
        store.write(move |tx| {
            sessions.iter().try_for_each(|session| tx.insert_session(session, &hash_of(session.id.0)))
        }).await;
        // Each locks one row and then wants the other's: PostgreSQL ends one of the two, and we run it again.
        let first_is_locked = Arc::new(std::sync::Barrier::new(2));
        // SQLite's one writer has nobody to cross.
        let crosses = store.engine == Engine::Postgres;
        let tasks = [[ids[0], ids[1]], [ids[1], ids[0]]].map(|[first, second]| {
            let (store, both) = (store.store().clone(), first_is_locked.clone());
            let waits = AtomicBool::new(crosses);
            tokio::spawn(async move {
                store.write(soon(), move |tx| {
                    tx.touch_session(first, LATER)?;
                    if waits.swap(false, Ordering::SeqCst) {
                        both.wait();
                    }
                    tx.touch_session(second, LATER)
                }).await
            })
        });
        for task in tasks {
            assert_eq!(task.await.expect("no panic"), Ok(()));
        }
    }

    async fn a_refusal_commits(store: TestStore) {
        let refused: Result<(), &str> = store.write(|tx| {
            make(tx, "noted")?;
            Ok(Err("no"))
        }).await;
        assert_eq!((refused, store.count("objects")), (Err("no"), 1));
    }

    async fn a_conflict_rolls_back_what_came_before_it(store: TestStore) {
        let alice = user("alice");
        let twice = session(&alice);
        let outcome = store.try_write(move |tx| {
            assert_eq!(tx.insert_user(&alice)?, Inserted::Yes);
            tx.insert_session(&twice, &[1; 32])?;
            tx.insert_session(&twice, &[1; 32])
        }).await;
        assert_eq!(outcome, Err(StoreError::Conflict));
        assert_eq!((store.count("users"), store.count("sessions"), store.count("changes")), (0, 0, 0));
    }
}
