//! `client …`

use crate::support::Place;

const URI: &str = "https://shop.example/cb";

#[test]
fn a_client_gets_a_secret_once_and_the_usual_rights() {
    let place = Place::new();
    let made =
        place.json(&["client", "add", "--id", "shop", "--redirect-uri", URI, "https://shop.example/2"]);
    assert_eq!(made["client_secret"].as_str().map(str::len), Some(43));
    assert_eq!(made["grant_types"], serde_json::json!(["authorization_code", "refresh_token"]));
    assert_eq!(made["response_types"], serde_json::json!(["code"]));
    assert_eq!(made["scope"], "openid profile email");
    assert_eq!(made["id_token_signed_response_alg"], "RS256");
    assert_eq!(made["redirect_uris"], serde_json::json!([URI, "https://shop.example/2"]));
    assert_eq!((&made["first_party"], &made["public"]), (&false.into(), &false.into()));
    let listed = place.json(&["client", "list"]);
    assert_eq!(listed[0]["client_id"], "shop");
    assert_eq!(listed[0].get("client_secret"), None);

    let printed = place.ok(&["client", "add", "--id", "more", "--redirect-uri", URI]);
    let secret = printed.trim_end().rsplit(' ').next().expect("a word");
    assert_eq!(secret.len(), 43, "{printed}");
    assert!(!format!("{:?}", place.events()).contains(secret));
    assert_eq!(place.event_kinds(0), ["client_created", "client_created"]);
    assert_eq!(place.events()[1].client.as_deref(), Some("more"));
}

#[test]
fn flags_widen_what_a_new_client_may_do() {
    let place = Place::new();
    place.ok(&["object", "add", "object1"]);
    let made = place.json_with(
        &[
            "client",
            "add",
            "--id",
            "test",
            "--name",
            "Test",
            "--redirect-uri",
            "http://localhost:5000/cb",
            "--post-logout-redirect-uri",
            "http://localhost:5000/out",
            "--objects",
            "object1",
            "object2",
            "--grant-type",
            "client_credentials",
            "--scope",
            "phone",
            "--scope",
            "address offline_access",
            "--id-token-alg",
            "ES256",
            "--pkce",
            "all",
            "--auth-method",
            "client_secret_post",
            "--secret-stdin",
        ],
        "a secret of thirty-two characters",
    );
    assert_eq!(made.get("client_secret"), None, "it is known already");
    assert_eq!(
        made["grant_types"],
        serde_json::json!(["authorization_code", "refresh_token", "client_credentials"])
    );
    assert_eq!(made["scope"], "openid profile email phone address offline_access");
    assert_eq!(made["objects"], serde_json::json!(["object1", "object2"]));
    assert_eq!(made["token_endpoint_auth_method"], "client_secret_post");
    assert_eq!((&made["id_token_signed_response_alg"], &made["pkce"]), (&"ES256".into(), &"all".into()));
    assert_eq!(made["client_name"], "Test");

    let public = place.json(&["client", "add", "--id", "spa", "--public", "--redirect-uri", URI]);
    assert_eq!((&public["public"], public.get("client_secret")), (&true.into(), None));
    assert_eq!(public["token_endpoint_auth_method"], "none");
    let native =
        ["client", "add", "--id", "phone", "--public", "--native", "--redirect-uri", "com.example.phone:/cb"];
    assert_eq!(place.json(&native)["application_type"], "native");
    // Another app on the device could take its place.
    let trusted = [native.as_slice(), &["--first-party"]].concat();
    assert!(place.refused(&trusted).contains("cannot be first-party"));
    let machine = place.json(&["client", "add", "--id", "cron", "--grant-type", "client_credentials"]);
    assert_eq!(machine["grant_types"], serde_json::json!(["client_credentials"]));
    let table = place.ok(&["client", "list"]);
    assert!(
        table.lines().any(|line| line.starts_with("phone ") && line.contains("public, native")),
        "{table}"
    );
}

#[test]
fn a_client_may_know_people_by_pairwise_subjects_and_have_its_answers_signed() {
    let place = Place::new();
    let add = |id: &'static str, more: &[&'static str]| {
        [&["client", "add", "--id", id, "--redirect-uri", URI][..], more].concat()
    };
    let plain = place.json(&add("plain", &[]));
    assert_eq!((&plain["subject_type"], &plain["sector"]), (&"public".into(), &serde_json::Value::Null));
    assert_eq!(plain["userinfo_signed_response_alg"], serde_json::Value::Null);

    let paired = place.json(&add("paired", &["--subject-type", "pairwise", "--userinfo-alg", "PS256"]));
    assert_eq!((&paired["subject_type"], &paired["sector"]), (&"pairwise".into(), &"shop.example".into()));
    assert_eq!(paired["userinfo_signed_response_alg"], "PS256");
    let more = ["https://other.example/cb", "--subject-type", "pairwise"];
    assert!(place.refused(&add("two", &more)).contains("need --sector"));
    let two = place.json(&add("two", &[&more[..], &["--sector", "Group.example"]].concat()));
    assert_eq!(two["sector"], "group.example");
    assert!(
        place.refused(&add("ours", &["--subject-type", "pairwise", "--first-party"])).contains("first-party")
    );
    let odd = ["--subject-type", "public", "--sector", "shop.example"];
    assert!(place.refused(&add("odd", &odd)).contains("--sector is for pairwise"));

    // An address more is no reason for other subjects.
    let uris = ["--redirect-uri", URI, "https://third.example/cb"];
    let same = place.json(&[&["client", "set", "paired"][..], &uris].concat());
    assert_eq!(same["sector"], "shop.example");
    let public = ["client", "set", "paired", "--subject-type", "public", "--userinfo-alg", "none"];
    let outcome = place.run(&public, "");
    assert!(outcome.stderr.contains("another sub"), "{outcome:?}");
    let listed = place.json(&["client", "list"]);
    let paired = &listed.as_array().expect("an array")[1];
    assert_eq!((&paired["subject_type"], &paired["sector"]), (&"public".into(), &serde_json::Value::Null));
    let event = place.events().pop().expect("there is one");
    assert_eq!(
        event.detail["changed"],
        serde_json::json!(["sector", "subject_type", "userinfo_signed_response_alg"])
    );
}

#[test]
fn jw1_unsigned_id_tokens_are_for_clients_that_have_none_through_browsers() {
    let place = Place::new();
    let add = ["client", "add", "--id", "shop", "--redirect-uri", URI, "--id-token-alg", "none"];
    assert!(
        place
            .refused(&[&add[..], &["--response-type", "code id_token"]].concat())
            .contains("through browsers")
    );
    let outcome = place.run(&[&add[..], &["--json"]].concat(), "");
    assert!(outcome.stderr.contains("signed with RS256 until oidc.unsigned_id_tokens is on"), "{outcome:?}");
    assert!(outcome.stdout.contains(r#""id_token_signed_response_alg": "none""#), "{outcome:?}");
    let set = place.json(&["client", "set", "shop", "--id-token-alg", "PS256"]);
    assert_eq!(set["id_token_signed_response_alg"], "PS256");
}

#[test]
fn lg1_a_secret_on_the_command_line_is_warned_about_and_never_repeated() {
    let place = Place::new();
    let outcome = place
        .run(&["client", "add", "--id", "test", "--secret", "walrus", "--redirect-uri", URI, "--json"], "");
    assert_eq!(outcome.code, Some(0), "{outcome:?}");
    assert!(outcome.stderr.contains("process list"), "{outcome:?}");
    assert!(!format!("{outcome:?}{:?}", place.events()).contains("walrus"), "{outcome:?}");
    for both in [
        ["--secret", "a", "--secret-stdin"].as_slice(),
        &["--secret", "a", "--public"],
        &["--public", "--secret-stdin"],
    ] {
        let arguments = [&["client", "add", "--id", "x", "--redirect-uri", URI][..], both].concat();
        assert_eq!(place.run(&arguments, "").code, Some(2), "{both:?}");
    }
}

#[test]
fn a_client_is_changed_switched_off_and_gets_another_secret() {
    let place = Place::new();
    place.ok(&["client", "add", "--id", "shop", "--redirect-uri", URI]);
    let changed = place.json(&[
        "client",
        "set",
        "shop",
        "--redirect-uri",
        "https://shop.example/new",
        "--scope",
        "openid",
    ]);
    assert_eq!(changed["redirect_uris"], serde_json::json!(["https://shop.example/new"]));
    assert_eq!(changed["scope"], "openid");
    assert_eq!(place.events()[1].detail["changed"], serde_json::json!(["redirect_uris", "scope"]));
    assert!(
        place
            .refused(&["client", "set", "shop", "--scope", "openid"])
            .contains("nothing of shop would change")
    );
    place.ok(&["client", "disable", "shop"]);
    assert_eq!(place.json(&["client", "list"])[0]["disabled"], true);
    place.ok(&["client", "enable", "shop"]);

    let first = place.json(&["client", "rotate-secret", "shop"]);
    let second = place.json(&["client", "rotate-secret", "shop"]);
    assert_eq!(first["client_secret"].as_str().map(str::len), Some(43));
    assert_ne!(first["client_secret"], second["client_secret"]);
    let own = place.json_with(
        &["client", "rotate-secret", "shop", "--secret-stdin"],
        "the walrus and the carpenter were",
    );
    assert_eq!(own.get("client_secret"), None);
    let kinds = ["client_changed", "client_changed", "client_changed"];
    assert_eq!(place.event_kinds(1), [&kinds[..], &["client_secret_rotated"; 3]].concat());
    place.ok(&["client", "add", "--id", "spa", "--public", "--redirect-uri", URI]);
    assert!(place.refused(&["client", "rotate-secret", "spa"]).contains("no secret"));
    assert!(
        place.refused(&["client", "set", "spa", "--auth-method", "client_secret_post"]).contains("public")
    );
}

#[test]
fn a_client_is_removed_for_good() {
    let place = Place::new();
    place.ok(&["client", "add", "--id", "shop", "--redirect-uri", URI]);
    // Nobody is here to be asked.
    assert!(place.refused(&["client", "remove", "shop"]).contains("say --yes"));
    place.ok(&["client", "remove", "shop", "--yes"]);
    assert_eq!(place.json(&["client", "list"]), serde_json::json!([]));
    assert_eq!(place.event_kinds(1), ["client_deleted"]);
    assert!(place.refused(&["client", "remove", "shop", "--yes"]).contains("shop"));
}

#[test]
fn az2_response_types_with_tokens_are_registered_one_by_one_and_need_the_switch() {
    let place = Place::new();
    let add = ["client", "add", "--id", "spa", "--redirect-uri", URI];
    let hybrid = ["--response-type", "code", "id_token code", "--response-type", "token id_token"];
    let made = place.run(&[&add[..], &hybrid, &["--json"]].concat(), "");
    assert_eq!(made.code, Some(0), "{made:?}");
    assert!(
        made.stderr.contains("code id_token is of no use until oidc.implicit is on"),
        "the switch is off: {made:?}"
    );
    let made: serde_json::Value = serde_json::from_str(&made.stdout).expect("JSON");
    assert_eq!(made["response_types"], serde_json::json!(["code", "code id_token", "id_token token"]));

    let place = place.with("OIDC__IMPLICIT", "true");
    let set = place.run(&["client", "set", "spa", "--response-type", "id_token"], "");
    assert_eq!((set.code, set.stderr.contains("of no use")), (Some(0), false), "{set:?}");
    assert_eq!(place.json(&["client", "list"])[0]["response_types"], serde_json::json!(["id_token"]));
    assert_eq!(place.events()[1].detail["changed"], serde_json::json!(["response_types"]));
    // Who answers people at an address needs one.
    let machine = ["client", "add", "--id", "m", "--grant-type", "client_credentials"];
    assert_eq!(place.json(&machine)["response_types"], serde_json::json!([]));
    assert!(
        place
            .refused(&["client", "set", "m", "--response-type", "id_token"])
            .contains("needs --redirect-uri")
    );
}

#[test]
fn ru8_every_address_at_every_door_passes_the_one_validator() {
    let place = Place::new();
    place.ok(&["client", "add", "--id", "shop", "--redirect-uri", URI]);
    let add: &[&str] = &["client", "add", "--id", "new", "--redirect-uri", URI];
    let set: &[&str] = &["client", "set", "shop"];
    let fields = [
        "--redirect-uri",
        "--post-logout-redirect-uri",
        "--frontchannel-logout-uri",
        "--backchannel-logout-uri",
        "--jwks-uri",
        "--request-uri",
        "--initiate-login-uri",
        "--logo-uri",
        "--client-uri",
        "--policy-uri",
        "--tos-uri",
    ];
    // Each flag that is an address is one of these.
    let help = place.ok(&["client", "set", "--help"]);
    assert_eq!(help.matches("<URI>").count(), fields.len(), "{help}");
    for (door, flag) in fields.into_iter().flat_map(|flag| [(add, flag), (set, flag)]) {
        let fragment = (flag != "--request-uri").then_some(("https://shop.example/cb#x", "fragment"));
        for (uri, said) in [
            ("http://shop.example/cb", "plain http is only for loopback"),
            ("https://user@shop.example/cb", "user name or password"),
            ("com.example.app:/cb", "scheme"),
            ("javascript:alert(1)", "scheme"),
            ("/cb", "not an absolute URI"),
            ("", "not an absolute URI"),
            ("https://shöp.example/", "non-ASCII"),
        ]
        .into_iter()
        .chain(fragment)
        {
            let said_by_us = place.refused(&[door, &[flag, uri]].concat());
            assert!(said_by_us.contains(flag) && said_by_us.contains(said), "{door:?} {uri}: {said_by_us}");
        }
    }
    let plain = place.refused(&[set, &["--initiate-login-uri", "http://localhost/login"]].concat());
    assert!(plain.contains("--initiate-login-uri must be https"), "{plain}");
    let clients = place.json(&["client", "list"]);
    assert_eq!((clients.as_array().map(Vec::len), &clients[0]["redirect_uris"][0]), (Some(1), &URI.into()));
}

#[test]
fn lo6_a_client_is_told_of_logouts_where_it_was_registered() {
    let place = Place::new();
    let (frame, receiver) = ("https://shop.example/out?x=1", "https://backend.example/out");
    let told = ["--frontchannel-logout-uri", frame, "--backchannel-logout-uri", receiver];
    let made = place.json(&[&["client", "add", "--id", "shop", "--redirect-uri", URI][..], &told].concat());
    assert_eq!(
        (&made["frontchannel_logout_uri"], &made["backchannel_logout_uri"]),
        (&frame.into(), &receiver.into())
    );
    // What is framed is the client's own.
    for foreign in ["https://evil.example/out", "https://shop.example:8443/out", "http://localhost/out"] {
        let said = place.refused(&["client", "set", "shop", "--frontchannel-logout-uri", foreign]);
        assert!(said.contains("--frontchannel-logout-uri has not the scheme, host and port"), "{said}");
    }
    let said = place.refused(&["client", "set", "shop", "--redirect-uri", "https://moved.example/cb"]);
    assert!(said.contains("--frontchannel-logout-uri"), "{said}");
    let set = place.json(&["client", "set", "shop", "--unset", "backchannel-logout-uri"]);
    assert_eq!(
        (&set["frontchannel_logout_uri"], &set["backchannel_logout_uri"]),
        (&frame.into(), &().into())
    );
}

#[test]
fn what_a_client_says_of_itself_is_given_shown_and_taken_back() {
    let place = Place::new();
    let facts = [
        ("logo-uri", "logo_uri", "https://shop.example/logo.png"),
        ("client-uri", "client_uri", "https://shop.example/"),
        ("policy-uri", "policy_uri", "https://shop.example/privacy"),
        ("tos-uri", "tos_uri", "https://shop.example/terms"),
        ("initiate-login-uri", "initiate_login_uri", "https://shop.example/login"),
        ("request-object-alg", "request_object_signing_alg", "ES256"),
        ("jwks-uri", "jwks_uri", "https://shop.example/jwks"),
        ("frontchannel-logout-uri", "frontchannel_logout_uri", "https://shop.example/frame"),
        ("backchannel-logout-uri", "backchannel_logout_uri", "https://backend.example/out"),
    ];
    let lists = [
        (
            "post-logout-redirect-uri",
            "post_logout_redirect_uris",
            ["https://shop.example/out", "https://shop.example/o"],
        ),
        ("request-uri", "request_uris", ["https://shop.example/r#1", "https://shop.example/r2"]),
        ("default-acr-values", "default_acr_values", ["one", "two"]),
        ("contact", "contacts", ["a@shop.example", "b@shop.example"]),
    ];
    let switches = [
        ("require-signed-request-object", "require_signed_request_object"),
        ("require-auth-time", "require_auth_time"),
    ];

    let mut set =
        ["client", "set", "shop", "--default-max-age", "1h", "--name", "Shop"].map(str::to_owned).to_vec();
    let mut unset =
        ["client", "set", "shop", "--unset", "default-max-age", "name"].map(str::to_owned).to_vec();
    set.extend(facts.iter().flat_map(|(flag, _, value)| [format!("--{flag}"), (*value).to_owned()]));
    set.extend(
        lists
            .iter()
            .flat_map(|(flag, _, [one, two])| [format!("--{flag}"), (*one).to_owned(), (*two).to_owned()]),
    );
    set.extend(switches.iter().map(|(flag, _)| format!("--{flag}")));
    let flags = facts
        .iter()
        .map(|fact| fact.0)
        .chain(lists.iter().map(|list| list.0))
        .chain(switches.map(|(flag, _)| flag));
    unset.extend(flags.map(str::to_owned));
    fn as_str(words: &[String]) -> Vec<&str> {
        words.iter().map(String::as_str).collect()
    }

    place.ok(&["client", "add", "--id", "shop", "--redirect-uri", URI]);
    let before = place.json(&["client", "show", "shop"]);
    let given = place.json(&as_str(&set));
    for (_, member, value) in facts {
        assert_eq!(given[member], value);
    }
    for (_, member, values) in lists {
        assert_eq!(given[member], serde_json::json!(values));
    }
    for (_, member) in switches {
        assert_eq!(given[member], true, "{member}");
    }
    assert_eq!((&given["default_max_age"], &given["client_name"]), (&3_600.into(), &"Shop".into()));
    assert_eq!(place.json(&["client", "show", "shop"]), given);
    let changed = place.events()[1].detail["changed"].as_array().map(Vec::len);
    assert_eq!(changed, Some(facts.len() + lists.len() + switches.len() + 2));

    let shown = place.ok(&["client", "show", "shop"]);
    for line in [
        "contacts                       a@shop.example b@shop.example",
        "default_max_age                3600",
        "client_name                    Shop",
    ] {
        assert!(shown.lines().any(|shown| shown == line), "{line}: {shown}");
    }
    assert!(!shown.contains("sector "), "what is not there is not shown: {shown}");
    assert!(!place.ok(&["client", "list"]).contains("logo.png"));

    assert_eq!(place.json(&as_str(&unset)), before);
    assert!(place.refused(&as_str(&unset)).contains("nothing of shop would change"));
    assert!(place.refused(&["client", "show", "nobody"]).contains("nobody"));
}

#[test]
fn what_a_client_needs_is_not_taken_away() {
    let place = Place::new();
    place.ok(&["client", "add", "--id", "spa", "--public", "--redirect-uri", URI]);
    assert!(place.refused(&["client", "set", "spa", "--unset", "auth-method"]).contains("public client"));
    let add = ["client", "add", "--id", "shop", "--redirect-uri", URI, "--auth-method", "private_key_jwt"];
    place.ok(&[&add[..], &["--jwks-uri", "https://shop.example/jwks", "--objects", "one", "--pkce", "all"]]
        .concat());
    assert!(place.refused(&["client", "set", "shop", "--unset", "jwks-uri"]).contains("--jwks-uri"));
    for needed in ["redirect-uri", "grant-type", "scope", "client_id", ""] {
        assert_eq!(place.run(&["client", "set", "shop", "--unset", needed], "").code, Some(2), "{needed}");
    }
    let rest = ["client", "set", "shop", "--unset", "auth-method", "jwks-uri", "objects", "pkce"];
    let outcome = place.run(&[&rest[..], &["--json"]].concat(), "");
    assert!(outcome.stderr.contains("rotate-secret shop"), "{outcome:?}");
    let shop = place.json(&["client", "show", "shop"]);
    assert_eq!((&shop["token_endpoint_auth_method"], &shop["pkce"]), (&().into(), &().into()));
    assert_eq!((&shop["objects"], shop.get("jwks_uri")), (&serde_json::json!([]), None));
}

#[test]
fn rq1_unsigned_request_objects_are_registered_and_need_the_switch() {
    let place = Place::new();
    let add = ["client", "add", "--id", "shop", "--redirect-uri", URI, "--request-object-alg", "none"];
    assert!(
        place
            .refused(&[&add[..], &["--require-signed-request-object"]].concat())
            .contains("exclude each other")
    );
    let made = place.run(&add, "");
    assert!(made.stderr.contains("until oidc.unsigned_request_objects is on"), "{made:?}");
    assert_eq!(place.json(&["client", "show", "shop"])["request_object_signing_alg"], "none");
    let place = place.with("OIDC__UNSIGNED_REQUEST_OBJECTS", "true");
    let set = place.run(&["client", "set", "shop", "--tos-uri", "https://shop.example/terms"], "");
    assert_eq!((set.code, set.stderr.as_str()), (Some(0), ""), "{set:?}");
}

#[test]
fn what_makes_no_sense_is_refused() {
    let place = Place::new();
    place.ok(&["client", "add", "--id", "shop", "--redirect-uri", URI]);
    let add = |more: &[&str]| place.refused(&[&["client", "add", "--id", "new"][..], more].concat());
    assert!(place.refused(&["client", "add", "--id", "shop", "--redirect-uri", URI]).contains("already"));
    assert!(place.refused(&["client", "add", "--id", "a b", "--redirect-uri", URI]).contains("client id"));
    assert!(add(&[]).contains("needs --redirect-uri"));
    assert!(add(&["--grant-type", "authorization_code"]).contains("needs --redirect-uri"));
    assert!(add(&["--public", "--grant-type", "client_credentials"]).contains("RFC 6749"));
    assert!(add(&["--redirect-uri", URI, "--objects", "is_superuser"]).contains("reserved"));
    assert!(place.refused(&["client", "rotate-secret", "nobody"]).contains(r#"there is no client "nobody""#));
    assert!(
        place.refused_with(&["client", "rotate-secret", "shop", "--secret-stdin"], "ä").contains("ASCII")
    );
    for wrong in [
        ["--grant-type", "password"],
        ["--id-token-alg", "None"],
        ["--userinfo-alg", "HS256"],
        ["--subject-type", "private"],
        ["--sector", "https://shop.example"],
        ["--sector", "shop.example:443"],
        ["--request-object-alg", "HS256"],
        ["--default-max-age", "soon"],
        ["--default-max-age", "100000d"],
        ["--default-acr-values", ""],
        ["--response-type", "token"],
        ["--response-type", "code code"],
        ["--pkce", "never"],
        ["--auth-method", "none"],
        ["--scope", "a\"b"],
    ] {
        let arguments = [&["client", "add", "--id", "new", "--redirect-uri", URI][..], &wrong].concat();
        assert_eq!(place.run(&arguments, "").code, Some(2), "{wrong:?}");
    }
    assert_eq!(place.event_kinds(0), ["client_created"]);
}

#[test]
fn ca4_a_client_with_a_key_has_no_secret() {
    const KEYS: &str = r#"{"keys":[
        {"kty":"RSA","use":"enc","n":"AQAB","e":"AQAB"},
        {"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo","kid":"one","x5c":["MIIB"]}
    ]}"#;
    let place = Place::new();
    let file = place.write("keys.json", KEYS);
    let file = file.to_str().expect("UTF-8");
    let add = ["client", "add", "--id", "shop", "--redirect-uri", URI, "--auth-method", "private_key_jwt"];
    let made = place.json(&[&add[..], &["--jwks-file", file]].concat());
    assert_eq!(
        (made.get("client_secret"), &made["token_endpoint_auth_method"]),
        (None, &"private_key_jwt".into())
    );
    // What checks signatures is kept, and nothing else of the file.
    let kept = serde_json::json!([{ "kty": "OKP", "use": "sig", "kid": "one", "crv": "Ed25519",
        "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo" }]);
    assert_eq!((&made["jwks"]["keys"], &made["jwks_uri"]), (&kept, &serde_json::Value::Null));
    assert!(place.refused(&["client", "rotate-secret", "shop"]).contains("a key in place of a secret"));

    let uri = "https://shop.example/jwks";
    let changed = place.json(&["client", "set", "shop", "--jwks-uri", uri]);
    assert_eq!((&changed["jwks"], &changed["jwks_uri"]), (&serde_json::Value::Null, &uri.into()));
    place.ok(&["client", "set", "shop", "--auth-method", "client_secret_post"]);
    place.ok(&["client", "rotate-secret", "shop"]);
    // Back again, the secret is gone.
    place.ok(&["client", "set", "shop", "--auth-method", "private_key_jwt"]);
    place.ok(&["client", "set", "shop", "--auth-method", "client_secret_basic"]);
    let store = place.store();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let found = runtime.block_on(store.read(|reads| reads.find_client_by_client_id("shop")));
    assert_eq!(found.expect("it reads").expect("it is there").secret_hmac, None);
}

#[test]
fn jw8_keys_that_cannot_be_used_are_refused() {
    let place = Place::new();
    let add = ["client", "add", "--id", "shop", "--redirect-uri", URI, "--auth-method", "private_key_jwt"];
    let refused = |more: &[&str]| place.refused(&[&add[..], more].concat());
    assert!(refused(&[]).contains("--jwks-file or --jwks-uri"));
    assert!(refused(&["--jwks-file", "/nowhere/keys.json"]).contains("cannot read"));
    for (text, why) in [
        (
            r#"{"keys":[{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo","d":"AQAB"}]}"#,
            "private",
        ),
        (r#"{"keys":[{"kty":"oct","k":"c2VjcmV0"}]}"#, "private"),
        (r#"{"keys":[{"kty":"EC","crv":"P-521"}]}"#, "no key that can be used"),
        (r#"{"keys":[]}"#, "no key that can be used"),
        ("-----BEGIN PUBLIC KEY-----", "cannot be used"),
    ] {
        let file = place.write("keys.json", text);
        let said = refused(&["--jwks-file", file.to_str().expect("UTF-8")]);
        assert!(said.contains(why), "{text}: {said}");
    }
    for uri in ["http://shop.example/jwks", "https://user@shop.example/jwks", "file:///etc/passwd", "jwks"] {
        assert!(refused(&["--jwks-uri", uri]).contains("--jwks-uri"), "{uri}");
    }
    let uri = "https://shop.example/jwks";
    assert!(
        refused(&["--jwks-uri", uri, "--secret", "a secret that is long enough 0123"])
            .contains("has no secret")
    );
    place.ok(&[&add[..], &["--jwks-uri", uri]].concat());
}
