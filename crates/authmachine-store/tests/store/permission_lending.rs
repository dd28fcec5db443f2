//! Lending is decided in the unit of work that writes it.

use authmachine_permissions::{
    Circumstances, Delegable, DelegationId, LendRequest, LendSettings, Lent, Party, Refusal,
};
use authmachine_provider::ids::{ObjectId, PermissionGrantId, PermissionTypeId, UserId};
use authmachine_provider::permission_records::{Holder, PermissionGrant};
use authmachine_provider::user::UserStatus;
use authmachine_store::{Lending, NotLent};

use crate::records::{NOW, group, member_of, object, origin, permission_grant, permission_type, user};
use crate::support::{TestStore, both_engines};

/// Alice holds `read` on `doc` by her group, and may lend it; bob and carol hold nothing.
struct Scene {
    people: [UserId; 3],
    doc: ObjectId,
    read: PermissionTypeId,
    grant: PermissionGrantId,
}

impl Scene {
    async fn play(store: &TestStore) -> Self {
        let people = ["alice", "bob", "carol"].map(user);
        let (doc, read, staff) = (object("doc"), permission_type("read"), group("staff"));
        let held = permission_grant(Holder::Group(staff.id), &doc, &read);
        let held = PermissionGrant { delegable: Delegable::YES, ..held };
        let scene =
            Self { people: people.clone().map(|user| user.id), doc: doc.id, read: read.id, grant: held.id };
        store
            .write(move |tx| {
                people.iter().try_for_each(|user| tx.insert_user(user).map(drop))?;
                tx.put_object(&doc)?.expect("new");
                tx.put_permission_type(&read)?.expect("new");
                tx.put_group(&staff)?.expect("new");
                tx.put_membership(&member_of(people[0].id, staff.id))?.expect("both are there");
                tx.insert_permission_grant(&held, &origin()).map(|done| done.expect("new"))
            })
            .await;
        scene
    }

    fn request(&self, from: usize, to: usize) -> LendRequest {
        LendRequest {
            from: self.people[from],
            to: self.people[to],
            object: self.doc,
            include_children: false,
            permission: self.read,
            hops_left: 0,
            expires_at: Some(NOW.plus_seconds(3_600)),
            condition: None,
            created_by: Party::User(self.people[from]),
        }
    }
}

async fn lend(
    store: &TestStore,
    request: &LendRequest,
    settings: &LendSettings,
    id: i64,
) -> Result<Lent, NotLent> {
    let (request, settings) = (request.clone(), settings.clone());
    store
        .write(move |tx| {
            let lending = Lending {
                settings: &settings,
                giver_conditions_bind_taker: false,
                logged_in_at: NOW,
                id: DelegationId(id),
            };
            tx.lend(&request, &lending, &Circumstances::at(NOW))
        })
        .await
}

both_engines! {
    async fn pe3_what_is_held_delegably_is_lent_and_what_is_not_is_not(store: TestStore) {
        let scene = Scene::play(&store).await;
        let settings = LendSettings::default();
        let refused = |why| Err(NotLent::Refused(why));
        assert_eq!(lend(&store, &scene.request(1, 2), &settings, 1).await, refused(Refusal::NotHeld));
        let lent = lend(&store, &scene.request(0, 1), &settings, 2).await.expect("she may");
        let Lent::New(delegation) = lent else { panic!("a new one: {lent:?}") };
        assert_eq!((delegation.id, delegation.parent), (DelegationId(2), None));
        // Received without hops, so bob holds it and may not pass it on.
        assert_eq!(lend(&store, &scene.request(1, 2), &settings, 3).await, refused(Refusal::NotDelegable));

        let longer = LendRequest { expires_at: Some(NOW.plus_seconds(7_200)), ..scene.request(0, 1) };
        let again = lend(&store, &longer, &settings, 4).await.expect("she may");
        assert!(matches!(again, Lent::Updated(ref updated) if updated.id == DelegationId(2)), "{again:?}");
        assert_eq!(store.count("delegations"), 1);

        let nothing = LendRequest { object: ObjectId(1), ..scene.request(0, 1) };
        assert_eq!(lend(&store, &nothing, &settings, 5).await, refused(Refusal::ObjectInactive));
        let unknown = LendRequest { permission: PermissionTypeId(1), ..scene.request(0, 1) };
        assert_eq!(lend(&store, &unknown, &settings, 5).await, refused(Refusal::NotHeld));
        let nobody = LendRequest { to: UserId(1), ..scene.request(0, 1) };
        assert_eq!(lend(&store, &nobody, &settings, 5).await, refused(Refusal::TakerInactive));
        let bob = scene.people[1];
        store.write(move |tx| tx.set_user_status(bob, UserStatus::Locked, NOW)).await;
        assert_eq!(lend(&store, &scene.request(0, 1), &settings, 6).await, refused(Refusal::TakerInactive));

        let grant = scene.grant;
        assert!(store.write(move |tx| tx.remove_permission_grant(grant)).await);
        assert_eq!(lend(&store, &scene.request(0, 2), &settings, 7).await, refused(Refusal::NotHeld));
    }

    async fn pe3_what_is_passed_on_names_what_it_was_passed_on_from(store: TestStore) {
        let scene = Scene::play(&store).await;
        let settings = LendSettings { most_hops: 2, ..LendSettings::default() };
        let first = LendRequest { hops_left: 1, ..scene.request(0, 1) };
        assert!(lend(&store, &first, &settings, 1).await.is_ok());
        let Ok(Lent::New(second)) = lend(&store, &scene.request(1, 2), &settings, 2).await else { panic!("he may") };
        assert_eq!(second.parent, Some(DelegationId(1)));
        let beyond = LendRequest { expires_at: Some(NOW.plus_seconds(3_601)), ..scene.request(1, 2) };
        let latest = NOW.plus_seconds(3_600);
        let refused = lend(&store, &beyond, &settings, 3).await;
        assert_eq!(refused, Err(NotLent::Refused(Refusal::BeyondExpiry { latest })));
    }

    async fn pe3_the_limit_holds_for_two_at_once(store: TestStore) {
        let scene = Scene::play(&store).await;
        let settings = LendSettings { most_given: 1, ..LendSettings::default() };
        let (to_bob, to_carol) = (scene.request(0, 1), scene.request(0, 2));
        let (a, b) = tokio::join!(
            lend(&store, &to_bob, &settings, 1),
            lend(&store, &to_carol, &settings, 2),
        );
        let refused = Err(NotLent::Refused(Refusal::TooManyGiven { most: 1 }));
        assert_eq!([&a, &b].iter().filter(|one| **one == &refused).count(), 1, "{a:?} {b:?}");
        assert_eq!(store.count("delegations"), 1);
    }
}
