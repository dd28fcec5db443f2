//! Dynamic registration: who may register, and what (RFC 7591, OIDC Registration).

use authmachine_jose::Algorithm;
use authmachine_provider::client_metadata::ClientMetadata;
use authmachine_provider::event::EventKind;
use authmachine_server::Settings;
use authmachine_server::settings::RegistrationMode;
use authmachine_testkit::{Answer, TestServer, WebSite, both_engines, reach_loopback};
use http::Method;
use serde_json::{Value, json};

/// RFC 7515 appendix A.2, without a `kid`.
const PUBLIC_JWK: &str = r#"{"kty":"RSA","n":"ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL-yRT-SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5z5rexMdbBYUsLA9e-KXBdQOS-UTo7WTBEMa2R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRWyuXpoQ","e":"AQAB"}"#;

pub(super) fn open(settings: &mut Settings) {
    settings.registration.mode = RegistrationMode::Open;
}

/// All that is built is on.
fn everything(settings: &mut Settings) {
    open(settings);
    settings.implicit = true;
    settings.unsigned_id_tokens = true;
    settings.unsigned_request_objects = true;
}

pub(super) fn minimal() -> Value {
    json!({ "redirect_uris": ["https://rp.example/cb"] })
}

fn minimal_with(member: &str, value: Value) -> Value {
    let mut metadata = minimal();
    metadata[member] = value;
    metadata
}

/// Everything that can be registered at once.
fn full() -> Value {
    json!({
        "redirect_uris": ["https://rp.example/cb?with=query", "https://rp.example/other"],
        "response_types": ["code", "code id_token token"],
        "grant_types": ["authorization_code", "refresh_token", "implicit"],
        "application_type": "web",
        "contacts": ["ops@rp.example"],
        "client_name": "The RP",
        "client_name#de": "Die RP",
        "client_uri": "https://rp.example/",
        "logo_uri": "https://rp.example/logo.png",
        "policy_uri": "https://rp.example/policy",
        "tos_uri": "https://rp.example/tos",
        "tos_uri#de": "https://rp.example/agb",
        "jwks": { "keys": [serde_json::from_str::<Value>(PUBLIC_JWK).expect("JSON")] },
        "subject_type": "pairwise",
        "id_token_signed_response_alg": "ES256",
        "userinfo_signed_response_alg": "RS256",
        "request_object_signing_alg": "none",
        "require_signed_request_object": true,
        "token_endpoint_auth_method": "client_secret_post",
        "token_endpoint_auth_signing_alg": "PS256",
        "default_max_age": 3600,
        "require_auth_time": true,
        "default_acr_values": ["urn:authmachine:acr:pwd"],
        "initiate_login_uri": "https://rp.example/begin",
        "request_uris": ["https://rp.example/request#version"],
        "scope": "openid email offline_access",
        "software_id": "4NRB1-0XZABZI9E6-5SM3R",
        "software_version": "1.0",
        "post_logout_redirect_uris": ["https://rp.example/bye"],
        "frontchannel_logout_uri": "https://rp.example/frame",
        "frontchannel_logout_session_required": true,
        "backchannel_logout_uri": "https://rp.example/logout",
        "backchannel_logout_session_required": true,
    })
}

/// Asks to be registered.
async fn ask(server: &TestServer, metadata: &Value) -> Answer {
    server.registration(metadata).send().await
}

#[both_engines]
async fn a_client_registers_itself_and_signs_people_in() {
    let server = TestServer::start_with(open).await;
    let client = server.register(minimal()).await;
    let id = client.id().to_owned();
    let mut body = client.body.clone();
    for secret in ["client_secret", "registration_access_token"] {
        let text = body[secret].take();
        assert_eq!(text.as_str().map(str::len), Some(43), "{secret}: 256 bits");
    }
    assert_eq!(
        body,
        json!({
            "client_id": id,
            "client_secret": null,
            "client_secret_expires_at": 0,
            "client_id_issued_at": server.clock().now().seconds(),
            "registration_access_token": null,
            "registration_client_uri": format!("https://id.example/oidc/register/{id}"),
            "redirect_uris": ["https://rp.example/cb"],
            "client_name": "rp.example",
            "response_types": ["code"],
            "grant_types": ["authorization_code"],
            "application_type": "web",
            "token_endpoint_auth_method": "client_secret_basic",
            "id_token_signed_response_alg": "RS256",
            "subject_type": "public",
        }),
        "no `scope`, which was not registered"
    );
    assert_eq!(server.count_events(EventKind::ClientRegistered).await, 1);
    assert_eq!(server.metric("authmachine_registrations_total{change=\"registered\"}"), 1);

    let app = client.app().await;
    let page = server.browser().log_in("alice").await.follow(&app.authorize_url()).await;
    let code = page.submit(&[("decision", "yes")]).await.code();
    let tokens = app.redeem(&code).await.ok();
    assert!(tokens.refresh_token.is_none(), "the grant type was not registered");
    app.userinfo(&tokens.access_token).await.assert_status(200);
}

#[both_engines]
async fn everything_of_the_standards_is_kept_and_returned() {
    let server = TestServer::start_with(everything).await;
    let client = server.register(full()).await;
    for (member, value) in full().as_object().expect("an object") {
        assert_eq!(client.body[member], *value, "{member}");
    }
    let app = client.app().await;
    assert_eq!(app.record.id_token_alg, Algorithm::ES256);
    assert_eq!(app.record.userinfo_alg, Some(Algorithm::RS256));
    assert_eq!(app.record.sector.as_deref(), Some("rp.example"));
    let read = client.read().await.ok();
    for (member, value) in full().as_object().expect("an object") {
        assert_eq!(read[member], *value, "{member}");
    }
}

#[both_engines]
async fn dr1_it_is_off_until_it_is_turned_on() {
    let server = TestServer::start().await;
    for method in [Method::GET, Method::POST, Method::PUT, Method::DELETE] {
        for path in ["/oidc/register", "/oidc/register/x"] {
            let request = server.request(method.clone(), path).json(&minimal());
            request.send().await.assert_page(404, "There is nothing here");
        }
    }
    let off = server.get("/.well-known/openid-configuration").send().await.ok();
    assert_eq!(off["registration_endpoint"], Value::Null);
    let server = TestServer::start_with(open).await;
    let on = server.get("/.well-known/openid-configuration").send().await.ok();
    assert_eq!(on["registration_endpoint"], "https://id.example/oidc/register");
    server.get("/oidc/register").send().await.assert_status(405);
}

#[both_engines]
async fn dr1_with_tokens_only_their_holders_register() {
    let server =
        TestServer::start_with(|settings| settings.registration.mode = RegistrationMode::Token).await;
    let before = server.state();
    let bare = ask(&server, &minimal()).await;
    bare.assert_error(401, "invalid_token");
    assert_eq!(bare.header("www-authenticate"), Some("Bearer realm=\"authmachine\""));
    let reader = server.api_token("reader").await;
    let refused = server.registration(&minimal()).bearer(&reader.token).send().await;
    refused.assert_error(403, "insufficient_scope");
    assert!(refused.header("www-authenticate").is_some_and(|value| value.contains("clients:register")));
    let scope = |token: &mut authmachine_provider::api_token::ApiToken| {
        token.scopes = ["clients:register"].into_iter().collect()
    };
    let ended = server
        .api_token_with("ended", |token| {
            scope(token);
            token.expires_at = Some(token.created_at);
        })
        .await;
    let registrar = server.api_token_with("registrar", scope).await;
    for wrong in [&ended.token, "wrong", &registrar.token[1..]] {
        let refused = server.registration(&minimal()).bearer(wrong).send().await;
        refused.assert_error(401, "invalid_token");
    }
    let mut after = server.state();
    after.remove("api_tokens");
    let mut unchanged = before;
    unchanged.remove("api_tokens");
    unchanged.remove("changes");
    after.remove("changes");
    assert_eq!(after, unchanged, "nobody was registered");

    let answer = server.registration(&minimal()).bearer(&registrar.token).send().await;
    answer.assert_status(201);
    let events = server.events().await;
    let registered = events.iter().find(|event| event.kind == EventKind::ClientRegistered).expect("an event");
    assert_eq!(registered.actor, "api_token:registrar");
    // It opens no other door, and other doors' tokens none here.
    let sub = server.find_user("alice").await.map_or("x".to_owned(), |user| user.sub);
    registrar.permissions(&sub, &["object1"]).await.assert_status(403);
}

#[both_engines]
async fn dr1_do3_there_are_only_so_many_places() {
    let server = TestServer::start_with(|settings| {
        open(settings);
        settings.registration.max_clients = 3;
    })
    .await;
    // Clients of the operator take no place.
    server.client("shop").create().await;
    let mut clients = Vec::new();
    for n in 1..=3 {
        let answer = server.registration(&minimal()).from(&format!("198.51.100.{n}")).send().await;
        clients.push(answer.assert_status(201).json());
    }
    let refused = server.registration(&minimal()).from("198.51.100.4").send().await;
    refused.assert_error(400, "access_denied");
    let client = &clients[0];
    let path = client["registration_client_uri"].as_str().and_then(|uri| uri.strip_prefix(server.issuer()));
    let token = client["registration_access_token"].as_str().expect("a token");
    let path = path.expect("below the issuer");
    server.request(Method::DELETE, path).bearer(token).send().await.assert_status(204);
    server.registration(&minimal()).from("198.51.100.5").send().await.assert_status(201);
}

#[both_engines]
async fn dr1_do3_the_last_place_is_taken_once() {
    let server = TestServer::start_with(|settings| {
        open(settings);
        settings.registration.max_clients = 4;
    })
    .await;
    let all = (1..=12).map(|n| {
        let request = server.registration(&minimal()).from(&format!("198.51.100.{n}"));
        tokio::spawn(async move { request.send().await.status.as_u16() })
    });
    let mut registered = 0;
    for one in all.collect::<Vec<_>>() {
        match one.await.expect("no panic") {
            201 => registered += 1,
            status => assert_eq!(status, 400),
        }
    }
    assert_eq!((registered, server.rows()["clients"].len()), (4, 4));
}

#[both_engines]
async fn dr1_one_source_cannot_take_all_places() {
    let server = TestServer::start_with(|settings| {
        open(settings);
        settings.registration.max_clients = 10;
    })
    .await;
    for _ in 0..5 {
        ask(&server, &minimal()).await.assert_status(201);
    }
    // What is refused anyway takes no turn.
    ask(&server, &json!({})).await.assert_error(400, "invalid_redirect_uri");
    let refused = ask(&server, &minimal()).await;
    refused.assert_error(429, "temporarily_unavailable");
    assert!(refused.header("retry-after").is_some());
    server.registration(&minimal()).from("198.51.100.1").send().await.assert_status(201);
    server.clock().advance(60);
    ask(&server, &minimal()).await.assert_status(201);
}

#[both_engines]
async fn dr2_nothing_privileged_can_be_registered() {
    let server = TestServer::start_with(open).await;
    let mut metadata = minimal();
    for (member, value) in [
        ("client_id", json!("admin")),
        ("client_secret", json!("chosen")),
        ("client_id_issued_at", json!(1)),
        ("client_secret_expires_at", json!(1)),
        ("registration_access_token", json!("chosen")),
        ("registration_client_uri", json!("https://evil.example/")),
        ("first_party", json!(true)),
        ("id", json!(1)),
        ("name", json!("x")),
        ("objects", json!(["object1"])),
        ("pkce", json!("public")),
        ("disabled", json!(true)),
        ("kind", json!("native")),
        ("sector", json!("other.example")),
        ("roles", json!(["admin"])),
        ("scopes", json!(["admin"])),
        ("secret_hmac", json!("x")),
        ("metadata", json!({ "unsigned_id_tokens": true })),
        ("unsigned_id_tokens", json!(true)),
        ("localized", json!({ "client_id": "admin" })),
        ("software_statement", json!("e30.e30.")),
        ("scope", json!("openid admin permissions:read clients:register profile")),
    ] {
        metadata[member] = value;
    }
    let client = server.register(metadata).await;
    let record = client.app().await.record;
    assert!(!record.first_party && !record.disabled && record.objects.is_empty() && record.pkce.is_none());
    assert!(record.sector.is_none() && record.client_id != "admin" && record.name == "rp.example");
    assert_eq!(record.scopes.to_string(), "openid profile");
    assert_eq!(record.metadata, ClientMetadata { names_scope: true, ..ClientMetadata::default() });
    assert_ne!(client.body["client_secret"], "chosen");
    assert_ne!(client.body["registration_access_token"], "chosen");
    for absent in ["first_party", "objects", "pkce", "roles", "software_statement", "id", "localized"] {
        assert_eq!(client.body[absent], Value::Null, "{absent}");
    }
}

#[both_engines]
async fn dr2_values_that_are_not_offered_are_refused() {
    let server = TestServer::start_with(open).await;
    let before = server.state();
    let private: Value = json!({ "kty": "RSA", "n": "AQAB", "e": "AQAB", "d": "AQAB" });
    for (member, value) in [
        ("application_type", json!("desktop")),
        ("response_types", json!(["token"])),
        ("response_types", json!(["id_token"])),
        ("response_types", json!(["code", "code id_token"])),
        ("response_types", json!("code")),
        ("grant_types", json!(["password"])),
        ("grant_types", json!(["refresh_token"])),
        ("grant_types", json!(["implicit"])),
        ("token_endpoint_auth_method", json!("tls_client_auth")),
        ("token_endpoint_auth_method", json!("client_secret_jwt")),
        // Without keys.
        ("token_endpoint_auth_method", json!("private_key_jwt")),
        ("token_endpoint_auth_signing_alg", json!("none")),
        ("token_endpoint_auth_signing_alg", json!("HS256")),
        ("subject_type", json!("private")),
        ("id_token_signed_response_alg", json!("none")),
        ("id_token_signed_response_alg", json!("HS256")),
        ("userinfo_signed_response_alg", json!("none")),
        ("request_object_signing_alg", json!("none")),
        ("request_object_signing_alg", json!("HS256")),
        ("id_token_encrypted_response_alg", json!("RSA-OAEP")),
        ("userinfo_encrypted_response_alg", json!("RSA-OAEP")),
        ("request_object_encryption_alg", json!("RSA-OAEP")),
        ("default_max_age", json!(-1)),
        ("scope", json!("admin")),
        ("scope", json!("a\"b")),
        ("jwks", json!({ "keys": "none" })),
        ("jwks", json!({ "keys": [private] })),
        ("jwks", json!({ "keys": [{ "kty": "oct", "k": "c2VjcmV0" }] })),
        ("initiate_login_uri", json!("http://localhost/begin")),
        ("frontchannel_logout_uri", json!("https://other.example/frame")),
        ("contacts", json!((0..51).map(|n| n.to_string()).collect::<Vec<_>>())),
    ] {
        let answer = ask(&server, &minimal_with(member, value.clone())).await;
        answer.assert_error(400, "invalid_client_metadata");
        let described = answer.json()["error_description"].as_str().unwrap_or_default().to_owned();
        let named = [member, "grant_types", "private_key_jwt"].iter().any(|word| described.contains(word));
        assert!(named, "{member}: {described}");
    }
    let two = json!({
        "redirect_uris": ["https://rp.example/cb"], "jwks_uri": "https://rp.example/jwks", "jwks": { "keys": [] },
    });
    ask(&server, &two).await.assert_error(400, "invalid_client_metadata");
    let public = json!({ "grant_types": ["client_credentials"], "token_endpoint_auth_method": "none" });
    ask(&server, &public).await.assert_error(400, "invalid_client_metadata");
    let keyless = minimal_with("token_endpoint_auth_method", json!("private_key_jwt"));
    ask(&server, &keyless).await.assert_error(400, "invalid_client_metadata");
    assert_eq!(server.state(), {
        let mut rows = before;
        rows.remove("throttles");
        rows
    });
}

#[both_engines]
async fn jw8_a_key_with_a_private_part_is_refused_and_not_kept() {
    let server = TestServer::start_with(open).await;
    for member in ["d", "p", "q", "dp", "dq", "qi", "oth", "k"] {
        let mut key: Value = serde_json::from_str(PUBLIC_JWK).expect("JSON");
        key[member] = json!("AQAB");
        let metadata = minimal_with("jwks", json!({ "keys": [key] }));
        ask(&server, &metadata).await.assert_error(400, "invalid_client_metadata");
    }
    assert!(server.rows()["clients"].is_empty());
    let key: Value = serde_json::from_str(PUBLIC_JWK).expect("JSON");
    assert_eq!(key["kid"], Value::Null, "without a kid, as some send it");
    let client = server.register(minimal_with("jwks", json!({ "keys": [key] }))).await;
    assert_eq!(client.body["jwks"], json!({ "keys": [key] }));
}

/// What no field takes (checklist RU3).
const HOSTILE: [&str; 14] = [
    "javascript:alert(1)",
    "JaVaScRiPt:alert(1)",
    "data:text/html,x",
    "file:///etc/passwd",
    "blob:https://rp.example/x",
    "http://rp.example/x",
    "https://user@rp.example/x",
    "https://rp.example\\@evil.example/",
    "https://rp.example/a b",
    "https://rp.example/\r\nx",
    "https://äpp.example/",
    "https:///rp.example/x",
    "/x",
    "//rp.example/x",
];

#[both_engines]
async fn ru3_ru8_every_address_passes_the_one_validator() {
    let server = TestServer::start_with(everything).await;
    let mut whole = full();
    whole.as_object_mut().expect("an object").remove("jwks");
    whole["jwks_uri"] = json!("https://rp.example/jwks");
    let client = server.register(whole.clone()).await;
    let fields: Vec<String> = client
        .body
        .as_object()
        .expect("an object")
        .keys()
        .filter(|name| {
            name.split('#').next().is_some_and(|name| name.ends_with("_uri") || name.ends_with("_uris"))
        })
        .filter(|name| *name != "registration_client_uri")
        .cloned()
        .chain(["sector_identifier_uri".to_owned()])
        .collect();
    assert_eq!(fields.len(), 13, "{fields:?}");
    let too_long = format!("https://rp.example/{}", "a".repeat(2_000));
    let before = server.state();
    for field in &fields {
        let fragment = (field != "request_uris").then_some("https://rp.example/x#fragment");
        for hostile in HOSTILE.into_iter().chain([too_long.as_str()]).chain(fragment) {
            let mut metadata = whole.clone();
            metadata[field] = if field.ends_with('s') { json!([hostile]) } else { json!(hostile) };
            let error =
                if field == "redirect_uris" { "invalid_redirect_uri" } else { "invalid_client_metadata" };
            // Too long a text is seen before it is seen to be an address.
            let error = if hostile.len() > 2_000 { "invalid_client_metadata" } else { error };
            ask(&server, &metadata).await.assert_error(400, error).assert_no_echo("evil.example");
            client.update(metadata).await.assert_error(400, error);
        }
    }
    assert_eq!(server.state(), before);
}

#[both_engines]
async fn ru3_a_native_client_has_its_own_scheme_and_loopback() {
    let server = TestServer::start_with(open).await;
    let native = json!({
        "redirect_uris": ["com.example.app:/cb", "http://127.0.0.1/cb"], "application_type": "native",
        "token_endpoint_auth_method": "none", "post_logout_redirect_uris": ["com.example.app:/bye"],
    });
    let client = server.register(native.clone()).await;
    assert_eq!(client.body["client_secret"], Value::Null);
    assert_eq!(client.body["client_secret_expires_at"], Value::Null);
    let mut web = native;
    web["application_type"] = json!("web");
    ask(&server, &web).await.assert_error(400, "invalid_redirect_uri");
}

#[both_engines]
async fn a_redirect_uri_keeps_its_query_and_has_no_fragment() {
    let server = TestServer::start_with(open).await;
    let uri = "https://rp.example/cb?foo=bar";
    let client = server.register(json!({ "redirect_uris": [uri] })).await;
    let app = client.app().await;
    let browser = server.browser().log_in("alice").await;
    let visit = browser.follow(&app.authorize_url()).await.submit(&[("decision", "yes")]).await;
    assert!(visit.away().starts_with("https://rp.example/cb?foo=bar&"), "{}", visit.away());
    for bad in [json!(["https://rp.example/cb#x"]), json!([]), Value::Null] {
        let answer = ask(&server, &json!({ "redirect_uris": bad })).await;
        answer.assert_error(400, "invalid_redirect_uri");
    }
}

#[both_engines]
async fn grant_types_follow_response_types() {
    let server = TestServer::start_with(everything).await;
    let cases = [
        (json!({}), json!(["code"]), json!(["authorization_code"])),
        (json!({ "response_types": ["token id_token"] }), json!(["id_token token"]), json!(["implicit"])),
        (
            json!({ "response_types": ["code id_token"] }),
            json!(["code id_token"]),
            json!(["authorization_code", "implicit"]),
        ),
        (
            json!({ "response_types": ["id_token"], "grant_types": ["implicit", "refresh_token"] }),
            json!(["id_token"]),
            json!(["implicit"]),
        ),
        (
            json!({ "grant_types": ["authorization_code", "implicit"] }),
            json!(["code"]),
            json!(["authorization_code"]),
        ),
        (json!({ "grant_types": ["client_credentials"] }), json!([]), json!(["client_credentials"])),
    ];
    for (asked, response_types, grant_types) in cases {
        let mut metadata = asked.clone();
        metadata["redirect_uris"] = json!(["https://rp.example/cb"]);
        let client = server.register(metadata).await;
        assert_eq!(client.body["response_types"], response_types, "{asked}");
        assert_eq!(client.body["grant_types"], grant_types, "{asked}");
    }
    for (response_types, grant_types) in [
        (json!(["code"]), json!(["implicit"])),
        (json!(["id_token"]), json!(["authorization_code"])),
        (json!(["code token"]), json!(["authorization_code"])),
        (json!(["code token"]), json!(["implicit"])),
        (json!([]), json!(["refresh_token"])),
    ] {
        let metadata = json!({
            "redirect_uris": ["https://rp.example/cb"], "response_types": response_types, "grant_types": grant_types,
        });
        ask(&server, &metadata).await.assert_error(400, "invalid_client_metadata");
    }
    // RFC 7591 §2: a client that acts for itself alone returns nowhere.
    server.register(json!({ "grant_types": ["client_credentials"] })).await;
}

#[both_engines]
async fn an_unsigned_id_token_is_for_the_code_flow_alone() {
    let server = TestServer::start_with(everything).await;
    let mut metadata = minimal_with("id_token_signed_response_alg", json!("none"));
    for (response_types, grant_types, ok) in [
        (json!(["code"]), json!(["authorization_code"]), true),
        (json!(["code token"]), json!(["authorization_code", "implicit"]), true),
        (json!(["code", "code id_token"]), json!(["authorization_code", "implicit"]), false),
        (json!(["id_token"]), json!(["implicit"]), false),
    ] {
        metadata["response_types"] = response_types;
        metadata["grant_types"] = grant_types;
        let answer = ask(&server, &metadata).await;
        match ok {
            true => assert_eq!(answer.assert_status(201).json()["id_token_signed_response_alg"], "none"),
            false => drop(answer.assert_error(400, "invalid_client_metadata")),
        }
    }
}

#[both_engines]
async fn sr1_a_sector_is_fetched_and_lists_every_redirect_uri() {
    let server = TestServer::start_with(|settings| {
        open(settings);
        reach_loopback(settings);
    })
    .await;
    let site = WebSite::start_with_tls().await;
    let metadata = |uri: &str| {
        json!({
            "redirect_uris": ["https://a.example/cb", "https://b.example/cb"], "subject_type": "pairwise",
            "sector_identifier_uri": uri,
        })
    };
    let good = site.serve(
        "/good",
        "application/json",
        json!(["https://b.example/cb", "https://a.example/cb", "https://c.example/cb"]).to_string(),
    );
    let client = server.register(metadata(&good)).await;
    assert_eq!(client.body["sector_identifier_uri"], good.as_str());
    assert_eq!(client.body["subject_type"], "pairwise");
    assert_eq!(client.app().await.record.sector.as_deref(), Some("localhost"));

    let before = server.state();
    for (path, content_type, body) in [
        ("/bad", "application/json", json!(["https://a.example/cb"])),
        ("/prefix", "application/json", json!(["https://a.example/cb", "https://b.example/"])),
        (
            "/object",
            "application/json",
            json!({ "redirect_uris": ["https://a.example/cb", "https://b.example/cb"] }),
        ),
        ("/mixed", "application/json", json!(["https://a.example/cb", "https://b.example/cb", 7])),
        ("/html", "text/html", json!(["https://a.example/cb", "https://b.example/cb"])),
    ] {
        let uri = site.serve(path, content_type, body.to_string());
        ask(&server, &metadata(&uri)).await.assert_error(400, "invalid_client_metadata");
        client.update(metadata(&uri)).await.assert_error(400, "invalid_client_metadata");
    }
    let moved = site.answer("/moved", 302, &[("location", &good)], "");
    for uri in [&moved, &site.url("/nothing"), "https://127.0.0.1:1/"] {
        ask(&server, &metadata(uri)).await.assert_error(400, "invalid_client_metadata");
    }
    // What is listed counts for public subjects, too.
    let mut public = metadata(&site.url("/bad"));
    public["subject_type"] = json!("public");
    ask(&server, &public).await.assert_error(400, "invalid_client_metadata");
    assert_eq!(server.state(), before);
}

#[both_engines]
async fn sr1_a_sector_in_a_private_network_is_not_asked() {
    let server = TestServer::start_with(open).await;
    let site = WebSite::start().await;
    let mut metadata = minimal_with("subject_type", json!("pairwise"));
    metadata["sector_identifier_uri"] =
        json!(site.serve("/", "application/json", "[\"https://rp.example/cb\"]"));
    ask(&server, &metadata).await.assert_error(400, "invalid_client_metadata");
    assert!(site.received().is_empty());
}

#[both_engines]
async fn pairwise_subjects_need_one_host_or_a_sector() {
    let server = TestServer::start_with(open).await;
    let pairwise = |uris: Value| json!({ "redirect_uris": uris, "subject_type": "pairwise" });
    let client = server.register(pairwise(json!(["https://a.example/1", "https://a.example:8443/2"]))).await;
    assert_eq!(client.app().await.record.sector.as_deref(), Some("a.example"));
    let two = pairwise(json!(["https://a.example/1", "https://b.example/2", "https://a.example/3"]));
    ask(&server, &two).await.assert_error(400, "invalid_client_metadata");
}

#[both_engines]
async fn dr6_names_are_cleaned_of_what_deceives() {
    let server = TestServer::start_with(open).await;
    for (given, kept) in [
        ("  Two \t\n words ", "Two words"),
        ("Pay\u{202e}lap", "Paylap"),
        ("Goo\u{200b}gle\u{feff}", "Google"),
        ("a\u{0}b\u{1b}[31mc", "ab[31mc"),
        ("tag\u{e0041}ged\u{2066}", "tagged"),
        ("\u{200b}\u{202e}", "rp.example"),
        ("<b>bold</b> ä 日本", "<b>bold</b> ä 日本"),
        (&"x".repeat(300), &"x".repeat(100)),
    ] {
        let mut metadata = minimal_with("client_name", json!(given));
        metadata["client_name#de"] = json!(format!("{given}!"));
        let client = server.register(metadata).await;
        assert_eq!(client.body["client_name"], kept, "{given:?}");
        let german = client.text("client_name#de");
        assert!(!german.contains(['\u{200b}', '\u{202e}', '\u{0}', '\n']), "{german:?}");
    }
}

#[both_engines]
async fn dr6_the_first_consent_is_never_skipped_and_says_who_asks() {
    let server = TestServer::start_with(open).await;
    let client = server.register(minimal_with("client_name", json!("Your bank"))).await;
    let app = client.app().await;
    let browser = server.browser().log_in("alice").await;
    let silent = browser.follow(&app.authorize().with("prompt", "none").url()).await;
    silent.assert_refused("consent_required");
    let page = browser.follow(&app.authorize_url()).await;
    page.assert_page(200, "Do you agree?").assert_page(200, "https://rp.example");
    page.submit(&[("decision", "yes")]).await.code();
    browser.follow(&app.authorize().with("prompt", "none").url()).await.code();
}

#[both_engines]
async fn what_is_no_registration_is_refused() {
    let server = TestServer::start_with(open).await;
    let post = |content_type: &str, body: &str| server.post("/oidc/register").body(content_type, body).send();
    post("application/x-www-form-urlencoded", "redirect_uris=x").await.assert_error(415, "invalid_request");
    post("text/plain", "{}").await.assert_error(415, "invalid_request");
    for body in [
        "",
        "[]",
        "{",
        "{} {}",
        r#"{"redirect_uris":["https://a.example/"],"redirect_uris":["https://b.example/"]}"#,
        &format!("{}{}", r#"{"a":"#.repeat(40), "}".repeat(40)),
    ] {
        post("application/json", body).await.assert_error(400, "invalid_request");
    }
    let large = format!(r#"{{"pad":"{}"}}"#, "x".repeat(64 * 1024));
    post("application/json", &large).await.assert_error(413, "invalid_request");
    post("application/json; charset=utf-8", &minimal().to_string()).await.assert_status(201);
    // No page of another site reads the secret, whoever registered it.
    let cors = server.registration(&minimal()).header("origin", "https://rp.example").send().await;
    assert_eq!(cors.header("access-control-allow-origin"), None);
}
