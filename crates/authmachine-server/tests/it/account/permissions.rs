//! `/account/permissions`: what one may do and why, lending, taking back.

use authmachine_permissions::{Delegable, LendSettings};
use authmachine_provider::Timestamp;
use authmachine_provider::event::EventKind;
use authmachine_provider::permission_records::{Holder, Member, Membership, Target, Validity};
use authmachine_provider::user::UserStatus;
use authmachine_server::Settings;
use authmachine_testkit::{Browser, PASSWORD, Site, TestServer, Visit, both_engines};

const PAGE: &str = "/account/permissions";
const LEND: &str = "/account/permissions/lend?object=object1&permission=write";
/// A day after the test's clock begins, as the form has it.
const TOMORROW: &str = "2027-01-16T08:00";
const TOMORROW_IN_WORDS: &str = "16 January 2027, 08:00 UTC";

/// Alice may do «write» on «object1», and lend it; bob, carol and mallory hold nothing.
async fn scene() -> TestServer {
    scene_with(|_| {}).await
}

async fn scene_with(change: impl FnOnce(&mut LendSettings)) -> TestServer {
    let server = TestServer::start_with(|settings: &mut Settings| change(&mut settings.lending)).await;
    for name in ["alice", "bob", "carol", "mallory"] {
        server.user(name).create().await;
    }
    server.permit_to_lend("alice", "object1", &["write"]).await;
    server
}

/// Lends «write on object1» in the browser of who may.
async fn lend(browser: &Browser, to: &str, hops: Option<&str>) -> Visit {
    let page = browser.open(LEND).await;
    let mut fields = vec![("to", to), ("until", TOMORROW)];
    fields.extend(hops.map(|hops| ("hops", hops)));
    page.submit(&fields).await
}

/// Changes the grant that gives alice «write» on «object1», or takes it away.
async fn change_grant(server: &TestServer, change: Option<(Delegable, Validity)>) {
    let alice = server.find_user("alice").await.expect("made").id;
    server
        .write(move |tx| {
            let object = tx.find_object("object1")?.expect("made");
            let permission = tx.find_permission_type("write")?.expect("made");
            let target = Target::Object(object.id);
            let id = tx.find_same_grant(Holder::User(alice), &target, permission.id, None)?.expect("granted");
            match change {
                None => assert!(tx.remove_permission_grant(id)?),
                Some((delegable, validity)) => {
                    let grant = tx.find_permission_grant(id)?.expect("there it is");
                    let grant = authmachine_permissions::PermissionGrant { delegable, validity, ..grant };
                    tx.update_permission_grant(&grant)?.expect("legal");
                }
            }
            Ok(())
        })
        .await;
}

async fn sees(browser: &Browser, words: &str) {
    browser.open(PAGE).await.assert_page(200, words);
}

async fn misses(browser: &Browser, words: &str) {
    let shown = browser.open(PAGE).await.answer().assert_status(200).shown();
    assert!(!shown.contains(words), "«{words}» is not in\n{shown}");
}

/// The ids in the forms of the page, in their order.
async fn lendings(browser: &Browser) -> Vec<String> {
    let forms = browser.open(PAGE).await.forms().into_iter();
    let fields = forms.flat_map(|form| form.fields.into_iter());
    fields.filter(|(name, _)| name == "lending").map(|(_, value)| value).collect()
}

async fn end(browser: &Browser, lending: &str) -> Visit {
    let csrf = browser.open("/").await.forms()[0].fields[0].1.clone();
    browser.post(Site::Own, "/account/permissions/end", &[("csrf", &csrf), ("lending", lending)]).await
}

#[both_engines]
async fn what_one_may_do_stands_there_with_its_reason_in_both_languages() {
    let server = scene().await;
    let alice = server.browser().log_in("alice").await;
    let bob = server.browser().log_in("bob").await;
    sees(&bob, "You hold no permission on anything.").await;
    sees(&bob, "Nobody lends you anything.").await;
    sees(&bob, "You lend nothing.").await;

    let group = server.group("editors", &["bob"]).await;
    server.permit_group(&group, "object1", &["read"]).await;
    server.permit("bob", "object2", &["delete"]).await;
    lend(&alice, "bob", None).await.assert_page(200, "It is lent.");
    let page = bob.open(PAGE).await;
    for words in [
        "object1",
        "read because you are in editors",
        &format!("write because alice lent it to you until {TOMORROW_IN_WORDS}"),
        "object2",
        "delete because it was granted to you",
    ] {
        page.assert_page(200, words);
    }
    // None of it may be lent on.
    assert!(!page.answer().text().contains("/account/permissions/lend"));
    let alices = alice.open(PAGE).await;
    alices.assert_page(200, "write because it was granted to you");
    assert!(
        alices
            .answer()
            .text()
            .contains("href=\"/account/permissions/lend?object=object1&#38;permission=write\"")
    );

    // A membership's end is the right's.
    let bob_id = server.find_user("bob").await.expect("made").id;
    let end = Timestamp::from_seconds(1_800_100_000);
    server
        .write(move |tx| {
            let validity = Validity::new(None, Some(end)).expect("legal");
            let member = Membership { member: Member::User(bob_id), group: group.id, validity };
            tx.put_membership(&member).map(|done| done.expect("legal"))
        })
        .await;
    sees(&bob, "read because you are in editors, until 16 January 2027, 11:46 UTC").await;

    let german = bob.with("accept-language", "de").open(PAGE).await;
    german.assert_page(200, "Ihre Berechtigungen");
    german.assert_page(200, "write weil alice es Ihnen bis 16. Januar 2027, 08:00 UTC geliehen hat");
    german.assert_page(200, "delete weil es Ihnen erteilt wurde");
    let german = alice.with("accept-language", "de");
    let refused = german.open(LEND).await.submit(&[("to", "alice"), ("until", TOMORROW)]).await;
    refused.assert_page(400, "Verliehen wird an jemand anders. Nichts wurde verliehen.");
    bob.open("/").await.assert_page(200, "What you may do and why");
}

#[both_engines]
async fn pe3_what_is_lent_is_there_at_once_and_gone_with_the_givers_own() {
    let server = scene().await;
    let alice = server.browser().log_in("alice").await;
    let bob = server.browser().log_in("bob").await;
    let held = "because alice lent it to you";
    let visit = lend(&alice, "bob@example.com", None).await;
    assert_eq!(visit.trail[0].assert_status(303).location(), "/account/permissions?done=lent");
    sees(&bob, held).await;

    change_grant(&server, Some((Delegable::NO, Validity::ALWAYS))).await;
    misses(&bob, held).await;
    sees(&bob, "Without effect at present").await;
    sees(&alice, "Without effect at present").await;
    change_grant(&server, Some((Delegable::YES, Validity::ALWAYS))).await;
    sees(&bob, held).await;

    let alice_id = server.find_user("alice").await.expect("made").id;
    let now = server.clock().now();
    server.write(move |tx| tx.set_user_status(alice_id, UserStatus::Locked, now)).await;
    misses(&bob, held).await;
    server.write(move |tx| tx.set_user_status(alice_id, UserStatus::Active, now)).await;
    sees(&bob, held).await;
    change_grant(&server, None).await;
    misses(&bob, held).await;

    // Expiry is exact: the clock stands 123 ms after a whole minute.
    server.permit_to_lend("alice", "object1", &["write"]).await;
    sees(&bob, held).await;
    server.clock().set(Timestamp::from_ms(1_800_086_400_000 - 1));
    let bob = server.browser().log_in("bob").await;
    sees(&bob, held).await;
    server.clock().advance_ms(1);
    misses(&bob, held).await;
    misses(&bob, "alice").await;
    assert_eq!(lendings(&bob).await.len(), 0, "what has expired does not show");

    let events = server.events().await;
    let created = events.iter().find(|event| event.kind == EventKind::DelegationCreated).expect("an event");
    let sub = |name: &'static str| {
        let server = server.clone();
        async move { server.find_user(name).await.expect("made").sub }
    };
    assert_eq!(
        (created.actor.as_str(), created.user.as_deref()),
        (sub("alice").await.as_str(), Some(sub("bob").await.as_str()))
    );
    assert_eq!(created.detail["object"], "object1");
    assert_eq!(created.detail["type"], "write");
    assert_eq!(created.detail["until"], 1_800_086_400);
    assert_eq!(server.metric("authmachine_delegations_total{change=\"created\"}"), 1);
}

#[both_engines]
async fn pe3_no_more_is_lent_than_what_is_held_and_each_refusal_says_what_to_do() {
    let server = scene_with(|lending| lending.most_hops = 3).await;
    server.permit("alice", "object2", &["read"]).await;
    server.user("dave").locked().create().await;
    let alice = server.browser().log_in("alice").await;
    let page = alice.open(LEND).await;
    page.assert_page(200, "How many times it may be passed on");
    let good = [("to", "bob"), ("until", TOMORROW), ("hops", "0")];
    let with = |name: &'static str, value: &'static str| {
        let fields = good.map(|field| if field.0 == name { (name, value) } else { field });
        page.submit(&fields)
    };
    for (name, value, words) in [
        ("to", "alice", "it is lent to somebody else"),
        ("to", "ALICE@example.com", "it is lent to somebody else"),
        ("to", "nobody", "cannot be lent to anybody of that name"),
        ("to", "dave", "cannot be lent to anybody of that name"),
        ("to", "", "cannot be lent to anybody of that name"),
        ("until", "", "Say until when"),
        ("until", "tomorrow", "Say until when"),
        ("until", "2027-02-30T08:00", "Say until when"),
        ("until", "2027-01-15T08:00", "The end is over already"),
        ("until", "2020-01-15T08:00", "The end is over already"),
        ("until", "2027-04-15T08:01", "until 15 April 2027, 08:00 UTC at the latest"),
        ("until", "9999-12-31T23:59", "until 15 April 2027, 08:00 UTC at the latest"),
        ("hops", "3", "passed on 2 times at most"),
        ("hops", "-1", "passed on 2 times at most"),
        ("hops", "256", "passed on 2 times at most"),
        ("hops", "many", "passed on 2 times at most"),
    ] {
        let visit = with(name, value).await;
        visit.assert_page(400, words);
        visit.assert_page(400, "Nothing was lent.");
        // What was typed stays, but for what was wrong with it.
        let kept = visit.forms()[0].fields.iter().find(|(n, _)| n == name).expect("a field").1.clone();
        assert_eq!(kept, value);
    }
    // Addresses and forms that no page led to.
    for (object, permission, words) in [
        ("object2", "read", "but you may not lend it"),
        ("object1", "read", "You do not hold this permission"),
        ("object2", "write", "You do not hold this permission"),
        ("nothing", "write", "You do not hold this permission"),
        ("object1", "nothing", "You do not hold this permission"),
        ("object1'--", "%", "You do not hold this permission"),
    ] {
        let query = authmachine_protocol::form::encode([("object", object), ("permission", permission)]);
        alice
            .open(&format!("/account/permissions/lend?{query}"))
            .await
            .assert_page(404, "There is nothing here");
        let fields = [&good[..], &[("object", object), ("permission", permission)]].concat();
        page.submit(&fields).await.assert_page(400, words);
    }
    alice.open("/account/permissions/lend").await.assert_page(404, "There is nothing here");

    // Not longer than the grant itself.
    let end = Timestamp::from_seconds(1_800_040_000);
    change_grant(&server, Some((Delegable::YES, Validity::new(None, Some(end)).expect("legal")))).await;
    with("to", "bob").await.assert_page(400, "until 15 January 2027, 19:06 UTC at the latest");
    change_grant(&server, Some((Delegable::NO, Validity::ALWAYS))).await;
    with("to", "bob").await.assert_page(400, "but you may not lend it");
    change_grant(&server, None).await;
    with("to", "bob").await.assert_page(400, "You do not hold this permission");

    assert_eq!(server.state()["delegations"].len(), 0);
    let refused = server.count_events(EventKind::DelegationRefused).await;
    let counted = server.metric("authmachine_delegations_total{change=\"refused\"}");
    assert!(refused >= 15 && refused as u64 <= counted, "{refused} {counted}");
}

#[both_engines]
async fn pe10_who_is_there_is_said_to_nobody_without_a_right_and_to_others_slowly() {
    let server = scene().await;
    server.user("dave").locked().create().await;
    let alice = server.browser().log_in("alice").await;
    let page = alice.open(LEND).await;
    // Alice's grant goes; her form is still there.
    change_grant(&server, None).await;
    let mut answers = Vec::new();
    for name in ["bob", "dave", "nobody", "x' OR 1=1 --"] {
        let visit = page.submit(&[("to", name), ("until", TOMORROW)]).await;
        visit.assert_page(400, "You do not hold this permission");
        let escaped = name.replace('\'', "&#39;");
        let id = visit.answer().header("x-request-id").expect("an id").to_owned();
        answers.push(visit.answer().text().replace(&format!("value=\"{escaped}\""), "").replace(&id, ""));
    }
    answers.dedup();
    assert_eq!(answers.len(), 1, "known, locked and unknown names look alike");

    server.permit_to_lend("alice", "object1", &["write"]).await;
    let long = "n".repeat(255);
    let mut answers = Vec::new();
    for n in 0..10 {
        let name = ["dave", "nobody", &long][n % 3];
        let visit = page.submit(&[("to", name), ("until", TOMORROW)]).await;
        visit.assert_page(400, "cannot be lent to anybody of that name");
        answers.push(visit.answer().text().replace(&format!("value=\"{name}\""), ""));
    }
    answers.dedup();
    assert_eq!(answers.len(), 1);
    for name in ["bob", "nobody"] {
        let visit = page.submit(&[("to", name), ("until", TOMORROW)]).await;
        visit.assert_page(429, "Too many tries");
        assert!(visit.answer().header("retry-after").is_some());
    }
    server.clock().advance(3);
    page.submit(&[("to", "bob"), ("until", TOMORROW)]).await.assert_page(200, "It is lent.");
}

#[both_engines]
async fn ad12_lending_needs_a_recent_sign_in_and_comes_back_from_it() {
    let server = scene().await;
    let alice = server.browser().log_in("alice").await;
    let page = alice.open(LEND).await;
    page.assert_page(200, "Lend a permission");
    server.clock().advance(600);
    alice.open(LEND).await.assert_page(200, "Lend a permission");
    server.clock().advance(1);
    let way = "/login?object=object1&permission=write";
    let visit = alice.open(LEND).await;
    assert_eq!(visit.trail[0].assert_status(303).location(), way);
    visit.assert_page(200, "what you are about to do needs a recent sign-in");
    // A form from before leads there, too, and lends nothing.
    let sent = page.submit(&[("to", "bob"), ("until", TOMORROW)]).await;
    assert_eq!(sent.trail[0].assert_status(303).location(), way);
    assert_eq!(server.state()["delegations"].len(), 0);

    let before = alice.cookie("session");
    visit
        .submit(&[("username", "alice"), ("password", "a wrong one")])
        .await
        .assert_page(401, "do not match");
    let again = alice.open(way).await;
    let fields = again.forms()[0].fields.clone();
    assert!(fields.contains(&("username".to_owned(), "alice".to_owned())), "{fields:?}");
    let back = again.submit(&[("username", "alice"), ("password", PASSWORD)]).await;
    assert_eq!(back.trail[0].assert_status(303).location(), LEND);
    back.assert_page(200, "Lend a permission");
    assert_ne!(alice.cookie("session"), before, "checklist SE2");
    assert_eq!(alice.open(way).await.trail[0].assert_status(303).location(), LEND, "recent enough");
    back.submit(&[("to", "bob"), ("until", TOMORROW)]).await.assert_page(200, "It is lent.");

    // Taking back needs none; another person who signs in there is that person.
    server.clock().advance(3_000);
    let visit = alice.open(LEND).await;
    let mallory = visit.submit(&[("username", "mallory"), ("password", PASSWORD)]).await;
    mallory.assert_page(404, "There is nothing here");
    let alice = server.browser().log_in("alice").await;
    server.clock().advance(3_000);
    let lending = lendings(&alice).await;
    end(&alice, &lending[0]).await.assert_page(200, "It is taken back");
    // The way back is always one of ours.
    for query in [
        "?object=https://evil.example&permission=write",
        "?return=https://evil.example",
        "?object=//evil.example",
    ] {
        let browser = server.browser();
        let page = browser.open(&format!("/login{query}")).await;
        let visit = page.submit(&[("username", "alice"), ("password", PASSWORD)]).await;
        assert!(!visit.is_away(), "{query}");
    }
}

#[both_engines]
async fn pe3_a_tree_is_shown_to_who_began_it_and_ends_at_any_place_above() {
    let server = scene_with(|lending| lending.most_hops = 3).await;
    let [alice, bob, carol, mallory] = ["alice", "bob", "carol", "mallory"].map(|name| {
        let server = server.clone();
        async move { server.browser().log_in(name).await }
    });
    let (alice, bob, carol, mallory) = (alice.await, bob.await, carol.await, mallory.await);
    lend(&alice, "bob", Some("2")).await.assert_page(200, "It is lent.");
    lend(&bob, "carol", Some("1")).await.assert_page(200, "It is lent.");
    lend(&carol, "mallory", None).await.assert_page(200, "It is lent.");
    sees(&mallory, "write because carol lent it to you").await;
    let page = alice.open(PAGE).await;
    for words in ["carol, passed on by bob", "mallory, passed on by carol", "2 times", "once"] {
        page.assert_page(200, words);
    }
    for depth in ["depth-0", "depth-1", "depth-2"] {
        assert_eq!(page.answer().text().matches(depth).count(), 1, "{depth}");
    }
    // In the order of the tree: to bob, from him to carol, from her to mallory.
    let tree = lendings(&alice).await;
    assert_eq!(tree.len(), 3);
    assert_eq!(lendings(&bob).await, tree, "what was lent to him, then what he lends");

    // Who is not above may not, and learns nothing.
    let mut answers = Vec::new();
    for lending in [tree[0].as_str(), &tree[1], "1", "0", "-1", "", "x", "9223372036854775808"] {
        let visit = end(&mallory, lending).await;
        visit.assert_page(404, "There is nothing here");
        let id = visit.answer().header("x-request-id").expect("an id").to_owned();
        answers.push(visit.answer().text().replace(&id, ""));
    }
    answers.dedup();
    assert_eq!(answers.len(), 1, "checklist EN4");
    end(&carol, &tree[0]).await.assert_page(404, "There is nothing here");

    // Mallory gives back; alice, two above, ends carol's; bob's own stays.
    end(&mallory, &tree[2]).await.assert_page(200, "It is given back.");
    assert_eq!(lendings(&alice).await, tree[..2]);
    lend(&carol, "mallory", None).await.assert_page(200, "It is lent.");
    end(&alice, &tree[1]).await.assert_page(200, "It is taken back");
    misses(&carol, "lent it to you").await;
    misses(&mallory, "lent it to you").await;
    sees(&bob, "lent it to you").await;
    assert_eq!(lendings(&alice).await, tree[..1]);
    // Twice is once.
    end(&alice, &tree[1]).await.assert_page(200, "It is taken back");

    let events = server.events().await;
    let ended: Vec<_> = events.iter().filter(|event| event.kind == EventKind::DelegationEnded).collect();
    assert_eq!(ended.len(), 2);
    assert_eq!(ended[0].detail["reason"], "given back");
    assert_eq!(ended[1].detail["reason"], "taken back by who lent it before");
    let mut chain = Vec::new();
    for name in ["alice", "bob", "carol"] {
        chain.push(server.find_user(name).await.expect("made").sub);
    }
    assert_eq!(ended[0].detail["from"], chain.join(" "), "the whole chain");
    assert_eq!(server.metric("authmachine_delegations_total{change=\"ended\"}"), 2);
}

#[both_engines]
async fn pe3_lending_again_changes_the_terms_and_limits_hold() {
    let server = scene_with(|lending| lending.most_given = 2).await;
    let alice = server.browser().log_in("alice").await;
    lend(&alice, "bob", None).await.assert_page(200, "It is lent.");
    let page = alice.open(LEND).await;
    page.submit(&[("to", "bob"), ("until", "2027-01-20T12:00")])
        .await
        .assert_page(200, "20 January 2027, 12:00 UTC");
    assert_eq!(lendings(&alice).await.len(), 1);
    assert_eq!(server.count_events(EventKind::DelegationChanged).await, 1);
    assert_eq!(server.metric("authmachine_delegations_total{change=\"changed\"}"), 1);
    lend(&alice, "carol", None).await.assert_page(200, "It is lent.");
    lend(&alice, "mallory", None).await.assert_page(400, "You lend 2 permissions already");
    // The same again is no new one.
    lend(&alice, "bob", None).await.assert_page(200, "It is lent.");
    let ids = lendings(&alice).await;
    end(&alice, &ids[0]).await.assert_page(200, "It is taken back");
    lend(&alice, "mallory", None).await.assert_page(200, "It is lent.");

    let server = scene_with(|lending| lending.most_hops = 0).await;
    let alice = server.browser().log_in("alice").await;
    sees(&alice, "write because it was granted to you").await;
    assert!(!alice.open(PAGE).await.answer().text().contains("/account/permissions/lend"));
    alice.open(LEND).await.assert_page(404, "There is nothing here");
}

#[both_engines]
async fn pe9_thousands_are_shown_page_by_page_each_once() {
    let server = scene().await;
    for n in 0..120 {
        server.permit("carol", &format!("a/b:{n:03}@c"), &["read"]).await;
    }
    let carol = server.browser().log_in("carol").await;
    let (mut seen, mut target, mut pages) = (Vec::new(), PAGE.to_owned(), 0);
    loop {
        let page = carol.open(&target).await;
        let html = page.answer().assert_status(200).text().to_owned();
        let codes = html.split("<h3><bdi>").skip(1).filter_map(|part| part.split('<').next());
        seen.extend(codes.map(str::to_owned));
        pages += 1;
        let Some((_, link)) = html.split_once("href=\"/account/permissions?after=") else { break };
        let after = link.split('"').next().expect("it ends");
        target = format!("{PAGE}?after={}", after.replace("&#38;", "&"));
    }
    assert_eq!((pages, seen.len()), (3, 120));
    assert!(seen.is_sorted(), "{seen:?}");
    for nonsense in
        ["?after=%", "?after=a&after=b", "?given_after=x", "?received_after=-9223372036854775809", "?done=x"]
    {
        carol.open(&format!("{PAGE}{nonsense}")).await.assert_page(200, "Your permissions");
    }
}

#[both_engines]
async fn cs1_the_forms_are_this_browsers_own_and_strangers_sign_in() {
    let server = scene().await;
    let alice = server.browser().log_in("alice").await;
    let page = alice.open(LEND).await;
    let csrf = page.forms()[0].fields.iter().find(|(name, _)| name == "csrf").expect("a token").1.clone();
    let path = "/account/permissions/lend";
    let fields = |csrf: &str| {
        [("csrf", csrf), ("object", "object1"), ("permission", "write"), ("to", "bob"), ("until", TOMORROW)]
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
    };
    let post = |browser: Browser, site, csrf: String| async move {
        let fields = fields(&csrf);
        let fields: Vec<_> = fields.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        browser.post(site, path, &fields).await
    };
    let own = alice.open("/").await.forms()[0].fields[0].1.clone();
    for wrong in [String::new(), "x".to_owned(), own] {
        post(alice.clone(), Site::Own, wrong).await.assert_page(400, "it came from somewhere else");
    }
    for site in [Site::SameSite, Site::Foreign] {
        post(alice.clone(), site, csrf.clone()).await.assert_page(403, "We cannot let you do that");
    }
    alice.open(&format!("{path}?csrf={csrf}&object=object1&permission=write&to=bob&until={TOMORROW}")).await;
    assert_eq!(server.state()["delegations"].len(), 0);
    post(alice.clone(), Site::Own, csrf).await.assert_page(200, "It is lent.");

    let lending = lendings(&alice).await[0].clone();
    let end = "/account/permissions/end";
    alice.post(Site::Own, end, &[("lending", &lending)]).await.assert_page(403, "We cannot let you do that");
    let own = alice.open(PAGE).await.forms()[0].fields[0].1.clone();
    alice
        .post(Site::Foreign, end, &[("csrf", &own), ("lending", &lending)])
        .await
        .assert_page(403, "We cannot let you do that");
    alice.open(end).await.answer().assert_status(405);
    assert_eq!(lendings(&alice).await.len(), 1);

    let stranger = server.browser();
    for address in [PAGE, LEND] {
        assert_eq!(stranger.open(address).await.trail[0].assert_status(303).location(), "/login");
    }
}
