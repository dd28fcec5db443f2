//! Hostile text in every stored field is text on every page (checklist XS2).

use authmachine_e2e::{Chromium, Client, DemoClient, Engine, Provider, free_port, wait};

/// Breaks out of elements, attributes, scripts, styles and templates, wherever escaping is forgotten.
const HOSTILE: &str =
    r#"</title></script><script>alert(1)</script>"'><img src=x onerror=alert(2)>{{7*7}}${7*7}<b>bold</b>"#;

#[tokio::test]
async fn xs2_hostile_text_is_shown_as_text() {
    let agent = format!("--user-agent=Agent{HOSTILE}");
    let Some(browser) = Chromium::start_with(&[&agent]).await else { return };
    let provider = Provider::start(&Engine::Sqlite).await;
    // A name may have no spaces.
    let name = HOSTILE.replace(' ', "/");
    provider.add_user_with(&[&name]).await;
    let claim = serde_json::Value::from(HOSTILE).to_string();
    let set: Vec<String> = ["name", "given_name", "nickname", "picture", "department", "zoneinfo"]
        .iter()
        .map(|name| format!("{name}={claim}"))
        .collect();
    let mut arguments = vec!["user", "set", name.as_str()];
    arguments.extend(set.iter().map(String::as_str));
    provider.cli(&arguments).await;

    let port = free_port();
    let redirect_uri = format!("http://localhost:{port}/oidc-callback");
    let flags = ["--name", HOSTILE, "--post-logout-redirect-uri"];
    let logout_uri = format!("http://localhost:{port}/oidc-logout-callback");
    let flags = [&flags[..], &[logout_uri.as_str()]].concat();
    let client = provider.add_client(Client::of("hostile", &redirect_uri).with(&flags)).await;
    let app = DemoClient::start(provider.issuer(), &client.id, &client.secret, port).await;

    browser.open(&format!("{}/login", app.url())).await;
    is_text(&browser, "login", HOSTILE).await;
    browser.fill("#password", "wrong").await;
    browser.fill("#username", HOSTILE).await;
    browser.click("button.primary").await;
    browser.sees("do not match").await;
    is_text(&browser, "login-refused", HOSTILE).await;
    browser.sign_in(&name, provider.password()).await;

    browser.sees("Do you agree?").await;
    is_text(&browser, "consent", HOSTILE).await;
    is_text(&browser, "consent", &name).await;
    browser.click("button[value='yes']").await;

    browser.sees("Logged in as").await;
    is_text(&browser, "demo-home", &name).await;
    is_text(&browser, "demo-home", HOSTILE).await;
    browser.open(&format!("{}/last-login", app.url())).await;
    browser.sees("step by step").await;
    is_text(&browser, "demo-last-login", &name).await;

    browser.open(provider.issuer()).await;
    browser.sees("Signed in as").await;
    is_text(&browser, "root", &name).await;
    is_text(&browser, "root", HOSTILE).await;
    let agent: String = HOSTILE.chars().take(40).collect();
    browser.sees(&format!("Agent{agent}")).await;

    // Words in the address come back on no page.
    browser
        .open(&client.authorize_url(&[("prompt", "login"), ("login_hint", HOSTILE), ("ui_locales", HOSTILE)]))
        .await;
    browser.sees("Username").await;
    is_text(&browser, "login-hint", HOSTILE).await;
    browser
        .open(&provider.url(&format!("/oidc/authorize?client_id={}", "%3Cscript%3Ealert(3)%3C/script%3E")))
        .await;
    browser.sees("We do not know this app").await;
    assert!(!browser.text().await.contains("alert(3)"), "an error page echoes nothing (checklist XS4)");
    browser.open(&app.url()).await;
    browser.click("a[href='/logout']").await;
    browser.is_content().await;
    assert!(!browser.has_dialog().await);
    // It would have told: what the policy forbids is noticed.
    browser
        .evaluate("document.body.append(Object.assign(new Image(), { src: 'https://evil.example/' }))")
        .await;
    wait::until("a violation of the policy", || async {
        browser.complaints().await.into_iter().find(|said| said.contains("Content Security Policy"))
    })
    .await;
}

/// The page shows `text` literally, in a field or as words; no script of it ran, and no element came of it.
async fn is_text(browser: &Chromium, page: &str, text: &str) {
    assert!(!browser.has_dialog().await, "{page}: a script ran");
    let shown = browser.text().await;
    let fields = browser
        .evaluate("return [...document.querySelectorAll('input')].map(input => input.value).join(' ')")
        .await;
    let fields = fields.as_str().unwrap_or_default();
    // Long names are cut, and isolation marks stand around them.
    let start: String = text.chars().take(60).collect();
    assert!(
        shown.contains(&start) || fields.contains(&start),
        "{page} does not show {start}:\n{shown}\n{fields}"
    );
    let elements = browser
        .evaluate("return document.querySelectorAll('img[onerror], b, script:not([src])').length")
        .await;
    assert_eq!(elements, 0, "{page}: text became an element");
    browser.pictures(&format!("xs2-{page}")).await;
    browser.is_content().await;
}
