//! `/oidc/userinfo` (OIDC Core §5.3).

use authmachine_testkit::{ClientApp, TestServer, Tokens, both_engines};
use serde_json::{Value, json};

async fn tokens(server: &TestServer, app: &ClientApp, url: &str) -> Tokens {
    let code = server.browser().log_in("alice").await.authorize_with(url).await.code();
    app.redeem(&code).await.ok()
}

fn names(claims: &Value) -> Vec<&str> {
    claims.as_object().expect("an object").keys().map(String::as_str).collect()
}

#[both_engines]
async fn claims_are_those_of_the_scopes() {
    let server = TestServer::start().await;
    server
        .user("alice")
        .claim("name", "Alice Liddell")
        .claim("phone_number", "+44 1865 1234")
        .claim("address", json!({ "locality": "Oxford" }))
        .claim("favourite_colour", "blue")
        .create()
        .await;
    let app = server.client("guest").scopes("openid profile email phone address").create().await;
    for (scope, expected) in [
        ("openid", &["sub"][..]),
        ("openid profile", &["name", "preferred_username", "sub", "updated_at"]),
        ("openid email", &["email", "email_verified", "sub"]),
        ("openid phone", &["phone_number", "phone_number_verified", "sub"]),
        ("openid address", &["address", "sub"]),
    ] {
        let tokens = tokens(&server, &app, &app.authorize().with("scope", scope).url()).await;
        let claims = app.userinfo(&tokens.access_token).await.ok();
        assert_eq!(names(&claims), expected, "{scope}");
        assert_eq!(claims["sub"], server.find_user("alice").await.expect("made").sub.as_str());
    }
    let all = tokens(&server, &app, &app.authorize_url()).await;
    let claims = app.userinfo(&all.access_token).await.ok();
    assert_eq!(claims["name"], "Alice Liddell");
    assert_eq!((&claims["email"], &claims["email_verified"]), (&json!("alice@example.com"), &json!(true)));
    assert_eq!(claims["phone_number_verified"], false);
    assert_eq!(claims["address"], json!({ "locality": "Oxford" }));
}

/// Everything that OIDC Core §5.1 knows, beside what every user has.
fn everything() -> Value {
    json!({
        "name": "Alice Liddell", "given_name": "Alice", "middle_name": "Pleasance", "family_name": "Liddell",
        "nickname": "Lili", "profile": "https://alice.example/", "picture": "https://alice.example/me.png",
        "website": "https://alice.example/blog", "gender": "female", "birthdate": "1852-05-04",
        "zoneinfo": "Europe/London", "locale": "en-GB", "phone_number": "+44 1865 1234", "phone_number_verified": true,
        "address": { "formatted": "Deanery\nOxford", "street_address": "Deanery", "locality": "Oxford",
            "region": "Oxfordshire", "postal_code": "OX1", "country": "GB" },
    })
}

#[both_engines]
async fn every_standard_claim_has_its_own_json_type() {
    let server = TestServer::start_with(|settings| settings.implicit = true).await;
    let mut alice = server.user("alice");
    for (name, value) in everything().as_object().expect("an object") {
        authmachine_provider::user_claims::check(name, value).expect("it may be stored");
        alice = alice.claim(name, value.clone());
    }
    alice.create().await;
    let app = server
        .client("guest")
        .scopes("openid profile email phone address")
        .response_types(authmachine_protocol::ResponseType::ALL)
        .create()
        .await;
    let user = server.find_user("alice").await.expect("made");
    let mut expected = everything();
    expected["sub"] = user.sub.as_str().into();
    expected["preferred_username"] = "alice".into();
    expected["updated_at"] = user.updated_at.seconds().into();
    expected["email"] = "alice@example.com".into();
    expected["email_verified"] = true.into();
    let tokens = tokens(&server, &app, &app.authorize_url()).await;
    assert_eq!(app.userinfo(&tokens.access_token).await.ok(), expected);

    // The same in an ID token that stands alone, and none of it in one beside an access token.
    let own = ["iss", "sub", "aud", "exp", "iat", "auth_time", "nonce", "amr", "sid", "at_hash"];
    let browser = server.browser().log_in("alice").await;
    let alone = browser.authorize_with(&app.authorize().with("response_type", "id_token").url()).await;
    let mut alone = server.verify(&alone.params()["id_token"]).await;
    alone.retain(|name, _| name == "sub" || !own.contains(&name.as_str()));
    assert_eq!(Value::Object(alone), expected);
    let beside = Value::Object(server.verify(tokens.id_token()).await);
    assert!(names(&beside).iter().all(|name| own.contains(name)), "{beside}");
}

#[both_engines]
async fn claims_come_in_the_languages_asked_for() {
    let server = TestServer::start().await;
    let (german, french) = ("Alice auf Deutsch", "Alice en français");
    server
        .user("alice")
        .claim("name", "Alice")
        .claim("name#de", german)
        .claim("name#fr", french)
        .create()
        .await;
    let app = server.client("guest").create().await;
    let claims = json!({ "userinfo": { "name#fr": null }, "id_token": { "name": null } }).to_string();
    for (locales, claims, userinfo, id_token) in [
        (None, None, json!({ "name": "Alice" }), json!({})),
        (Some("se"), None, json!({ "name": "Alice" }), json!({})),
        (Some("de-AT"), None, json!({ "name": german }), json!({})),
        (Some("de se fr"), None, json!({ "name": "Alice", "name#de": german, "name#fr": french }), json!({})),
        (None, Some(&claims), json!({ "name": "Alice", "name#fr": french }), json!({ "name": "Alice" })),
        (Some("de"), Some(&claims), json!({ "name": german, "name#fr": french }), json!({ "name": german })),
        (Some("de_DE -- \u{e4}"), None, json!({ "name": "Alice" }), json!({})),
    ] {
        let mut request = app.authorize();
        for (name, value) in [("claims_locales", locales), ("claims", claims.map(String::as_str))] {
            request = value.map_or(request.clone(), |value| request.with(name, value));
        }
        let tokens = tokens(&server, &app, &request.url()).await;
        let named = |mut claims: serde_json::Map<String, Value>| {
            claims.retain(|name, _| name.starts_with("name"));
            Value::Object(claims)
        };
        let answer = app.userinfo(&tokens.access_token).await.ok();
        assert_eq!(named(answer.as_object().expect("an object").clone()), userinfo, "{locales:?}");
        assert_eq!(named(server.verify(tokens.id_token()).await), id_token, "{locales:?}");
        // What was asked for is asked for as long as the grant lives.
        let refreshed = app.refresh(tokens.refresh_token()).await.ok();
        let again = app.userinfo(&refreshed.access_token).await.ok();
        assert_eq!(named(again.as_object().expect("an object").clone()), userinfo, "{locales:?}");
    }
}

#[both_engines]
async fn az8_essential_claims_that_cannot_be_had_are_left_out() {
    let server = TestServer::start().await;
    let app = server.client("guest").create().await;
    let essential = json!({ "essential": true });
    let claims = json!({
        "userinfo": { "nickname": essential, "phone_number": essential, "unheard_of": essential, "email": { "value": "x@y" },
            "name#de": essential, "updated_at": null },
        "id_token": { "auth_time": essential, "acr": null, "gender": essential, "unheard_of": { "values": [1, {}] } },
    })
    .to_string();
    let tokens =
        tokens(&server, &app, &app.authorize().with("scope", "openid").with("claims", &claims).url()).await;
    let userinfo = app.userinfo(&tokens.access_token).await.ok();
    assert_eq!(names(&userinfo), ["email", "sub", "updated_at"]);
    let claims = Value::Object(server.verify(tokens.id_token()).await);
    assert_eq!(claims["acr"], "urn:authmachine:acr:pwd");
    assert!(claims["auth_time"].is_i64());
    assert!(claims.get("gender").is_none() && claims.get("unheard_of").is_none());
}

#[both_engines]
async fn only_a_first_party_client_gets_ids_and_own_claims() {
    let server = TestServer::start().await;
    server.user("alice").claim("favourite_colour", "blue").create().await;
    let ours = server.client("ours").first_party().create().await;
    let theirs = server.client("theirs").create().await;
    let sub = server.find_user("alice").await.expect("made").sub;

    let token = tokens(&server, &ours, &ours.authorize_url()).await.access_token;
    let claims = ours.userinfo(&token).await.ok();
    assert_eq!((&claims["id"], &claims["sub"]), (&json!(sub), &json!(sub)));
    for name in ["username", "userName", "preferred_username"] {
        assert_eq!(claims[name], "alice");
    }
    assert_eq!(claims["favourite_colour"], "blue");

    let token = tokens(&server, &theirs, &theirs.authorize_url()).await.access_token;
    let claims = theirs.userinfo(&token).await.ok();
    for absent in ["id", "username", "userName", "favourite_colour", "authmachine_permissions"] {
        assert!(claims.get(absent).is_none(), "{absent}: checklist PE11");
    }
}

#[both_engines]
async fn tk3_the_token_comes_by_header_or_form_never_by_query_never_twice() {
    let server = TestServer::start().await;
    let app = server.client("shop").first_party().create().await;
    let token = tokens(&server, &app, &app.authorize_url()).await.access_token;
    let (get, post) = (|| server.get("/oidc/userinfo"), || server.post("/oidc/userinfo"));
    let by_form = [("access_token", token.as_str())];

    for good in [
        get().bearer(&token),
        get().header("authorization", &format!("bEaReR {token}")),
        post().bearer(&token),
        post().bearer(&token).form(&[]),
        post().form(&by_form),
    ] {
        assert_eq!(good.send().await.ok()["preferred_username"], "alice");
    }

    let bare = get().send().await;
    bare.assert_status(401);
    assert!(
        bare.header("www-authenticate")
            .is_some_and(|challenge| challenge.starts_with("Bearer") && !challenge.contains("error"))
    );
    for in_query in [
        server.get(&format!("/oidc/userinfo?access_token={token}")),
        server.get(&format!("/oidc/userinfo?x=1&access_token={token}")).bearer(&token),
        server.post(&format!("/oidc/userinfo?access_token={token}")).form(&by_form),
    ] {
        in_query.send().await.assert_error(400, "invalid_request");
    }
    let twice = post().bearer(&token).form(&by_form).send().await;
    twice.assert_error(400, "invalid_request");
    assert!(twice.header("www-authenticate").is_some_and(|challenge| challenge.contains("invalid_request")));
    post().form(&[by_form[0], by_form[0]]).send().await.assert_error(400, "invalid_request");
    get().bearer(&token).bearer(&token).send().await.assert_error(400, "invalid_request");
    post()
        .body("application/json", format!("{{\"access_token\":\"{token}\"}}"))
        .send()
        .await
        .assert_error(401, "invalid_token");
}

#[both_engines]
async fn whatever_is_wrong_with_a_request_it_is_answered_with_a_challenge() {
    let server = TestServer::start().await;
    let app = server.client("shop").first_party().create().await;
    let token = tokens(&server, &app, &app.authorize_url()).await.access_token;
    let (get, post) = (|| server.get("/oidc/userinfo"), || server.post("/oidc/userinfo"));
    let form = "application/x-www-form-urlencoded";
    for (status, error, request) in [
        (401, "invalid_token", get()),
        (401, "invalid_token", get().bearer("x")),
        (401, "invalid_token", post().body("text/plain", token.clone())),
        (400, "invalid_request", get().bearer(&token).bearer(&token)),
        (400, "invalid_request", server.get("/oidc/userinfo?access_token=x")),
        (400, "invalid_request", post().form(&[("access_token", &token), ("access_token", &token)])),
        (400, "invalid_request", post().bearer(&token).form(&[("access_token", &token)])),
        (400, "invalid_request", post().body(form, "access_token=%zz")),
        (413, "invalid_request", post().body(form, vec![b'x'; 70_000])),
    ] {
        let answer = request.send().await;
        answer.assert_error(status, error).assert_no_echo(&token);
        let challenge = answer.header("www-authenticate").expect("RFC 6750 §3: there is a challenge");
        assert!(challenge.starts_with("Bearer "), "{challenge}");
        assert!(error == "invalid_token" || challenge.contains("error=\"invalid_request\""), "{challenge}");
    }
}

#[both_engines]
async fn tk1_any_other_spelling_of_a_token_is_invalid() {
    let server = TestServer::start().await;
    let app = server.client("shop").first_party().create().await;
    let token = tokens(&server, &app, &app.authorize_url()).await.access_token;
    let last = token.chars().last().expect("not empty");
    let flipped = if last == 'A' { 'Q' } else { 'A' };
    for other in [
        &token[..53],
        &token[1..],
        &format!("{token}A"),
        &format!("{token}="),
        &format!("{token}=="),
        &format!("{token}.{token}"),
        &format!("{}{flipped}", &token[..53]),
        &token.to_lowercase(),
        &token.to_uppercase(),
        &token.replace(|c: char| c.is_ascii_alphanumeric(), "A"),
        "null",
        "undefined",
    ] {
        let answer = app.userinfo(other).await;
        answer.assert_error(401, "invalid_token").assert_no_echo(&token);
        assert!(
            answer
                .header("www-authenticate")
                .is_some_and(|challenge| challenge.starts_with("Bearer error=\"invalid_token\""))
        );
        assert!(app.is_revoked(other).await);
        assert!(!app.is_active(other).await);
        app.revoke(other).await.assert_status(200);
    }
    app.userinfo(&token).await.assert_status(200);
}

#[both_engines]
async fn an_access_token_ends_to_the_millisecond() {
    let server = TestServer::start().await;
    let app = server.client("guest").create().await;
    let token = tokens(&server, &app, &app.authorize_url()).await.access_token;
    server.clock().advance_ms(3_600_000 - 1);
    app.userinfo(&token).await.assert_status(200);
    assert!(app.is_active(&token).await);
    server.clock().advance_ms(1);
    app.userinfo(&token).await.assert_error(401, "invalid_token");
    assert!(!app.is_active(&token).await);
}

#[both_engines]
async fn an_access_token_without_openid_is_not_for_userinfo() {
    let server = TestServer::start().await;
    let app = server.client("shop").first_party().create().await;
    let url = app.authorize().with("scope", "email").with_pkce().url();
    let code = server.browser().log_in("alice").await.authorize_with(&url).await.code();
    let verifier = "a-verifier-that-is-long-enough-0123456789-._~";
    let tokens = app.redeem_with(&code, verifier).await.ok();
    assert_eq!(tokens.id_token, None, "no ID token either");
    let answer = app.userinfo(&tokens.access_token).await;
    answer.assert_error(403, "insufficient_scope");
    assert!(
        answer.header("www-authenticate").is_some_and(|challenge| challenge.contains("insufficient_scope"))
    );
}

#[both_engines]
async fn a_scope_taken_from_the_client_is_gone_at_the_next_use() {
    let server = TestServer::start().await;
    let app = server.client("shop").first_party().create().await;
    let token = tokens(&server, &app, &app.authorize_url()).await.access_token;
    let app = app.change(|client| client.scopes = client.scopes.without("email")).await;
    assert!(app.userinfo(&token).await.ok().get("email").is_none());
    let app = app.change(|client| client.scopes = client.scopes.without("openid")).await;
    app.userinfo(&token).await.assert_error(401, "invalid_token");
}

#[both_engines]
async fn pe11_permissions_are_there_when_asked_for_and_only_for_objects_that_the_client_may_see() {
    let server = TestServer::start().await;
    server.user("alice").create().await;
    let friends = server.group("friends", &["alice"]).await;
    server.permit("alice", "object1", &["write", "read"]).await;
    server.permit_group(&friends, "object2", &["read"]).await;
    server.permit("alice", "hidden", &["read"]).await;
    let ours = server.client("ours").first_party().create().await;
    let theirs = server.client("theirs").objects(&["object1", "object2", "unborn"]).create().await;
    let ask = async |app: &ClientApp, claims: Value| {
        let tokens = tokens(&server, app, &app.authorize().with("claims", &claims.to_string()).url()).await;
        let id_token = server.verify(tokens.id_token()).await;
        assert!(!id_token.contains_key("authmachine_permissions"), "the ID token stays small");
        app.userinfo(&tokens.access_token).await.ok().get("authmachine_permissions").cloned()
    };
    let codes = ["hidden", "object1", "object2", "unborn"];
    let standard = |codes: &[&str]| json!({ "userinfo": { "authmachine_permissions": { "values": codes } } });
    let top = |codes: &[&str]| json!({ "authmachine_permissions": codes });

    assert_eq!(ask(&ours, json!({})).await, None, "not asked for, not there");
    let all = json!({ "hidden": ["read"], "object1": ["read", "write"], "object2": ["read"], "unborn": [] });
    for question in [
        standard(&codes),
        top(&codes),
        json!({ "id_token": { "authmachine_permissions": { "values": codes } } }),
    ] {
        assert_eq!(ask(&ours, question).await, Some(all.clone()));
    }
    // Checklist AZ8, EN4: what the client may not see answers like what does not exist.
    let seen = json!({ "hidden": [], "object1": ["read", "write"], "object2": ["read"], "unborn": [] });
    assert_eq!(ask(&theirs, top(&codes)).await, Some(seen));
    assert_eq!(
        ask(&theirs, top(&["never-made", "hidden"])).await,
        Some(json!({ "never-made": [], "hidden": [] }))
    );
    // Null asks for the objects attached to the client.
    let attached = json!({ "object1": ["read", "write"], "object2": ["read"], "unborn": [] });
    assert_eq!(ask(&theirs, json!({ "authmachine_permissions": null })).await, Some(attached));
}

#[both_engines]
async fn pe1_permissions_are_live_and_end_with_their_grant() {
    use authmachine_provider::permission_records::{Holder, Target};
    let server = TestServer::start().await;
    let alice = server.user("alice").create().await;
    server.permit("alice", "object1", &["read"]).await;
    let app = server.client("ours").first_party().create().await;
    let url = app.authorize().with("claims", "{\"authmachine_permissions\":[\"object1\"]}").url();
    let token = tokens(&server, &app, &url).await.access_token;
    let held = async || app.userinfo(&token).await.ok()["authmachine_permissions"]["object1"].clone();
    assert_eq!(held().await, json!(["read"]));

    server.permit("alice", "object1", &["write"]).await;
    assert_eq!(held().await, json!(["read", "write"]));
    server
        .write(move |tx| {
            let object = tx.find_object("object1")?.expect("made").id;
            let read = tx.find_permission_type("read")?.expect("made").id;
            let (holder, target) = (Holder::User(alice.id), Target::Object(object));
            let grant = tx.find_same_grant(holder, &target, read, None)?.expect("granted");
            tx.remove_permission_grant(grant)
        })
        .await;
    assert_eq!(held().await, json!(["write"]));
}

#[both_engines]
async fn pe11_twenty_permissions_fit_into_a_cookie() {
    let server = TestServer::start().await;
    server.user("alice").claim("name", "Alice Liddell").create().await;
    let types: Vec<_> = (0..10).map(|n| format!("permission-{n}")).collect();
    let types: Vec<&str> = types.iter().map(String::as_str).collect();
    for object in ["object1", "object2"] {
        server.permit("alice", object, &types).await;
    }
    let app = server.client("test").first_party().create().await;
    let url = app.authorize().with("claims", "{\"authmachine_permissions\":[\"object1\",\"object2\"]}").url();
    let tokens = tokens(&server, &app, &url).await;
    let userinfo = app.userinfo(&tokens.access_token).await;
    // The Flask app keeps both, the ID token decoded and raw, signed and in base64 (seed contract, «Size matters»).
    let id_token = Value::Object(server.verify(tokens.id_token()).await).to_string();
    let kept = tokens.body.to_string().len() + id_token.len() + userinfo.body.len();
    assert!(kept * 4 / 3 < 4_093, "{kept} bytes");
}
