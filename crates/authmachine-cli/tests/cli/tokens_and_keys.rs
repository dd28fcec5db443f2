//! `api-token …`, `keys …`

use serde_json::json;

use crate::support::{Place, until};

#[test]
fn an_api_token_is_shown_once_and_ends() {
    let place = Place::new();
    let made = place.json(&[
        "api-token",
        "create",
        "reports",
        "--objects",
        "object1",
        "object2",
        "--expires",
        "90d",
    ]);
    let token = made["token"].as_str().expect("text").to_owned();
    assert_eq!(token.len(), 54);
    assert_eq!(
        (&made["objects"], &made["scope"]),
        (&json!(["object1", "object2"]), &"permissions:read".into())
    );
    assert!(made["expires_at"].is_string());
    let listed = place.json(&["api-token", "list"]);
    assert_eq!(
        (&listed[0]["name"], &listed[0]["status"], listed[0].get("token")),
        (&"reports".into(), &"live".into(), None)
    );

    let printed = place.ok(&["api-token", "create", "all", "--all-objects", "--expires", "never"]);
    assert!(printed.contains("It does not expire") && printed.contains("shown only now: "), "{printed}");
    let listed = place.json(&["api-token", "list"]);
    let all =
        listed.as_array().expect("a list").iter().find(|one| one["name"] == "all").expect("there").clone();
    assert_eq!((&all["objects"], &all["expires_at"]), (&"all".into(), &json!(null)));

    place.ok(&["api-token", "revoke", "reports"]);
    assert!(place.ok(&["api-token", "list"]).contains("revoked"));
    assert!(place.refused(&["api-token", "revoke", "reports"]).contains("could be revoked"));
    assert!(place.refused(&["api-token", "revoke", "nothing"]).contains("could be revoked"));
    assert_eq!(place.event_kinds(0), ["api_token_created", "api_token_created", "api_token_revoked"]);
    assert!(!format!("{:?}", place.events()).contains(&token));
}

#[test]
fn an_api_token_without_sense_is_refused() {
    let place = Place::new();
    let nothing = place.run(&["api-token", "create", "blind"], "");
    assert!(nothing.code == Some(0) && nothing.stderr.contains("sees no object"), "{nothing:?}");
    assert!(place.refused(&["api-token", "create", "blind"]).contains("already"));
    assert!(
        place
            .refused(&["api-token", "create", "late", "--expires", "2001-01-01T00:00:00Z"])
            .contains("in the past")
    );
    assert!(place.refused(&["api-token", "create", ""]).contains("printable"));
    assert!(place.refused(&["api-token", "create", "x", "--objects", "a b"]).contains("cannot be used"));
    for wrong in [&["--expires", "soon"][..], &["--all-objects", "--objects", "a"]] {
        assert_eq!(
            place.run(&[&["api-token", "create", "x"][..], wrong].concat(), "").code,
            Some(2),
            "{wrong:?}"
        );
    }
    assert_eq!(place.event_kinds(0), ["api_token_created"]);
}

#[test]
fn an_api_token_s_object_that_is_not_there_is_named() {
    let place = Place::furnished();
    let made = place.run(&["api-token", "create", "reports", "--objects", "object1", "objct2"], "");
    assert_eq!(made.code, Some(0), "{made:?}");
    assert!(made.stderr.contains("There is no object objct2 yet"), "{made:?}");
    assert!(!made.stderr.contains("object object1"), "{made:?}");
}

#[test]
fn a_rotated_key_signs_and_the_old_one_stays_published() {
    let place = Place::new();
    place.ok(&["object", "add", "object1"]);
    assert!(place.refused(&["keys", "rotate"]).contains("there are no keys yet"));
    let server = place.serve();
    let keys = |status: &str| {
        let listed = place.json(&["keys", "list"]);
        let all = listed.as_array().expect("a list").clone();
        all.into_iter().filter(|key| key["status"] == status).collect::<Vec<_>>()
    };
    assert_eq!(keys("signs").len(), 3);
    let old = keys("signs").into_iter().find(|key| key["alg"] == "RS256").expect("there");

    let new = place.json(&["keys", "rotate"]);
    assert_eq!((&new["alg"], &new["status"]), (&"RS256".into(), &"signs".into()));
    let retired = keys("retired");
    assert_eq!((retired.len(), &retired[0]["kid"]), (1, &old["kid"]));
    assert!(retired[0]["expires_at"].is_string());
    assert_eq!(keys("signs").len(), 3);
    // The running server publishes both.
    let published = until(|| {
        let set = server.json("/oidc/jwks");
        let kids: Vec<_> = set["keys"].as_array()?.iter().map(|key| key["kid"].clone()).collect();
        kids.contains(&new["kid"]).then_some(kids)
    });
    assert_eq!(published.len(), 4);
    assert!(published.contains(&old["kid"]), "{published:?}");

    let table = place.ok(&["keys", "rotate", "--alg", "PS256"]);
    assert!(table.contains("signs with PS256") && !table.contains("stays published"), "{table}");
    assert_eq!(place.run(&["keys", "rotate", "--alg", "HS256"], "").code, Some(2));
    assert_eq!(place.event_kinds(1), ["key_rotated", "key_rotated"]);
}
