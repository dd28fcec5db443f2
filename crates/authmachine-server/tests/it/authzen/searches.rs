//! Searches find exactly those for whom an evaluation says yes, page by page.

use authmachine_permissions::Holder;
use authmachine_protocol::Scopes;
use authmachine_provider::subject_ids::SubjectIds;
use authmachine_testkit::both_engines;
use serde_json::{Value, json};

use super::{World, assert_refused, evaluation};
use crate::rights::On;

/// Groups in groups, objects in objects, types that imply, everyone, conditions.
async fn world() -> World {
    let world = World::make().await;
    let (server, rights) = (world.server(), &world.rights);
    for name in ["carol", "dan", "eve"] {
        server.user(name).create().await;
    }
    let inner = server.group("inner", &["carol"]).await;
    let outer = server.group("outer", &["dan"]).await;
    rights.nest(&inner, &outer).await;
    rights.permission_type("own", &["write", "read"]).await;
    rights.object("house", "building", None, "").await;
    rights.object("room", "object", Some("house"), r#"{"floor":2}"#).await;
    rights.object("roof", "object", Some("house"), "").await;
    rights.grant(Holder::Group(outer.id), On::WithChildren("house"), "own", "").await;
    rights.grant(Holder::Everyone, On::All("building"), "read", "").await;
    let floor = r#"{"eq":[{"attribute":"resource.floor"},2]}"#;
    rights.grant(Holder::User(rights.user("eve").await), On::All("object"), "read", floor).await;
    world
}

#[both_engines]
async fn pe9_a_search_finds_exactly_what_evaluations_permit() {
    let world = world().await;
    let (users, actions) = (["alice", "bob", "carol", "dan", "eve"], ["own", "read", "write"]);
    let objects = [("door", "object"), ("house", "building"), ("roof", "object"), ("room", "object")];
    let mut yes = Vec::new();
    for user in users {
        for action in actions {
            for (object, object_type) in objects {
                let mut body = evaluation(user, action, object);
                body["resource"]["type"] = json!(object_type);
                if world.ask("evaluation", &body).await.ok()["decision"] == json!(true) {
                    yes.push((user, action, object, object_type));
                }
            }
        }
    }
    assert_eq!(yes.len(), 24, "{yes:?}");
    for (object, object_type) in objects {
        for action in actions {
            let body = json!({ "subject": { "type": "user" }, "action": { "name": action },
                "resource": { "type": object_type, "id": object } });
            let expected: Vec<_> =
                users.into_iter().filter(|user| yes.contains(&(user, action, object, object_type))).collect();
            assert_eq!(world.found("subject", &body).await, expected, "{action} {object}");
        }
        for user in users {
            let body = json!({ "subject": { "type": "user", "id": user },
                "resource": { "type": object_type, "id": object } });
            let expected: Vec<_> = actions
                .into_iter()
                .filter(|action| yes.contains(&(user, action, object, object_type)))
                .collect();
            assert_eq!(world.found("action", &body).await, expected, "{user} {object}");
        }
    }
    for user in users {
        for action in actions {
            for wanted in ["object", "building", "nothing"] {
                let body = json!({ "subject": { "type": "user", "id": user }, "action": { "name": action },
                    "resource": { "type": wanted } });
                let is_one = |(object, object_type): &(&str, &str)| {
                    *object_type == wanted && yes.contains(&(user, action, object, object_type))
                };
                let expected: Vec<_> =
                    objects.iter().filter(|one| is_one(one)).map(|(code, _)| *code).collect();
                assert_eq!(world.found("resource", &body).await, expected, "{user} {action} {wanted}");
            }
        }
    }
}

#[both_engines]
async fn ad8_page_tokens_serve_their_caller_and_their_question_alone() {
    let world = World::make().await;
    let server = world.server();
    for n in 0..5 {
        server.permit("alice", &format!("o{n}"), &["read"]).await;
    }
    let question = |page: Value| {
        let mut body = json!({ "subject": { "type": "user", "id": "alice" }, "action": { "name": "read" },
            "resource": { "type": "object" } });
        body["page"] = page;
        body
    };
    let page = async |page: Value| world.ask("search/resource", &question(page)).await;
    // All of it, two at a time; the limit is in the token.
    let (mut all, mut token) = (Vec::new(), String::new());
    loop {
        let answer = page(json!({ "limit": 2, "token": token })).await.ok();
        all.extend(answer["results"].as_array().expect("results").clone());
        token = answer["page"]["next_token"].as_str().expect("a token").to_owned();
        assert_eq!(answer["page"].as_object().map(serde_json::Map::len), Some(1), "next_token alone");
        if token.is_empty() {
            break;
        }
        assert_eq!(answer["results"].as_array().map(Vec::len), Some(2));
    }
    let expected: Vec<_> =
        ["door", "o0", "o1", "o2", "o3", "o4"].map(|code| json!({ "type": "object", "id": code })).into();
    assert_eq!(all, expected);

    let token =
        page(json!({ "limit": 2 })).await.ok()["page"]["next_token"].as_str().expect("more").to_owned();
    page(json!({ "token": token })).await.assert_status(200);
    for bad in [
        json!({ "token": token, "limit": 3 }),
        json!({ "token": format!("{token}A") }),
        json!({ "token": "x" }),
        json!({ "token": "MjpvMQ.AAAAAAAAAAAAAAAAAAAAAA" }),
        json!({ "limit": -1 }),
        json!({ "limit": 1.5 }),
        json!({ "token": 1 }),
    ] {
        assert_refused(&page(bad).await, 400);
    }
    // Another question, another endpoint, another caller.
    for (name, value) in [
        ("subject", json!({ "type": "user", "id": "bob" })),
        ("action", json!({ "name": "write" })),
        ("action", json!({ "name": "read", "properties": { "a": 1 } })),
        ("resource", json!({ "type": "other" })),
        ("context", json!({ "a": 1 })),
    ] {
        let mut body = question(json!({ "token": token }));
        body[name] = value;
        assert_refused(&world.ask("search/resource", &body).await, 400);
    }
    let mut body = question(json!({ "token": token }));
    body["resource"]["id"] = json!("door");
    assert_refused(&world.ask("search/subject", &body).await, 400);
    let other = server.api_token_with("other", |token| {
        token.scopes = Scopes::parse("authzen").expect("a scope");
        token.subject_ids = SubjectIds::Username;
    });
    let request = server.post("/access/v1/search/resource").bearer(&other.await.token);
    assert_refused(&request.json(&question(json!({ "token": token }))).send().await, 400);
}

#[both_engines]
async fn pe12_a_page_has_500_results_at_most_and_100_when_nobody_says() {
    let world = World::make().await;
    let (server, alice) = (world.server(), world.rights.user("alice").await);
    world.rights.grant(Holder::User(alice), On::All("thing"), "read", "").await;
    for n in 0..502 {
        world.rights.object(&format!("t{n:03}"), "thing", None, "").await;
    }
    let search = |page: Option<Value>| {
        let mut body = json!({ "subject": { "type": "user", "id": "alice" }, "action": { "name": "read" },
            "resource": { "type": "thing" } });
        if let Some(page) = page {
            body["page"] = page;
        }
        body
    };
    for (page, length) in [(None, 100), (Some(json!({})), 100), (Some(json!({ "limit": 10_000 })), 500)] {
        let answer = world.ask("search/resource", &search(page)).await.ok();
        assert_eq!(answer["results"].as_array().map(Vec::len), Some(length));
        assert!(
            answer["page"]["next_token"].as_str().is_some_and(|token| !token.is_empty()),
            "a part is said to be one"
        );
    }
    let none = world.ask("search/resource", &search(Some(json!({ "limit": 0 })))).await.ok();
    assert_eq!(none["results"], json!([]));
    assert!(none["page"]["next_token"].as_str().is_some_and(|token| !token.is_empty()));
    assert_eq!(server.panics(), 0);
}
