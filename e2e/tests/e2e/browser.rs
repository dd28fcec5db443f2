//! What only a real browser does: sites that are not ours, scripts, languages.

use authmachine_e2e::{Chromium, Client, Engine, Provider, Site, wait};

/// A provider with alice signed in at its own page, and a first-party client that is registered at `site`.
async fn alice_at_the_provider(browser: &Chromium, site: &Site) -> (Provider, Client) {
    let provider = Provider::start(&Engine::Sqlite).await;
    provider.add_user("alice").await;
    let (redirect_uri, logout_uri) = (format!("{}/cb", site.url()), format!("{}/out", site.url()));
    let new = Client::of("app", &redirect_uri).logout_uri(&logout_uri).with(&["--first-party"]);
    let client = provider.add_client(new).await;
    browser.open(&provider.url("/login")).await;
    browser.sign_in("alice", provider.password()).await;
    browser.sees("Signed in as alice").await;
    (provider, client)
}

#[tokio::test]
async fn cs3_lo3_no_picture_frame_or_script_elsewhere_signs_anybody_out() {
    let Some(browser) = Chromium::start().await else { return };
    let app = Site::serve("the app".to_owned()).await;
    let (provider, client) = alice_at_the_provider(&browser, &app).await;
    // The client takes part in the session, so that a logout without a hint would be its right.
    browser.open(&client.authorize_url(&[])).await;
    browser.sees("the app").await;

    let logout = format!(
        "{}?post_logout_redirect_uri={}/out&revoke_tokens=1",
        provider.url("/oidc/logout"),
        app.url()
    );
    let root = provider.url("/");
    let evil = Site::serve(format!(
        "evil <img src='{logout}'><script src='{logout}'></script><iframe src='{logout}'></iframe><iframe src='{root}'></iframe>
         <script>fetch('{logout}', {{ mode: 'no-cors', credentials: 'include' }}).catch(() => 0).then(() => document.title = 'done')</script>"
    ))
    .await;
    // From another site the session's cookie does not come along; from another port of this host it does.
    for url in [evil.url(), evil.url().replace("127.0.0.1", "localhost")] {
        browser.open(&url).await;
        browser.sees("evil").await;
        let loaded =
            "return new Promise(done => setInterval(() => document.title && done(document.title), 10))";
        assert_eq!(browser.evaluate(loaded).await, "done");
        wait::until("a frame that is refused", || async {
            browser.complaints().await.into_iter().find(|said| said.contains("frame-ancestors"))
        })
        .await;
        browser.open(&root).await;
        browser.sees("Signed in as alice").await;
    }

    // A link is another matter: the browser goes there, and the client is ours.
    let evil = Site::serve(format!("<a id='out' href='{logout}'>a link</a>")).await;
    browser.open(&evil.url()).await;
    browser.click("#out").await;
    browser.sees("the app").await;
    browser.open(&root).await;
    browser.sees("Welcome").await;
}

#[tokio::test]
async fn se1_a_form_from_another_site_finds_the_session() {
    let Some(browser) = Chromium::start().await else { return };
    let app = Site::serve("the app".to_owned()).await;
    let (provider, client) = alice_at_the_provider(&browser, &app).await;
    let form = Site::serve(format!(
        "<form method='post' action='{}'>
         <input name='client_id' value='app'><input name='response_type' value='code'><input name='scope' value='openid'>
         <input name='redirect_uri' value='{}'><input name='nonce' value='n'><input name='state' value='a b+c%'>
         <button id='go'>Log in</button></form>",
        provider.url("/oidc/authorize"),
        client.redirect_uri
    ))
    .await;
    browser.open(&form.url()).await;
    browser.click("#go").await;
    // No question: the `Lax` cookie was not with the POST, but with the GET that went on from it.
    browser.sees("the app").await;
    let url = url::Url::parse(&browser.url().await).expect("a URL");
    let query: std::collections::BTreeMap<_, _> = url.query_pairs().collect();
    assert!(query.contains_key("code") && query["state"] == "a b+c%", "{url}");
}

#[tokio::test]
async fn pw2_a_password_can_be_looked_at_and_changed() {
    let Some(browser) = Chromium::start().await else { return };
    let app = Site::serve(String::new()).await;
    let (provider, _) = alice_at_the_provider(&browser, &app).await;
    browser.open(&provider.url("/account/password")).await;
    browser.fill("#current_password", provider.password()).await;
    browser.fill("#new_password", "too short").await;
    browser.click("button[aria-controls=new_password]").await;
    assert_eq!(browser.evaluate("return document.querySelector('#new_password').type").await, "text");
    browser.pictures("password").await;
    browser.click("button.primary").await;
    browser.sees("The new password is too short").await;
    browser.fill("#current_password", provider.password()).await;
    browser.fill("#new_password", "a few more words in a row").await;
    browser.click("button.primary").await;
    browser.sees("Your password is changed").await;
    browser.pictures("root-password-changed").await;
    browser.is_content().await;

    browser.click("form[action='/logout'] button").await;
    browser.sees("You are signed out").await;
    browser.pictures("signed-out").await;
    browser.open(&provider.url("/login")).await;
    browser.sign_in("alice", provider.password()).await;
    browser.sees("Username and password do not match").await;
    browser.sign_in("alice", "a few more words in a row").await;
    browser.sees("Signed in as alice").await;
}

#[tokio::test]
async fn pages_speak_the_language_that_was_asked_for() {
    let Some(browser) = Chromium::start().await else { return };
    let app = Site::serve(String::new()).await;
    let (_provider, client) = alice_at_the_provider(&browser, &app).await;
    browser.open(&client.authorize_url(&[("prompt", "login"), ("ui_locales", "xx de-AT")])).await;
    browser.sees("Benutzername").await;
    assert_eq!(browser.evaluate("return document.documentElement.lang").await, "de");
    browser.pictures("login-german").await;
    browser.is_content().await;
}

#[tokio::test]
async fn hd3_xs3_an_answer_is_posted_with_and_without_scripts() {
    for scripts in [true, false] {
        let Some(browser) = Chromium::start().await else { return };
        let app = Site::serve("the app".to_owned()).await;
        let (_provider, client) = alice_at_the_provider(&browser, &app).await;
        if !scripts {
            browser.turn_scripts_off().await;
        }
        browser.open(&client.authorize_url(&[("response_mode", "form_post")])).await;
        if !scripts {
            browser.sees("Going back").await;
            browser.pictures("form-post").await;
            browser.is_content().await;
            browser.click("button.primary").await;
        }
        // The site answers whatever it is sent; that nothing stands in the address shows that it was sent as a form.
        browser.sees("the app").await;
        assert_eq!(browser.url().await, client.redirect_uri);
        browser.is_content().await;
    }
}
