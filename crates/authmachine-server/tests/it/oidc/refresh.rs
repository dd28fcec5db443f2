//! `grant_type=refresh_token` (RFC 6749 §6).

use authmachine_provider::event::EventKind;
use authmachine_testkit::{ClientApp, TestServer, Tokens, both_engines};
use base64ct::{Base64UrlUnpadded, Encoding};

const DAY_MS: i64 = 24 * 60 * 60 * 1_000;

async fn tokens(server: &TestServer, app: &ClientApp) -> Tokens {
    let code = server.browser().log_in("alice").await.authorize(app).await.code();
    app.redeem(&code).await.ok()
}

/// The token with one byte of its decoded form changed.
fn with_byte_changed(token: &str, at: usize) -> String {
    let mut bytes = Base64UrlUnpadded::decode_vec(token).expect("base64url");
    bytes[at] ^= 1;
    Base64UrlUnpadded::encode_string(&bytes)
}

#[both_engines]
async fn rt1_a_refresh_token_is_rotated_and_reuse_kills_the_family() {
    let server = TestServer::start().await;
    let app = server.client("shop").first_party().create().await;
    let first = tokens(&server, &app).await;
    let second = app.refresh(first.refresh_token()).await.ok();
    assert_ne!(first.refresh_token(), second.refresh_token());
    assert_ne!(first.access_token, second.access_token);
    assert!(!app.is_revoked(&first.access_token).await, "rotation ends no access token");
    let third = app.refresh(second.refresh_token()).await.ok();

    app.refresh(first.refresh_token()).await.assert_error(400, "invalid_grant");

    app.refresh(third.refresh_token()).await.assert_error(400, "invalid_grant");
    for dead in [&first, &second, &third] {
        assert!(app.is_revoked(&dead.access_token).await, "RFC 9700 §4.14.2");
    }
    assert_eq!(server.count_events(EventKind::RefreshTokenReused).await, 1);
}

#[both_engines]
async fn rt1_a_wrong_proof_or_secret_is_merely_unknown() {
    let server = TestServer::start().await;
    let app = server.client("shop").first_party().create().await;
    let first = tokens(&server, &app).await;
    let second = app.refresh(first.refresh_token()).await.ok();
    let before = server.state();
    // 8 bytes of id, 4 of generation, 16 of proof, 32 of secret. A generation to come is unknown as well.
    for (token, at) in [
        (second.refresh_token(), 12),
        (second.refresh_token(), 27),
        (second.refresh_token(), 28),
        (second.refresh_token(), 59),
        (first.refresh_token(), 12),
        (second.refresh_token(), 9),
    ] {
        app.refresh(&with_byte_changed(token, at)).await.assert_error(400, "invalid_grant");
    }
    for other in ["x", "", " "] {
        let answer = app.refresh(other).await;
        assert_eq!(answer.status.as_u16(), 400);
    }
    assert_eq!(server.state(), before);
    assert_eq!(server.count_events(EventKind::RefreshTokenReused).await, 0);
    app.refresh(second.refresh_token()).await.ok();
}

#[both_engines]
async fn rt1_within_grace_the_last_answer_is_had_again() {
    let server = TestServer::start_with(|settings| settings.lives.refresh_grace_s = 10).await;
    let app = server.client("shop").first_party().create().await;
    let other = server.client("other").first_party().create().await;
    let first = tokens(&server, &app).await;
    let second = app.refresh(first.refresh_token()).await.ok();
    server.clock().advance_ms(9_999);
    let again = app.refresh(first.refresh_token()).await.ok();
    assert_eq!(again.refresh_token(), second.refresh_token());
    assert_eq!(again.access_token, second.access_token);
    other.refresh(first.refresh_token()).await.assert_error(400, "invalid_grant");
    server.clock().advance_ms(1);
    app.refresh(first.refresh_token()).await.assert_error(400, "invalid_grant");
    app.refresh(second.refresh_token()).await.assert_error(400, "invalid_grant");
    assert_eq!(server.count_events(EventKind::RefreshTokenReused).await, 1);
}

#[both_engines]
async fn g3_of_parallel_refreshes_one_wins() {
    let server = TestServer::start().await;
    let app = server.client("shop").first_party().create().await;
    let first = tokens(&server, &app).await;
    let attempts: Vec<_> = (0..50)
        .map(|_| {
            let (app, token) = (app.clone(), first.refresh_token().to_owned());
            tokio::spawn(async move { app.refresh(&token).await })
        })
        .collect();
    let mut won = 0;
    for attempt in attempts {
        let answer = attempt.await.expect("no panic");
        match answer.status.as_u16() {
            200 => won += 1,
            _ => _ = answer.assert_error(400, "invalid_grant"),
        }
    }
    assert_eq!(won, 1);
}

#[both_engines]
async fn ru5_rt2_a_refresh_token_is_bound_to_its_client_and_narrows_only() {
    let server = TestServer::start().await;
    let app = server.client("shop").first_party().create().await;
    let thief = server.client("thief").first_party().create().await;
    let first = tokens(&server, &app).await;
    let before = server.state();
    thief.refresh(first.refresh_token()).await.assert_error(400, "invalid_grant");
    app.with_secret("wrong").refresh(first.refresh_token()).await.assert_error(401, "invalid_client");

    let refresh = async |token: &str, scope: &str| {
        app.token(&[("grant_type", "refresh_token"), ("refresh_token", token), ("scope", scope)]).await
    };
    refresh(first.refresh_token(), "openid phone").await.assert_error(400, "invalid_scope");
    refresh(first.refresh_token(), "a\"b").await.assert_error(400, "invalid_scope");
    assert_eq!(server.state(), before, "a refusal leaves the token as it was");

    let narrow = refresh(first.refresh_token(), "openid email").await.ok();
    assert_eq!(narrow.scope, "openid email");
    let claims = app.userinfo(&narrow.access_token).await.ok();
    assert!(claims.get("email").is_some() && claims.get("preferred_username").is_none(), "{claims}");
    // The family keeps what was granted (RFC 6749 §6).
    assert_eq!(app.refresh(narrow.refresh_token()).await.ok().scope, "openid profile email");
}

#[both_engines]
async fn rt2_a_client_that_loses_the_grant_type_or_a_scope_loses_it_at_once() {
    let server = TestServer::start().await;
    let app = server.client("shop").first_party().create().await;
    let first = tokens(&server, &app).await;
    let less = app.change(|client| client.scopes = client.scopes.without("email")).await;
    let second = less.refresh(first.refresh_token()).await.ok();
    assert_eq!(second.scope, "openid profile");
    let none =
        less.change(|client| client.grant_types.retain(|grant| grant.as_str() != "refresh_token")).await;
    none.refresh(second.refresh_token()).await.assert_error(400, "unauthorized_client");
}

#[both_engines]
async fn the_id_token_of_a_refresh_is_about_the_same_sign_in() {
    let server = TestServer::start().await;
    let app = server.client("shop").first_party().create().await;
    let first = tokens(&server, &app).await;
    server.clock().advance(600);
    let second = app.refresh(first.refresh_token()).await.ok();
    let (before, after) = (server.verify(first.id_token()).await, server.verify(second.id_token()).await);
    for same in ["iss", "sub", "aud", "auth_time", "sid", "amr"] {
        assert_eq!(before[same], after[same], "{same}: OIDC Core §12.2");
    }
    assert_eq!(after["iat"], server.clock().now().seconds());
    assert!(before.contains_key("nonce") && !after.contains_key("nonce"));
}

#[both_engines]
async fn rt3_idle_and_absolute_ends_are_exact_and_rotation_does_not_move_the_second() {
    let server = TestServer::start().await;
    let app = server.client("shop").first_party().scopes("openid offline_access").create().await;
    let clock = server.clock();

    // Unused for fourteen days.
    for (after_ms, works) in [(14 * DAY_MS - 1, true), (14 * DAY_MS, false)] {
        let first = tokens(&server, &app).await;
        clock.advance_ms(after_ms);
        let answer = app.refresh(first.refresh_token()).await;
        if works {
            answer.ok();
        } else {
            answer.assert_error(400, "invalid_grant");
        }
    }

    // Used every ten days, it ends after ninety.
    let mut last = tokens(&server, &app).await;
    let made_at = clock.now();
    for _ in 0..8 {
        clock.advance_ms(10 * DAY_MS);
        last = app.refresh(last.refresh_token()).await.ok();
    }
    clock.set(made_at.plus_ms(90 * DAY_MS - 1));
    last = app.refresh(last.refresh_token()).await.ok();
    clock.set(made_at.plus_ms(90 * DAY_MS));
    app.refresh(last.refresh_token()).await.assert_error(400, "invalid_grant");
}

#[both_engines]
async fn rt3_without_offline_access_it_ends_with_the_session() {
    let server = TestServer::start().await;
    let app = server.client("shop").first_party().create().await;
    let first = tokens(&server, &app).await;
    // Nobody uses the session: that ends single sign-on, not tokens.
    server.clock().advance_ms(12 * 3_600 * 1_000 - 1);
    let second = app.refresh(first.refresh_token()).await.ok();
    assert_eq!(second.expires_in, 0, "an access token never outlives the session");
    server.clock().advance_ms(1);
    app.refresh(second.refresh_token()).await.assert_error(400, "invalid_grant");
}

#[both_engines]
async fn rt4_no_token_appears_after_an_acknowledged_revocation() {
    let server = TestServer::start().await;
    let app = server.client("shop").first_party().create().await;
    let browser = server.browser().log_in("alice").await;
    for _ in 0..20 {
        let first = app.redeem(&browser.authorize(&app).await.code()).await.ok();
        let refresh = tokio::spawn({
            let (app, token) = (app.clone(), first.refresh_token().to_owned());
            async move { app.refresh(&token).await }
        });
        let revoke = tokio::spawn({
            let (app, token) = (app.clone(), first.refresh_token().to_owned());
            async move { app.revoke(&token).await }
        });
        let (refreshed, revoked) = (refresh.await.expect("no panic"), revoke.await.expect("no panic"));
        revoked.assert_status(200);
        let mut last = first;
        if refreshed.status.as_u16() == 200 {
            last = refreshed.ok();
        } else {
            refreshed.assert_error(400, "invalid_grant");
        }
        assert!(app.is_revoked(&last.access_token).await);
        app.refresh(last.refresh_token()).await.assert_error(400, "invalid_grant");
    }
}
