//! How requests are read, and what is the same of every answer.

use authmachine_testkit::both_engines;
use serde_json::{Value, json};

use super::{World, assert_refused, evaluation};

const ENDPOINTS: [&str; 5] =
    ["evaluation", "evaluations", "search/subject", "search/resource", "search/action"];

/// A body that every endpoint takes.
fn whole() -> Value {
    evaluation("alice", "read", "door")
}

#[both_engines]
async fn what_is_missing_or_mistyped_is_400_at_every_endpoint() {
    let world = World::make().await;
    for endpoint in ENDPOINTS {
        world.ask(endpoint, &whole()).await.assert_status(200);
        for (path, is_searched) in [
            ("/subject", false),
            ("/subject/type", false),
            ("/subject/id", endpoint == "search/subject"),
            ("/action", endpoint == "search/action"),
            ("/action/name", endpoint == "search/action"),
            ("/resource", false),
            ("/resource/type", false),
            ("/resource/id", endpoint == "search/resource"),
        ] {
            let mut body = whole();
            let (parent, name) = path.rsplit_once('/').expect("a path");
            body.pointer_mut(parent).and_then(Value::as_object_mut).expect("an object").remove(name);
            let answer = world.ask(endpoint, &body).await;
            match is_searched {
                true => _ = answer.assert_status(200),
                false => assert_refused(&answer, 400),
            }
            for wrong in [json!(1), json!(null), json!(["x"])] {
                let mut body = whole();
                *body.pointer_mut(path).expect("there") = wrong;
                let answer = world.ask(endpoint, &body).await;
                match is_searched {
                    true => _ = answer.assert_status(200),
                    false => assert_refused(&answer, 400),
                }
            }
        }
        for name in ["context", "page", "options", "evaluations"] {
            let mut body = whole();
            body[name] = json!("text");
            let is_read = match name {
                "context" => true,
                "page" => endpoint.starts_with("search"),
                _ => endpoint == "evaluations",
            };
            let answer = world.ask(endpoint, &body).await;
            assert_eq!(answer.status.as_u16(), if is_read { 400 } else { 200 }, "{endpoint} {name}");
        }
    }
    let mut body = whole();
    body["options"] = json!({ "evaluations_semantic": "whatever" });
    assert_refused(&world.ask("evaluations", &body).await, 400);
}

#[both_engines]
async fn bodies_are_one_json_object_of_bounded_size_and_depth() {
    let world = World::make().await;
    let send = async |content_type: &str, body: Vec<u8>| {
        let request = world.server().post("/access/v1/evaluation").bearer(&world.api.token);
        request.body(content_type, body).send().await
    };
    let good = whole().to_string();
    for content_type in
        ["application/json", "application/json; charset=utf-8", "Application/JSON;charset=UTF-8"]
    {
        send(content_type, good.clone().into()).await.assert_status(200);
    }
    for content_type in
        ["text/plain", "application/x-www-form-urlencoded", "application/jsonx", "application/ld+json", ""]
    {
        assert_refused(&send(content_type, good.clone().into()).await, 400);
    }
    let request = world.server().post("/access/v1/evaluation").bearer(&world.api.token);
    assert_refused(&request.send().await, 400);
    let nested = |deep: usize| {
        let mut body = whole().to_string();
        body.truncate(body.len() - 1);
        format!("{body},\"x\":{}{}}}", "[".repeat(deep), "]".repeat(deep)).into_bytes()
    };
    // The object itself is the first of them.
    send("application/json", nested(31)).await.assert_status(200);
    let twice = good.replacen("{", "{\"\\u0073ubject\":{},", 1);
    for bad in [
        Vec::new(),
        b" ".to_vec(),
        b"{".to_vec(),
        b"[]".to_vec(),
        b"null".to_vec(),
        format!("[{good}]").into_bytes(),
        format!("{good}x").into_bytes(),
        twice.into_bytes(),
        good.replace("alice", "\u{7f}").replace('\u{7f}', "\\ud800").into_bytes(),
        good.clone().into_bytes().into_iter().map(|b| if b == b'l' { 0xFF } else { b }).collect(),
        nested(32),
        nested(100_000),
    ] {
        assert_refused(&send("application/json", bad).await, 400);
    }
    let large = format!("{good}{}", " ".repeat(512 * 1024)).into_bytes();
    assert_refused(&send("application/json", large).await, 413);
}

#[both_engines]
async fn pe12_a_batch_has_a_thousand_evaluations_at_most() {
    let world = World::make().await;
    let batch = |n: usize| {
        let mut body = whole();
        body["evaluations"] = vec![json!({}); n].into();
        body
    };
    let answer = world.ask("evaluations", &batch(1_000)).await.ok();
    assert_eq!(answer["evaluations"].as_array().map(Vec::len), Some(1_000));
    assert_refused(&world.ask("evaluations", &batch(1_001)).await, 400);
}

#[both_engines]
async fn pe4_one_foreign_element_of_a_batch_decides_for_itself_alone() {
    let world = World::make().await;
    let body = json!({
        "action": { "name": "read" }, "resource": { "type": "object", "id": "door" },
        "evaluations": [
            { "subject": { "type": "user", "id": "alice" } },
            { "subject": { "type": "group", "id": "alice" } },
            { "subject": { "type": "user", "id": "alice" }, "resource": { "type": "door", "id": "door" } },
            { "subject": { "type": "user", "id": "alice" }, "resource": { "type": "object", "id": "other" } },
            { "subject": { "type": "user", "id": "alice" } },
        ],
    });
    let expected = [true, false, false, false, true].map(|decision| json!({ "decision": decision }));
    assert_eq!(world.ask("evaluations", &body).await.ok(), json!({ "evaluations": expected }));
}

#[both_engines]
async fn the_id_of_a_request_comes_back_whatever_the_answer() {
    let world = World::make().await;
    for id in
        ["1", "bfe9eb29-ab87-4ca3-be83-a1d5d8305716", "an arbitrary string, \"quoted\"", &"x".repeat(300)]
    {
        let answer = world.request("evaluation", &whole()).header("x-request-id", id).send().await;
        assert_eq!(answer.assert_status(200).header("x-request-id"), Some(id));
        for (target, status) in [("evaluation", 401), ("nothing", 404)] {
            let request = world.server().post(&format!("/access/v1/{target}")).header("x-request-id", id);
            assert_eq!(request.send().await.assert_status(status).header("x-request-id"), Some(id));
        }
    }
    let answer = world.ask("evaluation", &whole()).await;
    assert_eq!(answer.header("x-request-id").map(str::len), Some(16), "one of ours");
    // Elsewhere nobody chooses what stands in our answers.
    let answer = world.server().get("/healthz").header("x-request-id", "mine").send().await;
    assert_ne!(answer.header("x-request-id"), Some("mine"));
}

#[both_engines]
async fn the_same_question_has_the_same_answer_byte_by_byte() {
    let world = World::make().await;
    world.server().permit("bob", "door", &["read"]).await;
    let mut paged = whole();
    paged["page"] = json!({ "limit": 1 });
    for (endpoint, body) in
        ENDPOINTS.map(|endpoint| (endpoint, whole())).into_iter().chain([("search/subject", paged)])
    {
        let first = world.ask(endpoint, &body).await;
        for _ in 0..3 {
            world.server().clock().advance(1);
            assert_eq!(world.ask(endpoint, &body).await.body, first.body, "{endpoint}");
        }
    }
}

#[both_engines]
async fn an_answer_says_its_revision_and_a_request_may_demand_one() {
    let world = World::make().await;
    let revision = |answer: &authmachine_testkit::Answer| -> u64 {
        answer.header("authmachine-revision").expect("there").parse().expect("a number")
    };
    let before = revision(&world.ask("evaluation", &whole()).await);
    world.server().permit("bob", "door", &["read"]).await;
    let bob = evaluation("bob", "read", "door");
    for demand in ["0", &(before + 1).to_string(), &u64::MAX.to_string()] {
        let request = world.request("evaluation", &bob).header("authmachine-at-least-revision", demand);
        let answer = request.send().await;
        assert_eq!(answer.ok(), json!({ "decision": true }));
        assert_eq!(revision(&answer), before + 1);
    }
    for bad in ["", "x", "-1", "1.5"] {
        let request = world.request("evaluation", &bob).header("authmachine-at-least-revision", bad);
        assert_refused(&request.send().await, 400);
    }
}

#[both_engines]
async fn other_methods_and_addresses_are_plain_errors_too() {
    let world = World::make().await;
    let server = world.server();
    assert_refused(&server.get("/access/v1/evaluation").send().await, 405);
    assert_refused(&server.get("/access/v1/search/subject").bearer(&world.api.token).send().await, 405);
    assert_refused(&server.post("/access/v1/evaluation/").bearer(&world.api.token).send().await, 404);
    server.post("/.well-known/authzen-configuration").send().await.assert_status(405);
}
