use authmachine_provider::subject_ids::SubjectIds;
use authmachine_provider::user::User;

use crate::records::{client, group, user};
use crate::support::both_engines;

both_engines! {
    async fn a_program_calls_people_by_its_own_ids_and_nobody_by_another(store: TestStore) {
        let alice = user("Alice");
        // Whose name is alice's address has another address of its own.
        let other = User { email: Some("other@example.org".to_owned()), ..user("alice@example.org") };
        let (a, b) = (alice.clone(), other.clone());
        store.write(move |tx| tx.insert_user(&a)).await;
        store.write(move |tx| tx.insert_user(&b)).await;
        for (ids, name, expected) in [
            (SubjectIds::Sub, alice.sub.clone(), Some(alice.id)),
            (SubjectIds::Sub, "Alice".to_owned(), None),
            (SubjectIds::Username, "alice".to_owned(), Some(alice.id)),
            (SubjectIds::Username, "ALICE".to_owned(), Some(alice.id)),
            (SubjectIds::Username, "alice@example.org".to_owned(), Some(other.id)),
            (SubjectIds::Email, "Alice@Example.org".to_owned(), Some(alice.id)),
            (SubjectIds::Email, "alice".to_owned(), None),
            (SubjectIds::Email, String::new(), None),
        ] {
            let called = name.clone();
            let found = store.read(move |reads| reads.find_user_called(ids, &called)).await;
            assert_eq!(found, expected, "{ids:?} {name}");
        }
    }

    async fn rows_have_names_whether_few_or_many(store: TestStore) {
        let mut users = Vec::new();
        for n in 0..20 {
            let email = (n > 0).then(|| format!("u{n}@example.org"));
            let new = User { email_verified: email.is_some(), email, ..user(&format!("u{n}")) };
            users.push(new.clone());
            store.write(move |tx| tx.insert_user(&new)).await;
        }
        let rows: Vec<_> = users.iter().map(|user| user.id).collect();
        for (ids, count) in [(SubjectIds::Sub, 20), (SubjectIds::Username, 20), (SubjectIds::Email, 19)] {
            let rows = rows.clone();
            let mut names = store.read(move |reads| reads.list_user_names(ids, &rows)).await;
            names.sort();
            names.dedup();
            assert_eq!(names.len(), count, "{ids:?}");
        }
        let (shop, editors) = (client("shop"), group("editors"));
        let (new, made) = (shop.clone(), editors.clone());
        store.write(move |tx| tx.insert_client(&new)).await;
        store.write(move |tx| tx.put_group(&made)).await.expect("it is new");
        assert_eq!(store.read(move |reads| reads.list_client_ids(&[shop.id])).await, ["shop"]);
        assert_eq!(store.read(move |reads| reads.list_group_codes(&[editors.id])).await, ["editors"]);
        assert!(store.read(|reads| reads.list_user_names(SubjectIds::Sub, &[])).await.is_empty());
    }

    async fn a_store_knows_the_newest_change_of_its_own(store: TestStore) {
        let alice = user("alice");
        store.write(move |tx| tx.insert_user(&alice)).await;
        let newest = store.read(|reads| reads.current_revision()).await;
        assert_eq!(i64::try_from(store.newest_revision()), Ok(newest));
    }
}
