//! The index answers as the definition does, in random worlds that change.
//!
//! `AUTHMACHINE_TEST_LONG=1` asks ten million questions instead of a hundred thousand; `AUTHMACHINE_TEST_CHECKS` says how many,
//! `AUTHMACHINE_TEST_SEED` where to begin.

use std::collections::BTreeSet;

use authmachine_permissions::random_world::{self, CLIENTS, Dice, OBJECTS, TIMES, TYPES, USERS};
use authmachine_permissions::{
    Attributes, Change, Circumstances, ClientId, FeedEntry, Index, Question, Right, Subject, SubjectKind,
    UserId, Verdict, World,
};
use authmachine_protocol::Timestamp;

fn setting(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|value| value.parse().expect(name))
}

/// What an asker may say.
struct Said {
    now: Timestamp,
    asker: Option<ClientId>,
    attributes: [Attributes; 4],
}

impl Said {
    fn new(dice: &mut Dice) -> Self {
        let asker = dice.once_in(3).then(|| ClientId(dice.below(CLIENTS) + 1));
        let said = |dice: &mut Dice| {
            if dice.once_in(2) { random_world::attributes(dice) } else { Attributes::default() }
        };
        let attributes = std::array::from_fn(|_| said(dice));
        Self { now: Timestamp::from_ms(dice.below(TIMES + 2) - 1), asker, attributes }
    }

    fn circumstances(&self) -> Circumstances<'_> {
        let [subject, resource, action, context] = &self.attributes;
        Circumstances { now: self.now, asker: self.asker, subject, resource, action, context }
    }
}

fn codes(letter: char, there: i64) -> Vec<String> {
    (1..=there + 1).map(|id| format!("{letter}{id}")).collect()
}

/// How many single questions were asked, how many were answered yes, and how many of those because somebody lent it.
#[derive(Default)]
struct Count {
    asked: u64,
    yes: u64,
    lent: u64,
}

impl std::ops::AddAssign for Count {
    fn add_assign(&mut self, more: Self) {
        self.asked += more.asked;
        self.yes += more.yes;
        self.lent += more.lent;
    }
}

/// Asks both everything there is to ask at one moment.
fn compare(world: &World, index: &Index, dice: &mut Dice) -> Count {
    let said = Said::new(dice);
    let circumstances = said.circumstances();
    let (objects, types) = (codes('o', OBJECTS), codes('t', TYPES));
    let (mut count, mut yes) = (Count::default(), BTreeSet::new());
    for subject in random_world::subjects() {
        for object in &objects {
            for permission in &types {
                let question = Question { subject, object, permission };
                let expected = world.permits(&question, &circumstances);
                assert_eq!(
                    index.check(&question, &circumstances),
                    Ok(expected),
                    "{question:?} in {circumstances:?}"
                );
                count.asked += 1;
                if (expected || dice.once_in(20))
                    && explain(world, index, &question, &circumstances, expected)
                {
                    count.lent += 1;
                }
                if expected {
                    count.yes += 1;
                    yes.insert((subject, object.as_str(), permission.as_str()));
                }
            }
        }
        // A list is the set of those for which a single question is answered yes.
        for permission in &types {
            let list = index.objects_of(subject, permission, &circumstances, 100).expect("short");
            let single =
                objects.iter().map(String::as_str).filter(|o| yes.contains(&(subject, o, permission)));
            assert_eq!(list, single.collect::<Vec<_>>(), "{subject:?} {permission} in {circumstances:?}");
        }
        let map = index.map(subject, objects.iter().map(String::as_str), |_| true, &circumstances);
        for (object, held) in map.expect("simple").iter() {
            let single = types.iter().filter(|t| yes.contains(&(subject, object, t.as_str())));
            assert!(held.iter().eq(single), "{subject:?} on {object}: {held:?} in {circumstances:?}");
        }
        let visible = |code: &str| !code.ends_with('1');
        let all = index.map_of_all(subject, visible, &circumstances, 100).expect("short");
        let map = index.map(subject, objects.iter().map(String::as_str), visible, &circumstances);
        let map = map.expect("simple");
        assert!(all.iter().eq(map.iter().filter(|(_, held)| !held.is_empty())), "{subject:?}: {all:?}");
    }
    for kind in [SubjectKind::User, SubjectKind::Client, SubjectKind::Group] {
        for object in &objects {
            let permission = dice.one_of(&types);
            let list = index.subjects_of(kind, object, permission, &circumstances, 100).expect("short");
            let single = random_world::subjects().into_iter().filter(|subject| {
                subject.kind() == kind && yes.contains(&(*subject, object.as_str(), permission.as_str()))
            });
            let single: BTreeSet<Subject> = single.collect();
            assert!(list.iter().eq(&single), "{kind:?} on {object}: {list:?}, not {single:?}");
        }
    }
    let (giver, object, permission) =
        (UserId(dice.below(USERS) + 1), dice.one_of(&objects), dice.one_of(&types));
    let sources = index.sources_of(giver, object, permission, &circumstances).expect("simple");
    for hops in 1..=6 {
        assert_eq!(
            sources.iter().any(|source| source.hops >= hops),
            world.may_lend(giver, object, permission, hops, &circumstances),
            "{giver} lends {permission} on {object} over {hops} hops in {circumstances:?}: {sources:?}"
        );
    }
    count
}

/// An explanation gives the same answer, and names things that there are. Says whether it was lent.
fn explain(
    world: &World,
    index: &Index,
    question: &Question<'_>,
    circumstances: &Circumstances<'_>,
    expected: bool,
) -> bool {
    let explanation = index.explain(question, circumstances).expect("simple");
    assert_eq!(explanation.is_permitted(), expected, "{explanation:?}");
    match &explanation.verdict {
        Verdict::Yes(right) => {
            let (mut right, mut by) = (right, question.subject);
            while let Right::Lent(loan) = right {
                assert!(world.delegations.contains(&loan.delegation), "{explanation:?}");
                assert_eq!(Subject::User(loan.delegation.to), by, "{explanation:?}");
                by = Subject::User(loan.delegation.from);
                right = loan.giver.as_deref().expect("a chain that is whole");
            }
            let Right::Held(held) = right else { unreachable!("every chain ends in a grant") };
            assert!(world.grants.contains(&held.grant), "{explanation:?}");
            assert_eq!(held.by, by, "{explanation:?}");
            assert_eq!(held.types.last().map(String::as_str), Some(question.permission), "{explanation:?}");
        }
        Verdict::No(near) => assert!(near.iter().all(|near| !near.hindrances.is_empty()), "{explanation:?}"),
        Verdict::Barred(_) => {}
    }
    assert!(explanation.words(&|subject| format!("{subject:?}")).ends_with('.'));
    matches!(explanation.verdict, Verdict::Yes(Right::Lent(_)))
}

fn entries(first: u64, changes: Vec<Change>) -> Vec<FeedEntry> {
    (first..).zip(changes).map(|(revision, change)| FeedEntry { revision, change }).collect()
}

/// The life of one world: built, asked, changed, asked, and now and then compacted.
fn live(seed: u64) -> Count {
    let mut dice = Dice::new(seed);
    let mut world = random_world::world(&mut dice);
    let mut records: Vec<_> = world.records().collect();
    records.sort_by_cached_key(|_| dice.any());
    let mut index = Index::build(records, 0, world.giver_conditions_bind_taker).expect("a small world");
    let mut count = Count::default();
    for _ in 0..8 {
        count += compare(&world, &index, &mut dice);
        let changes: Vec<_> =
            (0..=dice.below(10)).filter_map(|_| random_world::change(&mut world, &mut dice)).collect();
        index = index.apply(&entries(index.revision() + 1, changes)).expect("no gap");
        if dice.once_in(4) {
            index = index.compacted().expect("a small world");
        }
    }
    count
}

#[test]
fn pe2_pe9_the_index_answers_as_the_definition_does() {
    let long = std::env::var_os("AUTHMACHINE_TEST_LONG").is_some();
    let wanted = setting("AUTHMACHINE_TEST_CHECKS").unwrap_or(if long { 10_000_000 } else { 100_000 });
    let first = setting("AUTHMACHINE_TEST_SEED").unwrap_or(1);
    let mut count = Count::default();
    let mut seed = first;
    while count.asked < wanted {
        // The panic of a comparison is told with the seed of its world.
        let lived = std::panic::catch_unwind(|| live(seed));
        count += lived.unwrap_or_else(|_| panic!("again with AUTHMACHINE_TEST_SEED={seed}"));
        seed += 1;
    }
    let Count { asked, yes, lent } = count;
    #[expect(clippy::print_stdout, reason = "which worlds were lived is worth knowing")]
    {
        println!(
            "seeds {first} to {}: {asked} questions, {yes} yes ({lent} lent), no disagreement",
            seed - 1
        );
    }
    assert!(yes > asked / 50 && lent > asked / 1_000, "worlds in which little is allowed test little");
}
