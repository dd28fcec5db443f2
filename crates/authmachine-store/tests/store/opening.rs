//! Opening, and what happens between us and the database.

use std::os::unix::fs::PermissionsExt as _;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};

use authmachine_protocol::ResponseType;
use authmachine_provider::Timestamp;
use authmachine_provider::client::Client;
use authmachine_provider::client_metadata::ClientMetadata;
use authmachine_provider::ids::{GroupId, ObjectId};
use authmachine_provider::keys::SigningKeyRecord;
use authmachine_provider::permission_records::{Member, Membership, Object, Source, Validity};
use authmachine_provider::subject_ids::SubjectIds;
use authmachine_store::settings::{Database, Settings, Synchronous};
use authmachine_store::{GrantFilter, OpenError, Store, StoreError};

use crate::records::{NOW, client, make, signing_key, user};
use crate::support::{Engine, TestStore, both_engines, run, soon};

both_engines! {
    async fn what_is_stored_is_there_after_opening_again(store: TestStore) {
        store.write(|tx| make(tx, "doc")).await;
        let again = store.open_again().expect("it opens");
        let found = again.read(|reads| reads.find_object("doc")).await.expect("it reads");
        assert!(found.is_some());
    }

    async fn rb22_a_database_of_the_first_schema_is_brought_up_to_date_with_its_rows(store: TestStore) {
        let (shop, bare) = (client("shop"), client("bare"));
        let new = [shop.clone(), bare.clone()];
        store.write(move |tx| {
            new.iter().try_for_each(|client| tx.insert_client(client).map(drop))?;
            tx.insert_signing_key(&signing_key("k"))
        }).await;
        // What the later steps did is undone.
        undo_permissions(&store);
        store.run_sql("DROP TABLE client_logos; DROP INDEX clients_by_use; DROP INDEX consents_by_client");
        let added = ["response_types", "userinfo_alg", "sector", "metadata", "registration_sha256", "last_used_at"];
        for column in added {
            store.run_sql(&format!("ALTER TABLE clients DROP COLUMN {column}"));
        }
        store.run_sql("DROP TABLE assertion_ids");
        store.run_sql("ALTER TABLE signing_keys DROP COLUMN active_from");
        store.run_sql("DROP TABLE logout_deliveries");
        store.run_sql("DELETE FROM schema_steps WHERE version >= 2");
        for _ in 0..2 {
            let again = store.open_again().expect("it opens, and opens once more");
            let found = again.read(|reads| reads.list_clients()).await.expect("it reads");
            let response_types = vec![ResponseType::Code];
            let expected = [&shop, &bare]
                .map(|client| Client {
                    response_types: response_types.clone(),
                    userinfo_alg: None,
                    sector: None,
                    metadata: ClientMetadata::default(),
                    registration_sha256: None,
                    subject_ids: SubjectIds::Sub,
                    permissions_in_id_token: false,
                    ..client.clone()
                });
            assert_eq!(found, expected);
            let keys = again.read(|reads| reads.list_signing_keys()).await.expect("it reads");
            assert_eq!(keys, [SigningKeyRecord { active_from: NOW, ..signing_key("k") }]);
        }
    }

    async fn rb22_permissions_of_the_first_form_are_carried_over(store: TestStore) {
        let alice = user("alice");
        let id = alice.id.0;
        store.write(move |tx| tx.insert_user(&alice)).await;
        undo_permissions(&store);
        store.run_sql("DELETE FROM schema_steps WHERE version >= 8");
        store.run_sql(&format!(
            "INSERT INTO user_groups (id, code, name) VALUES (1, 'staff', 'Staff'), (2, 'never', 'Never');
            INSERT INTO memberships (group_id, user_id, not_before, not_after)
                VALUES (1, {id}, 5, NULL), (2, {id}, 5, 5);
            INSERT INTO objects (id, code, name) VALUES (3, 'doc', 'A document');
            INSERT INTO permission_types (id, code, name) VALUES (4, 'read', 'Read'), (5, 'write', 'Write');
            INSERT INTO permission_grants (id, holder_kind, holder_id, object_id, type_id, not_before, not_after, created_at)
                VALUES (6, 'group', 1, 3, 4, NULL, NULL, 9), (7, 'user', {id}, 3, 5, 1, 2, 9), (8, 'user', {id}, 3, 4, 2, 2, 9)"
        ));
        for _ in 0..2 {
            let again = store.open_again().expect("it opens, and opens once more");
            let read = again.read(|reads| {
                let filter = GrantFilter::default();
                Ok((
                    reads.find_object("doc")?,
                    reads.find_permission_type("write")?,
                    reads.list_groups(None, 9)?,
                    reads.list_permission_grants(&filter, None, 9)?,
                ))
            });
            let (doc, write, groups, grants) = read.await.expect("it reads");
            let doc = doc.expect("it is there");
            assert_eq!(doc.record, Object::new(ObjectId(3), "doc", "object").expect("a code"));
            assert_eq!(doc.name, "A document");
            assert_eq!(write.expect("it is there").implies, []);
            let codes: Vec<&str> = groups.iter().map(|group| group.code.as_str()).collect();
            assert_eq!(codes, ["never", "staff"]);
            let lines: Vec<_> = grants.iter().map(|line| (line.grant.id.0, line.holder.as_str())).collect();
            assert_eq!(lines, [(6, "staff"), (7, "alice")], "one that was never live says nothing");
            let at = Timestamp::from_ms;
            let brief = Validity::new(Some(at(1)), Some(at(2))).expect("an end after the start");
            assert_eq!([grants[0].grant.validity, grants[1].grant.validity], [Validity::ALWAYS, brief]);
            assert_eq!((grants[1].origin.source, grants[1].origin.created_at), (Source::Admin, at(9)));

            let members = again.read(|reads| reads.list_memberships_in(GroupId(1), None, 9)).await.expect("it reads");
            assert_eq!(members.len(), 1);
            assert_eq!(members[0].membership.validity.not_before(), Some(at(5)));
            assert_eq!(store.count("memberships"), 1);
        }
        // Groups that were there nest as new ones do.
        let nested = |member, group| Membership {
            member: Member::Group(GroupId(member)),
            group: GroupId(group),
            validity: Validity::ALWAYS,
        };
        assert_eq!(store.write(move |tx| tx.put_membership(&nested(1, 2))).await, Ok(()));
        assert!(store.write(move |tx| tx.put_membership(&nested(2, 1))).await.is_err());
    }

    async fn rb22_a_newer_schema_is_refused(store: TestStore) {
        store.run_sql("INSERT INTO schema_steps (version) VALUES (99)");
        let refused = store.open_again();
        assert!(matches!(refused, Err(OpenError::NewerSchema { found: 99, known: 1.. })), "{refused:?}");
        store.run_sql("DELETE FROM schema_steps WHERE version = 99");
        store.open_again().expect("it opens");
    }

    async fn rb32_a_folder_is_served_by_one(store: TestStore) {
        let other = store.open_again().expect("others may open it beside");
        store.lock_for_serving().expect("it is free");
        match store.engine {
            Engine::Sqlite => {
                let refused = other.lock_for_serving();
                assert!(matches!(&refused, Err(OpenError::InUse { path }) if path.starts_with(store.folder())));
                other.write(soon(), |tx| make(tx, "doc")).await.expect("the command line may write");
            }
            Engine::Postgres => other.lock_for_serving().expect("several serve one database"),
        }
    }
}

/// The permission tables as the first step made them, without rows.
fn undo_permissions(store: &TestStore) {
    let first = match store.engine {
        Engine::Sqlite => include_str!("../../migrations/sqlite/0001_start.sql"),
        Engine::Postgres => include_str!("../../migrations/postgres/0001_start.sql"),
    };
    for table in
        ["delegations", "permission_grants", "nestings", "group_closure", "objects", "permission_types"]
    {
        store.run_sql(&format!("DROP TABLE {table}"));
    }
    for table in ["objects", "permission_types", "permission_grants"] {
        let start = first.find(&format!("CREATE TABLE {table} (")).expect("it is made there");
        let length = first[start..].find(';').expect("a statement ends");
        store.run_sql(&first[start..start + length]);
    }
    store.run_sql("ALTER TABLE clients DROP COLUMN trusted");
    store.run_sql("ALTER TABLE clients DROP COLUMN subject_ids");
    store.run_sql("ALTER TABLE clients DROP COLUMN permissions_in_id_token");
    store.run_sql("ALTER TABLE api_tokens DROP COLUMN subject_ids");
    for column in ["holder_kind", "holder_id", "object_id", "object_type", "group_id"] {
        store.run_sql(&format!("ALTER TABLE changes DROP COLUMN {column}"));
    }
}

/// What PostgreSQL has nothing like.
mod sqlite_alone {
    use super::*;
    use crate::support::TestStore;

    #[test]
    fn the_log_stays_short_and_a_reader_that_stays_only_delays_that() {
        const MB: u64 = 1 << 20;
        run(Engine::Sqlite, async |store: TestStore| {
            let write = async |name: &str, megabytes| {
                for n in 0..megabytes * 10 {
                    let name = format!("{name}{n}");
                    store.write(move |tx| tx.insert_meta(&name, &"x".repeat(100_000))).await;
                }
            };
            let log = || store.stats().log_bytes.expect("SQLite has a log");
            write("a", 8).await;
            assert!(log() < 2 * MB, "{}", log());
            assert!(store.stats().checkpoint_pages > 1_500, "{:?}", store.stats());

            // Another process, say, in the middle of a backup.
            let reader = rusqlite::Connection::open(store.file()).expect("the file opens");
            reader.execute_batch("BEGIN; SELECT COUNT(*) FROM meta").expect("it reads");
            write("b", 8).await;
            assert!(log() > 6 * MB, "{}", log());
            drop(reader);
            write("c", 2).await;
            assert!(log() <= 5 * MB, "{}", log());
        });
    }

    #[test]
    fn a_store_that_closes_leaves_everything_in_the_file() {
        let folder = tempfile::tempdir().expect("a folder");
        let database = Database::Sqlite { folder: folder.path().to_owned(), synchronous: Synchronous::Off };
        let store = Store::open(Settings::new(database)).expect("it opens");
        store.write_blocking(soon(), |tx| make(tx, "doc")).expect("it writes");
        store.read_blocking(|reads| reads.find_object("doc")).expect("it reads");
        assert!(store.stats().log_bytes > Some(0));
        drop(store);
        assert!(!folder.path().join("authmachine.db-wal").exists());
    }

    #[test]
    fn sqlite_files_are_their_owners_alone() {
        run(Engine::Sqlite, async |store: TestStore| {
            let folder = store.folder().join("inner");
            let Database::Sqlite { synchronous, .. } = store.settings().database else {
                unreachable!("it is SQLite")
            };
            let database = Database::Sqlite { folder: folder.clone(), synchronous };
            let inner = Store::open(Settings::new(database)).expect("it makes its folder");
            inner.lock_for_serving().expect("it is free");
            inner.write(soon(), |tx| make(tx, "doc")).await.expect("it writes");
            let mode =
                |path: &std::path::Path| path.metadata().expect("it is there").permissions().mode() & 0o777;
            assert_eq!(mode(&folder), 0o700);
            let mut files = 0;
            for file in folder.read_dir().expect("it can be read") {
                let path = file.expect("it can be read").path();
                assert_eq!(mode(&path), 0o600, "{}", path.display());
                files += 1;
            }
            assert!(files >= 3, "database, log and lock");
        });
    }

    #[test]
    fn a_lock_ends_with_its_store() {
        run(Engine::Sqlite, async |store: TestStore| {
            let first = store.open_again().expect("it opens");
            first.lock_for_serving().expect("it is free");
            assert!(store.lock_for_serving().is_err());
            drop(first);
            store.lock_for_serving().expect("it is free again");
        });
    }

    #[test]
    fn a_file_that_is_no_database_is_refused_and_left_alone() {
        run(Engine::Sqlite, async |store: TestStore| {
            let folder = store.folder().join("other");
            std::fs::create_dir(&folder).expect("it can be made");
            let text = "These are notes of somebody else. ".repeat(200);
            std::fs::write(folder.join("authmachine.db"), &text).expect("it can be written");
            let Database::Sqlite { synchronous, .. } = store.settings().database else {
                unreachable!("it is SQLite")
            };
            let refused =
                Store::open(Settings::new(Database::Sqlite { folder: folder.clone(), synchronous }));
            let corrupt = StoreError::Corrupt { table: "database", id: 0 };
            assert!(matches!(&refused, Err(OpenError::Database(error)) if *error == corrupt), "{refused:?}");
            assert_eq!(std::fs::read_to_string(folder.join("authmachine.db")).expect("it is there"), text);
        });
    }

    #[test]
    fn a_writer_waits_for_another_process_but_not_for_ever() {
        run(Engine::Sqlite, async |store: TestStore| {
            let other = rusqlite::Connection::open(store.file()).expect("it opens");
            other.execute_batch("BEGIN IMMEDIATE").expect("the lock is free");
            let began = Instant::now();
            let outcome = store.try_write(|tx| make(tx, "doc")).await;
            assert!(matches!(outcome, Err(StoreError::Unavailable(_))), "{outcome:?}");
            assert!(began.elapsed() < Duration::from_secs(10));
            assert_eq!(store.read(|reads| reads.find_object("doc")).await, None, "reads go on");
            other.execute_batch("ROLLBACK").expect("it has the lock");
            assert!(store.write(|tx| make(tx, "doc")).await);
        });
    }

    #[test]
    fn more_readers_than_connections_are_served() {
        run(Engine::Sqlite, async |store: TestStore| {
            let mut tasks = tokio::task::JoinSet::new();
            for _ in 0..64 {
                let store = store.store().clone();
                tasks.spawn(async move { store.read(|reads| reads.list_objects(None, 10)).await });
            }
            assert!(tasks.join_all().await.into_iter().all(|listed| listed == Ok(Vec::new())));
        });
    }
}

/// What SQLite has nothing like.
mod postgres_alone {
    use super::*;
    use crate::support::TestStore;

    #[test]
    fn rb10_a_cut_connection_is_replaced() {
        run(Engine::Postgres, async |store: TestStore| {
            store.write(|tx| make(tx, "before")).await;
            for n in 0..3 {
                store.cut_connections();
                // Nothing had begun: neither a read nor a write notices.
                assert!(store.read(|reads| reads.find_object("before")).await.is_some());
                store.cut_connections();
                assert!(store.write(move |tx| make(tx, &format!("o{n}"))).await);
            }
            assert_eq!(store.count("objects"), 4);
        });
    }

    #[test]
    fn rb10_a_unit_whose_connection_is_cut_is_not_done_and_not_run_again() {
        run(Engine::Postgres, async |store: TestStore| {
            let (go, wait) = mpsc::channel::<()>();
            let (begun, has_begun) = mpsc::channel::<()>();
            let unit = tokio::spawn({
                let store = store.store().clone();
                async move {
                    store
                        .write(soon(), move |tx| {
                            make(tx, "lost")?;
                            begun.send(()).expect("somebody waits");
                            wait.recv().expect("somebody lets go");
                            make(tx, "never")
                        })
                        .await
                }
            });
            tokio::task::block_in_place(|| has_begun.recv().expect("the unit begins"));
            store.cut_connections();
            go.send(()).expect("it waits");
            let outcome = unit.await.expect("no panic");
            assert!(matches!(outcome, Err(StoreError::Unavailable(_))), "{outcome:?}");
            assert!(has_begun.try_recv().is_err(), "it ran once");
            assert_eq!(store.count("objects"), 0);
            assert!(store.write(|tx| make(tx, "after")).await);
        });
    }

    #[test]
    fn rb10_a_connection_cut_at_commit_is_an_error_and_no_second_run() {
        run(Engine::Postgres, async |store: TestStore| {
            let (go, wait) = mpsc::channel::<()>();
            let begun = Arc::new(AtomicBool::new(false));
            let hooked = Arc::new(AtomicBool::new(false));
            let unit = tokio::spawn({
                let (store, begun, hooked) = (store.store().clone(), begun.clone(), hooked.clone());
                async move {
                    store
                        .write(soon(), move |tx| {
                            let hooked = hooked.clone();
                            tx.after_commit(Box::new(move || hooked.store(true, Ordering::SeqCst)));
                            make(tx, "doc")?;
                            assert!(!begun.swap(true, Ordering::SeqCst), "a second run");
                            wait.recv().expect("somebody lets go");
                            Ok(())
                        })
                        .await
                }
            });
            let began = Instant::now();
            while !begun.load(Ordering::SeqCst) {
                assert!(began.elapsed() < Duration::from_secs(20), "the unit does not begin");
                tokio::task::yield_now().await;
            }
            store.cut_connections();
            go.send(()).expect("it waits");
            let outcome = unit.await.expect("no panic");
            assert!(matches!(outcome, Err(StoreError::Unavailable(_))), "{outcome:?}");
            assert!(hooked.load(Ordering::SeqCst), "the commit may have happened: caches are dropped");
            assert_eq!(store.count("objects"), 0);
            assert!(store.write(|tx| make(tx, "doc")).await);
        });
    }

    #[test]
    fn a_server_that_is_away_is_said_to_be() {
        run(Engine::Postgres, async |_: TestStore| {
            // Port 1 of this machine: nobody is there.
            for (url, is_url) in [
                ("postgres://postgres@127.0.0.1:1/postgres", false),
                ("postgres://postgres@192.0.2.1/postgres", true),
                ("postgres://postgres@127.0.0.1/postgres?sslmode=require", true),
                ("postgres://postgres:secret@127.0.0.1:port/postgres", true),
            ] {
                let database = Database::Postgres { url: url.to_owned(), max_connections: 1 };
                let refused = Store::open(Settings::new(database)).expect_err("it does not open");
                assert_eq!(matches!(refused, OpenError::Url(_)), is_url, "{url}: {refused}");
                assert_eq!(
                    matches!(&refused, OpenError::Database(StoreError::Unavailable(_))),
                    !is_url,
                    "{refused}"
                );
                assert!(!refused.to_string().contains("secret"), "{refused}");
            }
        });
    }
}
