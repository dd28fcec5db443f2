use authmachine_provider::consent::Consent;
use authmachine_provider::ids::{ClientId, UserId};

use crate::records::{LATER, NOW, scopes};
use crate::support::both_engines;

const ALICE: UserId = UserId(1);
const SHOP: ClientId = ClientId(2);

both_engines! {
    async fn consent_widens_and_is_withdrawn_as_a_whole(store: TestStore) {
        let find = || store.read(|reads| reads.find_consent(ALICE, SHOP));
        assert_eq!(find().await, None);
        let codes = |codes: &[&str]| codes.iter().map(|code| (*code).to_owned()).collect::<Vec<_>>();
        let give = |text, objects: Vec<String>, now| {
            store.write(move |tx| tx.upsert_consent(ALICE, SHOP, &scopes(text), &objects, now))
        };
        let expect = |text, objects: &[&str], version, updated_at| {
            Some(Consent { scopes: scopes(text), objects: codes(objects), version, updated_at })
        };

        give("openid email", codes(&["obj1"]), NOW).await;
        assert_eq!(find().await, expect("openid email", &["obj1"], 1, NOW));
        give("profile openid", codes(&["obj2", "obj1"]), LATER).await;
        assert_eq!(find().await, expect("openid email profile", &["obj1", "obj2"], 1, LATER));
        give("openid", codes(&[]), LATER).await;
        assert_eq!(find().await, expect("openid email profile", &["obj1", "obj2"], 1, LATER));

        assert!(store.write(|tx| tx.withdraw_consent(ALICE, SHOP, NOW)).await);
        assert_eq!(find().await, expect("", &[], 2, NOW));
        give("openid", codes(&["obj3"]), LATER).await;
        assert_eq!(find().await, expect("openid", &["obj3"], 2, LATER));

        assert!(!store.write(|tx| tx.withdraw_consent(ALICE, ClientId(3), NOW)).await);
        assert!(!store.write(|tx| tx.withdraw_consent(UserId(3), SHOP, NOW)).await);
        assert_eq!(store.count("consents"), 1);
    }

    async fn consents_given_at_once_all_count(store: TestStore) {
        let n = std::sync::Arc::new(std::sync::atomic::AtomicUsize::new(0));
        store.race(24, move |tx| {
            let n = n.fetch_add(1, std::sync::atomic::Ordering::Relaxed) % 24;
            tx.upsert_consent(ALICE, SHOP, &scopes(&format!("s{n}")), &[format!("o{n}")], NOW)
        }).await;
        let consent = store.read(|reads| reads.find_consent(ALICE, SHOP)).await.expect("it is there");
        assert_eq!((consent.scopes.iter().count(), consent.objects.len(), consent.version), (24, 24, 1));
    }
}
