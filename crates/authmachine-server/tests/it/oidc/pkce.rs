//! Proof Key for Code Exchange (RFC 7636).

use authmachine_protocol::pkce;
use authmachine_provider::client::PkceRule;
use authmachine_testkit::{TestServer, both_engines};

/// RFC 7636 appendix B.
const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

#[both_engines]
async fn pk1_s256_is_the_only_method_and_the_grammar_is_enforced() {
    let server = TestServer::start().await;
    let app = server.client("shop").first_party().create().await;
    let browser = server.browser().log_in("alice").await;
    let request = || app.authorize();
    let long = format!("{CHALLENGE}A");
    for bad in [
        request().with("code_challenge", CHALLENGE),
        request().with("code_challenge", VERIFIER).with("code_challenge_method", "plain"),
        request().with("code_challenge", CHALLENGE).with("code_challenge_method", "s256"),
        request().with("code_challenge_method", "S256"),
        request().with_challenge("short"),
        request().with_challenge(&long),
        request().with_challenge(&CHALLENGE[1..]),
        request().with_challenge("E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw+cM"),
        request().with_challenge(&CHALLENGE.replace('E', "ä")),
    ] {
        browser.follow(&bad.url()).await.assert_refused("invalid_request");
    }
    let challenged = request().with_challenge(CHALLENGE).url();
    let code = browser.follow(&challenged).await.code();
    app.redeem_with(&code, VERIFIER).await.ok();

    for bad in
        ["short", &"a".repeat(42), &"a".repeat(129), &VERIFIER.replace('d', " "), &VERIFIER.replace('d', "%")]
    {
        let code = browser.follow(&challenged).await.code();
        app.redeem_with(&code, bad).await.assert_error(400, "invalid_grant").assert_no_echo(bad);
    }
    let edge = "a".repeat(128);
    let code = browser.follow(&request().with_challenge(&pkce::challenge(&edge)).url()).await.code();
    app.redeem_with(&code, &edge).await.ok();
}

#[both_engines]
async fn pk2_who_must_use_it_is_a_table() {
    // Rule of the installation, of the client; public; with a nonce and openid: must the challenge be there?
    use PkceRule::{All, Auto, Public};
    let cases = [
        (Auto, None, false, true, false),
        (Auto, None, false, false, true),
        (Auto, None, true, true, true),
        (Auto, Some(All), false, true, true),
        (Auto, Some(Public), false, false, true), // never looser
        (Public, None, false, false, false),
        (Public, None, true, true, true),
        (Public, Some(Auto), false, false, true),
        (All, None, false, true, true),
        (All, Some(Public), false, true, true),
    ];
    for (n, (installation, own, public, nonce, must)) in cases.into_iter().enumerate() {
        let server = TestServer::start_with(|settings| settings.pkce = installation).await;
        let client = server.client("shop").first_party();
        let client = if public { client.public() } else { client };
        let client = if let Some(own) = own { client.pkce(own) } else { client };
        let app = client.create().await;
        let browser = server.browser().log_in("alice").await;
        let request = app.authorize().without("code_challenge").without("code_challenge_method");
        let request = if nonce { request } else { request.without("nonce") };
        let visit = browser.authorize_with(&request.url()).await;
        if must {
            visit.assert_refused("invalid_request");
        } else {
            assert!(visit.params().contains_key("code"), "case {n}");
        }
        browser.authorize_with(&request.with_challenge(CHALLENGE).url()).await.code();
    }
}

#[both_engines]
async fn pk2_a_nonce_without_openid_is_no_replacement() {
    let server = TestServer::start().await;
    let app = server.client("shop").first_party().create().await;
    let browser = server.browser().log_in("alice").await;
    browser.follow(&app.authorize().with("scope", "profile").url()).await.assert_refused("invalid_request");
}

#[both_engines]
async fn pk3_challenge_and_verifier_come_together() {
    let server = TestServer::start().await;
    let app = server.client("shop").first_party().create().await;
    let browser = server.browser().log_in("alice").await;
    let plain = app.authorize_url();
    let challenged = app.authorize().with_challenge(CHALLENGE).url();

    let code = browser.follow(&challenged).await.code();
    app.redeem(&code).await.assert_error(400, "invalid_grant");
    let code = browser.follow(&challenged).await.code();
    app.redeem_with(&code, &"b".repeat(43)).await.assert_error(400, "invalid_grant");
    // Somebody took the challenge away from the request: the client's verifier shows it (RFC 9700 §2.1.1).
    let code = browser.follow(&plain).await.code();
    app.redeem_with(&code, VERIFIER).await.assert_error(400, "invalid_grant");
}

#[both_engines]
async fn pk4_a_public_client_with_the_challenge_needs_the_verifier_too() {
    let server = TestServer::start().await;
    let app = server.client("spa").public().create().await;
    let browser = server.browser().log_in("alice").await;
    let code = browser.authorize(&app).await.code();
    let fields =
        [("grant_type", "authorization_code"), ("code", code.as_str()), ("redirect_uri", app.redirect_uri())];
    app.token(&fields).await.assert_error(400, "invalid_grant");
    let code = browser.authorize(&app).await.code();
    app.redeem(&code).await.ok();
}
