//! `doctor`

use serde_json::Value;

use crate::support::{Place, set_mode};

fn found(place: &Place) -> (Option<i32>, Vec<String>) {
    let outcome = place.run(&["doctor", "--json"], "");
    let findings: Vec<Value> =
        serde_json::from_str(&outcome.stdout).unwrap_or_else(|error| panic!("{error}: {outcome:?}"));
    let words = |finding: &Value| {
        assert!(finding["what"].is_string() && finding["cure"].is_string(), "{finding}");
        format!("{} {}", finding["level"].as_str().expect("text"), finding["about"].as_str().expect("text"))
    };
    (outcome.code, findings.iter().map(words).collect())
}

/// An installation that has been served, behind a proxy.
fn healthy() -> Place {
    let place = Place::new()
        .with("SERVER__ISSUER", "https://id.example.com")
        .with("SERVER__TRUSTED_PROXIES", "127.0.0.1");
    assert_eq!(place.serve().stop().0, Some(0));
    place
}

#[test]
fn nothing_is_wrong_with_an_installation_behind_a_proxy() {
    let place = healthy();
    assert_eq!(found(&place), (Some(0), Vec::new()));
    assert_eq!(place.ok(&["doctor"]), "No risk found\n");
}

#[test]
fn a_fresh_start_on_loopback_is_for_trying_out() {
    let place = Place::new();
    place.ok(&["object", "add", "object1"]);
    assert_eq!(found(&place), (Some(1), vec!["risk https".to_owned()]));
    let said = place.run(&["doctor"], "");
    assert!(
        said.stdout.contains("do: set server.issuer") && said.stdout.ends_with("One risk found\n"),
        "{said:?}"
    );
}

#[test]
fn each_risk_of_the_configuration_is_named() {
    let place = healthy()
        .with("SERVER__TRUSTED_PROXIES", "")
        .with("SERVER__LISTEN", "0.0.0.0:8000")
        .with("SERVER__METRICS_LISTEN", "0.0.0.0:9464")
        .with("PKCE__REQUIRED", "public")
        .with("FETCH__PRIVATE_NETWORKS", "10.0.0.0/8")
        .with("LIVES__REFRESH_GRACE", "5s");
    let expected =
        ["risk proxy", "risk listen", "risk metrics", "risk pkce", "advice fetch", "advice refresh tokens"];
    assert_eq!(found(&place), (Some(1), expected.map(str::to_owned).to_vec()));
}

#[test]
fn az2_what_is_on_for_certification_is_named() {
    let place = healthy().with("OIDC__IMPLICIT", "true");
    assert_eq!(found(&place), (Some(1), vec!["risk implicit".to_owned()]));
    let place = healthy().with("OIDC__PROFILE", "conformance");
    let expected = [
        "risk profile",
        "risk implicit",
        "risk request objects",
        "risk unsigned ID tokens",
        "risk registration",
        "risk pkce",
    ];
    assert_eq!(found(&place), (Some(1), expected.map(str::to_owned).to_vec()));
}

#[test]
fn files_that_others_can_use_are_named() {
    let place = healthy();
    set_mode(&place.data(), 0o755);
    set_mode(&place.data().join("authmachine.db"), 0o644);
    assert_eq!(found(&place), (Some(1), vec!["risk data folder".to_owned(), "risk database".to_owned()]));
    set_mode(&place.data(), 0o700);
    set_mode(&place.data().join("authmachine.db"), 0o600);
    set_mode(&place.data().join("authmachine.key"), 0o604);
    assert_eq!(found(&place), (Some(1), vec!["risk master key".to_owned()]));
}

#[test]
fn a_short_secret_is_named_until_it_is_another() {
    let place = healthy();
    let add = ["client", "add", "--id", "test", "--secret-stdin", "--redirect-uri", "https://app.example/cb"];
    place.ok_with(&add, "test");
    assert_eq!(found(&place), (Some(1), vec!["risk client secret".to_owned()]));
    place.ok_with(
        &["client", "rotate-secret", "test", "--secret-stdin"],
        "the walrus and the carpenter were walking",
    );
    assert_eq!(found(&place), (Some(0), Vec::new()));
    place.ok_with(&["client", "rotate-secret", "test", "--secret-stdin"], "walrus");
    assert_eq!(found(&place).1, ["risk client secret"]);
    place.ok(&["client", "rotate-secret", "test"]);
    assert_eq!(found(&place).0, Some(0));
}

#[test]
fn tokens_without_end_and_clients_under_development_are_named() {
    let place = healthy();
    place.ok(&["api-token", "create", "for ever", "--all-objects", "--expires", "never"]);
    place.ok(&["api-token", "create", "soon", "--all-objects", "--expires", "10d"]);
    place.ok(&["client", "add", "--id", "dev", "--redirect-uri", "http://localhost:5000/cb"]);
    let expected = ["risk api token", "advice client", "advice api token"];
    assert_eq!(found(&place), (Some(1), expected.map(str::to_owned).to_vec()));
    place.ok(&["api-token", "revoke", "for ever"]);
    let expected = ["advice client", "advice api token"];
    assert_eq!(found(&place), (Some(0), expected.map(str::to_owned).to_vec()), "advice is no risk");
}

#[test]
fn what_clients_cannot_do_is_named() {
    let place = healthy().with("REGISTRATION__MODE", "token").with("FETCH__PRIVATE_NETWORKS", "");
    let add = [
        "client",
        "add",
        "--id",
        "shop",
        "--redirect-uri",
        "https://shop.example/cb",
        "--id-token-alg",
        "none",
    ];
    place.ok(&[&add[..], &["--backchannel-logout-uri", "https://10.0.0.7/out"]].concat());
    let expected = ["risk fetch", "advice client", "advice registration"];
    assert_eq!(found(&place), (Some(1), expected.map(str::to_owned).to_vec()));
    place.ok(&["client", "set", "shop", "--unset", "backchannel-logout-uri", "--id-token-alg", "RS256"]);
    place.ok(&["api-token", "create", "partners", "--scope", "clients:register", "--expires", "90d"]);
    assert_eq!(found(&place), (Some(0), Vec::new()));
}
