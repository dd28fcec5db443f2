//! Request objects, by value and by reference (OIDC Core §6, RFC 9101).

use authmachine_jose::{Algorithm, JwkSet, SigningKey};
use authmachine_provider::client_metadata::RequestObjectAlg;
use authmachine_testkit::{ClientApp, ISSUER, TestServer, WebSite, both_engines, reach_loopback};
use base64ct::{Base64UrlUnpadded, Encoding as _};
use serde_json::{Value, json};

fn key(algorithm: Algorithm, kid: &str) -> SigningKey {
    SigningKey::generate(algorithm, kid).expect("the generator works")
}

/// First-party, with the public part of `key` registered by value.
async fn shop(server: &TestServer, client_id: &str, key: &SigningKey) -> ClientApp {
    let jwks = serde_json::to_value([key.public_jwk()].into_iter().collect::<JwkSet>()).expect("JSON");
    let app = server.client(client_id).first_party().create().await;
    app.change(|client| client.metadata.jwks = Some(jwks)).await
}

/// Everything that a request of `app` has, as claims; `null` takes a member away.
fn inside(app: &ClientApp, changes: Value) -> Value {
    let mut claims: serde_json::Map<_, _> =
        app.authorize().params().iter().map(|(name, value)| ((*name).to_owned(), json!(value))).collect();
    claims.extend([("iss".to_owned(), json!(app.id())), ("aud".to_owned(), json!(ISSUER))]);
    claims.extend(changes.as_object().expect("an object").clone());
    claims.retain(|_, value| !value.is_null());
    Value::Object(claims)
}

fn signed(key: &SigningKey, claims: &Value) -> String {
    key.sign(Some("oauth-authz-req+jwt"), claims.to_string().as_bytes()).expect("it signs")
}

fn unsigned(claims: &Value) -> String {
    let encode = |json: &Value| Base64UrlUnpadded::encode_string(json.to_string().as_bytes());
    format!("{}.{}.", encode(&json!({"alg": "none"})), encode(claims))
}

/// The target of a request whose parameters are all inside `object`.
fn by_value(app: &ClientApp, object: &str) -> String {
    let pairs = [("client_id", app.id()), ("request", object)];
    format!("/oidc/authorize?{}", authmachine_protocol::form::encode(pairs))
}

/// The same, with those parameters outside that tell where to send an error.
fn with_outside(app: &ClientApp, object: &str) -> String {
    app.authorize().with("state", "outside").with("request", object).url()
}

#[both_engines]
async fn rq1_what_is_inside_is_the_request_and_nothing_else() {
    let server = TestServer::start().await;
    let browser = server.browser().log_in("alice").await;
    for algorithm in Algorithm::ALL {
        let key = key(algorithm, "its");
        let app = shop(&server, &format!("shop-{algorithm}"), &key).await;
        let object = signed(&key, &inside(&app, json!({"state": "inside", "max_age": 10_000})));

        let visit = browser.follow(&by_value(&app, &object)).await;
        assert_eq!(visit.params()["state"], "inside", "{algorithm}");
        app.redeem(&visit.params()["code"]).await.ok();

        // What stands outside does not count, not even where nothing stands inside.
        let object = signed(&key, &inside(&app, json!({"state": null, "nonce": "inside"})));
        let url = app
            .authorize()
            .with("redirect_uri", "https://evil.example/")
            .with("prompt", "login")
            .with("state", "outside")
            .with("response_type", "token")
            .with("request", &object)
            .url();
        let visit = browser.follow(&url).await;
        assert!(visit.away().starts_with(app.redirect_uri()), "{}", visit.url);
        assert_eq!(visit.params().get("state"), None);
        let tokens = app.redeem(&visit.params()["code"]).await.ok();
        assert_eq!(server.verify(tokens.id_token.as_deref().expect("openid")).await["nonce"], "inside");
    }
}

#[both_engines]
async fn rq1_who_signed_for_whom_and_when_is_checked() {
    let server = TestServer::start().await;
    let key = key(Algorithm::ES256, "its");
    let app = shop(&server, "shop", &key).await;
    let browser = server.browser().log_in("alice").await;
    let stranger = SigningKey::generate(Algorithm::ES256, "its").expect("the generator works");
    let now = server.clock().now().seconds();
    let before = server.state();

    let of = |changes: Value| signed(&key, &inside(&app, changes));
    let good = of(json!({}));
    let (head, _) = good.rsplit_once('.').expect("three parts");
    for (what, object) in [
        ("a stranger's key", signed(&stranger, &inside(&app, json!({})))),
        ("no signature", format!("{head}.")),
        (
            "another's signature",
            format!("{head}.{}", good.rsplit_once('.').expect("three").1.chars().rev().collect::<String>()),
        ),
        ("another client", of(json!({"client_id": "other"}))),
        ("another issuer of it", of(json!({"iss": "other"}))),
        ("another audience", of(json!({"aud": "https://other.example"}))),
        ("over", of(json!({"exp": now - 60}))),
        ("not yet", of(json!({"nbf": now + 60}))),
        ("of the future", of(json!({"iat": now + 60}))),
        ("an assertion", of(json!({"sub": app.id()}))),
        ("one in another", of(json!({"request": good}))),
        (
            "a wrong type",
            key.sign(Some("client-authentication+jwt"), inside(&app, json!({})).to_string().as_bytes())
                .expect("it signs"),
        ),
        ("no token", "x".to_owned()),
        ("five parts", "a.b.c.d.e".to_owned()),
        ("too long", format!("{good}{}", "A".repeat(20_000))),
    ] {
        let visit = browser.follow(&with_outside(&app, &object)).await;
        if what == "too long" {
            // Longer than an address may be.
            assert!(!visit.is_away());
            continue;
        }
        assert!(visit.away().starts_with(app.redirect_uri()), "{what}: {}", visit.url);
        let params = visit.params();
        assert_eq!(
            (params["error"].as_str(), params["state"].as_str()),
            ("invalid_request_object", "outside"),
            "{what}"
        );
        // Who could not be told stays with us.
        browser.follow(&by_value(&app, &object)).await.assert_page(400, "wrong return address");
    }
    assert_eq!(server.state(), before, "nothing was saved");
    let visit = browser.follow(&by_value(&app, &of(json!({"exp": now + 60, "nbf": now, "iat": now})))).await;
    assert!(visit.params().contains_key("code"));
}

#[both_engines]
async fn rq4_an_unsigned_object_counts_only_where_it_may() {
    let key = key(Algorithm::RS256, "its");
    for (allow, expected) in [(false, Some("request_not_supported")), (true, None)] {
        let server = TestServer::start_with(|settings| settings.unsigned_request_objects = allow).await;
        let app = shop(&server, "shop", &key).await;
        let browser = server.browser().log_in("alice").await;
        let error = async |app: &ClientApp, object: &str| {
            let visit = browser.follow(&with_outside(app, object)).await;
            visit.params().get("error").cloned()
        };
        let object = unsigned(&inside(&app, json!({})));
        assert_eq!(error(&app, &object).await.as_deref(), expected);
        assert_eq!(
            error(&app, &format!("{object}AAAA")).await.as_deref(),
            expected.or(Some("invalid_request_object"))
        );

        // A client that registered a signature is held to it.
        let signs = app
            .change(|client| {
                client.metadata.request_object_signing_alg = Some(RequestObjectAlg::Signed(Algorithm::RS256));
            })
            .await;
        assert_eq!(error(&signs, &object).await.as_deref(), Some("request_not_supported"));
        assert_eq!(error(&signs, &signed(&key, &inside(&app, json!({})))).await, None);
        let must = signs.change(|client| client.metadata.require_signed_request_object = true).await;
        let plain = browser.follow(&must.authorize_url()).await;
        assert_eq!(plain.params()["error"], "invalid_request");
    }
}

#[both_engines]
async fn rq3_a_request_uri_is_fetched_if_it_is_registered() {
    let server = TestServer::start_with(reach_loopback).await;
    let site = WebSite::start().await;
    let key = key(Algorithm::RS256, "its");
    let app = shop(&server, "shop", &key).await;
    let uri = site.url("/request.jwt#a-hash-of-nothing");
    let app = app.change(|client| client.metadata.request_uris = vec![uri.clone()]).await;
    let browser = server.browser().log_in("alice").await;
    let by = |uri: &str| app.authorize().with("state", "outside").with("request_uri", uri).url();

    site.serve(
        "/request.jwt",
        "application/oauth-authz-req+jwt",
        signed(&key, &inside(&app, json!({"state": "inside"}))),
    );
    let visit = browser.follow(&by(&uri)).await;
    assert_eq!(visit.params()["state"], "inside");
    app.redeem(&visit.params()["code"]).await.ok();
    let targets: Vec<_> = site.received().into_iter().map(|request| request.target).collect();
    assert_eq!(targets, ["/request.jwt"], "without the fragment");

    for other in [site.url("/request.jwt"), site.url("/request.jwt#x"), site.url("/other"), "x".to_owned()] {
        let params = browser.follow(&by(&other)).await.params();
        assert_eq!(
            (params["error"].as_str(), params["state"].as_str()),
            ("invalid_request_uri", "outside"),
            "{other}"
        );
    }
    assert_eq!(site.received().len(), 1, "nothing unregistered is fetched");

    site.serve("/request.jwt", "text/html", "<p>");
    assert_eq!(browser.follow(&by(&uri)).await.params()["error"], "invalid_request_uri");
    site.serve("/request.jwt", "text/plain", "not.a.token");
    assert_eq!(browser.follow(&by(&uri)).await.params()["error"], "invalid_request_object");
}
