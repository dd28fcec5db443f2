//! ID tokens with `alg=none` (OIDC Core §2, §3.1.3.7): straight to clients that registered them, while the installation has it so.

use authmachine_protocol::{ResponseType, form};
use authmachine_provider::client_metadata::ClientMetadata;
use authmachine_testkit::{ClientApp, ISSUER, TestServer, both_engines};
use base64ct::{Base64UrlUnpadded, Encoding as _};
use serde_json::{Value, json};

async fn start(is_on: bool) -> TestServer {
    TestServer::start_with(|settings| {
        (settings.unsigned_id_tokens, settings.implicit) = (is_on, true);
    })
    .await
}

async fn unsigned(server: &TestServer, response_types: &[ResponseType]) -> ClientApp {
    let metadata = ClientMetadata { unsigned_id_tokens: true, ..ClientMetadata::default() };
    server.client("shop").first_party().metadata(metadata).response_types(response_types).create().await
}

fn part(part: &str) -> Value {
    serde_json::from_slice(&Base64UrlUnpadded::decode_vec(part).expect("base64url")).expect("JSON")
}

#[both_engines]
async fn a_client_that_registered_none_gets_it_at_the_token_endpoint() {
    let server = start(true).await;
    let app = unsigned(&server, &[ResponseType::Code, ResponseType::CodeToken]).await;
    let browser = server.browser().log_in("alice").await;
    for response_type in ["code", "code token"] {
        let url = app.authorize().with("response_type", response_type).url();
        let code = browser.follow(&url).await.params()["code"].clone();
        let tokens = app.redeem(&code).await.ok();
        let refreshed = app.refresh(tokens.refresh_token()).await.ok();
        for (tokens, nonce) in [(&tokens, Some("nonce of the test")), (&refreshed, None)] {
            let parts: Vec<_> = tokens.id_token().split('.').collect();
            assert_eq!((parts.len(), parts[2]), (3, ""));
            assert_eq!(part(parts[0]), json!({ "alg": "none" }));
            let claims = part(parts[1]);
            assert_eq!((&claims["iss"], &claims["aud"]), (&json!(ISSUER), &json!("shop")));
            assert_eq!(claims["sub"], server.find_user("alice").await.expect("made").sub.as_str());
            assert_eq!(claims["nonce"].as_str(), nonce);
            assert_eq!(claims.get("at_hash"), None, "there is no hash to take");
        }
    }
    let document = server.get("/.well-known/openid-configuration").send().await.ok();
    let algorithms = ["RS256", "PS256", "ES256", "EdDSA", "none"];
    assert_eq!(document["id_token_signing_alg_values_supported"], json!(algorithms));
    assert_eq!(document["userinfo_signing_alg_values_supported"], json!(algorithms[..4]));
}

#[both_engines]
async fn jw1_nobody_else_gets_an_unsigned_one() {
    let browser_of = async |server: &TestServer| server.browser().log_in("alice").await;
    // The switch is off.
    let server = start(false).await;
    let app = unsigned(&server, &[ResponseType::Code]).await;
    let code = browser_of(&server).await.authorize(&app).await.code();
    server.verify(app.redeem(&code).await.ok().id_token()).await;
    let document = server.get("/.well-known/openid-configuration").send().await.ok();
    let algorithms = document["id_token_signing_alg_values_supported"].as_array().expect("an array");
    assert!(!algorithms.contains(&json!("none")));

    // The client has ID tokens through browsers as well.
    let server = start(true).await;
    let app = unsigned(&server, ResponseType::ALL).await;
    let browser = browser_of(&server).await;
    let url = app.authorize().with("response_type", "code id_token").url();
    let answer = browser.follow(&url).await.params();
    server.verify(&answer["id_token"]).await;
    server.verify(app.redeem(&answer["code"]).await.ok().id_token()).await;

    // The client registered an algorithm.
    let other = server.client("other").first_party().create().await;
    let code = browser.authorize(&other).await.code();
    server.verify(other.redeem(&code).await.ok().id_token()).await;
}

#[both_engines]
async fn jw1_an_unsigned_one_comes_back_as_no_hint() {
    let server = start(true).await;
    let app = unsigned(&server, &[ResponseType::Code]).await;
    let browser = server.browser().log_in("alice").await;
    let code = browser.authorize(&app).await.code();
    let tokens = app.redeem(&code).await.ok();
    let before = server.state();

    let url = app.authorize().with("id_token_hint", tokens.id_token()).url();
    browser.follow(&url).await.assert_refused("invalid_request");
    let uri = app.post_logout_redirect_uri();
    let fields = form::encode([("id_token_hint", tokens.id_token()), ("post_logout_redirect_uri", uri)]);
    browser.follow(&format!("/oidc/logout?{fields}")).await.assert_page(200, "Sign out?");
    assert_eq!(server.state(), before, "nobody was signed out");
    app.userinfo(tokens.id_token()).await.assert_error(401, "invalid_token");
}
