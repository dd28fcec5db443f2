//! `check`, `why`, `delegation …`

use serde_json::json;

use crate::support::{PASSWORD, Place};

/// Alice may write on the house and lend it; bob has nothing.
fn scene() -> Place {
    let place = Place::furnished();
    place.ok_with(&["user", "add", "bob", "--password-stdin"], PASSWORD);
    place.ok(&["permission-type", "add", "write", "--implies", "read"]);
    place.ok(&["object", "add", "house"]);
    place.ok(&["object", "add", "door", "--parent", "house"]);
    place.ok(&[
        "grant",
        "add",
        "--user",
        "alice",
        "--object",
        "house",
        "--type",
        "write",
        "--include-children",
        "--delegable",
    ]);
    place
}

#[test]
fn a_question_is_answered_by_the_exit_code() {
    let place = scene();
    let ask = |arguments: &[&str]| {
        let outcome = place.run(&[&["check"][..], arguments].concat(), "");
        (outcome.code, outcome.stdout)
    };
    let (yes, no) = ((Some(0), "yes\n".to_owned()), (Some(1), "no\n".to_owned()));
    assert_eq!(ask(&["alice", "read", "door"]), yes, "write on the house implies it");
    assert_eq!(ask(&["alice@example.com", "write", "house"]), yes);
    assert_eq!(ask(&["bob", "read", "door"]), no);
    assert_eq!(
        place.json(&["check", "alice", "read", "door"]),
        json!({ "user": "alice", "object": "door", "type": "read", "permitted": true })
    );

    let night = [
        "grant",
        "add",
        "--everyone",
        "--object",
        "object1",
        "--type",
        "read",
        "--not-after",
        "2099-01-01T00:00:00Z",
    ];
    let office = r#"{"eq":[{"attribute":"context.network"},"office"]}"#;
    place.ok(&[&night[..], &["--condition", office]].concat());
    assert_eq!(ask(&["bob", "read", "object1"]), no);
    assert_eq!(ask(&["bob", "read", "object1", "--context", "network=office"]), yes);
    assert_eq!(
        ask(&["bob", "read", "object1", "--context", "network=office", "--at", "2099-01-01T00:00:00Z"]),
        no
    );

    let slip = place.run(&["check", "alice", "raed", "door"], "");
    assert_eq!((slip.code, slip.stdout.as_str()), (Some(1), "no\n"));
    assert!(slip.stderr.contains("did you mean read?"), "{slip:?}");
    assert!(place.refused(&["check", "allice", "read", "door"]).contains("did you mean alice?"));
    assert!(place.refused(&["check", "alice", "read", "door", "--context", "x"]).contains("key=value"));
    place.ok(&["user", "lock", "alice"]);
    assert_eq!(ask(&["alice", "read", "door"]), no);
}

#[test]
fn an_answer_is_explained_in_words_and_as_data() {
    let place = scene();
    let said = place.ok(&["why", "alice", "read", "door"]);
    assert!(
        said.starts_with(
            "alice may «read» on «door», because alice holds «write» (which implies «read») on «house» (in which «door» is).\n"
        ),
        "{said}"
    );
    assert!(said.contains("«write» was granted by operator (admin) at 2"), "{said}");
    let data = place.json(&["why", "alice", "read", "door"]);
    assert_eq!((&data["permitted"], &data["because"]["kind"]), (&json!(true), &json!("grant")));
    assert_eq!(data["because"]["on"], json!({ "object": "house", "above": ["house"] }));
    assert_eq!(
        (&data["because"]["types"], &data["because"]["given_by"]),
        (&json!(["write", "read"]), &json!("operator"))
    );

    assert_eq!(
        place.ok(&["why", "bob", "read", "door"]),
        "bob may not «read» on «door»: nothing gives it.\n"
    );
    let lend =
        ["delegation", "add", "--from", "alice", "--to", "bob", "--object", "house", "--type", "write"];
    let lent = place.json(&[&lend[..], &["--include-children", "--until", "7d"]].concat());
    let said = place.ok(&["why", "bob", "read", "door"]);
    assert!(said.contains("because alice lent «write» (which implies «read») on «house»"), "{said}");
    assert!(
        said.contains("«write» was lent by an administrator at 2") && said.contains("granted by operator"),
        "{said}"
    );
    let data = place.json(&["why", "bob", "read", "door"]);
    assert_eq!((&data["because"]["id"], &data["because"]["giver"]["by"]), (&lent["id"], &json!("alice")));

    // What is over is told as what came nearest.
    place.ok(&["delegation", "end", lent["id"].as_str().expect("a text"), "--reason", "holidays are over"]);
    let said = place.ok(&["why", "bob", "read", "door"]);
    assert!(said.contains("bob may not «read» on «door». What comes nearest: alice lent"), "{said}");
    assert!(said.contains("that was ended at 2") && said.contains("holidays are over"), "{said}");
    let data = place.json(&["why", "bob", "read", "door"]);
    assert_eq!(data["nearest"][0]["but"][0]["code"], "ended");
    let data = place.json(&["why", "bob", "fly", "door"]);
    assert_eq!((&data["permitted"], &data["barred"]["code"]), (&json!(false), &json!("permission_unknown")));
}

#[test]
fn pe3_an_operator_lends_in_a_users_place_within_its_rules() {
    let place = scene();
    let before = place.events().len();
    let to_bob = ["--from", "alice", "--to", "bob", "--object", "house", "--type", "write"];
    let add = |more: &[&'static str]| [&["delegation", "add"][..], &to_bob, more].concat();
    let refused = |more: &[&'static str]| place.refused(&add(more));
    assert!(refused(&[]).contains("say until when; 2"), "{}", refused(&[]));
    assert!(refused(&["--until", "91d"]).contains("may be lent until 2"));
    assert!(refused(&["--until", "1s"]).contains("for a minute at least"));
    assert!(refused(&["--until", "1d", "--hops", "1"]).contains("passed on 0 times"));
    let not_held =
        ["--from", "bob", "--to", "alice", "--object", "house", "--type", "write", "--until", "1d"];
    assert!(place.refused(&[&["delegation", "add"][..], &not_held].concat()).contains("does not hold"));
    let to_herself =
        ["--from", "alice", "--to", "alice", "--object", "house", "--type", "write", "--until", "1d"];
    assert!(
        place.refused(&[&["delegation", "add"][..], &to_herself].concat()).contains("nobody lends to itself")
    );
    assert_eq!(place.events().len(), before, "nothing happened");

    let said = place.ok(&add(&["--until", "2d"]));
    assert!(said.starts_with("alice lends bob write on house until 2"), "{said}");
    let changed = place.json(&add(&["--until", "1d"]));
    let id = changed["id"].as_str().expect("a text").to_owned();
    assert_eq!((&changed["status"], &changed["by_administrator"]), (&json!("live"), &json!(true)));
    for which in [&["--from", "alice"][..], &["--to", "bob"], &["--object", "house"], &[]] {
        assert_eq!(place.json(&[&["delegation", "list"][..], which].concat()), json!([changed]), "{which:?}");
    }
    assert_eq!(place.json(&["delegation", "list", "--to", "alice"]), json!([]));
    assert!(place.ok(&["delegation", "show", &id]).contains(&format!("(live, {id})")));
    assert_eq!(place.json(&["delegation", "show", &id])["passed_on"], json!([]));

    assert!(place.ok(&["delegation", "end", &id]).starts_with("Ended: alice lends bob"));
    assert!(place.refused(&["delegation", "end", &id]).contains("ended already"));
    assert!(place.refused(&["delegation", "show", "7"]).contains("delegation list"));
    assert_eq!(place.json(&["delegation", "list"]), json!([]));
    let all = place.json(&["delegation", "list", "--all"]);
    assert_eq!(
        (&all[0]["status"], &all[0]["reason"]),
        (&json!("ended"), &json!("ended by an administrator"))
    );
    assert_eq!(place.event_kinds(before), ["delegation_created", "delegation_changed", "delegation_ended"]);
    let ended = place.events().pop().expect("the last");
    assert!(ended.user.is_some() && ended.detail["from"].is_string(), "{ended:?}");
}
