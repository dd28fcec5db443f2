//! `GET /api/scim/v1/Users/{id}/permissions` (contract, 7; permissions.md §6 A).

use authmachine_protocol::Scopes;
use authmachine_provider::client::ObjectScope;
use authmachine_provider::permission_records::{Holder, Member, Membership, Target, Validity};
use authmachine_provider::user::UserStatus;
use authmachine_testkit::{TestServer, both_engines};
use http::Method;
use serde_json::json;

#[both_engines]
async fn one_body_serves_both_generations_of_clients() {
    let server = TestServer::start().await;
    let alice = server.user("alice").create().await;
    let friends = server.group("friends", &["alice"]).await;
    server.permit("alice", "obj1", &["write", "read"]).await;
    server.permit_group(&friends, "obj1", &["read", "share"]).await;
    let api = server.api_token("shop").await;

    for target in [
        "/api/scim/v1/Users/{}/permissions",
        "/api/scim/v1/Users/{}/permissions/",
        "/api/scim/v2/Users/{}/permissions",
    ] {
        let target = target.replace("{}", &alice.sub);
        let answer = api.get(&format!("{target}?object=obj2&object=obj1&object=obj2")).await;
        let expected = r#"{"is_superuser":false,"permissions":{"obj2":[],"obj1":["read","share","write"]},"obj2":[],"obj1":["read","share","write"]}"#;
        assert_eq!(answer.assert_status(200).text(), expected);
        assert_eq!(answer.header("content-type"), Some("application/json"));
        assert_eq!(answer.header("cache-control"), Some("no-store"));
    }
    // By Bearer as well, and as SCIM's own type when asked.
    let target = format!("/api/scim/v1/Users/{}/permissions?object=obj1", alice.sub);
    let answer =
        server.get(&target).bearer(&api.token).header("accept", "application/scim+json").send().await;
    assert_eq!(answer.assert_status(200).header("content-type"), Some("application/scim+json"));
}

#[both_engines]
async fn pe10_no_object_code_disturbs_the_shape_of_an_answer() {
    let server = TestServer::start().await;
    let alice = server.user("alice").create().await;
    let legal = ["__proto__", "a:b/c@d.e-f", "object"];
    // Nobody can have an object of these names; who asks for one is answered in the same shape.
    let others = ["is_superuser", "permissions", "a\"b", "' OR 1=1 --", "ünïcödé"];
    for code in legal {
        server.permit("alice", code, &["read"]).await;
    }
    let api = server.api_token("shop").await;
    let answer = api.permissions(&alice.sub, &[legal.as_slice(), &others].concat()).await.ok();
    assert_eq!(answer["is_superuser"], false);
    for code in legal {
        assert_eq!((&answer["permissions"][code], &answer[code]), (&json!(["read"]), &json!(["read"])));
    }
    for code in others {
        assert_eq!(answer["permissions"][code], json!([]), "{code}");
    }
    assert_eq!(answer["a\"b"], json!([]));
}

#[both_engines]
async fn pe5_one_grant_is_about_one_object_and_one_type() {
    let server = TestServer::start().await;
    let alice = server.user("alice").create().await;
    server.user("bob").create().await;
    server.permit("alice", "object1", &["read"]).await;
    server.permit("bob", "object2", &["read", "write"]).await;
    let api = server.api_token("shop").await;
    for code in ["object2", "object", "OBJECT1", "object1 ", "object%", "object_", "*", ""] {
        let answer = api.permissions(&alice.sub, &["object1", code]).await.ok();
        assert_eq!(answer["permissions"]["object1"], json!(["read"]));
        if !code.is_empty() {
            assert_eq!(answer["permissions"][code], json!([]), "{code}");
        }
    }
}

#[both_engines]
async fn pe1_grants_and_memberships_live_in_their_time_to_the_millisecond() {
    let server = TestServer::start().await;
    let alice = server.user("alice").create().await;
    let api = server.api_token("shop").await;
    let group = server.group("friends", &[]).await;
    server.permit_group(&group, "object2", &["read"]).await;
    server.permit("alice", "object1", &["read"]).await;
    let now = server.clock().now();
    let (from, until) = (now.plus_ms(1_000), now.plus_ms(2_000));
    let user = alice.id;
    server
        .write(move |tx| {
            let (object, read) = (
                tx.find_object("object1")?.expect("made").id,
                tx.find_permission_type("read")?.expect("made").id,
            );
            let (holder, target) = (Holder::User(user), Target::Object(object));
            let grant = tx.find_same_grant(holder, &target, read, None)?.expect("granted");
            let mut grant = tx.find_permission_grant(grant)?.expect("it is there");
            let validity = Validity::new(Some(from), Some(until)).expect("an end after the beginning");
            grant.validity = validity;
            tx.update_permission_grant(&grant)?.expect("it is there");
            tx.put_membership(&Membership { member: Member::User(user), group: group.id, validity })
        })
        .await
        .expect("both are there");
    for (at, held) in [(from.plus_ms(-1), false), (from, true), (until.plus_ms(-1), true), (until, false)] {
        server.clock().set(at);
        let answer = api.permissions(&alice.sub, &["object1", "object2"]).await.ok();
        let expected = if held { json!(["read"]) } else { json!([]) };
        assert_eq!(answer["permissions"], json!({ "object1": expected, "object2": expected }), "{at:?}");
    }
}

#[both_engines]
async fn ad7_a_token_is_scoped_expires_can_be_revoked_and_sees_its_objects_only() {
    let server = TestServer::start().await;
    let alice = server.user("alice").create().await;
    server.permit("alice", "object1", &["read"]).await;
    server.permit("alice", "object2", &["read"]).await;
    let now = server.clock().now();

    let narrow = server
        .api_token_with("narrow", |token| token.objects = ObjectScope::Attached(vec!["object1".to_owned()]))
        .await;
    let answer = narrow.permissions(&alice.sub, &["object1", "object2", "object3"]).await.ok();
    assert_eq!(
        answer["permissions"],
        json!({ "object1": ["read"], "object2": [], "object3": [] }),
        "checklist EN4"
    );
    assert_eq!(narrow.permissions(&alice.sub, &[]).await.ok()["permissions"], json!({ "object1": ["read"] }));

    let without = server.api_token_with("without", |token| token.scopes = Scopes::default()).await;
    without.permissions(&alice.sub, &[]).await.assert_status(403);

    let short = server.api_token_with("short", |token| token.expires_at = Some(now.plus_seconds(60))).await;
    server.clock().advance_ms(59_999);
    short.permissions(&alice.sub, &[]).await.assert_status(200);
    server.clock().advance_ms(1);
    short.permissions(&alice.sub, &[]).await.assert_status(401);

    let revoked = server.api_token("revoked").await;
    assert!(server.write(move |tx| tx.revoke_api_token("revoked", now)).await);
    let answer = revoked.permissions(&alice.sub, &[]).await;
    answer.assert_status(401);
    assert!(
        answer
            .headers
            .get_all("www-authenticate")
            .iter()
            .any(|challenge| challenge.as_bytes().starts_with(b"Token"))
    );
}

#[both_engines]
async fn pe10_without_the_right_the_answer_does_not_depend_on_who_exists() {
    let server = TestServer::start().await;
    let alice = server.user("alice").create().await;
    let without = server.api_token_with("without", |token| token.scopes = Scopes::default()).await;
    for (status, token) in [(403, without.token.as_str()), (401, "unknown")] {
        let ask = async |sub: &str| {
            let target = format!("/api/scim/v1/Users/{sub}/permissions?object=object1");
            let answer = server.get(&target).bearer(token).send().await;
            let mut body = answer.assert_status(status).json();
            body["request_id"].take();
            body
        };
        assert_eq!(ask(&alice.sub).await, ask("nobody").await);
    }
}

#[both_engines]
async fn errors_have_a_shape_that_both_readers_find() {
    let server = TestServer::start().await;
    let alice = server.user("alice").create().await;
    let api = server.api_token("shop").await;
    let answer = api.permissions("nobody", &["object1"]).await;
    let body = answer.assert_status(404).json();
    let id = answer.header("x-request-id").expect("an id");
    assert_eq!(
        body,
        json!({
            "schemas": ["urn:ietf:params:scim:api:messages:2.0:Error"],
            "status": "404",
            "detail": "There is no such user.",
            "request_id": id,
        })
    );
    let many: Vec<_> = (0..101).map(|n| format!("o{n}")).collect();
    let many: Vec<_> = many.iter().map(String::as_str).collect();
    let body = api.permissions(&alice.sub, &many).await.assert_status(400).json();
    assert_eq!(body["scimType"], "tooMany");
    api.permissions(&alice.sub, &many[..100]).await.assert_status(200);
    let target = format!("/api/scim/v1/Users/{}/permissions", alice.sub);
    for bad in ["object=%ff", "object=%", "format=a&format=b"] {
        let body = api.get(&format!("{target}?{bad}")).await.assert_status(400).json();
        assert_eq!((&body["status"], &body["scimType"]), (&json!("400"), &json!("invalidSyntax")), "{bad}");
    }
    server.get(&target).send().await.assert_status(401);
    server.get(&format!("{target}?token={}", api.token)).send().await.assert_status(401);
    for bad in [
        "Token",
        "Token ",
        "Token x",
        "Basic eA==",
        &format!("Token {}x", api.token),
        &format!("Token {}", &api.token[1..]),
    ] {
        server.get(&target).header("authorization", bad).send().await.assert_status(401);
    }
    let twice =
        server.get(&target).header("authorization", &format!("Token {}", api.token)).bearer(&api.token);
    twice.send().await.assert_status(400);
}

#[both_engines]
async fn a_locked_user_is_known_and_may_do_nothing() {
    let server = TestServer::start().await;
    let alice = server.user("alice").create().await;
    server.permit("alice", "object1", &["read"]).await;
    let api = server.api_token("shop").await;
    let now = server.clock().now();
    server.write(move |tx| tx.set_user_status(alice.id, UserStatus::Locked, now)).await;
    let answer = api.permissions(&alice.sub, &["object1"]).await.ok();
    assert_eq!(answer["permissions"], json!({ "object1": [] }));
}

#[both_engines]
async fn wrong_tokens_are_slowed_down_by_source_and_right_ones_are_not() {
    let server = TestServer::start().await;
    let alice = server.user("alice").create().await;
    let api = server.api_token("shop").await;
    let target = format!("/api/scim/v1/Users/{}/permissions", alice.sub);
    for _ in 0..20 {
        server.get(&target).header("authorization", "Token wrong").send().await.assert_status(401);
    }
    let answer = server.get(&target).header("authorization", "Token wrong").send().await;
    assert!(answer.assert_status(429).header("retry-after").is_some());
    api.permissions(&alice.sub, &[]).await.assert_status(200);
    server
        .get(&target)
        .from("198.51.100.7")
        .header("authorization", "Token wrong")
        .send()
        .await
        .assert_status(401);
}

#[both_engines]
async fn an_unchanged_answer_is_304() {
    let server = TestServer::start().await;
    let alice = server.user("alice").create().await;
    server.permit("alice", "object1", &["read"]).await;
    let api = server.api_token("shop").await;
    let target = format!("/api/scim/v1/Users/{}/permissions?object=object1", alice.sub);
    let etag = api.get(&target).await.header("etag").expect("a tag").to_owned();
    let again = || server.get(&target).bearer(&api.token).header("if-none-match", &etag).send();
    assert!(again().await.assert_status(304).body.is_empty());
    server.permit("alice", "object1", &["write"]).await;
    again().await.assert_status(200);
}

#[both_engines]
async fn programs_read_json_where_there_is_nothing_too() {
    let server = TestServer::start().await;
    for (method, target, status) in [
        (Method::GET, "/api/scim/v1/Groups", 404),
        (Method::GET, "/api/", 404),
        (Method::DELETE, "/api/scim/v1/Users/x/permissions", 405),
    ] {
        let answer = server.request(method, target).send().await;
        assert_eq!(answer.assert_status(status).header("content-type"), Some("application/json"), "{target}");
        assert_eq!(answer.json()["status"], status.to_string());
        assert!(answer.json()["detail"].is_string());
    }
}
