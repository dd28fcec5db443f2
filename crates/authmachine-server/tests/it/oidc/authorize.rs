//! `/oidc/authorize`: the checks of a request, and how it is answered.

use authmachine_protocol::{GrantType, Scopes};
use authmachine_testkit::{ISSUER, Site, TestServer, both_engines};
use serde_json::json;

#[both_engines]
async fn a_signed_in_person_gets_a_code_without_a_page() {
    let server = TestServer::start().await;
    let app = server.client("shop").first_party().create().await;

    let visit = server.browser().log_in("alice").await.follow(&app.authorize_url()).await;

    assert_eq!(visit.trail.len(), 1);
    visit.trail[0].assert_status(303);
    assert!(visit.away().starts_with("https://shop.example/callback?code="));
    let params = visit.params();
    assert_eq!(params.keys().collect::<Vec<_>>(), ["code", "iss", "session_state", "state"]);
    assert_eq!(params["iss"], ISSUER);
    assert_eq!(params["code"].len(), 54);
}

#[both_engines]
async fn ru1_a_redirect_uri_is_compared_byte_for_byte() {
    let server = TestServer::start().await;
    let registered = "https://shop.example/callback?x=%7e";
    let app = server.client("shop").first_party().redirect_uris(&[registered]).create().await;
    let browser = server.browser().log_in("alice").await;
    let before = server.state();

    for given in [
        "https://shop.example/callback",
        "https://shop.example/callback?x=%7E",
        "https://shop.example/callback?x=~",
        "https://SHOP.example/callback?x=%7e",
        "HTTPS://shop.example/callback?x=%7e",
        "https://shop.example:443/callback?x=%7e",
        "https://shop.example/callback?x=%7e&y=1",
        "https://shop.example/callback?x=%7e#",
        "https://shop.example/./callback?x=%7e",
        "https://shop.example/callback/?x=%7e",
        "https://shop.example.evil.example/callback?x=%7e",
        "https://evil.example/?https://shop.example/callback?x=%7e",
        " https://shop.example/callback?x=%7e",
        "https://shop.example/callback?x=%7e\r\n",
        "javascript:alert(1)",
        "//shop.example/callback?x=%7e",
    ] {
        let visit = browser.follow(&app.authorize().with("redirect_uri", given).url()).await;
        visit.assert_page(400, "This app sent you with a wrong return address");
        visit.answer().assert_no_echo(given);
    }
    assert_eq!(server.state(), before, "nothing was saved");
    assert!(browser.authorize(&app).await.away().starts_with("https://shop.example/callback?x=%7e&code="));
}

#[both_engines]
async fn ru2_only_a_native_loopback_literal_may_change_its_port() {
    let server = TestServer::start().await;
    let native =
        server.client("cli").native().first_party().redirect_uris(&["http://127.0.0.1/cb"]).create().await;
    let web =
        server.client("web").public().first_party().redirect_uris(&["http://127.0.0.1/cb"]).create().await;
    let browser = server.browser().log_in("alice").await;
    let with_port =
        |app: &authmachine_testkit::ClientApp, uri| app.authorize().with("redirect_uri", uri).url();

    let visit = browser.follow(&with_port(&native, "http://127.0.0.1:4711/cb")).await;
    let visit = if visit.is_away() { visit } else { visit.submit(&[("decision", "yes")]).await };
    assert!(visit.away().starts_with("http://127.0.0.1:4711/cb?code="));
    for (app, uri) in [
        (&web, "http://127.0.0.1:4711/cb"),
        (&native, "http://localhost:4711/cb"),
        (&native, "http://127.0.0.1:4711/x"),
    ] {
        browser.follow(&with_port(app, uri)).await.assert_page(400, "wrong return address");
    }
}

#[both_engines]
async fn ru4_an_unknown_client_or_address_stays_with_us() {
    let server = TestServer::start().await;
    let app = server.client("shop").first_party().create().await;
    let disabled =
        server.client("old").first_party().create().await.change(|client| client.disabled = true).await;
    let browser = server.browser().log_in("alice").await;
    let before = server.state();
    let request = || app.authorize();

    let unknown_client = "We do not know this app";
    let bad_redirect_uri = "This app sent you with a wrong return address";
    for (url, words) in [
        (request().with("client_id", "nobody").url(), unknown_client),
        (request().with("client_id", "SHOP").url(), unknown_client),
        (request().without("client_id").url(), unknown_client),
        (request().and("client_id", "shop").url(), unknown_client),
        (disabled.authorize_url(), unknown_client),
        (request().without("redirect_uri").url(), bad_redirect_uri),
        (request().and("redirect_uri", app.redirect_uri()).url(), bad_redirect_uri),
        (request().with("redirect_uri", "https://evil.example/").url(), bad_redirect_uri),
        ("/oidc/authorize".to_owned(), unknown_client),
    ] {
        for answer in [
            browser.follow(&url).await,
            browser.post(Site::Own, "/oidc/authorize", &[("client_id", "nobody")]).await,
        ] {
            let answer = answer.answer();
            answer.assert_status(400);
            assert!(!answer.headers.contains_key("location") && !answer.headers.contains_key("refresh"));
            for foreign in ["evil.example", "shop.example", "nobody"] {
                answer.assert_no_echo(foreign);
            }
        }
        browser.follow(&url).await.assert_page(400, words);
    }
    assert_eq!(server.state(), before);
}

#[both_engines]
async fn ru6_the_registered_query_is_kept_and_nothing_splits_the_header() {
    let server = TestServer::start().await;
    let app = server
        .client("shop")
        .first_party()
        .redirect_uris(&["https://shop.example/cb?a=%2F&b"])
        .create()
        .await;
    let browser = server.browser().log_in("alice").await;

    let state = "x\r\nSet-Cookie: a=b\u{2028}#fragment";
    let visit = browser.follow(&app.authorize().with("state", state).url()).await;

    let location = visit.trail[0].assert_status(303).location();
    assert!(location.starts_with("https://shop.example/cb?a=%2F&b&code="), "{location}");
    assert!(location.bytes().all(|b| (0x21..=0x7E).contains(&b)) && !location.contains('#'), "{location}");
    assert_eq!(visit.params()["state"], state);
}

#[both_engines]
async fn g6_a_repeated_parameter_is_an_error_that_the_client_is_told() {
    let server = TestServer::start().await;
    let app = server.client("shop").first_party().create().await;
    let browser = server.browser().log_in("alice").await;
    for name in
        ["response_type", "scope", "nonce", "prompt", "max_age", "claims", "code_challenge", "unknown"]
    {
        let url = app.authorize().with(name, "1").and(name, "1").url();
        browser.follow(&url).await.assert_refused("invalid_request");
    }
    // Of two states neither is the client's.
    let visit = browser.follow(&app.authorize().and("state", "other").url()).await;
    let params = visit.params();
    assert_eq!((params["error"].as_str(), params.get("state")), ("invalid_request", None));
    // The same name in another spelling is the same name.
    browser
        .follow(&format!("{}&%73cope=openid", app.authorize_url()))
        .await
        .assert_refused("invalid_request");
    // Query and body are never merged.
    let visit = browser.post(Site::Own, &app.authorize_url(), &[("state", "other")]).await;
    visit.assert_page(400, "We do not know this app");
}

#[both_engines]
async fn bad_encodings_and_too_many_parameters_get_a_page() {
    let server = TestServer::start().await;
    let app = server.client("shop").first_party().create().await;
    let url = app.authorize_url();
    let many: String = (0..95).map(|n| format!("&p{n}=1")).collect();
    for bad in [
        format!("{url}&x=%ff"),
        format!("{url}&x=%"),
        format!("{url}&x=%4"),
        format!("{url}&x=%00"),
        format!("{url}&%c3%28=1"),
        format!("{url}{many}"),
    ] {
        let visit = server.browser().follow(&bad).await;
        visit.assert_page(400, "We did not understand that");
    }
}

#[both_engines]
async fn do1_a_request_may_have_one_hundred_parameters() {
    let server = TestServer::start().await;
    let app = server.client("shop").first_party().create().await;
    let browser = server.browser().log_in("alice").await;
    let own = app.authorize().params().len();
    let with = |n: usize| {
        let more: String = (0..n - own).map(|n| format!("&p{n}=1")).collect();
        format!("{}{more}", app.authorize_url())
    };
    browser.follow(&with(100)).await.code();
    browser.follow(&with(101)).await.assert_page(400, "We did not understand that");
}

#[both_engines]
async fn az2_response_types_modes_and_scopes_are_those_that_exist_and_are_allowed() {
    let server = TestServer::start().await;
    let app = server.client("shop").first_party().create().await;
    let machine =
        server.client("machine").first_party().grants(&[GrantType::ClientCredentials]).create().await;
    let browser = server.browser().log_in("alice").await;

    for (name, value, error) in [
        ("response_type", "token", "unsupported_response_type"),
        ("response_type", "id_token", "unsupported_response_type"),
        ("response_type", "code id_token", "unsupported_response_type"),
        ("response_type", "none", "unsupported_response_type"),
        ("response_type", "CODE", "unsupported_response_type"),
        ("response_type", "", "invalid_request"),
        ("response_type", "code id_token token", "unsupported_response_type"),
        ("response_mode", "web_message", "invalid_request"),
        ("response_mode", "FRAGMENT", "invalid_request"),
        ("scope", "nothing known", "invalid_scope"),
        ("scope", "address phone offline_access", "invalid_scope"),
        ("scope", "", "invalid_scope"),
        ("scope", "openid\tprofile", "invalid_scope"),
        ("scope", "openid  profile", "invalid_scope"),
        ("request", "eyJhbGciOiJub25lIn0.e30.", "request_not_supported"),
        ("request_uri", "https://shop.example/request", "invalid_request_uri"),
        ("registration", "{}", "registration_not_supported"),
        ("max_age", "-1", "invalid_request"),
        ("max_age", "soon", "invalid_request"),
        ("max_age", "+5", "invalid_request"),
        ("prompt", "none login", "invalid_request"),
    ] {
        let visit = browser.follow(&app.authorize().with(name, value).url()).await;
        visit.assert_refused(error);
    }
    for mode in ["query", "fragment"] {
        browser.follow(&app.authorize().with("response_mode", mode).url()).await.code();
    }
    browser.follow(&machine.authorize_url()).await.assert_refused("unauthorized_client");

    // Scopes that the client may not have are dropped (OIDC Core §3.1.2.1).
    let url = app.authorize().with("scope", "openid phone email unknown offline_access").url();
    let code = browser.follow(&url).await.code();
    assert_eq!(app.redeem(&code).await.ok().scope, "openid email");
}

#[both_engines]
async fn do1_fifty_scopes_are_the_most() {
    let server = TestServer::start().await;
    let app = server.client("shop").first_party().create().await;
    let browser = server.browser().log_in("alice").await;
    let scopes = |n: usize| (1..n).fold("openid".to_owned(), |all, n| format!("{all} s{n}"));
    browser.follow(&app.authorize().with("scope", &scopes(50)).url()).await.code();
    browser.follow(&app.authorize().with("scope", &scopes(51)).url()).await.assert_refused("invalid_scope");
}

#[both_engines]
async fn az6_every_answer_names_the_issuer() {
    let server = TestServer::start().await;
    let app = server.client("shop").first_party().create().await;
    let browser = server.browser().log_in("alice").await;
    for url in [
        app.authorize_url(),
        app.authorize().with("scope", "x").url(),
        app.authorize().with("claims", "[").url(),
    ] {
        assert_eq!(browser.follow(&url).await.params()["iss"], ISSUER);
    }
}

#[both_engines]
async fn az7_state_and_nonce_come_back_byte_for_byte() {
    let server = TestServer::start().await;
    let app = server.client("shop").first_party().create().await;
    let browser = server.browser().log_in("alice").await;
    for text in [
        "x",
        "a b+c%20d&e=f#g",
        "ünïcödé 漢字 😀",
        "<script>alert(1)</script>",
        "' OR 1=1 --",
        "../../etc/passwd",
        "{\"json\":true}",
        "line\nbreak\ttab",
        "\u{202e}reversed",
    ] {
        let visit = browser.follow(&app.authorize().with("state", text).with("nonce", text).url()).await;
        assert_eq!(visit.params()["state"], text);
        let tokens = app.redeem(&visit.code()).await.ok();
        assert_eq!(server.verify(tokens.id_token()).await["nonce"], text);
    }
    // Without a state there is none in the answer.
    let visit = browser.follow(&app.authorize().without("state").url()).await;
    assert!(!visit.params().contains_key("state"));
}

#[both_engines]
async fn do1_state_and_nonce_are_bounded() {
    let server = TestServer::start().await;
    let app = server.client("shop").first_party().create().await;
    let browser = server.browser().log_in("alice").await;
    let long = |n: usize| "s".repeat(n);

    let visit = browser.follow(&app.authorize().with("state", &long(2_048)).url()).await;
    assert_eq!(visit.params()["state"], long(2_048));
    let visit = browser.follow(&app.authorize().with("state", &long(2_049)).url()).await;
    assert_eq!((visit.params()["error"].as_str(), visit.params().get("state")), ("invalid_request", None));

    browser.follow(&app.authorize().with("nonce", &long(512)).url()).await.code();
    browser.follow(&app.authorize().with("nonce", &long(513)).url()).await.assert_refused("invalid_request");
}

#[both_engines]
async fn az8_malformed_claims_are_refused_and_unknown_ones_are_not() {
    let server = TestServer::start().await;
    let app = server.client("shop").first_party().create().await;
    let browser = server.browser().log_in("alice").await;
    let before = server.state();
    let deep = format!("{{\"x\":{}1{}}}", "[".repeat(40), "]".repeat(40));
    for bad in [
        "[]",
        "{",
        "null",
        "\"userinfo\"",
        "{\"userinfo\":[]}",
        "{\"userinfo\":{\"name\":true}}",
        "{\"userinfo\":{\"name\":{\"essential\":\"yes\"}}}",
        "{\"authmachine_permissions\":[1]}",
        "{\"authmachine_permissions\":{\"a\":1}}",
        "{\"id_token\":{\"sub\":{\"value\":7}}}",
        deep.as_str(),
    ] {
        let visit = browser.follow(&app.authorize().with("claims", bad).url()).await;
        visit.assert_refused("invalid_request");
    }
    assert_eq!(server.state(), before);
    for good in [
        "{}",
        "{\"userinfo\":null}",
        "{\"other\":{\"x\":[1,2]}}",
        "{\"userinfo\":{\"never_heard_of\":{\"essential\":true}}}",
    ] {
        browser.follow(&app.authorize().with("claims", good).url()).await.code();
    }
}

#[both_engines]
async fn do1_claims_of_sixteen_kib_and_one_hundred_objects_are_the_most() {
    let server = TestServer::start().await;
    let app = server.client("shop").first_party().create().await;
    let browser = server.browser().log_in("alice").await;
    let padded = |n: usize| format!("{{\"x\":\"{}\"}}", "a".repeat(n - 8));
    let objects = |n: usize| {
        json!({ "authmachine_permissions": (0..n).map(|n| format!("o{n}")).collect::<Vec<_>>() }).to_string()
    };
    for (claims, ok) in [
        (padded(16 * 1024), true),
        (padded(16 * 1024 + 1), false),
        (objects(100), true),
        (objects(101), false),
    ] {
        let request = app.authorize().with("claims", &claims);
        let visit = browser.post(Site::Own, "/oidc/authorize", &request.params()).await;
        if ok {
            visit.code();
        } else {
            visit.assert_refused("invalid_request");
        }
    }
}

#[both_engines]
async fn az9_errors_hold_fixed_texts_alone() {
    let server = TestServer::start().await;
    let app = server.client("shop").first_party().create().await;
    let browser = server.browser().log_in("alice").await;
    let hostile = "HOSTILE<b>\"'";
    for name in [
        "response_type",
        "response_mode",
        "claims",
        "code_challenge_method",
        "max_age",
        "id_token_hint",
        "request",
    ] {
        let visit = browser.follow(&app.authorize().with(name, hostile).url()).await;
        let params = visit.params();
        assert!(params.contains_key("error"), "{name}: {params:?}");
        assert!(!visit.away().contains("HOSTILE"), "{name}: {}", visit.away());
    }
}

#[both_engines]
async fn authorize_takes_post_as_well() {
    let server = TestServer::start().await;
    let app = server.client("shop").first_party().create().await;
    let browser = server.browser().log_in("alice").await;
    browser.post(Site::Own, "/oidc/authorize", &app.authorize().params()).await.code();
}

#[both_engines]
async fn se1_a_post_from_another_site_is_continued_by_a_get_that_has_the_cookie() {
    let server = TestServer::start().await;
    let app = server.client("shop").first_party().create().await;
    let browser = server.browser().log_in("alice").await;

    let visit = browser.post(Site::Foreign, "/oidc/authorize", &app.authorize().params()).await;

    assert_eq!(visit.trail.len(), 2);
    assert!(visit.trail[0].assert_status(303).location().starts_with("/oidc/authorize?"));
    assert_eq!(visit.params()["state"], authmachine_testkit::query(&app.authorize_url())["state"]);
    visit.code();
}

#[both_engines]
async fn a_body_that_is_no_form_gets_a_page() {
    let server = TestServer::start().await;
    let app = server.client("shop").first_party().create().await;
    let form = app.authorize().encoded();
    let post = || server.post("/oidc/authorize");
    for (request, status, words) in [
        (post().body("application/json", "{}"), 400, "We did not understand that"),
        (post().body("text/plain", form.clone()), 400, "We did not understand that"),
        (post().body("multipart/form-data; boundary=x", form.clone()), 400, "We did not understand that"),
        (post(), 400, "We did not understand that"),
        (
            post().body("application/x-www-form-urlencoded", vec![b'a'; 64 * 1024 + 1]),
            413,
            "That was too big",
        ),
        (
            post().body("application/x-www-form-urlencoded", vec![0xFF, 0xFE]),
            400,
            "We did not understand that",
        ),
    ] {
        request.send().await.assert_page(status, words);
    }
}

#[both_engines]
async fn the_pages_follow_ui_locales_and_login_hint() {
    let server = TestServer::start().await;
    let app = server.client("shop").create().await;
    let request = app
        .authorize()
        .with("ui_locales", "fr de-AT en")
        .with("login_hint", "alice<b>")
        .with("display", "popup");
    let visit = server.browser().follow(&request.url()).await;
    visit.assert_page(200, "Anmelden");
    let form = &visit.forms()[0];
    assert!(form.fields.contains(&("username".to_owned(), "alice<b>".to_owned())), "{form:?}");
    assert!(!visit.answer().text().contains("alice<b>"));
    // `register` chooses a page that is not there yet, and so changes nothing (seed contract, 2).
    for register in ["0", "1"] {
        server
            .browser()
            .follow(&app.authorize().with("register", register).url())
            .await
            .assert_page(200, "Sign in");
    }
}

#[both_engines]
async fn g5_a_client_that_loses_a_scope_is_not_given_it() {
    let server = TestServer::start().await;
    let app = server.client("shop").first_party().create().await;
    let browser = server.browser().log_in("alice").await;
    let url = app.authorize_url();
    let app = app.change(|client| client.scopes = Scopes::parse("openid").expect("a scope")).await;
    let code = browser.follow(&url).await.code();
    assert_eq!(app.redeem(&code).await.ok().scope, "openid");
}
