//! Hosts, proxies and paths (checklist HO).

use authmachine_testkit::{PASSWORD, TestServer, both_engines};
use http::Method;

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
        ("10.0.0.1", &["\u{e9}, 198.51.100.1"], "198.51.100.1"),
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
