//! Guessing passwords (checklist BF, EN3).

use authmachine_testkit::{Browser, PASSWORD, TestServer, Visit, both_engines};

const SLOW_DOWN: &str = "Too many tries.";

async fn guess(browser: &Browser, name: &str) -> Visit {
    browser.sign_in(name, "a wrong guess").await
}

fn wait_s(visit: &Visit) -> i64 {
    visit
        .assert_page(429, SLOW_DOWN)
        .answer()
        .header("retry-after")
        .expect("it says when")
        .parse()
        .expect("seconds")
}

#[both_engines]
async fn bf1_five_tries_are_free_then_each_wait_is_longer() {
    let server = TestServer::start().await;
    server.user("alice").create().await;
    let browser = server.browser();
    for _ in 0..5 {
        guess(&browser, "alice").await.assert_page(401, "do not match");
    }
    let mut last = 0;
    for _ in 0..12 {
        let wait = wait_s(&guess(&browser, "alice").await);
        assert!(wait >= last && wait <= 15 * 60 + 1, "{wait} after {last}");
        // The right password waits as well: otherwise a guesser would not.
        wait_s(&browser.sign_in("alice", PASSWORD).await);
        server.clock().advance(wait);
        guess(&browser, "alice").await.assert_page(401, "do not match");
        last = wait;
    }
    assert!(last >= 15 * 60, "it grows to a quarter of an hour: {last}");
    server.clock().advance(15 * 60 + 1);
    browser.sign_in("alice", PASSWORD).await.assert_page(200, "Signed in as alice");
    // The owner was here: the count begins anew.
    let stranger = server.browser();
    for _ in 0..5 {
        guess(&stranger, "alice").await.assert_page(401, "do not match");
    }
    guess(&stranger, "alice").await.assert_page(429, SLOW_DOWN);
}

#[both_engines]
async fn bf1_a_stranger_cannot_lock_the_owner_out() {
    let server = TestServer::start().await;
    server.user("alice").create().await;
    server.user("bob").create().await;
    let home = server.browser();
    home.sign_in("alice", PASSWORD).await.assert_page(200, "Signed in as alice");
    home.sign_out().await;
    let stranger = server.browser();
    for _ in 0..5 {
        guess(&stranger, "alice").await.assert_page(401, "do not match");
    }
    wait_s(&guess(&stranger, "alice").await);

    // Where she has signed in before she is let in at once; elsewhere even the right password waits.
    home.copy().sign_in("alice", PASSWORD).await.assert_page(200, "Signed in as alice");
    server.browser().sign_in("alice", PASSWORD).await.assert_page(429, SLOW_DOWN);
    // Such a browser has tries of its own, and no more of them.
    let found = home.copy();
    for _ in 0..5 {
        guess(&found, "alice").await.assert_page(401, "do not match");
    }
    wait_s(&guess(&found, "alice").await);
    wait_s(&home.sign_in("alice", PASSWORD).await);

    // It is known for her alone, and only by what we gave it.
    let device = home.cookie("device").expect("it was signed in").value;
    let other = server.browser();
    other.sign_in("bob", PASSWORD).await;
    other.sign_out().await;
    let of_bob = other.cookie("device").expect("it was signed in").value;
    let spliced = format!("{}{}", &device[..32], &of_bob[32..]);
    let flipped = format!("{}{}", if device.starts_with('0') { "1" } else { "0" }, &device[1..]);
    for forged in [of_bob.as_str(), &spliced, &flipped, &device[..63], &device[..32], "", "ä"] {
        other.set_cookie("device", forged);
        other.sign_in("alice", PASSWORD).await.assert_page(429, SLOW_DOWN);
    }
}

#[both_engines]
async fn bf1_an_account_takes_a_hundred_failures_in_a_row_and_its_owner_still_comes_in() {
    let server = TestServer::start().await;
    let alice = server.user("alice").create().await;
    let home = server.browser();
    home.sign_in("alice", PASSWORD).await;
    home.sign_out().await;
    // A hundred failures without a hundred hashes.
    let counter = server.app().secrets.throttle("user", &alice.sub);
    let now = server.clock().now();
    server.write(move |tx| (0..100).try_for_each(|_| tx.count_try(&counter, now))).await;
    server.clock().advance(3_600);
    let wait = wait_s(&server.browser().sign_in("alice", PASSWORD).await);
    assert!((22 * 3_600..24 * 3_600).contains(&wait), "{wait}");
    home.sign_in("alice", PASSWORD).await.assert_page(200, "Signed in as alice");
    server.clock().advance(wait);
    server.browser().sign_in("alice", PASSWORD).await.assert_page(200, "Signed in as alice");
}

#[both_engines]
async fn bf2_every_door_and_every_name_of_an_account_count_together() {
    let server = TestServer::start().await;
    server.user("alice").create().await;
    let app = server.client("shop").first_party().create().await;
    let browser = server.browser();
    let signed_in = server.browser().log_in("alice").await;
    guess(&browser, "alice").await.assert_page(401, "do not match");
    guess(&browser, "ALICE").await.assert_page(401, "do not match");
    guess(&browser, "alice@example.com").await.assert_page(401, "do not match");
    let step = server.browser().follow(&app.authorize_url()).await;
    let wrong = [("username", "ａlice"), ("password", "a wrong guess")];
    step.submit(&wrong).await.assert_page(401, "do not match");
    let change = signed_in.open("/account/password").await;
    let wrong_old = [("current_password", "a wrong guess"), ("new_password", "another fine set of words")];
    change.submit(&wrong_old).await.assert_page(401, "The current password is not right");

    for refused in
        [guess(&browser, "alice").await, step.submit(&wrong).await, change.submit(&wrong_old).await]
    {
        refused.assert_page(429, SLOW_DOWN);
    }
    // Live sessions are untouched.
    assert!(signed_in.is_signed_in().await);
}

#[both_engines]
async fn en3_names_that_nobody_has_are_slowed_down_alike() {
    let server = TestServer::start().await;
    server.user("alice").create().await;
    let mut waits = Vec::new();
    for name in ["alice", "nobody"] {
        let browser = server.browser();
        for _ in 0..5 {
            guess(&browser, name).await.assert_page(401, "do not match");
        }
        waits.push(wait_s(&guess(&browser, name).await));
    }
    assert_eq!(waits[0], waits[1]);
}

#[both_engines]
async fn bf1_a_source_that_tries_many_names_is_slowed_down_and_others_are_not() {
    let server = TestServer::start().await;
    server.user("alice").create().await;
    // The hundred failures that a source has for nothing, without a hundred hashes.
    let source = server.app().secrets.throttle("source", "203.0.113.9");
    let now = server.clock().now();
    server.write(move |tx| (0..100).try_for_each(|_| tx.count_try(&source, now))).await;
    let stuffing = server.browser().at("203.0.113.9");
    stuffing.sign_in("somebody", "a wrong guess").await.assert_page(429, SLOW_DOWN);
    stuffing.sign_in("alice", PASSWORD).await.assert_page(429, SLOW_DOWN);
    server
        .browser()
        .at("203.0.113.10")
        .sign_in("alice", PASSWORD)
        .await
        .assert_page(200, "Signed in as alice");
}

#[both_engines]
async fn bf1_right_passwords_do_not_count_against_a_shared_source() {
    let server = TestServer::start().await;
    server.user("alice").create().await;
    let source = server.app().secrets.throttle("source", "203.0.113.9");
    let browser = server.browser().at("203.0.113.9");
    browser.sign_in("alice", PASSWORD).await.assert_page(200, "Signed in as alice");
    let throttle = server.store().read(move |reads| reads.find_throttle(&source)).await.expect("it answers");
    assert_eq!(throttle.failures, 0);
}

#[both_engines]
async fn bf1_a_source_that_many_share_recovers_although_somebody_mistypes_now_and_then() {
    let server = TestServer::start().await;
    server.user("alice").create().await;
    let source = server.app().secrets.throttle("source", "203.0.113.9");
    let now = server.clock().now();
    server.write(move |tx| (0..200).try_for_each(|_| tx.count_try(&source, now))).await;
    let office = server.browser().at("203.0.113.9");
    office.sign_in("alice", PASSWORD).await.assert_page(429, SLOW_DOWN);
    server.clock().advance(3 * 3_600);
    guess(&office, "somebody").await.assert_page(401, "do not match");
    office.sign_in("alice", PASSWORD).await.assert_page(200, "Signed in as alice");
}

#[both_engines]
async fn bf3_parallel_tries_count_each_other() {
    let server = TestServer::start().await;
    server.user("alice").create().await;
    let page = server.browser().open("/login").await;
    let tries: Vec<_> = (0..12)
        .map(|_| tokio::spawn(page.submit(&[("username", "alice"), ("password", "a wrong guess")])))
        .collect();
    let mut wrong = 0;
    for visit in tries {
        let visit = visit.await.expect("no panic");
        match visit.answer().status.as_u16() {
            401 => wrong += 1,
            _ => _ = visit.assert_page(429, SLOW_DOWN),
        }
    }
    assert_eq!(wrong, 5, "five are free, however fast they come");
}

#[both_engines]
async fn bf3_the_count_stands_when_the_sign_in_fails_to_be_saved() {
    let server = TestServer::start().await;
    server.user("alice").create().await;
    let browser = server.browser();
    let account = server.find_user("alice").await.expect("made").sub;
    let counter = server.app().secrets.throttle("user", &account);
    let failures = || async {
        server.store().read(move |reads| reads.find_throttle(&counter)).await.expect("it answers").failures
    };
    let page = browser.open("/login").await;
    let mut counted_and_lost = 0;
    for n in 1..40 {
        server.store().faults().fail_call(n);
        let visit = page.submit(&[("username", "alice"), ("password", PASSWORD)]).await;
        let is_over = server.store().faults().is_pending();
        server.store().faults().fail_call(0);
        if visit.trail[0].status.as_u16() == 503 && failures().await > 0 {
            counted_and_lost += 1;
        }
        if is_over {
            break;
        }
        server.write(move |tx| tx.clear_throttle(&counter)).await;
    }
    assert!(counted_and_lost > 0, "a try that was counted stays counted, though nobody was signed in");
}

#[both_engines]
async fn bf5_headers_that_claim_an_address_change_no_limit() {
    let server = TestServer::start().await;
    server.user("alice").create().await;
    let source = server.app().secrets.throttle("source", "203.0.113.9");
    let now = server.clock().now();
    server.write(move |tx| (0..100).try_for_each(|_| tx.count_try(&source, now))).await;
    for (name, value) in [
        ("x-forwarded-for", "198.51.100.1"),
        ("x-real-ip", "198.51.100.1"),
        ("forwarded", "for=198.51.100.1"),
    ] {
        let browser = server.browser().at("203.0.113.9").with(name, value);
        browser.sign_in("alice", PASSWORD).await.assert_page(429, SLOW_DOWN);
        // Nor do they put the blame on somebody else.
        let victim = server.browser().with(name, "203.0.113.9");
        victim.sign_in("alice", PASSWORD).await.assert_page(200, "Signed in as alice");
    }
}

#[both_engines]
async fn bf5_all_addresses_of_an_ipv6_network_are_one_source() {
    let server = TestServer::start().await;
    server.user("alice").create().await;
    let stuffing = server.browser().at("2001:db8::1");
    guess(&stuffing, "somebody").await.assert_page(401, "do not match");
    let source = server.app().secrets.throttle("source", "2001:db8::");
    let now = server.clock().now();
    server.write(move |tx| (0..99).try_for_each(|_| tx.count_try(&source, now))).await;
    let neighbour = server.browser().at("2001:db8::ffff:2");
    neighbour.sign_in("alice", PASSWORD).await.assert_page(429, SLOW_DOWN);
    let elsewhere = server.browser().at("2001:db8:0:1::1");
    elsewhere.sign_in("alice", PASSWORD).await.assert_page(200, "Signed in as alice");
}
