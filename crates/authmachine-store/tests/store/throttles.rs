use authmachine_provider::throttle::{DRAIN_S, FORGET_AFTER_S, Throttle};

use crate::records::NOW;
use crate::support::both_engines;

const KEY: [u8; 32] = [1; 32];

both_engines! {
    async fn tries_are_counted_and_forgiven(store: TestStore) {
        let find = || store.read(|reads| reads.find_throttle(&KEY));
        assert_eq!(find().await, Throttle::default());
        for n in 1..=3 {
            let now = NOW.plus_seconds(n);
            store.write(move |tx| tx.count_try(&KEY, now)).await;
            assert_eq!(find().await, Throttle { failures: n, last_failed_at: Some(now) });
        }
        store.write(|tx| tx.count_try(&[2; 32], NOW)).await;
        store.write(|tx| tx.clear_throttle(&KEY)).await;
        assert_eq!(find().await, Throttle::default());
        assert_eq!(store.read(|reads| reads.find_throttle(&[2; 32])).await.failures, 1);
    }

    async fn bf3_a_count_outlives_a_restart(store: TestStore) {
        let keys = || (0..200_u8).map(|n| [n; 32]);
        store.write(move |tx| keys().try_for_each(|key| tx.count_try(&key, NOW))).await;
        let again = store.open_again().expect("it opens");
        for key in keys() {
            assert_eq!(again.read(move |reads| reads.find_throttle(&key)).await.expect("it answers").failures, 1);
        }
        assert_eq!(again.read(|reads| reads.find_throttle(&[200; 32])).await.expect("it answers").failures, 0);
    }

    async fn bf3_tries_at_once_all_count(store: TestStore) {
        store.race(32, |tx| tx.count_try(&KEY, NOW)).await;
        assert_eq!(store.read(|reads| reads.find_throttle(&KEY)).await.failures, 32);
    }

    async fn bf3_tries_that_look_before_they_count_take_turns(store: TestStore) {
        store.write(|tx| tx.count_try(&KEY, NOW)).await;
        let allowed = store.race(32, |tx| {
            let is_allowed = tx.find_throttle(&KEY)?.failures < 5;
            if is_allowed {
                tx.count_try(&KEY, NOW)?;
            }
            Ok(is_allowed)
        }).await;
        assert_eq!(allowed.iter().filter(|is_allowed| **is_allowed).count(), 4);
        assert_eq!(store.write(|tx| tx.find_throttle(&[2; 32])).await, Throttle::default());
    }

    async fn a_shared_count_drains(store: TestStore) {
        let count = async |after_s: i64| {
            let now = NOW.plus_seconds(after_s);
            store.write(move |tx| tx.count_draining(&KEY, now)).await;
            store.read(|reads| reads.find_throttle(&KEY)).await.failures
        };
        for n in 1..=10 {
            assert_eq!(count(n).await, n, "at once they add up");
        }
        let mut at = 10;
        for (rest_s, expected) in [
            (DRAIN_S - 1, 11), (DRAIN_S, 11), (3 * DRAIN_S, 9), (9 * DRAIN_S, 1), (0, 2), (100 * DRAIN_S, 1),
            // A clock that went back drains nothing and adds no more than one.
            (-1_000 * DRAIN_S, 2),
        ] {
            at += rest_s;
            assert_eq!(count(at).await, expected, "{rest_s}");
        }
    }

    async fn a_count_is_forgotten_after_its_time(store: TestStore) {
        let day = FORGET_AFTER_S;
        for (after_s, expected) in [(0, 1), (day - 1, 2), (2 * day - 2, 3), (3 * day - 2, 1)] {
            let now = NOW.plus_seconds(after_s);
            store.write(move |tx| tx.count_try(&KEY, now)).await;
            assert_eq!(store.read(|reads| reads.find_throttle(&KEY)).await.failures, expected, "{after_s}");
        }
    }
}
