//! What follows the feed knows what a fresh reader of the store knows.

use authmachine_permissions::random_world::{Dice, TIMES};
use authmachine_permissions::{
    Change, Circumstances, FeedEntry, Group, Index, Question, Record, Removed, World,
};
use authmachine_provider::Timestamp;
use authmachine_provider::ids::GroupId;
use authmachine_provider::permission_records::{Holder, Named, Target};
use authmachine_store::{Feed, Tx};

use crate::mirror::{Mirror, said};
use crate::records::{group, member_of, object, origin, permission_grant, permission_type, user};
use crate::support::{TestStore, both_engines, setting, tell};

async fn entries(store: &TestStore, after: u64) -> Vec<FeedEntry> {
    match store.read(move |reads| reads.permission_feed(after, 100_000)).await {
        Feed::Entries(entries) => entries,
        Feed::Lost => panic!("the feed after {after} is lost"),
    }
}

/// All records and the revision, as a fresh node reads them.
async fn snapshot(store: &TestStore) -> (Vec<Record>, u64) {
    let store = store.store().clone();
    let read = move || store.permission_snapshot(|records, revision| (records.collect(), revision));
    tokio::task::spawn_blocking(read).await.expect("no panic").expect("it reads")
}

fn world_of(records: Vec<Record>, like: &World) -> World {
    let mut world =
        World { giver_conditions_bind_taker: like.giver_conditions_bind_taker, ..World::default() };
    records.into_iter().for_each(|record| world.apply(Change::Put(record)));
    world
}

both_engines! {
    async fn pe2_what_follows_the_feed_knows_what_a_fresh_reader_knows(store: TestStore) {
        let seed = setting("AUTHMACHINE_TEST_SEED").unwrap_or(1);
        let rounds = setting("AUTHMACHINE_TEST_LONG").map_or(6, |_| 200);
        tell(&format!("AUTHMACHINE_TEST_SEED={seed}"));
        let mut dice = Dice::new(seed);
        let mirror = Mirror::make(&store, &mut dice).await;
        let binds = mirror.state().world.giver_conditions_bind_taker;
        // One follows from the beginning, one from now on.
        let mut follower = Index::build([], 0, binds).expect("nothing");
        let mut yes = 0;
        for _ in 0..rounds {
            mirror.change(&store, &mut dice, 25).await;
            follower = match store.read({
                let after = follower.revision();
                move |reads| reads.permission_feed(after, 100_000)
            }).await {
                Feed::Entries(entries) => follower.apply(&entries).expect("no gap"),
                // The first condition that asks about subjects has come.
                Feed::Lost => {
                    let (records, revision) = snapshot(&store).await;
                    Index::build(records, revision, binds).expect("few")
                }
            };
            let (records, revision) = snapshot(&store).await;
            assert_eq!(follower.revision(), revision);
            let fresh = Index::build(records.clone(), revision, binds).expect("few");
            let state = mirror.state();
            let read = world_of(records, &state.world);
            assert_eq!(read.grants.len(), state.world.grants.len());
            assert_eq!(read.delegations.len(), state.world.delegations.len());
            assert_eq!(read.memberships.len(), state.world.memberships.len());
            let attributes = [said(&mut dice), said(&mut dice), said(&mut dice), said(&mut dice)];
            let [subject, resource, action, context] = &attributes;
            let now = Timestamp::from_ms(dice.below(TIMES + 2) - 1);
            let circumstances = Circumstances { now, asker: None, subject, resource, action, context };
            for subject in state.subjects() {
                for (object, permission) in (1..=7).flat_map(|o| (1..=6).map(move |t| (format!("o{o}"), format!("t{t}")))) {
                    let question = Question { subject, object: &object, permission: &permission };
                    let expected = state.world.permits(&question, &circumstances);
                    assert_eq!(read.permits(&question, &circumstances), expected, "read: {question:?}");
                    assert_eq!(fresh.check(&question, &circumstances), Ok(expected), "fresh: {question:?}");
                    assert_eq!(follower.check(&question, &circumstances), Ok(expected), "follower: {question:?}");
                    yes += usize::from(expected);
                }
            }
        }
        let state = mirror.state();
        assert!(yes > 100 && state.written > 100, "{yes} yes, {} written, {} refused", state.written, state.refused);
    }

    async fn a_row_that_is_gone_says_where_it_stood(store: TestStore) {
        let (alice, staff, all) = (user("alice"), group("staff"), group("all"));
        let (doc, read) = (object("doc"), permission_type("read"));
        let held = permission_grant(Holder::User(alice.id), &doc, &read);
        let inner = authmachine_permissions::Membership {
            member: authmachine_permissions::Member::Group(staff.id),
            ..member_of(alice.id, all.id)
        };
        let (member, grant) = (member_of(alice.id, staff.id), held.id);
        let (u, s, a, d, r, h) =
            (alice.clone(), staff.clone(), all.clone(), doc.clone(), read.clone(), held.clone());
        store.write(move |tx: &mut Tx| {
            tx.insert_user(&u)?;
            for group in [&s, &a] {
                tx.put_group(group)?.expect("a new group");
            }
            tx.put_object(&d)?.expect("a new object");
            tx.put_permission_type(&r)?.expect("a new type");
            tx.put_membership(&member)?.expect("both are there");
            tx.put_membership(&inner)?.expect("both are there");
            tx.insert_permission_grant(&h, &origin())?.expect("all are there");
            tx.insert_api_token(&crate::records::api_token("t"), &[1; 32])
        }).await;
        let expected = vec![
            Change::Put(Record::User(authmachine_permissions::User {
                id: alice.id,
                disabled: false,
                attributes: None,
            })),
            Change::Put(Record::Group(staff.record.clone())),
            Change::Put(Record::Group(all.record.clone())),
            Change::Put(Record::Object(doc.record.clone())),
            Change::Put(Record::PermissionType(read.record.clone())),
            Change::Put(Record::Membership(member)),
            Change::Put(Record::Membership(inner)),
            Change::Put(Record::Grant(held.clone())),
            Change::Elsewhere,
        ];
        let told: Vec<Change> = entries(&store, 0).await.into_iter().map(|entry| entry.change).collect();
        assert_eq!(told, expected);

        store.write(move |tx| {
            assert!(tx.remove_membership(member.member, member.group)?);
            assert!(tx.remove_membership(inner.member, inner.group)?);
            tx.remove_permission_grant(grant)
        }).await;
        let gone = [
            Change::Remove(Removed::Membership(member.member, member.group)),
            Change::Remove(Removed::Membership(inner.member, inner.group)),
            Change::Remove(Removed::Grant(held.id, held.holder, Target::Object(doc.id))),
        ];
        let all = entries(&store, 0).await;
        let told: Vec<Change> = all.iter().skip(9).map(|entry| entry.change.clone()).collect();
        assert_eq!(told, gone);
        let early: Vec<Change> = all.iter().skip(5).take(3).map(|entry| entry.change.clone()).collect();
        assert_eq!(early, gone, "an entry whose row is gone by now");
        assert!(all.iter().map(|entry| entry.revision).eq(1..=12), "no gaps");
    }

    async fn ad_a_feed_from_the_future_or_too_far_back_is_lost(store: TestStore) {
        for n in 0..10 {
            let staff = Named { record: Group { id: GroupId(n), code: format!("g{n}") }, ..group("any") };
            store.write(move |tx| tx.put_group(&staff)).await.expect("a new group");
        }
        let feed = async |after, most| store.read(move |reads| reads.permission_feed(after, most)).await;
        assert_eq!(feed(10, 5).await, Feed::Entries(Vec::new()), "nothing has changed");
        assert_eq!(feed(11, 5).await, Feed::Lost, "a revision that is not there yet");
        assert_eq!(feed(u64::MAX, 5).await, Feed::Lost);
        assert_eq!(feed(4, 5).await, Feed::Lost, "more than asked for");
        assert!(matches!(feed(5, 5).await, Feed::Entries(entries) if entries.len() == 5));
        store.run_sql("DELETE FROM changes WHERE revision < 4");
        assert_eq!(feed(2, 100).await, Feed::Lost, "the first of them are purged");
        assert!(matches!(feed(3, 100).await, Feed::Entries(entries) if entries.len() == 7));
    }
}
