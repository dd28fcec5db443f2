//! ID tokens as they are made, and as they come back as hints (OIDC Core §2; checklist JW).

use authmachine_jose::{Algorithm, SigningKey, hmac_sha256, left_half_hash};
use authmachine_testkit::{ClientApp, ISSUER, TestServer, both_engines};
use base64ct::{Base64UrlUnpadded, Encoding};
use serde_json::{Value, json};

#[both_engines]
async fn an_id_token_says_who_signed_in_for_whom_and_when() {
    let server = TestServer::start().await;
    let browser = server.browser().log_in("alice").await;
    let signed_in_at = server.clock().now().seconds();
    server.clock().advance(30);
    for algorithm in Algorithm::ALL {
        let app =
            server.client(&format!("shop-{algorithm}")).first_party().id_token_alg(algorithm).create().await;
        let tokens = app.redeem(&browser.authorize(&app).await.code()).await.ok();
        let verified = Value::Object(server.verify(tokens.id_token()).await);
        let now = server.clock().now().seconds();
        assert_eq!(
            verified,
            json!({
                "iss": ISSUER,
                "sub": server.find_user("alice").await.expect("made").sub,
                "aud": app.id(),
                "exp": now + 600,
                "iat": now,
                "auth_time": signed_in_at,
                "nonce": "nonce of the test",
                "amr": ["pwd"],
                "sid": verified["sid"],
                "at_hash": left_half_hash(algorithm, &tokens.access_token),
            })
        );
        assert_eq!(verified["sid"].as_str().map(str::len), Some(32));
        let header = Base64UrlUnpadded::decode_vec(tokens.id_token().split('.').next().expect("a header"))
            .expect("base64url");
        let header: Value = serde_json::from_slice(&header).expect("JSON");
        assert_eq!(header["alg"], algorithm.as_str());
        let mut members: Vec<_> = header.as_object().expect("an object").keys().collect();
        members.sort();
        assert_eq!(members, ["alg", "kid", "typ"]);
    }
}

#[both_engines]
async fn claims_asked_for_in_the_id_token_are_in_it() {
    let server = TestServer::start().await;
    let app = server.client("guest").create().await;
    let claims =
        json!({ "id_token": { "email": null, "phone_number": null, "name": { "essential": true } } })
            .to_string();
    let url = app.authorize().with("claims", &claims).with("scope", "openid").url();
    let tokens =
        app.redeem(&server.browser().log_in("alice").await.authorize_with(&url).await.code()).await.ok();
    let claims = server.verify(tokens.id_token()).await;
    assert_eq!(claims["email"], "alice@example.com");
    for absent in ["phone_number", "name", "email_verified", "preferred_username"] {
        assert!(!claims.contains_key(absent), "{absent}");
    }
}

/// Tokens that are no ID token of ours for `app`, or not one that may be believed.
async fn forgeries(server: &TestServer, app: &ClientApp, good: &str) -> Vec<(&'static str, String)> {
    let current = server.app().current();
    let signer = |algorithm| current.keys.signer(algorithm, server.clock().now()).expect("there is one");
    let (ours, eddsa) = (signer(Algorithm::RS256), signer(Algorithm::EdDSA));
    let claims = Value::Object(server.verify(good).await);
    let with = |name: &str, value: Value| {
        let mut claims = claims.clone();
        claims[name] = value;
        claims.to_string()
    };
    let without = |name: &str| {
        let mut claims = claims.clone();
        claims.as_object_mut().expect("an object").remove(name);
        claims.to_string()
    };
    let sign = |typ: Option<&str>, payload: &str| ours.sign(typ, payload.as_bytes()).expect("it signs");
    let base64 = |bytes: &[u8]| Base64UrlUnpadded::encode_string(bytes);
    let parts: Vec<&str> = good.split('.').collect();
    let header = |header: Value| base64(header.to_string().as_bytes());
    let kid = ours.kid();
    let stranger = SigningKey::generate(Algorithm::ES256, kid).expect("a key");
    let nobody = SigningKey::generate(Algorithm::ES256, "nobody").expect("a key");
    let jwk = serde_json::to_value(nobody.public_jwk()).expect("a JWK");
    let by_nobody = nobody.sign(Some("JWT"), claims.to_string().as_bytes()).expect("it signs");
    let by_nobody: Vec<&str> = by_nobody.split('.').collect();
    let hmac_input = format!("{}.{}", header(json!({ "alg": "HS256", "typ": "JWT" })), parts[1]);
    let public_keys = server.get("/oidc/jwks").send().await;
    let secret = app.secret.clone().unwrap_or_default();
    let mac = |key: &[u8]| format!("{hmac_input}.{}", base64(&hmac_sha256(key, hmac_input.as_bytes())));
    let doubled = format!("{{\"sub\":\"x\",{}", &claims.to_string()[1..]);

    vec![
        ("jw1: alg none", format!("{}.{}.", header(json!({ "alg": "none", "typ": "JWT" })), parts[1])),
        (
            "jw1: alg none with the signature",
            format!(
                "{}.{}.{}",
                header(json!({ "alg": "none", "kid": kid, "typ": "JWT" })),
                parts[1],
                parts[2]
            ),
        ),
        ("jw1: no signature", format!("{}.{}.", parts[0], parts[1])),
        (
            "jw1: another key under our kid",
            stranger.sign(Some("JWT"), claims.to_string().as_bytes()).expect("it signs"),
        ),
        (
            "jw1: another algorithm's name",
            format!(
                "{}.{}.{}",
                header(json!({ "alg": "ES256", "kid": kid, "typ": "JWT" })),
                parts[1],
                parts[2]
            ),
        ),
        ("jw1: HMAC with the public keys", mac(&public_keys.body)),
        ("jw1: HMAC with the client's secret", mac(secret.as_bytes())),
        (
            "jw2: a key in the header",
            format!(
                "{}.{}.{}",
                header(json!({ "alg": "ES256", "jwk": jwk, "typ": "JWT" })),
                by_nobody[1],
                by_nobody[2]
            ),
        ),
        (
            "jw2: crit",
            format!(
                "{}.{}.{}",
                header(json!({ "alg": "RS256", "kid": kid, "typ": "JWT", "crit": ["exp"] })),
                parts[1],
                parts[2]
            ),
        ),
        ("jw3: an unknown kid", by_nobody.join(".")),
        (
            "jw3: a kid that is a path",
            format!(
                "{}.{}.{}",
                header(json!({ "alg": "RS256", "kid": "../../etc/passwd", "typ": "JWT" })),
                parts[1],
                parts[2]
            ),
        ),
        (
            "jw4: changed payload",
            format!("{}.{}.{}", parts[0], base64(with("sub", json!("x")).as_bytes()), parts[2]),
        ),
        ("jw4: padding", format!("{}=.{}.{}", parts[0], parts[1], parts[2])),
        ("jw4: five parts", format!("{good}.{}.{}", parts[1], parts[2])),
        ("jw4: two parts", format!("{}.{}", parts[0], parts[1])),
        ("jw4: a line end", format!("{good}\n")),
        (
            "jw4: JSON form",
            json!({ "payload": parts[1], "protected": parts[0], "signature": parts[2] }).to_string(),
        ),
        ("jw4: a member twice", sign(Some("JWT"), &doubled)),
        ("jw5: no exp", sign(Some("JWT"), &without("exp"))),
        ("jw5: exp is a string", sign(Some("JWT"), &with("exp", json!("9999999999")))),
        ("jw5: sub is a number", sign(Some("JWT"), &with("sub", json!(1)))),
        ("jw5: no aud", sign(Some("JWT"), &without("aud"))),
        ("jw5: aud is an object", sign(Some("JWT"), &with("aud", json!({ "shop": true })))),
        ("jw5: another issuer", sign(Some("JWT"), &with("iss", json!("https://evil.example")))),
        ("jw5: another client", sign(Some("JWT"), &with("aud", json!("other")))),
        ("jw6: typ of an access token", sign(Some("at+jwt"), &claims.to_string())),
        ("jw6: typ of a logout token", sign(Some("logout+jwt"), &claims.to_string())),
        ("jw6: no typ", sign(None, &claims.to_string())),
        (
            "jw6: a logout token",
            sign(
                Some("JWT"),
                &with("events", json!({ "http://schemas.openid.net/event/backchannel-logout": {} })),
            ),
        ),
        ("jw6: typ twisted", eddsa.sign(Some("dpop+jwt"), claims.to_string().as_bytes()).expect("it signs")),
        ("jw4: longer than 16 KiB", sign(Some("JWT"), &with("x", json!("x".repeat(16 * 1024))))),
    ]
}

#[both_engines]
async fn jw1_to_jw6_no_forgery_passes_as_a_hint() {
    let server = TestServer::start().await;
    let app = server.client("shop").first_party().create().await;
    server.client("other").create().await;
    let browser = server.browser().log_in("alice").await;
    let good = app.redeem(&browser.authorize(&app).await.code()).await.ok().id_token().to_owned();
    let before = server.state();

    for (name, forged) in forgeries(&server, &app, &good).await {
        // By POST: some are too long for an address.
        let request = app.authorize().with("id_token_hint", &forged).with("prompt", "none");
        let visit = browser.post(authmachine_testkit::Site::Own, "/oidc/authorize", &request.params()).await;
        assert_eq!(visit.params().get("error").map(String::as_str), Some("invalid_request"), "{name}");

        let uri = app.post_logout_redirect_uri();
        let fields =
            [("id_token_hint", forged.as_str()), ("post_logout_redirect_uri", uri), ("revoke_tokens", "1")];
        let visit = browser.post(authmachine_testkit::Site::Own, "/oidc/logout", &fields).await;
        assert!(!visit.is_away(), "{name}: checklist LO2");
        visit.assert_page(200, "Sign out?");
    }
    assert_eq!(server.state(), before, "nobody was signed out, nothing was revoked");

    // The good one does pass.
    browser.follow(&app.authorize().with("id_token_hint", &good).url()).await.code();
    let target =
        format!("/oidc/logout?{}", authmachine_protocol::form::encode([("id_token_hint", good.as_str())]));
    browser.follow(&target).await.assert_page(200, "You are signed out");
}

#[both_engines]
async fn jw1_an_id_token_is_no_access_token_and_no_credential() {
    let server = TestServer::start().await;
    let app = server.client("shop").first_party().create().await;
    let tokens = app.redeem(&server.browser().log_in("alice").await.authorize(&app).await.code()).await.ok();
    app.userinfo(tokens.id_token()).await.assert_error(401, "invalid_token");
    let fields = [
        ("grant_type", "check_token_revoked"),
        ("access_token", tokens.access_token.as_str()),
        ("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"),
        ("client_assertion", tokens.id_token()),
    ];
    server.post("/oidc/token").form(&fields).send().await.assert_error(401, "invalid_client");
}

#[both_engines]
async fn a_client_whose_algorithm_has_no_key_keeps_its_code() {
    let server = TestServer::start().await;
    server.drop_key(Algorithm::PS256).await;
    let app = server.client("shop").first_party().id_token_alg(Algorithm::PS256).create().await;
    let code = server.browser().log_in("alice").await.authorize(&app).await.code();
    app.redeem(&code).await.assert_error(500, "server_error");
    let app = app.change(|client| client.id_token_alg = Algorithm::ES256).await;
    app.redeem(&code).await.ok();
}
