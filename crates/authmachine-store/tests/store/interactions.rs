use authmachine_provider::handle::Presented;
use authmachine_provider::ids::SessionId;
use authmachine_provider::interaction::{Done, Interaction};

use crate::records::{BROWSER, LATER, NOW, client, hash_of, interaction, presented};
use crate::support::{TestStore, both_engines};

async fn begin(store: &TestStore) -> Interaction {
    let interaction = interaction(&client("shop"));
    let new = interaction.clone();
    store.write(move |tx| tx.insert_interaction(&new, &hash_of(new.id), &BROWSER)).await;
    interaction
}

both_engines! {
    async fn an_interaction_comes_back_as_stored(store: TestStore) {
        let begun = begin(&store).await;
        let handle = presented(begun.id);
        let found = store.read(move |reads| reads.find_interaction(&handle, &BROWSER)).await;
        assert_eq!(found.as_ref(), Some(&begun));

        let done = Done { signed_in: Some(SessionId(5)), account_chosen: true, other_account: true, consented: Some(SessionId(5)) };
        let (id, new) = (begun.id, done.clone());
        assert!(store.write(move |tx| tx.update_interaction(id, &Done::default(), &new)).await);
        let found = store.read(move |reads| reads.find_interaction(&handle, &BROWSER)).await;
        assert_eq!(found, Some(Interaction { done, ..begun }));
    }

    async fn g4_an_interaction_needs_its_whole_handle_and_its_browser(store: TestStore) {
        let begun = begin(&store).await;
        let right = presented(begun.id);
        let wrong = Presented { sha256: [0; 32], ..right };
        for (handle, browser) in [(wrong, BROWSER), (right, [8; 32])] {
            assert_eq!(store.read(move |reads| reads.find_interaction(&handle, &browser)).await, None);
            assert_eq!(store.write(move |tx| tx.take_interaction(&handle, &browser, NOW)).await, None);
        }
        assert_eq!(store.write(move |tx| tx.take_interaction(&right, &BROWSER, NOW)).await, Some(begun));
    }

    async fn g3_of_many_who_answer_a_step_one_finds_it_unanswered(store: TestStore) {
        let id = begin(&store).await.id;
        let done = Done { signed_in: Some(SessionId(5)), ..Done::default() };
        let answered = store.race(32, move |tx| tx.update_interaction(id, &Done::default(), &done)).await;
        assert_eq!(answered.iter().filter(|is_first| **is_first).count(), 1);
    }

    async fn g3_of_many_who_take_an_interaction_one_gets_it(store: TestStore) {
        for _ in 0..5 {
            let begun = begin(&store).await;
            let handle = presented(begun.id);
            let taken = store.race(32, move |tx| tx.take_interaction(&handle, &BROWSER, NOW)).await;
            assert_eq!(taken.iter().flatten().collect::<Vec<_>>(), [&begun]);
            assert_eq!(store.read(move |reads| reads.find_interaction(&handle, &BROWSER)).await, None);
        }
    }

    async fn an_expired_interaction_is_nobodys(store: TestStore) {
        let begun = begin(&store).await;
        let handle = presented(begun.id);
        assert_eq!(store.write(move |tx| tx.take_interaction(&handle, &BROWSER, LATER)).await, None);
        let last_moment = LATER.plus_ms(-1);
        assert!(store.write(move |tx| tx.take_interaction(&handle, &BROWSER, last_moment)).await.is_some());
    }

    async fn the_oldest_interactions_over_the_limit_go(store: TestStore) {
        let shop = client("shop");
        let all: Vec<Interaction> = (0..9).map(|_| interaction(&shop)).collect();
        let new = all.clone();
        store.write(move |tx| {
            tx.evict_interactions(5)?;
            new.iter().try_for_each(|new| tx.insert_interaction(new, &hash_of(new.id), &BROWSER))
        }).await;
        assert_eq!(store.count("interactions"), 9);
        store.write(|tx| tx.evict_interactions(5)).await;
        for (n, interaction) in all.iter().enumerate() {
            let handle = presented(interaction.id);
            let found = store.read(move |reads| reads.find_interaction(&handle, &BROWSER)).await;
            assert_eq!(found.is_some(), n >= 4, "{n}");
        }
    }

    async fn a_large_limit_is_kept_within_two_in_a_hundred(store: TestStore) {
        let shop = client("shop");
        for _ in 0..8 {
            let new: Vec<Interaction> = (0..200).map(|_| interaction(&shop)).collect();
            store.write(move |tx| {
                new.iter().try_for_each(|new| {
                    tx.insert_interaction(new, &hash_of(new.id), &BROWSER)?;
                    tx.evict_interactions(1_000)
                })
            }).await;
        }
        // On PostgreSQL each of the three connections counts for itself.
        assert!((1_000..1_060).contains(&store.count("interactions")), "{}", store.count("interactions"));
    }
}
