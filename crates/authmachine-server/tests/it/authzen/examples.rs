//! The examples of the specification, answered exactly as it answers them; what it calls `context` in a decision is ours to leave out.

use authmachine_provider::subject_ids::SubjectIds;
use authmachine_testkit::both_engines;
use serde_json::{Value, json};

use super::World;
use crate::rights::On;

/// Alice and bob by their addresses; accounts and documents, of which some may be read.
async fn world() -> World {
    let world = World::make_with(|token| token.subject_ids = SubjectIds::Email).await;
    for code in ["can_read", "can_write", "can_edit"] {
        world.rights.permission_type(code, &[]).await;
    }
    for code in ["123", "456", "789"] {
        world.rights.object(code, "account", None, "").await;
        world.permit("alice", On::Object(code), "can_read", "").await;
    }
    world.permit("alice", On::Object("123"), "can_write", "").await;
    world.permit("bob", On::Object("123"), "can_read", "").await;
    for code in ["1", "2", "3", "boxcarring.md", "subject-search.md", "resource-search.md"] {
        world.rights.object(code, "document", None, "").await;
    }
    for (code, permission) in
        [("1", "read"), ("3", "read"), ("boxcarring.md", "can_read"), ("resource-search.md", "can_edit")]
    {
        world.permit("alice", On::Object(code), permission, "").await;
    }
    world
}

#[both_engines]
async fn the_evaluations_of_the_specification_are_answered_exactly() {
    let world = world().await;
    let server = world.server();
    assert_eq!(server.find_user("alice").await.expect("made").email.as_deref(), Some("alice@example.com"));

    // §6.1, and §10.1.4 with its request id.
    let body = json!({
        "subject": { "type": "user", "id": "alice@example.com" },
        "resource": { "type": "account", "id": "123" },
        "action": { "name": "can_read", "properties": { "method": "GET" } },
        "context": { "time": "1985-10-26T01:22-07:00" },
    });
    let id = "bfe9eb29-ab87-4ca3-be83-a1d5d8305716";
    let answer = world.request("evaluation", &body).header("x-request-id", id).send().await;
    assert_eq!(answer.assert_status(200).text(), r#"{"decision":true}"#);
    assert_eq!(
        (answer.header("x-request-id"), answer.header("content-type")),
        (Some(id), Some("application/json"))
    );

    // §7.1.1: subject, action and context said once; one action of its own.
    let documents = |of: &[&str]| -> Vec<Value> {
        of.iter().map(|id| json!({ "resource": { "type": "document", "id": id } })).collect()
    };
    let mut evaluations = documents(&["boxcarring.md", "subject-search.md", "resource-search.md"]);
    evaluations[2]["action"] = json!({ "name": "can_edit" });
    let body = json!({
        "subject": { "type": "user", "id": "alice@example.com" },
        "context": { "time": "2024-05-31T15:22-07:00" },
        "action": { "name": "can_read" },
        "evaluations": evaluations,
    });
    let answer = world.ask("evaluations", &body).await;
    let expected = r#"{"evaluations":[{"decision":true},{"decision":false},{"decision":true}]}"#;
    assert_eq!(answer.assert_status(200).text(), expected);

    // §7.1: the same with nothing said once.
    let whole: Vec<Value> = body["evaluations"]
        .as_array()
        .expect("three")
        .iter()
        .map(|one| {
            let action = one.get("action").unwrap_or(&body["action"]);
            json!({ "subject": body["subject"], "action": action, "resource": one["resource"], "context": body["context"] })
        })
        .collect();
    assert_eq!(world.ask("evaluations", &json!({ "evaluations": whole })).await.text(), expected);

    // §7.1.2.1.1.
    for (semantic, expected) in [
        ("execute_all", expected),
        ("deny_on_first_deny", r#"{"evaluations":[{"decision":true},{"decision":false}]}"#),
        ("permit_on_first_permit", r#"{"evaluations":[{"decision":true}]}"#),
    ] {
        let body = json!({
            "subject": { "type": "user", "id": "alice@example.com" },
            "action": { "name": "read" },
            "options": { "evaluations_semantic": semantic, "another_option": "value" },
            "evaluations": documents(&["1", "2", "3"]),
        });
        assert_eq!(world.ask("evaluations", &body).await.assert_status(200).text(), expected, "{semantic}");
    }
}

#[both_engines]
async fn the_searches_of_the_specification_are_answered_exactly() {
    let world = world().await;
    let alice = json!({ "type": "user", "id": "alice@example.com" });
    let account = json!({ "type": "account", "id": "123" });
    let can_read = json!({ "name": "can_read" });
    let context = json!({ "time": "2024-10-26T01:22-07:00" });

    // §8.4.2
    let body =
        json!({ "subject": { "type": "user" }, "action": can_read, "resource": account, "context": context });
    let answer = world.ask("search/subject", &body).await;
    let expected =
        r#"{"results":[{"type":"user","id":"alice@example.com"},{"type":"user","id":"bob@example.com"}]}"#;
    assert_eq!(answer.assert_status(200).text(), expected);
    // §8.5.2, of which our third account is one more.
    let body = json!({ "subject": alice, "action": can_read, "resource": { "type": "account" } });
    let answer = world.ask("search/resource", &body).await;
    let expected = r#"{"results":[{"type":"account","id":"123"},{"type":"account","id":"456"},{"type":"account","id":"789"}]}"#;
    assert_eq!(answer.assert_status(200).text(), expected);
    // §8.6.2
    let body = json!({ "subject": alice, "resource": account, "context": context });
    let answer = world.ask("search/action", &body).await;
    assert_eq!(answer.assert_status(200).text(), r#"{"results":[{"name":"can_read"},{"name":"can_write"}]}"#);

    // §8.2.3: three results in two pages.
    let mut body = json!({ "subject": alice, "action": can_read, "resource": { "type": "account" }, "page": { "limit": 2 } });
    let first = world.ask("search/resource", &body).await.ok();
    let token = first["page"]["next_token"].as_str().expect("more follows");
    assert!(!token.is_empty());
    assert_eq!(
        first["results"],
        json!([{ "type": "account", "id": "123" }, { "type": "account", "id": "456" }])
    );
    body["page"] = json!({ "token": token });
    let second = world.ask("search/resource", &body).await;
    let expected = r#"{"page":{"next_token":""},"results":[{"type":"account","id":"789"}]}"#;
    assert_eq!(second.assert_status(200).text(), expected);
}

#[both_engines]
async fn the_metadata_of_the_specification_are_those_of_this_issuer() {
    let world = World::make().await;
    let answer = world.server().get("/.well-known/authzen-configuration").send().await;
    // §9.2.2: application/json, no parameters without values.
    assert_eq!(answer.header("content-type"), Some("application/json"));
    assert_eq!(answer.header("cache-control"), Some("public, max-age=300"), "§11.9");
    assert_eq!(
        answer.ok(),
        json!({
            "policy_decision_point": "https://id.example",
            "access_evaluation_endpoint": "https://id.example/access/v1/evaluation",
            "access_evaluations_endpoint": "https://id.example/access/v1/evaluations",
            "search_subject_endpoint": "https://id.example/access/v1/search/subject",
            "search_resource_endpoint": "https://id.example/access/v1/search/resource",
            "search_action_endpoint": "https://id.example/access/v1/search/action",
        })
    );
    // Each of them is there.
    for url in answer.ok().as_object().expect("an object").values().skip(1) {
        let path = url.as_str().expect("a URL").trim_start_matches("https://id.example");
        if path.starts_with("/access") {
            world.server().post(path).send().await.assert_status(401);
        }
    }
}
