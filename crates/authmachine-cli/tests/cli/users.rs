//! `user …`

use std::process::Command;

use crate::support::{BINARY, PASSWORD, Place, run};

#[test]
fn a_user_is_made_changed_locked_and_unlocked() {
    let place = Place::new();
    let made = place
        .json_with(&["user", "add", "alice", "--email", "alice@example.com", "--password-stdin"], PASSWORD);
    let id = made["id"].as_str().expect("an id").to_owned();
    assert_eq!(id.len(), 32);
    assert_eq!(made["username"], "alice");
    assert_eq!(made["email_verified"], false);
    assert!(made["created_at"].as_str().is_some_and(|time| time.ends_with('Z')), "{made}");

    // A user is a name, an address or an id.
    let changed = place.json(&["user", "set", &id, "name=\"Alice Liddell\"", "email_verified=true"]);
    assert_eq!(changed["claims"]["name"], "Alice Liddell");
    assert_eq!(changed["email_verified"], true);
    let changed = place.json(&["user", "set", "alice@example.com", "name=null", "email=\"a@example.org\""]);
    assert_eq!(changed["claims"], serde_json::json!({}));
    assert_eq!((&changed["email"], &changed["email_verified"]), (&"a@example.org".into(), &false.into()));

    assert!(place.ok(&["user", "lock", "ALICE"]).starts_with("Locked alice"));
    assert_eq!(place.json(&["user", "list"])[0]["status"], "locked");
    place.ok(&["user", "unlock", "alice"]);
    place.ok_with(&["user", "passwd", "alice", "--password-stdin"], "another walrus, another carpenter");
    let table = place.ok(&["user", "list"]);
    let [head, row] = table.lines().collect::<Vec<_>>()[..] else { panic!("{table}") };
    assert!(head.starts_with("NAME ") && row.starts_with("alice ") && row.ends_with(&id), "{table}");

    let kinds =
        ["user_created", "user_changed", "user_changed", "user_locked", "user_unlocked", "password_changed"];
    assert_eq!(place.event_kinds(0), kinds);
    for event in place.events() {
        assert_eq!((event.actor.as_str(), event.user.as_deref()), ("operator", Some(&*id)), "{event:?}");
        assert!(!format!("{event:?}").contains("walrus"), "{event:?}");
    }
}

#[test]
fn what_cannot_be_is_refused_and_changes_nothing() {
    let place = Place::furnished();
    let before = place.event_kinds(0).len();
    let add =
        |name: &str, password: &str| place.refused_with(&["user", "add", name, "--password-stdin"], password);
    assert!(add("alice", PASSWORD).contains(r#"there is a user "alice" already"#));
    assert!(add("ALICE", PASSWORD).contains("already"));
    assert!(add("bob", "short").contains("at least 15 characters"));
    assert!(add("bobbobbobbob", "bobbobbobbobbob").contains("error: "));
    assert!(add("bob", "").contains("standard input is empty"));
    assert!(add("bob", "two\nlines").contains("one line"));
    assert!(add("b ob", PASSWORD).contains("cannot be used"));
    let taken = ["user", "add", "bob", "--email", "Alice@example.com", "--password-stdin"];
    assert!(place.refused_with(&taken, PASSWORD).contains("another user has that mail address"));

    assert!(place.refused(&["user", "lock", "nobody"]).contains(r#"there is no user "nobody""#));
    for (claim, said) in [
        ("sub=\"x\"", "reserved"),
        ("username=\"bob\"", "not changed here"),
        ("name=Alice", r#"name='"Alice"'"#),
        ("birthdate=\"yesterday\"", "YYYY-MM-DD"),
        ("name", "claim=json"),
    ] {
        let said_by_us = place.refused(&["user", "set", "alice", claim]);
        assert!(said_by_us.contains(said), "{claim}: {said_by_us}");
    }
    assert_eq!(place.json(&["user", "list"]).as_array().map(Vec::len), Some(1));
    assert_eq!(place.event_kinds(0).len(), before);
}

#[test]
fn without_a_terminal_the_way_to_give_a_password_is_named() {
    let place = Place::new();
    // A session without a terminal, wherever the tests run.
    let mut command = Command::new("setsid");
    command.args(["--wait", BINARY, "user", "add", "alice"]).current_dir(place.path("")).env_clear();
    let outcome = run(command, "");
    assert_eq!(outcome.code, Some(1), "{outcome:?}");
    assert!(outcome.stderr.contains("--password-stdin"), "{outcome:?}");
}

#[test]
fn nothing_is_listed_where_nothing_is() {
    let place = Place::new();
    for command in [
        &["user", "list"][..],
        &["client", "list"],
        &["keys", "list"],
        &["doctor"],
        &["user", "lock", "alice"],
    ] {
        let said = place.refused(command);
        assert!(said.contains("there is no installation in ./data yet"), "{said}");
    }
    assert!(!place.data().exists(), "a question makes no folder");
}
