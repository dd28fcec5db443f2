//! What follows from the definition, one consequence a test, in a small world with names.

use std::sync::Arc;

use authmachine_permissions::{
    Attributes, Change, Circumstances, Client, ClientId, Condition, Delegable, Delegation, DelegationId,
    Ending, FeedEntry, Group, GroupId, Holder, Index, IndexError, Member, Membership, Object, ObjectId,
    Party, PermissionGrant, PermissionGrantId, PermissionType, PermissionTypeId, Question, Record, Removed,
    Subject, SubjectKind, Target, TooMany, User, UserId, Validity, World,
};
use authmachine_protocol::Timestamp;

const NOW: Timestamp = Timestamp::from_seconds(1_795_967_100);
const ALICE: UserId = UserId(1);
const BOB: UserId = UserId(2);
const CAROL: UserId = UserId(3);
const STAFF: GroupId = GroupId(1);
const ALL: GroupId = GroupId(2);
const HOUSE: ObjectId = ObjectId(1);
const DOOR: ObjectId = ObjectId(2);
const READ: PermissionTypeId = PermissionTypeId(1);
const WRITE: PermissionTypeId = PermissionTypeId(2);
const PORTAL: ClientId = ClientId(1);

fn user(id: UserId) -> User {
    User { id, disabled: false, attributes: None }
}

fn object(id: ObjectId, code: &str, parent: Option<ObjectId>) -> Object {
    Object { parent, ..Object::new(id, code, "place").expect("a code") }
}

/// alice, bob and carol; alice in staff, staff in all; door in house; write implies read; a client.
fn world() -> World {
    let membership = |member, group| Membership { member, group, validity: Validity::ALWAYS };
    let permission = |id, code: &str, implies| PermissionType { id, code: code.to_owned(), implies };
    World {
        users: [ALICE, BOB, CAROL].map(user).to_vec(),
        clients: vec![Client { id: PORTAL, disabled: false, trusted: false, attributes: None }],
        groups: vec![
            Group { id: STAFF, code: "staff".to_owned() },
            Group { id: ALL, code: "all".to_owned() },
        ],
        memberships: vec![membership(Member::User(ALICE), STAFF), membership(Member::Group(STAFF), ALL)],
        objects: vec![object(HOUSE, "house", None), object(DOOR, "door", Some(HOUSE))],
        types: vec![permission(READ, "read", vec![]), permission(WRITE, "write", vec![READ])],
        ..World::default()
    }
}

fn grant(holder: Holder, object: ObjectId) -> PermissionGrant {
    PermissionGrant {
        id: PermissionGrantId(1),
        holder,
        target: Target::Object(object),
        permission: WRITE,
        include_children: false,
        delegable: Delegable::YES,
        validity: Validity::ALWAYS,
        condition: None,
        revoked: false,
    }
}

fn lent(id: i64, from: UserId, to: UserId, hops_left: u8) -> Delegation {
    Delegation {
        id: DelegationId(id),
        from,
        to,
        object: DOOR,
        include_children: false,
        permission: WRITE,
        hops_left,
        expires_at: Some(NOW.plus_seconds(3_600)),
        condition: None,
        parent: None,
        created_by: Party::User(from),
        created_at: NOW,
        ended: None,
    }
}

/// Asks both the definition and the index.
fn may_in(world: &World, user: UserId, permission: &str, circumstances: &Circumstances<'_>) -> bool {
    let question = Question { subject: Subject::User(user), object: "door", permission };
    let index = Index::build(world.records(), 0, world.giver_conditions_bind_taker).expect("small");
    let answer = world.permits(&question, circumstances);
    assert_eq!(index.check(&question, circumstances), Ok(answer));
    answer
}

fn may(world: &World, user: UserId, permission: &str) -> bool {
    may_in(world, user, permission, &Circumstances::at(NOW))
}

fn words(world: &World, user: UserId, permission: &str) -> String {
    let index = Index::build(world.records(), 0, false).expect("small");
    let question = Question { subject: Subject::User(user), object: "door", permission };
    let explanation = index.explain(&question, &Circumstances::at(NOW)).expect("simple");
    explanation.words(&|subject| match subject {
        Subject::User(ALICE) => "alice".to_owned(),
        Subject::User(BOB) => "bob".to_owned(),
        Subject::User(CAROL) => "carol".to_owned(),
        other => format!("{other:?}"),
    })
}

#[test]
fn pe1_nothing_given_is_nothing_held() {
    let world = world();
    assert!(!may(&world, ALICE, "write") && !may(&world, UserId(99), "read") && !may(&world, ALICE, "fly"));
}

#[test]
fn groups_objects_and_types_lead_to_a_right() {
    let mut world = world();
    world.grants = vec![PermissionGrant { include_children: true, ..grant(Holder::Group(ALL), HOUSE) }];
    assert!(may(&world, ALICE, "read") && may(&world, ALICE, "write") && !may(&world, BOB, "read"));
    world.grants[0].include_children = false;
    assert!(!may(&world, ALICE, "read"), "PE5: one grant, one object");
    world.grants[0].target = Target::AllOf("place".to_owned());
    assert!(may(&world, ALICE, "read"));
    world.grants[0].target = Target::AllOf("plac".to_owned());
    assert!(!may(&world, ALICE, "read"));
}

#[test]
fn pe3_whatever_takes_it_from_the_giver_takes_it_from_all_below_and_giving_it_back_restores() {
    let mut whole = world();
    whole.grants = vec![grant(Holder::Group(STAFF), DOOR)];
    whole.delegations = vec![lent(1, ALICE, BOB, 1), lent(2, BOB, CAROL, 0)];
    assert!(may(&whole, BOB, "write") && may(&whole, CAROL, "read"));

    let takes = |what: &str, change: fn(&mut World)| {
        let mut world = whole.clone();
        change(&mut world);
        assert!(!may(&world, BOB, "write") && !may(&world, CAROL, "read"), "{what}");
    };
    takes("the grant", |w| w.grants.clear());
    takes("the grant taken back", |w| w.grants[0].revoked = true);
    takes("the membership", |w| w.memberships.clear());
    takes("the group", |w| w.groups.clear());
    takes("the account", |w| w.users[0].disabled = true);
    takes("the first delegation", |w| {
        w.delegations[0].ended = Some(Ending { at: NOW, reason: "no longer".to_owned() });
    });
    takes("its time", |w| w.delegations[0].expires_at = Some(NOW));
    takes("the right to lend", |w| w.grants[0].delegable = Delegable::NO);
    takes("the object", |w| w.objects[1].disabled = true);

    let mut fewer_hops = whole.clone();
    fewer_hops.grants[0].delegable = Delegable::hops(1).expect("one");
    assert!(may(&fewer_hops, BOB, "write") && !may(&fewer_hops, CAROL, "write"));
    let mut taker_disabled = whole.clone();
    taker_disabled.users[1].disabled = true;
    assert!(!may(&taker_disabled, BOB, "write") && !may(&taker_disabled, CAROL, "write"));
    assert!(may(&whole, CAROL, "write"), "restored");
}

#[test]
fn pe3_two_users_cannot_keep_each_others_right_alive() {
    let mut world = world();
    world.delegations = vec![lent(1, BOB, CAROL, 5), lent(2, CAROL, BOB, 5), lent(3, BOB, BOB, 5)];
    assert!(!may(&world, BOB, "read") && !may(&world, CAROL, "read"));
}

#[test]
fn expiry_is_exact() {
    let mut world = world();
    world.grants = vec![grant(Holder::User(ALICE), DOOR)];
    world.delegations = vec![lent(1, ALICE, BOB, 0)];
    let end = NOW.plus_seconds(3_600);
    assert!(may_in(&world, BOB, "read", &Circumstances::at(end.plus_ms(-1))));
    assert!(!may_in(&world, BOB, "read", &Circumstances::at(end)));
}

#[test]
fn pe6_what_is_stored_of_a_subject_beats_what_an_asker_says_unless_it_is_trusted() {
    let attributes = |text: &str| Attributes::parse(text).expect("attributes");
    let mut world = world();
    let red = Condition::parse(r#"{"eq":[{"attribute":"subject.team"},"red"]}"#).expect("a condition");
    world.grants = vec![PermissionGrant { condition: Some(Arc::new(red)), ..grant(Holder::Everyone, DOOR) }];
    world.users[1].attributes = Some(Arc::new(attributes(r#"{"team":"blue"}"#)));
    let said = attributes(r#"{"team":"red"}"#);
    let asks = Circumstances { asker: Some(PORTAL), subject: &said, ..Circumstances::at(NOW) };
    assert!(!may_in(&world, BOB, "read", &asks), "stored: blue");
    assert!(may_in(&world, CAROL, "read", &asks), "a gap is filled");
    assert!(!may(&world, CAROL, "read"), "PE1: an attribute that is missing is no");
    world.clients[0].trusted = true;
    assert!(may_in(&world, BOB, "read", &asks), "a trusted client knows better");
    world.clients[0].disabled = true;
    assert!(!may_in(&world, CAROL, "read", &asks), "a disabled client gets no answer but no");
}

#[test]
fn a_condition_of_the_grant_is_asked_of_the_giver_and_of_the_taker_if_so_set() {
    let mut world = world();
    let red = Condition::parse(r#"{"eq":[{"attribute":"subject.team"},"red"]}"#).expect("a condition");
    world.grants =
        vec![PermissionGrant { condition: Some(Arc::new(red)), ..grant(Holder::User(ALICE), DOOR) }];
    let team = Attributes::parse(r#"{"team":"red"}"#).expect("attributes");
    world.users[0].attributes = Some(Arc::new(team));
    world.delegations = vec![lent(1, ALICE, BOB, 0)];
    assert!(may(&world, BOB, "read"));
    world.giver_conditions_bind_taker = true;
    assert!(!may(&world, BOB, "read"));
}

#[test]
fn pe4_a_code_given_to_another_object_takes_no_rights_along() {
    let mut world = world();
    world.grants = vec![grant(Holder::User(ALICE), DOOR)];
    let index = Index::build(world.records(), 0, false).expect("small");
    let changes = [
        Change::Remove(Removed::Object(DOOR)),
        Change::Put(Record::Object(object(ObjectId(3), "door", Some(HOUSE)))),
    ];
    let entries: Vec<_> =
        (1..).zip(changes).map(|(revision, change)| FeedEntry { revision, change }).collect();
    let index = index.apply(&entries).expect("no gap");
    let question = Question { subject: Subject::User(ALICE), object: "door", permission: "read" };
    assert_eq!(index.check(&question, &Circumstances::at(NOW)), Ok(false));
    let compacted = index.compacted().expect("small");
    assert_eq!(compacted.check(&question, &Circumstances::at(NOW)), Ok(false));
}

#[test]
fn pe7_a_feed_with_a_gap_is_refused_whole_and_one_with_an_overlap_is_read() {
    let index = Index::build(world().records(), 7, false).expect("small");
    let entry = |revision| FeedEntry { revision, change: Change::Remove(Removed::User(ALICE)) };
    let gap = IndexError::Gap { expected: 9, found: 10 };
    assert_eq!(index.apply(&[entry(8), entry(10)]).expect_err("a gap"), gap);
    assert!(index.apply(&[entry(99)]).expect_err("from the future").to_string().contains("99"));
    assert_eq!(index.revision(), 7);
    assert_eq!(index.apply(&[entry(6), entry(7), entry(8)]).map(|index| index.revision()), Ok(8));
}

#[test]
fn pe8_pe9_too_much_is_refused_aloud() {
    let mut world = world();
    world.grants = vec![grant(Holder::Everyone, DOOR)];
    let index = Index::build(world.records(), 0, false).expect("small");
    let now = Circumstances::at(NOW);
    let list = |most| index.subjects_of(SubjectKind::User, "door", "read", &now, most);
    assert_eq!(list(3).map(|list| list.len()), Ok(3));
    assert_eq!(list(2), Err(TooMany::Results(2)));
    assert_eq!(index.objects_of(Subject::User(BOB), "read", &now, 0), Err(TooMany::Results(0)));

    // Thousands of users who lent to each other, and none of whom has anything.
    world.grants.clear();
    world.users = (1..=400).map(|id| user(UserId(id))).collect();
    world.delegations =
        (0..80_000).map(|n| lent(n, UserId(n % 400 + 1), UserId(n / 400 % 200 + 1), 5)).collect();
    let index = Index::build(world.records(), 0, false).expect("small");
    let question = Question { subject: Subject::User(BOB), object: "door", permission: "read" };
    assert!(index.check(&question, &now).is_err(), "no, and an error");
}

#[test]
fn pe10_unknown_invisible_and_empty_objects_answer_alike() {
    let mut world = world();
    world.grants = vec![
        grant(Holder::User(ALICE), DOOR),
        PermissionGrant { id: PermissionGrantId(2), ..grant(Holder::User(ALICE), HOUSE) },
    ];
    let index = Index::build(world.records(), 0, false).expect("small");
    let asked = ["nothing", "door", "house", "door"];
    let map = index.map(Subject::User(ALICE), asked, |code| code != "house", &Circumstances::at(NOW));
    let map = map.expect("simple");
    assert_eq!(
        serde_json::to_string(&map).expect("json"),
        r#"{"nothing":[],"door":["read","write"],"house":[]}"#
    );
    let nobody =
        index.map(Subject::User(UserId(9)), asked, |_| true, &Circumstances::at(NOW)).expect("simple");
    assert_eq!(serde_json::to_string(&nobody).expect("json"), r#"{"nothing":[],"door":[],"house":[]}"#);
}

#[test]
fn an_explanation_names_the_whole_chain() {
    let mut world = world();
    world.grants = vec![PermissionGrant { include_children: true, ..grant(Holder::Group(ALL), HOUSE) }];
    world.delegations = vec![lent(1, ALICE, BOB, 1), lent(2, BOB, CAROL, 0)];
    assert_eq!(
        words(&world, ALICE, "read"),
        "alice may «read» on «door», because alice is in «staff», which is in «all», which holds «write» (which \
         implies «read») on «house» (in which «door» is)."
    );
    assert_eq!(
        words(&world, CAROL, "write"),
        "carol may «write» on «door», because bob lent «write» on «door» to carol until 2026-11-29 16:45:00 UTC; \
         alice lent «write» on «door» to bob until 2026-11-29 16:45:00 UTC; alice is in «staff», which is in \
         «all», which holds «write» on «house» (in which «door» is)."
    );
}

#[test]
fn an_explanation_of_no_says_what_came_nearest() {
    let mut world = world();
    assert_eq!(words(&world, BOB, "write"), "bob may not «write» on «door»: nothing gives it.");
    assert_eq!(
        words(&world, BOB, "fly"),
        "bob may not «fly» on «door», because there is no permission type «fly»."
    );
    let over = Validity::new(None, Some(NOW)).expect("an end");
    world.grants = vec![PermissionGrant { validity: over, ..grant(Holder::User(ALICE), DOOR) }];
    world.delegations = vec![lent(1, ALICE, BOB, 1)];
    assert_eq!(
        words(&world, ALICE, "write"),
        "alice may not «write» on «door». What comes nearest: alice holds «write» on «door» until 2026-11-29 15:45:00 UTC, but \
         that expired at 2026-11-29 15:45:00 UTC."
    );
    assert_eq!(
        words(&world, BOB, "write"),
        "bob may not «write» on «door». What comes nearest: alice lent «write» on «door» to bob until 2026-11-29 16:45:00 UTC, \
         but the giver no longer holds it."
    );
    world.grants = vec![PermissionGrant { delegable: Delegable::NO, ..grant(Holder::User(ALICE), DOOR) }];
    assert!(words(&world, BOB, "write").ends_with("but the giver may not lend it, or not so far."));
    world.users[0].disabled = true;
    assert!(words(&world, BOB, "write").ends_with("but the giver is not active."));
    assert!(words(&world, ALICE, "write").ends_with("because the subject is disabled."));
    world.objects[1].disabled = true;
    assert!(words(&world, BOB, "write").ends_with("because «door» is disabled."));
}
