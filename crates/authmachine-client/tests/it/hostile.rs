//! Providers that break a rule, and what stands between: nobody is signed in, and no claim is seen.

use std::sync::Arc;

use authmachine_client::Algorithm;
use authmachine_jose::{JwkSet, hmac_sha256};
use base64ct::{Base64UrlUnpadded, Encoding};
use http::StatusCode;
use serde_json::{Value, json};

use crate::{
    app::App,
    op::{CLIENT_SECRET, KEY, Op, START, Script, new_key},
};

const DISCOVERY: &str = "/.well-known/openid-configuration";

/// A sign-in at a provider changed by `change` fails with `status`.
async fn assert_refused(why: &str, status: StatusCode, change: impl FnOnce(&mut Script)) {
    let mut app = App::new();
    change(&mut app.op.script());
    let answer = app.try_sign_in().await;
    assert_eq!(answer.status, status, "{why}: {}", answer.body);
    assert!(!answer.body.contains("u-1") && !answer.body.contains("alice"), "{why}");
    app.assert_signed_out(why).await;
}

#[tokio::test]
async fn cl4_an_id_token_with_a_wrong_claim_signs_nobody_in() {
    for bad in [
        json!({"nonce": "another"}),
        json!({"nonce": null}),
        json!({"nonce": ["n"]}),
        json!({"iss": "https://evil.example"}),
        json!({"iss": "https://op.example/"}),
        json!({"iss": null}),
        json!({"aud": "another"}),
        json!({"aud": ["app", "another"]}),
        json!({"aud": null}),
        json!({"azp": "another"}),
        json!({"exp": START - 30}),
        json!({"exp": null}),
        json!({"exp": "never"}),
        json!({"iat": START - 631}),
        json!({"iat": START + 31}),
        json!({"iat": null}),
        json!({"at_hash": "of another token"}),
        json!({"at_hash": 1}),
        json!({"sub": null}),
        json!({"sub": ""}),
    ] {
        assert_refused(&bad.to_string(), StatusCode::BAD_GATEWAY, |op| op.id_token = bad.clone()).await;
    }
}

#[tokio::test]
async fn cl4_a_good_id_token_may_lack_at_hash_and_differ_by_a_clock() {
    for good in [
        json!({"at_hash": null}),
        json!({"aud": ["app"], "azp": "app"}),
        json!({"exp": START - 29}),
        json!({"iat": START + 30}),
        json!({"iat": START - 630}),
    ] {
        let mut app = App::new();
        app.op.script().id_token = good.clone();
        assert_eq!(app.try_sign_in().await.location(), "/", "{good}");
    }
}

/// A token made by hand.
fn forged(header: Value, claims: &Value, sign: impl Fn(&str) -> Vec<u8>) -> String {
    let part = |json: &Value| Base64UrlUnpadded::encode_string(json.to_string().as_bytes());
    let signed = format!("{}.{}", part(&header), part(claims));
    let signature = Base64UrlUnpadded::encode_string(&sign(&signed));
    format!("{signed}.{signature}")
}

#[tokio::test]
async fn cl4_an_id_token_by_another_key_or_algorithm_signs_nobody_in() {
    let stranger = new_key(Algorithm::ES256, "k1");
    assert_refused("a stranger under our kid", StatusCode::BAD_GATEWAY, |op| op.signs_with = stranger).await;
    let unknown = new_key(Algorithm::ES256, "k9");
    assert_refused("a kid that is not published", StatusCode::BAD_GATEWAY, |op| op.signs_with = unknown)
        .await;
    let rsa = new_key(Algorithm::RS256, "k2");
    assert_refused("not as registered", StatusCode::BAD_GATEWAY, |op| {
        op.published.push(Arc::clone(&rsa));
        op.signs_with = rsa;
    })
    .await;

    // These know the nonce, so that only the signature can refuse them.
    let jwks = serde_json::to_string(&[KEY.public_jwk()].into_iter().collect::<JwkSet>()).expect("JSON");
    for (header, key) in [
        (json!({"alg": "none"}), None),
        (json!({"alg": "None", "kid": "k1"}), None),
        (json!({"alg": "HS256", "kid": "k1"}), Some(CLIENT_SECRET)),
        (json!({"alg": "HS256", "kid": "k1"}), Some(jwks.as_str())),
        (json!({"alg": "ES256", "kid": "k1"}), None),
    ] {
        let mut app = App::new();
        let sent = app.browser.open("/login").await;
        let request = authmachine_protocol::Params::parse(
            sent.location().split_once('?').expect("a query").1.as_bytes(),
        );
        let nonce = request.expect("legal").get("nonce").expect("a nonce").to_owned();
        let claims = json!({
            "iss": "https://op.example", "sub": "u-1", "aud": "app", "nonce": nonce, "iat": START, "exp": START + 600
        });
        let token = forged(header.clone(), &claims, |signed| {
            key.map_or(Vec::new(), |key| hmac_sha256(key.as_bytes(), signed.as_bytes()).to_vec())
        });
        app.op.script().raw_id_token = Some(token);
        let query = app.op.authorize(sent.location());
        assert_eq!(app.come_back(&query).await.status, StatusCode::BAD_GATEWAY, "{header}");
        assert!(app.op.seen("/userinfo").is_empty(), "nothing is read before all held");
        app.assert_signed_out("forged").await;
    }
}

#[tokio::test]
async fn cl4_userinfo_about_somebody_else_signs_nobody_in() {
    for bad in [
        json!({"sub": "u-2", "name": "x"}),
        json!({"name": "x"}),
        json!({"sub": null}),
        json!([]),
        json!("u-1"),
    ] {
        assert_refused(&bad.to_string(), StatusCode::BAD_GATEWAY, |op| op.userinfo = bad.clone()).await;
    }
    for twice in [r#"{"sub":"u-1","sub":"u-2"}"#, "", "{", "<html>"] {
        assert_refused(twice, StatusCode::BAD_GATEWAY, |op| {
            drop(op.answers.insert("/userinfo", (200, twice.into())))
        })
        .await;
    }
    assert_refused("401", StatusCode::BAD_GATEWAY, |op| {
        drop(op.answers.insert("/userinfo", (401, "{}".into())))
    })
    .await;
}

#[tokio::test]
async fn cl3_an_answer_of_another_issuer_is_refused() {
    for iss in ["https%3A%2F%2Fevil.example", "https%3A%2F%2Fop.example%2F", "HTTPS%3A%2F%2Fop.example", ""] {
        let mut app = App::new();
        let query = app.begin("/login").await;
        let (answer, _) = query.split_once("&iss=").expect("iss");
        let refused = app.come_back(&format!("{answer}&iss={iss}")).await;
        assert_eq!(refused.status, StatusCode::BAD_GATEWAY, "{iss}");
        assert!(app.op.seen("/token").is_empty(), "the code is not sent to the wrong place");
        app.assert_signed_out(iss).await;
    }
}

#[tokio::test]
async fn cl1_metadata_of_another_issuer_are_refused() {
    for (name, value, status) in [
        ("issuer", "https://evil.example", StatusCode::INTERNAL_SERVER_ERROR),
        ("issuer", "https://OP.example", StatusCode::INTERNAL_SERVER_ERROR),
        ("issuer", "https://op.example//", StatusCode::INTERNAL_SERVER_ERROR),
        ("token_endpoint", "http://op.example/token", StatusCode::BAD_GATEWAY),
        ("authorization_endpoint", "javascript:alert(1)", StatusCode::BAD_GATEWAY),
        ("authorization_endpoint", "https://op.example/authorize#x", StatusCode::BAD_GATEWAY),
        ("jwks_uri", "", StatusCode::BAD_GATEWAY),
        ("end_session_endpoint", "/logout", StatusCode::BAD_GATEWAY),
    ] {
        let mut app = App::new();
        app.op.script().metadata[name] = json!(value);
        let answer = app.browser.open("/login").await;
        assert_eq!(answer.status, status, "{name} {value}");
        assert!(answer.location().is_empty());
    }
    // The contract: with or without a slash at its end. ID tokens must then have it too.
    let mut app = App::new();
    app.op.script().metadata["issuer"] = json!("https://op.example/");
    app.sign_in().await;
}

#[tokio::test]
async fn do1_answers_without_end_are_cut() {
    let long = " ".repeat(65_000);
    for (path, body, is_read) in [
        ("/userinfo", format!(r#"{{"sub":"u-1"}}{long}"#), true),
        ("/userinfo", format!(r#"{{"sub":"u-1"}}{long}{long}"#), false),
        (DISCOVERY, format!("{}{}", Op::new().script().metadata, long.repeat(3)), true),
        (DISCOVERY, format!("{}{}", Op::new().script().metadata, long.repeat(5)), false),
    ] {
        let mut app = App::new();
        app.op.script().answers.insert(path, (200, body));
        let start = app.browser.open("/login").await;
        let end = match start.status {
            StatusCode::SEE_OTHER => {
                let query = app.op.authorize(start.location());
                app.come_back(&query).await
            }
            _ => start,
        };
        let expected = if is_read { StatusCode::SEE_OTHER } else { StatusCode::BAD_GATEWAY };
        assert_eq!(end.status, expected, "{path}");
    }
}

#[tokio::test]
async fn no_redirect_of_the_provider_is_followed() {
    for path in [DISCOVERY, "/jwks", "/token", "/userinfo"] {
        let mut app = App::new();
        // Good as a document, were it not for the status.
        let body = Op::new().script().metadata.to_string();
        app.op.script().answers.insert(path, (307, body));
        let start = app.browser.open("/login").await;
        let end = match start.status {
            StatusCode::SEE_OTHER => {
                let query = app.op.authorize(start.location());
                app.come_back(&query).await
            }
            _ => start,
        };
        assert_eq!(end.status, StatusCode::BAD_GATEWAY, "{path}");
        assert!(app.op.seen("/elsewhere").is_empty() && app.op.seen(path).len() == 1, "{path}: asked once");
    }
}

#[tokio::test]
async fn a_token_answer_must_be_one() {
    for (why, status, body, expected) in [
        (
            "a mac token",
            200,
            json!({"access_token": "a", "token_type": "mac", "id_token": "x"}),
            StatusCode::BAD_GATEWAY,
        ),
        ("no ID token", 200, json!({"access_token": "a", "token_type": "Bearer"}), StatusCode::BAD_GATEWAY),
        ("no access token", 200, json!({"token_type": "Bearer", "id_token": "x"}), StatusCode::BAD_GATEWAY),
        ("not a token", 200, json!("hello"), StatusCode::BAD_GATEWAY),
        ("the code is gone", 400, json!({"error": "invalid_grant"}), StatusCode::SERVICE_UNAVAILABLE),
        ("a wrong secret", 401, json!({"error": "invalid_client"}), StatusCode::INTERNAL_SERVER_ERROR),
        ("a fault over there", 500, json!({"error": "invalid_grant"}), StatusCode::SERVICE_UNAVAILABLE),
        ("words in place of an error", 400, json!(["no"]), StatusCode::BAD_GATEWAY),
    ] {
        let mut app = App::new();
        app.op.script().answers.insert("/token", (status, body.to_string()));
        assert_eq!(app.try_sign_in().await.status, expected, "{why}");
        assert_eq!(app.op.seen("/token").len(), 1, "{why}: a code is never sent twice");
        app.assert_signed_out(why).await;
    }
}

#[tokio::test]
async fn keys_may_change() {
    let mut app = App::new();
    app.sign_in().await;
    assert_eq!(app.op.seen("/jwks").len(), 1);
    let new = new_key(Algorithm::ES256, "k2");
    {
        let mut script = app.op.script();
        script.published.push(Arc::clone(&new));
        script.signs_with = new;
    }
    app.wait(30);
    app.sign_in().await;
    assert_eq!(app.op.seen("/jwks").len(), 2, "an unknown kid causes a look");
    app.sign_in().await;
    assert_eq!(app.op.seen("/jwks").len(), 2, "known now");
}

#[tokio::test]
async fn do3_unknown_keys_cause_a_look_every_30_seconds_at_most() {
    let mut app = App::new();
    app.sign_in().await;
    app.op.script().signs_with = new_key(Algorithm::ES256, "k9");
    let mut looks = Vec::new();
    for _ in 0..7 {
        app.wait(10);
        assert_eq!(app.try_sign_in().await.status, StatusCode::BAD_GATEWAY);
        looks.push(app.op.seen("/jwks").len());
    }
    assert_eq!(looks, [1, 1, 2, 2, 2, 3, 3]);
    app.op.script().signs_with = Arc::clone(&KEY);
    app.sign_in().await;
}

#[tokio::test]
async fn cl1_documents_are_kept_and_the_last_good_ones_stand_in() {
    let mut app = App::new();
    app.sign_in().await;
    app.wait(299);
    app.sign_in().await;
    assert_eq!((app.op.seen(DISCOVERY).len(), app.op.seen("/jwks").len()), (1, 1));
    app.wait(1);
    app.sign_in().await;
    assert_eq!((app.op.seen(DISCOVERY).len(), app.op.seen("/jwks").len()), (2, 2), "after five minutes");

    for bad in ["{}", "<html>", r#"{"issuer":"https://evil.example"}"#] {
        app.op.script().answers.insert(DISCOVERY, (200, bad.to_owned()));
        app.op.script().answers.insert("/jwks", (500, String::new()));
        app.wait(301);
        app.sign_in().await;
    }
    let asked = app.op.seen(DISCOVERY).len();
    app.wait(29);
    app.sign_in().await;
    assert_eq!(app.op.seen(DISCOVERY).len(), asked, "one that failed is not asked at each request");
}

#[tokio::test]
async fn a_provider_may_start_after_the_application() {
    let mut app = App::new();
    app.op.script().down = true;
    let answer = app.browser.open("/login?return_to=/private").await;
    assert_eq!((answer.status, answer.header("retry-after")), (StatusCode::SERVICE_UNAVAILABLE, "5"));
    assert!(answer.body.contains("Please try again in a moment."));
    assert_eq!(app.home().await, "nobody", "pages for anybody work");
    app.op.script().down = false;
    app.wait(1);
    app.sign_in().await;
}

#[tokio::test]
async fn a_crowd_that_waits_for_a_provider_gets_one_answer() {
    let mut app = App::new();
    app.op.script().answers.insert(DISCOVERY, (503, String::new()));
    for seconds in [0, 0, 1, 0] {
        app.wait(seconds);
        assert_eq!(app.browser.open("/login").await.status, StatusCode::SERVICE_UNAVAILABLE);
    }
    assert_eq!(app.op.seen(DISCOVERY).len(), 2, "once a second");
}
