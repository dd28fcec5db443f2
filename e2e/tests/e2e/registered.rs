//! Apps that register themselves, in one browser: keys change on both sides, then one logout reaches both.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use authmachine_e2e::{Chromium, Engine, Provider, Site, decode, http};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _};
use base64ct::{Base64UrlUnpadded, Encoding as _};
use reqwest::Method;
use serde_json::{Value, json};
use url::Url;

use crate::logout::is_signed;

fn base64url(bytes: &[u8]) -> String {
    Base64UrlUnpadded::encode_string(bytes)
}

/// A key of an app's.
struct Key {
    kid: &'static str,
    pair: EcdsaKeyPair,
}

impl Key {
    fn make(kid: &'static str) -> Self {
        Self { kid, pair: EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).expect("a key") }
    }

    fn public(&self) -> Value {
        // RFC 5480 §2.2: 4, x, y.
        let point = self.pair.public_key().as_ref();
        let (x, y) = (base64url(&point[1..33]), base64url(&point[33..]));
        json!({ "kty": "EC", "crv": "P-256", "use": "sig", "kid": self.kid, "x": x, "y": y })
    }

    fn sign(&self, claims: &Value) -> String {
        let part = |json: &Value| base64url(json.to_string().as_bytes());
        let signed = format!("{}.{}", part(&json!({ "alg": "ES256", "kid": self.kid })), part(claims));
        let signature = self.pair.sign(&SystemRandom::new(), signed.as_bytes()).expect("it signs");
        format!("{signed}.{}", base64url(signature.as_ref()))
    }
}

/// An app that registered itself.
struct App {
    site: Site,
    url: String,
    registered: Value,
    key: Key,
    issuer: String,
}

impl App {
    async fn register(name: &str, provider: &Provider) -> Self {
        let site = Site::serve(format!("<h1>The app {name}</h1>")).await;
        let url = site.url().replace("127.0.0.1", "localhost");
        let uri = |path: &str| format!("{url}/{path}");
        let key = Key::make("first");
        site.put("/keys", json!({ "keys": [key.public()] }).to_string());
        let request = json!({
            "client_name": format!("The {name} of everybody"),
            "redirect_uris": [uri("cb")],
            "post_logout_redirect_uris": [uri("bye")],
            "grant_types": ["authorization_code", "refresh_token"],
            "token_endpoint_auth_method": "private_key_jwt",
            "jwks_uri": uri("keys"),
            "frontchannel_logout_uri": uri("frame"),
            "backchannel_logout_uri": uri("receiver"),
        });
        let post = http::request(Method::POST, &provider.url("/oidc/register"))
            .header("content-type", "application/json")
            .body(request.to_string());
        let registered = http::send(post).await.expect("an answer").expect(201).json();
        assert_eq!(registered["jwks_uri"], uri("keys"));
        Self { site, url, registered, key, issuer: provider.issuer().to_owned() }
    }

    fn id(&self) -> &str {
        self.registered["client_id"].as_str().expect("it has one")
    }

    fn authorize_url(&self, provider: &Provider, prompt: &str) -> String {
        let mut url = Url::parse(&provider.url("/oidc/authorize")).expect("a URL");
        url.query_pairs_mut()
            .extend_pairs([("client_id", self.id()), ("response_type", "code"), ("prompt", prompt)])
            .extend_pairs([("redirect_uri", format!("{}/cb", self.url))])
            .extend_pairs([("scope", "openid offline_access"), ("state", "s"), ("nonce", "n")]);
        url.into()
    }

    /// Proves itself by a fresh assertion.
    async fn token(&self, fields: &[(&str, &str)]) -> http::Answer {
        #[expect(clippy::disallowed_methods, reason = "the provider outside has the machine's clock")]
        let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970");
        let (id, jti) = (self.id(), format!("{}", now.as_nanos()));
        let claims =
            json!({ "iss": id, "sub": id, "aud": self.issuer, "jti": jti, "exp": now.as_secs() + 60 });
        let assertion = self.key.sign(&claims);
        let mut all = vec![
            ("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"),
            ("client_assertion", assertion.as_str()),
        ];
        all.extend(fields);
        http::post(&format!("{}/oidc/token", self.issuer), &all).await
    }

    /// The tokens for the code that the browser brought last.
    async fn redeem(&self) -> Value {
        let code = self.site.came_to("/cb").pop().expect("the browser came")["code"].clone();
        let redirect_uri = format!("{}/cb", self.url);
        let fields = [("grant_type", "authorization_code"), ("code", &code), ("redirect_uri", &redirect_uri)];
        self.token(&fields).await.expect(200).json()
    }
}

fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value[name].as_str().unwrap_or_else(|| panic!("{name} is text in {value}"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_apps_register_themselves_and_keys_change_on_both_sides() {
    let Some(browser) = Chromium::start().await else { return };
    let mut provider = Provider::prepare(&Engine::Sqlite).await;
    provider.set("REGISTRATION__MODE", "open");
    provider.set("FETCH__PRIVATE_NETWORKS", "127.0.0.0/8,::1");
    provider.launch().await;
    provider.add_user("alice").await;
    let mut apps = [App::register("shop", &provider).await, App::register("wiki", &provider).await];

    // Nobody here has looked at them, which the person is told before saying yes.
    browser.open(&apps[0].authorize_url(&provider, "consent")).await;
    browser.sign_in("alice", provider.password()).await;
    for (app, name) in apps.iter().zip(["shop", "wiki"]) {
        if name == "wiki" {
            browser.open(&app.authorize_url(&provider, "consent")).await;
        }
        browser.sees(&format!("The {name} of everybody")).await;
        browser.click("button[value=yes]").await;
        browser.sees(&format!("The app {name}")).await;
    }
    let before = apps[0].redeem().await;
    let wiki = apps[1].redeem().await;
    let (old, sid) = (text(&before, "id_token"), decode(text(&before, "id_token"), 1)["sid"].clone());
    assert_eq!(decode(text(&wiki, "id_token"), 1)["sid"], sid, "one session");

    // The provider's keys change: the next sign-in is signed by the new one, and what the old one signed can still be checked.
    provider.cli(&["keys", "rotate", "--now"]).await;
    let new = loop {
        browser.open(&apps[0].authorize_url(&provider, "none")).await;
        browser.sees("The app shop").await;
        let tokens = apps[0].redeem().await;
        let token = text(&tokens, "id_token").to_owned();
        // A running server sees what the command line did within a second.
        if decode(&token, 0)["kid"] != decode(old, 0)["kid"] {
            break token;
        }
    };
    assert!(is_signed(&provider, &new).await && is_signed(&provider, old).await);

    // The app's keys change: once the provider looks again, which it does in half a minute, the new one counts and the old does not.
    let forgotten = std::mem::replace(&mut apps[0].key, Key::make("second"));
    apps[0].site.put("/keys", json!({ "keys": [apps[0].key.public()] }).to_string());
    let refresh = [("grant_type", "refresh_token"), ("refresh_token", text(&before, "refresh_token"))];
    let mut tries = 0;
    let refreshed = loop {
        let answer = apps[0].token(&refresh).await;
        tries += 1;
        if answer.status == 200 || tries == 15 {
            break answer.expect(200).json();
        }
        assert_eq!(answer.json()["error"], "invalid_client");
        tokio::time::sleep(Duration::from_secs(3)).await;
    };
    assert_eq!(decode(text(&refreshed, "id_token"), 1)["sid"], sid);
    let current = std::mem::replace(&mut apps[0].key, forgotten);
    let again = [("grant_type", "refresh_token"), ("refresh_token", text(&refreshed, "refresh_token"))];
    assert_eq!(apps[0].token(&again).await.expect(401).json()["error"], "invalid_client");
    apps[0].key = current;

    // One logout: both hear of it by frame and by a token that the new key signed.
    let mut logout = Url::parse(&provider.url("/oidc/logout")).expect("a URL");
    let bye = format!("{}/bye", apps[0].url);
    logout.query_pairs_mut().extend_pairs([
        ("id_token_hint", new.as_str()),
        ("post_logout_redirect_uri", &bye),
        ("state", "out"),
    ]);
    browser.open(logout.as_str()).await;
    browser.sees("The app shop").await;
    assert_eq!(browser.url().await, format!("{bye}?state=out"));
    for app in &apps {
        let framed = app.site.came_to("/frame");
        assert_eq!((framed.len(), framed[0].get("sid").map(String::as_str)), (1, sid.as_str()));
        let posted = app.site.came_to("/receiver");
        let token = &posted.first().expect("it was told")["logout_token"];
        assert!(is_signed(&provider, token).await);
        assert_eq!(decode(token, 0)["kid"], decode(&new, 0)["kid"]);
        assert_eq!((&decode(token, 1)["aud"], &decode(token, 1)["sid"]), (&json!(app.id()), &sid));
    }

    // And it takes itself away.
    let own = http::request(Method::DELETE, text(&apps[0].registered, "registration_client_uri"))
        .bearer_auth(text(&apps[0].registered, "registration_access_token"));
    http::send(own).await.expect("an answer").expect(204);
    browser.open(&apps[0].authorize_url(&provider, "none")).await;
    browser.sees("We do not know this app").await;
    browser.is_content().await;
}
