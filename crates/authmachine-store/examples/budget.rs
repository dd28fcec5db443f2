//! What rows take on disk, with their indexes, after many of a kind.
//!
//! ```sh
//! cargo run --release -p authmachine-store --example budget                   # SQLite, in a temporary folder
//! cargo run --release -p authmachine-store --example budget -- postgres://…   # an empty database
//! ```
//!
//! `ROWS` says how many of each kind, in thousands.

#![expect(clippy::print_stdout, reason = "it is a program")]

#[expect(dead_code, reason = "the tests use the rest")]
#[path = "../tests/store/records.rs"]
mod records;

use std::path::Path;
use std::time::{Duration, Instant};

use authmachine_permissions::{Delegation, Lent, Party};
use authmachine_provider::event::EventKind;
use authmachine_provider::ids::{DelegationId, GroupId, ObjectId};
use authmachine_provider::permission_records::{Group, Holder, Named, Object};
use authmachine_store::settings::{Database, Settings, Synchronous};
use authmachine_store::{Store, StoreError, Tx};
use records::{
    BROWSER, LATER, NOW, access_token, client, code, event, grant, hash_of, interaction, member_of, object,
    origin, own_grant, permission_grant, permission_type, refresh_family, session, user,
};

/// An encoded Argon2id hash as it is stored.
const HASH: &str =
    "$argon2id$v=19$m=19456,t=2,p=1$c2l4dGVlbiBieXRlcyEhIQ$jp0vW3wQ2ckYpYVmJ3vGhJbqPMb2fkqB0m3qk5gW8Jo";

type Insert = Box<dyn Fn(&mut Tx, i64) -> Result<(), StoreError> + Send>;

/// A kind of row: what it is called, the tables it is in, and how the n-th is inserted.
fn kinds() -> Vec<(&'static str, &'static [&'static str], Insert)> {
    let shop = client("shop");
    let person = user("person");
    let person_session = session(&person);
    let (of_shop, of_person, of_session) = (shop.clone(), person.clone(), person_session.clone());
    let (doc, read) = (object("doc"), permission_type("read"));
    let (holder, reading, reading_id) = (person.id, read.clone(), read.id);
    let other = user("other");
    let taker = other.id;
    let mut kinds: Vec<(&'static str, &'static [&'static str], Insert)> = Vec::new();
    let mut add = |name, tables, insert: Insert| kinds.push((name, tables, insert));
    add(
        "the first of everything",
        &[],
        Box::new(move |tx, n| {
            if n > 0 {
                return Ok(());
            }
            tx.insert_client(&of_shop)?;
            tx.insert_user(&of_person)?;
            tx.insert_user(&other)?;
            tx.insert_session(&of_session, &[1; 32])?;
            let _ = tx.put_object(&doc)?;
            tx.put_permission_type(&read).map(drop)
        }),
    );
    add(
        "user, with e-mail address and password",
        &["users", "passwords"],
        Box::new(|tx, n| {
            let user = user(&format!("person{n}"));
            tx.insert_user(&user)?;
            tx.set_password(user.id, HASH, NOW).map(drop)
        }),
    );
    add("session", &["sessions"], Box::new(move |tx, n| tx.insert_session(&session(&person), &hash_of(n))));
    let of_shop = shop.clone();
    add(
        "grant of a user",
        &["grants"],
        Box::new(move |tx, _| tx.insert_grant(&grant(&of_shop, &person_session))),
    );
    let by_shop = own_grant(&shop);
    add(
        "authorization code",
        &["authorization_codes"],
        Box::new(move |tx, n| tx.insert_code(&code(), &hash_of(n), &by_shop)),
    );
    let by_shop = own_grant(&shop).id;
    add(
        "access token",
        &["access_tokens"],
        Box::new(move |tx, n| tx.insert_access_token(&access_token(), &hash_of(n), by_shop)),
    );
    add(
        "refresh token family",
        &["refresh_families"],
        Box::new(move |tx, _| tx.insert_refresh_family(&refresh_family(), by_shop)),
    );
    add("event", &["events"], Box::new(|tx, _| tx.insert_event(&event(EventKind::TokensIssued))));
    let of_shop = shop.clone();
    add(
        "interaction",
        &["interactions"],
        Box::new(move |tx, n| tx.insert_interaction(&interaction(&of_shop), &hash_of(n), &BROWSER)),
    );
    add("throttle", &["throttles"], Box::new(|tx, n| tx.count_try(&hash_of(n), NOW)));
    let id = shop.id;
    add(
        "client assertion",
        &["assertion_ids"],
        Box::new(move |tx, n| tx.take_assertion_id(id, &hash_of(n), LATER).map(drop)),
    );
    add(
        "consent",
        &["consents"],
        Box::new(move |tx, n| {
            let user = authmachine_provider::ids::UserId(n);
            tx.upsert_consent(user, id, &records::scopes("openid profile email"), &[], NOW).map(drop)
        }),
    );
    add(
        "object",
        &["objects"],
        Box::new(|tx, n| {
            tx.put_object(&object_of_row(n))?.expect("its code is free");
            Ok(())
        }),
    );
    add(
        "permission grant",
        &["permission_grants"],
        Box::new(move |tx, n| {
            let grant = permission_grant(Holder::User(holder), &object_of_row(n), &reading);
            tx.insert_permission_grant(&grant, &origin())?.expect("its parts are there");
            Ok(())
        }),
    );
    add(
        "group",
        &["user_groups", "group_closure"],
        Box::new(|tx, n| {
            let record = Group { id: GroupId(n + 1), code: format!("group{n}") };
            tx.put_group(&Named { record, name: format!("Group {n}") })?.expect("its code is free");
            Ok(())
        }),
    );
    add(
        "membership of a user",
        &["memberships"],
        Box::new(move |tx, n| {
            tx.put_membership(&member_of(holder, GroupId(n + 1)))?.expect("both are there");
            Ok(())
        }),
    );
    add(
        "delegation",
        &["delegations"],
        Box::new(move |tx, n| {
            let delegation = Delegation {
                id: DelegationId(n + 1),
                from: holder,
                to: taker,
                object: object_of_row(n).id,
                include_children: false,
                permission: reading_id,
                hops_left: 0,
                expires_at: Some(LATER),
                condition: None,
                parent: None,
                created_by: Party::User(holder),
                created_at: NOW,
                ended: None,
            };
            tx.put_delegation(&Lent::New(delegation), NOW)
        }),
    );
    kinds
}

fn object_of_row(n: i64) -> Named<Object> {
    let record = Object { id: ObjectId(n + 1), code: format!("object{n}"), ..object("any").record };
    Named { record, name: format!("Object {n}") }
}

fn main() {
    let folder = tempfile::tempdir_in(Path::new("target")).expect("a folder in target");
    let url = std::env::args().nth(1);
    let database = match &url {
        Some(url) => Database::Postgres { url: url.clone(), max_connections: 1 },
        None => Database::Sqlite { folder: folder.path().to_owned(), synchronous: Synchronous::Off },
    };
    let store = Store::open(Settings::new(database)).expect("it opens");
    let thousands: i64 = std::env::var("ROWS").map_or(50, |rows| rows.parse().expect("a number"));
    println!("| row | bytes |\n|---|--:|");
    for (name, tables, insert) in kinds() {
        let insert = std::sync::Arc::new(std::sync::Mutex::new(insert));
        for some in 0..thousands {
            let insert = std::sync::Arc::clone(&insert);
            let unit = move |tx: &mut Tx| {
                let insert = insert.lock().expect("no panic");
                (0..1_000).try_for_each(|n| insert(tx, some * 1_000 + n))
            };
            store.write_blocking(Instant::now() + Duration::from_secs(60), unit).expect("it is inserted");
        }
        if !tables.is_empty() {
            let bytes: i64 = tables.iter().map(|table| size(folder.path(), url.as_deref(), table)).sum();
            println!("| {name} | {} |", bytes / (thousands * 1_000));
        }
    }
}

/// What a table takes with its indexes.
fn size(folder: &Path, url: Option<&str>, table: &str) -> i64 {
    match url {
        Some(url) => {
            let mut client = postgres::Client::connect(url, postgres::NoTls).expect("PostgreSQL answers");
            let sql = format!("SELECT pg_total_relation_size('{table}')");
            client.query_one(&sql, &[]).expect("it knows").get(0)
        }
        None => {
            let connection =
                rusqlite::Connection::open(folder.join("authmachine.db")).expect("the file opens");
            let sql = "SELECT SUM(pgsize) FROM dbstat
                WHERE name IN (SELECT name FROM sqlite_schema WHERE tbl_name = ?1)";
            connection.query_row(sql, [table], |row| row.get(0)).expect("it knows")
        }
    }
}
