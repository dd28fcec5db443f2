use authmachine_provider::keys::SigningKeyRecord;
use authmachine_store::StoreError;

use crate::records::{LATER, NOW, signing_key};
use crate::support::both_engines;

both_engines! {
    async fn keys_come_back_oldest_first_and_retire_once(store: TestStore) {
        let old = signing_key("z");
        let new = SigningKeyRecord { created_at: NOW.plus_ms(1), ..signing_key("a") };
        let (first, second) = (new.clone(), old.clone());
        store.write(move |tx| {
            tx.insert_signing_key(&first)?;
            tx.insert_signing_key(&second)
        }).await;
        assert_eq!(store.read(|reads| reads.list_signing_keys()).await, [old.clone(), new.clone()]);

        store.write(|tx| tx.retire_signing_key("z", NOW, LATER)).await;
        store.write(|tx| tx.retire_signing_key("z", LATER, LATER.plus_seconds(9))).await;
        store.write(|tx| tx.retire_signing_key("unknown", NOW, LATER)).await;
        let retired = SigningKeyRecord { retired_at: Some(NOW), expires_at: Some(LATER), ..old.clone() };
        assert_eq!(store.read(|reads| reads.list_signing_keys()).await, [retired, new]);
        assert_eq!(store.try_write(move |tx| tx.insert_signing_key(&old)).await, Err(StoreError::Conflict));
    }

    async fn a_meta_value_is_set_once(store: TestStore) {
        assert_eq!(store.read(|reads| reads.find_meta("key")).await, None);
        store.write(|tx| tx.insert_meta("key", "first")).await;
        store.write(|tx| tx.insert_meta("key", "second")).await;
        store.write(|tx| tx.insert_meta("Key", "other")).await;
        assert_eq!(store.read(|reads| reads.find_meta("key")).await.as_deref(), Some("first"));
        assert_eq!(store.read(|reads| reads.find_meta("Key")).await.as_deref(), Some("other"));
    }

    async fn sixty_four_nodes_in_a_row_have_numbers_of_their_own(store: TestStore) {
        let mut drawn = Vec::new();
        for _ in 0..65 {
            drawn.push(store.write(|tx| tx.next_node()).await);
        }
        assert_eq!(drawn, (0..64).chain([0]).collect::<Vec<u8>>());
    }
}
