//! Pairwise subjects (OIDC Core §8): what one sector's clients know somebody by says nothing to another's.

use authmachine_protocol::form;
use authmachine_testkit::{Browser, ClientApp, TestServer, Tokens, both_engines};
use serde_json::{Map, Value, json};

async fn pairwise(server: &TestServer, client_id: &str, sector: &str) -> ClientApp {
    server.client(client_id).pairwise(sector).create().await
}

async fn tokens(browser: &Browser, app: &ClientApp) -> Tokens {
    app.redeem(&browser.authorize(app).await.code()).await.ok()
}

async fn claims(server: &TestServer, tokens: &Tokens) -> Map<String, Value> {
    server.verify(tokens.id_token()).await
}

#[both_engines]
async fn a_user_is_one_in_a_sector_and_somebody_else_in_the_next() {
    let server = TestServer::start().await;
    let shop = pairwise(&server, "shop", "shop.example").await;
    let twin = pairwise(&server, "twin", "shop.example").await;
    let other = pairwise(&server, "other", "other.example").await;
    let public = server.client("public").create().await;
    let (alice, bob) = (server.browser().log_in("alice").await, server.browser().log_in("bob").await);
    let mut seen = Vec::new();
    for (browser, app) in
        [(&alice, &shop), (&alice, &twin), (&alice, &other), (&alice, &public), (&bob, &shop)]
    {
        let claims = claims(&server, &tokens(browser, app).await).await;
        seen.push((claims["sub"].clone(), claims["sid"].clone()));
    }
    let [at_shop, at_twin, at_other, at_public, bob_at_shop] = &seen[..] else { unreachable!() };
    assert_eq!(at_shop, at_twin);
    let subs = [&at_shop.0, &at_other.0, &at_public.0, &bob_at_shop.0];
    let sids = [&at_shop.1, &at_other.1, &at_public.1, &bob_at_shop.1];
    for all in [subs, sids] {
        for (i, one) in all.iter().enumerate() {
            assert!(all.iter().skip(i + 1).all(|another| one != another), "{all:?}");
        }
    }
    assert_eq!(at_public.0, server.find_user("alice").await.expect("made").sub);

    // Signed in anew, it is the same person.
    let again = claims(&server, &tokens(&server.browser().log_in("alice").await, &shop).await).await;
    assert_eq!(again["sub"], at_shop.0);
    assert_ne!(again["sid"], at_shop.1);
}

#[both_engines]
async fn tk4_every_answer_to_a_client_has_its_own_form() {
    let server = TestServer::start_with(|settings| settings.implicit = true).await;
    let app = server
        .client("shop")
        .pairwise("shop.example")
        .response_types(authmachine_protocol::ResponseType::ALL)
        .create()
        .await;
    let browser = server.browser().log_in("alice").await;
    let user = server.find_user("alice").await.expect("made");
    let tokens = tokens(&browser, &app).await;
    let in_id_token = claims(&server, &tokens).await;
    let sub = in_id_token["sub"].as_str().expect("a string");
    assert_ne!(sub, user.sub);

    let userinfo = app.userinfo(&tokens.access_token).await.ok();
    assert_eq!((userinfo["sub"].as_str(), userinfo.get("id")), (Some(sub), None));
    for token in [tokens.access_token.as_str(), tokens.refresh_token()] {
        assert_eq!(app.introspect(token).await.ok()["sub"], sub);
    }
    let refreshed = app.refresh(tokens.refresh_token()).await.ok();
    let refreshed = claims(&server, &refreshed).await;
    for same in ["iss", "sub", "aud", "auth_time", "sid"] {
        assert_eq!(refreshed[same], in_id_token[same], "{same}: OIDC Core §12.2");
    }
    let url = app.authorize().with("response_type", "id_token").url();
    let through_browser = browser.follow(&url).await.params();
    let through_browser = server.verify(&through_browser["id_token"]).await;
    assert_eq!(
        (&through_browser["sub"], &through_browser["sid"]),
        (&in_id_token["sub"], &in_id_token["sid"])
    );

    // Our own books know one person.
    let events = server.events().await;
    assert!(events.iter().any(|event| event.user.as_deref() == Some(user.sub.as_str())));
    assert!(!format!("{events:?}").contains(sub));
}

#[both_engines]
async fn az4_a_hint_or_a_sub_is_meant_in_the_form_of_its_client() {
    let server = TestServer::start().await;
    let shop = pairwise(&server, "shop", "shop.example").await;
    let browser = server.browser().log_in("alice").await;
    let tokens = tokens(&browser, &shop).await;
    let sub = claims(&server, &tokens).await["sub"].as_str().expect("a string").to_owned();
    let own = server.find_user("alice").await.expect("made").sub;

    let silent = || shop.authorize().with("prompt", "none");
    let hinted = silent().with("id_token_hint", tokens.id_token());
    browser.follow(&hinted.url()).await.code();
    let stranger = server.browser().log_in("bob").await;
    stranger.authorize(&shop).await.code();
    stranger.follow(&hinted.url()).await.assert_refused("login_required");

    let claimed = |value: &str| {
        let claims = json!({ "id_token": { "sub": { "value": value } } }).to_string();
        silent().with("claims", &claims).url()
    };
    browser.follow(&claimed(&sub)).await.code();
    browser.follow(&claimed(&own)).await.assert_refused("login_required");
    stranger.follow(&claimed(&sub)).await.assert_refused("login_required");
}

#[both_engines]
async fn lo1_a_logout_knows_the_session_by_the_hint_s_own_sid() {
    let server = TestServer::start().await;
    let shop = pairwise(&server, "shop", "shop.example").await;
    let browser = server.browser().log_in("alice").await;
    let hint = tokens(&browser, &shop).await;
    let logout = |hint: &str| {
        let fields = [("id_token_hint", hint), ("post_logout_redirect_uri", shop.post_logout_redirect_uri())];
        format!("/oidc/logout?{}", form::encode(fields))
    };
    let elsewhere = server.browser().log_in("alice").await;
    elsewhere.follow(&logout(hint.id_token())).await.assert_page(200, "Sign out?");

    // In another sector the session has another sid: what was a hint before the change is none of this session.
    let moved = shop.change(|client| client.sector = Some("moved.example".to_owned())).await;
    browser.follow(&logout(hint.id_token())).await.assert_page(200, "Sign out?");
    moved.change(|client| client.sector = Some("shop.example".to_owned())).await;
    assert!(browser.follow(&logout(hint.id_token())).await.is_away());
    assert!(!browser.is_signed_in().await);
}

#[both_engines]
async fn a_first_party_client_is_never_pairwise() {
    let server = TestServer::start().await;
    let ours = server.client("ours").first_party().pairwise("shop.example").create().await;
    let tokens = tokens(&server.browser().log_in("alice").await, &ours).await;
    let sub = server.find_user("alice").await.expect("made").sub;
    assert_eq!(claims(&server, &tokens).await["sub"], sub);
    let userinfo = ours.userinfo(&tokens.access_token).await.ok();
    assert_eq!((&userinfo["sub"], &userinfo["id"]), (&json!(sub), &json!(sub)));
}
