//! `private_key_jwt` (checklist CA1 to CA5, G3, JW1 to JW6): a client proves itself by a token that it signed.

use std::sync::Arc;

use authmachine_jose::{Algorithm, SigningKey, hmac_sha256};
use authmachine_protocol::GrantType;
use authmachine_provider::client_assertion::TYPE;
use authmachine_provider::event::EventKind;
use authmachine_server::settings::RegistrationMode;
use authmachine_testkit::{
    ClientApp, ClientAuth, TestServer, WebSite, both_engines, on_postgres, reach_loopback,
};
use base64ct::{Base64UrlUnpadded, Encoding as _};
use serde_json::{Value, json};

/// The endpoints that want a client to prove itself, with a request that is right but for the credentials.
const DOORS: [(&str, &[(&str, &str)]); 3] = [
    ("/oidc/token", &[("grant_type", "check_token_revoked"), ("access_token", "x")]),
    ("/oidc/introspect", &[("token", "x")]),
    ("/oidc/revoke", &[("token", "x")]),
];

fn key(algorithm: Algorithm) -> Arc<SigningKey> {
    Arc::new(SigningKey::generate(algorithm, format!("{algorithm} key")).expect("a key"))
}

async fn shop(server: &TestServer) -> ClientApp {
    server.client("shop").private_key_jwt(&key(Algorithm::ES256)).create().await
}

/// The usual claims with one changed, or left out.
fn with(app: &ClientApp, claim: &str, value: Value) -> Value {
    let mut claims = app.assertion_claims();
    claims[claim] = value;
    claims
}

/// Says that the assertion proves nothing, as every other failure is said.
async fn assert_refused(app: &ClientApp, assertion: &str, why: &str) {
    for (door, fields) in DOORS {
        let answer = app.post_assertion(door, fields, assertion).await;
        answer.assert_error(401, "invalid_client");
        assert_eq!(answer.json()["error_description"], "Client authentication failed.", "{why}");
    }
}

fn encode(text: &str) -> String {
    Base64UrlUnpadded::encode_string(text.as_bytes())
}

#[both_engines]
async fn ca4_a_signed_assertion_proves_its_client_at_every_door() {
    let server = TestServer::start().await;
    for algorithm in Algorithm::ALL {
        let app = server.client(algorithm.as_str()).private_key_jwt(&key(algorithm)).create().await;
        for (door, fields) in DOORS {
            app.post(door, fields).await.assert_status(200);
            let named = [fields, &[("client_id", app.id())]].concat();
            app.post(door, &named).await.assert_status(200);
        }
    }
}

#[both_engines]
async fn ca4_every_grant_takes_one() {
    let server = TestServer::start().await;
    let app = server
        .client("shop")
        .first_party()
        .grants(GrantType::ALL)
        .private_key_jwt(&key(Algorithm::EdDSA))
        .create()
        .await;
    let code = server.browser().log_in("alice").await.authorize(&app).await.code();
    let tokens = app.redeem(&code).await.ok();
    let tokens = app.refresh(tokens.refresh_token()).await.ok();
    assert!(app.is_active(&tokens.access_token).await && !app.is_revoked(&tokens.access_token).await);
    app.revoke(&tokens.access_token).await.assert_status(200);
    assert!(app.is_revoked(&tokens.access_token).await);
    app.token(&[("grant_type", "client_credentials")]).await.assert_status(200);
}

#[both_engines]
async fn ca4_what_it_says_must_be_right() {
    let server = TestServer::start().await;
    let app = shop(&server).await;
    server.client("other").private_key_jwt(&key(Algorithm::ES256)).create().await;
    let (door, fields) = DOORS[0];
    for aud in [json!("https://id.example/oidc/token"), json!(["https://id.example"])] {
        let assertion = app.sign(None, &with(&app, "aud", aud));
        app.post_assertion(door, fields, &assertion).await.assert_status(200);
    }
    type Case = (&'static str, fn(i64) -> Value);
    let cases: [Case; 17] = [
        ("iss", |_| json!("other")),
        ("iss", |_| json!(null)),
        ("sub", |_| json!("other")),
        ("sub", |_| json!(1)),
        ("aud", |_| json!("https://other.example")),
        ("aud", |_| json!(["https://id.example", "https://other.example"])),
        ("aud", |_| json!("https://id.example/oidc/introspect")),
        ("exp", |_| json!(null)),
        ("exp", |now| json!(now - 10)),
        ("exp", |now| json!(now + 86_400)),
        ("exp", |now| json!((now + 60).to_string())),
        ("nbf", |now| json!(now + 60)),
        ("iat", |now| json!(now + 60)),
        ("jti", |_| json!(null)),
        ("jti", |_| json!("")),
        ("jti", |_| json!(7)),
        ("jti", |_| json!("x".repeat(300))),
    ];
    for (claim, value) in cases {
        let value = value(server.clock().now().seconds());
        let why = format!("{claim} {value}");
        // Named or not, the client is not another one.
        let assertion = app.sign(None, &with(&app, claim, value));
        assert_refused(&app, &assertion, &why).await;
        let named = [fields, &[("client_id", "shop")]].concat();
        app.post_assertion(door, &named, &assertion).await.assert_error(401, "invalid_client");
        // This is no guessing, and shall not be throttled like it.
        server.clock().advance(60 * 60);
    }
    let assertion = app.sign(None, &app.assertion_claims());
    let named = [fields, &[("client_id", "other")]].concat();
    app.post_assertion(door, &named, &assertion).await.assert_error(401, "invalid_client");
    app.post_assertion(door, fields, &assertion).await.assert_status(200);
}

#[both_engines]
async fn jw5_ten_seconds_of_difference_pass() {
    let server = TestServer::start().await;
    let app = shop(&server).await;
    let (door, fields) = DOORS[0];
    let now = server.clock().now().seconds();
    for (claim, value) in [("exp", now - 9), ("nbf", now + 10), ("iat", now + 10), ("exp", now + 3_600)] {
        let assertion = app.sign(None, &with(&app, claim, json!(value)));
        app.post_assertion(door, fields, &assertion).await.assert_status(200);
    }
}

#[both_engines]
async fn ca4_an_assertion_is_used_once() {
    let server = TestServer::start().await;
    let app = shop(&server).await;
    let other = server.client("other").private_key_jwt(&key(Algorithm::ES256)).create().await;
    let (door, fields) = DOORS[0];
    let claims = app.assertion_claims();
    let assertion = app.sign(None, &claims);
    app.post_assertion(door, fields, &assertion).await.assert_status(200);
    assert_refused(&app, &assertion, "used").await;
    // The id is used, whatever else is said with it.
    let mut again = app.assertion_claims();
    again["jti"] = claims["jti"].clone();
    assert_refused(&app, &app.sign(Some("JWT"), &again), "the same jti").await;
    // To others it is another id.
    let mut theirs = other.assertion_claims();
    theirs["jti"] = claims["jti"].clone();
    app.post_assertion(door, fields, &other.sign(None, &theirs)).await.assert_status(200);
    let why: Vec<_> =
        server.events().await.into_iter().filter_map(|event| event.detail.get("why").cloned()).collect();
    assert!(!why.is_empty() && why.iter().all(|why| why == "the assertion was used before"), "{why:?}");
}

#[both_engines]
async fn ca4_an_assertion_that_proves_nothing_uses_nothing_up() {
    let server = TestServer::start().await;
    let app = shop(&server).await;
    let claims = app.assertion_claims();
    // A stranger who guesses the id, and the client with a slip, come before.
    assert_refused(&app, &app.with_key(&key(Algorithm::ES256)).sign(None, &claims), "signed by another")
        .await;
    let mut slip = claims.clone();
    slip["aud"] = "https://other.example".into();
    assert_refused(&app, &app.sign(None, &slip), "for another").await;
    assert!(server.rows()["assertion_ids"].is_empty());
    app.post_assertion(DOORS[0].0, DOORS[0].1, &app.sign(None, &claims)).await.assert_status(200);
}

/// How many of a hundred at once, at `nodes` in turn, get in by the same assertion.
async fn winners(app: &ClientApp, nodes: &[&TestServer]) -> usize {
    let (door, fields) = DOORS[0];
    let assertion = app.sign(None, &app.assertion_claims());
    let attempts: Vec<_> = (0..100)
        .map(|n| {
            let proof = [("client_assertion_type", TYPE), ("client_assertion", assertion.as_str())];
            // From many places, so that nobody is throttled.
            let request = nodes[n % nodes.len()].post(door).from(&format!("198.51.100.{n}"));
            tokio::spawn(request.form(&[fields, &proof].concat()).send())
        })
        .collect();
    let mut won = 0;
    for attempt in attempts {
        match attempt.await.expect("no panic").status.as_u16() {
            200 => won += 1,
            status => assert_eq!(status, 401),
        }
    }
    won
}

#[both_engines]
async fn g3_of_a_hundred_with_the_same_assertion_one_gets_in() {
    let server = TestServer::start().await;
    let app = shop(&server).await;
    for _ in 0..5 {
        assert_eq!(winners(&app, &[&server]).await, 1);
    }
}

#[on_postgres]
async fn g3_of_a_hundred_over_two_nodes_one_gets_in() {
    let server = TestServer::start().await;
    let app = shop(&server).await;
    let other = server.second_node().await;
    for _ in 0..5 {
        assert_eq!(winners(&app, &[&server, &other]).await, 1);
    }
}

#[both_engines]
async fn ca5_what_is_remembered_has_an_end() {
    let server = TestServer::start().await;
    let app = shop(&server).await;
    let claims = app.assertion_claims();
    let assertion = app.sign(None, &claims);
    app.post_assertion(DOORS[0].0, DOORS[0].1, &assertion).await.assert_status(200);
    let row = server.rows()["assertion_ids"].clone();
    assert!(!format!("{row:?}").contains("assertion "), "its id is hashed: {row:?}");
    // While it could be used again it is known.
    server.clock().advance(69);
    server.purge().await;
    assert_refused(&app, &assertion, "used").await;
    server.clock().advance(61);
    server.purge().await;
    assert!(server.rows()["assertion_ids"].is_empty());
    assert_refused(&app, &assertion, "expired").await;
}

#[both_engines]
async fn ca1_who_registered_a_key_has_no_secret_and_who_registered_a_secret_has_no_key() {
    let server = TestServer::start().await;
    let own = key(Algorithm::ES256);
    let jwks = json!({ "keys": [own.public_jwk()] });
    let app = server.client("shop").private_key_jwt(&own).create().await;
    let secret = "a secret that was there before 0123";
    let hmac = server.app().secrets.client_secret(secret);
    let app = app.change(|client| client.secret_hmac = Some(hmac)).await.with_secret(secret);
    let any = server.client("any").jwks(&jwks).create().await.with_key(&own);
    let public = server.client("public").jwks(&jwks).public().create().await.with_key(&own);
    for (door, fields) in DOORS {
        for auth in [ClientAuth::Basic, ClientAuth::Post, ClientAuth::Nothing] {
            app.with_auth(auth).post(door, fields).await.assert_error(401, "invalid_client");
        }
        for other in [&any, &public] {
            let other = other.with_auth(ClientAuth::Assertion);
            other.post(door, fields).await.assert_error(401, "invalid_client");
        }
        app.post(door, fields).await.assert_status(200);
        any.post(door, fields).await.assert_status(200);
    }
    app.change(|client| client.disabled = true).await;
    app.post(DOORS[0].0, DOORS[0].1).await.assert_error(401, "invalid_client");
}

#[both_engines]
async fn ca1_an_assertion_beside_a_secret_is_one_method_too_many() {
    let server = TestServer::start().await;
    let app = shop(&server).await;
    let assertion = app.sign(None, &app.assertion_claims());
    let proof = [("client_assertion_type", TYPE), ("client_assertion", assertion.as_str())];
    for (door, fields) in DOORS {
        let both = [fields, &proof, &[("client_id", "shop"), ("client_secret", "x")]].concat();
        server.post(door).form(&both).send().await.assert_error(400, "invalid_request");
        let basic = authmachine_protocol::basic_auth::encode("shop", "x");
        let form = [fields, &proof].concat();
        let request = server.post(door).header("authorization", &basic).form(&form);
        request.send().await.assert_error(400, "invalid_request");
        // Half of it, or of another type, is none.
        for half in [
            vec![proof[0]],
            vec![proof[1]],
            vec![
                ("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:saml2-bearer"),
                proof[1],
            ],
        ] {
            let form = [fields, &half, &[("client_id", "shop")]].concat();
            server.post(door).form(&form).send().await.assert_error(401, "invalid_client");
        }
    }
    app.post_assertion(DOORS[0].0, DOORS[0].1, &assertion).await.assert_status(200);
}

#[both_engines]
async fn ca3_a_refused_assertion_looks_like_a_wrong_secret_and_is_counted_like_one() {
    let server = TestServer::start_with(reach_loopback).await;
    let site = WebSite::start().await;
    let app = shop(&server).await;
    let secretive = server.client("secretive").create().await;
    let remote = server
        .client("remote")
        .private_key_jwt(&key(Algorithm::ES256))
        .jwks_uri(&site.url("/jwks"))
        .create()
        .await;
    let (door, fields) = DOORS[1];
    let expected = secretive.with_secret("not the secret").post(door, fields).await;
    let stranger = app.with_key(&key(Algorithm::ES256));
    let mut nobody = stranger.clone();
    nobody.record.client_id = "nobody".to_owned();
    let mut disabled = app.clone();
    disabled.record =
        server.client("old").create().await.change(|client| client.disabled = true).await.record;
    for app in [&stranger, &nobody, &disabled, &remote] {
        let answer = app.post(door, fields).await;
        answer.assert_error(401, "invalid_client");
        assert_eq!((answer.status, &answer.body), (expected.status, &expected.body), "{}", app.id());
        assert_eq!(answer.headers.get("www-authenticate"), expected.headers.get("www-authenticate"));
    }
    assert_eq!(site.received().len(), 1, "for the client whose keys are there");
    assert_eq!(server.count_events(EventKind::ClientRefused).await, 5);
    for app in [&stranger, &nobody] {
        for _ in 0..19 {
            app.post(door, fields).await.assert_error(401, "invalid_client");
        }
        app.post(door, fields).await.assert_status(429);
    }
    // Even the right one waits, from here.
    app.post(door, fields).await.assert_status(429);
    let why: Vec<_> = server.events().await.iter().map(|event| event.detail.get("why").cloned()).collect();
    assert!(why.contains(&Some("the token's signature is wrong".into())), "{why:?}");
    assert!(why.contains(&Some("the client's keys cannot be had".into())), "{why:?}");
}

#[both_engines]
async fn jw1_the_header_chooses_neither_algorithm_nor_key() {
    let server = TestServer::start().await;
    let own = key(Algorithm::RS256);
    let app = server.client("shop").private_key_jwt(&own).create().await;
    let claims = app.assertion_claims().to_string();
    let public = serde_json::to_string(&own.public_jwk()).expect("JSON");
    for header in [json!({"alg": "none"}), json!({"alg": "None", "kid": "RS256 key"})] {
        let token = format!("{}.{}.", encode(&header.to_string()), encode(&claims));
        assert_refused(&app, &token, "unsigned").await;
    }
    for secret in [public.as_str(), "", "shop"] {
        let signed = format!("{}.{}", encode(r#"{"alg":"HS256","kid":"RS256 key"}"#), encode(&claims));
        let mac = Base64UrlUnpadded::encode_string(&hmac_sha256(secret.as_bytes(), signed.as_bytes()));
        assert_refused(&app, &format!("{signed}.{mac}"), "a MAC").await;
    }
    server.clock().advance(60 * 60);
    // The same key, with another algorithm than the one registered.
    let pss = SigningKey::from_pkcs8(Algorithm::PS256, "RS256 key", &own.to_pkcs8()).expect("an RSA key");
    let pss = app.with_key(&Arc::new(pss));
    let jwk = |algorithm: &str| {
        let mut jwk = serde_json::to_value(own.public_jwk()).expect("JSON");
        jwk["alg"] = algorithm.into();
        jwk.as_object_mut().expect("an object").retain(|name, _| name != "alg" || !algorithm.is_empty());
        json!({ "keys": [jwk] })
    };
    let (door, fields) = DOORS[0];
    app.change(|client| client.metadata.jwks = Some(jwk(""))).await;
    pss.post(door, fields).await.assert_status(200);
    app.change(|client| {
        client.metadata.jwks = Some(jwk(""));
        client.metadata.token_endpoint_auth_signing_alg = Some(Algorithm::RS256);
    })
    .await;
    pss.post(door, fields).await.assert_error(401, "invalid_client");
    app.post(door, fields).await.assert_status(200);
    app.change(|client| client.metadata.jwks = None).await;
    app.post(door, fields).await.assert_error(401, "invalid_client");
}

#[both_engines]
async fn jw3_a_client_that_replaces_its_keys_goes_on_with_the_new_one() {
    let server = TestServer::start_with(reach_loopback).await;
    let site = WebSite::start_with_tls().await;
    let serve = |keys: &[&Arc<SigningKey>]| {
        let keys: Vec<_> = keys.iter().map(|key| key.public_jwk()).collect();
        site.serve("/jwks", "application/jwk-set+json", json!({ "keys": keys }).to_string())
    };
    let (old, new) = (key(Algorithm::RS256), key(Algorithm::ES256));
    let app = server
        .client("shop")
        .scopes("openid offline_access")
        .first_party()
        .private_key_jwt(&old)
        .jwks_uri(&serve(&[&old]))
        .create()
        .await;
    let code = server.browser().log_in("alice").await.authorize(&app).await.code();
    let tokens = app.redeem(&code).await.ok();
    serve(&[&new]);
    server.clock().advance(31);
    let renewed = app.with_key(&new);
    let tokens = renewed.refresh(tokens.refresh_token()).await.ok();
    app.refresh(tokens.refresh_token()).await.assert_error(401, "invalid_client");
    renewed.refresh(tokens.refresh_token()).await.ok();
    assert_eq!(site.received().len(), 2);
}

#[both_engines]
async fn jw6_no_token_of_another_kind_is_an_assertion_and_an_assertion_is_no_other() {
    let server = TestServer::start().await;
    let app = server.client("shop").first_party().private_key_jwt(&key(Algorithm::ES256)).create().await;
    let browser = server.browser().log_in("alice").await;
    let tokens = app.redeem(&browser.authorize(&app).await.code()).await.ok();
    assert_refused(&app, tokens.id_token(), "an ID token of ours").await;
    assert_refused(&app, &tokens.access_token, "an access token").await;
    for typ in ["at+jwt", "logout+jwt", "oauth-authz-req+jwt", "dpop+jwt"] {
        assert_refused(&app, &app.sign(Some(typ), &app.assertion_claims()), typ).await;
    }
    let request = with(&app, "response_type", json!("code"));
    assert_refused(&app, &app.sign(None, &request), "a request object").await;

    let assertion = app.sign(Some("JWT"), &app.assertion_claims());
    app.userinfo(&assertion).await.assert_error(401, "invalid_token");
    assert!(!app.is_active(&assertion).await);
    let prompt_none = app.authorize().with("prompt", "none").with("id_token_hint", &assertion);
    browser.follow(&prompt_none.url()).await.assert_refused("invalid_request");
}

#[both_engines]
async fn ca4_a_client_registers_its_keys_and_proves_itself_by_them() {
    let server = TestServer::start_with(|settings| {
        reach_loopback(settings);
        settings.registration.mode = RegistrationMode::Open;
    })
    .await;
    let site = WebSite::start().await;
    let own = key(Algorithm::PS256);
    let keys = json!({ "keys": [own.public_jwk()] });
    site.serve("/jwks", "application/json", keys.to_string());
    for (member, value) in [("jwks", keys), ("jwks_uri", json!(site.url("/jwks")))] {
        let mut metadata = json!({
            "redirect_uris": ["https://rp.example/cb"],
            "token_endpoint_auth_method": "private_key_jwt",
            "token_endpoint_auth_signing_alg": "PS256",
        });
        metadata[member] = value;
        let client = server.register(metadata).await;
        assert_eq!(client.body.get("client_secret"), None, "{member}");
        let app = client.app().await.with_key(&own);
        app.post(DOORS[0].0, DOORS[0].1).await.assert_status(200);
        app.with_key(&key(Algorithm::PS256))
            .post(DOORS[0].0, DOORS[0].1)
            .await
            .assert_error(401, "invalid_client");
    }
}
