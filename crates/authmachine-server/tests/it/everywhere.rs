//! What holds at every route: headers, hosts and paths, hostile text, odd input.

use authmachine_testkit::{Answer, PASSWORD, TestServer, both_engines};
use http::Method;

/// Every route of the router, and addresses that are none.
const ROUTES: [&str; 22] = [
    "/",
    "/login",
    "/logout",
    "/account/password",
    "/account/sessions/end",
    "/account/sessions/end-others",
    "/.well-known/openid-configuration",
    "/oidc/jwks",
    "/oidc/authorize",
    "/oidc/token",
    "/oidc/userinfo",
    "/oidc/revoke",
    "/oidc/introspect",
    "/oidc/logout",
    "/oidc/logout/confirm",
    "/interaction/x",
    "/api/scim/v1/Users/x/permissions",
    "/api/scim/v2/Users/x/permissions/",
    "/assets/x",
    "/healthz",
    "/readyz",
    "/nothing/here",
];

const METHODS: [Method; 7] =
    [Method::GET, Method::HEAD, Method::POST, Method::PUT, Method::DELETE, Method::PATCH, Method::OPTIONS];

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
    let server = TestServer::start().await;
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
    let server = TestServer::start().await;
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
async fn ho1_absolute_addresses_come_from_the_configuration() {
    let server = TestServer::start().await;
    let app = server.client("shop").first_party().create().await;
    let plain = server.browser().log_in("alice").await;
    for (name, value) in [
        ("host", "evil.example"),
        ("x-forwarded-host", "evil.example"),
        ("x-forwarded-proto", "http"),
        ("x-forwarded-port", "81"),
        ("x-forwarded-prefix", "/evil"),
        ("forwarded", "for=1.2.3.4;host=evil.example;proto=http"),
        ("x-original-host", "evil.example"),
    ] {
        let browser = plain.with(name, value);
        let visit = browser.follow(&app.authorize_url()).await;
        assert_eq!(visit.params()["iss"], authmachine_testkit::ISSUER, "{name}");
        assert!(!visit.away().contains("evil"), "{name}");
        let stranger = server.browser().with(name, value);
        let page = stranger.follow(&app.authorize_url()).await;
        assert!(
            !page.answer().text().contains("evil") && page.trail[0].location().starts_with("/interaction/"),
            "{name}"
        );
        for cookie in stranger.cookies() {
            assert_eq!(cookie.attributes, ["Path=/", "HttpOnly", "SameSite=Lax", "Secure"], "{name}");
        }
    }
}

#[both_engines]
async fn ho2_an_address_is_believed_from_listed_proxies_alone_and_counted_from_the_right() {
    let server = TestServer::start_with(|settings| {
        settings.trusted_proxies =
            vec!["10.0.0.1".parse().expect("an address"), "10.0.0.2".parse().expect("an address")];
    })
    .await;
    server.user("alice").create().await;
    let seen_as = async |peer: &str, forwarded: &[&str]| {
        let browser = forwarded
            .iter()
            .fold(server.browser().at(peer), |browser, value| browser.with("x-forwarded-for", value));
        browser.sign_in("alice", PASSWORD).await;
        let alice = server.find_user("alice").await.expect("made").id;
        let sessions =
            server.store().read(move |reads| reads.list_sessions_of(alice)).await.expect("it answers");
        sessions[0].address.clone()
    };
    for (peer, forwarded, address) in [
        ("203.0.113.9", &["198.51.100.1"][..], "203.0.113.9"),
        ("10.0.0.1", &["198.51.100.1"], "198.51.100.1"),
        ("10.0.0.1", &["192.168.0.1, 198.51.100.1"], "198.51.100.1"),
        ("10.0.0.1", &["198.51.100.1, 10.0.0.2"], "198.51.100.1"),
        ("10.0.0.1", &["198.51.100.1, nonsense"], "10.0.0.1"),
        ("10.0.0.1", &[], "10.0.0.1"),
        ("10.0.0.1", &["2001:db8::7"], "2001:db8::7"),
        ("10.0.0.1", &["::ffff:198.51.100.2"], "198.51.100.2"),
    ] {
        server.clock().advance(1);
        assert_eq!(seen_as(peer, forwarded).await, address, "{peer} {forwarded:?}");
    }
}

#[both_engines]
async fn ho3_no_decision_rests_on_a_forwarded_address_method_or_agent() {
    let server = TestServer::start().await;
    for (name, value) in [
        ("x-original-url", "/healthz"),
        ("x-rewrite-url", "/healthz"),
        ("x-forwarded-uri", "/healthz"),
        ("x-http-method-override", "GET"),
        ("x-http-method", "GET"),
        ("x-method-override", "GET"),
        ("user-agent", "kube-probe/1.0"),
        ("x-forwarded-for", "127.0.0.1"),
        ("x-real-ip", "127.0.0.1"),
    ] {
        server.get("/metrics").header(name, value).send().await.assert_status(404);
        server.get("/api/scim/v1/Users/x/permissions").header(name, value).send().await.assert_status(401);
        server.post("/oidc/jwks").header(name, value).send().await.assert_status(405);
    }
}

#[both_engines]
async fn ho4_odd_paths_are_404() {
    let server = TestServer::start().await;
    for odd in [
        "//login",
        "/login/",
        "/login%00",
        "/%6cogin",
        "/Login",
        "/./login",
        "/x/../login",
        "/oidc%2Ftoken",
        "/oidc/token;jsessionid=1",
        "/oidc/token/",
        "/oidc//token",
        "/healthz/..;/metrics",
        "/assets/../login",
        "/assets/..%2flogin",
        "/interaction/../../etc/passwd",
        "/interaction/%2e%2e",
    ] {
        for method in [Method::GET, Method::POST] {
            server.request(method, odd).send().await.assert_page(404, "There is nothing here");
        }
    }
}

#[both_engines]
async fn ho5_health_says_nothing_but_that() {
    let server = TestServer::start().await;
    for path in ["/healthz", "/readyz"] {
        let answer = server.get(path).send().await;
        assert_eq!(answer.assert_status(200).text(), "{\"status\":\"ok\"}");
    }
    server.get("/metrics").send().await.assert_status(404);
    server.store().faults().fail_call(1);
    let answer = server.get("/readyz").send().await;
    assert_eq!(answer.assert_status(503).text(), "{\"status\":\"unavailable\"}");
    assert!(answer.header("retry-after").is_some());
    server.get("/healthz").send().await.assert_status(200);
    server.get("/readyz").send().await.assert_status(200);
}

#[both_engines]
async fn do1_an_address_of_eight_kib_is_the_most() {
    let server = TestServer::start().await;
    let target = |n: usize| format!("/login?{}", "a".repeat(n - 7));
    server.get(&target(8 * 1024)).send().await.assert_status(200);
    server.get(&target(8 * 1024 + 1)).send().await.assert_page(414, "That was too big");
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
async fn g9_a_new_installation_has_no_account_and_no_client() {
    let server = TestServer::start().await;
    for name in ["admin", "root", "administrator", "authmachine", "demo", "test"] {
        for password in ["admin", "password", "authmachine", "", name] {
            let visit = server.browser().sign_in(name, password).await;
            assert!(matches!(visit.answer().status.as_u16(), 401 | 429), "{name}");
        }
    }
    let rows = server.rows();
    for table in ["users", "clients", "api_tokens", "permission_grants", "user_groups", "sessions"] {
        assert_eq!(rows[table].len(), 0, "{table} is empty");
    }
    assert_eq!(rows["signing_keys"].len(), 3);
}

/// The tests share their keys to save time; a real start makes its own.
#[tokio::test]
async fn g9_each_installation_makes_keys_of_its_own() {
    use authmachine_server::{App, Clock, Issuer, Settings};
    use authmachine_store::settings::{Database, Settings as StoreSettings, Synchronous};
    let mut kids = Vec::new();
    for _ in 0..2 {
        let folder = tempfile::tempdir().expect("a folder");
        let database = Database::Sqlite { folder: folder.path().to_owned(), synchronous: Synchronous::Off };
        let store = authmachine_store::Store::open(StoreSettings::new(database)).expect("it opens");
        let settings = Settings::new(Issuer::parse(authmachine_testkit::ISSUER).expect("an issuer"));
        App::start(settings, store.clone(), &[1; 32], Clock::System).await.expect("it starts");
        let keys = store.read(|reads| reads.list_signing_keys()).await.expect("it answers");
        kids.extend(keys.into_iter().map(|key| key.kid));
    }
    kids.sort();
    kids.dedup();
    assert_eq!(kids.len(), 6);
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
    server.permit("alice", "a%2fb", &["read"]).await;
    let sub = server.find_user("alice").await.expect("made").sub;
    let answer = api.permissions(&sub, &["a%2fb", "a/b"]).await.ok();
    assert_eq!(answer["permissions"], serde_json::json!({ "a%2fb": ["read"], "a/b": [] }));
}

#[both_engines]
async fn g8_no_input_panics() {
    let server = TestServer::start().await;
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

#[both_engines]
async fn g7_the_database_holds_no_secret_in_clear() {
    let server = TestServer::start().await;
    server.user("alice").create().await;
    let app = server.client("shop").first_party().create().await;
    server.api_token("api").await;
    let browser = server.browser();
    browser.follow(&app.authorize_url()).await;
    browser.sign_in("alice", PASSWORD).await;
    let code = browser.authorize(&app).await.code();
    let tokens = app.redeem(&code).await.ok();
    app.refresh(tokens.refresh_token()).await.ok();
    server.browser().sign_in("alice", "a wrong and secret guess").await;

    let rows = server.rows();
    let hex = |text: &str| text.bytes().map(|byte| format!("{byte:02x}")).collect::<String>();
    let secrets = server.secrets();
    assert!(secrets.len() > 10, "there is something to look for: {}", secrets.len());
    for secret in &secrets {
        for (table, lines) in &rows {
            for line in lines {
                assert!(
                    !line.contains(secret.as_str()) && !line.contains(&hex(secret)),
                    "{secret} in {table}: {line}"
                );
            }
        }
    }
    // Hashes are what stands there.
    assert!(rows["passwords"][0].contains("$argon2id$"));
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
async fn do3_what_strangers_leave_behind_is_swept_and_what_lives_stays() {
    let server = TestServer::start().await;
    server.user("alice").create().await;
    let app = server.client("shop").first_party().scopes("openid offline_access").create().await;
    let sweep = async || {
        let now = server.clock().now();
        // Small steps, until nothing is left to do.
        for _ in 0..1_000 {
            if server.write(move |tx| tx.cleanup(now, 10)).await == 0 {
                return;
            }
        }
        panic!("the sweep ends");
    };

    // Strangers: logins begun and given up, wrong passwords, wrong credentials.
    for n in 0..12 {
        let page = server.browser().follow(&app.authorize_url()).await;
        page.submit(&[("username", &format!("nobody{n}")), ("password", "a wrong guess")]).await;
        app.with_secret("wrong").introspect("x").await.assert_status(401);
    }
    // People: a session, codes used and unused, tokens.
    let browser = server.browser().log_in("alice").await;
    let tokens = app.redeem(&browser.authorize(&app).await.code()).await.ok();
    browser.authorize(&app).await.code();
    sweep().await;
    assert!(browser.is_signed_in().await);
    app.userinfo(&tokens.access_token).await.assert_status(200);
    let rows = server.rows();
    assert!(
        rows["interactions"].len() == 12 && rows["throttles"].len() >= 12,
        "what is not over is not swept"
    );

    server.clock().advance(13 * 86_400);
    sweep().await;
    let rows = server.rows();
    for table in ["interactions", "throttles", "authorization_codes", "access_tokens"] {
        assert_eq!(rows[table].len(), 0, "{table}: {:?}", rows[table]);
    }
    let tokens = app.refresh(tokens.refresh_token()).await.ok();
    app.userinfo(&tokens.access_token).await.assert_status(200);

    server.clock().advance(400 * 86_400);
    sweep().await;
    let rows = server.rows();
    for table in ["sessions", "session_clients", "grants", "refresh_families", "events"] {
        assert_eq!(rows[table].len(), 0, "{table}: {:?}", rows[table]);
    }
    assert_eq!((rows["users"].len(), rows["clients"].len(), rows["signing_keys"].len()), (1, 1, 3));
}

#[both_engines]
async fn se7_under_parallel_load_nobody_sees_another_person() {
    let server = TestServer::start().await;
    let app = server.client("shop").first_party().create().await;
    let mut people = Vec::new();
    for n in 0..10 {
        let name = format!("person{n}");
        let browser = server.browser().log_in(&name).await;
        let tokens = app.redeem(&browser.authorize(&app).await.code()).await.ok();
        people.push((name, browser, tokens));
    }
    let visits: Vec<_> = (0..200)
        .map(|n| {
            let (name, browser, tokens) = people[n % people.len()].clone();
            let app = app.clone();
            tokio::spawn(async move {
                let page = browser.open("/").await;
                page.assert_page(200, &format!("Signed in as {name}."));
                let claims = app.userinfo(&tokens.access_token).await.ok();
                assert_eq!(claims["preferred_username"], name.as_str());
                assert_eq!(app.introspect(&tokens.access_token).await.ok()["username"], name.as_str());
            })
        })
        .collect();
    for visit in visits {
        visit.await.expect("each saw itself");
    }
}
