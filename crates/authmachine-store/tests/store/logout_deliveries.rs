use authmachine_provider::back_channel_logout::LogoutDelivery;
use authmachine_provider::client::Client;
use authmachine_provider::grant::Grant;
use authmachine_provider::ids::ClientId;
use authmachine_provider::user::{User, UserStatus};

use crate::records::{LATER, NOW, client, grant, hash_of, session, user};
use crate::support::{TestStore, both_engines, soon};

/// A client that is told of logouts.
fn told(client_id: &str) -> Client {
    let mut client = client(client_id);
    client.metadata.backchannel_logout_uri = Some("https://shop.example/out".to_owned());
    client
}

/// Stores a session of `user` in which `clients` were granted something.
async fn session_with(store: &TestStore, user: &User, clients: &[Client]) -> Grant {
    let session = session(user);
    let grants: Vec<Grant> = clients.iter().map(|client| grant(client, &session)).collect();
    let last = grants.last().expect("there is one").clone();
    store
        .write(move |tx| {
            tx.insert_session(&session, &hash_of(session.id.0))?;
            grants.iter().try_for_each(|grant| tx.insert_grant(grant))
        })
        .await;
    last
}

async fn user_and_clients(store: &TestStore, clients: &[Client]) -> User {
    let alice = user("alice");
    let (a, clients) = (alice.clone(), clients.to_vec());
    store
        .write(move |tx| {
            tx.insert_user(&a)?;
            clients.iter().try_for_each(|client| tx.insert_client(client).map(drop))
        })
        .await;
    alice
}

async fn due(store: &TestStore, busy: &[ClientId]) -> Vec<LogoutDelivery> {
    let busy = busy.to_vec();
    store.read(move |reads| reads.list_due_logout_deliveries(ClientId(0), &busy, NOW, 9)).await
}

both_engines! {
    async fn lo4_the_end_of_a_session_stores_a_delivery_for_each_client_that_is_told(store: TestStore) {
        let clients = [told("a"), client("untold"), told("b")];
        let alice = user_and_clients(&store, &clients).await;
        let id = session_with(&store, &alice, &clients).await.session_id.expect("in a session");
        assert!(due(&store, &[]).await.is_empty());
        assert!(store.write(move |tx| tx.end_session(id, NOW)).await);
        store.write(move |tx| tx.revoke_session_tokens(id, NOW)).await;

        let found = due(&store, &[]).await;
        assert_eq!(found.iter().map(|d| d.client_id).collect::<Vec<_>>(), [clients[0].id, clients[2].id]);
        let expected = LogoutDelivery {
            session_id: id,
            client_id: clients[0].id,
            sid: format!("sid-{id}"),
            sub: alice.sub,
            attempts: 0,
            next_at: NOW,
            expires_at: NOW.plus_seconds(6 * 3_600),
        };
        assert_eq!(found[0], expected);
        assert_eq!(due(&store, &[clients[0].id]).await, found[1..], "a busy client is left out");
        let early = NOW.plus_ms(-1);
        let none = store.read(move |reads| reads.list_due_logout_deliveries(ClientId(0), &[], early, 9)).await;
        assert!(none.is_empty());
    }

    async fn se5_what_ends_everything_of_a_user_ends_each_session(store: TestStore) {
        let clients = [told("a")];
        let alice = user_and_clients(&store, &clients).await;
        let id = alice.id;
        for _ in 0..3 {
            session_with(&store, &alice, &clients).await;
        }
        store.write(move |tx| tx.set_user_status(id, UserStatus::Active, NOW)).await;
        assert_eq!(store.count("logout_deliveries"), 0);
        store.write(move |tx| tx.set_password(id, "hash", NOW)).await;
        assert_eq!(store.count("logout_deliveries"), 3);
        session_with(&store, &alice, &clients).await;
        store.write(move |tx| tx.set_user_status(id, UserStatus::Locked, NOW)).await;
        assert_eq!(store.count("logout_deliveries"), 4);
        assert!(store.read(move |reads| reads.list_sessions_of(id)).await.is_empty());
        // Of one client one at a time.
        assert_eq!(due(&store, &[]).await.len(), 1);
    }

    async fn lo4_of_many_who_claim_a_delivery_one_gets_it(store: TestStore) {
        let clients = [told("a")];
        let alice = user_and_clients(&store, &clients).await;
        let id = session_with(&store, &alice, &clients).await.session_id.expect("in a session");
        store.write(move |tx| tx.end_session(id, NOW)).await;
        let delivery = due(&store, &[]).await.remove(0);
        let seen = delivery.clone();
        let claims = store.race(20, move |tx| tx.claim_logout_delivery(&seen, LATER)).await;
        assert_eq!(claims.into_iter().filter(|claimed| *claimed).count(), 1);
        assert!(due(&store, &[]).await.is_empty());
        let later = store.read(|reads| reads.list_due_logout_deliveries(ClientId(0), &[], LATER, 9)).await;
        assert_eq!(later, [LogoutDelivery { attempts: 1, next_at: LATER, ..delivery.clone() }]);
        let ended = delivery.clone();
        assert!(store.write(move |tx| tx.delete_logout_delivery(&ended)).await);
        assert!(!store.write(move |tx| tx.delete_logout_delivery(&delivery)).await);
    }

    async fn rb19_who_always_has_something_due_leaves_the_others_their_turn(store: TestStore) {
        let clients = ["a", "b", "c", "d", "e"].map(told);
        let alice = user_and_clients(&store, &clients).await;
        let id = alice.id;
        // Two of each: whatever is begun, the next of the same client is due.
        for _ in 0..2 {
            session_with(&store, &alice, &clients).await;
        }
        store.write(move |tx| tx.set_password(id, "hash", NOW)).await;
        let mut last = clients[0].id;
        for expected in [[1, 2], [3, 4], [0, 1], [2, 3], [4, 0]] {
            let due = store.read(move |reads| reads.list_due_logout_deliveries(last, &[], NOW, 2)).await;
            let ids: Vec<_> = due.iter().map(|delivery| delivery.client_id).collect();
            assert_eq!(ids, expected.map(|at| clients[at].id));
            last = ids[1];
        }
        let busy = [clients[1].id, clients[4].id];
        let due = store.read(move |reads| reads.list_due_logout_deliveries(last, &busy, NOW, 9)).await;
        let ids: Vec<_> = due.iter().map(|delivery| delivery.client_id).collect();
        assert_eq!(ids, [2, 3, 0].map(|at| clients[at].id), "each once");
    }

    async fn g3_a_client_that_joins_a_session_as_it_ends_is_told_or_gets_nothing(store: TestStore) {
        let clients = [told("a")];
        let alice = user_and_clients(&store, &clients).await;
        let other = store.open_again().expect("it opens twice");
        for _ in 0..40 {
            let session = session(&alice);
            let (s, id) = (session.clone(), session.id);
            store.write(move |tx| tx.insert_session(&s, &hash_of(s.id.0))).await;
            let grant = grant(&clients[0], &session);
            let join = store.write(move |tx| {
                tx.insert_grant(&grant)?;
                let session = tx.find_grant(grant.id)?.and_then(|facts| facts.session);
                Ok(session.is_some_and(|session| session.ended_at.is_none()))
            });
            let end = other.write(soon(), move |tx| tx.end_session(id, NOW));
            let (is_in, ended) = tokio::join!(join, end);
            assert!(ended.expect("it ends"));
            let told = store.read(|reads| reads.list_due_logout_deliveries(ClientId(0), &[], NOW, 9)).await;
            assert_eq!(told.len() == 1, is_in);
            for delivery in told {
                store.write(move |tx| tx.delete_logout_delivery(&delivery)).await;
            }
        }
    }
}
