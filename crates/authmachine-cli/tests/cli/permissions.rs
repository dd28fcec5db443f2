//! `object …`, `permission-type …`, `group …`, `grant …`

use serde_json::json;

use crate::support::Place;

#[test]
fn objects_types_and_groups_have_codes_and_names() {
    let place = Place::new();
    for (command, what) in [("object", "object"), ("permission-type", "permission type"), ("group", "group")]
    {
        assert_eq!(place.ok(&[command, "add", "one"]), format!("Made the {what} one\n"));
        let made = place.json(&[command, "add", "two:2", "--name", "The second"]);
        assert_eq!(made, json!({ "code": "two:2", "name": "The second" }));
        let listed = place.json(&[command, "list"]);
        assert_eq!(listed, json!([{ "code": "one", "name": "one" }, made]));
        assert!(place.ok(&[command, "list"]).starts_with("CODE   NAME\n"));

        assert!(
            place
                .refused(&[command, "add", "one"])
                .contains(&format!("a {what} one already").replace("a object", "an object"))
        );
        assert!(place.refused(&[command, "add", "a b"]).contains("cannot be used"));
        assert!(place.refused(&[command, "add", "three", "--name", ""]).contains("printable"));
    }
    assert!(place.refused(&["object", "add", "permissions"]).contains("reserved"));
    let kinds =
        ["object_created", "permission_type_created", "group_created"].into_iter().flat_map(|kind| [kind; 2]);
    assert_eq!(place.event_kinds(0), kinds.collect::<Vec<_>>());
}

#[test]
fn a_group_has_members_for_a_time() {
    let place = Place::furnished();
    let before = place.events().len();
    assert_eq!(place.ok(&["group", "member", "staff", "alice"]), "alice is in the group staff\n");
    let until = ["group", "member", "staff", "alice", "--not-after", "2099-01-01T00:00:00Z"];
    assert_eq!(place.ok(&until), "alice is in the group staff until 2099-01-01T00:00:00Z\n");
    assert_eq!(place.json(&["group", "members", "staff"])[0]["username"], "alice");
    assert!(place.ok(&["group", "members", "staff"]).contains("alice"));
    place.ok(&["group", "member", "staff", "alice", "--remove"]);
    assert_eq!(place.json(&["group", "members", "staff"]), json!([]));

    assert!(
        place.refused(&["group", "member", "staff", "alice", "--remove"]).contains("is not in the group")
    );
    assert!(
        place.refused(&["group", "member", "nothing", "alice"]).contains("authmachine group add nothing")
    );
    assert!(place.refused(&["group", "member", "staff", "nobody"]).contains("there is no user"));
    let backwards =
        ["group", "member", "staff", "alice", "--not-before", "2099-01-01T00:00:00Z", "--not-after", "5"];
    assert!(place.refused(&backwards).contains("must come after"));
    assert_eq!(
        place.event_kinds(before),
        ["group_member_added", "group_member_added", "group_member_removed"]
    );
}

#[test]
fn a_permission_is_granted_listed_and_taken_away() {
    let place = Place::furnished();
    let before = place.events().len();
    let to_alice = ["--user", "alice", "--object", "object1", "--type", "read"];
    let to_staff = ["--group", "staff", "--object", "object1", "--type", "read"];
    fn add<'a>(what: &[&'a str], more: &[&'a str]) -> Vec<&'a str> {
        [&["grant", "add"], what, more].concat()
    }
    let made = place.json(&add(
        &to_alice,
        &["--not-before", "2027-01-31T18:00:00+01:00", "--not-after", "2099-01-01T00:00:00Z"],
    ));
    assert_eq!(made["user"], "alice");
    assert_eq!(made["not_before"], "2027-01-31T17:00:00Z");
    assert_eq!(place.ok(&add(&to_staff, &[])), "staff has read on object1\n");

    assert_eq!(place.json(&["grant", "list"]).as_array().map(Vec::len), Some(2));
    assert_eq!(place.json(&["grant", "list", "--user", "alice"]), json!([made]));
    assert_eq!(place.json(&["grant", "list", "--group", "staff"])[0]["group"], "staff");
    assert_eq!(place.json(&["grant", "list", "--object", "object1"]).as_array().map(Vec::len), Some(2));
    let table = place.ok(&["grant", "list"]);
    assert!(table.starts_with("HOLDER  NAME ") && table.contains("2099-01-01T00:00:00Z"), "{table}");

    assert!(place.refused(&add(&to_alice, &[])).contains("already; to change its times, remove it first"));
    place.ok(&[&["grant", "remove"][..], &to_alice].concat());
    assert!(
        place
            .refused(&[&["grant", "remove"][..], &to_alice].concat())
            .contains("alice has no grant of read on object1")
    );
    let kinds = ["permission_granted", "permission_granted", "permission_removed"];
    assert_eq!(place.event_kinds(before), kinds);
    let removed = place.events().pop().expect("the last");
    assert_eq!((&removed.detail["object"], &removed.detail["type"]), (&"object1".into(), &"read".into()));
    assert!(removed.user.is_some(), "{removed:?}");
}

#[test]
fn who_or_what_is_not_there_is_named_with_the_command_that_makes_it() {
    let place = Place::furnished();
    let add = |holder: [&str; 2], object: &str, what: &str| {
        place.refused(&["grant", "add", holder[0], holder[1], "--object", object, "--type", what])
    };
    assert!(add(["--user", "nobody"], "object1", "read").contains(r#"there is no user "nobody""#));
    assert!(add(["--group", "nobody"], "object1", "read").contains("authmachine group add nobody"));
    assert!(add(["--user", "alice"], "object9", "read").contains("authmachine object add object9"));
    assert!(add(["--user", "alice"], "object1", "fly").contains("authmachine permission-type add fly"));
    for holder in [&[][..], &["--user", "alice", "--group", "staff"]] {
        let arguments = [&["grant", "add", "--object", "object1", "--type", "read"][..], holder].concat();
        assert_eq!(place.run(&arguments, "").code, Some(2), "{holder:?}");
    }
    let never =
        ["grant", "add", "--user", "alice", "--object", "object1", "--type", "read", "--not-after", "soon"];
    assert_eq!(place.run(&never, "").code, Some(2));
    assert_eq!(place.json(&["grant", "list"]), json!([]));
}
