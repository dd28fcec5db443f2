use authmachine_provider::user::{User, UserStatus};
use authmachine_store::{Inserted, StoreError};

use crate::records::{LATER, NOW, session, user};
use crate::support::both_engines;

both_engines! {
    async fn a_user_comes_back_as_stored(store: TestStore) {
        let alice = user("Alice");
        let plain = User { email: None, email_verified: false, claims: Default::default(), ..user("bob") };
        for stored in [alice.clone(), plain.clone()] {
            let new = stored.clone();
            assert_eq!(store.write(move |tx| tx.insert_user(&new)).await, Inserted::Yes);
            let (id, sub) = (stored.id, stored.sub.clone());
            assert_eq!(store.read(move |reads| reads.find_user(id)).await, Some(stored.clone()));
            assert_eq!(store.read(move |reads| reads.find_user_by_sub(&sub)).await, Some(stored));
        }
        assert_eq!(store.read(|reads| reads.find_user_by_sub("SUB")).await, None);
        assert_eq!(store.read(|reads| reads.list_users(None, 10)).await, [alice.clone(), plain.clone()]);
        let after = alice.id;
        assert_eq!(store.read(move |reads| reads.list_users(Some(after), 10)).await, [plain]);
        assert_eq!(store.read(|reads| reads.list_users(None, 1)).await, [alice]);
    }

    async fn a_login_is_a_name_or_an_address_in_any_case(store: TestStore) {
        let alice = user("Ålice");
        // Somebody's name is found before another one's address.
        let named = User { email: None, ..user("ålice@EXAMPLE.org") };
        let (a, b) = (alice.clone(), named.clone());
        store.write(move |tx| tx.insert_user(&a)).await;
        for login in ["Ålice", "ålice", "A\u{30A}LICE", "ÅLICE@example.ORG"] {
            let found = store.read(move |reads| reads.find_user_by_login(login)).await;
            assert_eq!(found.as_ref(), Some(&alice), "{login}");
        }
        store.write(move |tx| tx.insert_user(&b)).await;
        assert_eq!(store.read(|reads| reads.find_user_by_login("ålice@example.org")).await, Some(named));
        for login in ["", "alice", "%", "_lice", "Ålice "] {
            assert_eq!(store.read(move |reads| reads.find_user_by_login(login)).await, None, "{login}");
        }
    }

    async fn names_and_addresses_are_unique_in_any_case(store: TestStore) {
        let (alice, bob) = (user("alice"), user("bob"));
        let (a, b) = (alice.clone(), bob.clone());
        store.write(move |tx| Ok((tx.insert_user(&a)?, tx.insert_user(&b)?))).await;

        let same_name = User { email: None, ..user("ALICE") };
        let same_email = User { email: Some("Alice@Example.ORG".to_owned()), ..user("carol") };
        let same_sub = User { sub: alice.sub.clone(), ..user("dave") };
        assert_eq!(store.write(move |tx| tx.insert_user(&same_name)).await, Inserted::NameTaken);
        assert_eq!(store.write(move |tx| tx.insert_user(&same_email)).await, Inserted::EmailTaken);
        assert_eq!(store.try_write(move |tx| tx.insert_user(&same_sub)).await, Err(StoreError::Conflict));

        let same_name = User { username: "Alice".to_owned(), ..bob.clone() };
        let same_email = User { email: alice.email.clone(), ..bob.clone() };
        let itself = User { username: "BOB".to_owned(), updated_at: LATER, ..bob.clone() };
        assert_eq!(store.write(move |tx| tx.update_user(&same_name)).await, Inserted::NameTaken);
        assert_eq!(store.write(move |tx| tx.update_user(&same_email)).await, Inserted::EmailTaken);
        let new = itself.clone();
        assert_eq!(store.write(move |tx| tx.update_user(&new)).await, Inserted::Yes);
        assert_eq!(store.read(move |reads| reads.list_users(None, 9)).await, [alice, itself]);
    }

    async fn of_many_who_want_a_name_one_gets_it(store: TestStore) {
        let users: Vec<User> = (0..16).map(|n| User { email: None, ..user(&format!("u{n}")) }).collect();
        let next = std::sync::Arc::new(std::sync::atomic::AtomicUsize::new(0));
        let outcomes = store
            .race(16, move |tx| {
                let n = next.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                tx.insert_user(&User { username: "wanted".to_owned(), ..users[n % 16].clone() })
            })
            .await;
        assert_eq!(outcomes.iter().filter(|outcome| **outcome == Inserted::Yes).count(), 1);
        assert_eq!(store.count("users"), 1);
    }

    async fn an_update_leaves_status_and_epoch_alone(store: TestStore) {
        let alice = user("alice");
        let (new, id) = (alice.clone(), alice.id);
        store.write(move |tx| {
            tx.insert_user(&new)?;
            tx.set_user_status(id, UserStatus::Locked, LATER)
        }).await;
        // Read before the lock, written after it.
        let stale = User { email: None, email_verified: false, updated_at: LATER, ..alice.clone() };
        let update = stale.clone();
        store.write(move |tx| tx.update_user(&update)).await;
        let locked = User { status: UserStatus::Locked, epoch: 2, ..stale };
        assert_eq!(store.read(move |reads| reads.find_user(id)).await, Some(locked));
    }

    async fn a_password_ends_what_was_issued(store: TestStore) {
        let alice = user("alice");
        let (new, id) = (alice.clone(), alice.id);
        store.write(move |tx| tx.insert_user(&new)).await;
        assert_eq!(store.read(move |reads| reads.find_password(id)).await, None);
        assert_eq!(store.write(move |tx| tx.set_password(id, "first", NOW)).await, 2);
        assert_eq!(store.read(move |reads| reads.find_password(id)).await.as_deref(), Some("first"));
        assert_eq!(store.write(move |tx| tx.set_password(id, "second", NOW)).await, 3);
        assert_eq!(store.read(move |reads| reads.find_password(id)).await.as_deref(), Some("second"));
        assert_eq!(store.read(move |reads| reads.find_user(id)).await.map(|user| user.epoch), Some(3));
    }

    async fn a_rehash_does_not_undo_a_change(store: TestStore) {
        let alice = user("alice");
        let id = alice.id;
        store.write(move |tx| {
            tx.insert_user(&alice)?;
            tx.set_password(id, "old", NOW)
        }).await;
        store.write(move |tx| tx.rehash_password(id, "old", "stronger")).await;
        assert_eq!(store.read(move |reads| reads.find_password(id)).await.as_deref(), Some("stronger"));
        store.write(move |tx| tx.rehash_password(id, "old", "too late")).await;
        assert_eq!(store.read(move |reads| reads.find_password(id)).await.as_deref(), Some("stronger"));
        assert_eq!(store.read(move |reads| reads.find_user(id)).await.map(|user| user.epoch), Some(2));
    }

    async fn a_lock_ends_what_was_issued_and_an_unlock_brings_nothing_back(store: TestStore) {
        let alice = user("alice");
        let (new, id) = (alice.clone(), alice.id);
        store.write(move |tx| tx.insert_user(&new)).await;
        store.write(move |tx| tx.set_user_status(id, UserStatus::Locked, LATER)).await;
        store.write(move |tx| tx.set_user_status(id, UserStatus::Active, LATER)).await;
        let unlocked = User { epoch: 2, updated_at: LATER, ..alice };
        assert_eq!(store.read(move |reads| reads.find_user(id)).await, Some(unlocked));
    }

    async fn a_password_for_nobody_is_our_bug(store: TestStore) {
        let nobody = user("nobody");
        let id = nobody.id;
        let outcome = store.try_write(move |tx| tx.set_password(id, "hash", NOW)).await;
        assert!(matches!(outcome, Err(StoreError::Driver(_))), "{outcome:?}");
        assert_eq!(store.count("passwords"), 0);
        // A status or an update for nobody changes nothing.
        store.write(move |tx| {
            tx.set_user_status(id, UserStatus::Locked, NOW)?;
            tx.update_user(&nobody)
        }).await;
        assert_eq!((store.count("users"), store.read(|reads| reads.current_revision()).await), (0, 0));
    }

    async fn a_row_that_we_never_write_is_corrupt(store: TestStore) {
        let alice = user("alice");
        let session = session(&alice);
        let (id, handle) = (alice.id, crate::records::presented(session.id.0));
        store.write(move |tx| {
            tx.insert_user(&alice)?;
            tx.insert_session(&session, &handle.sha256)
        }).await;
        for broken in ["status = 'odd'", "status = 'active', claims = '[1'", "claims = '[]'"] {
            store.run_sql(&format!("UPDATE users SET {broken}"));
            let corrupt = StoreError::Corrupt { table: "users", id: id.0 };
            assert_eq!(store.store().read(move |reads| reads.find_user(id)).await, Err(corrupt.clone()), "{broken}");
            // Named as well when it is joined to another one.
            assert_eq!(store.store().read(move |reads| reads.find_session(&handle)).await, Err(corrupt), "{broken}");
        }
        store.run_sql("UPDATE users SET claims = '{}'");
        assert!(store.read(move |reads| reads.find_user(id)).await.is_some(), "one bad row stops nothing else");
    }
}
