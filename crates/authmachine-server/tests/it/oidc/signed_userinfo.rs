//! Userinfo as a signed token (OIDC Core §5.3.2), for clients that registered `userinfo_signed_response_alg`.

use authmachine_jose::Algorithm;
use authmachine_protocol::form;
use authmachine_testkit::{ClientApp, ISSUER, TestServer, both_engines};
use base64ct::{Base64UrlUnpadded, Encoding as _};
use serde_json::{Value, json};

async fn access_token(server: &TestServer, app: &ClientApp) -> String {
    let code = server.browser().log_in("alice").await.authorize(app).await.code();
    app.redeem(&code).await.ok().access_token
}

fn header(token: &str) -> Value {
    let header = token.split('.').next().expect("a header");
    serde_json::from_slice(&Base64UrlUnpadded::decode_vec(header).expect("base64url")).expect("JSON")
}

#[both_engines]
async fn what_json_would_say_is_signed_by_the_algorithm_registered() {
    let server = TestServer::start().await;
    for algorithm in Algorithm::ALL {
        let app = server.client(&format!("shop-{algorithm}")).userinfo_alg(algorithm).create().await;
        let token = access_token(&server, &app).await;
        for request in [
            server.get("/oidc/userinfo").bearer(&token),
            server.post("/oidc/userinfo").form(&[("access_token", &token)]),
            server.get("/oidc/userinfo").bearer(&token).header("accept", "application/json"),
        ] {
            let answer = request.send().await;
            assert_eq!(answer.assert_status(200).header("content-type"), Some("application/jwt"));
            assert_eq!(answer.header("cache-control"), Some("no-store"));
            let signed = Value::Object(server.verify(answer.text()).await);
            let user = server.find_user("alice").await.expect("made");
            assert_eq!(
                signed,
                json!({
                    "iss": ISSUER,
                    "aud": app.id(),
                    "sub": user.sub,
                    "preferred_username": "alice",
                    "updated_at": user.updated_at.seconds(),
                    "email": "alice@example.com",
                    "email_verified": true,
                })
            );
            let header = header(answer.text());
            assert_eq!(
                (&header["alg"], &header["typ"]),
                (&json!(algorithm.as_str()), &json!("userinfo+jwt"))
            );
        }
        let plain = app.change(|client| client.userinfo_alg = None).await.userinfo(&token).await;
        assert_eq!(plain.header("content-type"), Some("application/json"));
        assert_eq!(plain.ok().get("aud"), None);
    }
}

#[both_engines]
async fn permissions_and_pairwise_subjects_are_signed_as_well() {
    let server = TestServer::start().await;
    let app = server
        .client("shop")
        .objects(&["object1"])
        .pairwise("shop.example")
        .userinfo_alg(Algorithm::ES256)
        .create()
        .await;
    let claims = json!({ "userinfo": { "authmachine_permissions": { "values": ["object1"] } } }).to_string();
    let url = app.authorize().with("claims", &claims).url();
    let code = server.browser().log_in("alice").await.authorize_with(&url).await.code();
    let tokens = app.redeem(&code).await.ok();
    let signed = server.verify(app.userinfo(&tokens.access_token).await.text()).await;
    assert_eq!(signed["authmachine_permissions"], json!({ "object1": [] }));
    assert_eq!(signed["sub"], server.verify(tokens.id_token()).await["sub"]);
}

#[both_engines]
async fn errors_are_as_they_were() {
    let server = TestServer::start().await;
    let app = server.client("shop").userinfo_alg(Algorithm::PS256).create().await;
    let token = access_token(&server, &app).await;
    app.userinfo("x").await.assert_error(401, "invalid_token");
    server.drop_key(Algorithm::PS256).await;
    app.userinfo(&token).await.assert_error(500, "server_error");
}

#[both_engines]
async fn jw6_signed_userinfo_is_no_id_token_no_hint_and_no_access_token() {
    let server = TestServer::start().await;
    let app = server.client("shop").first_party().userinfo_alg(Algorithm::RS256).create().await;
    let browser = server.browser().log_in("alice").await;
    let tokens = app.redeem(&browser.authorize(&app).await.code()).await.ok();
    let signed = app.userinfo(&tokens.access_token).await.text().to_owned();
    let claims = server.verify(&signed).await;
    for absent in ["exp", "iat", "nonce", "auth_time", "sid"] {
        assert_eq!(claims.get(absent), None, "{absent}");
    }

    let url = app.authorize().with("id_token_hint", &signed).url();
    browser.follow(&url).await.assert_refused("invalid_request");
    let uri = app.post_logout_redirect_uri();
    let fields = form::encode([("id_token_hint", signed.as_str()), ("post_logout_redirect_uri", uri)]);
    browser.follow(&format!("/oidc/logout?{fields}")).await.assert_page(200, "Sign out?");
    app.userinfo(&signed).await.assert_error(401, "invalid_token");
}
