//! Settings, the master key, generated pages.

use std::fs;

use crate::support::{PASSWORD, Place, set_mode};

#[test]
fn op2_a_typo_names_file_line_and_the_nearest_key_and_stops_every_command() {
    let place = Place::new();
    place.write(
        "authmachine.toml",
        "[server]\n\nisuer = \"https://id.example.com\"\n[lives]\ncode = \"2h\"\n",
    );
    for command in [&["config", "check"][..], &["serve"], &["user", "list"], &["doctor"]] {
        let said = place.refused(command);
        assert!(
            said.contains(
                "authmachine.toml:3: server.isuer is unknown; the nearest known key is server.issuer"
            ),
            "{said}"
        );
        assert!(
            said.contains("authmachine.toml:5: 7200 s is not between 1 s and 600 s"),
            "all at once: {said}"
        );
    }
    assert!(!place.data().exists());
    let place = Place::new().with("SERVER__ISUER", "x");
    assert!(place.refused(&["config", "check"]).contains("AUTHMACHINE__SERVER__ISSUER"));
}

#[test]
fn a_check_says_what_is_in_force_and_makes_nothing() {
    let place = Place::new().with("LOG__LEVEL", "warn");
    let said = place.ok(&["config", "check"]);
    assert!(said.contains("none, so the defaults") && said.contains("http://localhost:8000"), "{said}");
    assert!(said.contains("made at the first start"), "{said}");
    place.write("other.toml", "[server]\nissuer = \"https://id.example.com\"\n");
    let said = place.ok(&["config", "check", "--config", "other.toml"]);
    assert!(said.contains("other.toml") && said.contains("https://id.example.com"), "{said}");
    assert!(!place.data().exists());
    let said = place.refused(&["config", "check", "--config", "missing.toml"]);
    assert!(said.contains("missing.toml") && said.contains("config sample"), "{said}");
    let said = place.refused(&["config", "check", "--database", "mysql://root:hunter2@db"]);
    assert!(said.contains("--database") && !said.contains("hunter2"), "{said}");
}

#[test]
fn op3_beyond_loopback_an_issuer_is_needed() {
    let place = Place::new();
    let said = place.refused(&["serve", "--listen", "0.0.0.0:0"]);
    assert!(said.contains("beyond loopback an issuer is needed"), "{said}");
    let said = place.refused(&["serve", "--issuer", "http://id.example.com"]);
    assert!(said.contains("plain http is only for loopback"), "{said}");
}

#[test]
fn g9_a_database_without_its_key_with_another_or_with_an_open_one_does_not_start() {
    let place = Place::new();
    place.ok_with(&["user", "add", "alice", "--password-stdin"], PASSWORD);
    let key = place.data().join("authmachine.key");
    let ours = fs::read_to_string(&key).expect("made at the first start");
    let commands = [&["serve", "--listen", "127.0.0.1:0"][..], &["user", "list"]];

    fs::rename(&key, place.path("backup")).expect("ours");
    for command in commands {
        let said = place.refused(command);
        assert!(
            said.contains("there is none in ./data/authmachine.key") && said.contains("backup"),
            "{said}"
        );
        assert!(!key.exists(), "a lost key is not replaced");
    }
    fs::write(&key, format!("{}\n", "0123456789abcdef".repeat(4))).expect("ours");
    set_mode(&key, 0o600);
    for command in commands {
        assert!(place.refused(command).contains("made with another master key"));
    }
    fs::write(&key, &ours).expect("ours");
    set_mode(&key, 0o640);
    for command in commands.into_iter().chain([&["config", "check"][..]]) {
        let said = place.refused(command);
        assert!(said.contains("others can read the master key") && said.contains("chmod 600"), "{said}");
        assert!(!said.contains(ours.trim()), "{said}");
    }
    set_mode(&key, 0o600);
    assert!(place.ok(&["user", "list"]).contains("alice"));
}

#[test]
fn the_data_folder_is_for_its_owner_alone() {
    use std::os::unix::fs::PermissionsExt as _;
    let place = Place::new();
    place.ok(&["object", "add", "object1"]);
    let mode = |path: &std::path::Path| fs::metadata(path).expect("there").permissions().mode() & 0o777;
    assert_eq!(mode(&place.data()), 0o700);
    for file in fs::read_dir(place.data()).expect("readable") {
        let path = file.expect("readable").path();
        assert_eq!(mode(&path) & 0o077, 0, "{}", path.display());
    }
}

#[test]
fn generated_pages_need_no_configuration_and_are_as_committed() {
    let place = Place::new();
    place.write("authmachine.toml", "nonsense");
    for (command, file) in [
        (&["config", "reference"][..], "config.md"),
        (&["config", "sample"], "authmachine.sample.toml"),
        (&["help-all"], "cli.md"),
    ] {
        let printed = place.ok(command);
        let path = format!("{}/../../docs/{file}", env!("CARGO_MANIFEST_DIR"));
        let committed = fs::read_to_string(&path).unwrap_or_else(|error| panic!("docs/{file}: {error}"));
        assert!(printed == committed, "docs/{file} is out of date: run `cargo xtask gen`");
    }
}

#[test]
fn help_is_a_command_too() {
    let place = Place::new();
    for command in [&[][..], &["serve"], &["client", "add"]] {
        let asked = place.ok(&[&["help"], command].concat());
        assert_eq!(asked, place.ok(&[command, &["--help"]].concat()), "{command:?}");
    }
    let unknown = place.run(&["help", "srve"], "");
    assert!(unknown.code == Some(2) && unknown.stderr.contains("no command `srve`"), "{unknown:?}");
    assert!(!place.data().exists());
}

#[test]
fn a_place_that_cannot_be_opened_says_why_and_once() {
    let place = Place::new();
    place.write("data", "no folder");
    let place = place.with("DATA__KEY_FILE", "key");
    let said = place.refused(&["serve"]);
    assert!(said.contains("cannot open ./data") && said.matches("os error").count() == 1, "{said}");
    let place =
        Place::new().with("DATABASE__URL", "postgres://a:b@127.0.0.1:1/a").with("DATA__KEY_FILE", "key");
    let said = place.refused(&["serve"]);
    assert!(said.contains("not available") && said.matches("os error").count() == 1, "{said}");
}
