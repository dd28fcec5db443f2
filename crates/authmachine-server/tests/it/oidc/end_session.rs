//! `/oidc/logout` (OpenID Connect RP-Initiated Logout 1.0, and the first-party rule of the contract).

use authmachine_protocol::form;
use authmachine_provider::event::EventKind;
use authmachine_testkit::{Browser, ClientApp, Site, TestServer, both_engines};

const QUESTION: &str = "Sign out?";
const SIGNED_OUT: &str = "You are signed out";

fn logout(params: &[(&str, &str)]) -> String {
    format!("/oidc/logout?{}", form::encode(params.iter().copied()))
}

async fn id_token(browser: &Browser, app: &ClientApp) -> String {
    let code = browser.authorize(app).await.code();
    app.redeem(&code).await.ok().id_token().to_owned()
}

#[both_engines]
async fn lo1_a_hint_shows_the_client_and_its_exact_address_is_followed() {
    let server = TestServer::start().await;
    let uris = ["https://shop.example/bye?x=%7e", "https://shop.example/bye"];
    let app = server.client("shop").post_logout_redirect_uris(&uris).create().await;
    let other = server.client("other").create().await;
    let browser = server.browser().log_in("alice").await;
    let hint = id_token(&browser, &app).await;
    let state = "a state +%26/ä=";

    // What is not registered for this client, byte for byte, is not followed: the person is asked.
    for uri in [
        "https://shop.example/bye?x=%7E",
        "https://shop.example/bye/",
        "https://shop.example",
        "https://SHOP.example/bye",
        "https://evil.example/",
        other.post_logout_redirect_uri(),
        app.redirect_uri(),
    ] {
        let visit =
            browser.follow(&logout(&[("id_token_hint", &hint), ("post_logout_redirect_uri", uri)])).await;
        visit.assert_page(200, QUESTION);
        visit.answer().assert_no_echo(uri);
    }
    let mismatch =
        [("id_token_hint", hint.as_str()), ("post_logout_redirect_uri", uris[0]), ("client_id", "other")];
    browser.follow(&logout(&mismatch)).await.assert_page(200, QUESTION);
    assert!(browser.is_signed_in().await);

    let params = [("id_token_hint", hint.as_str()), ("post_logout_redirect_uri", uris[0]), ("state", state)];
    let visit = browser.follow(&logout(&params)).await;
    let location = visit.trail[0].assert_status(303).location();
    assert_eq!(location, format!("{}&{}", uris[0], form::encode([("state", state)])));
    assert!(!browser.is_signed_in().await && browser.cookie("session").is_none());
    assert_eq!(server.count_events(EventKind::SignOut).await, 1);
}

#[both_engines]
async fn lo2_a_hint_acts_on_its_own_session_alone() {
    let server = TestServer::start().await;
    let app = server.client("shop").create().await;
    let uri = app.post_logout_redirect_uri();
    let alice = server.browser().log_in("alice").await;
    let hint = id_token(&alice, &app).await;
    let params = [("id_token_hint", hint.as_str()), ("post_logout_redirect_uri", uri)];

    // In bob's browser, and in another session of alice's, it asks.
    let bob = server.browser().log_in("bob").await;
    let again = server.browser().log_in("alice").await;
    for browser in [&bob, &again] {
        browser.follow(&logout(&params)).await.assert_page(200, QUESTION);
        assert!(browser.is_signed_in().await);
    }
    assert!(alice.is_signed_in().await);
    // Where nobody is signed in there is nothing to ask, and the app gets its answer.
    let visit = server.browser().follow(&logout(&params)).await;
    assert_eq!(visit.away(), uri);
    // An expired hint will do (RP-Initiated Logout §2).
    server.clock().advance(1_200);
    assert_eq!(alice.follow(&logout(&params)).await.away(), uri);
    assert!(!alice.is_signed_in().await);
}

#[both_engines]
async fn without_a_hint_a_client_that_is_not_ours_asks_and_ends_on_our_page() {
    let server = TestServer::start().await;
    let app = server.client("shop").create().await;
    let uri = app.post_logout_redirect_uri();
    let browser = server.browser().log_in("alice").await;
    let tokens = app.redeem(&browser.authorize(&app).await.code()).await.ok();

    for params in [
        &[("post_logout_redirect_uri", uri), ("client_id", "shop")][..],
        &[("post_logout_redirect_uri", uri)],
        &[("post_logout_redirect_uri", uri), ("revoke_tokens", "1")],
        &[],
    ] {
        let page = browser.follow(&logout(params)).await;
        page.assert_page(200, QUESTION);
        page.assert_page(200, "alice");
        let stay = page.submit(&[("decision", "no")]).await;
        stay.assert_page(200, "Signed in as alice");
    }
    let page = browser.follow(&logout(&[("client_id", "shop")])).await;
    page.assert_page(200, "The shop app");
    assert!(!app.is_revoked(&tokens.access_token).await);

    let page = browser.follow(&logout(&[("post_logout_redirect_uri", uri), ("client_id", "shop")])).await;
    let visit = page.submit(&[("decision", "yes")]).await;
    visit.assert_page(200, SIGNED_OUT);
    assert!(visit.trail[0].location().starts_with('/'), "never in a redirect");
    assert!(!browser.is_signed_in().await);
    assert!(!app.is_revoked(&tokens.access_token).await, "a plain end");
    browser.follow(&logout(&[("post_logout_redirect_uri", uri)])).await.assert_page(200, SIGNED_OUT);
}

#[both_engines]
async fn lo1_a_first_party_client_that_took_part_needs_no_hint() {
    let server = TestServer::start().await;
    let ours = server.client("ours").first_party().create().await;
    let idle = server.client("idle").first_party().create().await;
    let theirs = server.client("theirs").create().await;
    let browser = server.browser().log_in("alice").await;
    ours.redeem(&browser.authorize(&ours).await.code()).await.ok();
    browser.authorize(&theirs).await.code();

    for uri in [
        idle.post_logout_redirect_uri(),   // took no part in the session
        theirs.post_logout_redirect_uri(), // took part, and is not ours
        "https://ours.example/bye/",
        "https://ours.example/callback",
        "https://evil.example/",
    ] {
        browser.follow(&logout(&[("post_logout_redirect_uri", uri)])).await.assert_page(200, QUESTION);
        assert!(browser.is_signed_in().await, "{uri}");
    }
    let params = [("post_logout_redirect_uri", ours.post_logout_redirect_uri()), ("state", "s t")];
    let visit = browser.follow(&logout(&params)).await;
    assert_eq!(visit.away(), "https://ours.example/bye?state=s+t");
    assert!(!browser.is_signed_in().await);
}

#[both_engines]
async fn without_a_session_an_app_of_ours_still_gets_its_callback() {
    let server = TestServer::start().await;
    let ours = server.client("ours").first_party().create().await;
    let theirs = server.client("theirs").create().await;
    let uri = ours.post_logout_redirect_uri();
    let stranger = server.browser();
    assert_eq!(stranger.follow(&logout(&[("post_logout_redirect_uri", uri)])).await.away(), uri);
    for uri in [theirs.post_logout_redirect_uri(), "https://ours.example/bye/", "https://evil.example/"] {
        let visit = stranger.follow(&logout(&[("post_logout_redirect_uri", uri)])).await;
        visit.assert_page(200, SIGNED_OUT);
        visit.answer().assert_no_echo(uri);
    }
    ours.change(|client| client.disabled = true).await;
    stranger.follow(&logout(&[("post_logout_redirect_uri", uri)])).await.assert_page(200, SIGNED_OUT);
}

#[both_engines]
async fn of_apps_that_share_an_address_the_one_that_is_named_is_meant() {
    let server = TestServer::start().await;
    let shared = "https://portal.example/bye";
    for client_id in ["first", "second"] {
        server.client(client_id).first_party().post_logout_redirect_uris(&[shared]).create().await;
    }
    server.client("guest").post_logout_redirect_uris(&[shared]).create().await;
    for client_id in ["first", "second"] {
        let params = [("post_logout_redirect_uri", shared), ("client_id", client_id)];
        assert_eq!(server.browser().follow(&logout(&params)).await.away(), shared);
    }
    for client_id in ["guest", "nobody"] {
        let params = [("post_logout_redirect_uri", shared), ("client_id", client_id)];
        server.browser().follow(&logout(&params)).await.assert_page(200, "You are signed out");
    }
}

#[both_engines]
async fn an_expired_session_still_finds_its_tokens_for_revocation() {
    let server = TestServer::start().await;
    let ours = server.client("ours").first_party().scopes("openid offline_access").create().await;
    let browser = server.browser().log_in("alice").await;
    let tokens = ours.redeem(&browser.authorize(&ours).await.code()).await.ok();
    server.clock().advance(13 * 3_600);
    let fresh = ours.refresh(tokens.refresh_token()).await.ok();
    assert!(!browser.is_signed_in().await);

    let params = [("post_logout_redirect_uri", ours.post_logout_redirect_uri()), ("revoke_tokens", "1")];
    assert_eq!(browser.follow(&logout(&params)).await.away(), ours.post_logout_redirect_uri());

    assert!(ours.is_revoked(&fresh.access_token).await);
    ours.refresh(fresh.refresh_token()).await.assert_error(400, "invalid_grant");
}

#[both_engines]
async fn lo3_cs3_a_frame_a_picture_or_a_script_does_not_log_out() {
    let server = TestServer::start().await;
    let ours = server.client("ours").first_party().create().await;
    let browser = server.browser().log_in("alice").await;
    let tokens = ours.redeem(&browser.authorize(&ours).await.code()).await.ok();
    let uri = ours.post_logout_redirect_uri();
    let target = logout(&[("post_logout_redirect_uri", uri), ("revoke_tokens", "1")]);
    let with_hint = logout(&[("post_logout_redirect_uri", uri), ("id_token_hint", tokens.id_token())]);
    for (mode, dest) in [
        ("no-cors", "image"),
        ("no-cors", "script"),
        ("cors", "empty"),
        ("navigate", "iframe"),
        ("navigate", "frame"),
        ("navigate", "object"),
        ("nonsense", "document"),
    ] {
        for target in [&target, &with_hint] {
            let visit =
                browser.with("sec-fetch-mode", mode).with("sec-fetch-dest", dest).follow(target).await;
            visit.assert_page(200, QUESTION);
        }
        assert!(browser.is_signed_in().await, "{mode} {dest}");
        assert!(!ours.is_revoked(&tokens.access_token).await);
    }
    // A browser that sends none of these headers is taken at its word.
    let old = browser
        .without("sec-fetch-mode")
        .without("sec-fetch-dest")
        .without("sec-fetch-site")
        .without("sec-fetch-user");
    assert_eq!(old.follow(&target).await.away(), uri);
    assert!(!browser.is_signed_in().await);
}

#[both_engines]
async fn lo5_revoke_tokens_ends_all_of_this_session_and_none_of_the_others() {
    let server = TestServer::start().await;
    let one = server.client("one").first_party().create().await;
    let two = server.client("two").scopes("openid offline_access").create().await;
    let browser = server.browser().log_in("alice").await;
    let elsewhere = server.browser().log_in("alice").await;
    let of_one = one.redeem(&browser.authorize(&one).await.code()).await.ok();
    let offline = two.authorize().with("prompt", "consent").url();
    let of_two = two.redeem(&browser.authorize_with(&offline).await.code()).await.ok();
    let other = two.redeem(&elsewhere.authorize(&two).await.code()).await.ok();

    let params = [("post_logout_redirect_uri", one.post_logout_redirect_uri()), ("revoke_tokens", "1")];
    browser.follow(&logout(&params)).await.away();

    assert!(one.is_revoked(&of_one.access_token).await);
    assert!(two.is_revoked(&of_two.access_token).await);
    one.refresh(of_one.refresh_token()).await.assert_error(400, "invalid_grant");
    two.refresh(of_two.refresh_token()).await.assert_error(400, "invalid_grant");
    assert!(!two.is_revoked(&other.access_token).await);
    two.refresh(other.refresh_token()).await.ok();
    assert!(elsewhere.is_signed_in().await);
    assert_eq!(server.count_events(EventKind::SessionTokensRevoked).await, 1);
}

#[both_engines]
async fn revoke_tokens_is_the_word_1_and_nothing_else() {
    let server = TestServer::start().await;
    let ours = server.client("ours").first_party().create().await;
    for word in ["0", "true", "", "11"] {
        let browser = server.browser().log_in("alice").await;
        let tokens = ours.redeem(&browser.authorize(&ours).await.code()).await.ok();
        let params = [("post_logout_redirect_uri", ours.post_logout_redirect_uri()), ("revoke_tokens", word)];
        browser.follow(&logout(&params)).await.away();
        assert!(!ours.is_revoked(&tokens.access_token).await, "{word}");
        ours.refresh(tokens.refresh_token()).await.assert_error(400, "invalid_grant");
    }
}

#[both_engines]
async fn a_post_from_another_site_is_continued_by_a_get_and_then_follows_the_rules() {
    let server = TestServer::start().await;
    let ours = server.client("ours").first_party().create().await;
    let browser = server.browser().log_in("alice").await;
    browser.authorize(&ours).await.code();
    let params = [("post_logout_redirect_uri", ours.post_logout_redirect_uri())];
    let visit = browser.post(Site::Foreign, "/oidc/logout", &params).await;
    assert!(visit.trail[0].assert_status(303).location().starts_with("/oidc/logout?"));
    assert_eq!(visit.away(), ours.post_logout_redirect_uri());
    assert!(!browser.is_signed_in().await);
}

#[both_engines]
async fn cs1_the_question_wants_its_own_form() {
    let server = TestServer::start().await;
    let browser = server.browser().log_in("alice").await;
    let page = browser.follow("/oidc/logout").await;
    let csrf = page.forms()[0].fields[0].1.clone();
    let action = page.forms()[0].action.clone();
    let forbidden = "We cannot let you do that";
    let yes = ("decision", "yes");
    browser.post(Site::Own, &action, &[yes]).await.assert_page(403, forbidden);
    browser.post(Site::Own, &action, &[yes, ("csrf", "x")]).await.assert_page(403, forbidden);
    for site in [Site::SameSite, Site::Foreign] {
        browser.post(site, &action, &[yes, ("csrf", &csrf)]).await.assert_page(403, forbidden);
    }
    browser
        .with("origin", "https://evil.example")
        .post(Site::Own, &action, &[yes, ("csrf", &csrf)])
        .await
        .assert_page(403, forbidden);
    let stranger = server.browser().log_in("bob").await;
    stranger.open("/").await;
    stranger.post(Site::Own, &action, &[yes, ("csrf", &csrf)]).await.assert_page(403, forbidden);
    assert!(browser.is_signed_in().await && stranger.is_signed_in().await);
    browser.open(&action).await.answer().assert_status(405);
}

#[both_engines]
async fn bad_input_gets_a_page_and_ends_nothing() {
    let server = TestServer::start().await;
    let ours = server.client("ours").first_party().create().await;
    let browser = server.browser().log_in("alice").await;
    browser.authorize(&ours).await.code();
    let good = logout(&[("post_logout_redirect_uri", ours.post_logout_redirect_uri())]);
    let long = "s".repeat(2_049);
    for bad in [
        format!("{good}&state=%ff"),
        format!("{good}&state=1&state=2"),
        format!("{good}&post_logout_redirect_uri=https://evil.example/"),
        format!("{good}&state={long}"),
        format!("{good}&x=%"),
    ] {
        browser.follow(&bad).await.assert_page(400, "We did not understand that");
    }
    server
        .post("/oidc/logout")
        .body("application/json", "{}")
        .send()
        .await
        .assert_page(400, "We did not understand that");
    assert!(browser.is_signed_in().await);
}
