//! Answers by a form that the browser posts (OAuth 2.0 Form Post Response Mode; checklist XS3, HD1).

use std::collections::BTreeMap;

use authmachine_protocol::ResponseType;
use authmachine_testkit::{AuthorizeRequest, ClientApp, ISSUER, TestServer, Visit, both_engines};

/// A request of `app` that wants its answer by a form.
fn request(app: &ClientApp) -> AuthorizeRequest {
    app.authorize().with("response_mode", "form_post")
}

/// What the client is given: by a page that can post there and nowhere else, with `state` and `iss`, and nothing in an address.
#[track_caller]
fn posted(visit: &Visit, app: &ClientApp) -> BTreeMap<String, String> {
    let (action, fields) = visit.form_post();
    assert_eq!(action, app.redirect_uri());
    assert_eq!(fields["iss"], ISSUER);
    let answer = visit.answer();
    assert_eq!(
        answer.header("content-security-policy"),
        Some(
            "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; base-uri 'none'; \
             frame-ancestors 'none'; form-action https://shop.example:8443"
        )
    );
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    assert!(!answer.headers.contains_key("location"));
    assert!(!visit.url.contains("code=") || visit.url.starts_with("/oidc/authorize?"), "{}", visit.url);
    fields
}

async fn shop(server: &TestServer) -> ClientApp {
    let uris = &["https://shop.example:8443/cb?a=%2F&b"];
    server.client("shop").redirect_uris(uris).response_types(ResponseType::ALL).create().await
}

#[both_engines]
async fn xs3_the_answer_is_posted_to_the_redirect_uri_whatever_the_type() {
    let server = TestServer::start_with(|settings| settings.implicit = true).await;
    let app = shop(&server).await;
    let browser = server.browser().log_in("alice").await;
    for response_type in ResponseType::ALL {
        let url = request(&app).with("response_type", response_type.as_str()).url();
        // At first the page follows the person's yes; later it is the first answer.
        let fields = posted(&browser.authorize_with(&url).await, &app);
        assert_eq!(fields.contains_key("code"), response_type.has_code(), "{response_type}");
        assert_eq!(fields.contains_key("id_token"), response_type.has_id_token(), "{response_type}");
        assert_eq!(fields.contains_key("access_token"), response_type.has_token(), "{response_type}");
        assert_eq!(fields["state"], authmachine_testkit::query(&url)["state"]);
        if let Some(code) = fields.get("code") {
            app.redeem(code).await.ok();
        }
        if let Some(token) = fields.get("access_token") {
            app.userinfo(token).await.ok();
        }
        if let Some(token) = fields.get("id_token") {
            server.verify(token).await;
        }
    }
}

#[both_engines]
async fn errors_are_posted_as_well() {
    let server = TestServer::start().await;
    let app = shop(&server).await;
    let browser = server.browser().log_in("alice").await;
    for (url, error) in [
        (request(&app).with("prompt", "none").url(), "consent_required"),
        (request(&app).with("scope", "x").url(), "invalid_scope"),
        (request(&app).without("response_type").url(), "invalid_request"),
        (request(&app).with("response_type", "id_token").url(), "unsupported_response_type"),
        (request(&app).with("response_type", "token").url(), "unsupported_response_type"),
    ] {
        let fields = posted(&browser.follow(&url).await, &app);
        assert_eq!((fields["error"].as_str(), fields.len()), (error, 5), "{fields:?}");
    }
    let asked = browser.follow(&request(&app).url()).await;
    let fields = posted(&asked.submit(&[("decision", "no")]).await, &app);
    assert_eq!(fields["error"], "access_denied");
    let asked = server.browser().follow(&request(&app).url()).await;
    let fields = posted(&asked.submit(&[("cancel", "1")]).await, &app);
    assert_eq!(fields["error"], "access_denied");
}

#[both_engines]
async fn ru4_xs3_nothing_is_posted_to_an_address_that_is_not_registered() {
    let server = TestServer::start().await;
    let app = shop(&server).await;
    let browser = server.browser().log_in("alice").await;
    for uri in ["https://evil.example/", "https://shop.example:8443/cb", "javascript:alert(1)"] {
        let visit = browser.follow(&request(&app).with("redirect_uri", uri).url()).await;
        visit.assert_page(400, "This app sent you with a wrong return address");
        visit.answer().assert_no_echo(uri);
        assert!(visit.forms().is_empty());
    }
}

#[both_engines]
async fn xs1_az7_state_comes_back_as_it_is_and_stays_text() {
    let server = TestServer::start().await;
    let app = shop(&server).await;
    let browser = server.browser().log_in("alice").await;
    browser.authorize(&app).await.code();
    for state in [
        "\"><script>alert(1)</script><input name=\"code\" value=\"",
        "' onfocus='alert(1)",
        "</form><form action=\"https://evil.example\">",
        "a b+c%20d&amp;e=f#g",
        "ünïcödé \u{202e}😀",
    ] {
        let visit = browser.follow(&request(&app).with("state", state).url()).await;
        assert_eq!(posted(&visit, &app)["state"], state);
        assert_eq!(visit.forms().len(), 1);
        assert!(!visit.answer().text().contains("<script>alert"), "{state}");
    }
}

#[both_engines]
async fn hd1_the_page_has_one_script_file_and_a_button_in_the_persons_language() {
    let server = TestServer::start().await;
    let app = shop(&server).await;
    let browser = server.browser().log_in("alice").await;
    browser.authorize(&app).await.code();
    for (locale, button) in [("en", "Continue"), ("de", "Weiter")] {
        let visit = browser.follow(&request(&app).with("ui_locales", locale).url()).await;
        visit.assert_page(200, button).assert_page(200, "https://shop.example:8443");
        let page = visit.answer().text();
        let scripts: Vec<_> =
            page.split("<script src=\"").skip(1).filter_map(|rest| rest.split('"').next()).collect();
        assert_eq!((scripts.len(), page.matches("<script").count()), (1, 1));
        let script = server.get(scripts[0]).send().await;
        assert_eq!(script.assert_status(200).header("content-type"), Some("text/javascript; charset=utf-8"));
        assert!(script.text().contains("submit"));
    }
}

#[both_engines]
async fn an_installed_application_without_an_origin_gets_no_form() {
    let server = TestServer::start().await;
    let uris = &["com.example.app:/cb"];
    let app = server.client("phone").native().first_party().redirect_uris(uris).create().await;
    let browser = server.browser().log_in("alice").await;
    browser.follow(&request(&app).url()).await.assert_refused("invalid_request");
}
