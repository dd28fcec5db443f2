//! `session_state`, the cookie behind it and the frame that compares them (OpenID Connect Session Management 1.0; checklist SE1, HD1).

use std::collections::BTreeMap;

use authmachine_protocol::{ResponseType, redirect_uri};
use authmachine_provider::session_state::session_state;
use authmachine_testkit::{Browser, ClientApp, PASSWORD, Site, TestServer, both_engines};

/// Whether the session frame in `browser` calls a `session_state` unchanged: it hashes the cookie as it is.
fn is_unchanged(browser: &Browser, app: &ClientApp, given: &str) -> bool {
    let (hash, salt) = given.split_once('.').expect("a hash and a salt");
    let plain = |text: &str| text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_');
    assert!(hash.len() == 43 && plain(hash) && salt.len() >= 16 && plain(salt), "{given}");
    let origin = redirect_uri::origin(app.redirect_uri()).expect("a web address");
    let kept = browser.cookie("state").map(|cookie| cookie.value).unwrap_or_default();
    session_state(app.id(), &origin, &kept, salt) == given
}

#[track_caller]
fn of(params: &BTreeMap<String, String>) -> &str {
    params.get("session_state").unwrap_or_else(|| panic!("there is a session_state: {params:?}"))
}

#[both_engines]
async fn every_answer_has_a_session_state_that_fits_the_browser() {
    let server = TestServer::start_with(|settings| settings.implicit = true).await;
    let app = server.client("shop").response_types(ResponseType::ALL).create().await;
    let (signed_in, stranger) = (server.browser().log_in("alice").await, server.browser());
    signed_in.authorize(&app).await.code();
    let mut seen = Vec::new();
    for response_type in ResponseType::ALL {
        let request = app.authorize().with("response_type", response_type.as_str());
        let posted = request.clone().with("response_mode", "form_post");
        for (browser, url) in [
            (&signed_in, request.url()),
            (&stranger, request.clone().with("prompt", "none").url()),
            (&signed_in, request.with("prompt", "none login").url()),
        ] {
            let visit = browser.authorize_with(&url).await;
            seen.push(of(&visit.params()).to_owned());
            assert!(is_unchanged(browser, &app, of(&visit.params())), "{url}");
        }
        let (_, fields) = signed_in.authorize_with(&posted.url()).await.form_post();
        assert!(is_unchanged(&signed_in, &app, of(&fields)));
        seen.push(of(&fields).to_owned());
    }
    // The person refuses.
    let login = stranger.follow(&app.authorize_url()).await;
    let refused = login.submit(&[("cancel", "1")]).await;
    refused.assert_refused("access_denied");
    assert!(is_unchanged(&stranger, &app, of(&refused.params())));
    // Each has a salt of its own, and says nothing of the session.
    seen.sort();
    let count = seen.len();
    seen.dedup();
    assert_eq!(seen.len(), count);

    // An installed app has no page that could ask.
    let native = server.client("native").native().redirect_uris(&["com.example.app:/cb"]).create().await;
    assert!(!signed_in.authorize(&native).await.params().contains_key("session_state"));
}

#[both_engines]
async fn se1_the_browser_state_changes_with_the_session_and_not_before() {
    let server = TestServer::start().await;
    let app = server.client("shop").create().await;
    for name in ["alice", "bob"] {
        server.user(name).create().await;
    }
    let browser = server.browser();
    browser.sign_in("alice", PASSWORD).await;
    let first = of(&browser.authorize(&app).await.params()).to_owned();
    let silent = app.authorize().with("prompt", "none").url();
    server.clock().advance(120);
    let second = of(&browser.follow(&silent).await.params()).to_owned();
    assert!(is_unchanged(&browser, &app, &first) && is_unchanged(&browser, &app, &second));

    // Another proof, then another person, in the same browser.
    let sign_in = async |name: &str| {
        let page = browser.follow(&app.authorize().with("prompt", "login").url()).await;
        let next = page.submit(&[("username", name), ("password", PASSWORD)]).await;
        let next = if next.is_away() { next } else { next.submit(&[("decision", "yes")]).await };
        of(&next.params()).to_owned()
    };
    let again = sign_in("alice").await;
    assert!(!is_unchanged(&browser, &app, &first) && is_unchanged(&browser, &app, &again));
    let of_bob = sign_in("bob").await;
    assert!(!is_unchanged(&browser, &app, &again) && is_unchanged(&browser, &app, &of_bob));

    browser.sign_out().await;
    assert!(browser.cookie("state").is_none());
    assert!(!is_unchanged(&browser, &app, &of_bob));
    let signed_out = browser.follow(&silent).await;
    signed_out.assert_refused("login_required");
    assert!(is_unchanged(&browser, &app, of(&signed_out.params())));
}

#[both_engines]
async fn a_session_that_ended_elsewhere_is_seen_at_the_next_answer() {
    let server = TestServer::start().await;
    let app = server.client("shop").create().await;
    let browser = server.browser().log_in("alice").await;
    let given = of(&browser.authorize(&app).await.params()).to_owned();
    let elsewhere = server.browser().log_in("alice").await;
    let root = elsewhere.open("/").await;
    let form = root.forms().into_iter().find(|form| form.action.ends_with("/end-others")).expect("a button");
    let fields: Vec<_> = form.fields.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    elsewhere.post(Site::Own, &form.action, &fields).await;

    let visit = browser.follow(&app.authorize().with("prompt", "none").url()).await;
    visit.assert_refused("login_required");
    assert!(is_unchanged(&browser, &app, of(&visit.params())) && !is_unchanged(&browser, &app, &given));
    assert!(browser.cookie("state").is_none());
}

#[both_engines]
async fn se1_a_foreign_frame_that_has_one_cookie_without_the_other_changes_nothing() {
    let server = TestServer::start().await;
    let app = server.client("shop").create().await;
    let browser = server.browser().log_in("alice").await;
    let given = of(&browser.authorize(&app).await.params()).to_owned();
    // Browsers keep `Lax` cookies back there.
    let frame = browser.copy();
    frame.lose_cookie("session");
    let visit = frame.follow(&app.authorize().with("prompt", "none").url()).await;
    visit.assert_refused("login_required");
    assert!(is_unchanged(&frame, &app, &given) && is_unchanged(&frame, &app, of(&visit.params())));
    // It has no authority: whoever has it alone is nobody.
    assert!(!frame.is_signed_in().await);
    // A browser that lost it, or has another's, gets its own back.
    for kept in ["", "0123456789abcdef0123456789abcdef"] {
        browser.set_cookie("state", kept);
        let visit = browser.follow(&app.authorize().with("prompt", "none").url()).await;
        assert!(is_unchanged(&browser, &app, of(&visit.params())) && is_unchanged(&browser, &app, &given));
    }
}

#[both_engines]
async fn hd1_the_session_frame_may_be_framed_by_clients_and_by_nobody_else() {
    let server = TestServer::start().await;
    let policy = async || {
        let frame = server.get("/oidc/check_session").send().await;
        assert_eq!(frame.assert_status(200).header("cross-origin-resource-policy"), Some("cross-origin"));
        assert!(!frame.headers.contains_key("cross-origin-opener-policy"));
        assert!(!frame.headers.contains_key("x-frame-options"));
        frame.header("content-security-policy").expect("there is a policy").to_owned()
    };
    const REST: &str = "default-src 'none'; script-src 'self'; base-uri 'none'; form-action 'none'";
    assert_eq!(policy().await, format!("{REST}; frame-ancestors 'none'"));
    let app = server.client("shop").create().await;
    server
        .client("wiki")
        .redirect_uris(&["https://WIKI.example:8443/a", "https://WIKI.example:8443/b"])
        .create()
        .await;
    server.client("native").native().redirect_uris(&["com.example.app:/cb"]).create().await;
    let all = "https://shop.example https://wiki.example:8443";
    assert_eq!(policy().await, format!("{REST}; frame-ancestors {all}"));
    app.change(|client| client.disabled = true).await;
    assert_eq!(policy().await, format!("{REST}; frame-ancestors https://wiki.example:8443"));

    let browser = server.browser().log_in("alice").await;
    let frame = browser.open("/oidc/check_session").await;
    let cookie = browser.cookie("state").expect("signed in").name;
    assert!(frame.answer().text().contains(&format!("data-cookie=\"{cookie}\"")));
}
