//! The scenario of the OpenID Foundation's certification («Authorization API 1.0 Certification Scenario»): its fixture in our grants,
//! its decisions and searches.

use authmachine_permissions::Holder;
use authmachine_testkit::both_engines;
use serde_json::{Value, json};

use super::World;
use crate::rights::On;

async fn world() -> World {
    let world = World::make().await;
    world.server().user("admin").create().await;
    world.rights.permission_type("delete", &[]).await;
    world.rights.object("record-1", "record", None, r#"{"status":"active"}"#).await;
    world.rights.object("record-2", "record", None, r#"{"status":"archived"}"#).await;
    for name in ["alice", "bob"] {
        world.permit(name, On::All("record"), "read", "").await;
    }
    let active = r#"{"ne":[{"attribute":"resource.status"},"archived"]}"#;
    world.permit("alice", On::All("record"), "write", active).await;
    let soft = r#"{"eq":[{"attribute":"action.soft"},true]}"#;
    world.permit("alice", On::Object("record-1"), "delete", soft).await;
    let admin = r#"{"all":[{"eq":[{"attribute":"subject.role"},"admin"]},{"eq":[{"attribute":"resource.status"},"archived"]}]}"#;
    world.rights.grant(Holder::Everyone, On::All("record"), "write", admin).await;
    // Stored of bob, so that searches know it.
    let (bob, now) = (world.server().find_user("bob").await.expect("made"), world.server().clock().now());
    world
        .server()
        .write(move |tx| {
            let mut bob = bob.clone();
            bob.claims.insert("role".to_owned(), "admin".into());
            bob.updated_at = now;
            tx.update_user(&bob).map(drop)
        })
        .await;
    // The first condition that asks about subjects has the index built anew, with what is known of them.
    world.rights.index().await;
    world
}

fn subject(id: &str) -> Value {
    json!({ "type": "user", "id": id })
}

fn record(id: &str, status: &str) -> Value {
    match status {
        "" => json!({ "type": "record", "id": id }),
        _ => json!({ "type": "record", "id": id, "properties": { "status": status } }),
    }
}

fn admin(id: &str) -> Value {
    json!({ "type": "user", "id": id, "properties": { "role": "admin" } })
}

#[both_engines]
async fn the_decisions_of_the_certification_scenario() {
    let world = world().await;
    let delete = |soft: bool| json!({ "name": "delete", "properties": { "soft": soft } });
    let named = |name: &str| json!({ "name": name });
    for (subject, action, resource, expected) in [
        (subject("alice"), named("read"), record("record-1", ""), true),
        (subject("alice"), named("write"), record("record-1", ""), true),
        (subject("bob"), named("read"), record("record-1", ""), true),
        (subject("bob"), named("write"), record("record-1", ""), false),
        (subject("alice"), named("write"), record("record-2", "archived"), false),
        (admin("bob"), named("write"), record("record-2", "archived"), true),
        (subject("alice"), delete(true), record("record-1", ""), true),
        (subject("alice"), delete(false), record("record-1", ""), false),
    ] {
        for context in [json!({}), json!({ "time": "2025-06-27T18:03-07:00", "ip": "192.168.1.1" })] {
            let body = json!({ "subject": subject, "action": action, "resource": resource, "context": context,
                "foo": "bar", "futureField": { "nested": true } });
            let answer = world.ask("evaluation", &body).await;
            assert_eq!(answer.ok(), json!({ "decision": expected }), "{body}");
        }
    }
    // Batches: properties of each item, whole entities replaced, an item that lacks something.
    for (body, expected) in [
        (
            json!({ "subject": subject("alice"), "action": named("write"), "resource": record("record-1", "active"),
                "evaluations": [{}, { "resource": record("record-2", "archived") }] }),
            [true, false],
        ),
        (
            json!({ "action": named("write"), "resource": record("record-2", "archived"),
                "evaluations": [{ "subject": subject("alice") }, { "subject": admin("bob") }] }),
            [false, true],
        ),
        (
            json!({ "subject": subject("alice"), "action": named("read"),
                "options": { "evaluations_semantic": "execute_all" },
                "evaluations": [{ "resource": record("record-1", "") }, {}] }),
            [true, false],
        ),
    ] {
        let expected = expected.map(|decision| json!({ "decision": decision }));
        assert_eq!(world.ask("evaluations", &body).await.ok(), json!({ "evaluations": expected }), "{body}");
    }
    for evaluations in [None, Some(json!([]))] {
        let mut body = json!({ "subject": subject("alice"), "action": named("read"), "resource": record("record-1", "") });
        if let Some(evaluations) = evaluations {
            body["evaluations"] = evaluations;
        }
        assert_eq!(world.ask("evaluations", &body).await.ok(), json!({ "decision": true }), "{body}");
    }
}

#[both_engines]
async fn the_searches_of_the_certification_scenario() {
    let world = world().await;
    let read = json!({ "name": "read" });
    let write = json!({ "name": "write" });
    for (what, body, expected) in [
        (
            "subject",
            json!({ "subject": { "type": "user" }, "action": read, "resource": record("record-1", "") }),
            &["alice", "bob"][..],
        ),
        (
            "subject",
            json!({ "subject": subject("alice"), "action": read, "resource": record("record-1", ""), "context": { "ip": "x" } }),
            &["alice", "bob"],
        ),
        (
            "subject",
            json!({ "subject": { "type": "user" }, "action": write, "resource": record("record-2", "archived") }),
            &["bob"],
        ),
        (
            "resource",
            json!({ "subject": subject("alice"), "action": read, "resource": record("record-1", "") }),
            &["record-1", "record-2"],
        ),
        (
            "resource",
            json!({ "subject": admin("bob"), "action": write, "resource": { "type": "record" } }),
            &["record-2"],
        ),
        (
            "action",
            json!({ "subject": subject("alice"), "resource": record("record-1", "") }),
            &["read", "write"],
        ),
        (
            "action",
            json!({ "subject": admin("bob"), "resource": record("record-2", "archived") }),
            &["read", "write"],
        ),
        ("action", json!({ "subject": subject("nobody"), "resource": record("record-1", "") }), &[]),
        (
            "subject",
            json!({ "subject": { "type": "spaceship" }, "action": read, "resource": record("record-1", "") }),
            &[],
        ),
    ] {
        assert_eq!(world.found(what, &body).await, expected, "{what}: {body}");
    }
}
