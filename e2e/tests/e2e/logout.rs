//! One logout, two apps in one browser, and all three ways in which they hear of it.

use std::collections::BTreeMap;

use authmachine_e2e::{Chromium, Client, Engine, Provider, Site, decode, http, wait};
use aws_lc_rs::signature::{RSA_PKCS1_2048_8192_SHA256, RsaPublicKeyComponents};
use base64ct::{Base64UrlUnpadded, Encoding as _};
use serde_json::{Value, json};

/// An app's page: it keeps the provider's session frame, and its title says what that answers (Session Management §3.1).
fn page(name: &str, provider: &Provider) -> String {
    let origin = provider.issuer();
    format!(
        "<h1>The app {name}</h1>
        <script>
        const state = new URLSearchParams(location.search).get('session_state');
        if (state) {{
            const frame = document.createElement('iframe');
            frame.src = '{origin}/oidc/check_session';
            frame.onload = () =>
                setInterval(() => frame.contentWindow.postMessage('{name} ' + state, '{origin}'), 50);
            addEventListener('message', e => {{ if (e.origin === '{origin}') document.title = e.data; }});
            document.body.append(frame);
        }}
        </script>"
    )
}

struct App {
    site: Site,
    client: Client,
}

impl App {
    async fn start(name: &'static str, provider: &Provider) -> Self {
        let site = Site::serve(page(name, provider)).await;
        // Other ports of one host are one site, where a browser's cookies are concerned.
        let url = site.url().replace("127.0.0.1", "localhost");
        let uri = |path: &str| format!("{url}/{path}");
        let (callback, bye, frame, receiver) = (uri("cb"), uri("bye"), uri("frame"), uri("receiver"));
        let more =
            ["--first-party", "--frontchannel-logout-uri", &frame, "--backchannel-logout-uri", &receiver];
        let new = Client::of(name, &callback).logout_uri(&bye).with(&more);
        let client = provider.add_client(new).await;
        Self { site, client }
    }

    async fn sid(&self) -> String {
        let code = self.site.came_to("/cb")[0]["code"].clone();
        let tokens = self.client.redeem(&code).await.expect("an answer").expect(200).json();
        let id_token = tokens["id_token"].as_str().expect("there is one");
        decode(id_token, 1)["sid"].as_str().expect("it names the session").to_owned()
    }
}

/// Whether a key of the provider's has signed `token` with RS256.
pub(crate) async fn is_signed(provider: &Provider, token: &str) -> bool {
    let kid = decode(token, 0)["kid"].clone();
    let keys = http::get(&provider.url("/oidc/jwks")).await.json();
    let key = keys["keys"].as_array().expect("keys").iter().find(|key| key["kid"] == kid).expect("published");
    let bytes = |text: &str| Base64UrlUnpadded::decode_vec(text).expect("base64url");
    let number = |name: &str| bytes(key[name].as_str().expect("a number"));
    let (signed, signature) = token.rsplit_once('.').expect("three parts");
    let components = RsaPublicKeyComponents { n: number("n"), e: number("e") };
    components.verify(&RSA_PKCS1_2048_8192_SHA256, signed.as_bytes(), &bytes(signature)).is_ok()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_logout_reaches_two_apps_of_one_browser_in_all_three_ways() {
    let Some(browser) = Chromium::start().await else { return };
    let mut provider = Provider::prepare(&Engine::Sqlite).await;
    provider.set("FETCH__PRIVATE_NETWORKS", "127.0.0.0/8,::1");
    provider.launch().await;
    let alice = provider.add_user("alice").await;
    let apps = [App::start("shop", &provider).await, App::start("wiki", &provider).await];
    let title = async |expected: &str| {
        wait::until(&format!("the frame says {expected}"), || async {
            (browser.evaluate("return document.title").await == expected).then_some(())
        })
        .await;
    };

    // One sign-in for both; their pages stay open, each in a window.
    browser.open(&apps[0].client.authorize_url(&[])).await;
    browser.sign_in("alice", provider.password()).await;
    browser.sees("The app shop").await;
    title("unchanged").await;
    browser.evaluate("open('about:blank')").await;
    browser.go_to_window(1).await;
    browser.open(&apps[1].client.authorize_url(&[])).await;
    browser.sees("The app wiki").await;
    title("unchanged").await;
    let sid = apps[0].sid().await;
    assert_eq!(apps[1].sid().await, sid, "one session");
    assert!(
        apps.iter()
            .all(|app| app.site.came_to("/frame").is_empty() && app.site.came_to("/receiver").is_empty())
    );

    // A logout in a third window, begun by one of them.
    browser.evaluate("open('about:blank')").await;
    browser.go_to_window(2).await;
    let bye = apps[1].client.redirect_uri.replace("/cb", "/bye");
    browser
        .open(&format!("{}?post_logout_redirect_uri={bye}&state=a%20b", provider.url("/oidc/logout")))
        .await;
    browser.sees("The app wiki").await;
    let url = url::Url::parse(&browser.url().await).expect("a URL");
    assert_eq!((url.path(), url.query()), ("/bye", Some("state=a+b")));
    browser.is_content().await;

    for app in &apps {
        let name = app.client.id.as_str();
        // By a frame: before the browser went on.
        let framed = app.site.came_to("/frame");
        let expected = [("iss", provider.issuer()), ("sid", &sid)];
        let expected = BTreeMap::from(expected.map(|(name, value)| (name.to_owned(), value.to_owned())));
        assert_eq!(framed, [expected], "{name}");
        // From server to server: as well.
        let posted = app.site.came_to("/receiver");
        assert_eq!(posted.len(), 1, "{name}: {posted:?}");
        assert_eq!(posted[0].keys().collect::<Vec<_>>(), ["logout_token"]);
        let token = &posted[0]["logout_token"];
        assert!(is_signed(&provider, token).await);
        assert_eq!(decode(token, 0)["typ"], "logout+jwt");
        let claims = decode(token, 1);
        for (claim, value) in [
            ("iss", json!(provider.issuer())),
            ("aud", json!(name)),
            ("sub", json!(alice)),
            ("sid", json!(sid)),
            ("events", json!({ "http://schemas.openid.net/event/backchannel-logout": {} })),
            ("nonce", Value::Null),
        ] {
            assert_eq!(claims[claim], value, "{name}: {claims}");
        }
    }
    // By the session frame: the pages that stayed open see it.
    for window in [0, 1] {
        browser.go_to_window(window).await;
        title("changed").await;
    }
}
