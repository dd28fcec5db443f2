//! A few commands on PostgreSQL.

use std::env;
use std::sync::atomic::{AtomicU32, Ordering};

use postgres::{Client, NoTls};
use url::Url;

use crate::support::{PASSWORD, Place, post, set_mode};

/// A database of its own, dropped at the end.
struct Database {
    server: Url,
    name: String,
}

impl Database {
    /// `None` when PostgreSQL is left out by name.
    fn make() -> Option<Self> {
        let is_skipped = env::var("AUTHMACHINE_TEST_SKIP")
            .is_ok_and(|names| names.split(',').any(|name| name == "postgres"));
        if is_skipped {
            return None;
        }
        let server = env::var("AUTHMACHINE_TEST_POSTGRES").expect(
            "set AUTHMACHINE_TEST_POSTGRES, as `cargo xtask test` does, or AUTHMACHINE_TEST_SKIP=postgres",
        );
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let name =
            format!("authmachine_cli_{}_{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let made = Self { server: Url::parse(&server).expect("a URL"), name };
        made.run(&format!("CREATE DATABASE {}", made.name));
        Some(made)
    }

    fn run(&self, sql: &str) {
        let mut client = Client::connect(self.server.as_str(), NoTls).expect("the server answers");
        client.batch_execute(sql).expect("we may do that");
    }

    fn url(&self) -> String {
        let mut url = self.server.clone();
        url.set_path(&self.name);
        url.into()
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        self.run(&format!("DROP DATABASE IF EXISTS {} WITH (FORCE)", self.name));
    }
}

fn place(database: &Database) -> Place {
    Place::new().with("DATABASE__URL", &database.url()).with("DATABASE__MAX_CONNECTIONS", "2")
}

#[test]
fn the_commands_and_the_server_work_on_postgresql() {
    let Some(database) = Database::make() else { return };
    let place = place(&database).with("DATA__KEY_FILE", "authmachine.key");
    assert!(place.refused(&["user", "list"]).contains("there is no installation in that database"));
    place.ok_with(&["user", "add", "alice", "--password-stdin"], PASSWORD);
    assert!(place.refused_with(&["user", "add", "Alice", "--password-stdin"], PASSWORD).contains("already"));
    place.ok(&["object", "add", "object1"]);
    place.ok(&["permission-type", "add", "read"]);
    place.ok(&["grant", "add", "--user", "alice", "--object", "object1", "--type", "read"]);
    assert!(
        place
            .refused(&["grant", "add", "--user", "alice", "--object", "object1", "--type", "read"])
            .contains("already")
    );
    assert_eq!(place.json(&["grant", "list", "--user", "alice"])[0]["object"], "object1");
    place.ok(&["user", "lock", "alice"]);
    assert_eq!(place.json(&["user", "list"])[0]["status"], "locked");

    let server = place.serve();
    assert_eq!(server.get("/readyz").0, 200);
    let secret =
        place.json(&["client", "add", "--id", "cron", "--grant-type", "client_credentials"])["client_secret"]
            .clone();
    let form = format!(
        "grant_type=client_credentials&client_id=cron&client_secret={}",
        secret.as_str().expect("text")
    );
    let (status, body) = post(&server.url, "/oidc/token", &form);
    assert!(status == 200 && body.contains("access_token"), "{status} {body}");
    place.ok(&["keys", "rotate", "--now"]);
    // Several may serve one PostgreSQL.
    let second = place.serve();
    assert_eq!(second.get("/readyz").0, 200);
    assert_eq!(second.stop().0, Some(0));
    assert_eq!(server.stop().0, Some(0));
    assert!(place.run(&["doctor"], "").stdout.contains("One risk found"), "plain http alone");

    // The same in a file that others can read.
    let file = place.write("other.toml", &format!("[database]\nurl = {:?}\n", database.url()));
    set_mode(&file, 0o644);
    let by_file = Place::new().with("DATA__KEY_FILE", &place.path("authmachine.key").display().to_string());
    let file_name = file.display().to_string();
    let doctor = ["doctor", "--config", &file_name];
    let said = by_file.run(&doctor, "").stdout;
    assert!(said.contains("risk    configuration:") && said.contains("chmod 640"), "{said}");
    set_mode(&file, 0o600);
    let said = by_file.run(&doctor, "").stdout;
    assert!(said.contains("One risk found"), "{said}");
}

#[test]
fn permissions_are_asked_lent_and_carried_on_postgresql() {
    let Some(database) = Database::make() else { return };
    let place = place(&database).with("DATA__KEY_FILE", "authmachine.key");
    for name in ["alice", "bob"] {
        place.ok_with(&["user", "add", name, "--password-stdin"], PASSWORD);
    }
    let file = [
        r#"{"format":"authmachine-permissions","version":1}"#,
        r#"{"kind":"permission_type","code":"read"}"#,
        r#"{"kind":"permission_type","code":"write","implies":["read"]}"#,
        r#"{"kind":"object","code":"house"}"#,
        r#"{"kind":"object","code":"door","parent":"house","attributes":{"floor":3}}"#,
        r#"{"kind":"object","code":"house","parent":"door"}"#,
        r#"{"kind":"group","code":"staff"}"#,
        r#"{"kind":"membership","group":"staff","user":"alice"}"#,
        r#"{"kind":"grant","group":"staff","object":"house","type":"write","include_children":true,"delegable":true}"#,
    ]
    .join("\n");
    place.write("some.jsonl", &file);
    for (arguments, made) in [
        (&["import", "some.jsonl", "--dry-run"][..], 7),
        (&["import", "some.jsonl"], 7),
        (&["import", "some.jsonl"], 0),
    ] {
        let outcome = place.run(arguments, "");
        assert_eq!(outcome.code, Some(1), "{outcome:?}");
        assert!(
            outcome
                .stdout
                .starts_with(&format!("{made} made, 0 changed, {} as they were, 1 refused", 7 - made)),
            "{outcome:?}"
        );
        assert!(outcome.stderr.contains("line 6: this would make a cycle"), "{outcome:?}");
    }
    assert_eq!(place.run(&["check", "alice", "read", "door"], "").code, Some(0));
    assert_eq!(place.run(&["check", "bob", "read", "door"], "").code, Some(1));
    let lend = [
        "delegation",
        "add",
        "--from",
        "alice",
        "--to",
        "bob",
        "--object",
        "door",
        "--type",
        "read",
        "--until",
        "1d",
    ];
    assert!(place.ok(&lend).starts_with("alice lends bob read on door until 2"));
    let said = place.ok(&["why", "bob", "read", "door"]);
    assert!(
        said.contains("alice lent «read» on «door» to bob") && said.contains("alice is in «staff»"),
        "{said}"
    );

    let exported = place.ok(&["export"]);
    assert_eq!(exported.lines().count(), 9, "{exported}");
    assert_eq!(place.ok_with(&["import", "-"], &exported), "0 made, 0 changed, 8 as they were, 0 refused\n");
    place.ok(&["object", "set", "door", "--disable"]);
    assert_eq!(place.run(&["check", "bob", "read", "door"], "").code, Some(1));
    assert!(place.refused(&["group", "member", "staff", "--group", "staff"]).contains("cycle"));
}

#[test]
fn g9_postgresql_needs_the_place_of_its_key_and_that_very_key() {
    let Some(database) = Database::make() else { return };
    let said = place(&database).refused(&["serve"]);
    assert!(said.contains("data.key_file: with PostgreSQL the master key's file must be named"), "{said}");
    place(&database).with("DATA__KEY_FILE", "one.key").ok(&["object", "add", "object1"]);
    // Another folder, so another file.
    let other = place(&database).with("DATA__KEY_FILE", "two.key");
    let said = other.refused(&["object", "list"]);
    assert!(said.contains("the database was made with a master key, and there is none in two.key"), "{said}");
    let said = other.refused(&["user", "list", "--database", "postgres://nobody:hunter2@127.0.0.1:1/x"]);
    assert!(!said.contains("hunter2"), "{said}");
}
