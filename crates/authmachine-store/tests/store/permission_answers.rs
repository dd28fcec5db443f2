//! The database alone answers as the definition does, in random worlds that change.
//!
//! `AUTHMACHINE_TEST_LONG=1` asks a million questions of SQLite and 100,000 of PostgreSQL; `AUTHMACHINE_TEST_CHECKS` says how many,
//! `AUTHMACHINE_TEST_SEED` where to begin.

use std::collections::BTreeSet;

use authmachine_permissions::random_world::{Dice, TIMES};
use authmachine_permissions::{Circumstances, Index, Question, Subject, SubjectKind, World};
use authmachine_provider::Timestamp;
use authmachine_provider::ids::UserId;
use authmachine_provider::permission_records::Holder;
use authmachine_store::{SliceOf, SliceSettings, TooLarge};

use crate::mirror::{Mirror, said};
use crate::records::{group, member_of, object, origin, permission_grant, permission_type, user};
use crate::support::{Engine, TestStore, both_engines, setting, tell};

/// A question that is not asked with borrowed words.
#[derive(Clone)]
enum Asked {
    Objects(Subject, Vec<String>),
    ObjectsOf(Subject),
    SubjectsOf(SubjectKind, String),
}

async fn slice(store: &TestStore, of: Asked, settings: SliceSettings) -> Result<Index, TooLarge> {
    store
        .read(move |reads| match &of {
            Asked::Objects(subject, codes) => {
                reads.permission_slice(SliceOf::Objects(*subject, codes), &settings)
            }
            Asked::ObjectsOf(subject) => reads.permission_slice(SliceOf::ObjectsOf(*subject), &settings),
            Asked::SubjectsOf(kind, code) => {
                reads.permission_slice(SliceOf::SubjectsOf(*kind, code), &settings)
            }
        })
        .await
}

/// How many single questions were asked, and how many were answered yes.
#[derive(Default)]
struct Count {
    asked: u64,
    yes: u64,
}

/// Asks both everything there is to ask at one moment.
async fn compare(store: &TestStore, world: &World, subjects: &[Subject], dice: &mut Dice) -> Count {
    let attributes = [said(dice), said(dice), said(dice), said(dice)];
    let [subject, resource, action, context] = &attributes;
    let now = Timestamp::from_ms(dice.below(TIMES + 2) - 1);
    let asker = if dice.once_in(3) && !world.clients.is_empty() {
        Some(dice.one_of(&world.clients).id)
    } else {
        None
    };
    let circumstances = Circumstances { now, asker, subject, resource, action, context };
    let settings = SliceSettings {
        asker,
        giver_conditions_bind_taker: world.giver_conditions_bind_taker,
        ..SliceSettings::at(now)
    };
    let objects: Vec<String> = (1..=7).map(|n| format!("o{n}")).collect();
    let types: Vec<String> = (1..=6).map(|n| format!("t{n}")).collect();
    let (mut count, mut yes) = (Count::default(), BTreeSet::new());
    for &subject in subjects {
        let index = slice(store, Asked::Objects(subject, objects.clone()), settings).await.expect("small");
        let map =
            index.map(subject, objects.iter().map(String::as_str), |_| true, &circumstances).expect("simple");
        for (object, held) in map.iter() {
            for permission in &types {
                let question = Question { subject, object, permission };
                let expected = world.permits(&question, &circumstances);
                assert_eq!(held.contains(permission), expected, "{question:?} in {circumstances:?}");
                assert_eq!(
                    index.check(&question, &circumstances),
                    Ok(expected),
                    "{question:?} in {circumstances:?}"
                );
                count.asked += 1;
                if expected {
                    count.yes += 1;
                    yes.insert((subject, object.to_owned(), permission.clone()));
                }
            }
        }
        // One object alone is asked with less.
        let (object, permission) = (dice.one_of(&objects), dice.one_of(&types));
        let index =
            slice(store, Asked::Objects(subject, vec![object.clone()]), settings).await.expect("small");
        let question = Question { subject, object, permission };
        let expected = yes.contains(&(subject, object.clone(), permission.clone()));
        assert_eq!(index.check(&question, &circumstances), Ok(expected), "{question:?} in {circumstances:?}");
        count.asked += 1;
        if let Subject::User(giver) = subject {
            let sources = index.sources_of(giver, object, permission, &circumstances).expect("simple");
            for hops in 1..=6 {
                assert_eq!(
                    sources.iter().any(|source| source.hops >= hops),
                    world.may_lend(giver, object, permission, hops, &circumstances),
                    "{giver} lends {permission} on {object} over {hops} hops in {circumstances:?}: {sources:?}"
                );
            }
        }

        let index = slice(store, Asked::ObjectsOf(subject), settings).await.expect("small");
        for permission in &types {
            let list = index.objects_of(subject, permission, &circumstances, 100).expect("short");
            let single =
                objects.iter().filter(|o| yes.contains(&(subject, (*o).clone(), permission.clone())));
            assert!(list.iter().eq(single), "{subject:?} {permission}: {list:?} in {circumstances:?}");
        }
    }
    for kind in [SubjectKind::User, SubjectKind::Client, SubjectKind::Group] {
        let (object, permission) = (dice.one_of(&objects), dice.one_of(&types));
        let index = slice(store, Asked::SubjectsOf(kind, object.clone()), settings).await.expect("small");
        let list = index.subjects_of(kind, object, permission, &circumstances, 100).expect("short");
        let single: BTreeSet<Subject> = subjects
            .iter()
            .copied()
            .filter(|subject| {
                subject.kind() == kind && yes.contains(&(*subject, object.clone(), permission.clone()))
            })
            .collect();
        assert!(
            list.iter().eq(&single),
            "{kind:?} on {object}: {list:?}, not {single:?} in {circumstances:?}"
        );
    }
    count
}

both_engines! {
    async fn pe2_pe9_the_database_answers_as_the_definition_does(store: TestStore) {
        let is_long = std::env::var_os("AUTHMACHINE_TEST_LONG").is_some();
        let usual = match (store.engine, is_long) {
            (Engine::Sqlite, true) => 1_000_000,
            (Engine::Postgres, true) => 100_000,
            (Engine::Sqlite, false) => 15_000,
            (Engine::Postgres, false) => 4_000,
        };
        let wanted = setting("AUTHMACHINE_TEST_CHECKS").unwrap_or(usual);
        let first = setting("AUTHMACHINE_TEST_SEED").unwrap_or(1);
        let mut all = Count::default();
        let mut seed = first;
        while all.asked < wanted {
            tell(&format!("{:?}: again with AUTHMACHINE_TEST_SEED={seed}", store.engine));
            let mut dice = Dice::new(seed);
            Mirror::wipe(&store);
            let mirror = Mirror::make(&store, &mut dice).await;
            for _ in 0..6 {
                let (world, subjects) = {
                    let state = mirror.state();
                    (state.world.clone(), state.subjects())
                };
                let count = compare(&store, &world, &subjects, &mut dice).await;
                all.asked += count.asked;
                all.yes += count.yes;
                mirror.change(&store, &mut dice, 12).await;
            }
            seed += 1;
        }
        tell(&format!(
            "{:?}, seeds {first} to {}: {} questions, {} yes, no disagreement",
            store.engine, seed - 1, all.asked, all.yes
        ));
        assert!(all.yes > all.asked / 50, "{} of {} yes: the dice fell badly", all.yes, all.asked);
    }

    async fn a_question_about_too_much_is_refused_and_never_half_answered(store: TestStore) {
        let (doc, read, staff) = (object("doc"), permission_type("read"), group("staff"));
        let users: Vec<_> = (0..60).map(|n| user(&format!("u{n}"))).collect();
        let first = users[0].id;
        let (d, r, s) = (doc.clone(), read.clone(), staff.clone());
        store.write(move |tx| {
            tx.put_object(&d)?.expect("new");
            tx.put_permission_type(&r)?.expect("new");
            tx.put_group(&s)?.expect("new");
            for user in &users {
                tx.insert_user(user)?;
                tx.put_membership(&member_of(user.id, s.id))?.expect("both are there");
            }
            let grant = permission_grant(Holder::Group(s.id), &d, &r);
            tx.insert_permission_grant(&grant, &origin()).map(|done| done.expect("new"))
        }).await;
        let now = Timestamp::from_ms(5);
        let with = |most_rows| SliceSettings { most_rows, ..SliceSettings::at(now) };
        let who = Asked::SubjectsOf(SubjectKind::User, "doc".to_owned());
        let index = slice(&store, who.clone(), with(200)).await.expect("few enough");
        let list = index.subjects_of(SubjectKind::User, "doc", "read", &Circumstances::at(now), 100);
        assert_eq!(list.expect("short").len(), 60);
        for most in [0, 1, 10, 61, 100] {
            assert_eq!(slice(&store, who.clone(), with(most)).await.err(), Some(TooLarge), "{most}");
        }
        // One user's question loads that user's rows: itself, the membership, the group, the object, the grant.
        let one = Asked::Objects(Subject::User(first), vec!["doc".to_owned()]);
        assert!(slice(&store, one.clone(), with(5)).await.is_ok());
        assert_eq!(slice(&store, one, with(4)).await.err(), Some(TooLarge));
        let nobody = Asked::Objects(Subject::User(UserId(1)), vec!["nothing".to_owned()]);
        assert!(slice(&store, nobody, with(0)).await.is_ok(), "nothing is found, so nothing is loaded");
    }
}
