//! `/oidc/revoke` (RFC 7009).

use authmachine_provider::event::EventKind;
use authmachine_testkit::{TestServer, both_engines};

#[both_engines]
async fn tk8_a_revoked_access_token_is_dead_at_every_door_at_once() {
    let server = TestServer::start().await;
    let app = server.client("shop").first_party().create().await;
    let code = server.browser().log_in("alice").await.authorize(&app).await.code();
    let tokens = app.redeem(&code).await.ok();

    let answer = app.revoke(&tokens.access_token).await;
    assert!(answer.assert_status(200).body.is_empty());
    assert_eq!(answer.header("cache-control"), Some("no-store"));

    app.userinfo(&tokens.access_token).await.assert_error(401, "invalid_token");
    assert!(app.is_revoked(&tokens.access_token).await);
    assert!(!app.is_active(&tokens.access_token).await);
    assert_eq!(server.count_events(EventKind::TokenRevoked).await, 1);
    // The others of the grant live on; a second time is no error and no event.
    app.refresh(tokens.refresh_token()).await.ok();
    app.revoke(&tokens.access_token).await.assert_status(200);
    assert_eq!(server.count_events(EventKind::TokenRevoked).await, 1);
}

#[both_engines]
async fn a_revoked_refresh_token_takes_its_grant_with_it() {
    let server = TestServer::start().await;
    let app = server.client("shop").first_party().create().await;
    let browser = server.browser().log_in("alice").await;
    let first = app.redeem(&browser.authorize(&app).await.code()).await.ok();
    let other = app.redeem(&browser.authorize(&app).await.code()).await.ok();
    let second = app.refresh(first.refresh_token()).await.ok();

    app.revoke(second.refresh_token()).await.assert_status(200);

    for dead in [&first, &second] {
        assert!(app.is_revoked(&dead.access_token).await, "RFC 7009 §2.1");
    }
    app.refresh(second.refresh_token()).await.assert_error(400, "invalid_grant");
    app.refresh(other.refresh_token()).await.ok();
}

#[both_engines]
async fn tk5_only_own_tokens_are_revoked_and_the_answer_does_not_say() {
    let server = TestServer::start().await;
    let app = server.client("shop").first_party().create().await;
    let other = server.client("other").first_party().create().await;
    let public = server.client("spa").public().create().await;
    let tokens = app.redeem(&server.browser().log_in("alice").await.authorize(&app).await.code()).await.ok();
    let before = server.state();
    for (app, token) in [
        (&other, tokens.access_token.as_str()),
        (&other, tokens.refresh_token()),
        (&public, tokens.access_token.as_str()),
        (&app, "unknown"),
        (&app, tokens.id_token()),
        (&app, &tokens.access_token[..40]),
    ] {
        assert!(app.revoke(token).await.assert_status(200).body.is_empty());
    }
    assert_eq!(server.state(), before);
    assert_eq!(server.count_events(EventKind::TokenRevoked).await, 0);
    app.with_secret("wrong").revoke(&tokens.access_token).await.assert_error(401, "invalid_client");
    app.post("/oidc/revoke", &[]).await.assert_error(400, "invalid_request");
    // An unknown hint is ignored: the token itself says what it is (RFC 7009 §2.1).
    let hinted = [("token", tokens.access_token.as_str()), ("token_type_hint", "nonsense")];
    app.post("/oidc/revoke", &hinted).await.assert_status(200);
    assert!(app.is_revoked(&tokens.access_token).await);
}

#[both_engines]
async fn tk5_a_store_that_fails_is_never_a_200() {
    let server = TestServer::start().await;
    let app = server.client("shop").first_party().create().await;
    let browser = server.browser().log_in("alice").await;
    for n in 1.. {
        let tokens = app.redeem(&browser.authorize(&app).await.code()).await.ok();
        server.store().faults().fail_call(n);
        let answer = app.revoke(&tokens.access_token).await;
        let is_over = server.store().faults().is_pending();
        server.store().faults().fail_call(0);
        if answer.status.as_u16() == 200 {
            assert!(app.is_revoked(&tokens.access_token).await, "call {n}");
        } else {
            answer.assert_error(503, "temporarily_unavailable");
            assert!(answer.header("retry-after").is_some(), "call {n}");
            app.revoke(&tokens.access_token).await.assert_status(200);
            assert!(app.is_revoked(&tokens.access_token).await);
        }
        if is_over {
            assert!(n > 3, "it took several calls");
            break;
        }
    }
}
