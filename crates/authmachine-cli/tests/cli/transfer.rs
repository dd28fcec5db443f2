//! `export` and `import`

use serde_json::{Value, json};

use crate::support::{PASSWORD, Place};

const HEADER: &str = r#"{"format":"authmachine-permissions","version":1}"#;
const OFFICE: &str = r#"{"eq":[{"attribute":"context.network"},"office"]}"#;

/// Some of everything, and people and a client who may be elsewhere too.
fn filled() -> Place {
    let place = peopled();
    for command in [
        &["permission-type", "add", "read", "--name", "Read"][..],
        &["permission-type", "add", "admin", "--implies", "read"],
        // Its code comes before those of the types that it implies.
        &["permission-type", "add", "a", "--implies", "admin", "read"],
        &["object", "add", "z-house", "--type", "building"],
        &["object", "add", "a-door", "--parent", "z-house", "--attributes", r#"{"floor":3,"tags":["a"]}"#],
        &["object", "add", "shut", "--disable"],
        &["group", "add", "staff"],
        &["group", "add", "all", "--name", "Everybody"],
        &["group", "member", "staff", "bob", "--not-after", "2099-01-01T00:00:00Z"],
        &["group", "member", "staff", "alice"],
        &["group", "member", "all", "--group", "staff"],
        &[
            "grant",
            "add",
            "--user",
            "alice",
            "--object",
            "z-house",
            "--type",
            "admin",
            "--include-children",
            "--delegable",
        ],
        &[
            "grant",
            "add",
            "--group",
            "all",
            "--object",
            "z-house",
            "--type",
            "read",
            "--not-before",
            "2020-01-01T00:00:00Z",
        ],
        &["grant", "add", "--client", "shop", "--all-of", "building", "--type", "read", "--delegable", "2"],
        &["grant", "add", "--everyone", "--object", "shut", "--type", "read", "--condition", OFFICE],
        &[
            "delegation",
            "add",
            "--from",
            "alice",
            "--to",
            "bob",
            "--object",
            "a-door",
            "--type",
            "admin",
            "--until",
            "30d",
        ],
    ] {
        place.ok(command);
    }
    place
}

fn peopled() -> Place {
    let place = Place::new();
    for name in ["alice", "bob"] {
        place.ok_with(&["user", "add", name, "--password-stdin"], PASSWORD);
    }
    place.ok(&["client", "add", "--id", "shop", "--redirect-uri", "https://shop.example.com/back", "--json"]);
    place
}

fn counts(report: &Value) -> [u64; 4] {
    ["made", "changed", "unchanged", "refused"].map(|name| report[name].as_u64().expect("a number"))
}

#[test]
fn permission_data_is_carried_to_another_installation() {
    let here = filled();
    let exported = here.ok(&["export"]);
    assert_eq!(here.ok(&["export"]), exported, "the same bytes again");
    assert!(exported.starts_with(&format!("{HEADER}\n")), "{exported}");
    let records = exported.lines().count() - 1;
    assert_eq!(records, 16, "{exported}");
    let place = |text: &str| exported.find(text).unwrap_or_else(|| panic!("{text}: {exported}"));
    assert!(place(r#""code":"admin""#) < place(r#""code":"a","#), "implied types come first");
    assert!(place(r#""code":"z-house""#) < place(r#""code":"a-door""#), "parents come first");
    // Nothing changes where it came from.
    here.write("all.jsonl", &exported);
    let before = here.events().len();
    assert_eq!(counts(&here.json(&["import", "all.jsonl"])), [0, 0, 16, 0]);
    assert_eq!(here.events().len(), before);

    let there = peopled();
    there.write("all.jsonl", &exported);
    let before = there.events().len();
    assert_eq!(counts(&there.json(&["import", "all.jsonl", "--dry-run"])), [16, 0, 0, 0]);
    assert_eq!((there.events().len(), there.json(&["object", "list"])), (before, json!([])), "a dry run");
    assert_eq!(there.ok_with(&["import", "-"], &exported), "16 made, 0 changed, 0 as they were, 0 refused\n");
    assert_eq!(there.ok(&["export"]), exported);
    assert_eq!(counts(&there.json(&["import", "all.jsonl"])), [0, 0, 16, 0], "a second time");
    assert_eq!(there.events().len(), before + 16, "an event for each");
    assert_eq!(there.json(&["grant", "list", "--user", "alice"])[0]["source"], "import");
    for (who, what, whether) in [("alice", "read", 0), ("bob", "admin", 0), ("bob", "a", 1)] {
        assert_eq!(there.run(&["check", who, what, "a-door"], "").code, Some(whether), "{who} {what}");
    }

    // What differs is changed to what the file says.
    there.ok(&["object", "set", "a-door", "--name", "Other"]);
    there.ok(&["grant", "remove", "--group", "all", "--object", "z-house", "--type", "read"]);
    there.ok(&["group", "member", "staff", "bob"]);
    assert_eq!(counts(&there.json(&["import", "all.jsonl"])), [1, 2, 13, 0]);
    assert_eq!(there.ok(&["export"]).lines().count(), 17);
}

#[test]
fn each_line_that_is_refused_is_told_by_its_number_and_leaves_nothing() {
    let place = peopled();
    let long = format!(r#"{{"kind":"object","code":"long","name":"{}"}}"#, "x".repeat(40_000));
    let code = "c".repeat(129);
    let deep = format!(
        r#"{{"kind":"object","code":"deep","attributes":{{"a":{}{}}}}}"#,
        "[".repeat(33),
        "]".repeat(33)
    );
    let (long_code, nodes) = (
        format!(r#"{{"kind":"object","code":"{code}"}}"#),
        format!(
            r#"{{"kind":"grant","everyone":true,"object":"house","type":"read","condition":{{"all":[{}]}}}}"#,
            vec![OFFICE; 40].join(",")
        ),
    );
    let lines: Vec<(&str, &str)> = vec![
        (r#"{"kind":"permission_type","code":"read"}"#, ""),
        (r#"{"kind":"permission_type","code":"write","implies":["read"]}"#, ""),
        (r#"{"kind":"permission_type","code":"read","implies":["write"]}"#, "cycle"),
        (r#"{"kind":"permission_type","code":"x","implies":["later"]}"#, "no permission type \"later\""),
        (r#"{"kind":"object","code":"house"}"#, ""),
        (r#"{"kind":"object","code":"door","parent":"house"}"#, ""),
        (r#"{"kind":"object","code":"house","parent":"door"}"#, "cycle"),
        (r#"{"kind":"object","code":"permissions"}"#, "reserved"),
        (&long_code, "1 to 128 characters"),
        (r#"{"kind":"object","code":"a\u0000b"}"#, "U+0000"),
        (r#"{"kind":"object","code":"a b"}"#, "letters, digits"),
        (&deep, "nested deeper than 32"),
        (r#"{"kind":"object","code":"x","attributes":{"a":{"b":1}}}"#, "flat"),
        (r#"{"kind":"object","code":"x","attributes":{"a":1,"a":2}}"#, "stands twice"),
        (r#"{"kind":"object","code":"x","colour":"red"}"#, "unknown field `colour`"),
        (&long, "at most 32768 bytes"),
        ("not JSON", "not a JSON object"),
        (r#"{"kind":"group","code":"a"}"#, ""),
        (r#"{"kind":"group","code":"b"}"#, ""),
        (r#"{"kind":"membership","group":"a","member_group":"b"}"#, ""),
        (r#"{"kind":"membership","group":"b","member_group":"a"}"#, "cycle"),
        (r#"{"kind":"membership","group":"b","user":"nobody"}"#, "no user \"nobody\""),
        (
            r#"{"kind":"membership","group":"b","user":"alice","not_before":"2099-01-01T00:00:00Z","not_after":"2098-01-01T00:00:00Z"}"#,
            "comes after",
        ),
        (r#"{"kind":"membership","group":"b"}"#, "a user or of a member_group"),
        (r#"{"kind":"grant","user":"alice","object":"house","type":"write","delegable":true}"#, ""),
        (
            r#"{"kind":"grant","user":"alice","everyone":true,"object":"house","type":"write"}"#,
            "one of user, group",
        ),
        (r#"{"kind":"grant","user":"alice","object":"house","type":"fly"}"#, "no permission type \"fly\""),
        (r#"{"kind":"grant","user":"alice","object":"house","type":"write","delegable":6}"#, "0 to 5 hops"),
        (
            r#"{"kind":"grant","everyone":true,"all_of":"door","type":"read","include_children":true}"#,
            "names no children",
        ),
        (r#"{"kind":"grant","client":"nobody","object":"house","type":"read"}"#, "no client"),
        (&nodes, "tests and connectives"),
        (
            r#"{"kind":"delegation","from":"alice","to":"alice","object":"house","type":"write","expires_at":"2099-01-01T00:00:00Z"}"#,
            "nobody lends to itself",
        ),
        (
            r#"{"kind":"delegation","from":"alice","to":"bob","object":"house","type":"write","expires_at":"2099-01-01T00:00:00Z"}"#,
            "may be lent until",
        ),
        (
            r#"{"kind":"delegation","from":"bob","to":"alice","object":"house","type":"write"}"#,
            "does not hold",
        ),
        ("", ""),
        (r#"{"kind":"grant","group":"a","object":"door","type":"read"}"#, ""),
    ];
    let file =
        std::iter::once(HEADER).chain(lines.iter().map(|(line, _)| *line)).collect::<Vec<_>>().join("\n");
    place.write("mixed.jsonl", &file);
    let refused = lines.iter().filter(|(_, why)| !why.is_empty()).count();
    for arguments in
        [&["import", "mixed.jsonl", "--json", "--dry-run"][..], &["import", "mixed.jsonl", "--json"]]
    {
        let outcome = place.run(arguments, "");
        assert_eq!(outcome.code, Some(1), "{outcome:?}");
        let report: Value = serde_json::from_str(&outcome.stdout).expect("JSON");
        assert_eq!(counts(&report), [9, 0, 0, refused as u64], "{report:#}");
        let told = report["refused_lines"].as_array().expect("a list");
        let expected = (2..).zip(&lines).filter(|(_, (_, why))| !why.is_empty());
        for (told, (number, (_, why))) in told.iter().zip(expected) {
            let reason = told["reason"].as_str().expect("a text");
            assert!(told["line"] == number && reason.contains(why), "line {number}, {why}: {told}");
            assert!(outcome.stderr.contains(&format!("line {number}: {reason}")), "{}", outcome.stderr);
        }
    }
    // Just what was not refused is there.
    assert_eq!(place.ok(&["export"]).lines().count(), 10);
    assert_eq!(place.json(&["object", "list"]).as_array().map(Vec::len), Some(2));

    let outcome = peopled().run(&["import", "-", "--stop-at-first"], &file);
    assert_eq!(outcome.code, Some(1));
    assert_eq!(outcome.stdout, "2 made, 0 changed, 0 as they were, 1 refused\n");
}

#[test]
fn what_is_no_export_is_refused_as_a_whole() {
    let place = peopled();
    for (file, why) in [
        ("", "first line is not"),
        (r#"{"kind":"group","code":"a"}"#, "first line is not"),
        (r#"{"format":"authmachine-permissions","version":2}"#, "version 2"),
        (&"x".repeat(100_000), "at most 32768 bytes"),
    ] {
        assert!(place.refused_with(&["import", "-"], file).contains(why), "{why}");
    }
    assert!(place.refused(&["import", "nowhere.jsonl"]).contains("cannot read nowhere.jsonl"));
    assert!(Place::new().refused(&["export"]).contains("no installation"));
}

#[test]
fn many_lines_are_taken_in_unit_by_unit() {
    let place = peopled();
    let mut file = format!("{HEADER}\n{{\"kind\":\"permission_type\",\"code\":\"read\"}}\n");
    for n in 0..600 {
        file += &format!("{{\"kind\":\"object\",\"code\":\"object{n}\"}}\n");
        file +=
            &format!("{{\"kind\":\"grant\",\"everyone\":true,\"object\":\"object{n}\",\"type\":\"read\"}}\n");
    }
    let server = place.serve();
    assert_eq!(counts(&place.json_with(&["import", "-"], &file)), [1_201, 0, 0, 0], "beside a server");
    assert_eq!(server.stop().0, Some(0));
    assert_eq!(counts(&place.json_with(&["import", "-"], &file)), [0, 0, 1_201, 0]);
    assert_eq!(place.ok(&["export"]).lines().count(), 1_202);
}
