//! What a node knows of permissions: its index, when it may not be believed, and where the answers are carried.

use std::time::{Duration, Instant};

use authmachine_permissions::{Holder, Index};
use authmachine_testkit::{ClientApp, TestServer, both_engines, on_postgres};
use serde_json::{Value, json};

use crate::jobs::until;
use crate::rights::{On, Rights};

/// How many decisions the index made, and how many the database.
fn decisions(server: &TestServer) -> [u64; 2] {
    ["index", "database"].map(|source| {
        server.metric(&format!("authmachine_permission_decisions_total{{source=\"{source}\"}}"))
    })
}

/// Groups in groups, types that imply, objects in objects, a right that was lent, one under a condition.
async fn house() -> Rights {
    let server = TestServer::start().await;
    let rights = Rights(server.clone());
    for name in ["alice", "bob"] {
        server.user(name).create().await;
    }
    let inner = server.group("inner", &["alice"]).await;
    let outer = server.group("outer", &[]).await;
    rights.nest(&inner, &outer).await;
    for (code, implies) in [("read", &[][..]), ("write", &["read"]), ("own", &["write"])] {
        rights.permission_type(code, implies).await;
    }
    rights.object("house", "building", None, "").await;
    rights.object("room", "object", Some("house"), r#"{"floor":2}"#).await;
    rights.object("roof", "object", Some("house"), r#"{"floor":3}"#).await;
    rights.grant(Holder::Group(outer.id), On::WithChildren("house"), "own", "").await;
    let floor = r#"{"eq":[{"attribute":"resource.floor"},3]}"#;
    rights.grant(Holder::Everyone, On::All("object"), "read", floor).await;
    rights
}

/// A sign-in of `name` at `app` that asks for permissions on objects.
async fn tokens(
    app: &ClientApp,
    server: &TestServer,
    name: &str,
    objects: &[&str],
) -> authmachine_testkit::Tokens {
    let claims = json!({ "authmachine_permissions": objects }).to_string();
    let url = app.authorize().with("claims", &claims).url();
    let code = server.browser().log_in(name).await.follow(&url).await.code();
    app.redeem(&code).await.ok()
}

#[both_engines]
async fn every_carrier_knows_nested_groups_implied_types_children_and_conditions() {
    let rights = house().await;
    let server = &rights.0;
    rights.index().await;
    let app = server.client("shop").first_party().create().await;
    let api = server.api_token("api").await;
    for (name, expected) in [
        (
            "alice",
            json!({ "house": ["own", "read", "write"], "roof": ["own", "read", "write"], "other": [] }),
        ),
        ("bob", json!({ "house": [], "roof": ["read"], "other": [] })),
    ] {
        let tokens = tokens(&app, server, name, &["house", "roof", "other"]).await;
        let userinfo = app.userinfo(&tokens.access_token).await.ok();
        assert_eq!(userinfo["authmachine_permissions"], expected);
        let introspected = app.introspect(&tokens.access_token).await.ok();
        assert_eq!(introspected["authmachine_permissions"], expected);
        let sub = server.find_user(name).await.expect("made").sub;
        let answer = api.permissions(&sub, &["house", "roof", "other"]).await.ok();
        assert_eq!(answer["permissions"], expected);
        // Without a question: every object on which there is something.
        let answer = api.permissions(&sub, &[]).await.ok();
        let held = expected.as_object().expect("a map").iter();
        for (code, types) in held.filter(|(_, types)| **types != json!([])) {
            assert_eq!(answer["permissions"][code], *types, "{code}");
        }
        assert_eq!(answer["permissions"].get("other"), None);
        // PE11: an ID token has none of it unless its client is set so; no token says that somebody acts for another.
        let id_token = server.verify(tokens.id_token()).await;
        for name in ["authmachine_permissions", "_claim_names", "act"] {
            assert!(!id_token.contains_key(name) && userinfo.get("act").is_none(), "{name}");
        }
    }
    let [by_index, by_database] = decisions(server);
    assert!(by_index >= 8 && by_database == 0, "{by_index} {by_database}");
}

#[both_engines]
async fn a_right_taken_away_is_gone_from_every_carrier_at_once() {
    let rights = house().await;
    let server = &rights.0;
    rights.index().await;
    let app = server.client("shop").first_party().create().await;
    let outer =
        server.store().read(|reads| reads.find_group("outer")).await.expect("answers").expect("made").id;
    let tokens = tokens(&app, server, "alice", &["house"]).await;
    let held =
        async || app.userinfo(&tokens.access_token).await.ok()["authmachine_permissions"]["house"].clone();
    assert_eq!(held().await, json!(["own", "read", "write"]));
    rights.take_back(Holder::Group(outer)).await;
    assert_eq!(held().await, json!([]));
    rights.grant(Holder::Group(outer), On::Object("house"), "read", "").await;
    assert_eq!(held().await, json!(["read"]));
    assert_eq!(decisions(server)[1], 0, "what a node wrote itself its index has");
}

#[both_engines]
async fn pe11_an_id_token_carries_what_fits_and_else_says_where_it_is() {
    let rights = house().await;
    let server = &rights.0;
    let app = server.client("shop").first_party().create().await;
    let app = app.change(|client| client.permissions_in_id_token = true).await;
    server.permit("alice", "object1", &["read"]).await;
    let small = tokens(&app, server, "alice", &["object1", "object2"]).await;
    let claims = server.verify(small.id_token()).await;
    assert_eq!(claims["authmachine_permissions"], json!({ "object1": ["read"], "object2": [] }));
    // A refresh says how things are then.
    server.permit("alice", "object2", &["read"]).await;
    let again = app.refresh(small.refresh_token()).await.ok();
    let claims = server.verify(again.id_token()).await;
    assert_eq!(claims["authmachine_permissions"], json!({ "object1": ["read"], "object2": ["read"] }));

    let codes: Vec<String> = (0..90).map(|n| format!("{n:03}-{}", "x".repeat(40))).collect();
    let codes: Vec<&str> = codes.iter().map(String::as_str).collect();
    let large = tokens(&app, server, "alice", &codes).await;
    assert!(large.id_token().len() <= 4_096);
    let claims = server.verify(large.id_token()).await;
    assert!(!claims.contains_key("authmachine_permissions"), "a part would be a wrong answer");
    assert_eq!(claims["_claim_names"], json!({ "authmachine_permissions": "userinfo" }));
    assert_eq!(
        claims["_claim_sources"],
        json!({ "userinfo": { "endpoint": "https://id.example/oidc/userinfo" } })
    );
    let userinfo = app.userinfo(&large.access_token).await.ok();
    assert_eq!(userinfo["authmachine_permissions"].as_object().map(serde_json::Map::len), Some(90));
    // Who does not ask has neither.
    let plain = app.redeem(&server.browser().log_in("alice").await.authorize(&app).await.code()).await.ok();
    let claims = server.verify(plain.id_token()).await;
    assert!(!claims.contains_key("authmachine_permissions") && !claims.contains_key("_claim_names"));
}

#[both_engines]
async fn the_permission_call_answers_in_the_shape_that_is_set() {
    use authmachine_permissions::AnswerShape::{Flat, Merged, Wrapped};
    for (shape, expected) in [
        (Merged, r#"{"is_superuser":false,"permissions":{"object1":["read"]},"object1":["read"]}"#),
        (Wrapped, r#"{"is_superuser":false,"permissions":{"object1":["read"]}}"#),
        (Flat, r#"{"object1":["read"]}"#),
    ] {
        let server = TestServer::start_with(|settings| settings.permissions.answer_shape = shape).await;
        let alice = server.user("alice").create().await;
        server.permit("alice", "object1", &["read"]).await;
        let api = server.api_token("api").await;
        assert_eq!(api.permissions(&alice.sub, &["object1"]).await.text(), expected);
    }
}

#[both_engines]
async fn the_permission_call_says_its_revision_and_may_be_asked_for_one() {
    let server = TestServer::start().await;
    let alice = server.user("alice").create().await;
    server.permit("alice", "object1", &["read"]).await;
    let api = server.api_token("api").await;
    let newest = server.store().newest_revision().to_string();
    let answer = api.permissions(&alice.sub, &["object1"]).await;
    assert_eq!(answer.assert_status(200).header("authmachine-revision"), Some(newest.as_str()));
    let target = format!("/api/scim/v1/Users/{}/permissions?object=object1", alice.sub);
    let demand = |revision: &str| {
        server.get(&target).bearer(&api.token).header("authmachine-at-least-revision", revision).send()
    };
    demand(&newest).await.assert_status(200);
    demand("x").await.assert_status(400);
}

/// What the API says that alice may do on an object.
async fn asked(server: &TestServer, token: &str, object: &str) -> Value {
    let sub = server.find_user("alice").await.expect("made").sub;
    let target = format!("/api/scim/v1/Users/{sub}/permissions?object={object}");
    server.get(&target).bearer(token).send().await.ok()["permissions"][object].clone()
}

#[on_postgres]
async fn pe7_what_is_revoked_at_one_node_is_gone_at_the_other_within_a_second() {
    let rights = house().await;
    let server = &rights.0;
    let other = server.second_node().await;
    let jobs = [server, &other].map(|node| authmachine_server::jobs::start(node.app().clone()));
    for node in [server, &other] {
        until("there is an index", async || node.app().permissions.has_index()).await;
    }
    let api = server.api_token("api").await;
    server.permit("alice", "object1", &["read"]).await;
    let alice = rights.user("alice").await;
    for _ in 0..5 {
        until("the other node knows", async || asked(&other, &api.token, "object1").await == json!(["read"]))
            .await;
        rights.take_back(Holder::User(alice)).await;
        assert_eq!(asked(server, &api.token, "object1").await, json!([]), "the node itself knows at once");
        let began = Instant::now();
        until("the other node knows", async || asked(&other, &api.token, "object1").await == json!([])).await;
        assert!(began.elapsed() < Duration::from_secs(1), "{:?}", began.elapsed());
        server.permit("alice", "object1", &["read"]).await;
    }
    assert!(decisions(&other)[0] > 0);
    for jobs in jobs {
        jobs.stop().await;
    }
}

#[on_postgres]
async fn a_node_may_be_asked_for_a_revision_that_it_has_not_seen_yet() {
    let rights = house().await;
    let server = &rights.0;
    let other = server.second_node().await;
    Rights(other.clone()).index().await;
    let api = server.api_token_with("gateway", |token| {
        token.scopes = authmachine_protocol::Scopes::parse("authzen").expect("a scope");
    });
    let api = api.await;
    server.permit("alice", "object1", &["read"]).await;
    let sub = server.find_user("alice").await.expect("made").sub;
    let body = json!({ "subject": { "type": "user", "id": sub }, "action": { "name": "read" },
        "resource": { "type": "object", "id": "object1" } });
    let request = || other.post("/access/v1/evaluation").bearer(&api.token).json(&body);
    // No job follows the database here.
    assert_eq!(request().send().await.ok(), json!({ "decision": false }));
    let revision = server.store().newest_revision().to_string();
    let answer = request().header("authmachine-at-least-revision", &revision).send().await;
    assert_eq!(answer.ok(), json!({ "decision": true }));
    assert_eq!(answer.header("authmachine-revision"), Some(revision.as_str()));
}

#[both_engines]
async fn pe1_an_index_that_hears_nothing_of_the_database_is_not_believed() {
    let server =
        TestServer::start_with(|settings| settings.permissions.believed_for = Duration::from_millis(300))
            .await;
    server.user("alice").create().await;
    server.permit("alice", "object1", &["read"]).await;
    let api = server.api_token("api").await;
    Rights(server.clone()).index().await;
    asked(&server, &api.token, "object1").await;
    assert_eq!(decisions(&server), [1, 0]);
    tokio::time::sleep(Duration::from_millis(350)).await;
    assert_eq!(asked(&server, &api.token, "object1").await, json!(["read"]));
    assert_eq!(decisions(&server), [1, 1], "the database was asked");
    // It is followed again.
    let jobs = authmachine_server::jobs::start(server.app().clone());
    until("the index is believed again", async || {
        asked(&server, &api.token, "object1").await;
        decisions(&server)[0] > 1
    })
    .await;
    jobs.stop().await;
}

#[on_postgres]
async fn pe1_without_index_and_database_there_is_no_answer() {
    let server = TestServer::start_with(|settings| settings.permissions.believed_for = Duration::ZERO).await;
    let alice = server.user("alice").create().await;
    server.permit("alice", "object1", &["read"]).await;
    let api = server.api_token("api").await;
    Rights(server.clone()).index().await;
    api.permissions(&alice.sub, &["object1"]).await.assert_status(200);
    server.cut_database();
    api.permissions(&alice.sub, &["object1"]).await.assert_status(503);
    let body = json!({});
    let request = server.post("/access/v1/evaluation").bearer(&api.token).json(&body);
    let answer = request.send().await;
    answer.assert_status(503);
    assert!(answer.header("retry-after").is_some());
    server.mend_database();
    until("it answers again", async || api.permissions(&alice.sub, &["object1"]).await.status == 200).await;
}

#[both_engines]
async fn above_the_memory_ceiling_the_database_answers() {
    use authmachine_server::permissions::{NoIndex, build};
    let server = TestServer::start_with(|settings| settings.permissions.index_max_bytes = 100).await;
    server.user("alice").create().await;
    server.permit("alice", "object1", &["read"]).await;
    let api = server.api_token("api").await;
    assert!(matches!(build(server.app()).await, Err(NoIndex::TooLarge)));
    assert_eq!(asked(&server, &api.token, "object1").await, json!(["read"]));
    assert_eq!(decisions(&server), [0, 1]);
}

#[both_engines]
async fn pe2_an_index_that_is_wrong_is_noticed() {
    let server = TestServer::start_with(|settings| settings.permissions.sample_one_in = 1).await;
    let rights = Rights(server.clone());
    let sub = server.user("alice").create().await.sub;
    server.permit("alice", "object1", &["read"]).await;
    let api = server.api_token_with("gateway", |token| {
        token.scopes = authmachine_protocol::Scopes::parse("authzen").expect("a scope");
    });
    let api = api.await;
    rights.index().await;
    let body = json!({ "subject": { "type": "user", "id": sub }, "action": { "name": "read" },
        "resource": { "type": "object", "id": "object1" } });
    let decision = async || {
        let request = server.post("/access/v1/evaluation").bearer(&api.token).json(&body);
        request.send().await.ok()["decision"].clone()
    };
    assert_eq!(decision().await, json!(true));
    until("it is checked", async || server.metric("authmachine_permission_checks_total") == 1).await;
    assert_eq!(server.metric("authmachine_permission_disagreements_total"), 0);

    // One that says of itself that it knows all, and has lost its grants.
    let store = server.store().clone();
    let wrong = tokio::task::spawn_blocking(move || {
        store.permission_snapshot(|records, revision| {
            let lost = records.filter(|record| !matches!(record, authmachine_permissions::Record::Grant(_)));
            Index::build(lost, revision, false).expect("an index")
        })
    });
    server.app().permissions.put(wrong.await.expect("no panic").expect("the store answers"));
    assert_eq!(decision().await, json!(false));
    until("it is noticed", async || server.metric("authmachine_permission_disagreements_total") == 1).await;
    let line =
        server.log().into_iter().find(|line| line.contains("disagree")).expect("a line for the operator");
    assert!(line.contains("object1") && !line.contains(&api.token));
}

#[both_engines]
async fn the_index_is_built_by_itself_and_follows_what_others_write() {
    let rights = house().await;
    let server = &rights.0;
    let api = server.api_token("api").await;
    // Before it is there the database answers.
    asked(server, &api.token, "object1").await;
    assert_eq!(decisions(server), [0, 1]);
    let jobs = authmachine_server::jobs::start(server.app().clone());
    until("there is an index", async || server.app().permissions.has_index()).await;
    assert!(server.metric("authmachine_permission_index_bytes") > 0);
    assert_eq!(server.metric("authmachine_permission_index_builds_total"), 1);
    // Many changes: it gets a new base, and none is lost.
    for n in 0..40 {
        server.permit("alice", &format!("object{n}"), &["read"]).await;
    }
    for n in 0..40 {
        assert_eq!(asked(server, &api.token, &format!("object{n}")).await, json!(["read"]), "{n}");
    }
    assert_eq!(
        server.metric("authmachine_permission_index_revision"),
        server.store().newest_revision(),
        "it has all of it"
    );
    jobs.stop().await;
}
