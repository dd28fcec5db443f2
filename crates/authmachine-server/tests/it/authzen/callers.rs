//! Who may ask, about what, and by which names.

use authmachine_permissions::Holder;
use authmachine_protocol::{ClientAuthMethod, GrantType, Scopes, basic_auth};
use authmachine_provider::client::ObjectScope;
use authmachine_provider::subject_ids::SubjectIds;
use authmachine_provider::user::UserStatus;
use authmachine_testkit::{Answer, ClientApp, both_engines};
use serde_json::{Value, json};

use super::{World, assert_refused, evaluation};
use crate::rights::On;

/// A client that may ask, and acts for itself.
async fn client(world: &World, id: &str, scopes: &str) -> ClientApp {
    let grants = [GrantType::AuthorizationCode, GrantType::RefreshToken, GrantType::ClientCredentials];
    let app = world.server().client(id).scopes(scopes).grants(&grants).first_party().create().await;
    app.change(|client| client.subject_ids = SubjectIds::Username).await
}

async fn ask(world: &World, authorization: &str) -> Answer {
    let body = evaluation("alice", "read", "door");
    world
        .server()
        .post("/access/v1/evaluation")
        .header("authorization", authorization)
        .json(&body)
        .send()
        .await
}

async fn own_token(app: &ClientApp, scope: &str) -> String {
    app.token(&[("grant_type", "client_credentials"), ("scope", scope)]).await.ok().access_token
}

#[both_engines]
async fn ad1_only_those_who_may_ask_are_answered() {
    let world = World::make().await;
    let app = client(&world, "pep", "openid authzen other:scope").await;
    let secret = app.secret.as_deref().expect("it has one");
    let good = [
        format!("Bearer {}", world.api.token),
        format!("Token {}", world.api.token),
        basic_auth::encode(app.id(), secret),
        format!("Bearer {}", own_token(&app, "authzen").await),
    ];
    for authorization in &good {
        assert_eq!(ask(&world, authorization).await.ok(), json!({ "decision": true }), "{authorization:.8}");
    }

    // 401 with challenges: nobody, or nobody that can be believed.
    let bare = world.server().post("/access/v1/evaluation").json(&json!({})).send().await;
    assert_refused(&bare, 401);
    for scheme in ["Bearer", "Basic"] {
        let challenges: Vec<_> = bare.headers.get_all("www-authenticate").iter().collect();
        assert!(challenges.iter().any(|challenge| challenge.as_bytes().starts_with(scheme.as_bytes())));
    }
    let (token, revoked) = (own_token(&app, "authzen").await, own_token(&app, "authzen").await);
    app.revoke(&revoked).await.assert_status(200);
    for bad in [
        "Bearer",
        "Bearer x",
        "Token x",
        "Digest x",
        "Basic x",
        &format!("Bearer {revoked}"),
        &format!("Bearer {token}x"),
        &format!("Token {token}"),
        &basic_auth::encode(app.id(), "wrong"),
        &basic_auth::encode("nobody", secret),
        &basic_auth::encode(app.id(), ""),
    ] {
        let answer = ask(&world, bad).await;
        assert_refused(&answer, 401);
        assert!(answer.headers.contains_key("www-authenticate"), "{bad}");
    }

    // 403: somebody who may not ask. A person's token is not the client's.
    let person = world.server().browser().log_in("alice").await;
    let code = person.follow(&app.authorize().with("scope", "openid authzen").url()).await.code();
    let persons = app.redeem(&code).await.ok().access_token;
    let reader = world.server().api_token("reader").await;
    let other = client(&world, "other", "openid other:scope").await;
    for bad in [
        &format!("Bearer {persons}"),
        &format!("Bearer {}", own_token(&app, "other:scope").await),
        &format!("Bearer {}", reader.token),
        &basic_auth::encode(other.id(), other.secret.as_deref().expect("it has one")),
    ] {
        assert_refused(&ask(&world, bad).await, 403);
    }

    // What ends, ends at once.
    let now = world.server().clock().now();
    app.change(|client| client.disabled = true).await;
    world.server().write(move |tx| tx.revoke_api_token("gateway", now)).await;
    for authorization in &good {
        assert_refused(&ask(&world, authorization).await, 401);
    }
}

#[both_engines]
async fn a_public_client_asks_nothing() {
    let world = World::make().await;
    let spa = world
        .server()
        .client("spa")
        .scopes("openid authzen")
        .auth_method(ClientAuthMethod::None)
        .create()
        .await;
    assert_refused(&ask(&world, &basic_auth::encode(spa.id(), "")).await, 401);
}

#[both_engines]
async fn bf1_wrong_credentials_are_slowed_down_and_right_ones_are_not() {
    let world = World::make().await;
    for _ in 0..20 {
        ask(&world, "Token wrong").await.assert_status(401);
    }
    let answer = ask(&world, "Token wrong").await;
    assert_refused(&answer, 429);
    assert!(answer.header("retry-after").is_some());
    ask(&world, &format!("Token {}", world.api.token)).await.assert_status(200);
}

#[both_engines]
async fn pe12_an_object_out_of_sight_is_as_good_as_none() {
    let world = World::make().await;
    for code in ["shop/1", "shop/2", "shop"] {
        world.server().permit("alice", code, &["read"]).await;
    }
    let ask = async |token: &str, endpoint: &str, body: &Value| {
        let request = world.server().post(&format!("/access/v1/{endpoint}")).bearer(token).json(body);
        request.send().await.assert_status(200).text().to_owned()
    };
    let all = ["door", "shop", "shop/1", "shop/2"];
    for (name, objects, seen) in [
        ("all", ObjectScope::All, &all[..]),
        ("attached", ObjectScope::Attached(vec!["door".to_owned(), "shop".to_owned()]), &["door", "shop"]),
        ("prefix", ObjectScope::Attached(vec!["shop/*".to_owned()]), &["shop/1", "shop/2"]),
        ("none", ObjectScope::Attached(Vec::new()), &[]),
    ] {
        let api = world.server().api_token_with(name, |token| {
            token.scopes = Scopes::parse("authzen permissions:read").expect("scopes");
            (token.subject_ids, token.objects) = (SubjectIds::Username, objects);
        });
        let token = api.await.token;
        let unknown = ask(&token, "evaluation", &evaluation("alice", "read", "unknown")).await;
        for code in all {
            let body = evaluation("alice", "read", code);
            let is_seen = seen.contains(&code);
            let answer = ask(&token, "evaluation", &body).await;
            assert_eq!(answer == unknown, !is_seen, "{name} {code}: {answer}");
            let nobody = r#"{"results":[]}"#;
            assert_eq!(ask(&token, "search/subject", &body).await == nobody, !is_seen, "{name} {code}");
            assert_eq!(ask(&token, "search/action", &body).await == nobody, !is_seen, "{name} {code}");
        }
        let found: Value =
            serde_json::from_str(&ask(&token, "search/resource", &evaluation("alice", "read", "")).await)
                .expect("JSON");
        let expected: Vec<Value> = seen.iter().map(|code| json!({ "type": "object", "id": code })).collect();
        assert_eq!(found["results"], json!(expected), "{name}");
    }
}

#[both_engines]
async fn whom_an_id_means_is_a_setting_of_the_caller_and_never_guessed() {
    let world = World::make().await;
    let alice = world.server().find_user("alice").await.expect("made");
    let address = alice.email.expect("she has one");
    let names = [alice.sub.as_str(), "alice", address.as_str()];
    for (own, ids) in names.iter().zip(SubjectIds::ALL) {
        let token = world.server().api_token_with(ids.as_str(), |token| {
            token.scopes = Scopes::parse("authzen").expect("a scope");
            token.subject_ids = ids;
        });
        let token = token.await.token;
        for name in names {
            let body = evaluation(name, "read", "door");
            let answer = world.server().post("/access/v1/evaluation").bearer(&token).json(&body).send().await;
            assert_eq!(answer.ok()["decision"], json!(name == *own), "{name} by {ids:?}");
        }
        let body = json!({ "subject": { "type": "user" }, "action": { "name": "read" }, "resource": { "type": "object", "id": "door" } });
        let answer = world.server().post("/access/v1/search/subject").bearer(&token).json(&body).send().await;
        assert_eq!(answer.ok()["results"], json!([{ "type": "user", "id": own }]));
    }
    // A client that knows people by pairwise subjects learns no other name of theirs.
    let app = world.server().client("pairwise").scopes("openid authzen").pairwise("rp.example");
    let app = app.objects(&["door"]).create().await;
    let basic = basic_auth::encode(app.id(), app.secret.as_deref().expect("it has one"));
    let pairwise = world.server().app().secrets.subject(Some("rp.example"), &alice.sub);
    for name in [&pairwise, &alice.sub] {
        let body = evaluation(name, "read", "door");
        for (endpoint, nothing) in
            [("evaluation", json!({ "decision": false })), ("search/subject", json!({ "results": [] }))]
        {
            let request = world.server().post(&format!("/access/v1/{endpoint}"));
            let answer = request.header("authorization", &basic).json(&body).send().await;
            assert_eq!(answer.ok(), nothing);
        }
    }
}

#[both_engines]
async fn groups_and_clients_are_subjects_as_well() {
    let world = World::make().await;
    let server = world.server();
    let app = client(&world, "robot", "openid authzen").await;
    let group = server.group("friends", &["bob"]).await;
    world.rights.object("window", "object", None, "").await;
    world.rights.grant(Holder::Group(group.id), On::Object("window"), "read", "").await;
    world.rights.grant(Holder::Client(app.record.id), On::Object("window"), "write", "").await;
    for (kind, id, action, expected) in [
        ("group", "friends", "read", true),
        ("group", "friends", "write", false),
        ("client", "robot", "write", true),
        ("client", "robot", "read", false),
        ("user", "bob", "read", true),
        ("user", "friends", "read", false),
        ("machine", "robot", "write", false),
    ] {
        let mut body = evaluation(id, action, "window");
        body["subject"]["type"] = json!(kind);
        assert_eq!(world.ask("evaluation", &body).await.ok()["decision"], json!(expected), "{kind} {id}");
        let found = world.found("subject", &body).await;
        assert_eq!(found.contains(&id.to_owned()), expected, "{kind} {id}: {found:?}");
    }
}

#[both_engines]
async fn pe6_what_is_stored_of_a_subject_beats_what_a_caller_says_unless_it_is_trusted() {
    let world = World::make().await;
    let server = world.server();
    world.rights.object("vault", "object", None, r#"{"level":1}"#).await;
    let condition = r#"{"all":[{"eq":[{"attribute":"subject.department"},"finance"]},{"eq":[{"attribute":"resource.level"},2]}]}"#;
    world.permit("alice", On::Object("vault"), "read", condition).await;
    server.user("carol").claim("department", "sales").create().await;
    world.permit("carol", On::Object("vault"), "read", condition).await;
    // The first condition that asks about subjects has the index built anew, with what is known of them.
    world.rights.index().await;
    let app = client(&world, "pep", "openid authzen").await;
    let basic = basic_auth::encode(app.id(), app.secret.as_deref().expect("it has one"));
    let decide = async |name: &str, level: i64| {
        let mut body = evaluation(name, "read", "vault");
        body["subject"]["properties"] = json!({ "department": "finance", "id": "other" });
        body["resource"]["properties"] = json!({ "level": level });
        let request = server.post("/access/v1/evaluation").header("authorization", &basic);
        request.json(&body).send().await.ok()["decision"].clone()
    };
    assert_eq!(decide("alice", 2).await, json!(true), "it fills a gap");
    assert_eq!(decide("alice", 1).await, json!(false), "the caller owns the resource");
    assert_eq!(decide("carol", 2).await, json!(false), "stored: sales");
    let id = app.record.id;
    server.write(move |tx| tx.set_client_trusted(id, true)).await;
    assert_eq!(decide("carol", 2).await, json!(true));
}

#[both_engines]
async fn ad1_a_locked_user_and_one_who_is_none_are_answered_alike() {
    let world = World::make().await;
    let (alice, now) = (world.rights.user("alice").await, world.server().clock().now());
    assert!(world.decision("alice", "read", "door").await);
    world.server().write(move |tx| tx.set_user_status(alice, UserStatus::Locked, now)).await;
    let [locked, nobody] = ["alice", "nobody"].map(|name| evaluation(name, "read", "door"));
    let (locked, nobody) = (world.ask("evaluation", &locked).await, world.ask("evaluation", &nobody).await);
    assert_eq!(locked.assert_status(200).body, nobody.assert_status(200).body);
}
