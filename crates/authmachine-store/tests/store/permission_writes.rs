//! Writes of the permission system: what is refused, what goes with what, and the closure of groups.

use std::collections::BTreeSet;
use std::sync::Arc;

use authmachine_permissions::random_world::Dice;
use authmachine_permissions::{
    Attributes, AttributesError, Condition, Delegable, Delegation, EdgeError, Ending, GrantError, Lent,
    Party, PermissionTypeError,
};
use authmachine_provider::Timestamp;
use authmachine_provider::ids::{DelegationId, GroupId, ObjectId, PermissionTypeId};
use authmachine_provider::permission_records::{
    Holder, Member, Membership, Named, Object, PermissionGrant, PermissionType, Target, Validity,
};
use authmachine_store::{DelegationsOf, GrantFilter, NotWritten, Purge, Tx};

use crate::mirror::Mirror;
use crate::records::{LATER, NOW, client, group, object, origin, permission_grant, permission_type, user};
use crate::support::{TestStore, both_engines};

fn nested(member: GroupId, group: GroupId) -> Membership {
    Membership { member: Member::Group(member), group, validity: Validity::ALWAYS }
}

async fn groups<const N: usize>(store: &TestStore) -> [GroupId; N] {
    let groups: [_; N] = std::array::from_fn(|n| group(&format!("g{n}")));
    let ids = groups.clone().map(|group| group.id);
    store
        .write(move |tx| {
            groups.iter().try_for_each(|group| tx.put_group(group).map(|written| written.expect("new")))
        })
        .await;
    ids
}

both_engines! {
    async fn pe4_groups_make_no_cycle_and_no_tower(store: TestStore) {
        let g = groups::<18>(&store).await;
        let put = async |member, group| store.write(move |tx| tx.put_membership(&nested(member, group))).await;
        let cycle = Err(NotWritten::Edge(EdgeError::Cycle));
        for step in g[..17].windows(2) {
            assert_eq!(put(step[0], step[1]).await, Ok(()));
        }
        assert_eq!(put(g[16], g[17]).await, Err(NotWritten::Edge(EdgeError::TooDeep(16))));
        assert_eq!(put(g[16], g[0]).await, cycle);
        assert_eq!(put(g[3], g[3]).await, cycle);
        assert_eq!(put(g[0], g[16]).await, Ok(()), "a second way");
        assert_eq!(put(GroupId(1), g[0]).await, Err(NotWritten::UnknownGroup));
        assert_eq!(put(g[0], GroupId(1)).await, Err(NotWritten::UnknownGroup));
        let before = store.count("changes");
        let span = Validity::new(Some(NOW), None).expect("a span");
        let later = Membership { validity: span, ..nested(g[0], g[1]) };
        assert_eq!(store.write(move |tx| tx.put_membership(&later)).await, Ok(()), "another time for the same edge");
        assert_eq!(store.count("changes"), before + 1);
        let lines = store.read(move |reads| reads.list_memberships_of(Member::Group(g[0]), None, 9)).await;
        assert_eq!(lines.len(), 2);
        assert_eq!(lines[0].membership, later);
    }

    async fn pe4_two_halves_of_a_cycle_at_once_do_not_both_win(store: TestStore) {
        for _ in 0..20 {
            let names = [group(&format!("a{}", store.count("changes"))), group(&format!("b{}", store.count("changes")))];
            let [a, b] = names.clone().map(|group| group.id);
            store.write(move |tx| names.iter().try_for_each(|group| tx.put_group(group).map(drop))).await;
            let put = |member, group| {
                let store = store.store().clone();
                tokio::spawn(async move {
                    store.write(crate::support::soon(), move |tx| tx.put_membership(&nested(member, group))).await
                })
            };
            let (first, second) = (put(a, b), put(b, a));
            let outcomes = [first.await, second.await].map(|done| done.expect("no panic").expect("it is there"));
            assert_eq!(outcomes.iter().filter(|outcome| outcome.is_ok()).count(), 1, "{outcomes:?}");
        }
    }

    async fn pe4_objects_stand_in_no_circle_and_types_imply_in_none(store: TestStore) {
        let [a, b] = [object("a"), object("b")];
        let within = |object: &Named<Object>, parent: ObjectId| Named {
            record: Object { parent: Some(parent), ..object.record.clone() },
            name: object.name.clone(),
        };
        let put = async |object: Named<Object>| store.write(move |tx| tx.put_object(&object)).await;
        assert_eq!(put(a.clone()).await, Ok(()));
        assert_eq!(put(within(&b, a.id)).await, Ok(()));
        assert_eq!(put(within(&a, b.id)).await, Err(NotWritten::Edge(EdgeError::Cycle)));
        assert_eq!(put(within(&a, a.id)).await, Err(NotWritten::Edge(EdgeError::Cycle)));
        assert_eq!(put(within(&a, ObjectId(1))).await, Err(NotWritten::UnknownObject));
        let mut upper = b.id;
        for n in 2..=16 {
            let next = within(&object(&format!("deep{n}")), upper);
            upper = next.id;
            assert_eq!(put(next).await, Ok(()));
        }
        assert_eq!(put(within(&object("deeper"), upper)).await, Err(NotWritten::Edge(EdgeError::TooDeep(16))));
        let (a_id, c) = (a.id, object("c"));
        let top = c.id;
        assert_eq!(put(c).await, Ok(()));
        assert_eq!(put(within(&a, top)).await, Err(NotWritten::Edge(EdgeError::TooDeep(16))), "from above");
        let children = store.read(move |reads| reads.list_children(a_id, None, 9)).await;
        assert_eq!(children.iter().map(|child| child.id).collect::<Vec<_>>(), [b.id]);
        assert_eq!(store.write(move |tx| tx.remove_object(a_id)).await, Err(NotWritten::HasChildren));

        let [read, write] = [permission_type("read"), permission_type("write")];
        let implying = |one: &Named<PermissionType>, implies: PermissionTypeId| Named {
            record: PermissionType { implies: vec![implies], ..one.record.clone() },
            name: one.name.clone(),
        };
        let put = async |one: Named<PermissionType>| store.write(move |tx| tx.put_permission_type(&one)).await;
        assert_eq!(put(read.clone()).await, Ok(()));
        assert_eq!(put(implying(&write, read.id)).await, Ok(()));
        let cycle = Err(NotWritten::PermissionType(PermissionTypeError::Edge(EdgeError::Cycle)));
        assert_eq!(put(implying(&read, write.id)).await, cycle);
        let (r, w) = (read.id, write.id);
        assert_eq!(store.write(move |tx| tx.remove_permission_type(r)).await, Err(NotWritten::IsImplied));
        assert_eq!(store.write(move |tx| tx.remove_permission_type(w)).await, Ok(true));
        assert_eq!(store.write(move |tx| tx.remove_permission_type(r)).await, Ok(true));
        assert_eq!(store.write(move |tx| tx.remove_permission_type(r)).await, Ok(false));
    }

    async fn codes_are_for_ever_and_attributes_small(store: TestStore) {
        let (doc, read, staff) = (object("doc"), permission_type("read"), group("staff"));
        let (d, r, s) = (doc.clone(), read.clone(), staff.clone());
        store.write(move |tx| {
            tx.put_object(&d)?.expect("new");
            tx.put_permission_type(&r)?.expect("new");
            tx.put_group(&s).map(|written| written.expect("new"))
        }).await;
        let (mut d, mut r, mut s) = (doc.clone(), read.clone(), staff.clone());
        (d.record.code, r.record.code, s.record.code) = ("x".to_owned(), "x".to_owned(), "x".to_owned());
        let renamed = store.write(move |tx| {
            Ok([tx.put_object(&d)?, tx.put_permission_type(&r)?, tx.put_group(&s)?])
        }).await;
        assert_eq!(renamed, [const { Err(NotWritten::CodeChanged) }; 3]);

        let with = |text: &str| Named {
            record: Object {
                attributes: Some(Arc::new(Attributes::parse(text).expect("flat"))),
                disabled: true,
                object_type: "door".to_owned(),
                ..doc.record.clone()
            },
            name: "Another name".to_owned(),
        };
        let changed = with(r#"{"team":"red","level":[1,2.5,true]}"#);
        let new = changed.clone();
        assert_eq!(store.write(move |tx| tx.put_object(&new)).await, Ok(()));
        assert_eq!(store.read(|reads| reads.find_object("doc")).await, Some(changed.clone()));
        assert_eq!(store.read(|reads| reads.list_objects_of_type("door", None, 9)).await, [changed]);
        // Just below the limit as written, beyond it in our form, whose numbers are longer.
        let large = with(&format!(r#"{{"a":"{}","b":1e9}}"#, "x".repeat(4_078)));
        let refused = store.write(move |tx| tx.put_object(&large)).await;
        assert_eq!(refused, Err(NotWritten::Attributes(AttributesError::TooLarge)));
        for code in ["", "a b", "permissions", "is_superuser"] {
            let bad = Named { record: Object { code: code.to_owned(), ..object("x").record }, name: String::new() };
            let refused = store.write(move |tx| tx.put_object(&bad)).await;
            assert!(matches!(refused, Err(NotWritten::Code(_))), "{code}: {refused:?}");
        }
    }

    async fn grants_come_back_in_full(store: TestStore) {
        let (alice, staff, shop) = (user("alice"), group("staff"), client("shop"));
        let (doc, read) = (object("doc"), permission_type("read"));
        let condition = |text| Some(Arc::new(Condition::parse(text).expect("a condition")));
        let base = permission_grant(Holder::User(alice.id), &doc, &read);
        let on_type = Target::AllOf("door".to_owned());
        let other = |change: &dyn Fn(&mut PermissionGrant)| {
            let mut grant = permission_grant(Holder::User(alice.id), &doc, &read);
            change(&mut grant);
            grant
        };
        let red = r#"{"eq":[{"attribute":"subject.team"},"red"]}"#;
        let grants = [
            base.clone(),
            other(&|g| g.condition = condition(red)),
            other(&|g| (g.holder, g.include_children) = (Holder::Group(staff.id), true)),
            other(&|g| (g.holder, g.delegable) = (Holder::Client(shop.id), Delegable::YES)),
            other(&|g| (g.holder, g.target) = (Holder::Everyone, on_type.clone())),
            other(&|g| (g.target, g.delegable) = (on_type.clone(), Delegable::hops(3).expect("few"))),
        ];
        let (a, s, c, d, r, all) =
            (alice.clone(), staff.clone(), shop.clone(), doc.clone(), read.clone(), grants.clone());
        store.write(move |tx: &mut Tx| {
            tx.insert_user(&a)?;
            tx.insert_client(&c)?;
            tx.put_group(&s)?.expect("new");
            tx.put_object(&d)?.expect("new");
            tx.put_permission_type(&r)?.expect("new");
            all.iter().try_for_each(|grant| tx.insert_permission_grant(grant, &origin()).map(|done| done.expect("new")))
        }).await;
        let lines = store.read(|reads| reads.list_permission_grants(&GrantFilter::default(), None, 99)).await;
        assert_eq!(lines.iter().map(|line| line.grant.clone()).collect::<Vec<_>>(), grants);
        let words: Vec<_> = lines.iter().map(|line| (line.holder.as_str(), line.target.as_str())).collect();
        let expected =
            [("alice", "doc"), ("alice", "doc"), ("staff", "doc"), ("shop", "doc"), ("", "door"), ("alice", "door")];
        assert_eq!(words, expected);

        // Each is there once, and the same condition in another spelling is the same.
        let again = other(&|g| g.condition = condition(r#" {"eq": [{"attribute": "subject.team"}, "red"]} "#));
        let refused = store.write(move |tx| tx.insert_permission_grant(&again, &origin())).await;
        assert_eq!(refused, Err(NotWritten::GrantedAlready(grants[1].id)));
        let wrong = other(&|g| (g.target, g.include_children) = (on_type.clone(), true));
        let refused = store.write(move |tx| tx.insert_permission_grant(&wrong, &origin())).await;
        assert_eq!(refused, Err(NotWritten::Grant(GrantError::ChildrenOfType)));

        let changed = PermissionGrant {
            include_children: true,
            delegable: Delegable::hops(1).expect("few"),
            validity: Validity::new(Some(NOW), Some(LATER)).expect("a span"),
            ..base.clone()
        };
        let (new, id) = (changed.clone(), base.id);
        assert_eq!(store.write(move |tx| tx.update_permission_grant(&new)).await, Ok(()));
        assert_eq!(store.read(move |reads| reads.find_permission_grant(id)).await, Some(changed));
        let unknown = other(&|_| {});
        assert_eq!(store.write(move |tx| tx.update_permission_grant(&unknown)).await, Err(NotWritten::UnknownGrant));

        let used = read.id;
        assert_eq!(store.write(move |tx| tx.remove_permission_type(used)).await, Err(NotWritten::IsUsed));
        // What is removed takes along what hangs on it.
        let (doc, staff, shop) = (doc.id, staff.id, shop.id);
        assert!(store.write(move |tx| tx.remove_group(staff)).await);
        assert!(store.write(move |tx| tx.delete_client(shop, NOW)).await);
        assert_eq!(store.count("permission_grants"), 4);
        assert_eq!(store.write(move |tx| tx.remove_object(doc)).await, Ok(true));
        assert_eq!(store.count("permission_grants"), 2);
    }

    async fn delegations_run_end_and_make_room(store: TestStore) {
        let [alice, bob, carol] = ["alice", "bob", "carol"].map(user);
        let (doc, read) = (object("doc"), permission_type("read"));
        let lent = |id, from: &authmachine_provider::user::User, to: &authmachine_provider::user::User| Delegation {
            id: DelegationId(id),
            from: from.id,
            to: to.id,
            object: doc.id,
            include_children: true,
            permission: read.id,
            hops_left: 2,
            expires_at: Some(LATER),
            condition: Some(Arc::new(Condition::parse(r#"{"exists":{"attribute":"context.ok"}}"#).expect("one"))),
            parent: None,
            created_by: Party::User(from.id),
            created_at: NOW,
            ended: None,
        };
        let first = lent(1, &alice, &bob);
        let second = Delegation {
            parent: Some(first.id),
            created_by: Party::Administrator,
            expires_at: None,
            condition: None,
            ..lent(2, &bob, &carol)
        };
        let (users, d, r, all) =
            ([alice.clone(), bob.clone(), carol.clone()], doc.clone(), read.clone(), [first.clone(), second.clone()]);
        store.write(move |tx: &mut Tx| {
            users.iter().try_for_each(|user| tx.insert_user(user).map(drop))?;
            tx.put_object(&d)?.expect("new");
            tx.put_permission_type(&r)?.expect("new");
            all.iter().try_for_each(|one| tx.put_delegation(&Lent::New(one.clone()), NOW))
        }).await;
        let list = async |of, after| store.read(move |reads| reads.list_delegations(of, after, 9)).await;
        let rows = |lines: Vec<authmachine_provider::permission_records::DelegationLine>| {
            lines.into_iter().map(|line| line.delegation).collect::<Vec<_>>()
        };
        let lines = list(DelegationsOf::All, None).await;
        let words = [&lines[0].from, &lines[0].to, &lines[0].object, &lines[0].permission_type].map(String::as_str);
        assert_eq!(words, ["alice", "bob", "doc", "read"]);
        assert_eq!(rows(lines), [first.clone(), second.clone()]);
        assert_eq!(rows(list(DelegationsOf::All, Some(first.id)).await), std::slice::from_ref(&second));
        assert_eq!(rows(list(DelegationsOf::Giver(alice.id), None).await), std::slice::from_ref(&first));
        assert_eq!(rows(list(DelegationsOf::Taker(carol.id), None).await), std::slice::from_ref(&second));
        assert_eq!(rows(list(DelegationsOf::Parent(first.id), None).await), std::slice::from_ref(&second));
        assert_eq!(list(DelegationsOf::Object(doc.id), None).await.len(), 2);
        let (a, b, c) = (alice.id, bob.id, carol.id);
        assert_eq!(store.read(move |reads| reads.count_delegations(a, b, NOW)).await, (1, 1));
        assert_eq!(store.read(move |reads| reads.count_delegations(a, b, LATER)).await, (0, 0));
        assert_eq!(store.read(move |reads| reads.count_delegations(b, c, LATER)).await, (1, 1));

        // The same four again, once the first has run out: it makes room and stays for the record.
        let again = Delegation { id: DelegationId(3), expires_at: None, ..first.clone() };
        let (o, t, new) = (doc.id, read.id, again.clone());
        let live = async |now: Timestamp| store.read(move |reads| reads.find_live_delegation(a, b, o, t, now)).await;
        assert_eq!(live(NOW).await, Some(first.clone()));
        assert_eq!(live(LATER).await, None);
        store.write(move |tx| tx.put_delegation(&Lent::New(new.clone()), LATER)).await;
        assert_eq!(live(LATER).await, Some(again.clone()));
        let old = store.read(|reads| reads.find_delegation(DelegationId(1))).await.expect("it is there");
        assert_eq!(old.ended, Some(Ending { at: LATER, reason: "expired".to_owned() }));

        let shorter = Delegation { hops_left: 0, expires_at: Some(LATER.plus_seconds(9)), ..again.clone() };
        let new = shorter.clone();
        store.write(move |tx| tx.put_delegation(&Lent::Updated(new.clone()), LATER)).await;
        assert_eq!(live(LATER).await, Some(shorter));
        let ending = Ending { at: LATER, reason: "taken back".to_owned() };
        let end = ending.clone();
        assert!(store.write(move |tx| tx.end_delegation(DelegationId(3), &end)).await);
        let end = ending.clone();
        assert!(!store.write(move |tx| tx.end_delegation(DelegationId(3), &end)).await, "it has ended");
        assert_eq!(live(LATER).await, None);
        assert_eq!(store.write(move |tx| tx.remove_object(o)).await, Ok(true));
        assert_eq!(store.count("delegations"), 0);
    }

    async fn delegations_that_are_over_stay_for_a_year_and_then_go_one_by_one(store: TestStore) {
        const YEAR_S: i64 = 365 * 24 * 3_600;
        let [alice, bob] = ["alice", "bob"].map(user);
        let read = permission_type("read");
        let objects: Vec<_> = (0..4).map(|n| object(&format!("o{n}"))).collect();
        let over = NOW.plus_seconds(-YEAR_S);
        // Expired just long enough ago, or a moment less; without end; and without end, but ended.
        let ends = [Some(over), Some(over.plus_ms(1)), None, None];
        let lent: Vec<Delegation> = (0..)
            .zip(ends)
            .zip(&objects)
            .map(|((id, expires_at), object)| Delegation {
                id: DelegationId(id),
                from: alice.id,
                to: bob.id,
                object: object.id,
                include_children: false,
                permission: read.id,
                hops_left: 0,
                expires_at,
                condition: None,
                parent: None,
                created_by: Party::Administrator,
                created_at: over.plus_seconds(-60),
                ended: None,
            })
            .collect();
        store.write(move |tx: &mut Tx| {
            tx.insert_user(&alice)?;
            tx.insert_user(&bob)?;
            tx.put_permission_type(&read)?.expect("new");
            objects.iter().try_for_each(|object| tx.put_object(object).map(|done| done.expect("new")))?;
            lent.iter().try_for_each(|one| tx.put_delegation(&Lent::New(one.clone()), one.created_at))?;
            tx.end_delegation(DelegationId(3), &Ending { at: over, reason: "declined".to_owned() })
        }).await;
        let before = store.count("changes");
        for _ in 0..3 {
            store.write(|tx| tx.purge(Purge::Delegations, NOW, 2)).await;
        }
        let left = store.read(|reads| reads.list_delegations(DelegationsOf::All, None, 9)).await;
        assert_eq!(left.iter().map(|line| line.delegation.id.0).collect::<Vec<_>>(), [1, 2]);
        assert_eq!(store.count("changes"), before + 2, "who follows the feed hears of each");
    }

    async fn the_closure_is_what_the_edges_say(store: TestStore) {
        let mut dice = Dice::new(7);
        let g = groups::<12>(&store).await;
        let mut edges: BTreeSet<(GroupId, GroupId)> = BTreeSet::new();
        let mut removed = 0;
        for _ in 0..150 {
            let (member, group) = (*dice.one_of(&g), *dice.one_of(&g));
            if dice.once_in(3) && !edges.is_empty() {
                let all: Vec<_> = edges.iter().copied().collect();
                let (member, group) = *dice.one_of(&all);
                assert!(store.write(move |tx| tx.remove_membership(Member::Group(member), group)).await);
                edges.remove(&(member, group));
                removed += 1;
            } else if store.write(move |tx| tx.put_membership(&nested(member, group))).await.is_ok() {
                edges.insert((member, group));
            }
            let mut expected: BTreeSet<(GroupId, GroupId)> = g.iter().map(|id| (*id, *id)).collect();
            loop {
                let more: Vec<_> = expected
                    .iter()
                    .flat_map(|(low, mid)| edges.iter().filter(move |(from, _)| from == mid).map(|(_, to)| (*low, *to)))
                    .collect();
                let before = expected.len();
                expected.extend(more);
                if expected.len() == before {
                    break;
                }
            }
            let closure: BTreeSet<_> = store.read(|reads| reads.list_group_closure()).await.into_iter().collect();
            assert_eq!(closure, expected, "{edges:?}");
        }
        assert!(removed > 20 && edges.len() > 10, "{removed} {}", edges.len());
    }

    async fn a_random_world_is_refused_where_it_must(store: TestStore) {
        let mut dice = Dice::new(3);
        let mirror = Mirror::make(&store, &mut dice).await;
        mirror.change(&store, &mut dice, 150).await;
        let state = mirror.state();
        let count = |table| usize::try_from(store.count(table)).expect("few");
        assert_eq!(count("permission_grants"), state.world.grants.len());
        assert_eq!(count("memberships") + count("nestings"), state.world.memberships.len());
        assert_eq!(count("objects"), state.world.objects.len());
        assert_eq!(count("permission_types"), state.world.types.len());
        assert!(state.refused > 10 && state.written > 100, "{} {}", state.refused, state.written);
    }
}
