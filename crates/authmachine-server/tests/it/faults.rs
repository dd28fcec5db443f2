//! The database fails: at any call, once or for a while. Nothing is half done, nothing is done twice, and it works again after
//! (checklist G1, RB4, RB10).

use authmachine_testkit::{Answer, Browser, PASSWORD, TestServer, both_engines, on_postgres};

/// Fails the `n`-th call while `act` runs; whether that call was made.
async fn with_fault<T>(server: &TestServer, n: u32, act: impl Future<Output = T>) -> (T, bool) {
    let faults = server.store().faults();
    faults.fail_call(n);
    let result = act.await;
    let was_made = !faults.is_pending();
    faults.fail_call(0);
    (result, was_made)
}

fn assert_unavailable(answer: &Answer, what: &str) {
    assert_eq!(answer.status.as_u16(), 503, "{what}: {}", answer.text());
    assert!(answer.header("retry-after").is_some_and(|value| value.parse::<u32>().is_ok()), "{what}");
    assert!(!answer.headers.contains_key("set-cookie") && !answer.headers.contains_key("location"), "{what}");
}

/// The most calls that one request makes.
const MANY: u32 = 60;

#[both_engines]
async fn g1_a_redemption_survives_any_failing_call() {
    let server = TestServer::start().await;
    let app = server.client("shop").first_party().create().await;
    let browser = server.browser().log_in("alice").await;
    for n in 1..MANY {
        let code = browser.authorize(&app).await.code();
        let (answer, was_made) = with_fault(&server, n, app.redeem(&code)).await;
        if answer.status.as_u16() == 200 {
            let tokens = answer.ok();
            assert!(!app.is_revoked(&tokens.access_token).await, "a 200 was saved: call {n}");
            app.redeem(&code).await.assert_error(400, "invalid_grant");
        } else {
            assert_unavailable(&answer, &format!("call {n}"));
            answer.assert_error(503, "temporarily_unavailable");
            app.redeem(&code).await.ok();
            app.redeem(&code).await.assert_error(400, "invalid_grant");
        }
        if !was_made {
            assert!(n > 5, "a redemption is more than {n} calls");
            return;
        }
    }
    panic!("a redemption ends");
}

#[both_engines]
async fn g1_a_redemption_whose_answer_is_lost_is_not_had_twice() {
    let server = TestServer::start().await;
    let app = server.client("shop").first_party().create().await;
    let code = server.browser().log_in("alice").await.authorize(&app).await.code();
    server.store().faults().lose_answer(1);
    assert_unavailable(&app.redeem(&code).await.0, "lost");
    app.redeem(&code).await.assert_error(400, "invalid_grant");
}

#[both_engines]
async fn g1_a_refresh_survives_any_failing_call() {
    let server = TestServer::start().await;
    let app = server.client("shop").first_party().create().await;
    let browser = server.browser().log_in("alice").await;
    let mut tokens = app.redeem(&browser.authorize(&app).await.code()).await.ok();
    for n in 1..MANY {
        let (answer, was_made) = with_fault(&server, n, app.refresh(tokens.refresh_token())).await;
        if answer.status.as_u16() == 200 {
            tokens = answer.ok();
        } else {
            assert_unavailable(&answer, &format!("call {n}"));
            // Nothing was rotated: the same token is still the current one.
            tokens = app.refresh(tokens.refresh_token()).await.ok();
        }
        assert!(!app.is_revoked(&tokens.access_token).await);
        if !was_made {
            assert!(n > 5, "a refresh is more than {n} calls");
            return;
        }
    }
    panic!("a refresh ends");
}

#[both_engines]
async fn g1_an_authorization_survives_any_failing_call() {
    let server = TestServer::start().await;
    let app = server.client("shop").first_party().create().await;
    let browser = server.browser().log_in("alice").await;
    for n in 1..MANY {
        let (visit, was_made) = with_fault(&server, n, browser.follow(&app.authorize_url())).await;
        if visit.is_away() {
            app.redeem(&visit.code()).await.ok();
        } else {
            assert_unavailable(visit.answer(), &format!("call {n}"));
            visit.assert_page(503, "We will be right back");
        }
        if !was_made {
            assert!(n > 3);
            return;
        }
    }
    panic!("an authorization ends");
}

#[both_engines]
async fn g1_a_sign_in_for_a_client_survives_any_failing_call() {
    let server = TestServer::start().await;
    server.user("alice").create().await;
    for n in 1..MANY {
        let app = server.client(&format!("guest{n}")).create().await;
        let browser = server.browser();
        let page = browser.follow(&app.authorize_url()).await;
        let sign_in = page.submit(&[("username", "alice"), ("password", PASSWORD)]);
        let (visit, was_made) = with_fault(&server, n, sign_in).await;
        let first = &visit.trail[0];
        if first.status.as_u16() == 303 {
            assert!(browser.is_signed_in().await, "a sign-in that was told was saved: call {n}");
        } else {
            assert_unavailable(first, &format!("call {n}"));
            assert!(!browser.is_signed_in().await, "call {n}");
        }
        // The way on is open: the same page, the same person.
        let again = browser.open(page.trail[0].location()).await;
        let again = match again.is_away() || !again.asks_for("username", "") {
            true => again,
            false => again.submit(&[("username", "alice"), ("password", PASSWORD)]).await,
        };
        let end = if again.is_away() { again } else { again.submit(&[("decision", "yes")]).await };
        app.redeem(&end.code()).await.ok();
        if !was_made {
            assert!(n > 5);
            return;
        }
    }
    panic!("a sign-in ends");
}

#[both_engines]
async fn g1_a_yes_survives_any_failing_call_and_the_code_comes_once() {
    let server = TestServer::start().await;
    let browser = server.browser().log_in("alice").await;
    for n in 1..MANY {
        let app = server.client(&format!("guest{n}")).create().await;
        let page = browser.follow(&app.authorize_url()).await;
        let (visit, was_made) = with_fault(&server, n, page.submit(&[("decision", "yes")])).await;
        let end = if visit.is_away() {
            visit
        } else {
            assert_unavailable(visit.answer(), &format!("call {n}"));
            let again = browser.open(page.trail[0].location()).await;
            if again.is_away() { again } else { again.submit(&[("decision", "yes")]).await }
        };
        app.redeem(&end.code()).await.ok();
        browser.open(page.trail[0].location()).await.assert_page(400, "This page has expired");
        if !was_made {
            assert!(n > 5);
            return;
        }
    }
    panic!("a yes ends");
}

#[both_engines]
async fn g1_a_logout_survives_any_failing_call() {
    let server = TestServer::start().await;
    let app = server.client("shop").first_party().create().await;
    let uri = app.post_logout_redirect_uri();
    let query =
        authmachine_protocol::form::encode([("post_logout_redirect_uri", uri), ("revoke_tokens", "1")]);
    let target = format!("/oidc/logout?{query}");
    for n in 1..MANY {
        let browser = server.browser().log_in("alice").await;
        let tokens = app.redeem(&browser.authorize(&app).await.code()).await.ok();
        let (visit, was_made) = with_fault(&server, n, browser.follow(&target)).await;
        if !visit.is_away() {
            assert_unavailable(visit.answer(), &format!("call {n}"));
            assert!(
                browser.is_signed_in().await && !app.is_revoked(&tokens.access_token).await,
                "nothing is half done: call {n}"
            );
            browser.follow(&target).await.away();
        }
        assert!(!browser.is_signed_in().await, "call {n}");
        assert!(app.is_revoked(&tokens.access_token).await, "call {n}");
        if !was_made {
            assert!(n > 3);
            return;
        }
    }
    panic!("a logout ends");
}

#[both_engines]
async fn g1_a_change_of_password_survives_any_failing_call() {
    let server = TestServer::start().await;
    for n in 1..MANY {
        // Somebody new each time: the calls grow with the sessions of an account, each of which has clients to be told.
        let name = format!("alice{n}");
        server.user(&name).create().await;
        let browser = server.browser().log_in(&name).await;
        let elsewhere = server.browser().log_in(&name).await;
        let page = browser.open("/account/password").await;
        let new = "another fine set of words";
        let change = page.submit(&[("current_password", PASSWORD), ("new_password", new)]);
        let (visit, was_made) = with_fault(&server, n, change).await;
        let current = if visit.trail[0].status.as_u16() == 303 {
            assert!(!elsewhere.is_signed_in().await, "call {n}");
            new
        } else {
            assert_unavailable(&visit.trail[0], &format!("call {n}"));
            assert!(elsewhere.is_signed_in().await, "nothing is half done: call {n}");
            PASSWORD
        };
        assert!(browser.is_signed_in().await, "call {n}");
        let right = server.browser().sign_in(&name, current).await;
        right.assert_page(200, &format!("Signed in as {name}"));
        if !was_made {
            assert!(n > 5);
            return;
        }
    }
    panic!("a change of password ends");
}

#[both_engines]
async fn g1_a_refresh_whose_answer_is_lost_is_had_again_within_grace() {
    let server = TestServer::start_with(|settings| settings.lives.refresh_grace_s = 10).await;
    let app = server.client("shop").first_party().create().await;
    let code = server.browser().log_in("alice").await.authorize(&app).await.code();
    let first = app.redeem(&code).await.ok();
    server.store().faults().lose_answer(1);
    assert_unavailable(&app.refresh(first.refresh_token()).await.0, "lost");
    let second = app.refresh(first.refresh_token()).await.ok();
    assert!(!app.is_revoked(&second.access_token).await);
    app.refresh(second.refresh_token()).await.ok();
}

#[both_engines]
async fn g1_reading_doors_say_503_and_never_something_wrong() {
    let server = TestServer::start().await;
    let app = server.client("shop").first_party().create().await;
    let browser = server.browser().log_in("alice").await;
    server.permit("alice", "object1", &["read"]).await;
    let api = server.api_token("api").await;
    let sub = server.find_user("alice").await.expect("made").sub;
    let url = app.authorize().with("claims", "{\"authmachine_permissions\":[\"object1\"]}").url();
    let tokens = app.redeem(&browser.follow(&url).await.code()).await.ok();
    let check = [("grant_type", "check_token_revoked"), ("access_token", tokens.access_token.as_str())];
    for n in 1..MANY {
        let (userinfo, a) = with_fault(&server, n, app.userinfo(&tokens.access_token)).await;
        let (introspection, b) = with_fault(&server, n, app.introspect(&tokens.access_token)).await;
        let (status, c) = with_fault(&server, n, app.token(&check)).await;
        let (permissions, d) = with_fault(&server, n, api.permissions(&sub, &["object1"])).await;
        for (answer, right) in [
            (&userinfo, r#""authmachine_permissions":{"object1":["read"]}"#),
            (&introspection, r#""active":true"#),
            (&status.0, r#""revoked":false"#),
            (&permissions, r#""object1":["read"]"#),
        ] {
            if answer.status.as_u16() == 200 {
                assert!(answer.text().contains(right), "checklist PE1: {}", answer.text());
            } else {
                assert_unavailable(answer, &format!("call {n}"));
            }
        }
        if !(a || b || c || d) {
            assert!(n > 2);
            return;
        }
    }
    panic!("reading ends");
}

/// An embedded database does not go away; its failing calls are above.
#[on_postgres]
async fn rb10_the_database_away_is_503_and_work_goes_on_after() {
    let server = TestServer::start().await;
    let app = server.client("shop").first_party().create().await;
    let browser = server.browser().log_in("alice").await;
    let code = browser.authorize(&app).await.code();
    let kept = app.redeem(&browser.authorize(&app).await.code()).await.ok();

    server.cut_database();
    assert_unavailable(&app.redeem(&code).await.0, "token");
    assert_unavailable(&app.userinfo(&kept.access_token).await, "userinfo");
    assert_unavailable(&app.introspect(&kept.access_token).await, "introspect");
    assert_unavailable(&app.revoke(&kept.access_token).await, "revoke");
    assert_unavailable(&server.get("/readyz").send().await, "readyz");
    for page in [browser.follow(&app.authorize_url()).await, browser.open("/").await] {
        assert_unavailable(page.answer(), &page.url);
        page.assert_page(503, "We will be right back");
    }
    for public in ["/.well-known/openid-configuration", "/oidc/jwks", "/healthz"] {
        server.get(public).send().await.assert_status(200);
    }

    server.mend_database();
    app.redeem(&code).await.ok();
    app.userinfo(&kept.access_token).await.assert_status(200);
    assert!(browser.is_signed_in().await);
    works(&server, &browser).await;
}

async fn works(server: &TestServer, browser: &Browser) {
    let app = server.client("after").first_party().create().await;
    app.redeem(&browser.authorize(&app).await.code()).await.ok();
    server.get("/readyz").send().await.assert_status(200);
}
