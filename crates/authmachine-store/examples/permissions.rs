//! Millions of permission grants in SQLite: bytes a row, how fast they are loaded, how fast and how large the index of them is, and
//! what a question costs without it.
//!
//! ```sh
//! cargo run --release -p authmachine-store --example permissions -- 10000000
//! ```
//!
//! A tenth as many users, a twentieth as many objects, groups nested three deep, 30 % of the grants on groups, as in the example
//! `scale` of `authmachine-permissions`. `FOLDER` names a folder for the file; what is there already is used again.

#![expect(clippy::print_stdout, reason = "figures are what it is for")]

#[expect(dead_code, reason = "the tests use the rest")]
#[path = "../tests/store/records.rs"]
mod records;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use authmachine_permissions::random_world::Dice;
use authmachine_permissions::{Circumstances, Index, Question, Subject};
use authmachine_provider::ids::{ObjectId, PermissionGrantId, PermissionTypeId, UserId};
use authmachine_provider::permission_records::{Holder, PermissionGrant, Target};
use authmachine_store::settings::{Database, Settings, Synchronous};
use authmachine_store::{SliceOf, SliceSettings, Store};
use records::{NOW, object, origin, permission_grant, permission_type};

const TYPES: i64 = 20;

/// Spreads ids as row ids are spread, so that they are no small numbers.
const fn row(n: i64) -> i64 {
    n * 4_099 + 1_000_000_007
}

struct Size {
    grants: i64,
    users: i64,
    objects: i64,
    groups: i64,
}

/// Memory of this process in MB, by its name in `/proc/self/status`.
fn memory(name: &str) -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    line.and_then(|rest| rest.trim().strip_suffix(" kB")?.parse::<u64>().ok()).unwrap_or(0) / 1_000
}

fn a_second(rows: usize, took: Duration) -> u128 {
    u128::try_from(rows).expect("wider") * 1_000_000 / took.as_micros().max(1)
}

/// Writes the rows past the store, as a load tool would: with the store they would each be a change.
fn fill(file: &Path, size: &Size) -> rusqlite::Result<()> {
    let connection = rusqlite::Connection::open(file)?;
    connection.execute_batch(
        "PRAGMA journal_mode = OFF; PRAGMA cache_size = -3000000; PRAGMA synchronous = OFF; BEGIN",
    )?;
    let each = |what: &str,
                sql: &str,
                count: i64,
                values: &mut dyn FnMut(i64) -> Vec<i64>|
     -> rusqlite::Result<()> {
        let began = Instant::now();
        let mut statement = connection.prepare(sql)?;
        let mut rows = 0;
        for n in 0..count {
            rows += statement.execute(rusqlite::params_from_iter(values(n)))?;
        }
        let took = began.elapsed();
        println!("  {rows} {what} in {took:.1?}: {} a second", a_second(rows, took));
        Ok(())
    };
    let Size { grants, users, objects, groups } = *size;
    each(
        "users",
        "INSERT INTO users (id, sub, username, username_folded, email_verified, status, claims, epoch, created_at,
        updated_at) VALUES (?1, 'sub' || ?1, 'user' || ?1, 'user' || ?1, 0, 'active', '{}', 0, 0, 0)",
        users,
        &mut |n| vec![row(n)],
    )?;
    each(
        "groups",
        "INSERT INTO user_groups (id, code, name) VALUES (?1, 'g' || ?1, '')",
        groups,
        &mut |n| vec![row(n)],
    )?;
    each(
        "objects",
        "INSERT INTO objects (id, code, name) VALUES (?1, 'object' || ?1, '')",
        objects,
        &mut |n| vec![row(n)],
    )?;
    each(
        "types",
        "INSERT INTO permission_types (id, code, name) VALUES (?1, 't' || ?1, '')",
        TYPES,
        &mut |n| vec![n + 1],
    )?;
    // The last third of the groups is on top, each of the others in one of the next third.
    let third = groups / 3;
    each("nestings", "INSERT INTO nestings (member_id, group_id) VALUES (?1, ?2)", third * 2, &mut |n| {
        vec![row(n), row(n + third)]
    })?;
    connection.execute_batch(
        "INSERT INTO group_closure (member_id, group_id)
        WITH RECURSIVE above (member_id, group_id) AS (SELECT id, id FROM user_groups
            UNION SELECT above.member_id, nestings.group_id FROM above
            JOIN nestings ON nestings.member_id = above.group_id)
        SELECT member_id, group_id FROM above",
    )?;
    let mut dice = Dice::new(7);
    each(
        "memberships",
        "INSERT INTO memberships (user_id, group_id) VALUES (?1, ?2) ON CONFLICT DO NOTHING",
        users * 2,
        &mut |n| vec![row(n / 2), row(dice.below(third * 2))],
    )?;
    let mut dice = Dice::new(8);
    each(
        "grants",
        "INSERT INTO permission_grants (id, holder_kind, holder_id, object_id, type_id, created_at)
        VALUES (?1, CASE ?2 WHEN 0 THEN 'user' ELSE 'group' END, ?3, ?4, ?5, 1700000000000) ON CONFLICT DO NOTHING",
        grants,
        &mut |n| {
            let to_group = dice.below(10) < 3;
            let holder = if to_group { dice.below(groups) } else { dice.below(users) };
            vec![row(n), to_group.into(), row(holder), row(dice.below(objects)), dice.below(TYPES) + 1]
        },
    )?;
    let mut dice = Dice::new(9);
    each(
        "delegations",
        "INSERT INTO delegations (id, from_user, to_user, object_id, include_children, type_id, hops_left, expires_at,
        created_by, created_at) VALUES (?1, ?2, ?3, ?4, 0, ?5, 0, 1800000000000, ?2, 1700000000000) ON CONFLICT DO NOTHING",
        grants / 100,
        &mut |n| {
            let giver = dice.below(users / 2);
            let taker = users / 2 + dice.below(users / 2);
            vec![row(n), row(giver), row(taker), row(dice.below(objects)), dice.below(TYPES) + 1]
        },
    )?;
    connection.execute_batch("COMMIT")
}

fn bytes_a_row(file: &Path) -> rusqlite::Result<()> {
    let connection = rusqlite::Connection::open(file)?;
    println!("| row | bytes |\n|---|--:|");
    for table in ["permission_grants", "memberships", "nestings", "group_closure", "delegations", "objects"] {
        let size = "SELECT SUM(pgsize) FROM dbstat
            WHERE name IN (SELECT name FROM sqlite_schema WHERE tbl_name = ?1)";
        let bytes: i64 = connection.query_row(size, [table], |row| row.get(0))?;
        let rows: i64 =
            connection.query_row(&format!("SELECT COUNT(*) FROM {table}"), [], |row| row.get(0))?;
        println!("| {table} ({rows} rows) | {} |", bytes / rows.max(1));
    }
    Ok(())
}

fn main() {
    let grants: i64 = std::env::args().nth(1).map_or(100_000, |count| count.parse().expect("a number"));
    let size =
        Size { grants, users: grants / 10, objects: (grants / 20).max(9), groups: (grants / 1_000).max(9) };
    let temporary = tempfile::tempdir_in("target").expect("a folder in target");
    let folder = std::env::var_os("FOLDER").map_or_else(|| temporary.path().to_owned(), PathBuf::from);
    let file = folder.join("authmachine.db");
    let is_new = !file.exists();
    let database = || Database::Sqlite { folder: folder.clone(), synchronous: Synchronous::Off };
    if is_new {
        drop(Store::open(Settings::new(database())).expect("it opens"));
        fill(&file, &size).expect("rows that fit");
    }
    let store = Store::open(Settings::new(database())).expect("it opens");
    if std::env::var_os("BYTES").is_some() {
        bytes_a_row(&file).expect("SQLite counts pages");
    }
    build(&store);
    ask(&store, &size);
    load(&store, &size);
}

/// The index, as a node builds it when it starts.
fn build(store: &Store) {
    let (before, began) = (memory("VmRSS"), Instant::now());
    let index = store
        .permission_snapshot(|records, revision| Index::build(records, revision, false))
        .expect("it reads")
        .expect("within limits");
    println!(
        "snapshot and build {:.1?}; memory of the index {} MB, peak of the process {} MB, before {before} MB",
        began.elapsed(),
        memory("VmRSS").saturating_sub(before),
        memory("VmHWM"),
    );
    let records = store.permission_snapshot(|records, _| {
        let began = Instant::now();
        (records.count(), began.elapsed())
    });
    let (records, took) = records.expect("it reads");
    println!("reading {records} records alone {took:.1?}");
    drop(index);
}

/// Questions without the index.
fn ask(store: &Store, size: &Size) {
    let mut dice = Dice::new(11);
    let circumstances = Circumstances::at(NOW);
    for (what, objects, rounds) in [("one object", 1, 2_000), ("100 objects", 100, 200)] {
        let mut took: Vec<Duration> = (0..rounds)
            .map(|_| {
                let subject = Subject::User(UserId(row(dice.below(size.users))));
                let codes: Vec<String> =
                    (0..objects).map(|_| format!("object{}", row(dice.below(size.objects)))).collect();
                let began = Instant::now();
                let index = store
                    .read_blocking({
                        let codes = codes.clone();
                        move |reads| {
                            let of = SliceOf::Objects(subject, &codes);
                            reads.permission_slice(of, &SliceSettings::at(NOW))
                        }
                    })
                    .expect("it reads")
                    .expect("small");
                for object in &codes {
                    let question = Question { subject, object, permission: "t1" };
                    index.check(&question, &circumstances).expect("simple");
                }
                began.elapsed()
            })
            .collect();
        took.sort_unstable();
        println!("{what} from SQL: median {:.0?}, p99 {:.0?}", took[rounds / 2], took[rounds * 99 / 100]);
    }
}

/// Grants by units of work, with every check and a change each, as an import writes them.
fn load(store: &Store, size: &Size) {
    const UNITS: i64 = 100;
    const IN_A_UNIT: i64 = 1_000;
    let began = Instant::now();
    let mut dice = Dice::new(12);
    for unit in 0..UNITS {
        let (of, read) = (object("any"), permission_type("any"));
        let grants: Vec<PermissionGrant> = (0..IN_A_UNIT)
            .map(|n| PermissionGrant {
                id: PermissionGrantId(row(size.grants + unit * IN_A_UNIT + n)),
                holder: Holder::User(UserId(row(dice.below(size.users)))),
                target: Target::Object(ObjectId(row(dice.below(size.objects)))),
                permission: PermissionTypeId(dice.below(TYPES) + 1),
                ..permission_grant(Holder::Everyone, &of, &read)
            })
            .collect();
        let insert = move |tx: &mut authmachine_store::Tx| {
            grants.iter().try_for_each(|grant| tx.insert_permission_grant(grant, &origin()).map(drop))
        };
        store.write_blocking(Instant::now() + Duration::from_secs(60), insert).expect("it is written");
    }
    let rows = UNITS * IN_A_UNIT;
    let took = began.elapsed();
    let rows = usize::try_from(rows).expect("few");
    println!("{rows} grants by the store in {took:.1?}: {} a second", a_second(rows, took));
}
