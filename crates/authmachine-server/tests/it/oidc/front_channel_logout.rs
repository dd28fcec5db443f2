//! Telling clients through frames that a session has ended (OpenID Connect Front-Channel Logout 1.0; checklist LO6, CS3).

use authmachine_protocol::form;
use authmachine_provider::client_metadata::ClientMetadata;
use authmachine_provider::event::EventKind;
use authmachine_testkit::{Answer, Browser, ClientApp, Site, TestServer, both_engines, unescape};

const SIGNED_OUT: &str = "You are signed out";

/// A client that is told in a frame at `uri`.
async fn framed(server: &TestServer, client_id: &str, uri: &str) -> ClientApp {
    let frontchannel_logout_uri = Some(uri.to_owned());
    let metadata = ClientMetadata {
        frontchannel_logout_uri,
        frontchannel_logout_session_required: true,
        ..ClientMetadata::default()
    };
    server.client(client_id).metadata(metadata).create().await
}

async fn id_token(browser: &Browser, app: &ClientApp) -> String {
    let tokens = app.redeem(&browser.authorize(app).await.code()).await.ok();
    tokens.id_token().to_owned()
}

/// The attribute of each tag of a page that begins with `start`.
fn attributes(page: &str, start: &str) -> Vec<String> {
    page.split(start).skip(1).map(|rest| unescape(rest.split('"').next().unwrap_or_default())).collect()
}

fn frames(answer: &Answer) -> Vec<String> {
    let mut frames = attributes(answer.assert_status(200).text(), "<iframe src=\"");
    frames.sort();
    frames
}

fn policy(answer: &Answer, directive: &str) -> Vec<String> {
    let policy = answer.header("content-security-policy").expect("there is a policy");
    let found = policy.split("; ").find_map(|part| part.strip_prefix(directive)?.strip_prefix(' '));
    found.unwrap_or_default().split(' ').map(str::to_owned).collect()
}

#[both_engines]
async fn lo6_the_clients_of_the_session_are_framed_at_their_registered_addresses() {
    let server = TestServer::start().await;
    let shop = framed(&server, "shop", "https://shop.example/out?x=%7e&y").await;
    let wiki = framed(&server, "wiki", "https://WIKI.example:8443/out").await;
    let second = framed(&server, "second", "https://shop.example/other/out").await;
    let local = framed(&server, "local", "http://[::1]:5000/out").await;
    let off = framed(&server, "off", "https://off.example/out").await;
    let untold = server.client("untold").create().await;
    framed(&server, "elsewhere", "https://elsewhere.example/out").await;
    let browser = server.browser().log_in("alice").await;
    for app in [&wiki, &second, &local, &off, &untold] {
        browser.authorize(app).await.code();
    }
    let hint = id_token(&browser, &shop).await;
    off.change(|client| client.disabled = true).await;

    let uri = shop.post_logout_redirect_uri();
    let state = "a state +%26/ä=";
    let params = [("id_token_hint", hint.as_str()), ("post_logout_redirect_uri", uri), ("state", state)];
    let visit = browser.follow(&format!("/oidc/logout?{}", form::encode(params))).await;
    let page = visit.answer();
    page.assert_page(200, "The shop app");
    let sid = server.verify(&hint).await["sid"].as_str().expect("there is a sid").to_owned();
    let query = form::encode([("iss", server.issuer()), ("sid", sid.as_str())]);
    assert_eq!(
        frames(page),
        [
            format!("https://WIKI.example:8443/out?{query}"),
            format!("https://shop.example/other/out?{query}"),
            format!("https://shop.example/out?x=%7e&y&{query}"),
        ]
    );
    assert_eq!(policy(page, "frame-src"), ["https://shop.example", "https://wiki.example:8443"]);
    assert_eq!(policy(page, "frame-ancestors"), ["'none'"]);
    assert_eq!(policy(page, "script-src"), ["'self'"]);
    // It goes on as the plain redirect does.
    let goes_on = attributes(page.text(), "id=\"continue\" href=\"");
    assert_eq!(goes_on, [format!("{uri}?{}", form::encode([("state", state)]))]);
    assert!(browser.cookie("session").is_none() && browser.cookie("state").is_none());
    assert!(!browser.is_signed_in().await);
    assert_eq!(server.count_events(EventKind::SignOut).await, 1);
    // The session is over: nobody is told again, and the app gets its answer.
    let again = browser.follow(&format!("/oidc/logout?{}", form::encode(params))).await;
    assert!(again.away().starts_with(uri));
}

#[both_engines]
async fn lo6_every_door_in_a_browser_tells_them() {
    let server = TestServer::start().await;
    let app = framed(&server, "shop", "https://shop.example/out").await;
    let signed_in = async || {
        let browser = server.browser().log_in("alice").await;
        let hint = id_token(&browser, &app).await;
        (browser, hint)
    };
    let check = |answer: &Answer| {
        answer.assert_page(200, SIGNED_OUT);
        assert_eq!(frames(answer).len(), 1);
        assert_eq!(policy(answer, "frame-src"), ["https://shop.example"]);
        assert!(attributes(answer.text(), "id=\"continue\" href=\"").is_empty(), "it stays");
    };

    let (browser, hint) = signed_in().await;
    check(browser.follow(&format!("/oidc/logout?id_token_hint={hint}")).await.answer());

    let (browser, _) = signed_in().await;
    let question = browser.follow("/oidc/logout").await;
    assert_eq!(frames(question.answer()), [""; 0]);
    assert_eq!(frames(question.submit(&[("decision", "no")]).await.answer()), [""; 0]);
    let question = browser.follow("/oidc/logout").await;
    check(question.submit(&[("decision", "yes")]).await.answer());
    assert!(browser.cookie("session").is_none());

    let (browser, _) = signed_in().await;
    let root = browser.open("/").await;
    let form = root.forms().into_iter().find(|form| form.action == "/logout").expect("a button");
    let fields: Vec<_> = form.fields.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    check(browser.post(Site::Own, "/logout", &fields).await.answer());
    assert!(browser.cookie("session").is_none());

    // A session that ended elsewhere: the apps in this browser have not heard of it.
    let (browser, hint) = signed_in().await;
    let elsewhere = server.browser().log_in("alice").await;
    let root = elsewhere.open("/").await;
    let form = root.forms().into_iter().find(|form| form.action.ends_with("/end-others")).expect("a button");
    let fields: Vec<_> = form.fields.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    elsewhere.post(Site::Own, &form.action, &fields).await;
    check(browser.follow(&format!("/oidc/logout?id_token_hint={hint}")).await.answer());
}

#[both_engines]
async fn cs3_a_frame_or_picture_from_elsewhere_signs_nobody_out() {
    let server = TestServer::start().await;
    let app = framed(&server, "shop", "https://shop.example/out").await;
    let browser = server.browser().log_in("alice").await;
    let hint = id_token(&browser, &app).await;
    for (mode, dest) in [("navigate", "iframe"), ("no-cors", "image"), ("cors", "empty")] {
        let page = browser
            .with("sec-fetch-mode", mode)
            .with("sec-fetch-dest", dest)
            .follow(&format!("/oidc/logout?id_token_hint={hint}"))
            .await;
        page.assert_page(200, "Sign out?");
        assert_eq!(frames(page.answer()), [""; 0]);
    }
    assert!(browser.is_signed_in().await);
}

#[both_engines]
async fn each_client_is_told_of_the_session_by_the_name_that_it_knows() {
    let server = TestServer::start().await;
    let shop = framed(&server, "shop", "https://shop.example/out").await;
    let shop = shop.change(|client| client.sector = Some("shop.example".to_owned())).await;
    let browser = server.browser().log_in("alice").await;
    let hint = id_token(&browser, &shop).await;
    let sid = server.verify(&hint).await["sid"].as_str().expect("there is a sid").to_owned();
    let visit = browser.follow(&format!("/oidc/logout?id_token_hint={hint}")).await;
    let query = form::encode([("iss", server.issuer()), ("sid", sid.as_str())]);
    assert_eq!(frames(visit.answer()), [format!("https://shop.example/out?{query}")]);
}
