use std::collections::BTreeSet;

use authmachine_provider::Timestamp;
use authmachine_provider::ids::{ClientId, GroupId, UserId};
use authmachine_provider::permission_records::{
    Group, Holder, Member, Membership, Named, Object, PermissionGrant, PermissionGrantLine, PermissionType,
    Target, Validity,
};
use authmachine_provider::user::User;
use authmachine_store::{GrantFilter, NotWritten};

use crate::records::{LATER, NOW, group, member_of, object, origin, permission_grant, permission_type, user};
use crate::support::{TestStore, both_engines};

/// Alice in the group `staff`, two objects, two types, and no permission yet.
struct Scene {
    alice: User,
    staff: Named<Group>,
    obj1: Named<Object>,
    obj2: Named<Object>,
    read: Named<PermissionType>,
    write: Named<PermissionType>,
}

impl Scene {
    async fn play(store: &TestStore) -> Self {
        let scene = Self {
            alice: user("alice"),
            staff: group("staff"),
            obj1: object("obj1"),
            obj2: object("obj2"),
            read: permission_type("read"),
            write: permission_type("write"),
        };
        let (alice, staff) = (scene.alice.clone(), scene.staff.clone());
        let (objects, types) =
            ([scene.obj1.clone(), scene.obj2.clone()], [scene.read.clone(), scene.write.clone()]);
        store
            .write(move |tx| {
                tx.insert_user(&alice)?;
                tx.put_group(&staff)?.expect("a new group");
                objects.iter().try_for_each(|object| tx.put_object(object).map(drop))?;
                types.iter().try_for_each(|one| tx.put_permission_type(one).map(drop))
            })
            .await;
        scene
    }

    fn direct(&self) -> PermissionGrant {
        permission_grant(Holder::User(self.alice.id), &self.obj1, &self.read)
    }

    fn by_group(&self) -> PermissionGrant {
        permission_grant(Holder::Group(self.staff.id), &self.obj1, &self.read)
    }
}

async fn give(store: &TestStore, grant: PermissionGrant) {
    assert_eq!(store.write(move |tx| tx.insert_permission_grant(&grant, &origin())).await, Ok(()));
}

async fn join(store: &TestStore, scene: &Scene, from: Option<Timestamp>, until: Option<Timestamp>) {
    let membership = Membership { validity: span(from, until), ..member_of(scene.alice.id, scene.staff.id) };
    assert_eq!(store.write(move |tx| tx.put_membership(&membership)).await, Ok(()));
}

fn span(from: Option<Timestamp>, until: Option<Timestamp>) -> Validity {
    Validity::new(from, until).expect("an end after the beginning")
}

async fn held(store: &TestStore, user: UserId, objects: Option<&[&str]>) -> Vec<(String, String)> {
    let objects: Option<Vec<String>> =
        objects.map(|codes| codes.iter().map(|code| (*code).to_owned()).collect());
    store.read(move |reads| reads.held_permissions(user, objects.as_deref(), NOW)).await
}

fn pairs(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs.iter().map(|(object, one)| ((*object).to_owned(), (*one).to_owned())).collect()
}

/// Times around `NOW`, and whether something limited by them is live then.
const WINDOWS: [(Option<Timestamp>, Option<Timestamp>, bool); 8] = [
    (None, None, true),
    (Some(NOW), None, true),
    (Some(NOW.plus_ms(1)), None, false),
    (None, Some(NOW.plus_ms(1)), true),
    (None, Some(NOW), false),
    (Some(NOW), Some(NOW.plus_ms(1)), true),
    (Some(NOW.plus_ms(-5)), Some(NOW), false),
    (Some(NOW.plus_ms(-5)), Some(NOW.plus_ms(5)), true),
];

both_engines! {
    async fn pe1_nothing_is_held_by_default(store: TestStore) {
        let scene = Scene::play(&store).await;
        join(&store, &scene, None, None).await;
        assert_eq!(held(&store, scene.alice.id, None).await, []);
        assert_eq!(held(&store, scene.alice.id, Some(&["obj1", "obj2"])).await, []);
        assert_eq!(held(&store, UserId(1), None).await, []);
    }

    async fn pe1_a_grant_is_live_from_its_first_moment_until_before_its_end(store: TestStore) {
        let scene = Scene::play(&store).await;
        for grant in [scene.direct(), scene.by_group()] {
            join(&store, &scene, None, None).await;
            for (not_before, not_after, is_live) in WINDOWS {
                let limited = PermissionGrant { validity: span(not_before, not_after), ..grant.clone() };
                give(&store, limited.clone()).await;
                let expected = if is_live { pairs(&[("obj1", "read")]) } else { Vec::new() };
                for objects in [None, Some(&["obj1"][..])] {
                    assert_eq!(held(&store, scene.alice.id, objects).await, expected, "{limited:?}");
                }
                let id = grant.id;
                assert!(store.write(move |tx| tx.remove_permission_grant(id)).await);
                assert!(!store.write(move |tx| tx.remove_permission_grant(id)).await);
                assert_eq!(held(&store, scene.alice.id, None).await, []);
            }
        }
    }

    async fn pe1_a_membership_is_live_from_its_first_moment_until_before_its_end(store: TestStore) {
        let scene = Scene::play(&store).await;
        give(&store, scene.by_group()).await;
        assert_eq!(held(&store, scene.alice.id, None).await, [], "not a member");
        for (not_before, not_after, is_live) in WINDOWS {
            join(&store, &scene, not_before, not_after).await;
            let expected = if is_live { pairs(&[("obj1", "read")]) } else { Vec::new() };
            for objects in [None, Some(&["obj1"][..])] {
                let held = held(&store, scene.alice.id, objects).await;
                assert_eq!(held, expected, "{not_before:?} {not_after:?}");
            }
        }
        let (group, member) = (scene.staff.id, scene.alice.id);
        join(&store, &scene, None, None).await;
        assert!(store.write(move |tx| tx.remove_membership(Member::User(member), group)).await);
        assert!(!store.write(move |tx| tx.remove_membership(Member::User(member), group)).await);
        assert_eq!(held(&store, scene.alice.id, None).await, []);
    }

    async fn pe5_a_grant_is_for_its_object_its_type_and_its_holder(store: TestStore) {
        let scene = Scene::play(&store).await;
        let bob = user("bob");
        let (new, other) = (bob.clone(), bob.id);
        store.write(move |tx| tx.insert_user(&new)).await;
        // A user and a group whose rows have the same number are two holders.
        let twin = Named { record: Group { id: GroupId(scene.alice.id.0), code: "twin".to_owned() }, ..group("twin") };
        let other_twin = User { id: UserId(scene.staff.id.0), ..user("twin") };
        store.write(move |tx| {
            tx.insert_user(&other_twin)?;
            tx.put_group(&twin)
        }).await.expect("a new group");
        give(&store, permission_grant(Holder::Group(GroupId(scene.alice.id.0)), &scene.obj2, &scene.write)).await;
        give(&store, permission_grant(Holder::User(UserId(scene.staff.id.0)), &scene.obj2, &scene.write)).await;
        join(&store, &scene, None, None).await;
        give(&store, scene.direct()).await;
        assert_eq!(held(&store, scene.alice.id, None).await, pairs(&[("obj1", "read")]));
        assert_eq!(held(&store, other, None).await, []);
    }

    async fn pe5_only_named_objects_are_answered_and_unknown_ones_are_empty(store: TestStore) {
        let scene = Scene::play(&store).await;
        join(&store, &scene, None, None).await;
        give(&store, scene.direct()).await;
        give(&store, PermissionGrant { target: Target::Object(scene.obj2.id), ..scene.by_group() }).await;
        give(&store, PermissionGrant { permission: scene.write.id, ..scene.by_group() }).await;
        let all = pairs(&[("obj1", "read"), ("obj1", "write"), ("obj2", "read")]);
        let alice = scene.alice.id;
        assert_eq!(held(&store, alice, None).await, all);
        assert_eq!(held(&store, alice, Some(&[])).await, []);
        assert_eq!(held(&store, alice, Some(&["obj2"])).await, pairs(&[("obj2", "read")]));
        for none in ["obj3", "OBJ1", "", "obj%", "obj_", "*", "NULL"] {
            assert_eq!(held(&store, alice, Some(&[none])).await, [], "{none}");
        }
        // More than one statement asks for, some twice.
        let mut many: Vec<String> = (0..99).map(|n| format!("unknown{n}")).collect();
        many.extend(["obj2", "obj1", "obj2"].map(str::to_owned));
        many.insert(0, "obj1".to_owned());
        let many: Vec<&str> = many.iter().map(String::as_str).collect();
        assert_eq!(held(&store, alice, Some(&many)).await, all);
    }

    async fn a_permission_held_twice_is_answered_once(store: TestStore) {
        let scene = Scene::play(&store).await;
        join(&store, &scene, None, None).await;
        give(&store, scene.direct()).await;
        give(&store, scene.by_group()).await;
        assert_eq!(held(&store, scene.alice.id, None).await, pairs(&[("obj1", "read")]));
        assert_eq!(held(&store, scene.alice.id, Some(&["obj1"])).await, pairs(&[("obj1", "read")]));
    }

    async fn pe2_the_query_equals_a_naive_reference(store: TestStore) {
        let users: Vec<User> = (0..4).map(|n| user(&format!("u{n}"))).collect();
        let groups: Vec<Named<Group>> = (0..3).map(|n| group(&format!("g{n}"))).collect();
        let objects: Vec<Named<Object>> = (0..20).map(|n| object(&format!("o{n:02}"))).collect();
        let types: Vec<Named<PermissionType>> = (0..3).map(|n| permission_type(&format!("t{n}"))).collect();
        let mut seed = 1_u64;
        let mut dice = move |sides: usize| {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            usize::try_from(seed >> 33).expect("31 bits") % sides
        };
        let mut other_dice = dice;
        let mut time = move || {
            (other_dice(3) > 0).then(|| NOW.plus_ms(i64::try_from(other_dice(7)).expect("small") - 3))
        };
        let mut grants: Vec<PermissionGrant> = Vec::new();
        for _ in 0..150 {
            let holder = match dice(7) {
                n if n < 4 => Holder::User(users[n].id),
                n => Holder::Group(groups[n - 4].id),
            };
            let new = permission_grant(holder, &objects[dice(20)], &types[dice(3)]);
            let new = PermissionGrant { validity: Validity::new(time(), time()).unwrap_or_default(), ..new };
            let same = |old: &PermissionGrant| {
                (old.holder, &old.target, old.permission) == (new.holder, &new.target, new.permission)
            };
            if !grants.iter().any(same) {
                grants.push(new);
            }
        }
        let mut members: Vec<Membership> = Vec::new();
        for (g, u) in (0..3).flat_map(|g| (0..4).map(move |u| (g, u))) {
            if dice(3) > 0 {
                let validity = Validity::new(time(), time()).unwrap_or_default();
                members.push(Membership { validity, ..member_of(users[u].id, groups[g].id) });
            }
        }
        let (a, b, c, d, e, f) =
            (users.clone(), groups, objects.clone(), types.clone(), grants.clone(), members.clone());
        store.write(move |tx| {
            a.iter().try_for_each(|one| tx.insert_user(one).map(drop))?;
            b.iter().try_for_each(|one| tx.put_group(one).map(drop))?;
            c.iter().try_for_each(|one| tx.put_object(one).map(drop))?;
            d.iter().try_for_each(|one| tx.put_permission_type(one).map(drop))?;
            e.iter().try_for_each(|one| tx.insert_permission_grant(one, &origin()).map(drop))?;
            f.iter().try_for_each(|one| tx.put_membership(one).map(drop))
        }).await;

        let mut answers = 0;
        for round in 0..200 {
            let who = users[dice(4)].id;
            let now = NOW.plus_ms(i64::try_from(dice(9)).expect("small") - 4);
            let asked: Option<Vec<String>> =
                (round % 3 > 0).then(|| (0..dice(25)).map(|_| objects[dice(20)].code.clone()).collect());
            let mut expected = BTreeSet::new();
            for grant in grants.iter().filter(|grant| grant.validity.contains(now)) {
                let holds = match grant.holder {
                    Holder::User(user) => user == who,
                    Holder::Group(group) => members.iter().any(|one| {
                        (one.member, one.group) == (Member::User(who), group) && one.validity.contains(now)
                    }),
                    Holder::Client(_) | Holder::Everyone => unreachable!("there is no such grant"),
                };
                let object = &objects.iter().find(|object| Target::Object(object.id) == grant.target).expect("one of ours").code;
                let one = &types.iter().find(|one| one.id == grant.permission).expect("one of ours").code;
                if holds && asked.as_ref().is_none_or(|asked| asked.contains(object)) {
                    expected.insert((object.clone(), one.clone()));
                }
            }
            answers += expected.len();
            let held = store.read(move |reads| reads.held_permissions(who, asked.as_deref(), now)).await;
            assert!(held.iter().eq(expected.iter()), "round {round}: {held:?} {expected:?}");
        }
        assert!(answers > 500, "{answers} answers: the dice fell too badly to show anything");
    }

    async fn codes_are_unique_and_listed_in_order(store: TestStore) {
        let codes = ["b", "B", "z", "a", "_"];
        let in_order = ["B", "_", "a", "b", "z"];
        for code in codes {
            let (o, t, g) = (object(code), permission_type(code), group(code));
            let (o2, t2, g2) = (o.clone(), t.clone(), g.clone());
            let stored = move |tx: &mut authmachine_store::Tx| {
                Ok([tx.put_object(&o)?, tx.put_permission_type(&t)?, tx.put_group(&g)?])
            };
            assert_eq!(store.write(stored).await, [Ok(()), Ok(()), Ok(())]);
            assert_eq!(store.read(move |reads| reads.find_object(code)).await, Some(o2));
            assert_eq!(store.read(move |reads| reads.find_permission_type(code)).await, Some(t2));
            assert_eq!(store.read(move |reads| reads.find_group(code)).await, Some(g2));
            let again = store.write(move |tx| {
                let taken = tx.put_object(&object(code))?;
                Ok([taken, tx.put_permission_type(&permission_type(code))?, tx.put_group(&group(code))?])
            });
            assert_eq!(again.await, [Err(NotWritten::CodeTaken), Err(NotWritten::CodeTaken), Err(NotWritten::CodeTaken)]);
        }
        for (after, limit, expected) in
            [(None, 9, &in_order[..]), (None, 2, &in_order[..2]), (Some("_"), 2, &in_order[2..4]), (Some("z"), 9, &[])]
        {
            let listed = store.read(move |reads| reads.list_objects(after, limit)).await;
            assert!(listed.iter().map(|one| one.code.as_str()).eq(expected.iter().copied()), "{listed:?}");
            let listed = store.read(move |reads| reads.list_permission_types(after, limit)).await;
            assert!(listed.iter().map(|one| one.code.as_str()).eq(expected.iter().copied()), "{listed:?}");
            let listed = store.read(move |reads| reads.list_groups(after, limit)).await;
            assert!(listed.iter().map(|one| one.code.as_str()).eq(expected.iter().copied()), "{listed:?}");
        }
        assert_eq!(store.read(|reads| reads.find_object("A")).await, None);
    }

    async fn members_and_grants_are_listed(store: TestStore) {
        let scene = Scene::play(&store).await;
        join(&store, &scene, Some(LATER), None).await;
        let id = scene.staff.id;
        assert_eq!(store.read(move |reads| reads.list_members(id)).await, std::slice::from_ref(&scene.alice));

        let direct =
            PermissionGrant { validity: span(Some(NOW), Some(NOW.plus_ms(1))), ..scene.direct() };
        let by_group = permission_grant(Holder::Group(scene.staff.id), &scene.obj2, &scene.write);
        give(&store, direct.clone()).await;
        give(&store, by_group.clone()).await;
        let line = |grant: &PermissionGrant, holder: &str, object: &Named<Object>, one: &PermissionType| PermissionGrantLine {
            grant: grant.clone(),
            origin: origin(),
            holder: holder.to_owned(),
            target: object.code.clone(),
            permission_type: one.code.clone(),
        };
        let first = line(&direct, "alice", &scene.obj1, &scene.read);
        let second = line(&by_group, "staff", &scene.obj2, &scene.write);
        let (alice, staff, obj1, obj2) =
            (Holder::User(scene.alice.id), Holder::Group(scene.staff.id), scene.obj1.id, scene.obj2.id);
        let questions = [
            (None, None, None, 9, vec![first.clone(), second.clone()]),
            (None, None, None, 1, vec![first.clone()]),
            (None, None, Some(direct.id), 9, vec![second.clone()]),
            (Some(alice), None, None, 9, vec![first.clone()]),
            (Some(staff), None, None, 9, vec![second.clone()]),
            (Some(staff), Some(obj1), None, 9, vec![]),
            (Some(staff), Some(obj2), None, 9, vec![second.clone()]),
            (Some(staff), Some(obj2), Some(by_group.id), 9, vec![]),
            (None, Some(obj1), None, 9, vec![first]),
            (None, Some(obj2), None, 0, vec![]),
        ];
        for (n, (of, on, after, limit, expected)) in questions.into_iter().enumerate() {
            let filter = GrantFilter { holder: of, target: on.map(Target::Object), permission: None };
            let listed = store.read(move |reads| reads.list_permission_grants(&filter, after, limit)).await;
            assert_eq!(listed, expected, "question {n}");
        }
    }

    async fn a_permission_is_given_once(store: TestStore) {
        let scene = Scene::play(&store).await;
        give(&store, scene.direct()).await;
        let (again, first) = (scene.direct(), Target::Object(scene.obj1.id));
        let (holder, read) = (Holder::User(scene.alice.id), scene.read.id);
        let known = store.read(move |reads| reads.find_same_grant(holder, &first, read, None)).await;
        let known = known.expect("it is there");
        let outcome = store.write(move |tx| tx.insert_permission_grant(&again, &origin())).await;
        assert_eq!(outcome, Err(NotWritten::GrantedAlready(known)));
        assert_eq!(store.count("permission_grants"), 1);
    }

    async fn what_stands_for_nothing_is_refused(store: TestStore) {
        let scene = Scene::play(&store).await;
        let (unknown, nowhere, staff) = (object("unknown"), permission_type("unknown"), scene.staff.id);
        let of_nobody = permission_grant(Holder::Client(ClientId(1)), &scene.obj1, &scene.read);
        let grants = [
            (permission_grant(Holder::User(scene.alice.id), &unknown, &scene.read), NotWritten::UnknownObject),
            (permission_grant(Holder::User(scene.alice.id), &scene.obj1, &nowhere), NotWritten::UnknownType),
            (permission_grant(Holder::User(UserId(1)), &scene.obj1, &scene.read), NotWritten::UnknownUser),
            (permission_grant(Holder::Group(GroupId(1)), &scene.obj1, &scene.read), NotWritten::UnknownGroup),
            (of_nobody, NotWritten::UnknownClient),
        ];
        for (grant, why) in grants {
            let outcome = store.write(move |tx| tx.insert_permission_grant(&grant, &origin())).await;
            assert_eq!(outcome, Err(why));
        }
        let outcome = store.write(move |tx| tx.put_membership(&member_of(UserId(1), staff))).await;
        assert_eq!(outcome, Err(NotWritten::UnknownUser));
        assert_eq!((store.count("permission_grants"), store.count("memberships")), (0, 0));
        assert_eq!(store.read(|reads| reads.current_revision()).await, 6, "nothing of it is a change");
    }
}
