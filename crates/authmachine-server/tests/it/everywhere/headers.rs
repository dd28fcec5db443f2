//! Headers of every answer (checklist HD1, TK7), and what forms end in.

use authmachine_testkit::{Answer, PASSWORD, TestServer, both_engines};

use super::{METHODS, ROUTES, registration_on};

/// Checklist HD1, for one answer.
fn check_headers(answer: &Answer, what: &str) {
    let header = |name: &str| answer.header(name).unwrap_or_else(|| panic!("{what}: {name}"));
    assert_eq!(header("x-content-type-options"), "nosniff", "{what}");
    assert_eq!(header("referrer-policy"), "same-origin", "{what}");
    assert!(header("permissions-policy").contains("camera=()"), "{what}");
    assert!(matches!(header("cross-origin-resource-policy"), "same-origin" | "cross-origin"), "{what}");
    assert!(header("strict-transport-security").starts_with("max-age="), "{what}");
    assert_eq!(header("x-request-id").len(), 16, "{what}");
    assert!(answer.headers.get("server").is_none() && answer.headers.get("x-powered-by").is_none(), "{what}");
    let policy: Vec<_> = header("content-security-policy").split(';').map(str::trim).collect();
    for directive in ["default-src 'none'", "script-src 'self'", "base-uri 'none'", "frame-ancestors 'none'"]
    {
        assert!(policy.contains(&directive), "{what}: {policy:?}");
    }
    assert!(!header("content-security-policy").contains("unsafe"), "{what}");
    let may_be_kept = header("cache-control").starts_with("public");
    assert!(may_be_kept || header("cache-control") == "no-store", "{what}: checklist TK7");
    if may_be_kept {
        assert!(!answer.headers.contains_key("set-cookie"), "{what}");
    }
}

#[both_engines]
async fn hd1_every_answer_has_its_headers_errors_and_404_included() {
    let server = TestServer::start_with(registration_on).await;
    for route in ROUTES {
        for method in METHODS {
            let answer = server.request(method.clone(), route).send().await;
            let what = format!("{method} {route}: {}", answer.status);
            check_headers(&answer, &what);
            let on_our_pages = !route.starts_with("/oidc/") && !route.starts_with("/interaction");
            assert_eq!(answer.headers.contains_key("cross-origin-opener-policy"), on_our_pages, "{what}");
            if answer.status.as_u16() == 405 {
                assert!(answer.headers.contains_key("allow"), "{what}");
            }
        }
    }
    for odd in ["/%2e%2e/", "//", "/oidc/../login", &format!("/{}", "a".repeat(9_000))] {
        check_headers(&server.get(odd).send().await, odd);
    }
    // Where a form ends at a client `form-action` is left out; everywhere else it is ours.
    let app = server.client("guest").create().await;
    let browser = server.browser();
    let login = browser.follow(&app.authorize_url()).await;
    let consent = browser.log_in("alice").await.follow(&app.authorize_url()).await;
    for page in [&login, &consent] {
        page.trail.iter().for_each(|answer| check_headers(answer, &page.url));
        assert!(!page.answer().header("content-security-policy").expect("there").contains("form-action"));
    }
    let policy = server.get("/login").send().await;
    assert!(policy.header("content-security-policy").expect("there").contains("form-action 'self'"));
}

#[both_engines]
async fn hd1_without_https_there_is_no_promise_of_it() {
    let server = TestServer::start_with(|settings| {
        settings.issuer = authmachine_server::Issuer::parse("http://127.0.0.1:8000").expect("an issuer");
    })
    .await;
    assert!(server.get("/").send().await.header("strict-transport-security").is_none());
}

#[both_engines]
async fn hd1_pages_load_nothing_from_elsewhere_and_have_no_inline_script() {
    let server = TestServer::start().await;
    let guest = server.client("guest").create().await;
    let browser = server.browser().log_in("alice").await;
    for page in [
        server.browser().open("/").await,
        server.browser().open("/login").await,
        browser.open("/").await,
        browser.open("/account/password").await,
        browser.open("/nothing").await,
        browser.follow(&guest.authorize_url()).await,
        browser.follow("/oidc/logout").await,
    ] {
        let html = page.answer().text();
        assert!(!html.contains("style=") && !html.contains("<style"), "{html}");
        for part in html.split(" on").skip(1) {
            let handler =
                part.split_once("=\"").is_some_and(|(name, _)| name.bytes().all(|b| b.is_ascii_lowercase()));
            assert!(!handler, "on{part}");
        }
        for part in html.split("<script").skip(1) {
            assert!(part.starts_with(" src=\"/assets/"), "{part}");
        }
        for attribute in ["src=\"", "href=\"", "action=\""] {
            for value in html.split(attribute).skip(1) {
                assert!(value.starts_with('/') && !value.starts_with("//"), "{value}");
            }
        }
        // What it names is there, and may be kept for ever.
        for value in html.split("\"/assets/").skip(1) {
            let path = format!("/assets/{}", value.split('"').next().expect("quoted"));
            let asset = server.get(&path).send().await;
            assert_eq!(
                asset.assert_status(200).header("cache-control"),
                Some("public, max-age=31536000, immutable")
            );
            check_headers(&asset, &path);
        }
    }
}

#[both_engines]
async fn tk7_what_is_about_a_credential_or_a_person_is_never_kept() {
    let server = TestServer::start().await;
    server.user("alice").create().await;
    let app = server.client("guest").create().await;
    let api = server.api_token("api").await;
    let browser = server.browser().log_in("alice").await;
    let visit = browser.authorize(&app).await;
    let redeemed = app.redeem(&visit.code()).await;
    let tokens = redeemed.ok();
    let sub = server.find_user("alice").await.expect("made").sub;
    let mut answers = visit.trail.clone();
    answers.extend([
        redeemed.0,
        app.refresh(tokens.refresh_token()).await.0,
        app.userinfo(&tokens.access_token).await,
        app.userinfo("x").await,
        app.introspect(&tokens.access_token).await,
        app.revoke("x").await,
        api.permissions(&sub, &["object1"]).await,
        browser.open("/").await.answer().clone(),
        browser.open("/account/password").await.answer().clone(),
        server.get("/login").send().await,
        server.browser().follow(&app.authorize_url()).await.answer().clone(),
    ]);
    for answer in answers {
        assert_eq!(answer.header("cache-control"), Some("no-store"), "{answer:?}");
    }
}

#[both_engines]
async fn ru6_every_form_ends_in_a_303() {
    let server = TestServer::start().await;
    server.user("alice").create().await;
    let guest = server.client("guest").create().await;
    let browser = server.browser();
    let mut posts = vec![browser.follow(&guest.authorize_url()).await.submit(&[("cancel", "1")]).await];
    posts.push(
        browser
            .follow(&guest.authorize_url())
            .await
            .submit(&[("username", "alice"), ("password", PASSWORD)])
            .await,
    );
    posts.push(posts[1].submit(&[("decision", "yes")]).await);
    let select = browser.follow(&guest.authorize().with("prompt", "select_account").url()).await;
    posts.push(select.submit(&[("decision", "switch")]).await);
    posts.push(server.browser().sign_in("alice", PASSWORD).await);
    let change = browser.open("/account/password").await;
    posts.push(
        change.submit(&[("current_password", PASSWORD), ("new_password", "another fine set of words")]).await,
    );
    posts.push(browser.follow("/oidc/logout").await.submit(&[("decision", "no")]).await);
    posts.push(browser.follow("/oidc/logout").await.submit(&[("decision", "yes")]).await);
    for post in posts {
        assert!(post.trail.len() > 1 || post.is_away(), "{}", post.url);
        for answer in post.trail.iter().filter(|answer| answer.status.is_redirection()) {
            answer.assert_status(303);
        }
    }
}

/// Caches in between go by what a path looks like.
#[both_engines]
async fn ch1_a_private_page_is_kept_under_no_path() {
    let server = TestServer::start().await;
    let browser = server.browser().log_in("alice").await;
    for path in ["/", "/account/password", "/login", "/oidc/userinfo", "/oidc/authorize", "/oidc/logout"] {
        for suffix in
            ["", "?x.css", "?/assets/x.css", "/x.css", "x.css", "/..%2fassets%2fx.css", ";x.css", "%3bx.css"]
        {
            let target = format!("{path}{suffix}");
            // That would be another host.
            if target.starts_with("//") {
                continue;
            }
            let visit = browser.open(&target).await;
            let first = &visit.trail[0];
            assert_eq!(first.header("cache-control"), Some("no-store"), "{path}{suffix}");
            assert!(
                suffix.is_empty() || suffix.starts_with('?') || first.status.as_u16() == 404,
                "{path}{suffix}"
            );
        }
    }
}
