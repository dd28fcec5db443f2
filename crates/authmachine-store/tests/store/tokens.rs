//! Grants, codes, access tokens and refresh token families.

use authmachine_provider::access_token::AccessToken;
use authmachine_provider::authorization_code::{AuthorizationCode, Taken};
use authmachine_provider::browser_session::Session;
use authmachine_provider::client::Client;
use authmachine_provider::consent::Consent;
use authmachine_provider::grant::{Grant, GrantFacts};
use authmachine_provider::handle::Presented;
use authmachine_provider::ids::{ClientId, UserId};
use authmachine_provider::refresh_token::RefreshFamily;
use authmachine_provider::user::{User, UserStatus};
use authmachine_store::StoreError;

use crate::records::{
    LATER, NOW, access_token, client, code, grant, hash_of, own_grant, presented, refresh_family, scopes,
    session, user,
};
use crate::support::{TestStore, both_engines};

/// A user who signed in and allowed a client something.
struct Scene {
    user: User,
    client: Client,
    session: Session,
    grant: Grant,
}

impl Scene {
    async fn play(store: &TestStore) -> Self {
        let (user, client) = (user("alice"), client("shop"));
        let session = session(&user);
        let grant = grant(&client, &session);
        let scene = Self { user, client, session, grant };
        let (u, c, s, g) =
            (scene.user.clone(), scene.client.clone(), scene.session.clone(), scene.grant.clone());
        store
            .write(move |tx| {
                tx.insert_user(&u)?;
                tx.insert_client(&c)?;
                tx.insert_session(&s, &hash_of(s.id.0))?;
                // Neither another client's consent nor another user's is this one's.
                tx.upsert_consent(u.id, ClientId(c.id.0 - 1), &scopes("other"), &[], NOW)?;
                tx.upsert_consent(UserId(u.id.0 - 1), c.id, &scopes("other"), &[], NOW)?;
                tx.upsert_consent(u.id, c.id, &scopes("openid"), &["obj1".to_owned()], NOW)?;
                tx.insert_grant(&g)
            })
            .await;
        scene
    }

    /// What the grant depends on.
    fn facts(&self) -> GrantFacts {
        GrantFacts {
            grant: self.grant.clone(),
            user: Some(self.user.clone()),
            client: Some(self.client.clone().into()),
            session: Some(self.session.clone()),
            consent: Some(Consent {
                scopes: scopes("openid"),
                objects: vec!["obj1".to_owned()],
                version: 1,
                updated_at: NOW,
            }),
        }
    }

    async fn code(&self, store: &TestStore) -> AuthorizationCode {
        let (code, grant) = (code(), self.grant.clone());
        let new = code.clone();
        store.write(move |tx| tx.insert_code(&new, &hash_of(new.id), &grant)).await;
        code
    }

    async fn access_token(&self, store: &TestStore) -> AccessToken {
        let (token, grant) = (access_token(), self.grant.id);
        let new = token.clone();
        store.write(move |tx| tx.insert_access_token(&new, &hash_of(new.id), grant)).await;
        token
    }

    async fn refresh_family(&self, store: &TestStore) -> RefreshFamily {
        let (family, grant) = (refresh_family(), self.grant.id);
        let new = family.clone();
        store.write(move |tx| tx.insert_refresh_family(&new, grant)).await;
        family
    }
}

async fn find_token(store: &TestStore, id: i64) -> Option<(AccessToken, GrantFacts)> {
    store.read(move |reads| reads.find_access_token(&presented(id))).await
}

async fn find_family(store: &TestStore, id: i64) -> Option<(RefreshFamily, GrantFacts)> {
    store.read(move |reads| reads.find_refresh_family(id)).await
}

both_engines! {
    async fn a_grant_comes_back_with_what_it_depends_on(store: TestStore) {
        let scene = Scene::play(&store).await;
        let id = scene.grant.id;
        assert_eq!(store.read(move |reads| reads.find_grant(id)).await, Some(scene.facts()));
    }

    async fn a_grant_without_user_session_or_client_says_so(store: TestStore) {
        let ours = Client { first_party: true, ..client("ours") };
        let own = own_grant(&ours);
        // Client and session of this one are gone.
        let orphan = Grant { user_id: Some(user("gone").id), ..grant(&client("gone"), &session(&user("gone"))) };
        let (new, orphaned, c) = (own.clone(), orphan.clone(), ours.clone());
        store.write(move |tx| {
            tx.insert_client(&c)?;
            tx.insert_grant(&new)?;
            tx.insert_grant(&orphaned)
        }).await;
        let (a, b) = (own.id, orphan.id);
        let facts = store.read(move |reads| reads.find_grant(a)).await.expect("it is there");
        assert_eq!((facts.grant, facts.user, facts.session, facts.consent), (own, None, None, None));
        assert_eq!(facts.client, Some(ours.into()));
        let facts = store.read(move |reads| reads.find_grant(b)).await.expect("it is there");
        assert_eq!(facts, GrantFacts { grant: orphan, user: None, client: None, session: None, consent: None });
    }

    async fn a_grant_is_extended_and_never_shortened(store: TestStore) {
        let scene = Scene::play(&store).await;
        let id = scene.grant.id;
        let day = |n: i64| NOW.plus_seconds(n * 24 * 60 * 60);
        // A sixteenth more than was asked for, so that the row is not written for each refresh of a day.
        for (until, now, expected) in [
            (day(16), NOW, day(17)), (day(17), day(1), day(17)), (NOW, NOW, day(17)), (day(18), day(2), day(19)),
        ] {
            store.write(move |tx| tx.extend_grant(id, until, now)).await;
            let facts = store.read(move |reads| reads.find_grant(id)).await.expect("it is there");
            assert_eq!(facts.grant.expires_at, expected);
        }
    }

    async fn a_grant_is_revoked_once(store: TestStore) {
        let scene = Scene::play(&store).await;
        let id = scene.grant.id;
        assert!(store.write(move |tx| tx.revoke_grant(id, NOW)).await);
        assert!(!store.write(move |tx| tx.revoke_grant(id, LATER)).await);
        let facts = store.read(move |reads| reads.find_grant(id)).await.expect("it is there");
        assert_eq!(facts.grant.revoked_at, Some(NOW));
    }

    async fn a_code_is_taken_once_with_everything_it_stands_for(store: TestStore) {
        let scene = Scene::play(&store).await;
        let code = scene.code(&store).await;
        let (handle, by) = (presented(code.id), scene.client.id);
        let taken = store.write(move |tx| tx.take_code(&handle, by, NOW)).await;
        assert_eq!(taken, Taken::Now(Box::new((code, scene.facts()))));
        let taken = store.write(move |tx| tx.take_code(&handle, by, NOW)).await;
        assert_eq!(taken, Taken::Before(Box::new(scene.facts())));
    }

    async fn g4_a_code_is_taken_by_its_whole_handle_and_its_client_alone(store: TestStore) {
        let scene = Scene::play(&store).await;
        let code = scene.code(&store).await;
        let (right, by) = (presented(code.id), scene.client.id);
        let wrong = Presented { sha256: [0; 32], ..right };
        for _ in 0..2 {
            for (handle, client) in [(wrong, by), (right, ClientId(by.0 + 1)), (presented(code.id + 1), by)] {
                let taken = store.write(move |tx| tx.take_code(&handle, client, NOW)).await;
                assert_eq!(taken, Taken::Unknown, "neither used up before, nor a reuse after");
            }
            store.write(move |tx| tx.take_code(&right, by, NOW)).await;
        }
    }

    async fn g3_of_many_who_redeem_a_code_one_gets_it(store: TestStore) {
        let scene = Scene::play(&store).await;
        for _ in 0..5 {
            let code = scene.code(&store).await;
            let (handle, by) = (presented(code.id), scene.client.id);
            let taken = store.race(32, move |tx| tx.take_code(&handle, by, NOW)).await;
            let now = taken.iter().filter(|taken| matches!(taken, Taken::Now(_))).count();
            let before = taken.iter().filter(|taken| matches!(taken, Taken::Before(_))).count();
            assert_eq!((now, before), (1, 31));
        }
    }

    async fn an_access_token_comes_back_with_what_it_depends_on(store: TestStore) {
        let scene = Scene::play(&store).await;
        let token = scene.access_token(&store).await;
        assert_eq!(find_token(&store, token.id).await, Some((token, scene.facts())));
    }

    async fn tk1_an_access_token_is_compared_by_the_hash_of_its_whole_string(store: TestStore) {
        let scene = Scene::play(&store).await;
        let right = presented(scene.access_token(&store).await.id);
        for byte in 0..32 {
            let mut wrong = right;
            wrong.sha256[byte] ^= 1;
            let found = store.read(move |reads| reads.find_access_token(&wrong)).await;
            assert_eq!(found, None, "byte {byte}");
        }
        let other = scene.access_token(&store).await;
        let mixed = Presented { id: other.id, ..right };
        assert_eq!(store.read(move |reads| reads.find_access_token(&mixed)).await, None);
    }

    async fn an_access_token_is_revoked_once(store: TestStore) {
        let scene = Scene::play(&store).await;
        let (token, other) = (scene.access_token(&store).await, scene.access_token(&store).await);
        let id = token.id;
        assert!(store.write(move |tx| tx.revoke_access_token(id, NOW)).await);
        assert!(!store.write(move |tx| tx.revoke_access_token(id, LATER)).await);
        let revoked = AccessToken { revoked_at: Some(NOW), ..token };
        assert_eq!(find_token(&store, id).await.map(|found| found.0), Some(revoked));
        assert_eq!(find_token(&store, other.id).await.map(|found| found.0), Some(other));
    }

    async fn what_ends_tokens_is_seen_at_the_next_look(store: TestStore) {
        let scene = Scene::play(&store).await;
        let token = scene.access_token(&store).await;
        let (user, client, session, shop) =
            (scene.user.id, scene.client.id, scene.session.id, Client { disabled: true, ..scene.client.clone() });
        store.write(move |tx| {
            tx.set_user_status(user, UserStatus::Locked, NOW)?;
            tx.update_client(&shop)?;
            tx.revoke_session_tokens(session, NOW)?;
            tx.withdraw_consent(user, client, NOW)
        }).await;
        let (_, facts) = find_token(&store, token.id).await.expect("the row is there");
        assert_eq!(facts.user.map(|user| (user.status, user.epoch)), Some((UserStatus::Locked, 2)));
        assert_eq!(facts.client.map(|client| client.disabled), Some(true));
        assert_eq!(facts.session.and_then(|session| session.tokens_revoked_at), Some(NOW));
        assert_eq!(facts.consent.map(|consent| consent.version), Some(2));
    }

    async fn a_refresh_family_comes_back_with_what_it_depends_on(store: TestStore) {
        let scene = Scene::play(&store).await;
        let family = scene.refresh_family(&store).await;
        assert_eq!(find_family(&store, family.id).await, Some((family.clone(), scene.facts())));
        assert_eq!(find_family(&store, family.id + 1).await, None);

        let graced = RefreshFamily { last_answer: Some((vec![0, 1, 255], LATER)), ..refresh_family() };
        let (new, grant) = (graced.clone(), scene.grant.id);
        store.write(move |tx| tx.insert_refresh_family(&new, grant)).await;
        assert_eq!(find_family(&store, graced.id).await.map(|found| found.0), Some(graced));
    }

    async fn a_refresh_family_is_rotated_from_the_generation_it_is_at(store: TestStore) {
        let scene = Scene::play(&store).await;
        let family = scene.refresh_family(&store).await;
        let second = RefreshFamily {
            generation: 1,
            sha256: [9; 32],
            idle_expires_at: LATER.plus_ms(1),
            last_answer: Some((b"sealed".to_vec(), LATER)),
            ..family
        };
        let next = second.clone();
        assert!(store.write(move |tx| tx.rotate_refresh_family(&next, 0)).await);
        assert_eq!(find_family(&store, second.id).await.map(|found| found.0), Some(second.clone()));
        for from in [0, 2, u32::MAX] {
            let stale = RefreshFamily { sha256: [0; 32], ..second.clone() };
            assert!(!store.write(move |tx| tx.rotate_refresh_family(&stale, from)).await, "{from}");
        }
        assert_eq!(find_family(&store, second.id).await.map(|found| found.0), Some(second));
    }

    async fn g3_of_many_who_rotate_a_family_one_does(store: TestStore) {
        let scene = Scene::play(&store).await;
        let family = scene.refresh_family(&store).await;
        for generation in 0..5 {
            let next = RefreshFamily { generation: generation + 1, ..family.clone() };
            let rotated = store.race(32, move |tx| tx.rotate_refresh_family(&next, generation)).await;
            assert_eq!(rotated.iter().filter(|rotated| **rotated).count(), 1);
        }
        assert_eq!(find_family(&store, family.id).await.map(|found| found.0.generation), Some(5));
    }

    async fn g3_a_revoked_family_is_never_rotated(store: TestStore) {
        let scene = Scene::play(&store).await;
        for round in 0..10 {
            let family = scene.refresh_family(&store).await;
            let next = RefreshFamily { generation: 1, last_answer: Some((vec![1], LATER)), ..family.clone() };
            // Who comes first revokes in one round, and rotates in the next.
            let turn = std::sync::Arc::new(std::sync::atomic::AtomicUsize::new(round));
            let grant = scene.grant.id;
            store.race(2, move |tx| {
                tx.extend_grant(grant, LATER, NOW)?;
                if turn.fetch_add(1, std::sync::atomic::Ordering::Relaxed).is_multiple_of(2) {
                    tx.revoke_refresh_family(next.id, NOW)
                } else {
                    tx.rotate_refresh_family(&next, 0)
                }
            }).await;
            let (after, _) = find_family(&store, family.id).await.expect("it is there");
            assert_eq!(after.revoked_at, Some(NOW), "whoever came first");
            assert_eq!(after.last_answer, None, "a revoked family gives its last answer to nobody");
            let id = family.id;
            assert!(!store.write(move |tx| tx.revoke_refresh_family(id, LATER)).await);
            let again = RefreshFamily { generation: after.generation + 1, ..family };
            let from = after.generation;
            assert!(!store.write(move |tx| tx.rotate_refresh_family(&again, from)).await);
        }
    }

    async fn an_id_is_used_once(store: TestStore) {
        let scene = Scene::play(&store).await;
        let (token, code) = (scene.access_token(&store).await, scene.code(&store).await);
        let (family, grant) = (scene.refresh_family(&store).await, scene.grant);
        let (g, id) = (grant.clone(), grant.id);
        assert_eq!(store.try_write(move |tx| tx.insert_grant(&g)).await, Err(StoreError::Conflict));
        assert_eq!(store.try_write(move |tx| tx.insert_code(&code, &[0; 32], &grant)).await, Err(StoreError::Conflict));
        assert_eq!(
            store.try_write(move |tx| tx.insert_access_token(&token, &[0; 32], id)).await,
            Err(StoreError::Conflict)
        );
        assert_eq!(
            store.try_write(move |tx| tx.insert_refresh_family(&family, id)).await,
            Err(StoreError::Conflict)
        );
    }
}
