use authmachine_provider::ids::ClientId;
use authmachine_store::Purge;

use crate::records::{LATER, NOW};
use crate::support::both_engines;

const SHOP: ClientId = ClientId(1);
const JTI: [u8; 32] = [1; 32];

both_engines! {
    async fn ca4_an_id_is_used_once_by_each_client(store: TestStore) {
        assert!(store.write(|tx| tx.take_assertion_id(SHOP, &JTI, LATER)).await);
        assert!(!store.write(|tx| tx.take_assertion_id(SHOP, &JTI, LATER)).await);
        assert!(!store.write(|tx| tx.take_assertion_id(SHOP, &JTI, NOW)).await);
        assert!(store.write(|tx| tx.take_assertion_id(SHOP, &[2; 32], LATER)).await);
        assert!(store.write(|tx| tx.take_assertion_id(ClientId(2), &JTI, LATER)).await);
    }

    async fn g3_of_a_hundred_at_once_one_has_the_id(store: TestStore) {
        let won = store.race(100, |tx| tx.take_assertion_id(SHOP, &JTI, LATER)).await;
        assert_eq!(won.iter().filter(|won| **won).count(), 1);
    }

    async fn ca5_what_has_ended_is_forgotten_in_bounded_steps(store: TestStore) {
        store.write(|tx| {
            (0..25).try_for_each(|n| tx.take_assertion_id(SHOP, &[n; 32], NOW).map(drop))?;
            tx.take_assertion_id(SHOP, &[99; 32], NOW.plus_ms(1)).map(drop)
        }).await;
        for left in [16, 6, 1, 1] {
            store.write(|tx| tx.purge(Purge::AssertionIds, NOW, 10)).await;
            assert_eq!(store.count("assertion_ids"), left);
        }
        assert!(!store.write(|tx| tx.take_assertion_id(SHOP, &[99; 32], LATER)).await);
        assert!(store.write(|tx| tx.take_assertion_id(SHOP, &[1; 32], LATER)).await);
    }
}
