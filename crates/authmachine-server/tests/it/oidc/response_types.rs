//! Implicit and hybrid answers (OIDC Core §3.2, §3.3): what each response type gives, and what it takes.

use authmachine_jose::{Algorithm, left_half_hash};
use authmachine_protocol::{ResponseType, form};
use authmachine_provider::event::EventKind;
use authmachine_testkit::{AuthorizeRequest, ClientApp, ISSUER, TestServer, both_engines};
use serde_json::{Value, json};

const ON: fn(&mut authmachine_server::Settings) = |settings| settings.implicit = true;

/// A request of `app` for `response_type`.
fn request(app: &ClientApp, response_type: ResponseType) -> AuthorizeRequest {
    app.authorize().with("response_type", response_type.as_str())
}

#[both_engines]
async fn each_response_type_gives_what_its_words_say() {
    let server = TestServer::start_with(ON).await;
    let browser = server.browser().log_in("alice").await;
    for algorithm in [Algorithm::RS256, Algorithm::EdDSA] {
        let app = server
            .client(&format!("shop-{algorithm}"))
            .first_party()
            .id_token_alg(algorithm)
            .response_types(ResponseType::ALL)
            .create()
            .await;
        let sub = Value::from(server.find_user("alice").await.expect("made").sub);
        for response_type in ResponseType::ALL {
            let visit = browser.follow(&request(&app, *response_type).url()).await;
            visit.trail[0].assert_status(303);
            let joint = if response_type.is_front_channel() { '#' } else { '?' };
            assert!(visit.away().starts_with(&format!("{}{joint}", app.redirect_uri())), "{}", visit.url);

            let params = visit.params();
            let mut expected = vec!["iss", "state", "session_state"];
            let of_token = ["access_token", "expires_in", "scope", "token_type"];
            expected.extend(of_token.into_iter().filter(|_| response_type.has_token()));
            expected.extend(response_type.has_code().then_some("code"));
            expected.extend(response_type.has_id_token().then_some("id_token"));
            expected.sort_unstable();
            assert_eq!(params.keys().collect::<Vec<_>>(), expected, "{response_type}");
            assert_eq!(params["iss"], ISSUER);

            let access_token = params.get("access_token");
            if let Some(token) = access_token {
                assert_eq!(
                    (params["token_type"].as_str(), params["expires_in"].as_str()),
                    ("Bearer", "43200")
                );
                assert_eq!(params["scope"], app.record.scopes.to_string());
                assert_eq!(app.userinfo(token).await.ok()["sub"], sub, "{response_type}");
            }
            let code = params.get("code");
            if let Some(token) = params.get("id_token") {
                let claims = server.verify(token).await;
                let hash = |value: Option<&String>| value.map(|v| Value::from(left_half_hash(algorithm, v)));
                assert_eq!(claims.get("at_hash"), hash(access_token).as_ref(), "{response_type}");
                assert_eq!(claims.get("c_hash"), hash(code).as_ref(), "{response_type}");
                assert_eq!(
                    (&claims["iss"], &claims["sub"], &claims["aud"], &claims["nonce"]),
                    (&ISSUER.into(), &sub, &app.id().into(), &"nonce of the test".into())
                );
                assert_eq!(claims["amr"], json!(["pwd"]));
                assert!(claims["auth_time"].is_number() && claims["sid"].is_string());
            }
            if let Some(code) = code {
                // OIDC Core §3.3.3.6: the same issuer and subject, and the nonce in both.
                let tokens = app.redeem(code).await.ok();
                let claims = server.verify(tokens.id_token()).await;
                assert_eq!((&claims["iss"], &claims["sub"]), (&ISSUER.into(), &sub), "{response_type}");
                assert_eq!(claims["nonce"], "nonce of the test", "{response_type}");
                assert_eq!(claims["at_hash"], left_half_hash(algorithm, &tokens.access_token));
                assert!(!claims.contains_key("c_hash") && Some(&tokens.access_token) != access_token);
                assert!(tokens.refresh_token.is_some());
            }
        }
    }
    assert_eq!(server.metric("authmachine_codes_issued_total"), 8);
    assert_eq!(server.metric("authmachine_tokens_issued_total{grant_type=\"implicit\"}"), 10);
}

#[both_engines]
async fn an_id_token_alone_says_what_the_scopes_ask_for() {
    let server = TestServer::start_with(ON).await;
    let app = server.client("shop").first_party().response_types(ResponseType::ALL).create().await;
    let browser = server.browser().log_in("alice").await;
    for response_type in ResponseType::ALL.iter().filter(|t| t.has_id_token()) {
        let of_scope = request(&app, *response_type);
        let by_name = of_scope
            .clone()
            .with("scope", "openid profile")
            .with("claims", r#"{"id_token":{"email":null},"userinfo":{"name":null}}"#);
        let is_alone = *response_type == ResponseType::IdToken;
        // OIDC Core §5.4: without an access token there is no userinfo to ask.
        let claims = server.verify(&browser.follow(&of_scope.url()).await.params()["id_token"]).await;
        let email = is_alone.then(|| Value::from("alice@example.com"));
        assert_eq!(claims.get("email"), email.as_ref(), "{response_type}");
        assert_eq!(claims.contains_key("email_verified"), is_alone, "{response_type}");
        assert_eq!(claims.contains_key("preferred_username"), is_alone, "{response_type}");
        for not_standard in ["id", "username", "phone_number", "authmachine_permissions"] {
            assert!(!claims.contains_key(not_standard), "{response_type}: {not_standard}");
        }
        // What is asked for by name stands where it was asked for.
        let claims = server.verify(&browser.follow(&by_name.url()).await.params()["id_token"]).await;
        assert_eq!(claims["email"], "alice@example.com", "{response_type}");
        assert!(!claims.contains_key("email_verified"), "{response_type}");
    }
}

#[both_engines]
async fn az2_implicit_and_hybrid_are_off_until_installation_and_client_have_them() {
    let off = TestServer::start().await;
    let on = TestServer::start_with(ON).await;
    for (server, registered, error) in [
        (&off, ResponseType::ALL, "unsupported_response_type"),
        (&on, &[ResponseType::Code][..], "unauthorized_client"),
    ] {
        let app = server.client("shop").first_party().response_types(registered).create().await;
        let browser = server.browser().log_in("alice").await;
        let before = server.state();
        for response_type in ResponseType::ALL.iter().filter(|t| t.is_front_channel()) {
            let visit = browser.follow(&request(&app, *response_type).url()).await;
            visit.assert_refused(error);
            assert!(visit.away().contains('#'), "where its answer would stand: {}", visit.url);
        }
        assert_eq!(server.state(), before);
        browser.authorize(&app).await.code();
    }
    // One that has another, but not this one; and one that may not redeem codes.
    let app = on
        .client("some")
        .first_party()
        .response_types(&[ResponseType::IdToken, ResponseType::CodeToken])
        .grants(&[authmachine_protocol::GrantType::ClientCredentials])
        .create()
        .await;
    let browser = on.browser().log_in("bob").await;
    for response_type in ResponseType::ALL {
        let visit = browser.follow(&request(&app, *response_type).url()).await;
        if *response_type == ResponseType::IdToken {
            assert!(visit.params().contains_key("id_token"));
        } else {
            visit.assert_refused("unauthorized_client");
        }
    }
}

#[both_engines]
async fn refusals_stand_where_the_answer_would() {
    let server = TestServer::start_with(ON).await;
    let app = server.client("guest").response_types(ResponseType::ALL).create().await;
    let signed_in = server.browser().log_in("alice").await;
    for response_type in ResponseType::ALL.iter().filter(|t| t.is_front_channel()) {
        let request = request(&app, *response_type);
        let silent = request.clone().with("prompt", "none");
        for (browser, url, error) in [
            (&server.browser(), silent.url(), "login_required"),
            (&signed_in, silent.url(), "consent_required"),
            (&signed_in, request.clone().with("max_age", "x").url(), "invalid_request"),
            (&signed_in, request.clone().with("response_mode", "query").url(), "invalid_request"),
            (&signed_in, request.clone().with("scope", "x").url(), "invalid_scope"),
            (&signed_in, request.clone().and("x", "1").and("x", "2").url(), "invalid_request"),
            (&signed_in, request.clone().with("request", "x").url(), "invalid_request_object"),
        ] {
            let visit = browser.follow(&url).await;
            visit.assert_refused(error);
            assert!(visit.away().starts_with("https://guest.example/callback#error="), "{}", visit.url);
        }
        let asked = signed_in.follow(&request.url()).await;
        let refused = asked.submit(&[("decision", "no")]).await;
        refused.assert_refused("access_denied");
        assert!(refused.away().starts_with("https://guest.example/callback#error="), "{}", refused.url);
        // OIDC Core §3.2.2.1: nonce.
        let visit = signed_in.follow(&request.without("nonce").with_pkce().url()).await;
        if response_type.has_id_token() {
            visit.assert_refused("invalid_request");
        } else {
            visit.assert_page(200, "Do you agree?");
        }
    }
}

#[both_engines]
async fn az3_tokens_come_after_the_persons_yes_and_once() {
    let server = TestServer::start_with(ON).await;
    let app = server.client("spa").public().response_types(ResponseType::ALL).create().await;
    let browser = server.browser().log_in("alice").await;
    for response_type in ResponseType::ALL.iter().filter(|t| t.is_front_channel()) {
        let page = browser.follow(&request(&app, *response_type).url()).await;
        // A client without a secret is asked for each time.
        page.assert_page(200, "Do you agree?");
        let again = page.clone();
        let params = page.submit(&[("decision", "yes")]).await.params();
        assert_eq!(params.contains_key("access_token"), response_type.has_token());
        let replayed = again.submit(&[("decision", "yes")]).await;
        assert!(!replayed.is_away(), "the interaction is over");
        if let Some(token) = params.get("access_token") {
            assert_eq!(app.userinfo(token).await.ok()["preferred_username"], "alice");
            assert_eq!(params["expires_in"], "3600");
        }
        if let Some(code) = params.get("code") {
            app.redeem(code).await.ok();
        }
    }
    let events = server.events().await;
    let issued: Vec<_> = events
        .iter()
        .filter(|event| event.kind == EventKind::TokensIssued)
        .filter_map(|event| event.detail.get("response_type")?.as_str())
        .collect();
    assert_eq!(issued, ["id_token", "id_token token", "code id_token", "code token", "code id_token token"]);
}

#[both_engines]
async fn az10_a_code_seen_twice_ends_what_came_beside_it() {
    let server = TestServer::start_with(ON).await;
    let app = server.client("shop").first_party().response_types(ResponseType::ALL).create().await;
    let browser = server.browser().log_in("alice").await;
    for response_type in [ResponseType::CodeToken, ResponseType::CodeIdTokenToken] {
        let params = browser.follow(&request(&app, response_type).url()).await.params();
        let beside = &params["access_token"];
        let tokens = app.redeem(&params["code"]).await.ok();
        app.userinfo(beside).await.ok();
        app.redeem(&params["code"]).await.assert_error(400, "invalid_grant");
        app.userinfo(beside).await.assert_error(401, "invalid_token");
        assert!(app.is_revoked(beside).await && app.is_revoked(&tokens.access_token).await);
    }
}

#[both_engines]
async fn tokens_from_the_browser_end_as_others_do() {
    let server = TestServer::start_with(ON).await;
    let app = server.client("shop").first_party().response_types(ResponseType::ALL).create().await;
    let browser = server.browser().log_in("alice").await;
    let token = async || {
        browser.follow(&request(&app, ResponseType::IdTokenToken).url()).await.params()["access_token"]
            .clone()
    };

    let (revoked, expired) = (token().await, token().await);
    app.revoke(&revoked).await.assert_status(200);
    assert!(app.is_revoked(&revoked).await && !app.is_revoked(&expired).await);
    server.clock().advance(43_200);
    assert!(app.is_revoked(&expired).await, "RFC 6749 §4.2.2: expires_in");

    let browser = server.browser().log_in("alice").await;
    let params = browser.follow(&request(&app, ResponseType::IdTokenToken).url()).await.params();
    let uri = app.post_logout_redirect_uri();
    let query = form::encode([("post_logout_redirect_uri", uri), ("revoke_tokens", "1")]);
    // The client took part in the session, by an answer without a code.
    assert!(browser.follow(&format!("/oidc/logout?{query}")).await.away().starts_with(uri));
    assert!(app.is_revoked(&params["access_token"]).await);
}

#[both_engines]
async fn g5_what_is_taken_away_while_a_person_signs_in_is_not_given() {
    let server = TestServer::start_with(ON).await;
    let app = server.client("guest").response_types(ResponseType::ALL).create().await;
    let browser = server.browser().log_in("alice").await;
    let page = browser.follow(&request(&app, ResponseType::CodeIdToken).url()).await;
    page.assert_page(200, "Do you agree?");
    app.change(|client| client.response_types = vec![ResponseType::Code]).await;
    let before = server.state();
    assert!(!page.submit(&[("decision", "yes")]).await.is_away());
    assert_eq!(server.state(), before);
}

#[both_engines]
async fn a_client_whose_algorithm_has_no_key_is_told_and_nothing_is_issued() {
    let server = TestServer::start_with(ON).await;
    server.drop_key(Algorithm::PS256).await;
    let app = server
        .client("shop")
        .first_party()
        .id_token_alg(Algorithm::PS256)
        .response_types(ResponseType::ALL)
        .create()
        .await;
    let browser = server.browser().log_in("alice").await;
    let before = server.state();
    for response_type in ResponseType::ALL.iter().filter(|t| t.has_id_token()) {
        browser.follow(&request(&app, *response_type).url()).await.assert_refused("server_error");
    }
    assert_eq!(server.state(), before);
}

#[both_engines]
async fn az7_state_comes_back_byte_for_byte_in_the_fragment() {
    let server = TestServer::start_with(ON).await;
    let uris = &["https://shop.example/cb?a=%2F&b"];
    let app = server
        .client("shop")
        .first_party()
        .redirect_uris(uris)
        .response_types(ResponseType::ALL)
        .create()
        .await;
    let browser = server.browser().log_in("alice").await;
    for state in ["x", "a b+c%20d&e=f#g", "ünïcödé 😀", "line\r\nSet-Cookie: a=b", "&code=1#code=2"] {
        let request = request(&app, ResponseType::CodeIdTokenToken).with("state", state);
        let visit = browser.follow(&request.url()).await;
        let location = visit.trail[0].assert_status(303).location();
        assert!(location.starts_with("https://shop.example/cb?a=%2F&b#code="), "RU6: {location}");
        assert_eq!(location.matches('#').count(), 1, "{location}");
        assert_eq!(visit.params()["state"], state);
    }
}
