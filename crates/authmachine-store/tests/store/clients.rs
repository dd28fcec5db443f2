use authmachine_jose::Algorithm;
use authmachine_protocol::redirect_uri::ClientKind;
use authmachine_protocol::{ClientAuthMethod, GrantType, ResponseType, Scopes};
use authmachine_provider::client::Client;
use authmachine_provider::client_metadata::ClientMetadata;
use authmachine_provider::subject_ids::SubjectIds;
use authmachine_store::{Logo, StoreError};

use crate::records::{NOW, client, grant, session, user};
use crate::support::both_engines;

/// One with everything else than [`client`] has.
fn bare(client_id: &str) -> Client {
    Client {
        secret_hmac: None,
        auth_method: None,
        kind: ClientKind::Native,
        first_party: true,
        pkce: None,
        grant_types: Vec::new(),
        response_types: Vec::new(),
        scopes: Scopes::default(),
        id_token_alg: Algorithm::RS256,
        userinfo_alg: None,
        sector: None,
        metadata: ClientMetadata::default(),
        registration_sha256: None,
        redirect_uris: Vec::new(),
        post_logout_redirect_uris: Vec::new(),
        objects: Vec::new(),
        subject_ids: SubjectIds::Sub,
        permissions_in_id_token: false,
        disabled: true,
        ..client(client_id)
    }
}

both_engines! {
    async fn a_client_comes_back_as_stored(store: TestStore) {
        let all = [client("shop"), bare("bare"), client("Shop")];
        for stored in all.clone() {
            let new = stored.clone();
            assert!(store.write(move |tx| tx.insert_client(&new)).await);
            let (id, client_id) = (stored.id, stored.client_id.clone());
            assert_eq!(store.read(move |reads| reads.find_client(id)).await, Some(stored.clone()));
            let found = store.read(move |reads| reads.find_client_by_client_id(&client_id)).await;
            assert_eq!(found, Some(stored));
        }
        assert_eq!(store.read(|reads| reads.list_clients()).await, all);
        assert_eq!(store.read(|reads| reads.find_client_by_client_id("SHOP")).await, None);
    }

    async fn a_client_id_is_taken_once(store: TestStore) {
        let (first, second) = (client("shop"), client("shop"));
        let new = first.clone();
        assert!(store.write(move |tx| tx.insert_client(&new)).await);
        assert!(!store.write(move |tx| tx.insert_client(&second)).await);
        assert_eq!(store.read(|reads| reads.list_clients()).await, std::slice::from_ref(&first));
        let same_row = Client { client_id: "other".to_owned(), ..first };
        assert_eq!(store.try_write(move |tx| tx.insert_client(&same_row)).await, Err(StoreError::Conflict));
    }

    async fn an_update_replaces_everything(store: TestStore) {
        let (before, other) = (client("shop"), client("other"));
        let after = Client { id: before.id, created_at: before.created_at, ..bare("shop") };
        let again = Client {
            auth_method: Some(ClientAuthMethod::None),
            grant_types: vec![GrantType::ClientCredentials],
            response_types: ResponseType::ALL.to_vec(),
            redirect_uris: vec!["app:/x".to_owned()],
            ..after.clone()
        };
        let (new, second) = (before.clone(), other.clone());
        store.write(move |tx| Ok((tx.insert_client(&new)?, tx.insert_client(&second)?))).await;
        for stored in [after, again, before] {
            let update = stored.clone();
            store.write(move |tx| tx.update_client(&update)).await;
            assert_eq!(store.read(|reads| reads.list_clients()).await, [stored, other.clone()]);
        }
        let unknown = client("unknown");
        store.write(move |tx| tx.update_client(&unknown)).await;
        assert_eq!((store.count("clients"), store.count("client_uris")), (2, 6));
    }

    async fn a_secret_is_replaced(store: TestStore) {
        let shop = client("shop");
        let (new, id) = (shop.clone(), shop.id);
        store.write(move |tx| tx.insert_client(&new)).await;
        store.write(move |tx| tx.set_client_secret(id, &[9; 32], NOW)).await;
        let renewed = Client { secret_hmac: Some([9; 32]), ..shop };
        assert_eq!(store.read(move |reads| reads.find_client(id)).await, Some(renewed));
    }

    async fn a_logout_uri_finds_its_first_party_client(store: TestStore) {
        let ours = Client { first_party: true, ..client("ours") };
        let off = Client { first_party: true, disabled: true, ..client("off") };
        let foreign = client("foreign");
        let all = [ours.clone(), off.clone(), foreign.clone()];
        store.write(move |tx| {
            all.iter().try_for_each(|client| tx.insert_client(client).map(drop))
        }).await;
        let uris = [
            (&ours.post_logout_redirect_uris[0], Some(&ours)),
            (&ours.redirect_uris[0], None),
            (&off.post_logout_redirect_uris[0], None),
            (&foreign.post_logout_redirect_uris[0], None),
        ];
        for (uri, expected) in uris {
            let asked = uri.clone();
            let found = store.read(move |reads| reads.find_first_party_by_logout_uri(&asked)).await;
            assert_eq!(found.as_ref(), expected, "{uri}");
        }
    }

    async fn a_session_knows_the_clients_that_were_granted_something(store: TestStore) {
        let (alice, shop, wiki, idle) = (user("alice"), client("shop"), client("wiki"), client("idle"));
        let session = session(&alice);
        let id = session.id;
        let all = [shop.clone(), wiki.clone(), idle];
        let grants = [grant(&wiki, &session), grant(&shop, &session), grant(&shop, &session)];
        store.write(move |tx| {
            tx.insert_user(&alice)?;
            tx.insert_session(&session, &[1; 32])?;
            all.iter().try_for_each(|client| tx.insert_client(client).map(drop))?;
            grants.iter().try_for_each(|grant| tx.insert_grant(grant))
        }).await;
        assert_eq!(store.read(move |reads| reads.list_session_clients(id)).await, [shop, wiki]);
    }
    async fn dr1_do3_a_client_that_registers_itself_needs_a_place(store: TestStore) {
        let (first, second, third) = (client("first"), client("second"), client("third"));
        let ours = Client { registration_sha256: None, ..client("ours") };
        store.write(move |tx| tx.insert_client(&ours)).await;
        let register = async |new: &Client| {
            let new = new.clone();
            store.write(move |tx| tx.insert_registered_client(&new, 2)).await
        };
        let answers = [register(&first).await, register(&second).await, register(&third).await];
        assert_eq!(answers, [true, true, false]);
        assert_eq!((store.count("clients"), store.count("client_uris")), (3, 9));
        assert_eq!(store.read(|reads| reads.count_registered_clients()).await, 2);
        assert!(store.write(move |tx| tx.delete_client(second.id, NOW)).await);
        assert!(!register(&first).await, "its client_id is taken");
        assert!(register(&third).await);
    }

    async fn dr5_a_client_that_is_removed_leaves_nothing(store: TestStore) {
        let (alice, shop, wiki) = (user("alice"), client("shop"), client("wiki"));
        let session = session(&alice);
        let (sid, grant) = (session.id, grant(&shop, &session));
        let (user_id, clients, grant_id) = (alice.id, [shop.clone(), wiki.clone()], grant.id);
        store.write(move |tx| {
            tx.insert_user(&alice)?;
            tx.insert_session(&session, &[1; 32])?;
            for client in &clients {
                tx.insert_client(client)?;
                tx.upsert_consent(user_id, client.id, &client.scopes, &[], NOW)?;
            }
            tx.insert_grant(&grant)
        }).await;
        let revision = store.read(|reads| reads.current_revision()).await;
        assert!(store.write(move |tx| tx.delete_client(shop.id, NOW)).await);
        assert!(!store.write(move |tx| tx.delete_client(shop.id, NOW)).await);
        assert_eq!(store.read(|reads| reads.list_clients()).await, std::slice::from_ref(&wiki));
        assert_eq!((store.count("client_uris"), store.count("consents")), (3, 1));
        assert_eq!(store.read(move |reads| reads.list_session_clients(sid)).await, []);
        let facts = store.read(move |reads| reads.find_grant(grant_id)).await.expect("it is swept later");
        assert_eq!((facts.client, facts.consent), (None, None));
        let changes = store.read(move |reads| reads.list_changes(revision, 10)).await;
        assert_eq!(changes.len(), 1);
        assert_eq!((changes[0].kind.as_str(), changes[0].entity_id), ("client", shop.id.0));
    }

    async fn dr1_what_nobody_uses_is_found_and_removed(store: TestStore) {
        const DAY: i64 = 24 * 60 * 60;
        let (used, unused) = (client("used"), client("unused"));
        let ours = Client { registration_sha256: None, ..client("ours") };
        let ids = [used.id, unused.id, ours.id];
        let all = [used.clone(), unused.clone(), ours];
        let created_at = used.created_at;
        store.write(move |tx| all.iter().try_for_each(|client| tx.insert_client(client).map(drop))).await;
        let list = async |before| store.read(move |reads| reads.list_unused_clients(before, 10)).await;
        assert_eq!(list(created_at.plus_ms(-1)).await, []);
        assert_eq!(list(created_at).await.len(), 2);
        let later = created_at.plus_seconds(DAY);
        for id in [used.id, ids[2]] {
            store.write(move |tx| tx.touch_client(id, later)).await;
            // Within a day it is not noted again.
            store.write(move |tx| tx.touch_client(id, later.plus_seconds(DAY - 1))).await;
        }
        assert_eq!(list(later.plus_ms(-1)).await, [(unused.id, "unused".to_owned())]);
        assert_eq!(list(later).await.len(), 2);
        let remove = async |id| store.write(move |tx| tx.delete_unused_client(id, created_at, NOW)).await;
        let removed = [remove(ids[0]).await, remove(ids[1]).await, remove(ids[2]).await];
        assert_eq!(removed, [false, true, false]);
        store.write(move |tx| tx.touch_client(used.id, later.plus_seconds(DAY))).await;
        assert_eq!(list(later).await, []);
    }

    async fn a_client_is_replaced_as_it_was_seen(store: TestStore) {
        let before = client("shop");
        let (new, seen) = (before.clone(), before.clone());
        store.write(move |tx| tx.insert_client(&new)).await;
        let after = Client { name: "After".to_owned(), ..before.clone() };
        let (first, stored) = (after.clone(), after.clone());
        assert!(store.write(move |tx| tx.replace_client(&seen, &first)).await);
        assert!(!store.write(move |tx| tx.replace_client(&before, &after)).await);
        assert_eq!(store.read(|reads| reads.list_clients()).await, [stored]);
    }
    async fn xs5_a_logo_is_claimed_once_and_belongs_to_its_source(store: TestStore) {
        const DAY: i64 = 24 * 60 * 60;
        let shop = client("shop");
        let (new, id) = (shop.clone(), shop.id);
        store.write(move |tx| tx.insert_client(&new)).await;
        let standing = async |source: &'static str, now| {
            store.read(move |reads| reads.client_logo(id, source, now)).await
        };
        let claim = async |source: &'static str, now| {
            store.write(move |tx| tx.claim_client_logo(id, source, now)).await
        };
        let png = async |source: &'static str| store.read(move |reads| reads.find_client_logo(id, source)).await;
        assert_eq!(standing("a", NOW).await, Logo::Wanted);
        assert_eq!([claim("a", NOW).await, claim("a", NOW).await], [true, false]);
        assert_eq!((standing("a", NOW).await, png("a").await), (Logo::Missing, None));
        let next_day = NOW.plus_seconds(DAY);
        assert_eq!((standing("a", next_day).await, claim("a", next_day).await), (Logo::Wanted, true));
        store.write(move |tx| tx.set_client_logo(id, "a", b"picture")).await;
        assert_eq!((standing("a", NOW).await, png("a").await), (Logo::Copied, Some(b"picture".to_vec())));
        assert!(!claim("a", next_day.plus_seconds(DAY)).await);
        // Another source is another logo, and what comes late of the old one is dropped.
        assert_eq!((standing("b", NOW).await, png("b").await), (Logo::Wanted, None));
        assert!(claim("b", NOW).await);
        store.write(move |tx| tx.set_client_logo(id, "a", b"picture")).await;
        assert_eq!((png("a").await, png("b").await), (None, None));
        store.write(move |tx| tx.delete_client(id, NOW)).await;
        assert_eq!((store.count("client_logos"), claim("b", NOW).await), (0, false));
    }
}
