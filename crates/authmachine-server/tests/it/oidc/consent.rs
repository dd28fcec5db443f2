//! Consent: exact, standing, asked again when more is wanted (checklist AZ3).

use authmachine_provider::event::EventKind;
use authmachine_testkit::{ClientApp, PASSWORD, Site, TestServer, both_engines};
use serde_json::json;

const QUESTION: &str = "Do you agree?";

#[both_engines]
async fn az3_the_page_says_who_asks_for_what_and_a_yes_stands() {
    let server = TestServer::start().await;
    let app = server.client("guest").scopes("openid profile email phone").create().await;
    let browser = server.browser().log_in("alice").await;

    let page = browser.follow(&app.authorize().with("scope", "openid email").url()).await;
    page.assert_page(200, QUESTION);
    for words in [
        "The guest app",
        "alice",
        "recognise you when you come back",
        "see your email address",
        "https://guest.example",
    ] {
        page.assert_page(200, words);
    }
    assert!(!page.answer().text().contains("phone"), "only what is asked for");
    let visit = page.submit(&[("decision", "yes")]).await;
    assert_eq!(app.redeem(&visit.code()).await.ok().scope, "openid email");
    assert_eq!(server.count_events(EventKind::ConsentGiven).await, 1);

    // The same client, the same or fewer scopes, the same person: not asked again, in any browser.
    browser.follow(&app.authorize().with("scope", "openid email").url()).await.code();
    browser.follow(&app.authorize().with("scope", "openid").url()).await.code();
    server
        .browser()
        .log_in("alice")
        .await
        .follow(&app.authorize().with("scope", "openid email").with("prompt", "none").url())
        .await
        .code();

    // Another person, another client, one more scope: asked.
    server
        .browser()
        .log_in("bob")
        .await
        .follow(&app.authorize().with("scope", "openid email").url())
        .await
        .assert_page(200, QUESTION);
    let other = server.client("other").create().await;
    browser.follow(&other.authorize_url()).await.assert_page(200, QUESTION);
    let wider = app.authorize().with("scope", "openid email phone");
    browser.follow(&wider.clone().with("prompt", "none").url()).await.assert_refused("consent_required");
    let page = browser.follow(&wider.url()).await;
    page.assert_page(200, "see your phone number");
    page.submit(&[("decision", "yes")]).await.code();
    // What was allowed before still is.
    browser.follow(&app.authorize().with("scope", "openid email").with("prompt", "none").url()).await.code();
}

#[both_engines]
async fn az3_anything_but_a_yes_is_no() {
    let server = TestServer::start().await;
    let app = server.client("guest").create().await;
    let browser = server.browser().log_in("alice").await;
    let page = browser.follow(&app.authorize_url()).await;
    let (address, csrf) = (page.trail[0].location().to_owned(), page.forms()[0].fields[0].1.clone());
    let before = server.state();
    for decision in ["", "YES", "yes ", "true", "1", "maybe"] {
        let visit =
            browser.post(Site::Own, &address, &[("csrf", csrf.as_str()), ("decision", decision)]).await;
        visit.assert_page(200, QUESTION);
    }
    assert_eq!(server.state(), before);
    // A yes without the page's token, or from elsewhere, is none.
    browser
        .post(Site::Own, &address, &[("decision", "yes")])
        .await
        .assert_page(403, "We cannot let you do that");
    let forged = [("csrf", csrf.as_str()), ("decision", "yes")];
    browser.post(Site::SameSite, &address, &forged).await.assert_page(403, "We cannot let you do that");
    browser.post(Site::Foreign, &address, &forged).await.answer().assert_status(400);
    assert_eq!(server.state(), before);

    page.submit(&[("decision", "no")]).await.assert_refused("access_denied");
    assert_eq!(server.count_events(EventKind::ConsentRefused).await, 1);
    browser.follow(&app.authorize().with("prompt", "none").url()).await.assert_refused("consent_required");
}

#[both_engines]
async fn az3_prompt_consent_asks_again_and_a_no_leaves_what_stands() {
    let server = TestServer::start().await;
    let app = server.client("guest").create().await;
    let browser = server.browser().log_in("alice").await;
    browser.authorize(&app).await.code();
    let page = browser.follow(&app.authorize().with("prompt", "consent").url()).await;
    page.assert_page(200, QUESTION);
    page.submit(&[("decision", "no")]).await.assert_refused("access_denied");
    browser.follow(&app.authorize_url()).await.code();
}

#[both_engines]
async fn az3_a_public_client_asks_each_time() {
    let server = TestServer::start().await;
    let app = server.client("spa").public().create().await;
    let browser = server.browser().log_in("alice").await;
    for _ in 0..2 {
        let page = browser.follow(&app.authorize_url()).await;
        page.assert_page(200, QUESTION);
        let code = page.submit(&[("decision", "yes")]).await.code();
        app.redeem(&code).await.ok();
    }
    browser.follow(&app.authorize().with("prompt", "none").url()).await.assert_refused("consent_required");
}

#[both_engines]
async fn az3_a_first_party_client_is_not_asked_about() {
    let server = TestServer::start().await;
    let app = server.client("portal").first_party().create().await;
    let browser = server.browser().log_in("alice").await;
    browser.follow(&app.authorize().with("prompt", "none").url()).await.code();
}

#[both_engines]
async fn az3_objects_and_claims_asked_for_by_name_are_part_of_the_question() {
    let server = TestServer::start().await;
    let app =
        server.client("guest").scopes("openid profile email").objects(&["object1", "object2"]).create().await;
    let browser = server.browser().log_in("alice").await;
    let asking = |claims: serde_json::Value| {
        app.authorize().with("scope", "openid").with("claims", &claims.to_string())
    };

    let page =
        browser.follow(&asking(json!({ "authmachine_permissions": ["object1", "unseen"] })).url()).await;
    page.assert_page(200, "object1");
    assert!(!page.answer().text().contains("unseen"), "what the client may not see is not asked for");
    page.submit(&[("decision", "yes")]).await.code();
    // One object more is one question more; the same is not.
    browser.follow(&asking(json!({ "authmachine_permissions": ["object1"] })).url()).await.code();
    browser
        .follow(&asking(json!({ "authmachine_permissions": ["object1", "object2"] })).url())
        .await
        .assert_page(200, "object2");

    // A claim by name wants its scope's consent.
    let page = browser.follow(&asking(json!({ "userinfo": { "email": null } })).url()).await;
    page.assert_page(200, "see your email address");
    let tokens = app.redeem(&page.submit(&[("decision", "yes")]).await.code()).await.ok();
    assert_eq!(tokens.scope, "openid");
    assert_eq!(app.userinfo(&tokens.access_token).await.ok()["email"], "alice@example.com");
}

#[both_engines]
async fn az3_another_account_can_be_chosen_on_the_question() {
    let server = TestServer::start().await;
    server.user("bob").create().await;
    let app = server.client("guest").create().await;
    let browser = server.browser().log_in("alice").await;
    let page = browser.follow(&app.authorize_url()).await.submit(&[("decision", "switch")]).await;
    page.assert_page(200, "Sign in");
    let page = page.submit(&[("username", "bob"), ("password", PASSWORD)]).await;
    page.assert_page(200, "bob");
    page.submit(&[("decision", "yes")]).await.code();
}

#[both_engines]
async fn az3_a_yes_counts_for_what_was_shown() {
    let server = TestServer::start().await;
    let app = server.client("guest").objects(&["object1"]).create().await;
    let browser = server.browser().log_in("alice").await;
    let asking = json!({ "authmachine_permissions": ["object1", "object2"] }).to_string();
    let page = browser.follow(&app.authorize().with("claims", &asking).url()).await;
    // Meanwhile the client may see more than the page said.
    app.change(|client| client.objects.push("object2".to_owned())).await;
    let page = page.submit(&[("decision", "yes")]).await;
    page.assert_page(200, QUESTION).assert_page(200, "object2");
    assert_eq!(server.count_events(EventKind::ConsentGiven).await, 0);
    page.submit(&[("decision", "yes")]).await.code();
}

#[both_engines]
async fn az3_consent_that_is_withdrawn_in_the_middle_is_missing() {
    let server = TestServer::start().await;
    let app = server.client("guest").create().await;
    let browser = server.browser().log_in("alice").await;
    let code = browser.authorize(&app).await.code();
    let (user, client) = (server.find_user("alice").await.expect("made").id, app.record.id);
    let now = server.clock().now();
    assert!(server.write(move |tx| tx.withdraw_consent(user, client, now)).await);
    app.redeem(&code).await.assert_error(400, "invalid_grant");
    browser.follow(&app.authorize_url()).await.assert_page(200, QUESTION);
}

#[both_engines]
async fn offline_access_wants_a_question_a_standing_yes_or_a_first_party() {
    let server = TestServer::start().await;
    let scopes = "openid offline_access";
    let guest = server.client("guest").scopes(scopes).create().await;
    let ours = server.client("ours").scopes(scopes).first_party().create().await;
    let browser = server.browser().log_in("alice").await;
    let scope_of = async |app: &ClientApp, url: String| {
        let code = browser.authorize_with(&url).await.code();
        app.redeem(&code).await.ok().scope
    };
    assert_eq!(scope_of(&guest, guest.authorize_url()).await, "openid");
    assert_eq!(scope_of(&guest, guest.authorize().with("prompt", "consent").url()).await, scopes);
    assert_eq!(scope_of(&guest, guest.authorize_url()).await, scopes, "it stands now");
    assert_eq!(scope_of(&ours, ours.authorize_url()).await, scopes);
    // Without the refresh token grant it means nothing.
    let without =
        ours.change(|client| client.grant_types.retain(|grant| grant.as_str() != "refresh_token")).await;
    assert_eq!(scope_of(&without, without.authorize_url()).await, "openid");
}

#[both_engines]
async fn az3_a_yes_counts_for_the_person_who_was_asked() {
    let server = TestServer::start().await;
    server.user("bob").create().await;
    let app = server.client("guest").create().await;
    let browser = server.browser().log_in("alice").await;
    let page = browser.follow(&app.authorize_url()).await;
    page.assert_page(200, "alice");

    // In another tab alice leaves and bob signs in. Her page is still open.
    browser.sign_out().await;
    browser.sign_in("bob", PASSWORD).await.assert_page(200, "Signed in as bob");
    let page = page.submit(&[("decision", "yes")]).await;

    page.assert_page(200, QUESTION).assert_page(200, "bob");
    assert_eq!(server.rows()["consents"].len(), 0);
    page.submit(&[("decision", "yes")]).await.code();
}

#[both_engines]
async fn az4_a_choice_counts_for_the_person_who_made_it() {
    let server = TestServer::start().await;
    server.user("bob").create().await;
    let app = server.client("ours").first_party().create().await;
    let browser = server.browser().log_in("alice").await;
    let page = browser.follow(&app.authorize().with("prompt", "select_account").url()).await;
    browser.sign_out().await;
    browser.sign_in("bob", PASSWORD).await;
    let page = page.submit(&[("decision", "continue")]).await;
    page.assert_page(200, "Choose an account").assert_page(200, "bob");
    page.submit(&[("decision", "continue")]).await.code();
}

#[both_engines]
async fn az3_a_yes_is_to_what_was_shown() {
    let server = TestServer::start().await;
    let app = server.client("guest").scopes("openid").create().await;
    let browser = server.browser().log_in("alice").await;
    let page = browser.follow(&app.authorize().with("scope", "openid email").url()).await;
    assert!(!page.answer().text().contains("email"));
    // While the page is open the client's registration widens. The request was narrowed when it came, and stays so.
    let app = app.change(|client| client.scopes.insert("email")).await;
    let visit = page.submit(&[("decision", "yes")]).await;
    assert_eq!(app.redeem(&visit.code()).await.ok().scope, "openid");
}
