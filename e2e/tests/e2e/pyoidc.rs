//! An app on pyoidc as the original ones are, unchanged.

use authmachine_e2e::foreign::{Python, Server};
use authmachine_e2e::{Chromium, Client, Engine, NewClient, Provider, Visitor, free_port};
use serde_json::{Value, json};

/// Browsers drop a cookie over 4,096 bytes without a word.
const MAX_COOKIE_BYTES: usize = 4_092;
const OBJECTS: [&str; 2] = ["object1", "object2"];
const TYPES: [&str; 10] =
    ["read", "write", "delete", "publish", "approve", "export", "import", "comment", "assign", "archive"];

on_each_engine!(an_original_app_works_unchanged, one_logout_reaches_both_apps);

/// An app on pyoidc and what it is registered as.
struct App {
    address: String,
    client: Client,
    _server: Server,
}

impl App {
    async fn start(python: &Python, provider: &Provider, id: &str, api_token: &str) -> Self {
        let port = free_port();
        let address = format!("http://127.0.0.1:{port}");
        let (redirect_uri, logout_uri) =
            (format!("{address}/oidc-callback"), format!("{address}/oidc-logout-callback"));
        let new: NewClient<'_> =
            Client::of(id, &redirect_uri).logout_uri(&logout_uri).with(&["--first-party"]);
        let client = provider.add_client(new).await;
        let server = python
            .app("pyoidc_app.py", &client, provider, port, &[("AUTHMACHINE_API_TOKEN", api_token)])
            .await;
        assert_eq!(server.ready, port.to_string());
        Self { address, client, _server: server }
    }

    fn page(&self, path: &str) -> String {
        format!("{}{path}", self.address)
    }

    /// What the app keeps about the person, as its page shows it.
    fn shown(page: &str, id: &str) -> Value {
        let start =
            page.split(&format!(r#"<pre id="{id}">"#)).nth(1).unwrap_or_else(|| panic!("no {id}: {page}"));
        let text = start.split("</pre>").next().unwrap_or_default();
        serde_json::from_str(&text.replace("&#34;", "\"").replace("&#39;", "'"))
            .unwrap_or_else(|error| panic!("{error}: {text}"))
    }
}

/// A provider with alice, who holds twenty permissions, and a token for the permission API.
async fn provider_with_alice(engine: &Engine) -> (Provider, String, String) {
    let provider = Provider::start(engine).await;
    let id = provider.add_user("alice").await;
    for object in OBJECTS {
        provider.grant("alice", object, &TYPES).await;
    }
    let token = provider.json(&["api-token", "create", "apps", "--all-objects"]).await;
    let token = token["token"].as_str().expect("it is printed once").to_owned();
    (provider, id, token)
}

async fn an_original_app_works_unchanged(engine: Engine) {
    let Some(python) = Python::find() else { return };
    let (provider, id, api_token) = provider_with_alice(&engine).await;
    let app = App::start(&python, &provider, "app", &api_token).await;
    let mut alice = Visitor::new();

    let page = alice.visit(&app.page("/")).await;
    assert!(page.body.contains("Not logged in"), "{page:?}");
    let page = alice.sign_in(&app.page("/login"), "alice", provider.password(), &[]).await.page();
    assert!(page.body.contains("Logged in as alice"), "{page:?}");

    let info = App::shown(&page.body, "user-info");
    for (claim, value) in [
        ("sub", &*id),
        ("id", &*id),
        ("preferred_username", "alice"),
        ("username", "alice"),
        ("userName", "alice"),
    ] {
        assert_eq!(info[claim], value, "{claim}");
    }
    assert_eq!(info["email"], "alice@example.com");
    let held = &info["authmachine_permissions"];
    let by_api = &App::shown(&page.body, "api-permissions");
    for object in OBJECTS {
        for permission_type in TYPES {
            assert!(names(held, object, permission_type), "{object} {permission_type}: {held}");
            assert!(names(by_api, object, permission_type), "{object} {permission_type}: {by_api}");
        }
    }

    let cookies = alice.cookies("127.0.0.1");
    let (name, value) =
        cookies.iter().find(|(name, _)| name.starts_with("session")).expect("the app's session");
    let bytes = name.len() + 1 + value.len();
    authmachine_e2e::note(format_args!("the whole session cookie has {bytes} bytes with 20 permissions"));
    assert!(bytes <= MAX_COOKIE_BYTES, "{bytes} bytes");

    assert!(alice.visit(&app.page("/")).await.body.contains("Logged in as alice"), "and after a reload");
    let page = alice.visit(&app.page("/logout")).await;
    assert!(page.url.as_str().starts_with(&app.address) && page.body.contains("Not logged in"), "{page:?}");

    // The provider's session is gone, say by its end there; the app can still log out.
    let page = alice.sign_in(&app.page("/login"), "alice", provider.password(), &[]).await.page();
    assert!(page.body.contains("Logged in as alice"), "{page:?}");
    alice.forget("localhost");
    let page = alice.visit(&app.page("/logout")).await;
    assert!(page.url.as_str().starts_with(&app.address) && page.body.contains("Not logged in"), "{page:?}");

    let mut impostor = app.client.clone();
    "wrong".clone_into(&mut impostor.secret);
    let answer = impostor
        .token(&[("grant_type", "check_token_revoked"), ("access_token", "x")])
        .await
        .expect("an answer");
    assert_eq!((answer.status, &answer.json()["error"]), (401, &json!("invalid_client")));
}

/// Whether an answer of the permission API, or the claim, says that the type is held on the object. Both have one object a list.
fn names(answer: &Value, object: &str, permission_type: &str) -> bool {
    let text = answer.to_string();
    text.contains(&format!("{object:?}")) && text.contains(&format!("{permission_type:?}"))
}

async fn one_logout_reaches_both_apps(engine: Engine) {
    let Some(python) = Python::find() else { return };
    let (provider, ..) = provider_with_alice(&engine).await;
    let (one, two) =
        (App::start(&python, &provider, "one", "").await, App::start(&python, &provider, "two", "").await);
    let (mut alice, mut elsewhere) = (Visitor::new(), Visitor::new());
    alice.sign_in(&one.page("/login"), "alice", provider.password(), &[]).await;
    // Single sign-on: no password for the second.
    let page = alice.visit(&two.page("/login")).await;
    assert!(page.body.contains("Logged in as alice"), "{page:?}");
    let page = elsewhere.sign_in(&two.page("/login"), "alice", provider.password(), &[]).await.page();
    assert!(page.body.contains("Logged in as alice"), "{page:?}");

    let page = alice.visit(&one.page("/logout")).await;
    assert!(page.body.contains("Not logged in"), "{page:?}");
    let page = alice.visit(&two.page("/")).await;
    assert!(page.body.contains("Not logged in"), "the second app noticed nothing: {page:?}");
    // Another session of hers goes on (checklist LO5).
    let page = elsewhere.visit(&two.page("/")).await;
    assert!(page.body.contains("Logged in as alice"), "{page:?}");
}

#[tokio::test]
async fn an_original_app_works_in_chromium() {
    let (Some(python), Some(browser)) = (Python::find(), Chromium::start().await) else { return };
    let (provider, _, api_token) = provider_with_alice(&Engine::Sqlite).await;
    let (one, two) = (
        App::start(&python, &provider, "one", &api_token).await,
        App::start(&python, &provider, "two", "").await,
    );
    browser.open(&one.page("/")).await;
    browser.click("#login").await;
    browser.sign_in("alice", provider.password()).await;
    browser.sees("Logged in as alice").await;
    browser.open(&two.page("/login")).await;
    browser.sees("Logged in as alice").await;
    browser.click("#logout").await;
    browser.sees("Not logged in").await;
    browser.open(&one.page("/")).await;
    browser.sees("Not logged in").await;
}
