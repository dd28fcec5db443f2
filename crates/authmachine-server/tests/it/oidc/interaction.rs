//! `/interaction/{handle}`: signing in for a client, step by step.

use authmachine_provider::client_metadata::ClientMetadata;
use authmachine_provider::event::EventKind;
use authmachine_provider::user::UserStatus;
use authmachine_testkit::{PASSWORD, Site, TestServer, Visit, both_engines};

const EXPIRED: &str = "This page has expired";

async fn sign_in(visit: &Visit) -> Visit {
    visit.submit(&[("username", "alice"), ("password", PASSWORD)]).await
}

#[both_engines]
async fn a_person_signs_in_and_goes_on_to_the_client() {
    let server = TestServer::start().await;
    server.user("alice").create().await;
    let app = server.client("shop").first_party().create().await;
    let browser = server.browser();

    let page = browser.follow(&app.authorize_url()).await;
    page.assert_page(200, "to go on to The shop app");
    let visit = sign_in(&page).await;

    // The post, the next step (which needs no page), the client.
    assert_eq!(visit.trail.len(), 2);
    visit.trail.iter().for_each(|answer| _ = answer.assert_status(303));
    let tokens = app.redeem(&visit.code()).await.ok();
    let claims = server.verify(tokens.id_token()).await;
    assert_eq!(claims["sub"], server.find_user("alice").await.expect("made").sub.as_str());
    assert_eq!(server.count_events(EventKind::SignIn).await, 1);
    assert!(browser.is_signed_in().await);
}

#[both_engines]
async fn xs1_every_step_shows_the_pages_that_the_client_has_of_its_own() {
    let server = TestServer::start().await;
    server.user("alice").create().await;
    let metadata = ClientMetadata {
        client_uri: Some("https://shop.example".to_owned()),
        policy_uri: Some("https://shop.example/policy".to_owned()),
        tos_uri: Some("javascript:alert(1)".to_owned()),
        localized: [("client_name#de-AT".to_owned(), "Der Laden".into())].into_iter().collect(),
        ..ClientMetadata::default()
    };
    let app = server.client("shop").metadata(metadata).create().await;
    let browser = server.browser();
    let login = browser.follow(&app.authorize_url()).await;
    let consent = sign_in(&login).await;
    let choice = browser.follow(&app.authorize().with("prompt", "select_account").url()).await;
    for (page, says) in [(login, "Sign in"), (consent, "Do you agree?"), (choice, "Choose an account")] {
        page.assert_page(200, says);
        let html = page.answer().text();
        assert!(html.contains(r#"href="https://shop.example""#), "{html}");
        assert!(html.contains(r#"href="https://shop.example/policy""#), "{html}");
        // Whatever got past the doors of the store is still no link.
        assert!(!html.contains("javascript:") && !html.contains("Terms of use"), "{html}");
    }
    let german = app.authorize().with("prompt", "login").with("ui_locales", "de").url();
    browser.follow(&german).await.assert_page(200, "und weiter zu Der Laden");
}

#[both_engines]
async fn az1_an_interaction_belongs_to_one_browser_and_ends_once() {
    let server = TestServer::start().await;
    server.user("alice").create().await;
    let app = server.client("shop").first_party().create().await;
    let browser = server.browser();
    let page = browser.follow(&app.authorize_url()).await;
    let address = page.trail[0].location().to_owned();
    assert!(address.starts_with("/interaction/") && address.len() == "/interaction/".len() + 54);

    // Another browser, one with another id, and edited addresses gain nothing.
    let other = server.browser();
    other.open("/login").await;
    for stranger in [server.browser(), other] {
        stranger.open(&address).await.assert_page(400, EXPIRED);
    }
    let flipped = if address.ends_with('A') { "Q" } else { "A" };
    for edited in [
        format!("{}{flipped}", &address[..address.len() - 1]),
        address[..address.len() - 1].to_owned(),
        format!("{address}A"),
        "/interaction/x".to_owned(),
    ] {
        browser.open(&edited).await.assert_page(400, EXPIRED);
    }

    // Reload shows the page again; what the address says beside the handle is nothing.
    for same in [address.clone(), format!("{address}?client_id=evil&redirect_uri=https://evil.example/")] {
        browser.open(&same).await.assert_page(200, "Sign in");
    }
    let form = [("client_id", "evil"), ("redirect_uri", "https://evil.example/"), ("scope", "openid phone")];
    let csrf = &page.forms()[0].fields[0].1;
    let fields =
        [&[("csrf", csrf.as_str()), ("username", "alice"), ("password", PASSWORD)][..], &form].concat();
    let visit = browser.post(Site::Own, &address, &fields).await;
    assert!(visit.away().starts_with("https://shop.example/callback?"));

    // It is over: back and replay show that, and give no second code.
    let before = server.state();
    browser.open(&address).await.assert_page(400, EXPIRED);
    browser.post(Site::Own, &address, &fields).await.assert_page(400, EXPIRED);
    assert_eq!(server.state(), before);
    app.redeem(&visit.code()).await.ok();
}

#[both_engines]
async fn az1_an_interaction_ends_after_half_an_hour_to_the_millisecond() {
    let server = TestServer::start().await;
    server.user("alice").create().await;
    let app = server.client("shop").first_party().create().await;
    let browser = server.browser();
    let page = browser.follow(&app.authorize_url()).await;
    let address = page.trail[0].location().to_owned();

    server.clock().advance_ms(30 * 60 * 1_000 - 1);
    browser.open(&address).await.assert_page(200, "Sign in");
    server.clock().advance_ms(1);
    browser.open(&address).await.assert_page(400, EXPIRED);
    sign_in(&page).await.assert_page(400, EXPIRED);
    assert!(!browser.is_signed_in().await);
}

#[both_engines]
async fn a_cancelled_sign_in_tells_the_client() {
    let server = TestServer::start().await;
    let app = server.client("shop").create().await;
    let page = server.browser().follow(&app.authorize_url()).await;
    let visit = page.submit(&[("cancel", "1")]).await;
    assert_eq!(visit.trail.len(), 1);
    visit.trail[0].assert_status(303);
    visit.assert_refused("access_denied");
    page.submit(&[("cancel", "1")]).await.assert_page(400, EXPIRED);
}

#[both_engines]
async fn a_wrong_password_shows_the_page_again_with_the_name() {
    let server = TestServer::start().await;
    server.user("alice").create().await;
    let app = server.client("shop").first_party().create().await;
    let browser = server.browser();
    let page = browser.follow(&app.authorize_url()).await;
    let before = server.state();
    let again = page.submit(&[("username", "alice"), ("password", "not her password")]).await;
    again.assert_page(401, "Username and password do not match.");
    again.answer().assert_no_echo("not her password");
    assert_eq!(again.forms()[0].fields[1], ("username".to_owned(), "alice".to_owned()));
    assert_eq!(server.state(), before);
    assert_eq!(server.count_events(EventKind::SignInRefused).await, 1);
    sign_in(&again).await.code();
}

#[both_engines]
async fn g5_what_is_switched_off_in_the_middle_stops_the_flow() {
    let server = TestServer::start().await;
    let alice = server.user("alice").create().await;
    let app = server.client("shop").first_party().create().await;

    // The client, while the page is open.
    let page = server.browser().follow(&app.authorize_url()).await;
    let disabled = app.change(|client| client.disabled = true).await;
    sign_in(&page).await.assert_page(400, EXPIRED);
    let app = disabled.change(|client| client.disabled = false).await;

    // Its redirect URI.
    let page = server.browser().follow(&app.authorize_url()).await;
    let moved =
        app.change(|client| client.redirect_uris = vec!["https://elsewhere.example/".to_owned()]).await;
    sign_in(&page).await.assert_page(400, EXPIRED);
    let uris = app.record.redirect_uris.clone();
    let app = moved.change(|client| client.redirect_uris = uris).await;

    // The user.
    let page = server.browser().follow(&app.authorize_url()).await;
    let now = server.clock().now();
    server.write(move |tx| tx.set_user_status(alice.id, UserStatus::Locked, now)).await;
    sign_in(&page).await.assert_page(401, "Username and password do not match.");
}

#[both_engines]
async fn g3_of_parallel_ends_of_one_interaction_one_gets_the_code() {
    let server = TestServer::start().await;
    let app = server.client("shop").create().await;
    let browser = server.browser().log_in("alice").await;
    let page = browser.follow(&app.authorize_url()).await;
    let address = page.trail[0].location().to_owned();
    let csrf = page.forms()[0].fields[0].1.clone();

    let visits: Vec<_> = (0..20)
        .map(|_| {
            let (browser, address, csrf) = (browser.clone(), address.clone(), csrf.clone());
            tokio::spawn(async move {
                browser.post(Site::Own, &address, &[("csrf", csrf.as_str()), ("decision", "yes")]).await
            })
        })
        .collect();
    let mut codes = 0;
    for visit in visits {
        let visit = visit.await.expect("no panic");
        if visit.is_away() {
            visit.code();
            codes += 1;
        } else {
            visit.assert_page(400, EXPIRED);
        }
    }
    assert_eq!(codes, 1);
}

#[both_engines]
async fn do3_the_oldest_interactions_go_when_there_are_too_many() {
    use authmachine_server::oidc::authorize::MAX_INTERACTIONS;
    let server = TestServer::start().await;
    let app = server.client("shop").create().await;
    let browser = server.browser();
    let mut addresses = Vec::new();
    for _ in 0..5 {
        addresses.push(browser.follow(&app.authorize_url()).await.trail[0].location().to_owned());
    }
    const { assert!(MAX_INTERACTIONS <= 100_000, "a stranger fills no more than this") };
    // The same rule with a smaller number: the two that are left are the newest.
    server.write(|tx| tx.evict_interactions(2)).await;
    for (n, address) in addresses.iter().enumerate() {
        let status = browser.open(address).await.answer().status.as_u16();
        assert_eq!(status, if n < 3 { 400 } else { 200 }, "{n}");
    }
}
