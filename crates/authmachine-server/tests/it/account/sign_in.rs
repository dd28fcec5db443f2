//! `/login`, and what keeps a browser signed in.

use authmachine_provider::event::EventKind;
use authmachine_server::Issuer;
use authmachine_testkit::{PASSWORD, Site, TestServer, both_engines};

const WRONG: &str = "Username and password do not match. Check both, and that Caps Lock is off.";

#[both_engines]
async fn a_person_signs_in_without_a_client() {
    let server = TestServer::start().await;
    server.user("alice").claim("name", "Alice Liddell").create().await;
    let browser = server.browser();
    browser.open("/").await.assert_page(200, "Welcome");

    let visit = browser.sign_in("alice", PASSWORD).await;

    assert_eq!(visit.trail[0].assert_status(303).location(), "/");
    visit.assert_page(200, "Hello, Alice Liddell");
    visit.assert_page(200, "Signed in as alice");
    assert_eq!(browser.open("/login").await.trail[0].assert_status(303).location(), "/");
    browser.sign_out().await;
    browser.open("/").await.assert_page(200, "Welcome");
}

#[both_engines]
async fn the_name_may_be_the_address_and_is_folded() {
    let server = TestServer::start().await;
    server.user("Alice").email(Some("Alice.Liddell@Example.com")).create().await;
    for name in ["alice", "ALICE", "alice.liddell@example.com", "ＡＬＩＣＥ"] {
        server.browser().sign_in(name, PASSWORD).await.assert_page(200, "Signed in as Alice");
    }
}

#[both_engines]
async fn en1_all_that_cannot_sign_in_look_alike() {
    let server = TestServer::start().await;
    server.user("alice").create().await;
    server.user("locked").locked().create().await;
    server.user("without").create_with_hash(None).await;
    server.user("damaged").create_with_hash(Some("not a hash".to_owned())).await;
    let shown = async |name: &str, password: &str| {
        let visit = server.browser().sign_in(name, password).await;
        let answer = visit.assert_page(401, WRONG).answer();
        // But for what was typed, the form's token and the request's own id everything is the same.
        let csrf = visit.forms()[0].fields[0].1.clone();
        let text = answer.text().replace(&csrf, "csrf").replace(&format!("value=\"{name}\""), "value=\"\"");
        let mut headers: Vec<_> = answer.headers.keys().map(ToString::to_string).collect();
        headers.sort();
        (text, headers, visit.browser().cookies().len())
    };
    let wrong_password = shown("alice", "not her password").await;
    for (name, password) in [
        ("nobody", PASSWORD),
        ("locked", PASSWORD),
        ("locked", "not the password"),
        ("without", PASSWORD),
        ("damaged", PASSWORD),
        ("alice", ""),
        ("alice@nowhere.example", PASSWORD),
    ] {
        assert_eq!(shown(name, password).await, wrong_password, "{name}");
    }
}

#[both_engines]
async fn in1_quotes_and_wildcards_are_only_characters() {
    let server = TestServer::start().await;
    server.user("alice").create().await;
    for name in [
        "' OR '1'='1",
        "alice' --",
        "al%",
        "a_ice",
        "alice\u{a0}",
        "\\",
        "$1",
        "alice;DROP TABLE users",
        "*)(uid=*",
    ] {
        server.browser().sign_in(name, PASSWORD).await.assert_page(401, WRONG);
    }
    // An empty name or a long one is no reason for anything else.
    for (name, password) in [("", PASSWORD), (&*"a".repeat(300), PASSWORD), ("alice", &*"p".repeat(2_000))] {
        server.browser().sign_in(name, password).await.assert_page(401, WRONG);
    }
    server.browser().sign_in("alice", PASSWORD).await.assert_page(200, "Signed in as alice");
}

#[both_engines]
async fn se1_cookies_are_as_narrow_as_they_can_be() {
    let server = TestServer::start().await;
    server.user("alice").create().await;
    let browser = server.browser();
    browser.sign_in("alice", PASSWORD).await;
    let cookies = browser.cookies();
    let attributes = ["Path=/", "HttpOnly", "SameSite=Lax", "Secure"];
    for (name, more) in [("browser", &[][..]), ("session", &[]), ("device", &["Max-Age=15552000"])] {
        let cookie = browser.cookie(name).expect(name);
        assert!(cookie.name.starts_with("__Host-am_"), "{cookie:?}");
        assert_eq!(cookie.attributes, [&attributes[..], more].concat(), "{cookie:?}");
    }
    // One is for scripts, in foreign frames as well.
    let state = browser.cookie("state").expect("signed in");
    assert!(state.name.starts_with("__Host-am_") && state.value.len() == 32, "{state:?}");
    assert_eq!(state.attributes, ["Path=/", "SameSite=None", "Secure"]);
    assert_eq!(cookies.len(), 4);

    // On loopback without TLS there is no prefix; the names differ by issuer, since ports share cookies.
    let mut names = Vec::new();
    for issuer in ["http://localhost:8000", "http://localhost:8001"] {
        let server =
            TestServer::start_with(|settings| settings.issuer = Issuer::parse(issuer).expect("an issuer"))
                .await;
        server.user("alice").create().await;
        let browser = server.browser();
        browser.sign_in("alice", PASSWORD).await;
        for cookie in browser.cookies() {
            match cookie.name.contains("state") {
                true => assert_eq!(cookie.attributes, ["Path=/", "SameSite=Lax"], "{cookie:?}"),
                false => {
                    assert_eq!(cookie.attributes[..3], ["Path=/", "HttpOnly", "SameSite=Lax"], "{cookie:?}")
                }
            }
            assert!(!cookie.attributes.iter().any(|attribute| attribute == "Secure"), "{cookie:?}");
            names.push(cookie.name);
        }
    }
    names.sort();
    names.dedup();
    assert_eq!(names.len(), 8);
    assert!(names.iter().all(|name| name.starts_with("am_")), "{names:?}");
}

#[both_engines]
async fn se2_each_sign_in_has_a_new_id_and_the_old_one_is_dead() {
    let server = TestServer::start().await;
    server.user("alice").create().await;
    server.user("bob").create().await;
    let app = server.client("shop").first_party().create().await;
    let browser = server.browser();
    browser.sign_in("alice", PASSWORD).await;
    let first = browser.copy();

    // The same person again: the session goes on under another id.
    let page = browser.follow(&app.authorize().with("prompt", "login").url()).await;
    page.submit(&[("username", "alice"), ("password", PASSWORD)]).await.code();
    assert_ne!(browser.cookie("session"), first.cookie("session"));
    assert!(browser.is_signed_in().await && !first.is_signed_in().await);

    // Another person: nothing of the first reaches the second.
    let second = browser.copy();
    let tokens = app.redeem(&browser.authorize(&app).await.code()).await.ok();
    let page = browser.follow(&app.authorize().with("prompt", "login").url()).await;
    let code = page.submit(&[("username", "bob"), ("password", PASSWORD)]).await.code();
    let claims = server.verify(app.redeem(&code).await.ok().id_token()).await;
    assert_eq!(claims["sub"], server.find_user("bob").await.expect("made").sub.as_str());
    assert_ne!(claims["sid"], server.verify(tokens.id_token()).await["sid"]);
    assert!(!second.is_signed_in().await, "alice's session has ended");
    browser.open("/").await.assert_page(200, "Signed in as bob");
    app.refresh(tokens.refresh_token()).await.assert_error(400, "invalid_grant");
}

#[both_engines]
async fn se3_a_prepared_form_signs_nobody_in() {
    let server = TestServer::start().await;
    server.user("mallory").create().await;
    server.user("alice").create().await;
    let mallory = server.browser();
    let page = mallory.open("/login").await;
    let csrf = page.forms()[0].fields[0].1.clone();
    let form = [("csrf", csrf.as_str()), ("username", "mallory"), ("password", PASSWORD)];

    // The victim's browser: with an id of its own, signed in, or never here.
    let visited = server.browser();
    visited.open("/login").await;
    visited.post(Site::Own, "/login", &form).await.assert_page(400, "it came from somewhere else");
    let alice = server.browser().log_in("alice").await;
    alice.open("/").await;
    alice.post(Site::Own, "/login", &form).await.assert_page(400, "it came from somewhere else");
    alice.open("/").await.assert_page(200, "Signed in as alice");
    server.browser().post(Site::Own, "/login", &form).await.assert_page(400, "did not send our cookie back");
    for site in [Site::Foreign, Site::SameSite] {
        visited.post(site, "/login", &form).await.assert_page(403, "We cannot let you do that");
    }
    for browser in [&visited, &alice] {
        browser.open("/").await.answer().assert_no_echo("mallory");
    }
    // A link to mallory's login step is of no use in another browser.
    let app = server.client("shop").create().await;
    let step = mallory.follow(&app.authorize_url()).await.trail[0].location().to_owned();
    visited.open(&step).await.assert_page(400, "This page has expired");
    assert_eq!(server.count_events(EventKind::SignIn).await, 0);
}

#[both_engines]
async fn se4_a_session_ends_idle_and_absolutely_to_the_millisecond() {
    let server = TestServer::start().await;
    let clock = server.clock();
    for (after_ms, lives) in [(3_600_000 - 1, true), (3_600_000, false)] {
        let browser = server.browser().log_in("alice").await;
        clock.advance_ms(after_ms);
        assert_eq!(browser.is_signed_in().await, lives, "{after_ms}");
    }

    // Used all the time, it ends after twelve hours.
    let browser = server.browser().log_in("alice").await;
    let began = clock.now();
    for _ in 0..14 {
        clock.advance(50 * 60);
        assert!(browser.is_signed_in().await);
        wait_until_seen(&server, clock.now()).await;
    }
    clock.set(began.plus_ms(12 * 3_600_000 - 1));
    assert!(browser.is_signed_in().await);
    clock.set(began.plus_ms(12 * 3_600_000));
    assert!(!browser.is_signed_in().await);
}

/// When a session was last seen is written without waiting for it.
async fn wait_until_seen(server: &TestServer, at: authmachine_protocol::Timestamp) {
    let user = server.find_user("alice").await.expect("made").id;
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(5);
    loop {
        let sessions =
            server.store().read(move |reads| reads.list_sessions_of(user)).await.expect("the store answers");
        if sessions.iter().any(|session| session.last_seen_at == at) {
            return;
        }
        assert!(std::time::Instant::now() < deadline, "the session is touched");
        tokio::task::yield_now().await;
    }
}

#[both_engines]
async fn se6_every_door_has_the_same_idea_of_a_session() {
    let server = TestServer::start().await;
    let app = server.client("shop").first_party().create().await;
    for kill in ["idle", "locked", "ended", "garbled", "doubled"] {
        let browser = server.browser().log_in("alice").await;
        let csrf = browser.open("/").await.forms()[0].fields[0].1.clone();
        let alice = server.find_user("alice").await.expect("made");
        let now = server.clock().now();
        let mut other = browser.clone();
        match kill {
            "idle" => server.clock().advance(3_600),
            "locked" => {
                use authmachine_provider::user::UserStatus::{Active, Locked};
                server.write(move |tx| tx.set_user_status(alice.id, Locked, now)).await;
                server.write(move |tx| tx.set_user_status(alice.id, Active, now)).await;
            }
            "ended" => {
                let id = server
                    .store()
                    .read(move |reads| reads.list_sessions_of(alice.id))
                    .await
                    .expect("it answers")[0]
                    .id;
                assert!(server.write(move |tx| tx.end_session(id, now)).await);
            }
            "garbled" => browser.set_cookie("session", "x".repeat(54).as_str()),
            _ => {
                let cookie = browser.cookie("session").expect("signed in");
                let id = browser.cookie("browser").expect("known");
                let line =
                    format!("{n}={v}; {n}={v}; {}={}", id.name, id.value, n = cookie.name, v = cookie.value);
                other = browser.with("cookie", &line);
            }
        }
        assert!(!other.is_signed_in().await, "{kill}");
        other.open("/login").await.assert_page(200, "Sign in");
        other.follow(&app.authorize_url()).await.assert_page(200, "Sign in");
        other.follow(&app.authorize().with("prompt", "none").url()).await.assert_refused("login_required");
        other.follow("/oidc/logout").await.assert_page(200, "You are signed out");
        other.open("/account/password").await.assert_page(200, "Sign in");
        for path in ["/account/sessions/end", "/account/sessions/end-others", "/account/password"] {
            let visit = other.post(Site::Own, path, &[("csrf", &csrf), ("session", "x")]).await;
            visit.assert_page(200, "Sign in");
        }
    }
}

#[both_engines]
async fn ru7_nothing_in_a_request_says_where_a_sign_in_ends() {
    let server = TestServer::start().await;
    server.user("alice").create().await;
    let evil = "https://evil.example/";
    let browser = server.browser();
    let names =
        ["return_to", "next", "redirect_uri", "redirect", "continue", "target_link_uri", "url", "done"];
    let query = authmachine_protocol::form::encode(names.map(|name| (name, evil)));
    let page = browser.open(&format!("/login?{query}")).await;
    let csrf = page.forms()[0].fields[0].1.clone();
    assert_eq!(page.forms()[0].action, "/login");
    let mut fields = vec![("csrf", csrf.as_str()), ("username", "alice"), ("password", PASSWORD)];
    fields.extend(names.map(|name| (name, evil)));
    let visit = browser.with("referer", evil).post(Site::Own, &format!("/login?{query}"), &fields).await;
    assert_eq!(visit.trail[0].assert_status(303).location(), "/");
    for path in ["/?done=https://evil.example/", "/?done=//evil.example", "/login?done=password"] {
        let visit = browser.open(path).await;
        assert!(!visit.answer().text().contains("evil"), "{path}");
        assert!(
            visit
                .trail
                .iter()
                .all(|answer| !answer.headers.contains_key("location") || answer.location() == "/")
        );
    }
}

#[both_engines]
async fn pw4_an_old_hash_is_replaced_at_sign_in() {
    let server = TestServer::start().await;
    // Argon2id of PASSWORD with m = 64 KiB, t = 1.
    let old = weak_hash();
    let alice = server.user("alice").create_with_hash(Some(old.clone())).await;
    let stored = || async {
        server.store().read(move |reads| reads.find_password(alice.id)).await.expect("it answers")
    };
    server.browser().sign_in("alice", "a wrong one").await.assert_page(401, WRONG);
    assert_eq!(stored().await, Some(old.clone()));
    server.browser().sign_in("alice", PASSWORD).await.assert_page(200, "Signed in as alice");
    let new = stored().await.expect("there is one");
    assert!(new.starts_with("$argon2id$v=19$m=19456,t=2,p=1$") && new != old, "{new}");
    server.browser().sign_in("alice", PASSWORD).await.assert_page(200, "Signed in as alice");
    assert_eq!(stored().await.as_deref(), Some(new.as_str()));
}

fn weak_hash() -> String {
    use argon2::password_hash::phc::PasswordHash;
    use argon2::{Algorithm, Argon2, Params, PasswordHasher as _, Version};
    let weak = Argon2::new(Algorithm::Argon2id, Version::V0x13, Params::new(64, 1, 1, None).expect("legal"));
    let hash: PasswordHash = weak.hash_password_with_salt(PASSWORD.as_bytes(), &[1; 16]).expect("legal");
    hash.to_string()
}

#[both_engines]
async fn pw5_when_all_places_for_hashing_are_taken_the_page_says_so_at_once() {
    use std::future::{Future, poll_fn};
    use std::task::Poll;
    let server = TestServer::start().await;
    server.user("alice").create().await;
    let page = server.browser().open("/login").await;
    // Tries that have their place and are never finished: each is polled once.
    let password = || authmachine_provider::password::normalise(PASSWORD);
    let mut taken: Vec<_> = (0..200).map(|_| Box::pin(server.app().passwords.hash(password()))).collect();
    for hash in &mut taken {
        poll_fn(|context| Poll::Ready(_ = hash.as_mut().poll(context))).await;
    }

    let busy = page.submit(&[("username", "alice"), ("password", PASSWORD)]).await;

    busy.assert_page(503, "We are very busy just now");
    assert_eq!(busy.answer().header("retry-after"), Some("1"));
    // What was never checked is no failure: however often, the owner is not slowed down for it.
    for _ in 0..10 {
        page.submit(&[("username", "alice"), ("password", PASSWORD)])
            .await
            .assert_page(503, "We are very busy");
    }
    assert!(!page.browser().is_signed_in().await);
    server.get("/.well-known/openid-configuration").send().await.assert_status(200);
    drop(taken);
    page.submit(&[("username", "alice"), ("password", PASSWORD)])
        .await
        .assert_page(200, "Signed in as alice");
}
