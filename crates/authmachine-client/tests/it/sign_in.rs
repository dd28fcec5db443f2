//! Signing in, with a provider that does as it should.

use std::collections::HashSet;

use authmachine_client::StepKind;
use authmachine_protocol::Params;
use http::StatusCode;
use serde_json::json;
use tower::ServiceExt as _;

use crate::{
    app::App,
    op::{CLIENT_SECRET, Op},
};

fn query_of(location: &str) -> Params {
    Params::parse(location.split_once('?').expect("a query").1.as_bytes()).expect("a legal query")
}

#[tokio::test]
async fn a_person_is_sent_to_log_in_and_comes_back() {
    let mut app = App::new();
    let sent = app.browser.open("/private?x=1&y=%2F").await;
    assert_eq!(
        (sent.status, sent.location()),
        (StatusCode::SEE_OTHER, "/login?return_to=%2Fprivate%3Fx%3D1%26y%3D%252F")
    );
    let query = app.begin(sent.location()).await;
    let back = app.come_back(&query).await;
    assert_eq!((back.status, back.location()), (StatusCode::SEE_OTHER, "/private?x=1&y=%2F"));
    assert_eq!(back.header("cache-control"), "no-store");
    assert_eq!(app.browser.open(back.location()).await.body, "private page of u-1");
    assert_eq!(app.home().await, "alice Alive");
}

#[tokio::test]
async fn the_authorization_request_is_the_standard_s() {
    let mut app = App::with(|builder| builder.scope("email").objects(["object1", "object2"]));
    let sent = app.browser.open("/login").await;
    assert!(sent.location().starts_with("https://op.example/authorize?client_id=app&response_type=code&"));
    let request = query_of(sent.location());
    assert_eq!(request.get("redirect_uri"), Some("https://app.example/oidc-callback"));
    assert_eq!(request.get("scope"), Some("openid email"));
    assert_eq!(
        request.get("claims"),
        Some(r#"{"userinfo":{"authmachine_permissions":{"values":["object1","object2"]}}}"#)
    );
    let mut plain = App::new();
    let sent = plain.browser.open("/login").await;
    assert_eq!(query_of(sent.location()).get("claims"), None, "a strict provider may refuse it");
}

#[tokio::test]
async fn ru1_the_redirect_uri_is_not_made_from_the_request() {
    let mut app = App::new();
    let headers =
        [("host", "evil.example"), ("x-forwarded-host", "evil.example"), ("forwarded", "host=evil.example")];
    let sent = app.browser.send("GET", "/login", &headers).await;
    assert!(!sent.location().contains("evil"), "{}", sent.location());
}

#[tokio::test]
async fn the_steps_are_told_in_order_and_without_secrets() {
    let mut app = App::new();
    app.sign_in().await;
    app.browser.open("/logout").await;
    let steps = app.steps.lock().expect("a list").clone();
    let kinds: Vec<_> = steps.iter().map(|step| step.kind).collect();
    use StepKind::*;
    assert_eq!(
        kinds,
        [
            Discovery,
            AuthorizationRequest,
            AuthorizationResponse,
            TokenRequest,
            Keys,
            IdToken,
            Userinfo,
            TokenCheck,
            Session,
            Logout
        ]
    );
    assert!(steps.iter().all(|step| step.login_id == steps[0].login_id));
    assert!(steps.iter().flat_map(|step| &step.checks).all(|check| check.passed));
    assert!(steps.iter().any(|step| step.token.as_ref().is_some_and(|token| token.claims["sub"] == "u-1")));
    let shown = format!("{steps:?}");
    let verifier = app.op.seen("/token")[0].form.get("code_verifier").expect("PKCE").to_owned();
    for secret in [CLIENT_SECRET, "access-token-1-0123", "code-1-0123", &verifier, "eyJhbGciOiJFUzI1NiIsI"] {
        assert!(!shown.contains(secret), "lg1: {secret}");
    }
}

#[tokio::test]
async fn cl8_no_token_reaches_the_browser_unsealed() {
    let mut app = App::new();
    let query = app.begin("/login").await;
    let before = app.browser.cookie_values();
    app.come_back(&query).await;
    let all = format!("{before}{}", app.browser.cookie_values());
    for secret in [
        "access-token",
        "eyJhbGciOiJFUzI1NiIs",
        "alice",
        query_of(&format!("?{query}")).get("state").expect("state"),
    ] {
        assert!(!all.contains(secret), "{secret}");
    }
    let names = |path| app.browser.sent_to(path).into_iter().map(|(name, _)| name).collect::<Vec<_>>();
    let at_home = names("/");
    assert_eq!(at_home.len(), 1);
    assert!(at_home[0].starts_with("__Host-am") && at_home[0].ends_with("-session"));
    assert_eq!(names("/logout").len(), 2, "the raw ID token, for this route only");
}

#[tokio::test]
async fn cl2_state_nonce_and_verifier_are_fresh() {
    let mut app = App::new();
    let mut seen = HashSet::new();
    for n in 0..3 {
        let sent = app.browser.open("/login").await;
        let request = query_of(sent.location());
        let query = app.op.authorize(sent.location());
        app.come_back(&query).await;
        let verifier = app
            .op
            .seen("/token")
            .iter()
            .rev()
            .find_map(|seen| seen.form.get("code_verifier").map(str::to_owned));
        let fresh =
            ["state", "nonce", "code_challenge"].map(|name| request.get(name).expect("there").to_owned());
        assert!(fresh.iter().all(|text| text.len() >= 22), "{fresh:?}");
        assert!(
            verifier
                .as_ref()
                .is_some_and(|verifier| verifier.len() == 43 && !sent.location().contains(verifier))
        );
        seen.extend(fresh.into_iter().chain(verifier));
        assert_eq!(seen.len(), 4 * (n + 1), "each is another");
    }
}

#[tokio::test]
async fn cl2_a_forged_state_is_refused() {
    let mut app = App::new();
    let query = app.begin("/login").await;
    let forged = query.replace("state=", "state=x");
    let mut other_browser = app.browser.clone().with_cookies_of(&App::new().browser);
    let without = "code=c&iss=https%3A%2F%2Fop.example";
    for (browser, query) in [(&mut app.browser, forged.as_str()), (&mut other_browser, &query)] {
        for query in [query, without, "", "error=access_denied"] {
            let answer = browser.open_from("cross-site", &format!("/oidc-callback?{query}")).await;
            assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{query}");
            assert!(
                answer.body.contains("began in another browser")
                    && answer.headers.get("set-cookie").is_none()
            );
        }
    }
    assert!(app.op.seen("/token").is_empty(), "no code is redeemed");
    assert_eq!(app.come_back(&query).await.location(), "/", "and the sign-in in flight is unharmed");
}

#[tokio::test]
async fn cl2_a_callback_works_once() {
    let mut app = App::new();
    let query = app.begin("/login").await;
    let mut copy = app.browser.clone();
    assert_eq!(app.come_back(&query).await.status, StatusCode::SEE_OTHER);
    for browser in [&mut app.browser, &mut copy] {
        let again = browser.open_from("cross-site", &format!("/oidc-callback?{query}")).await;
        assert_eq!(again.status, StatusCode::BAD_REQUEST);
    }
    let redeemed = app.op.seen("/token").iter().filter(|seen| seen.form.get("code").is_some()).count();
    assert_eq!(redeemed, 1);
    assert_eq!(app.home().await, "alice Alive", "the session that began is unharmed");
    assert!(!copy.has("-session"));
}

#[tokio::test]
async fn cl2_five_sign_ins_may_be_in_flight() {
    let mut app = App::new();
    let mut queries = Vec::new();
    for n in 0..6 {
        queries.push(app.begin(&format!("/login?return_to=/{n}")).await);
    }
    assert_eq!(app.come_back(&queries[0]).await.status, StatusCode::BAD_REQUEST, "the oldest made room");
    for n in [3, 1, 5, 2, 4] {
        assert_eq!(app.come_back(&queries[n]).await.location(), format!("/{n}"));
    }
    assert!(!app.browser.has("-login"), "nothing is left behind");
}

#[tokio::test]
async fn cl2_long_return_paths_crowd_out_the_oldest_sign_ins_only() {
    let mut app = App::new();
    let mut queries = Vec::new();
    for n in 0..5 {
        queries.push(app.begin(&format!("/login?return_to=/{}{n}", "a".repeat(990))).await);
    }
    assert_eq!(app.come_back(&queries[0]).await.status, StatusCode::BAD_REQUEST);
    assert!(app.come_back(&queries[4]).await.location().ends_with("a4"));
}

#[tokio::test]
async fn cl2_a_sign_in_may_take_ten_minutes() {
    for (seconds, status) in [(599, StatusCode::SEE_OTHER), (600, StatusCode::BAD_REQUEST)] {
        let mut app = App::new();
        let query = app.begin("/login").await;
        app.wait(seconds);
        assert_eq!(app.come_back(&query).await.status, status, "{seconds}");
    }
}

#[tokio::test]
async fn cl5_return_to_stays_at_home() {
    let mut app = App::new();
    for evil in [
        "https%3A%2F%2Fevil.example",
        "%2F%2Fevil.example",
        "%2F%5Cevil.example",
        "%2F%09%2Fevil.example",
        "javascript%3Aalert(1)",
        "%2Flogin",
        "%2Foidc-callback%3Fcode%3Dc",
        "%2Flogout",
        "evil",
        "%2F%0d%0aSet-Cookie:x",
        "/a&return_to=/b",
        "%ff",
    ] {
        let query = app.begin(&format!("/login?return_to={evil}")).await;
        assert_eq!(app.come_back(&query).await.location(), "/", "{evil}");
    }
    // What the browser asks for is the application's, even so.
    let sent = app.browser.clone().with_cookies_of(&App::new().browser).open("//evil.example/private").await;
    assert!(sent.location().is_empty(), "no such route: {}", sent.location());
}

#[tokio::test]
async fn cl5_a_sign_in_starts_from_a_page_load_only() {
    let mut app = App::new();
    let image =
        [("sec-fetch-site", "cross-site"), ("sec-fetch-mode", "no-cors"), ("sec-fetch-dest", "image")];
    let frame =
        [("sec-fetch-site", "cross-site"), ("sec-fetch-mode", "navigate"), ("sec-fetch-dest", "iframe")];
    let ahead = [("sec-fetch-mode", "navigate"), ("sec-fetch-dest", "document"), ("sec-purpose", "prefetch")];
    for headers in [&image[..], &frame, &ahead] {
        let refused = app.browser.send("GET", "/login", headers).await;
        assert_eq!(refused.status, StatusCode::FORBIDDEN, "{headers:?}");
        assert!(refused.headers.get("set-cookie").is_none() && refused.location().is_empty());
    }
    assert_eq!(app.browser.fetch("/login").await.status, StatusCode::FORBIDDEN);
    assert_eq!(
        app.browser.open_from("cross-site", "/login").await.status,
        StatusCode::SEE_OTHER,
        "a link is fine"
    );
}

#[tokio::test]
async fn cl5_a_new_sign_in_is_a_new_session() {
    let mut app = App::new();
    app.sign_in().await;
    let mut before = app.browser.clone();
    app.sign_in().await;
    assert_eq!(app.home().await, "alice Alive");
    assert_eq!(before.open("/").await.body, "nobody", "the one before is over");
}

#[tokio::test]
async fn g6_a_repeated_or_unreadable_parameter_is_refused() {
    let mut app = App::new();
    let query = app.begin("/login").await;
    for bad in
        [format!("{query}&code=x"), format!("{query}&x=%ff"), format!("{query}&x=%"), "state=%00".to_owned()]
    {
        let answer = app.come_back(&bad).await;
        assert_eq!(answer.status, StatusCode::BAD_GATEWAY, "{bad}");
    }
    assert!(app.op.seen("/token").is_empty());
}

#[tokio::test]
async fn an_error_from_the_provider_is_a_page_that_says_whose_turn_it_is() {
    for (code, status, words) in [
        ("access_denied", StatusCode::FORBIDDEN, "You can start again whenever you like."),
        ("server_error", StatusCode::SERVICE_UNAVAILABLE, "Please try again in a moment."),
        ("invalid_scope", StatusCode::INTERNAL_SERVER_ERROR, "Its operator has been told why."),
    ] {
        let mut app = App::new();
        let query = app.begin("/login?return_to=/private").await;
        let state = query_of(&format!("?{query}")).get("state").expect("state").to_owned();
        let iss = "https%3A%2F%2Fop.example";
        let answer = app
            .come_back(&format!(
                "error={code}&error_description=%3Cscript%3Ebecause&state={state}&iss={iss}&code=c"
            ))
            .await;
        assert_eq!(answer.status, status, "{code}");
        assert!(answer.body.contains(words) && !answer.body.contains("because"), "xs4: {}", answer.body);
        assert!(
            answer.body.contains("<a href=\"/login?return_to=%2Fprivate\">Sign in</a>"),
            "{}",
            answer.body
        );
        assert!(app.op.seen("/token").is_empty());
        app.assert_signed_out(code).await;
    }
}

#[tokio::test]
async fn hd1_own_pages_are_strict_about_what_they_load() {
    let mut app = App::new();
    let page = app.browser.open("/oidc-callback").await;
    assert_eq!(page.header("content-type"), "text/html; charset=utf-8");
    let policy = page.header("content-security-policy");
    assert!(
        policy.starts_with("default-src 'none'; style-src 'sha256-")
            && policy.contains("frame-ancestors 'none'")
    );
    assert!(!page.body.contains("<script") && !page.body.contains(" style="));
    assert_eq!(
        ["x-content-type-options", "referrer-policy", "cache-control"].map(|name| page.header(name)),
        ["nosniff", "same-origin", "no-store"]
    );
}

#[tokio::test]
async fn a_session_may_take_two_cookies_and_no_more() {
    for (bytes, cookies) in [(100, 1), (4_000, 2)] {
        let mut app = App::new();
        app.op.script().userinfo = json!({"sub": "u-1", "name": "a".repeat(bytes)});
        app.sign_in().await;
        let sent = app.browser.sent_to("/");
        assert_eq!(sent.len(), cookies, "{bytes}");
        assert!(sent.iter().all(|(_, bytes)| *bytes <= 3_800));
        assert!(app.home().await.starts_with("aaa"));
    }
    let mut app = App::new();
    app.op.script().userinfo = json!({"sub": "u-1", "name": "a".repeat(6_000)});
    let answer = app.try_sign_in().await;
    assert_eq!(answer.status, StatusCode::INTERNAL_SERVER_ERROR, "said before a browser drops it in silence");
    assert!(answer.body.contains("Its operator has been told why."));
    app.assert_signed_out("too large").await;
}

#[tokio::test]
async fn a_client_proves_itself_as_the_provider_takes_it() {
    for (methods, in_body) in [
        (json!(null), false),
        (json!(["client_secret_basic", "client_secret_post"]), false),
        (json!(["client_secret_post"]), true),
    ] {
        let mut app = App::new();
        if !methods.is_null() {
            app.op.script().metadata["token_endpoint_auth_methods_supported"] = methods.clone();
        }
        app.sign_in().await;
        let seen = app.op.seen("/token").remove(0);
        assert_eq!(seen.form.get("client_secret").is_some(), in_body, "{methods}");
        assert_eq!(seen.headers.contains_key("authorization"), !in_body, "{methods}");
        assert_eq!(seen.form.get("redirect_uri"), Some("https://app.example/oidc-callback"));
    }
}

#[tokio::test]
async fn a_provider_may_do_without_userinfo_and_promises() {
    let op = Op::new();
    let mut metadata = op.script().metadata.clone();
    for name in ["userinfo_endpoint", "authorization_response_iss_parameter_supported"] {
        metadata.as_object_mut().expect("an object").remove(name);
    }
    op.script().metadata = metadata;
    op.script().id_token = json!({"name": "Alice", "at_hash": null});
    let mut app = App::at(op, |builder| builder);
    let query = app.begin("/login").await;
    let without_iss = query.split("&iss=").next().expect("a query").to_owned();
    assert_eq!(app.come_back(&without_iss).await.location(), "/");
    assert_eq!(app.home().await, "Alice Alive");
}

#[tokio::test]
async fn a_session_lasts_as_long_as_set() {
    let mut app = App::with(|builder| builder.session_life(std::time::Duration::from_secs(3_600)));
    app.sign_in().await;
    app.wait(3_599);
    assert_eq!(app.home().await, "alice Alive");
    app.wait(1);
    assert_eq!(app.home().await, "nobody");
    app.assert_signed_out("at its end").await;
    assert_eq!(app.seconds_since_start(), 3_600);
}

#[tokio::test]
async fn on_loopback_a_sign_in_goes_on_under_the_name_that_the_provider_sends_back_to() {
    let app = App::with(|builder| builder.public_url("http://localhost:5000"));
    let login = async |host: &str| {
        let request = http::Request::get("/login?return_to=/private%3Fa=b").header("host", host);
        let router = app.login.attach(axum::Router::new());
        let sent = router
            .oneshot(request.body(axum::body::Body::empty()).expect("a request"))
            .await
            .expect("infallible");
        sent.headers()["location"].to_str().expect("ASCII").to_owned()
    };
    for other in ["127.0.0.1:5000", "[::1]:5000"] {
        assert_eq!(login(other).await, "http://localhost:5000/login?return_to=%2Fprivate%3Fa%3Db", "{other}");
    }
    // The name itself, and whatever else somebody writes there: the redirect URI never comes from it.
    for host in
        ["localhost:5000", "127.0.0.1:5001", "evil.example:5000", "localhost.evil.example:5000", "x y"]
    {
        assert!(login(host).await.starts_with("https://op.example/authorize?"), "{host}");
    }
}
