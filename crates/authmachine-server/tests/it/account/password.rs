//! `/account/password`.

use authmachine_provider::event::EventKind;
use authmachine_testkit::{PASSWORD, Site, TestServer, both_engines};

const NEW: &str = "another fine set of words";

#[both_engines]
async fn pw6_a_new_password_wants_the_old_one_and_ends_everything_else() {
    let server = TestServer::start().await;
    server.user("alice").create().await;
    let browser = server.browser();
    browser.sign_in("alice", PASSWORD).await;
    let elsewhere = server.browser().log_in("alice").await;
    let before = browser.copy();

    let page = browser.open("/account/password").await;
    page.submit(&[("current_password", "a wrong one"), ("new_password", NEW)])
        .await
        .assert_page(401, "The current password is not right");
    assert!(elsewhere.is_signed_in().await);
    let visit = page.submit(&[("current_password", PASSWORD), ("new_password", NEW)]).await;
    assert_eq!(visit.trail[0].assert_status(303).location(), "/?done=password");
    visit.assert_page(200, "Your password is changed");

    assert!(browser.is_signed_in().await);
    assert_ne!(browser.cookie("session"), before.cookie("session"), "checklist SE2");
    assert!(!before.is_signed_in().await && !elsewhere.is_signed_in().await);
    assert_eq!(server.count_events(EventKind::PasswordChanged).await, 1);
    server.browser().sign_in("alice", PASSWORD).await.assert_page(401, "do not match");
    server.browser().sign_in("alice", NEW).await.assert_page(200, "Signed in as alice");
}

#[both_engines]
async fn pw1_pw2_length_alone_and_own_words_are_judged_and_the_reason_is_given() {
    let server = TestServer::start().await;
    server.user("alice").create().await;
    let browser = server.browser().log_in("alice").await;
    let page = browser.open("/account/password").await;
    page.assert_page(200, "Any 15 characters or more will do");
    let long = |n: usize| "ab cd efg ".repeat(n.div_ceil(10))[..n].to_owned();
    let (edge, over) = (long(1_024), long(1_025));
    for (new, words) in [
        ("", "too short"),
        ("fourteen chars", "too short"),
        (over.as_str(), "bytes: a plain letter has one"),
        ("alicealicealice1", "your name or ours"),
        ("alice@example.com", "your name or ours"),
        ("AuthMachine1234", "your name or ours"),
        ("aaaaaaaaaaaaaaaaaaaa", "a simple row of characters"),
        ("abcdefghijklmnopqrst", "a simple row of characters"),
    ] {
        let visit = page.submit(&[("current_password", PASSWORD), ("new_password", new)]).await;
        visit.assert_page(400, words);
        if !new.is_empty() {
            visit.answer().assert_no_echo(new);
        }
    }
    // No rules of composition, all of Unicode, one normal form, nothing cut.
    let mut current = PASSWORD.to_owned();
    for new in
        ["all lower case words", "ß😀 ü 漢字 пароль okay", "A\u{30A}ngstro\u{308}m units here", edge.as_str()]
    {
        let page = browser.open("/account/password").await;
        page.submit(&[("current_password", &current), ("new_password", new)])
            .await
            .assert_page(200, "is changed");
        current = new.to_owned();
    }
    server.browser().sign_in("alice", &edge[..1_023]).await.assert_page(401, "do not match");
    server.browser().sign_in("alice", &edge).await.assert_page(200, "Signed in as alice");
    let page = browser.open("/account/password").await;
    page.submit(&[("current_password", &edge), ("new_password", "A\u{30A}ngstro\u{308}m units here")])
        .await
        .assert_page(200, "is changed");
    server.browser().sign_in("alice", "Ångström units here").await.assert_page(200, "Signed in as alice");
    server.browser().sign_in("alice", " Ångström units here").await.assert_page(401, "do not match");
}

#[both_engines]
async fn cs1_the_form_is_this_browsers_own() {
    let server = TestServer::start().await;
    server.user("alice").create().await;
    let browser = server.browser().log_in("alice").await;
    let page = browser.open("/account/password").await;
    let csrf = page.forms()[0].fields.iter().find(|(name, _)| name == "csrf").expect("a token").1.clone();
    let fields = [("current_password", PASSWORD), ("new_password", NEW)];
    let with = |csrf: &'static str| [("csrf", csrf), fields[0], fields[1]];
    browser
        .post(Site::Own, "/account/password", &fields)
        .await
        .assert_page(400, "it came from somewhere else");
    browser
        .post(Site::Own, "/account/password", &with("x"))
        .await
        .assert_page(400, "it came from somewhere else");
    let good = [("csrf", csrf.as_str()), fields[0], fields[1]];
    for site in [Site::SameSite, Site::Foreign] {
        browser.post(site, "/account/password", &good).await.assert_page(403, "We cannot let you do that");
    }
    // The token of another form does not do.
    let other = browser.open("/").await.forms()[0].fields[0].1.clone();
    assert_ne!(other, csrf);
    browser
        .post(Site::Own, "/account/password", &[("csrf", &other), fields[0], fields[1]])
        .await
        .assert_page(400, "somewhere else");
    assert_eq!(server.count_events(EventKind::PasswordChanged).await, 0);
    browser.post(Site::Own, "/account/password", &good).await.assert_page(200, "is changed");
}

#[both_engines]
async fn a_stranger_is_sent_to_sign_in() {
    let server = TestServer::start().await;
    let browser = server.browser();
    assert_eq!(browser.open("/account/password").await.trail[0].assert_status(303).location(), "/login");
    let fields = [("current_password", PASSWORD), ("new_password", NEW)];
    browser.post(Site::Own, "/account/password", &fields).await.assert_page(200, "Sign in");
}
