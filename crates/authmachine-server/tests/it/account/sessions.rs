//! The person's own page and their sessions.

use authmachine_provider::event::EventKind;
use authmachine_testkit::{Browser, PASSWORD, Site, TestServer, both_engines};

async fn csrf(browser: &Browser) -> String {
    browser.open("/").await.forms()[0].fields[0].1.clone()
}

#[both_engines]
async fn one_session_or_all_others_can_be_ended() {
    let server = TestServer::start().await;
    server.user("alice").create().await;
    let here = server.browser();
    here.sign_in("alice", PASSWORD).await;
    let phone = server
        .browser()
        .with("user-agent", "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) Safari/604.1");
    phone.at("198.51.100.7").sign_in("alice", PASSWORD).await;
    let other = server.browser().log_in("alice").await;
    let stranger = server.browser().log_in("bob").await;

    let page = here.open("/").await;
    page.assert_page(200, "This browser");
    page.assert_page(200, "198.51.100.7");
    let ends: Vec<_> =
        page.forms().into_iter().filter(|form| form.action == "/account/sessions/end").collect();
    assert_eq!(ends.len(), 2, "its own is not among them");
    let of_phone =
        page.answer().text().split("<li>").position(|line| line.contains("198.51.100.7")).expect("listed");
    // The first line of the list is this browser's.
    let sid = ends[of_phone - 2].fields.iter().find(|(name, _)| name == "session").expect("named").1.clone();
    let csrf = csrf(&here).await;
    here.post(Site::Own, "/account/sessions/end", &[("csrf", &csrf), ("session", &sid)])
        .await
        .assert_page(200, "The session has ended");
    assert!(!phone.is_signed_in().await && other.is_signed_in().await);

    here.post(Site::Own, "/account/sessions/end-others", &[("csrf", &csrf)])
        .await
        .assert_page(200, "signed out everywhere else");
    assert!(!other.is_signed_in().await && here.is_signed_in().await && stranger.is_signed_in().await);
    assert_eq!(server.count_events(EventKind::SignOut).await, 2);
}

#[both_engines]
async fn en4_another_persons_session_equals_a_missing_one() {
    let server = TestServer::start().await;
    let alice = server.browser().log_in("alice").await;
    let bob = server.browser().log_in("bob").await;
    let bob_id = server.find_user("bob").await.expect("made").id;
    let sid = server.store().read(move |reads| reads.list_sessions_of(bob_id)).await.expect("it answers")[0]
        .sid
        .clone();
    let csrf = csrf(&alice).await;
    let mut answers = Vec::new();
    for session in [sid.as_str(), &"0".repeat(32), "", "x' OR 1=1 --"] {
        let visit =
            alice.post(Site::Own, "/account/sessions/end", &[("csrf", &csrf), ("session", session)]).await;
        visit.assert_page(404, "There is nothing here");
        let id = visit.answer().header("x-request-id").expect("an id").to_owned();
        answers.push(visit.answer().text().replace(&id, "id"));
    }
    answers.dedup();
    assert_eq!(answers.len(), 1);
    assert!(bob.is_signed_in().await);
}

#[both_engines]
async fn cs1_every_form_of_the_page_is_this_browsers_own() {
    let server = TestServer::start().await;
    let alice = server.browser().log_in("alice").await;
    let mallory = server.browser().log_in("mallory").await;
    let (own, foreign) = (csrf(&alice).await, csrf(&mallory).await);
    assert_ne!(own, foreign);
    for path in ["/logout", "/account/sessions/end", "/account/sessions/end-others"] {
        let forbidden = "We cannot let you do that";
        alice.post(Site::Own, path, &[]).await.assert_page(403, forbidden);
        alice.post(Site::Own, path, &[("csrf", &foreign)]).await.assert_page(403, forbidden);
        alice.post(Site::Own, path, &[("csrf", &own[1..])]).await.assert_page(403, forbidden);
        for site in [Site::Foreign, Site::SameSite] {
            alice.post(site, path, &[("csrf", &own)]).await.assert_page(403, forbidden);
        }
        alice
            .with("origin", "null")
            .post(Site::Own, path, &[("csrf", &own)])
            .await
            .assert_page(403, forbidden);
        alice
            .with("origin", "https://id.example.evil.example")
            .post(Site::Own, path, &[("csrf", &own)])
            .await
            .assert_page(403, forbidden);
        // In the query it is not read, by GET nothing is done, and no header makes a GET a POST.
        alice.post(Site::Own, &format!("{path}?csrf={own}"), &[]).await.assert_page(403, forbidden);
        let visit = alice
            .with("x-http-method-override", "POST")
            .open(&format!("{path}?csrf={own}&_method=POST"))
            .await;
        visit.answer().assert_status(405);
        for (content_type, body) in
            [("application/json", format!("{{\"csrf\":\"{own}\"}}")), ("text/plain", format!("csrf={own}"))]
        {
            let cookies: Vec<_> = alice.cookies().iter().map(|c| format!("{}={}", c.name, c.value)).collect();
            let request = server.post(path).header("cookie", &cookies.join("; ")).body(content_type, body);
            request.send().await.assert_page(400, "We did not understand that");
        }
    }
    assert!(alice.is_signed_in().await);
    assert_eq!(server.count_events(EventKind::SignOut).await, 0);
}

#[both_engines]
async fn g10_a_malformed_cookie_is_as_absent() {
    let server = TestServer::start().await;
    let browser = server.browser().log_in("alice").await;
    let session = browser.cookie("session").expect("signed in");
    let long = "x".repeat(8_000);
    for value in [
        "",
        "x",
        "\u{fffd}",
        "\"quoted\"",
        "%00",
        "..",
        &session.value[1..],
        &format!("{}=", session.value),
        &session.value.to_lowercase(),
        &long,
    ] {
        let line = format!("{}={value}", session.name);
        let visit = browser.with("cookie", &line).open("/").await;
        visit.assert_page(200, "Welcome");
    }
    // Bytes that are no text, and lines that are no cookies.
    for line in [";;;", "=", "a", &format!(" ; {}", session.name), "ÿ=ÿ"] {
        browser.with("cookie", line).open("/").await.assert_page(200, "Welcome");
    }
    let untidy = format!("a=ünïcödé;{}={};; c", session.name, session.value);
    browser.with("cookie", &untidy).open("/").await.assert_page(200, "Signed in as alice");
}

#[both_engines]
async fn se5_all_others_end_however_many_there_are() {
    let server = TestServer::start().await;
    let oldest = server.browser().log_in("alice").await;
    let here = server.browser().log_in("alice").await;
    for _ in 0..205 {
        server.browser().log_in("alice").await;
    }
    let csrf = csrf(&here).await;
    here.post(Site::Own, "/account/sessions/end-others", &[("csrf", &csrf)]).await;
    assert!(!oldest.is_signed_in().await && here.is_signed_in().await);
    assert_eq!(server.count_events(EventKind::SignOut).await, 206);
}

#[both_engines]
async fn se7_under_parallel_load_nobody_sees_another_person() {
    let server = TestServer::start().await;
    let app = server.client("shop").first_party().create().await;
    let mut people = Vec::new();
    for n in 0..10 {
        let name = format!("person{n}");
        let browser = server.browser().log_in(&name).await;
        let tokens = app.redeem(&browser.authorize(&app).await.code()).await.ok();
        people.push((name, browser, tokens));
    }
    let visits: Vec<_> = (0..200)
        .map(|n| {
            let (name, browser, tokens) = people[n % people.len()].clone();
            let app = app.clone();
            tokio::spawn(async move {
                let page = browser.open("/").await;
                page.assert_page(200, &format!("Signed in as {name}."));
                let claims = app.userinfo(&tokens.access_token).await.ok();
                assert_eq!(claims["preferred_username"], name.as_str());
                assert_eq!(app.introspect(&tokens.access_token).await.ok()["username"], name.as_str());
            })
        })
        .collect();
    for visit in visits {
        visit.await.expect("each saw itself");
    }
}
