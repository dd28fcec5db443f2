//! What strangers write arrives as values, never as SQL.

use authmachine_provider::client::Client;
use authmachine_provider::event::{Event, EventKind};
use authmachine_provider::permission_records::Named;
use authmachine_provider::user::User;
use authmachine_store::{Inserted, StoreError};

use crate::records::{client, event, object, user};
use crate::support::both_engines;

const HOSTILE: [&str; 14] = [
    "'; DROP TABLE users; --",
    "' OR '1'='1",
    "\" OR \"1\"=\"1",
    "') ; DELETE FROM users WHERE ('a'='a",
    "$1",
    "?1",
    ":name",
    "%",
    "_",
    "\\",
    "\\'; SELECT pg_sleep(9); --",
    "/* */",
    "\u{202E}\u{FEFF}\u{1F600}\u{10FFFF}",
    "line\r\nbreak\ttab\u{7F}\u{1}",
];

both_engines! {
    async fn in1_hostile_text_comes_back_as_it_was(store: TestStore) {
        for (n, text) in HOSTILE.into_iter().enumerate() {
            let hostile = User { username: text.to_owned(), email: Some(format!("{text}@{text}")), ..user("x") };
            let shop = Client {
                client_id: text.to_owned(),
                name: text.to_owned(),
                redirect_uris: vec![text.to_owned()],
                objects: vec![text.to_owned()],
                ..client("x")
            };
            let logged = Event { actor: text.to_owned(), address: Some(text.to_owned()), ..event(EventKind::SignIn) };
            let doc = Named { name: text.to_owned(), ..object(&format!("o{n}")) };
            let (u, c, e, o) = (hostile.clone(), shop.clone(), logged.clone(), doc.clone());
            assert_eq!(store.write(move |tx| {
                assert!(tx.insert_client(&c)?);
                tx.put_object(&o)?.expect("a code");
                tx.insert_event(&e)?;
                tx.insert_meta(text, text)?;
                tx.insert_user(&u)
            }).await, Inserted::Yes, "{text}");

            assert_eq!(store.read(move |reads| reads.find_user_by_login(text)).await, Some(hostile), "{text}");
            assert_eq!(store.read(move |reads| reads.find_client_by_client_id(text)).await, Some(shop), "{text}");
            assert_eq!(store.read(move |reads| reads.find_meta(text)).await.as_deref(), Some(text));
            let code = doc.code.clone();
            assert_eq!(store.read(move |reads| reads.find_object(&code)).await, Some(doc), "{text}");
            assert_eq!(store.read(|reads| reads.list_events(None, 100)).await.pop(), Some(logged), "{text}");
            assert_eq!(store.read(|reads| reads.list_users(None, 100)).await.len(), n + 1, "{text}");
        }
        assert_eq!(store.count("users"), i64::try_from(HOSTILE.len()).expect("small"));
    }

    async fn in1_hostile_text_finds_nothing_that_it_does_not_name(store: TestStore) {
        let (alice, shop, doc) = (user("alice"), client("shop"), object("doc"));
        let id = alice.id;
        store.write(move |tx| {
            tx.insert_client(&shop)?;
            tx.put_object(&doc)?.expect("a code");
            tx.insert_user(&alice)
        }).await;
        for text in HOSTILE {
            assert_eq!(store.read(move |reads| reads.find_user_by_login(text)).await, None, "{text}");
            assert_eq!(store.read(move |reads| reads.find_user_by_sub(text)).await, None, "{text}");
            assert_eq!(store.read(move |reads| reads.find_client_by_client_id(text)).await, None, "{text}");
            assert_eq!(store.read(move |reads| reads.find_first_party_by_logout_uri(text)).await, None, "{text}");
            assert_eq!(store.read(move |reads| reads.find_object(text)).await, None, "{text}");
            let now = crate::records::NOW;
            let objects = [text.to_owned()];
            assert_eq!(store.read(move |reads| reads.held_permissions(id, Some(&objects), now)).await, [], "{text}");
            assert!(!store.write(move |tx| tx.revoke_api_token(text, now)).await, "{text}");
        }
        assert_eq!(store.count("users"), 1);
    }

    async fn in1_text_with_a_nul_is_refused_and_harms_nothing(store: TestStore) {
        let nul = User { username: "a\0b".to_owned(), ..user("x") };
        let good = user("good");
        let (id, g) = (good.id, good.clone());
        let outcome = store.try_write(move |tx| {
            tx.insert_user(&g)?;
            tx.insert_user(&nul)
        }).await;
        assert!(matches!(outcome, Err(StoreError::Driver(_))), "{outcome:?}");
        assert_eq!(store.count("users"), 0, "the whole unit is rolled back");
        let found = store.store().read(|reads| reads.find_user_by_login("a\0b")).await;
        assert!(matches!(found, Err(StoreError::Driver(_))), "{found:?}");

        store.write(move |tx| tx.insert_user(&good)).await;
        assert!(store.read(move |reads| reads.find_user(id)).await.is_some());
    }
}
