//! `api-token …`, `keys …`

use std::time::{Duration, Instant};

use authmachine_server::Clock;
use authmachine_server::secrets::Secrets;
use authmachine_store::Tx;
use base64ct::{Base64UrlUnpadded, Encoding as _};
use serde_json::{Value, json};

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
fn dr1_an_initial_access_token_is_an_api_token_for_that_alone() {
    let place = Place::new();
    let made = place.run(&["api-token", "create", "partners", "--scope", "clients:register", "--json"], "");
    assert!(made.code == Some(0) && !made.stderr.contains("sees no object"), "{made:?}");
    assert_eq!(place.json(&["api-token", "list"])[0]["scope"], "clients:register");
    let wrong = place.run(&["api-token", "create", "x", "--scope", "admin"], "");
    assert!(wrong.code == Some(2) && wrong.stderr.contains("clients:register"), "{wrong:?}");
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
fn jw9_the_next_key_is_published_and_one_that_is_not_trusted_is_replaced_at_once() {
    let place = Place::new().with("KEYS__PUBLISH_BEFORE", "2h");
    place.ok(&["object", "add", "object1"]);
    assert!(place.refused(&["keys", "rotate"]).contains("there are no keys yet"));
    let server = place.serve();
    let keys = |status: &str| {
        let listed = place.json(&["keys", "list"]);
        let all = listed.as_array().expect("a list").clone();
        all.into_iter().filter(|key| key["status"] == status).collect::<Vec<_>>()
    };
    let is_published = |kid: &Value| {
        let set = server.json("/oidc/jwks");
        set["keys"].as_array().expect("a list").iter().any(|key| key["kid"] == *kid)
    };
    assert_eq!(keys("signs").len(), 4);
    let old = keys("signs").into_iter().find(|key| key["alg"] == "RS256").expect("there");

    let next = place.json(&["keys", "rotate"]);
    assert_eq!((&next["alg"], &next["status"]), (&"RS256".into(), &"next".into()));
    assert_eq!((keys("next"), keys("signs").len()), (vec![next.clone()], 4));
    until(|| is_published(&next["kid"]).then_some(()));
    // There is one next key, however often one asks.
    assert_eq!(place.json(&["keys", "rotate"]), next);
    let said = place.ok(&["keys", "rotate"]);
    assert!(said.contains("is published already") && said.contains(text(&next["active_from"])), "{said}");
    let said = place.ok(&["keys", "rotate", "--alg", "ES256"]);
    assert!(said.contains("is published, and signs with ES256 from "), "{said}");

    let new = place.json(&["keys", "rotate", "--now"]);
    assert_eq!((&new["alg"], &new["status"]), (&"RS256".into(), &"signs".into()));
    assert!(new["kid"] != next["kid"] && new["kid"] != old["kid"]);
    let retired = keys("retired");
    assert_eq!((retired.len(), &retired[0]["kid"]), (1, &old["kid"]));
    assert!(retired[0]["expires_at"].is_string());
    assert!(keys("next").iter().all(|key| key["alg"] == "ES256"));
    until(|| (is_published(&new["kid"]) && !is_published(&next["kid"])).then_some(()));
    assert!(is_published(&old["kid"]));

    let said = place.ok(&["keys", "rotate", "--now", "--alg", "EdDSA"]);
    assert!(
        said.contains("signs with EdDSA from now on") && said.contains("stays published until"),
        "{said}"
    );
    assert_eq!(place.run(&["keys", "rotate", "--alg", "HS256"], "").code, Some(2));
    assert_eq!(place.event_kinds(1), ["key_published", "key_published", "key_rotated", "key_rotated"]);
    let table = place.ok(&["keys", "list"]);
    assert!(table.contains("SIGNS FROM") && table.contains("next") && table.contains("retired"), "{table}");
}

#[test]
fn an_algorithm_without_a_key_is_refused_until_it_has_one_which_signs_at_once() {
    let place = Place::new();
    place.serve().stop();
    let now = Clock::System.now();
    let store = place.store();
    let drop_ps256 = move |tx: &mut Tx| {
        let keys = tx.list_signing_keys()?;
        let key = keys.iter().find(|key| key.algorithm.as_str() == "PS256").expect("there");
        tx.retire_signing_key(&key.kid, now, now)
    };
    store.write_blocking(Instant::now() + Duration::from_secs(10), drop_ps256).expect("it writes");
    drop(store);
    let add =
        ["client", "add", "--id", "a", "--redirect-uri", "https://a.example/cb", "--id-token-alg", "PS256"];
    assert!(place.refused(&add).contains("keys rotate --alg PS256"));
    let doctor = place.run(&["doctor"], "").stdout;
    assert!(doctor.contains("authmachine keys rotate --alg PS256"), "{doctor}");
    let said = place.ok(&["keys", "rotate", "--alg", "PS256"]);
    assert!(said.contains("signs with PS256 from now on") && !said.contains("stays published"), "{said}");
    place.ok(&add);
}

#[test]
fn jw8_no_private_part_of_a_key_is_ever_shown() {
    let place = Place::new();
    let server = place.serve();
    let outputs = [
        place.ok(&["keys", "list", "--json"]),
        place.ok(&["keys", "rotate", "--json"]),
        place.ok(&["keys", "rotate", "--now", "--json"]),
        place.ok(&["keys", "list"]),
        server.json("/oidc/jwks").to_string(),
        server.stop().1,
    ];
    let members = ["kid", "alg", "status", "created_at", "active_from", "retired_at", "expires_at"];
    let listed: Value = serde_json::from_str(&outputs[0]).expect("JSON");
    for key in listed.as_array().expect("a list") {
        let key = key.as_object().expect("an object");
        assert!(key.keys().all(|member| members.contains(&member.as_str())), "{key:?}");
    }
    let master_key = std::fs::read_to_string(place.data().join("authmachine.key")).expect("it is there");
    let digit = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).expect("hex"), 16).expect("hex");
    let master_key: Vec<u8> = master_key.trim().as_bytes().chunks(2).map(digit).collect();
    let secrets = Secrets::derive(&master_key.try_into().expect("32 bytes"));
    let keys = place.store().read_blocking(|reads| reads.list_signing_keys()).expect("it reads");
    assert_eq!(keys.len(), 6);
    for key in keys {
        let sealed = key.private_sealed;
        let pkcs8 = secrets.signing_keys().open(&sealed, key.kid.as_bytes()).expect("it opens");
        for part in [&sealed[..], &pkcs8] {
            // Some bytes of the middle, where the secret is; of three places one fits the groups of Base64.
            for at in part.len() / 2..part.len() / 2 + 3 {
                let some = &part[at - 6..at + 6];
                let hex: String = some.iter().map(|byte| format!("{byte:02x}")).collect();
                let decimal = some.iter().map(u8::to_string).collect::<Vec<_>>().join(", ");
                let base64 = Base64UrlUnpadded::encode_string(some);
                for output in &outputs {
                    assert!(
                        !output.to_lowercase().contains(&hex) && !output.contains(&decimal),
                        "{}",
                        key.kid
                    );
                    assert!(!output.replace('+', "-").replace('/', "_").contains(&base64), "{}", key.kid);
                }
            }
        }
    }
}

fn text(value: &Value) -> &str {
    value.as_str().expect("text")
}
