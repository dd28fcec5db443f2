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
        assert_eq!((&made["code"], &made["name"]), (&json!("two:2"), &json!("The second")));
        let listed = place.json(&[command, "list"]);
        assert_eq!(
            (&listed[0]["code"], &listed[0]["name"], &listed[1]),
            (&json!("one"), &json!("one"), &made)
        );
        assert!(place.ok(&[command, "list"]).starts_with("CODE   NAME"));

        assert!(
            place
                .refused(&[command, "add", "one"])
                .contains(&format!("a {what} one already").replace("a object", "an object"))
        );
        assert!(place.refused(&[command, "add", "a b"]).contains("cannot be used"));
        assert!(place.refused(&[command, "add", "three", "--name", ""]).contains("printable"));
    }
    assert!(place.refused(&["object", "add", "permissions"]).contains("reserved"));
    let longest = "o".repeat(128);
    assert_eq!(place.ok(&["object", "add", &longest]), format!("Made the object {longest}\n"));
    let kinds =
        ["object_created", "permission_type_created", "group_created"].into_iter().flat_map(|kind| [kind; 2]);
    assert_eq!(place.event_kinds(0), kinds.chain(["object_created"]).collect::<Vec<_>>());
}

#[test]
fn objects_have_types_parents_and_attributes_that_change() {
    let place = Place::new();
    place.ok(&["object", "add", "house", "--type", "building"]);
    place.write("door.json", r#"{ "floor": 3, "tags": ["steel"] }"#);
    let door = place.json(&[
        "object",
        "add",
        "door",
        "--type",
        "door",
        "--parent",
        "house",
        "--attributes",
        "@door.json",
        "--disable",
    ]);
    let expected = json!({
        "code": "door", "name": "door", "type": "door", "parent": "house",
        "attributes": { "floor": 3, "tags": ["steel"] }, "disabled": true,
    });
    assert_eq!(door, expected);
    assert_eq!(place.json(&["object", "show", "door"]), expected);
    assert_eq!(place.json(&["object", "list", "--type", "door"]), json!([expected]));
    assert_eq!(place.json(&["object", "list", "--parent", "house"]), json!([expected]));
    assert_eq!(place.json(&["object", "list", "--type", "window"]), json!([]));
    assert!(place.ok(&["object", "list"]).contains("door   door   door      house   disabled"));

    let changed =
        place.json(&["object", "set", "door", "--name", "Front door", "--enable", "--unset", "attributes"]);
    assert_eq!(
        (&changed["name"], &changed["disabled"], &changed["attributes"]),
        (&json!("Front door"), &json!(false), &json!(null))
    );
    assert_eq!(changed["parent"], "house", "what is not named stays");
    let event = place.events().pop().expect("the change");
    assert_eq!(event.detail["changed"], json!(["name", "attributes", "disabled"]));

    let said = place.refused(&["object", "set", "house", "--parent", "door"]);
    assert!(said.contains("house was not changed") && said.contains("cycle"), "{said}");
    assert!(place.refused(&["object", "add", "x", "--attributes", r#"{"a":{"b":1}}"#]).contains("flat"));
    assert!(
        place.refused(&["object", "add", "x", "--attributes", "@nowhere"]).contains("cannot read nowhere")
    );
    assert!(place.refused(&["object", "add", "x", "--type", "a b"]).contains("was not made"));
    let said = place.refused(&["object", "show", "dor"]);
    assert!(said.contains("did you mean door?") && said.contains("authmachine object add dor"), "{said}");

    assert!(place.refused(&["object", "remove", "house", "--yes"]).contains("object list --parent house"));
    assert!(place.refused(&["object", "remove", "door"]).contains("say --yes"));
    assert_eq!(place.ok(&["object", "remove", "door", "--yes"]), "Removed the object door\n");
    place.ok(&["object", "remove", "house", "--yes"]);
    assert_eq!(place.json(&["object", "list"]), json!([]));
    let kinds = ["object_created", "object_created", "object_changed", "object_removed", "object_removed"];
    assert_eq!(place.event_kinds(0), kinds);
}

#[test]
fn permission_types_imply_others_without_a_circle() {
    let place = Place::furnished();
    let before = place.events().len();
    assert_eq!(
        place.ok(&["permission-type", "add", "write", "--implies", "read"]),
        "Made the permission type write, which implies read\n"
    );
    let admin = place.json(&["permission-type", "add", "admin", "--implies", "write", "read"]);
    assert_eq!(admin, json!({ "code": "admin", "name": "admin", "implies": ["write", "read"] }));
    assert_eq!(place.json(&["permission-type", "list"])[2]["implies"], json!(["read"]));
    let said = place.refused(&["permission-type", "set", "read", "--implies", "admin"]);
    assert!(said.contains("read cannot imply admin") && said.contains("cycle"), "{said}");
    assert!(
        place.refused(&["permission-type", "add", "x", "--implies", "wriet"]).contains("did you mean write?")
    );

    assert!(place.refused(&["permission-type", "remove", "write"]).contains("other permission types imply"));
    let set = place.json(&["permission-type", "set", "admin", "--implies-nothing", "--name", "All"]);
    assert_eq!(set, json!({ "code": "admin", "name": "All", "implies": [] }));
    place.ok(&["grant", "add", "--everyone", "--object", "object1", "--type", "admin"]);
    assert!(place.refused(&["permission-type", "remove", "admin"]).contains("grant list --type admin"));
    place.ok(&["permission-type", "remove", "write"]);
    let kinds = [
        "permission_type_created",
        "permission_type_created",
        "permission_type_changed",
        "permission_granted",
        "permission_type_removed",
    ];
    assert_eq!(place.event_kinds(before), kinds);
}

#[test]
fn groups_stand_in_groups_without_a_circle() {
    let place = Place::furnished();
    place.ok(&["group", "add", "everybody"]);
    let before = place.events().len();
    let until = ["group", "member", "everybody", "--group", "staff", "--not-after", "2099-01-01T00:00:00Z"];
    assert_eq!(place.ok(&until), "the group staff is in the group everybody until 2099-01-01T00:00:00Z\n");
    place.ok(&["group", "member", "everybody", "alice"]);
    let members = place.json(&["group", "members", "everybody"]);
    assert_eq!((&members[0]["username"], &members[1]["group"]), (&json!("alice"), &json!("staff")));
    assert_eq!(members[1]["not_after"], "2099-01-01T00:00:00Z");
    assert_eq!(place.events()[before].detail["member"], "staff");
    assert!(
        place.ok(&["group", "members", "everybody"]).contains("group   staff  -     2099-01-01T00:00:00Z")
    );
    let said = place.refused(&["group", "member", "staff", "--group", "everybody"]);
    assert!(said.contains("everybody cannot be in the group staff") && said.contains("cycle"), "{said}");
    for who in [&[][..], &["alice", "--group", "staff"]] {
        assert_eq!(
            place.run(&[&["group", "member", "everybody"][..], who].concat(), "").code,
            Some(2),
            "{who:?}"
        );
    }

    place.ok(&["group", "member", "everybody", "--group", "staff", "--remove"]);
    assert_eq!(place.json(&["group", "members", "everybody"]).as_array().map(Vec::len), Some(1));
    assert!(place.refused(&["group", "remove", "everybody"]).contains("say --yes"));
    place.ok(&["group", "remove", "everybody", "--yes"]);
    assert!(place.refused(&["group", "members", "everybody"]).contains("no group"));
    let kinds = ["group_member_added", "group_member_added", "group_member_removed", "group_removed"];
    assert_eq!(place.event_kinds(before), kinds);
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

    assert!(place.refused(&add(&to_alice, &[])).contains("already; --replace changes its terms"));
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
fn a_grant_has_any_holder_any_target_and_its_terms() {
    let place = Place::furnished();
    place.ok(&["client", "add", "--id", "shop", "--redirect-uri", "https://shop.example.com/back", "--json"]);
    let before = place.events().len();
    let add = |what: &[&str]| place.json(&[&["grant", "add", "--type", "read"][..], what].concat());
    let condition = r#"{"eq":[{"attribute":"context.network"},"office"]}"#;
    let everyone = add(&["--everyone", "--all-of", "door", "--condition", condition]);
    assert_eq!((&everyone["everyone"], &everyone["all_of"]), (&json!(true), &json!("door")));
    assert_eq!(everyone["condition"]["eq"][1], "office");
    let shop = add(&["--client", "shop", "--object", "object1", "--include-children"]);
    assert_eq!(
        (&shop["client"], &shop["include_children"], &shop["delegable"]),
        (&json!("shop"), &json!(true), &json!(false))
    );
    let alice = ["--user", "alice", "--object", "object1"];
    assert_eq!(add(&[&alice[..], &["--delegable"]].concat())["delegable"], true);
    let again = [&alice[..], &["--delegable", "2", "--replace"]].concat();
    assert_eq!(add(&again)["delegable"], 2);
    let listed = place.json(&["grant", "list", "--user", "alice"]);
    assert_eq!((listed.as_array().map(Vec::len), &listed[0]["delegable"]), (Some(1), &json!(2)));
    assert_eq!(place.json(&["grant", "list", "--everyone"])[0]["all_of"], "door");
    assert_eq!(place.json(&["grant", "list", "--client", "shop"])[0]["client"], "shop");
    assert_eq!(place.json(&["grant", "list", "--all-of", "door"])[0]["everyone"], true);
    assert_eq!(place.json(&["grant", "list", "--type", "read"]).as_array().map(Vec::len), Some(3));
    let table = place.ok(&["grant", "list"]);
    assert!(
        table.contains("all of door") && table.contains("delegable 2") && table.contains("conditional"),
        "{table}"
    );

    let everyone = ["grant", "remove", "--type", "read", "--everyone", "--all-of", "door"];
    assert!(place.refused(&everyone).contains("are named with --condition"));
    place.ok(&[&everyone[..], &["--condition", condition]].concat());
    let kinds = [
        "permission_granted",
        "permission_granted",
        "permission_granted",
        "permission_changed",
        "permission_removed",
    ];
    assert_eq!(place.event_kinds(before), kinds);
    let events = place.events();
    assert_eq!(events[before].detail["all_of"], "door");
    assert_eq!(events[before + 1].client.as_deref(), Some("shop"));

    for bad in [
        &["--user", "alice", "--everyone", "--object", "object1"][..],
        &["--everyone", "--object", "object1", "--all-of", "door"],
        &["--everyone"],
        &["--everyone", "--all-of", "door", "--include-children"],
        &["--everyone", "--object", "object1", "--delegable", "6"],
    ] {
        assert_eq!(
            place.run(&[&["grant", "add", "--type", "read"][..], bad].concat(), "").code,
            Some(2),
            "{bad:?}"
        );
    }
    let bad = [
        "grant",
        "add",
        "--everyone",
        "--object",
        "object1",
        "--type",
        "read",
        "--condition",
        r#"{"near":[1,2]}"#,
    ];
    assert!(place.refused(&bad).contains("no operator"));
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
