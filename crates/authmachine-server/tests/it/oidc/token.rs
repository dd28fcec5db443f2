//! `/oidc/token`: codes, client credentials, and what no grant is.

use authmachine_protocol::GrantType;
use authmachine_provider::event::EventKind;
use authmachine_provider::user::UserStatus;
use authmachine_testkit::{Answer, TestServer, both_engines};
use serde_json::json;

#[both_engines]
async fn a_code_works_once() {
    let server = TestServer::start().await;
    let app = server.client("shop").create().await;
    let code = server.browser().log_in("alice").await.authorize(&app).await.code();

    let tokens = app.redeem(&code).await.ok();
    app.redeem(&code).await.assert_error(400, "invalid_grant");
    assert!(app.is_revoked(&tokens.access_token).await, "RFC 6749 §4.1.2");
}

#[both_engines]
async fn a_code_buys_what_was_asked_for() {
    let server = TestServer::start().await;
    let app = server.client("shop").create().await;
    let code = server.browser().log_in("alice").await.authorize(&app).await.code();
    let tokens = app.redeem(&code).await.ok();
    let members: Vec<_> = tokens.body.as_object().expect("an object").keys().map(String::as_str).collect();
    assert_eq!(members, ["access_token", "expires_in", "id_token", "refresh_token", "scope", "token_type"]);
    assert_eq!(tokens.scope, "openid profile email");
    assert_eq!(tokens.expires_in, 3_600);
    assert_eq!(tokens.access_token.len(), 54);
    assert_eq!(tokens.refresh_token().len(), 80);
}

#[both_engines]
async fn an_access_token_lives_longer_for_a_first_party_and_never_beyond_the_session() {
    let server = TestServer::start().await;
    let ours = server.client("ours").first_party().create().await;
    let theirs = server.client("theirs").create().await;
    let browser = server.browser().log_in("alice").await;
    assert_eq!(ours.redeem(&browser.authorize(&ours).await.code()).await.ok().expires_in, 12 * 3_600);
    server.clock().advance(1_800);
    assert_eq!(ours.redeem(&browser.authorize(&ours).await.code()).await.ok().expires_in, 12 * 3_600 - 1_800);
    assert_eq!(theirs.redeem(&browser.authorize(&theirs).await.code()).await.ok().expires_in, 3_600);
}

#[both_engines]
async fn az10_a_code_ends_after_sixty_seconds_to_the_millisecond() {
    let server = TestServer::start().await;
    let app = server.client("shop").first_party().create().await;
    let browser = server.browser().log_in("alice").await;
    for (after_ms, works) in [(59_999, true), (60_000, false)] {
        let code = browser.authorize(&app).await.code();
        server.clock().advance_ms(after_ms);
        let answer = app.redeem(&code).await;
        if works {
            answer.ok();
        } else {
            answer.assert_error(400, "invalid_grant");
        }
    }
}

#[both_engines]
async fn ru5_az10_a_wrong_attempt_by_the_right_client_uses_the_code_up() {
    let server = TestServer::start().await;
    let app = server
        .client("shop")
        .redirect_uris(&["https://shop.example/a", "https://shop.example/b"])
        .create()
        .await;
    let browser = server.browser().log_in("alice").await;
    let redeem = async |code: &str, redirect_uri: Option<&str>| {
        let mut fields = vec![("grant_type", "authorization_code"), ("code", code)];
        fields.extend(redirect_uri.map(|uri| ("redirect_uri", uri)));
        app.token(&fields).await
    };
    // The request's own, byte for byte; another registered one is another one.
    for wrong in [
        None,
        Some("https://shop.example/b"),
        Some("https://shop.example/a/"),
        Some("https://SHOP.example/a"),
        Some(""),
    ] {
        let code = browser.authorize(&app).await.code();
        redeem(&code, wrong).await.assert_error(400, "invalid_grant");
        redeem(&code, Some("https://shop.example/a")).await.assert_error(400, "invalid_grant");
    }
}

#[both_engines]
async fn ru5_az10_an_attempt_by_another_client_changes_nothing() {
    let server = TestServer::start().await;
    let app = server.client("shop").first_party().create().await;
    let thief = server.client("thief").first_party().redirect_uris(&[app.redirect_uri()]).create().await;
    let browser = server.browser().log_in("alice").await;
    let code = browser.authorize(&app).await.code();
    let before = server.state();
    thief.redeem(&code).await.assert_error(400, "invalid_grant");
    // One that cannot prove itself is no client.
    app.with_secret("wrong").redeem(&code).await.assert_error(401, "invalid_client");
    assert_eq!(server.state(), before);
    let tokens = app.redeem(&code).await.ok();
    thief.redeem(&code).await.assert_error(400, "invalid_grant");
    assert!(!app.is_revoked(&tokens.access_token).await, "nor after it was used");
}

#[both_engines]
async fn az10_a_second_use_revokes_all_that_the_code_gave() {
    let server = TestServer::start().await;
    let app = server.client("shop").first_party().create().await;
    let browser = server.browser().log_in("alice").await;
    let code = browser.authorize(&app).await.code();
    let other = app.redeem(&browser.authorize(&app).await.code()).await.ok();
    let first = app.redeem(&code).await.ok();
    let second = app.refresh(first.refresh_token()).await.ok();
    // Long after the code has expired, too.
    server.clock().advance(600);
    app.redeem(&code).await.assert_error(400, "invalid_grant");

    for dead in [&first.access_token, &second.access_token] {
        assert!(app.is_revoked(dead).await);
        app.userinfo(dead).await.assert_error(401, "invalid_token");
        assert!(!app.is_active(dead).await);
    }
    app.refresh(second.refresh_token()).await.assert_error(400, "invalid_grant");
    assert_eq!(server.count_events(EventKind::CodeReused).await, 1);
    assert!(!app.is_revoked(&other.access_token).await, "what another code gave lives on");
}

#[both_engines]
async fn az10_a_code_dies_with_what_it_stands_for() {
    let server = TestServer::start().await;
    let app = server.client("shop").create().await;
    let now = server.clock().now();

    // The session.
    let browser = server.browser().log_in("alice").await;
    let code = browser.authorize(&app).await.code();
    let elsewhere = server.browser().log_in("alice").await.authorize(&app).await.code();
    browser.sign_out().await;
    app.redeem(&code).await.assert_error(400, "invalid_grant");
    app.redeem(&elsewhere).await.ok();

    // The user.
    let bob = server.browser().log_in("bob").await;
    let code = bob.authorize(&app).await.code();
    let id = server.find_user("bob").await.expect("made").id;
    server.write(move |tx| tx.set_user_status(id, UserStatus::Locked, now)).await;
    app.redeem(&code).await.assert_error(400, "invalid_grant");

    // The client.
    let carol = server.browser().log_in("carol").await;
    let code = carol.authorize(&app).await.code();
    let disabled = app.change(|client| client.disabled = true).await;
    disabled.redeem(&code).await.assert_error(401, "invalid_client");
    let enabled = disabled.change(|client| client.disabled = false).await;
    enabled
        .change(|client| client.grant_types.clear())
        .await
        .redeem(&code)
        .await
        .assert_error(400, "unauthorized_client");
}

#[both_engines]
async fn g3_of_fifty_parallel_redemptions_one_wins() {
    let server = TestServer::start().await;
    let app = server.client("shop").first_party().create().await;
    let browser = server.browser().log_in("alice").await;
    for _ in 0..3 {
        let code = browser.authorize(&app).await.code();
        let attempts: Vec<_> = (0..50)
            .map(|_| {
                let (app, code) = (app.clone(), code.clone());
                tokio::spawn(async move { app.redeem(&code).await })
            })
            .collect();
        let mut won = Vec::new();
        for attempt in attempts {
            let answer = attempt.await.expect("no panic");
            match answer.status.as_u16() {
                200 => won.push(answer.ok()),
                _ => _ = answer.assert_error(400, "invalid_grant"),
            }
        }
        assert_eq!(won.len(), 1, "exactly one wins");
        assert!(
            app.is_revoked(&won[0].access_token).await,
            "and the second try showed that the code was copied"
        );
    }
}

#[both_engines]
async fn az2_grant_types_are_those_that_the_client_may_use() {
    let server = TestServer::start().await;
    let app = server.client("shop").create().await;
    let before = server.state();
    let password =
        [("grant_type", "password"), ("username", "alice"), ("password", authmachine_testkit::PASSWORD)];
    app.token(&password).await.assert_error(400, "unsupported_grant_type");
    app.token(&[("grant_type", "client_credentials")]).await.assert_error(400, "unauthorized_client");
    for unknown in
        ["implicit", "urn:ietf:params:oauth:grant-type:device_code", "AUTHORIZATION_CODE", "code", "<script>"]
    {
        app.token(&[("grant_type", unknown)])
            .await
            .assert_error(400, "unsupported_grant_type")
            .assert_no_echo(unknown);
    }
    for missing in [&[][..], &[("grant_type", "")], &[("code", "x")]] {
        app.token(missing).await.assert_error(400, "invalid_request");
    }
    for (grant_type, name) in [
        ("authorization_code", "code"),
        ("refresh_token", "refresh_token"),
        ("check_token_revoked", "access_token"),
    ] {
        app.token(&[("grant_type", grant_type)]).await.assert_error(400, "invalid_request");
        app.token(&[("grant_type", grant_type), (name, "")]).await.assert_error(400, "invalid_request");
    }
    assert_eq!(server.state(), before);
}

#[both_engines]
async fn g6_a_repeated_parameter_and_a_mixed_place_are_errors() {
    let server = TestServer::start().await;
    let app = server.client("shop").first_party().create().await;
    let browser = server.browser().log_in("alice").await;
    let code = browser.authorize(&app).await.code();
    let secret = app.secret.clone().expect("confidential");
    let form = [
        ("grant_type", "authorization_code"),
        ("code", code.as_str()),
        ("redirect_uri", app.redirect_uri()),
        ("client_id", app.id()),
        ("client_secret", secret.as_str()),
    ];
    let before = server.state();
    for (name, value) in form {
        let repeated = [&form[..], &[(name, value)]].concat();
        server.post("/oidc/token").form(&repeated).send().await.assert_error(400, "invalid_request");
    }
    // What stands in the query is not read.
    let query = authmachine_protocol::form::encode(form.iter().copied());
    server.post(&format!("/oidc/token?{query}")).form(&[]).send().await.assert_error(401, "invalid_client");
    assert_eq!(server.state(), before);
    server
        .post("/oidc/token")
        .form(&[&form[..], &[("unknown", "ignored")]].concat())
        .send()
        .await
        .assert_status(200);
}

#[both_engines]
async fn the_body_is_a_form_and_nothing_else() {
    let server = TestServer::start().await;
    let app = server.client("shop").create().await;
    let secret = app.secret.clone().expect("confidential");
    let good =
        [("grant_type", "client_credentials"), ("client_id", "shop"), ("client_secret", secret.as_str())];
    let good = authmachine_protocol::form::encode(good);
    let form = "application/x-www-form-urlencoded";
    let post = || server.post("/oidc/token");
    for (request, status) in [
        (post(), 415),
        (post().body("application/json", "{\"grant_type\":\"authorization_code\"}"), 415),
        (post().body("text/plain", good.clone()), 415),
        (post().body("multipart/form-data; boundary=x", good.clone()), 415),
        (post().body(form, good.clone()).header("content-type", "text/plain"), 415),
        (post().body(form, vec![b'a'; 64 * 1024 + 1]), 413),
        (post().body(form, "grant_type=%ff"), 400),
        (post().body(form, "grant_type=%zz"), 400),
        (post().body(form, "grant_type=%00"), 400),
        (post().body(form, vec![0xC3, 0x28]), 400),
        (post().body(form, "a=1&".repeat(101)), 400),
    ] {
        request.send().await.assert_error(status, "invalid_request");
    }
    post()
        .body("Application/X-WWW-Form-Urlencoded; charset=UTF-8", good)
        .send()
        .await
        .assert_error(400, "unauthorized_client");
    server.get("/oidc/token").send().await.assert_status(405);
}

#[both_engines]
async fn do1_a_form_of_sixty_four_kib_is_the_most() {
    let server = TestServer::start().await;
    let app = server.client("shop").create().await;
    let secret = app.secret.clone().expect("confidential");
    let start = authmachine_protocol::form::encode([
        ("grant_type", "x"),
        ("client_id", "shop"),
        ("client_secret", &secret),
    ]);
    let padded = |n: usize| format!("{start}&x={}", "a".repeat(n - start.len() - 3));
    let post = |body| server.post("/oidc/token").body("application/x-www-form-urlencoded", body);
    post(padded(64 * 1024)).send().await.assert_error(400, "unsupported_grant_type");
    post(padded(64 * 1024 + 1)).send().await.assert_error(413, "invalid_request");
}

#[both_engines]
async fn client_credentials_stand_for_the_client_itself() {
    let server = TestServer::start().await;
    let grants = [GrantType::ClientCredentials];
    let app = server.client("machine").scopes("openid profile jobs:run").grants(&grants).create().await;
    let tokens = app.token(&[("grant_type", "client_credentials"), ("scope", "jobs:run")]).await.ok();
    assert_eq!((tokens.scope.as_str(), &tokens.id_token, &tokens.refresh_token), ("jobs:run", &None, &None));
    assert!(app.is_active(&tokens.access_token).await);
    let about = app.introspect(&tokens.access_token).await.ok();
    assert_eq!((about.get("username"), &about["client_id"]), (None, &json!("machine")));
    // There is nobody to say something about.
    let answer = app.userinfo(&tokens.access_token).await;
    assert!(matches!(answer.status.as_u16(), 401 | 403), "{}", answer.text());
    app.token(&[("grant_type", "client_credentials"), ("scope", "jobs:stop")])
        .await
        .assert_error(400, "invalid_scope");
    app.token(&[("grant_type", "client_credentials"), ("scope", "a\tb")])
        .await
        .assert_error(400, "invalid_scope");

    // A public client cannot prove that it is itself.
    let public = server.client("spa").public().grants(&grants).create().await;
    let answer = public.token(&[("grant_type", "client_credentials")]).await;
    assert!(matches!(answer.status.as_u16(), 400 | 401), "{}", answer.text());
}

#[both_engines]
async fn tk6_check_token_revoked_says_nothing_beyond_do_not_rely_on_it() {
    let server = TestServer::start().await;
    let app = server.client("shop").first_party().create().await;
    let other = server.client("other").first_party().create().await;
    let browser = server.browser().log_in("alice").await;
    let tokens = app.redeem(&browser.authorize(&app).await.code()).await.ok();
    let short_lived = other.change(|client| client.first_party = false).await;

    let ask = async |app: &authmachine_testkit::ClientApp, token: &str| -> Answer {
        app.token(&[("grant_type", "check_token_revoked"), ("access_token", token)]).await.0
    };
    let alive = ask(&app, &tokens.access_token).await;
    assert_eq!(alive.text(), "{\"revoked\":false}");
    let last = tokens.access_token.chars().last().expect("not empty");
    let flipped = format!("{}{}", &tokens.access_token[..53], if last == 'A' { 'Q' } else { 'A' });
    for (app, token) in [
        (&short_lived, tokens.access_token.as_str()),
        (&app, flipped.as_str()),
        (&app, &tokens.access_token[1..]),
        (&app, tokens.refresh_token()),
        (&app, tokens.id_token()),
        (&app, "x"),
        (&app, "ünïcödé"),
    ] {
        let answer = ask(app, token).await;
        assert_eq!(answer.assert_status(200).text(), "{\"revoked\":true}");
        // Alike in every header, too, but the request's own id and the length of the word.
        let shown = |answer: &Answer| {
            let mut headers = answer.headers.clone();
            headers.remove("x-request-id");
            headers.remove("content-length");
            headers
        };
        assert_eq!(shown(&answer), shown(&alive));
    }
    app.with_secret("wrong")
        .token(&[("grant_type", "check_token_revoked"), ("access_token", &tokens.access_token)])
        .await
        .assert_error(401, "invalid_client");

    server.clock().advance_ms(12 * 3_600 * 1_000 - 1);
    assert!(!app.is_revoked(&tokens.access_token).await);
    server.clock().advance_ms(1);
    assert!(app.is_revoked(&tokens.access_token).await);
}

#[both_engines]
async fn g4_tk2_no_kind_of_token_passes_for_another() {
    let server = TestServer::start().await;
    let app = server.client("shop").first_party().create().await;
    let browser = server.browser().log_in("alice").await;
    let api = server.api_token("api").await;
    let sub = server.find_user("alice").await.expect("made").sub;
    let page = server.browser().follow(&app.authorize_url()).await;
    let interaction =
        page.trail[0].location().strip_prefix("/interaction/").expect("an interaction").to_owned();
    let tokens = app.redeem(&browser.authorize(&app).await.code()).await.ok();
    let code = browser.authorize(&app).await.code();
    let session = browser.cookie("session").expect("signed in").value;

    let kinds = [
        ("code", code.as_str()),
        ("access", &tokens.access_token),
        ("refresh", tokens.refresh_token()),
        ("id_token", tokens.id_token()),
        ("session", &session),
        ("interaction", &interaction),
        ("api", &api.token),
    ];
    for (kind, token) in kinds {
        if kind != "access" {
            app.userinfo(token).await.assert_error(401, "invalid_token");
            assert!(app.is_revoked(token).await, "{kind} as access token");
        }
        if !matches!(kind, "access" | "refresh") {
            assert_eq!(
                app.introspect(token).await.ok(),
                json!({ "active": false }),
                "{kind} at introspection"
            );
        }
        if kind != "refresh" {
            app.refresh(token).await.assert_error(400, "invalid_grant");
        }
        if kind != "code" {
            app.redeem(token).await.assert_error(400, "invalid_grant");
        }
        if kind != "api" {
            let target = format!("/api/scim/v1/Users/{sub}/permissions");
            server
                .get(&target)
                .header("authorization", &format!("Token {token}"))
                .send()
                .await
                .assert_status(401);
        }
        if kind != "session" {
            let other = server.browser().log_in("bob").await;
            other.set_cookie("session", token);
            assert!(!other.is_signed_in().await, "{kind} as session");
        }
        if kind != "interaction" {
            server.browser().open(&format!("/interaction/{token}")).await.answer().assert_status(400);
        }
        if kind == "id_token" {
            continue;
        }
        // Not a hint either.
        let visit = browser.follow(&app.authorize().with("id_token_hint", token).url()).await;
        visit.assert_refused("invalid_request");
    }
    // All of them still work where they belong.
    app.redeem(&code).await.ok();
    app.userinfo(&tokens.access_token).await.assert_status(200);
    app.refresh(tokens.refresh_token()).await.ok();
    assert!(browser.is_signed_in().await);
    api.permissions(&sub, &[]).await.assert_status(200);
}

#[both_engines]
async fn rt4_a_logout_and_a_redemption_at_once_leave_no_live_refresh_token() {
    let server = TestServer::start().await;
    let app = server.client("shop").first_party().create().await;
    for _ in 0..10 {
        let browser = server.browser().log_in("alice").await;
        let code = browser.authorize(&app).await.code();
        let uri = app.post_logout_redirect_uri();
        let query =
            authmachine_protocol::form::encode([("post_logout_redirect_uri", uri), ("revoke_tokens", "1")]);
        let target = format!("/oidc/logout?{query}");
        let redeem = tokio::spawn({
            let (app, code) = (app.clone(), code.clone());
            async move { app.redeem(&code).await }
        });
        let logout = tokio::spawn({
            let browser = browser.clone();
            async move { browser.follow(&target).await }
        });
        let (redeemed, visit) = (redeem.await.expect("no panic"), logout.await.expect("no panic"));
        assert!(visit.away().starts_with(uri));
        if redeemed.status.as_u16() == 200 {
            let tokens = redeemed.ok();
            assert!(app.is_revoked(&tokens.access_token).await);
            app.refresh(tokens.refresh_token()).await.assert_error(400, "invalid_grant");
        } else {
            redeemed.assert_error(400, "invalid_grant");
        }
    }
}
