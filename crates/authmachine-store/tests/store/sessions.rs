use authmachine_provider::browser_session::Session;
use authmachine_provider::handle::Presented;
use authmachine_provider::ids::SessionId;
use authmachine_provider::user::User;
use authmachine_store::StoreError;

use crate::records::{LATER, NOW, hash_of, presented, session, user};
use crate::support::{TestStore, both_engines};

/// Stores a user with a session.
async fn signed_in(store: &TestStore) -> (User, Session) {
    let alice = user("alice");
    let session = session(&alice);
    let (a, s) = (alice.clone(), session.clone());
    store
        .write(move |tx| {
            tx.insert_user(&a)?;
            tx.insert_session(&s, &hash_of(s.id.0))
        })
        .await;
    (alice, session)
}

async fn find(store: &TestStore, handle: Presented) -> Option<(Session, User)> {
    store.read(move |reads| reads.find_session(&handle)).await
}

both_engines! {
    async fn a_session_comes_back_with_its_user(store: TestStore) {
        let (alice, session) = signed_in(&store).await;
        assert_eq!(find(&store, presented(session.id.0)).await, Some((session, alice)));
    }

    async fn g4_a_session_is_found_by_its_whole_handle(store: TestStore) {
        let (_, session) = signed_in(&store).await;
        let right = presented(session.id.0);
        assert!(find(&store, right).await.is_some());
        assert_eq!(find(&store, Presented { sha256: [0; 32], ..right }).await, None);
        assert_eq!(find(&store, Presented { id: right.id + 1, ..right }).await, None);
    }

    async fn a_renewed_session_keeps_its_row_under_another_handle(store: TestStore) {
        let (alice, old) = signed_in(&store).await;
        let renewed = Session {
            auth_time: NOW.plus_seconds(5),
            last_seen_at: NOW.plus_seconds(6),
            expires_at: LATER.plus_seconds(7),
            user_epoch: 9,
            amr: vec!["hwk".to_owned()],
            user_agent: "Other".to_owned(),
            address: "192.0.2.1".to_owned(),
            ..old.clone()
        };
        let new = renewed.clone();
        store.write(move |tx| tx.renew_session(&new, &[8; 32])).await;
        let id = old.id.0;
        assert_eq!(find(&store, presented(id)).await, None, "the old handle is dead");
        assert_eq!(find(&store, Presented { id, sha256: [8; 32] }).await, Some((renewed, alice)));
    }

    async fn a_session_that_is_over_is_not_renewed(store: TestStore) {
        let (_, session) = signed_in(&store).await;
        let id = session.id;
        store.write(move |tx| tx.end_session(id, NOW)).await;
        store.write(move |tx| tx.renew_session(&session, &[8; 32])).await;
        assert_eq!(find(&store, Presented { id: id.0, sha256: [8; 32] }).await, None);
        let (over, _) = find(&store, presented(id.0)).await.expect("the row is as it was");
        assert_eq!(over.ended_at, Some(NOW));
    }

    async fn a_session_ends_once(store: TestStore) {
        let (_, session) = signed_in(&store).await;
        let id = session.id;
        assert!(store.write(move |tx| tx.end_session(id, NOW)).await);
        assert!(!store.write(move |tx| tx.end_session(id, LATER)).await);
        assert!(!store.write(move |tx| tx.end_session(SessionId(1), NOW)).await);
        let (over, _) = find(&store, presented(id.0)).await.expect("it stays until nothing hangs on it");
        assert_eq!((over.ended_at, over.tokens_revoked_at), (Some(NOW), None));
    }

    async fn revoking_what_a_session_issued_ends_it(store: TestStore) {
        let (_, session) = signed_in(&store).await;
        let id = session.id;
        assert!(store.write(move |tx| tx.revoke_session_tokens(id, NOW)).await);
        assert!(!store.write(move |tx| tx.revoke_session_tokens(id, LATER)).await);
        let (over, _) = find(&store, presented(id.0)).await.expect("it is there");
        assert_eq!((over.ended_at, over.tokens_revoked_at), (Some(NOW), Some(NOW)));
    }

    async fn revoking_keeps_the_moment_of_an_earlier_end(store: TestStore) {
        let (_, session) = signed_in(&store).await;
        let id = session.id;
        store.write(move |tx| tx.end_session(id, NOW)).await;
        assert!(store.write(move |tx| tx.revoke_session_tokens(id, LATER)).await);
        let (over, _) = find(&store, presented(id.0)).await.expect("it is there");
        assert_eq!((over.ended_at, over.tokens_revoked_at), (Some(NOW), Some(LATER)));
    }

    async fn a_touch_goes_forward_alone(store: TestStore) {
        let (_, session) = signed_in(&store).await;
        let id = session.id;
        for (at, expected) in [(LATER, LATER), (NOW, LATER)] {
            store.write(move |tx| tx.touch_session(id, at)).await;
            let (touched, _) = find(&store, presented(id.0)).await.expect("it is there");
            assert_eq!(touched.last_seen_at, expected);
        }
    }

    async fn a_users_sessions_are_listed_newest_first_up_to_200(store: TestStore) {
        let (alice, bob) = (user("alice"), user("bob"));
        let sessions: Vec<Session> = (0..203).map(|_| session(&alice)).collect();
        let (id, ended) = (alice.id, sessions[202].id);
        let (all, other) = (sessions.clone(), session(&bob));
        store.write(move |tx| {
            tx.insert_user(&alice)?;
            tx.insert_user(&bob)?;
            tx.insert_session(&other, &[0; 32])?;
            all.iter().try_for_each(|session| tx.insert_session(session, &[0; 32]))?;
            tx.end_session(ended, NOW)
        }).await;
        let listed = store.read(move |reads| reads.list_sessions_of(id)).await;
        let expected: Vec<Session> = sessions[2..202].iter().rev().cloned().collect();
        assert_eq!(listed, expected);
    }

    async fn an_id_is_used_once(store: TestStore) {
        let (_, session) = signed_in(&store).await;
        let again = store.try_write(move |tx| tx.insert_session(&session, &[1; 32])).await;
        assert_eq!(again, Err(StoreError::Conflict));
    }
}
