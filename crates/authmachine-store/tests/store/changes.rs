use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use authmachine_provider::event::EventKind;
use authmachine_provider::permission_records::{Holder, Member};
use authmachine_provider::user::UserStatus;
use authmachine_store::{Changed, Marker, StoreError, Tx};

use crate::records::{
    LATER, NOW, access_token, api_token, client, event, group, make, member_of, object, origin,
    permission_grant, permission_type, session, signing_key, user,
};
use crate::support::both_engines;

type Step = Box<dyn Fn(&mut Tx) -> Result<(), StoreError> + Send>;

both_engines! {
    async fn each_write_that_caches_must_see_is_one_change(store: TestStore) {
        let (alice, shop, read, staff, doc) =
            (user("alice"), client("shop"), permission_type("read"), group("staff"), object("doc"));
        let (token, key) = (api_token("reports"), signing_key("k"));
        let held = permission_grant(Holder::User(alice.id), &doc, &read);
        let (u, c, t, g, o, p, a) = (alice.id, shop.id, read.id, staff.id, doc.id, held.id, token.id);
        let (alice2, shop2) = (alice.clone(), shop.clone());
        let steps: Vec<(&str, i64, Step)> = vec![
            ("user", u.0, Box::new(move |tx| tx.insert_user(&alice).map(drop))),
            ("user", u.0, Box::new(move |tx| tx.update_user(&alice2).map(drop))),
            ("user", u.0, Box::new(move |tx| tx.set_password(u, "hash", NOW).map(drop))),
            ("user", u.0, Box::new(move |tx| tx.set_user_status(u, UserStatus::Locked, NOW))),
            ("client", c.0, Box::new(move |tx| tx.insert_client(&shop).map(drop))),
            ("client", c.0, Box::new(move |tx| tx.update_client(&shop2))),
            ("client", c.0, Box::new(move |tx| tx.set_client_secret(c, &[1; 32], NOW))),
            ("signing_key", 0, Box::new(move |tx| tx.insert_signing_key(&key))),
            ("signing_key", 0, Box::new(|tx| tx.retire_signing_key("k", NOW, LATER))),
            ("object", o.0, Box::new(move |tx| tx.put_object(&doc).map(drop))),
            ("permission_type", t.0, Box::new(move |tx| tx.put_permission_type(&read).map(drop))),
            ("group", g.0, Box::new(move |tx| tx.put_group(&staff).map(drop))),
            ("membership", u.0, Box::new(move |tx| tx.put_membership(&member_of(u, g)).map(drop))),
            ("membership", u.0, Box::new(move |tx| tx.remove_membership(Member::User(u), g).map(drop))),
            ("permission_grant", p.0, Box::new(move |tx| tx.insert_permission_grant(&held, &origin()).map(drop))),
            ("permission_grant", p.0, Box::new(move |tx| tx.remove_permission_grant(p).map(drop))),
            ("api_token", a.0, Box::new(move |tx| tx.insert_api_token(&token, &[1; 32]).map(drop))),
            ("api_token", a.0, Box::new(|tx| tx.revoke_api_token("reports", NOW).map(drop))),
        ];
        let mut revision = 0;
        for (kind, entity_id, step) in steps {
            store.write(step).await;
            revision += 1;
            let changes = store.read(move |reads| reads.list_changes(revision - 1, 10)).await;
            let [change] = &changes[..] else { panic!("one change of {kind}: {changes:?}") };
            assert_eq!((change.revision, change.kind.as_str(), change.entity_id), (revision, kind, entity_id));
            assert!((NOW..=LATER).contains(&change.at), "{kind} at {:?}", change.at);
            assert_eq!(store.read(|reads| reads.current_revision()).await, revision);
        }
        assert_eq!(store.read(|reads| reads.list_changes(3, 2)).await.len(), 2);
    }

    async fn what_changes_nothing_is_no_change(store: TestStore) {
        let (alice, shop, token) = (user("alice"), client("shop"), api_token("t"));
        let (u, a, same_name, same_id) = (alice.id, token.id, user("alice"), client("shop"));
        store.write(move |tx| {
            tx.insert_user(&alice)?;
            tx.set_password(alice.id, "old", NOW)?;
            tx.insert_client(&shop)?;
            tx.insert_api_token(&token, &[1; 32])
        }).await;
        let before = store.read(|reads| reads.current_revision()).await;
        store.write(move |tx| {
            tx.insert_user(&same_name)?;
            tx.insert_client(&same_id)?;
            tx.remove_membership(Member::User(u), group("g").id)?;
            tx.revoke_api_token("unknown", NOW)?;
            tx.touch_api_token(a, NOW)?;
            tx.rehash_password(u, "old", "new")?;
            // Tokens and sessions never pass through the feed.
            let session = session(&user("x"));
            tx.insert_session(&session, &[1; 32])?;
            tx.insert_access_token(&access_token(), &[1; 32], crate::records::own_grant(&client("y")).id)?;
            tx.insert_event(&event(EventKind::SignIn))
        }).await;
        assert_eq!(store.read(|reads| reads.current_revision()).await, before);
    }

    async fn the_feed_has_no_gaps_whoever_writes(store: TestStore) {
        let n = Arc::new(AtomicUsize::new(0));
        store.race(40, move |tx| {
            make(tx, &format!("o{}", n.fetch_add(1, Ordering::Relaxed)))
        }).await;
        let changes = store.read(|reads| reads.list_changes(0, 100)).await;
        let revisions: Vec<i64> = changes.iter().map(|change| change.revision).collect();
        assert!(revisions.iter().copied().eq(1..=40), "{revisions:?}");
    }

    async fn a_change_that_is_rolled_back_leaves_no_gap(store: TestStore) {
        let outcome: Result<(), _> = store.try_write(|tx| {
            make(tx, "gone")?;
            Err(StoreError::Conflict)
        }).await;
        assert_eq!(outcome, Err(StoreError::Conflict));
        store.write(|tx| make(tx, "there")).await;
        assert_eq!(store.read(|reads| reads.current_revision()).await, 1);
    }

    async fn one_store_sees_what_another_changed(store: TestStore) {
        let other = store.open_again().expect("it opens twice");
        let mut marker = Marker::default();
        let look = async |marker: &mut Marker| store.changed_since(marker).await.expect("it can look");
        let changed = async |marker: &mut Marker| look(marker).await.anything;
        changed(&mut marker).await;
        assert!(!changed(&mut marker).await, "nothing happened");

        for writer in [&other, &*store] {
            let code = format!("o{}", marker.revision);
            writer.write(crate::support::soon(), move |tx| make(tx, &code)).await.expect("it writes");
            assert!(changed(&mut marker).await);
            assert!(!changed(&mut marker).await, "it is known by now");
            writer
                .write(crate::support::soon(), |tx| tx.insert_event(&event(EventKind::SignIn)))
                .await
                .expect("it writes");
            assert!(!changed(&mut marker).await, "no cache holds events");
        }
        assert_eq!(marker.revision, 2);
        let everything = Changed { clients: true, signing_keys: true, anything: true };
        assert_eq!(look(&mut Marker::default()).await, everything, "a new one knows nothing");

        let shop = client("shop");
        other.write(crate::support::soon(), move |tx| tx.insert_client(&shop)).await.expect("it writes");
        assert_eq!(look(&mut marker).await, Changed { signing_keys: false, ..everything });
    }
}
