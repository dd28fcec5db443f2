//! Clients in memory (checklist TK8, CH2).

use std::sync::Arc;
use std::time::Duration;

use authmachine_provider::client::Client;
use authmachine_provider::client_metadata::ClientMetadata;
use authmachine_provider::ids::ClientId;
use authmachine_store::{Marker, Store, StoreError};
use serde_json::Value;

use crate::records::{NOW, client};
use crate::support::{TestStore, both_engines, soon};

/// Looks at the changes, as a server does four times a second.
async fn follow(store: &Store, marker: &mut Marker) {
    store.changed_since(marker).await.expect("it can look");
}

async fn find(store: &Store, id: ClientId) -> Option<Arc<Client>> {
    store.read(move |reads| reads.client(id)).await.expect("it reads")
}

async fn find_named(store: &Store, client_id: &'static str) -> Option<Arc<Client>> {
    store.read(move |reads| reads.client_by_client_id(client_id)).await.expect("it reads")
}

async fn insert(store: &TestStore, client: &Client) {
    let new = client.clone();
    assert!(store.write(move |tx| tx.insert_client(&new)).await);
}

async fn update(store: &Store, client: &Client) {
    let new = client.clone();
    store.write(soon(), move |tx| tx.update_client(&new)).await.expect("it writes");
}

both_engines! {
    async fn a_client_is_loaded_once_and_known_by_both_names(store: TestStore) {
        let shop = client("shop");
        insert(&store, &shop).await;
        follow(&store, &mut Marker::default()).await;
        for _ in 0..3 {
            assert_eq!(find(&store, shop.id).await.as_deref(), Some(&shop));
            assert_eq!(find_named(&store, "shop").await.as_deref(), Some(&shop));
        }
        let stats = store.stats().clients;
        assert_eq!((stats.entries, stats.hits, stats.misses), (1, 5, 1));
        // Nobody's name is kept.
        for _ in 0..3 {
            assert_eq!(find_named(&store, "SHOP").await, None);
        }
        assert_eq!(store.stats().clients.entries, 1);
    }

    async fn tk8_a_change_is_seen_at_once_here_and_with_the_next_look_elsewhere(store: TestStore) {
        let mut shop = client("shop");
        insert(&store, &shop).await;
        let other = store.open_again().expect("it opens twice");
        let (mut here, mut there) = (Marker::default(), Marker::default());
        follow(&store, &mut here).await;
        follow(&other, &mut there).await;
        for disabled in [true, false] {
            assert!(find(&store, shop.id).await.is_some() && find(&other, shop.id).await.is_some());
            shop.disabled = disabled;
            update(&store, &shop).await;
            assert_eq!(find(&store, shop.id).await.as_deref(), Some(&shop));
            follow(&other, &mut there).await;
            assert_eq!(find(&other, shop.id).await.as_deref(), Some(&shop));
            assert_eq!(find_named(&other, "shop").await.as_deref(), Some(&shop));
        }
        let id = shop.id;
        other.write(soon(), move |tx| tx.delete_client(id, NOW)).await.expect("it writes");
        assert_eq!(find(&other, id).await, None);
        follow(&store, &mut here).await;
        assert_eq!(find_named(&store, "shop").await, None);
    }

    async fn tk8_what_nobody_follows_is_not_believed(store: TestStore) {
        let mut settings = store.settings();
        settings.trusted_for = Duration::from_millis(100);
        let other = Store::open(settings).expect("it opens twice");
        let mut shop = client("shop");
        insert(&store, &shop).await;
        find(&other, shop.id).await;
        shop.disabled = true;
        update(&store, &shop).await;
        assert_eq!(find(&other, shop.id).await.as_deref(), Some(&shop), "nobody has looked");

        follow(&other, &mut Marker::default()).await;
        find(&other, shop.id).await;
        shop.disabled = false;
        update(&store, &shop).await;
        tokio::time::sleep(Duration::from_millis(120)).await;
        assert_eq!(find(&other, shop.id).await.as_deref(), Some(&shop), "nobody has looked for long");
    }

    async fn a_unit_of_work_that_fails_leaves_nothing_in_memory(store: TestStore) {
        follow(&store, &mut Marker::default()).await;
        let shop = client("shop");
        let new = shop.clone();
        let failed = store.try_write(move |tx| {
            tx.insert_client(&new)?;
            assert!(tx.client(new.id)?.is_some());
            Err::<(), _>(StoreError::Conflict)
        }).await;
        assert!(failed.is_err());
        assert_eq!(find(&store, shop.id).await, None);
    }

    async fn ch2_large_clients_push_each_other_out(store: TestStore) {
        follow(&store, &mut Marker::default()).await;
        for n in 0..60 {
            let localized = [("client_name#de".to_owned(), Value::from("x".repeat(200_000)))].into_iter().collect();
            let large = Client { metadata: ClientMetadata { localized, ..ClientMetadata::default() }, ..client(&format!("c{n}")) };
            insert(&store, &large).await;
            assert!(find(&store, large.id).await.is_some());
            assert!(store.stats().clients.bytes <= 16 << 20);
        }
        assert!((1..60).contains(&store.stats().clients.entries));
    }
}
