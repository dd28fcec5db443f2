//! Text that others wrote: on pages, in errors, in statements (checklist XS, IN1, G2, G8).

use authmachine_testkit::{PASSWORD, TestServer, both_engines};
use http::Method;

use super::{METHODS, ROUTES, registration_on};

/// Text that would be something else if it were not escaped.
const HOSTILE: &str = "<script>alert(1)</script><img src=x onerror=alert(2)>\"'&{{7*7}}\u{202e}";

#[both_engines]
async fn xs1_xs2_hostile_text_is_only_text_on_every_page() {
    let server = TestServer::start().await;
    server.user(HOSTILE).email(None).claim("name", HOSTILE).create().await;
    let guest = server.client("guest").name(HOSTILE).objects(&[HOSTILE]).create().await;
    let browser = server.browser().with("user-agent", "<script>alert(3)</script>").at("2001:db8::1");
    let other = server.browser().with("user-agent", "\"><img src=x onerror=alert(4)>");
    other.sign_in(HOSTILE, PASSWORD).await;

    let claims = serde_json::json!({ "authmachine_permissions": [HOSTILE] }).to_string();
    let request = guest.authorize().with("claims", &claims).with("login_hint", HOSTILE);
    let mut pages = vec![browser.follow(&request.url()).await];
    pages.push(pages[0].submit(&[("username", HOSTILE), ("password", "a wrong one")]).await);
    pages.push(pages[0].submit(&[("username", HOSTILE), ("password", PASSWORD)]).await);
    pages.push(browser.follow(&request.clone().with("prompt", "select_account").url()).await);
    pages.push(browser.open("/").await);
    pages.push(browser.open("/account/password").await);
    pages.push(browser.follow("/oidc/logout?client_id=guest").await);
    pages.push(server.browser().sign_in(HOSTILE, "a wrong one").await);
    let titles = [
        "Sign in",
        "Sign in",
        "Do you agree?",
        "Choose an account",
        "Your account",
        "Change password",
        "Sign out?",
        "Sign in",
    ];
    for (page, title) in pages.iter().zip(titles) {
        let html = page.answer().text();
        assert!(html.contains(&format!("{title} · ")), "{title}: {html}");
        for raw in ["<script>alert", "<img src=x", "onerror=alert(2)>\""] {
            assert!(!html.contains(raw), "{title}: {raw} in {html}");
        }
        assert!(
            !page.answer().shown().contains('\u{202e}'),
            "{title}: what turns the text around is left out"
        );
    }
    // And yet it was there to be shown.
    assert!(pages[4].answer().text().contains("alert(1)") && pages[2].answer().text().contains("alert(1)"));
}

#[both_engines]
async fn xs4_nothing_that_was_sent_comes_back_in_an_error() {
    let server = TestServer::start_with(registration_on).await;
    let app = server.client("guest").create().await;
    let marker = "ECHO-me-0123456789";
    let html = "%3Cscript%3EECHO-me-0123456789%3C%2Fscript%3E";
    for route in ROUTES {
        for method in [Method::GET, Method::POST, Method::DELETE] {
            let target = format!(
                "{route}?x={html}&{marker}={marker}&client_id={marker}&redirect_uri={marker}&token={marker}"
            );
            let request = server
                .request(method.clone(), &target)
                .header("x-echo", marker)
                .header("referer", &format!("https://evil.example/{marker}"))
                .header("user-agent", marker)
                .header("authorization", &format!("Token {marker}"))
                .header("cookie", &format!("a={marker}; __Host-am_session={marker}"))
                .form(&[("grant_type", marker), ("code", marker), ("username", marker), ("x", "<script>")]);
            let answer = request.send().await;
            let body = String::from_utf8_lossy(&answer.body);
            // The log-in page keeps the name that was typed: that is not an error page.
            if route != "/login" {
                assert!(!body.contains(marker), "{method} {route}: {body}");
            }
            let is_html = answer.header("content-type").is_some_and(|value| value.starts_with("text/html"));
            assert!(!(is_html && body.starts_with('{')), "JSON is never HTML: {route}");
        }
    }
    let answer = server.get(&format!("/{marker}/nothing")).send().await;
    answer.assert_page(404, "There is nothing here").assert_no_echo(marker);
    let visit = server.browser().follow(&app.authorize().with("redirect_uri", marker).url()).await;
    visit.answer().assert_no_echo(marker);
}

#[both_engines]
async fn lg4_an_error_page_shows_the_id_that_the_log_has() {
    let server = TestServer::start().await;
    let answer = server.get("/nothing").send().await;
    let id = answer.header("x-request-id").expect("an id");
    answer.assert_page(404, id);
    assert!(server.log().iter().any(|record| record.contains(id)), "the operator finds it");
    // An id that somebody sends is not taken.
    let answer = server.get("/nothing").header("x-request-id", "0123456789abcdef").send().await;
    assert_ne!(answer.header("x-request-id"), Some("0123456789abcdef"));
    // The database's own words are not for clients.
    let app = server.client("shop").create().await;
    server.store().faults().fail_call(1);
    let answer = app.introspect("x").await;
    answer.assert_error(503, "temporarily_unavailable").assert_no_echo("ordered");
    assert_eq!(answer.json()["error_description"], "The server cannot answer just now.");
}

#[both_engines]
async fn in1_quotes_and_wildcards_are_only_characters_at_every_door() {
    let server = TestServer::start().await;
    server.user("alice").create().await;
    server.permit("alice", "object1", &["read"]).await;
    let app = server.client("shop").first_party().create().await;
    let api = server.api_token("api").await;
    let browser = server.browser().log_in("alice").await;
    let before = server.state();
    for text in
        ["' OR '1'='1", "shop' --", "%", "_", "\\'", "$1", "\"; DROP TABLE users; --", "sho\u{0130}", "🏪"]
    {
        browser
            .follow(&app.authorize().with("client_id", text).url())
            .await
            .assert_page(400, "do not know this app");
        let mut other = app.clone();
        other.record.client_id = text.to_owned();
        other.introspect("x").await.assert_error(401, "invalid_client");
        app.with_secret(text).introspect("x").await.assert_error(401, "invalid_client");
        app.redeem(text).await.assert_error(400, "invalid_grant");
        app.refresh(text).await.assert_error(400, "invalid_grant");
        assert!(!app.is_active(text).await);
        app.revoke(text).await.assert_status(200);
        let encoded = authmachine_protocol::form::encode([("post_logout_redirect_uri", text)]);
        server
            .browser()
            .follow(&format!("/oidc/logout?{encoded}"))
            .await
            .assert_page(200, "You are signed out");
        let sub = server.find_user("alice").await.expect("made").sub;
        let answer = api.permissions(&sub, &["object1", text]).await.ok();
        assert_eq!(answer["permissions"][text], serde_json::json!([]), "{text}");
        let claims = serde_json::json!({ "authmachine_permissions": [text] }).to_string();
        let code = browser.follow(&app.authorize().with("claims", &claims).url()).await.code();
        let tokens = app.redeem(&code).await.ok();
        app.revoke(tokens.refresh_token()).await.assert_status(200);
    }
    for table in ["users", "clients", "permission_grants", "signing_keys", "api_tokens"] {
        assert_eq!(server.state()[table].len(), before[table].len(), "{table}");
    }
}

#[both_engines]
async fn g2_what_is_encoded_twice_is_not_decoded_twice() {
    let server = TestServer::start().await;
    server.user("alice").create().await;
    let app = server.client("shop").first_party().create().await;
    let browser = server.browser().log_in("alice").await;
    let twice = app.authorize().with("redirect_uri", "https%3A%2F%2Fshop.example%2Fcallback");
    browser.follow(&twice.url()).await.assert_page(400, "wrong return address");
    browser
        .follow(&app.authorize().with("client_id", "%73hop").url())
        .await
        .assert_page(400, "do not know this app");
    server.browser().sign_in("%61lice", PASSWORD).await.assert_page(401, "do not match");
    let api = server.api_token("api").await;
    server.permit("alice", "a/b", &["read"]).await;
    let sub = server.find_user("alice").await.expect("made").sub;
    let answer = api.permissions(&sub, &["a%2fb", "a/b"]).await.ok();
    assert_eq!(answer["permissions"], serde_json::json!({ "a%2fb": [], "a/b": ["read"] }));
}

#[both_engines]
async fn g8_no_input_panics() {
    let server = TestServer::start_with(registration_on).await;
    server.user("alice").create().await;
    let app = server.client("shop").create().await;
    let browser = server.browser().log_in("alice").await;
    let cookies: Vec<_> =
        browser.cookies().iter().map(|cookie| format!("{}={}", cookie.name, cookie.value)).collect();
    let names = [
        "client_id",
        "redirect_uri",
        "response_type",
        "scope",
        "state",
        "nonce",
        "claims",
        "prompt",
        "max_age",
        "id_token_hint",
        "code_challenge",
        "ui_locales",
        "login_hint",
        "grant_type",
        "code",
        "refresh_token",
        "access_token",
        "token",
        "csrf",
        "username",
        "password",
        "decision",
        "session",
        "post_logout_redirect_uri",
        "object",
        "current_password",
        "new_password",
        "done",
    ];
    let values = [
        "",
        "%",
        "%00",
        "%ff%fe",
        "%f0%9f%98%80",
        "%e2%80%ae",
        "-1",
        "99999999999999999999",
        "NaN",
        "%7B%22a%22%3A",
        "%5B%5B%5B%5B",
        "eyJhbGciOiJub25lIn0..",
        "....",
        "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
        "%C3%A4%CC%88",
        "a+b",
        "%0d%0a",
        "javascript:alert(1)",
        "//",
        "/\\evil.example",
        "%F0%9F%91%A8%E2%80%8D%F0%9F%91%A9",
    ];
    // A fixed sequence, so that a failure is the same again.
    let mut seed = 0x2545_F491_4F6C_DD1D_u64;
    let mut next = |below: usize| {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        usize::try_from(seed % below as u64).expect("small")
    };
    for _ in 0..1_500 {
        let route = ROUTES[next(ROUTES.len())];
        let mut pairs: Vec<String> = (0..next(6))
            .map(|_| format!("{}={}", names[next(names.len())], values[next(values.len())]))
            .collect();
        if next(2) == 0 {
            pairs.push(app.authorize().encoded());
        }
        let body = pairs.join("&");
        let target = if next(2) == 0 { format!("{route}?{body}") } else { route.to_owned() };
        let method = METHODS[next(METHODS.len())].clone();
        let mut request = server.request(method, &target).header("cookie", &cookies.join("; "));
        request = match next(4) {
            0 => request,
            1 => request.body("application/json", body),
            2 => request
                .header("authorization", ["Basic", "Basic OjpA", "Bearer", "Token x", "\u{7f}"][next(4)]),
            _ => request.body("application/x-www-form-urlencoded", body),
        };
        let answer = request.send().await;
        assert!(answer.status.as_u16() < 500, "{target}: {}", answer.text());
    }
    assert_eq!(server.panics(), 0);
}
