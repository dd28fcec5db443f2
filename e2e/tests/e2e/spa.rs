//! Single-page applications on `oidc-client-ts` in Chromium: clients without a secret that keep their tokens in the browser.

use authmachine_e2e::foreign::{Node, Server, Settings};
use authmachine_e2e::{Chromium, Client, Engine, Provider, free_port};

/// An application at an origin of its own.
struct App {
    origin: String,
    _server: Server,
}

impl App {
    async fn start(node: &Node, provider: &Provider, host: &str, id: &str, flags: &[&str]) -> Self {
        Self::start_with(node, provider, (host, id, flags), &[]).await
    }

    async fn start_with(
        node: &Node,
        provider: &Provider,
        (host, id, flags): (&str, &str, &[&str]),
        settings: Settings<'_>,
    ) -> Self {
        let port = free_port();
        let origin = format!("http://{host}:{port}");
        let [callback, popup, silent, signed_out] =
            ["callback", "popup", "silent", "signed-out"].map(|path| format!("{origin}/{path}"));
        let more = [&["--redirect-uri", &popup, &silent], flags].concat();
        let client =
            provider.add_client(Client::of(id, &callback).public().logout_uri(&signed_out).with(&more)).await;
        let settings = [&[("AUTHMACHINE_SCOPE", "openid profile email")], settings].concat();
        let server = node.app("spa.mjs", &client, provider, port, &settings).await;
        Self { origin, _server: server }
    }

    async fn open(&self, browser: &Chromium) {
        browser.open(&self.origin).await;
    }
}

/// What a call of the page's `manager` comes to, by `then`, or the error's code.
async fn manager(browser: &Chromium, call: &str, then: &str) -> String {
    let script =
        format!("return manager.{call}.then({then}).then(String, error => error.error ?? String(error))");
    browser.evaluate(&script).await.as_str().expect("`String` makes one").to_owned()
}

const SUBJECT: &str = "user => user.profile.sub";
const BY_FRAME: &str = "signinSilent({ forceIframeAuth: true })";

#[tokio::test]
async fn oidc_client_ts_signs_in_renews_and_signs_out() {
    let (Some(node), Some(browser)) = (Node::find(), Chromium::start().await) else { return };
    let provider = Provider::start(&Engine::Sqlite).await;
    let alice = provider.add_user("alice").await;
    let theirs = App::start(&node, &provider, "localhost", "theirs", &[]).await;
    let ours = App::start(&node, &provider, "localhost", "ours", &["--first-party"]).await;

    theirs.open(&browser).await;
    browser.sees("Not logged in").await;
    browser.click("#log-in").await;
    browser.sign_in("alice", provider.password()).await;
    browser.click("button[value=yes]").await;
    browser.sees("Logged in as alice").await;
    // From user info, which the page asks for across origins; the ID token has no e-mail address.
    assert_eq!(manager(&browser, "getUser()", "user => user.profile.email").await, "alice@example.com");
    // By the refresh token: each is used once.
    for _ in 0..2 {
        let renewed = "async user => (await manager.signinSilent()).access_token !== user.access_token";
        assert_eq!(manager(&browser, "getUser()", renewed).await, "true");
    }
    // A client that cannot prove itself is allowed nothing without asking (checklist AZ3).
    assert_eq!(manager(&browser, BY_FRAME, SUBJECT).await, "consent_required");
    browser.is_content().await;

    // Single sign-on, in a window that opens and closes.
    ours.open(&browser).await;
    browser.click("#popup").await;
    browser.sees("Logged in as alice").await;
    assert_eq!(manager(&browser, BY_FRAME, SUBJECT).await, alice);
    let answers = "() => fetch(settings.authority + '/oidc/userinfo', { headers: { authorization: 'Bearer ' + token } }).then(({ status }) => status)";
    browser.evaluate("return manager.getUser().then(user => { window.token = user.access_token })").await;
    assert_eq!(manager(&browser, "getUser()", answers).await, "200");
    assert_eq!(manager(&browser, "revokeTokens(['access_token'])", answers).await, "401");
    browser.is_content().await;

    browser.click("#log-out").await;
    browser.sees("Signed out").await;
    assert!(browser.url().await.starts_with(&ours.origin));
    assert_eq!(manager(&browser, BY_FRAME, SUBJECT).await, "login_required");
    theirs.open(&browser).await;
    browser.sees("Logged in as alice").await;
    // Its refresh token went with the session.
    assert_eq!(manager(&browser, "signinSilent()", SUBJECT).await, "invalid_grant");
}

#[tokio::test]
async fn oidc_client_ts_notices_that_the_session_is_over() {
    let (Some(node), Some(browser)) = (Node::find(), Chromium::start().await) else { return };
    let provider = Provider::start(&Engine::Sqlite).await;
    provider.add_user("alice").await;
    let client = ("localhost", "app", &["--first-party"][..]);
    let app = App::start_with(&node, &provider, client, &[("MONITOR_SESSION", "yes")]).await;
    app.open(&browser).await;
    browser.click("#log-in").await;
    browser.sign_in("alice", provider.password()).await;
    browser.sees("Logged in as alice").await;

    // In another window she signs out at the provider itself.
    browser.evaluate(&format!("window.open('{}')", provider.url("/"))).await;
    browser.go_to_window(1).await;
    browser.sees("Signed in as alice").await;
    browser.click("form[action='/logout'] button").await;
    browser.sees("You are signed out").await;
    browser.go_to_window(0).await;
    browser.sees("Signed out elsewhere").await;
}

#[tokio::test]
async fn oidc_client_ts_signs_in_by_a_window_and_from_another_site() {
    let (Some(node), Some(browser)) = (Node::find(), Chromium::start().await) else { return };
    let provider = Provider::start(&Engine::Sqlite).await;
    let alice = provider.add_user("alice").await;
    // To a browser this is another site than `localhost`.
    let app = App::start(&node, &provider, "127.0.0.1", "app", &["--first-party"]).await;

    app.open(&browser).await;
    browser.click("#popup").await;
    browser.go_to_window(1).await;
    browser.sign_in("alice", provider.password()).await;
    browser.go_to_window(0).await;
    browser.sees("Logged in as alice").await;
    assert_eq!(manager(&browser, "signinSilent()", SUBJECT).await, alice);
    // The session's cookie is not sent from a frame in another site's page: such an application renews by refresh tokens.
    assert_eq!(manager(&browser, BY_FRAME, SUBJECT).await, "login_required");
    browser.is_content().await;
}
