//! Discovery and the key set: what is built, and nothing else.

use authmachine_testkit::{TestServer, both_engines};
use serde_json::{Value, json};

#[both_engines]
async fn the_document_says_what_is_built() {
    let server = TestServer::start().await;
    let answer = server.get("/.well-known/openid-configuration").send().await;
    assert_eq!(
        answer.ok(),
        json!({
            "issuer": "https://id.example",
            "authorization_endpoint": "https://id.example/oidc/authorize",
            "token_endpoint": "https://id.example/oidc/token",
            "userinfo_endpoint": "https://id.example/oidc/userinfo",
            "jwks_uri": "https://id.example/oidc/jwks",
            "end_session_endpoint": "https://id.example/oidc/logout",
            "check_session_iframe": "https://id.example/oidc/check_session",
            "frontchannel_logout_supported": true,
            "frontchannel_logout_session_supported": true,
            "backchannel_logout_supported": true,
            "backchannel_logout_session_supported": true,
            "revocation_endpoint": "https://id.example/oidc/revoke",
            "introspection_endpoint": "https://id.example/oidc/introspect",
            "scopes_supported": ["openid", "profile", "email", "address", "phone", "offline_access"],
            "response_types_supported": ["code"],
            "response_modes_supported": ["query", "fragment", "form_post"],
            "grant_types_supported": ["authorization_code", "refresh_token", "client_credentials"],
            "prompt_values_supported": ["none", "login", "consent", "select_account"],
            "acr_values_supported": ["urn:authmachine:acr:pwd"],
            "subject_types_supported": ["public", "pairwise"],
            "id_token_signing_alg_values_supported": ["RS256", "PS256", "ES256", "EdDSA"],
            "userinfo_signing_alg_values_supported": ["RS256", "PS256", "ES256", "EdDSA"],
            "token_endpoint_auth_methods_supported":
                ["client_secret_basic", "client_secret_post", "private_key_jwt", "none"],
            "token_endpoint_auth_signing_alg_values_supported": ["RS256", "PS256", "ES256", "EdDSA"],
            "revocation_endpoint_auth_methods_supported":
                ["client_secret_basic", "client_secret_post", "private_key_jwt", "none"],
            "revocation_endpoint_auth_signing_alg_values_supported": ["RS256", "PS256", "ES256", "EdDSA"],
            "introspection_endpoint_auth_methods_supported":
                ["client_secret_basic", "client_secret_post", "private_key_jwt"],
            "introspection_endpoint_auth_signing_alg_values_supported": ["RS256", "PS256", "ES256", "EdDSA"],
            "display_values_supported": ["page"],
            "claim_types_supported": ["normal", "distributed"],
            "claims_supported": [
                "iss", "sub", "aud", "exp", "iat", "auth_time", "nonce", "acr", "amr", "at_hash", "sid", "name",
                "family_name", "given_name", "middle_name", "nickname", "preferred_username", "profile", "picture", "website",
                "gender", "birthdate", "zoneinfo", "locale", "updated_at", "email", "email_verified", "address",
                "phone_number", "phone_number_verified", "authmachine_permissions"
            ],
            "ui_locales_supported": ["en", "de"],
            "claims_parameter_supported": true,
            "request_parameter_supported": true,
            "request_uri_parameter_supported": true,
            "require_request_uri_registration": true,
            "request_object_signing_alg_values_supported": ["RS256", "PS256", "ES256", "EdDSA"],
            "code_challenge_methods_supported": ["S256"],
            "authorization_response_iss_parameter_supported": true
        })
    );
}

#[both_engines]
async fn implicit_and_hybrid_are_named_while_they_are_on() {
    let off = TestServer::start().await.get("/.well-known/openid-configuration").send().await.ok();
    let server = TestServer::start_with(|settings| settings.implicit = true).await;
    let on = server.get("/.well-known/openid-configuration").send().await.ok();
    let differs: Vec<_> =
        on.as_object().expect("an object").iter().filter(|(name, value)| off[*name] != **value).collect();
    let claims = off["claims_supported"].as_array().expect("an array");
    let mut with_c_hash = claims.clone();
    with_c_hash.insert(11, "c_hash".into());
    let expected = json!({
        "response_types_supported":
            ["code", "id_token", "id_token token", "code id_token", "code token", "code id_token token"],
        "grant_types_supported": ["authorization_code", "refresh_token", "client_credentials", "implicit"],
        "claims_supported": with_c_hash,
    });
    assert_eq!(differs, expected.as_object().expect("an object").iter().collect::<Vec<_>>());
}

#[both_engines]
async fn jw8_the_key_set_has_a_public_key_for_each_algorithm_and_nothing_private() {
    let server = TestServer::start().await;
    let keys = server.get("/oidc/jwks").send().await.ok();
    assert_eq!(keys.as_object().map(serde_json::Map::len), Some(1));
    let mut found = Vec::new();
    for key in keys["keys"].as_array().expect("an array") {
        let members: Vec<_> = key.as_object().expect("an object").keys().map(String::as_str).collect();
        for member in members {
            assert!(["kty", "crv", "x", "y", "n", "e", "kid", "alg", "use"].contains(&member), "{member}");
        }
        found.push((key["alg"].as_str().expect("alg"), key["kty"].as_str().expect("kty")));
        if key["kty"] == "RSA" {
            assert_eq!(key["n"].as_str().map(str::len), Some(342), "2,048 bits");
        }
    }
    found.sort_unstable();
    assert_eq!(found, [("ES256", "EC"), ("EdDSA", "OKP"), ("PS256", "RSA"), ("RS256", "RSA")]);
}

#[both_engines]
async fn ch1_the_documents_are_the_same_bytes_for_everybody_and_may_be_kept() {
    let server = TestServer::start().await;
    for path in ["/.well-known/openid-configuration", "/oidc/jwks"] {
        let plain = server.get(path).send().await;
        assert_eq!(plain.header("cache-control"), Some("public, max-age=300"));
        let etag = plain.header("etag").expect("a tag").to_owned();
        for (name, value) in [
            ("host", "evil.example"),
            ("x-forwarded-host", "evil.example"),
            ("x-forwarded-proto", "http"),
            ("forwarded", "host=evil.example;proto=http"),
            ("x-original-url", "/evil"),
            ("accept", "text/html"),
            ("accept-language", "de"),
            ("origin", "https://evil.example"),
            ("cookie", "a=b"),
        ] {
            let answer = server.get(path).header(name, value).send().await;
            assert_eq!(answer.assert_status(200).body, plain.body, "{name}: checklist HO1");
        }
        // As it was given, as a proxy that compresses gives it on, and among others (RFC 9110 §13.1.2).
        for tag in [etag.clone(), format!("W/{etag}"), format!("\"x\", {etag}"), "*".to_owned()] {
            let known = server.get(path).header("if-none-match", &tag).send().await;
            assert!(known.assert_status(304).body.is_empty(), "{tag}");
            assert_eq!(known.header("etag"), Some(etag.as_str()));
        }
        server.get(path).header("if-none-match", "\"x\"").send().await.assert_status(200);
    }
}

#[both_engines]
async fn the_issuer_is_configured_without_its_trailing_slash() {
    use authmachine_server::Issuer;
    let server = TestServer::start_with(|settings| {
        settings.issuer = Issuer::parse("http://localhost:8000/").expect("an issuer")
    })
    .await;
    let document: Value = server.get("/.well-known/openid-configuration").send().await.ok();
    assert_eq!(document["issuer"], "http://localhost:8000");
    assert_eq!(document["token_endpoint"], "http://localhost:8000/oidc/token");
}

#[both_engines]
async fn what_is_not_built_is_absent() {
    let server = TestServer::start().await;
    for path in [
        "/oidc/register",
        "/oidc/par",
        "/oidc/device",
        "/.well-known/oauth-authorization-server/x",
        "/admin",
        "/graphql",
        "/metrics",
        "/debug",
    ] {
        server.get(path).send().await.assert_page(404, "There is nothing here");
    }
    let answer = server.get("/api/scim/v2/Users").send().await;
    assert_eq!(answer.assert_status(404).json()["status"], "404");
}
