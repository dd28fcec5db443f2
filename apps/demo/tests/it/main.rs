//! The app from outside: the real router and client crate, a provider that answers as it is told, no socket.

mod provider;

use authmachine_client::{Error, Login};
use axum::http::StatusCode;
use provider::{Browser, Provider, Shown};
use serde_json::{Map, Value, json};

const POLICY: &str = "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'none'; \
                      base-uri 'none'; frame-ancestors 'none'";

fn members(value: Value) -> Map<String, Value> {
    value.as_object().cloned().expect("an object")
}

/// A browser in which alice is logged in.
async fn alice(provider: &Provider) -> Browser {
    let mut browser = provider.browser();
    let answer = browser.log_in().await;
    assert_eq!((answer.status, answer.header("location")), (StatusCode::SEE_OTHER, "/"), "{}", answer.body);
    browser
}

#[tokio::test]
async fn the_start_page_says_who_is_logged_in() {
    let provider = Provider::new();
    let before = provider.browser().get("/").await;
    assert_eq!(before.status, StatusCode::OK);
    assert!(before.body.contains("You are not logged in") && before.body.contains("href=\"/login\""));
    assert!(provider.answers().asked.is_empty(), "nobody is asked about nobody");

    let after = alice(&provider).await.get("/").await;
    assert_eq!(after.status, StatusCode::OK);
    for said in [
        "Logged in as alice",
        "href=\"/logout\"",
        "alice@example.com",
        "Your token is alive",
        "object1",
        "write",
    ] {
        assert!(after.body.contains(said), "{said}: {}", after.body);
    }
    assert!(!after.body.contains("an-access-token"));
}

#[tokio::test]
async fn each_view_asks_whether_the_token_still_holds() {
    let provider = Provider::new();
    let mut browser = alice(&provider).await;
    for _ in 0..2 {
        provider.answers().asked.clear();
        browser.get("/").await;
        assert_eq!(provider.answers().asked, ["/oidc/token", "/oidc/userinfo"]);
    }

    provider.answers().is_away = true;
    let kept = browser.get("/").await;
    assert_eq!(kept.status, StatusCode::OK);
    assert!(kept.body.contains("Logged in as alice") && kept.body.contains("The provider does not answer"));
    assert!(
        kept.body.contains("No live permissions") && !kept.body.contains("class=\"yes\""),
        "{}",
        kept.body
    );

    provider.answers().is_away = false;
    provider.answers().is_revoked = true;
    assert!(browser.get("/").await.body.contains("You are not logged in"), "logged out elsewhere");
    assert!(browser.cookies.keys().all(|name| !name.contains("session")), "{:?}", browser.cookies);
}

#[tokio::test]
async fn a_revoke_shows_at_the_next_view_without_a_new_login() {
    let provider = Provider::new();
    let mut browser = alice(&provider).await;
    let cells = |page: &Shown| page.body.matches("class=\"yes\"").count();
    let before = browser.get("/").await;
    assert!(before.body.contains("Live, from userinfo") && cells(&before) == 2, "{}", before.body);
    for (held, expected) in [
        (json!({"object1": ["read"], "object2": []}), 1),
        (json!({"object1": [], "object2": []}), 0),
        (json!({"object1": ["audit"], "object2": ["audit", "read"]}), 3),
    ] {
        provider.answers().userinfo = members(json!({"authmachine_permissions": held}));
        let after = browser.get("/").await;
        assert_eq!(cells(&after), expected, "{held}: {}", after.body);
    }
    // CL6: an answer about somebody else is none.
    provider.answers().userinfo =
        members(json!({"sub": "another", "authmachine_permissions": {"object1": ["read"]}}));
    let refused = browser.get("/").await;
    assert!(refused.body.contains("No live permissions") && cells(&refused) == 0, "{}", refused.body);
}

#[tokio::test]
async fn permissions_are_shown_by_the_api_where_there_is_a_token_for_it() {
    let provider = Provider::new();
    let app = authmachine_demo::app(provider.settings().api_token("an-api-token")).expect("legal settings");
    let mut browser = provider.browser_of(app);
    browser.log_in().await;
    provider.answers().permissions = (200, json!({"permissions": {"object1": ["audit"], "object2": []}}));
    let live = browser.get("/").await.body;
    assert!(
        live.contains("Live, from userinfo") && live.contains("Live, from the permissions API"),
        "{live}"
    );
    assert!(live.contains("<th scope=\"col\">audit</th>"), "{live}");
    assert_eq!(
        provider.answers().asked.last().map(String::as_str),
        Some("/api/scim/v1/Users/0f8c1e/permissions")
    );

    // CL6: any error of the API means no permission.
    for (status, body) in [(403, json!({})), (200, json!(["object1"])), (500, json!({"object1": ["audit"]}))]
    {
        provider.answers().permissions = (status, body);
        let refused = browser.get("/").await;
        assert_eq!(refused.status, StatusCode::OK);
        assert!(refused.body.contains("No live permissions") && !refused.body.contains("audit"), "{status}");
    }

    let without = alice(&provider).await.get("/").await.body;
    assert!(!without.contains("permissions API") && !without.contains("No live permissions"), "{without}");
}

#[tokio::test]
async fn the_last_login_is_shown_step_by_step_without_secrets() {
    let provider = Provider::new();
    let page = alice(&provider).await.get("/last-login").await;
    assert_eq!(page.status, StatusCode::OK);
    let mut from = 0;
    for title in [
        "Discovery",
        "Authorization request",
        "Authorization response",
        "Token request",
        "Signing keys",
        "ID token",
        "User info",
        "Session",
        "Token check",
    ] {
        let heading = format!("<h2>{title}</h2>");
        from += page.body[from..].find(&heading).unwrap_or_else(|| panic!("{title} after what is before it"));
    }
    for said in
        ["code_challenge", "nonce is the one of this sign-in", "Passed:", "All of them passed.", "auth_time"]
    {
        assert!(page.body.contains(said), "{said}");
    }
    for secret in ["an-access-token", "a-client-secret", "a-code-good", "eyJhbGciOiJFUzI1NiI"] {
        assert!(!page.body.contains(secret), "LG1: {secret}");
    }
}

#[tokio::test]
async fn a_login_is_shown_to_its_own_browser_only() {
    let provider = Provider::new();
    let nobody = provider.browser().get("/last-login").await;
    assert_eq!(nobody.status, StatusCode::SEE_OTHER);
    assert_eq!(nobody.header("location"), "/login?return_to=%2Flast-login");

    let app = authmachine_demo::app(provider.settings()).expect("legal settings");
    let (mut alice, mut bob) = (provider.browser_of(app.clone()), provider.browser_of(app));
    alice.log_in().await;
    let of_alice = provider.answers().nonce.clone();
    provider.answers().userinfo = members(json!({"preferred_username": "bob"}));
    bob.log_in().await;
    let of_bob = provider.answers().nonce.clone();
    let (hers, his) = (alice.get("/last-login").await.body, bob.get("/last-login").await.body);
    assert!(hers.contains(&of_alice) && !hers.contains(&of_bob) && !hers.contains("bob"), "{hers}");
    assert!(his.contains(&of_bob) && !his.contains(&of_alice), "{his}");
}

#[tokio::test]
async fn a_login_from_before_the_start_has_no_steps_but_a_session() {
    let provider = Provider::new();
    let mut browser = alice(&provider).await;
    // Another process with the same session key.
    let mut later = provider.browser();
    later.cookies = std::mem::take(&mut browser.cookies);
    let page = later.get("/last-login").await;
    assert_eq!(page.status, StatusCode::OK);
    assert!(
        page.body.contains("Its steps are no longer kept") && page.body.contains("<h2>Token check</h2>"),
        "{}",
        page.body
    );
    assert!(later.get("/").await.body.contains("Its steps are no longer kept"));
}

#[tokio::test]
async fn a_failed_login_says_what_went_wrong_and_whose_turn_it_is() {
    let provider = Provider::new();
    let failed = async |browser: &mut Browser, query: &str| -> Shown {
        let shown = browser.get(&format!("/oidc-callback?{query}")).await;
        assert!(
            shown.body.contains("What went wrong") && shown.body.contains("Whose turn it is"),
            "{}",
            shown.body
        );
        shown
    };
    let mut browser = provider.browser();

    let stranger = failed(&mut browser, "code=x&state=y").await;
    assert_eq!(stranger.status, StatusCode::BAD_REQUEST);
    assert!(!stranger.body.contains("What happened until then"), "whose login it is nobody knows");

    let query = browser.begin().await;
    provider.answers().nonce = "another".to_owned();
    let replayed = failed(&mut browser, &query).await;
    assert_eq!(replayed.status, StatusCode::BAD_GATEWAY);
    assert!(
        replayed.body.contains("The provider’s.")
            && replayed.body.contains("nonce is not the one of this sign-in")
    );
    let check =
        "<li class=\"failed\"><span class=\"unseen\">Failed: </span>nonce is the one of this sign-in</li>";
    assert!(replayed.body.contains(check), "the steps of this login: {}", replayed.body);

    let query = browser.begin().await;
    let state = query.split('&').nth(1).expect("a state");
    let hostile = "%3Cscript%3Ealert(1)%3C%2Fscript%3E%E2%80%AE";
    let query =
        format!("error=access_denied&error_description={hostile}&{state}&iss=https%3A%2F%2Fop.example");
    let denied = failed(&mut browser, &query).await;
    assert_eq!(denied.status, StatusCode::FORBIDDEN);
    assert!(
        denied.body.contains("Yours.") && denied.body.contains("&#60;script&#62;alert(1)"),
        "{}",
        denied.body
    );
    assert!(!denied.body.contains("<script") && !denied.body.contains('\u{202e}'));

    let query = browser.begin().await;
    provider.answers().is_away = true;
    let away = failed(&mut browser, &query).await;
    assert_eq!(away.status, StatusCode::SERVICE_UNAVAILABLE);
    assert!(away.body.contains("Nobody’s.") && !away.header("retry-after").is_empty());
    assert!(browser.get("/").await.body.contains("You are not logged in"));
}

#[tokio::test]
async fn xs2_a_hostile_provider_is_harmless() {
    let hostile =
        "\"><script>alert(1)</script><svg/onload=alert(1)>' onfocus='alert(1)\u{202e}\u{2066}\0\r\n{{7*7}}";
    let provider = Provider::new();
    {
        let mut answers = provider.answers();
        answers.metadata = members(json!({"op_policy_uri": hostile, hostile: [hostile]}));
        answers.id_token = members(json!({hostile: hostile, "acr": hostile}));
        answers.userinfo = members(json!({
            "preferred_username": hostile, "name": hostile, hostile: {hostile: [hostile]}, "picture": "javascript:alert(1)",
            "authmachine_permissions": {hostile: [hostile, "read"], "object2": [hostile]},
        }));
        answers.permissions = (200, json!({hostile: [hostile, "read"], "object2": [hostile]}));
    }
    let app = authmachine_demo::app(provider.settings().api_token("an-api-token")).expect("legal settings");
    let mut browser = provider.browser_of(app);
    browser.log_in().await;
    for path in ["/", "/last-login"] {
        let page = browser.get(path).await;
        assert_eq!(page.status, StatusCode::OK);
        assert!(page.body.contains("alert(1)"), "{path}: it is shown");
        assert!(page.body.len() < 40_000, "{path}: {}", page.body.len());
        for bad in
            ["<script", "<svg", "\" onfocus", "' onfocus", "\u{202e}", "\u{2066}", "\0", "\r", "href=\"java"]
        {
            assert!(!page.body.contains(bad), "{path}: {bad:?} in {}", page.body);
        }
    }
}

#[tokio::test]
async fn long_documents_are_cut() {
    let provider = Provider::new();
    let long: Vec<String> = (0..5_000).map(|n| format!("\"{n}\" is a <value> & more")).collect();
    provider.answers().metadata = members(json!({"claims_supported": long}));
    provider.answers().permissions =
        (200, Value::Object((0..1_500).map(|n| (format!("object{n}"), json!([format!("t{n}")]))).collect()));
    let app = authmachine_demo::app(provider.settings().api_token("an-api-token").objects([""; 0]))
        .expect("legal settings");
    provider.answers().userinfo = members(json!({"authmachine_permissions": null}));
    let mut browser = provider.browser_of(app);
    browser.log_in().await;
    let (home, steps) = (browser.get("/").await.body, browser.get("/last-login").await.body);
    assert!(home.contains("more than fits on this page") && home.len() < 40_000, "{}", home.len());
    assert!(steps.contains('…') && steps.len() < 40_000, "{}", steps.len());
    assert!(steps.contains("nonce is the one of this sign-in"), "a long document leaves room for the rest");
}

#[tokio::test]
async fn hd1_every_response_has_the_headers() {
    let provider = Provider::new();
    let mut browser = alice(&provider).await;
    let mut checked = Vec::new();
    for (method, path, headers, status) in [
        ("GET", "/", &[][..], 200),
        ("HEAD", "/", &[], 200),
        ("GET", "/last-login", &[], 200),
        ("GET", "/nowhere", &[], 404),
        ("GET", "/assets/nothing.css", &[], 404),
        ("GET", "/assets/%2e%2e%2fCargo.toml", &[], 404),
        ("POST", "/", &[], 405),
        ("DELETE", "/last-login", &[], 405),
        ("GET", "/login", &[], 303),
        ("GET", "/login", &[("sec-fetch-mode", "cors")], 403),
        ("GET", "/oidc-callback?state=x", &[], 400),
        ("GET", "/oidc-logout-callback", &[("sec-fetch-site", "cross-site")], 303),
    ] {
        let answer = browser.send(method, path, headers).await;
        assert_eq!(answer.status, status, "{method} {path}");
        assert_eq!(answer.header("content-security-policy"), POLICY, "{method} {path}");
        checked.push(answer);
    }
    let mut nobody = provider.browser();
    checked.push(nobody.get("/").await);
    checked.push(nobody.send("GET", "/last-login", &[("sec-fetch-mode", "cors")]).await);
    assert_eq!(checked.last().expect("pushed").status, StatusCode::UNAUTHORIZED);

    // The question before a log-out has a form, which ends at the provider.
    let question = browser.send("GET", "/logout", &[("sec-fetch-site", "cross-site")]).await;
    assert_eq!(question.header("content-security-policy"), POLICY.replace("form-action 'none'; ", ""));
    assert!(question.body.contains("<form method=\"post\" action=\"/logout\">"), "{}", question.body);
    checked.push(question);
    checked.push(browser.send("POST", "/logout", &[]).await);
    assert!(
        checked
            .last()
            .expect("pushed")
            .header("location")
            .starts_with("https://op.example/oidc/end_session?")
    );

    for answer in checked {
        for (name, value) in [
            ("x-content-type-options", "nosniff"),
            ("referrer-policy", "same-origin"),
            ("cross-origin-opener-policy", "same-origin"),
            ("cross-origin-resource-policy", "same-origin"),
        ] {
            assert_eq!(answer.header(name), value, "{}", answer.body);
        }
        assert!(answer.header("cache-control").contains("no-store"), "{}", answer.header("cache-control"));
        assert!(!answer.header("permissions-policy").is_empty());
    }
}

#[tokio::test]
async fn static_files_may_be_kept_for_ever() {
    let mut browser = Provider::new().browser();
    let page = browser.get("/").await.body;
    let files: Vec<&str> = page.split('"').filter(|part| part.starts_with("/assets/")).collect();
    assert_eq!(files.len(), 3, "style, icon, and the same mark in the page: {files:?}");
    for file in files {
        let answer = browser.get(file).await;
        assert_eq!(answer.status, StatusCode::OK, "{file}");
        assert_eq!(answer.header("cache-control"), "public, max-age=31536000, immutable");
        assert_eq!(answer.header("x-content-type-options"), "nosniff");
        let kind = if file.ends_with(".css") { "text/css; charset=utf-8" } else { "image/svg+xml" };
        assert_eq!(answer.header("content-type"), kind);
    }
}

#[tokio::test]
async fn logging_out_ends_at_the_start_page() {
    let provider = Provider::new();
    let mut browser = alice(&provider).await;
    let left = browser.send("GET", "/logout", &[("sec-fetch-site", "same-origin")]).await;
    assert_eq!(left.status, StatusCode::SEE_OTHER);
    let location = left.header("location");
    assert!(
        location.starts_with("https://op.example/oidc/end_session?") && location.contains("revoke_tokens=1")
    );
    assert!(browser.get("/").await.body.contains("You are not logged in"));
    let state = location.split(['?', '&']).find(|pair| pair.starts_with("state=")).expect("a state");
    let back = browser.get(&format!("/oidc-logout-callback?{state}")).await;
    assert_eq!((back.status, back.header("location")), (StatusCode::SEE_OTHER, "/"));
}

#[test]
fn a_wrong_setting_is_named() {
    let builder = Login::builder("http://op.example", "test").public_url("http://localhost:5000");
    let Err(Error::Config(why)) = authmachine_demo::app(builder) else { panic!("plain http") };
    assert!(why.contains("AUTHMACHINE_URL"), "{why}");
}
