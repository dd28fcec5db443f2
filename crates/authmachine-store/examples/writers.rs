//! What a unit of work costs: the units of the hot requests, by many callers at once, on a durable database.
//!
//! ```sh
//! cargo run --release -p authmachine-store --example writers                       # SQLite, in a temporary folder
//! cargo run --release -p authmachine-store --example writers -- postgres://…       # an empty database
//! ```
//!
//! `CALLERS`, `SECONDS`, `FAMILIES` and `UNITS` (words of [`UNITS`] between commas) change what is done. With `OVER`, so many
//! thousand grants and tokens that are over are removed under load at the end, and how long that held the writer is told. Processor
//! time is that of the whole process, callers included.

#![expect(clippy::print_stdout, reason = "it is a program")]

#[expect(dead_code, reason = "the tests use the rest")]
#[path = "../tests/store/records.rs"]
mod records;

use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use authmachine_provider::authorization_code::{AuthorizationCode, Taken};
use authmachine_provider::client::Client;
use authmachine_provider::event::EventKind;
use authmachine_provider::grant::Grant;
use authmachine_provider::ids::GrantId;
use authmachine_provider::refresh_token::RefreshFamily;
use authmachine_store::settings::{Database, Settings, Synchronous};
use authmachine_store::{Pace, Purge, Stats, Store, StoreError, Tx};
use records::{
    LATER, NOW, access_token, client, code, event, grant, hash_of, own_grant, presented, refresh_family,
    session, user,
};

/// The units, in the order in which they are run; `mixed` is a fourth of each.
const UNITS: [&str; 5] = ["client_credentials", "authorize", "exchange", "refresh", "mixed"];

struct Bench {
    store: Store,
    shop: Client,
    sessions: Vec<authmachine_provider::browser_session::Session>,
    /// Codes not used yet, with their grants.
    codes: Mutex<Vec<(AuthorizationCode, Grant)>>,
    /// Families with their grants, each used by one caller at a time.
    families: Vec<Mutex<(RefreshFamily, GrantId)>>,
    next_family: AtomicUsize,
    next_session: AtomicUsize,
}

type Outcome = Result<(), StoreError>;

impl Bench {
    fn deadline() -> Instant {
        Instant::now() + Duration::from_secs(30)
    }

    async fn client_credentials(&self) -> Outcome {
        let (grant, token, event) = (own_grant(&self.shop), access_token(), event(EventKind::TokensIssued));
        self.store
            .write(Self::deadline(), move |tx| {
                tx.insert_grant(&grant)?;
                tx.insert_access_token(&token, &hash_of(token.id), grant.id)?;
                tx.insert_event(&event)
            })
            .await
    }

    async fn authorize(&self) -> Outcome {
        let session = &self.sessions[self.next_session.fetch_add(1, Relaxed) % self.sessions.len()];
        let (grant, code) =
            (Grant { expires_at: NOW.plus_seconds(60), ..grant(&self.shop, session) }, code());
        let saved = (code.clone(), grant.clone());
        self.store
            .write(Self::deadline(), move |tx| {
                tx.find_consent(grant.user_id.expect("of a user"), grant.client_id)?;
                tx.insert_grant(&grant)?;
                tx.insert_code(&code, &hash_of(code.id), &grant)
            })
            .await?;
        self.codes.lock().expect("no panic").push(saved);
        Ok(())
    }

    async fn exchange(&self) -> Outcome {
        let Some((code, grant)) = self.codes.lock().expect("no panic").pop() else {
            return self.authorize().await;
        };
        let (token, family, event) = (access_token(), refresh_family(), event(EventKind::TokensIssued));
        let (shop, handle) = (self.shop.id, presented(code.id));
        self.store
            .write(Self::deadline(), move |tx| {
                let Taken::Now(_) = tx.take_code(&handle, shop, NOW)? else {
                    return Err(StoreError::Conflict);
                };
                tx.extend_grant(grant.id, family.idle_expires_at, NOW)?;
                tx.insert_access_token(&token, &hash_of(token.id), grant.id)?;
                tx.insert_refresh_family(&family, grant.id)?;
                tx.insert_event(&event)
            })
            .await
    }

    async fn refresh(&self) -> Outcome {
        // A step that shares no factor with the count visits them all, far from each other.
        let at = self.next_family.fetch_add(7_919, Relaxed) % self.families.len();
        let (old, grant) = self.families[at].lock().expect("no panic").clone();
        let new = RefreshFamily {
            generation: old.generation + 1,
            idle_expires_at: old.idle_expires_at.plus_seconds(60),
            ..old.clone()
        };
        let (token, event, rotated) = (access_token(), event(EventKind::TokensIssued), new.clone());
        self.store
            .write(Self::deadline(), move |tx| {
                if tx.find_refresh_family(old.id)?.is_none() {
                    return Err(StoreError::Conflict);
                }
                tx.extend_grant(grant, new.idle_expires_at, NOW)?;
                // Two callers may have met after a round.
                if tx.rotate_refresh_family(&new, old.generation)? {
                    tx.insert_access_token(&token, &hash_of(token.id), grant)?;
                    tx.insert_event(&event)?;
                }
                Ok(())
            })
            .await?;
        self.families[at].lock().expect("no panic").0 = rotated;
        Ok(())
    }

    async fn run(&self, unit: &str, n: u64) -> Outcome {
        match (unit, n % 4) {
            ("client_credentials", _) | ("mixed", 0) => self.client_credentials().await,
            ("authorize", _) | ("mixed", 1) => self.authorize().await,
            ("exchange", _) | ("mixed", 2) => self.exchange().await,
            _ => self.refresh().await,
        }
    }

    async fn fill(store: Store, families: usize) -> Self {
        let shop = client("shop");
        let people: Vec<_> = (0..1_000).map(|n| user(&format!("user{n}"))).collect();
        let sessions: Vec<_> = people.iter().map(session).collect();
        let saved = (shop.clone(), people, sessions.clone());
        store
            .write(Self::deadline(), move |tx| {
                tx.insert_client(&saved.0)?;
                for (user, session) in saved.1.iter().zip(&saved.2) {
                    tx.insert_user(user)?;
                    tx.insert_session(session, &hash_of(session.id.0))?;
                    tx.upsert_consent(user.id, saved.0.id, &saved.0.scopes, &[], NOW)?;
                }
                Ok(())
            })
            .await
            .expect("people");
        let mut rows = Vec::with_capacity(families);
        for n in 0..families {
            // Kept for longer than its family, as the redemption of a code leaves it.
            let grant = Grant {
                expires_at: LATER.plus_seconds(7_200),
                ..grant(&shop, &sessions[n % sessions.len()])
            };
            rows.push((refresh_family(), grant));
        }
        for some in rows.chunks(2_000) {
            let some = some.to_vec();
            let insert = move |tx: &mut Tx| {
                some.iter().try_for_each(|(family, grant)| {
                    tx.insert_grant(grant)?;
                    tx.insert_refresh_family(family, grant.id)
                })
            };
            store.write(Self::deadline(), insert).await.expect("families");
        }
        let families = rows.into_iter().map(|(family, grant)| Mutex::new((family, grant.id))).collect();
        Self {
            store,
            shop,
            sessions,
            codes: Mutex::default(),
            families,
            next_family: AtomicUsize::new(0),
            next_session: AtomicUsize::new(0),
        }
    }

    /// Grants and tokens that are over.
    async fn fill_over(&self, thousands: usize) {
        for _ in 0..thousands {
            let rows: Vec<_> = (0..1_000).map(|_| (own_grant(&self.shop), access_token())).collect();
            let insert = move |tx: &mut Tx| {
                rows.iter().try_for_each(|(grant, token)| {
                    tx.insert_grant(grant)?;
                    tx.insert_access_token(token, &hash_of(token.id), grant.id)
                })
            };
            self.store.write(Self::deadline(), insert).await.expect("rows");
        }
    }

    /// Removes what is over, as the server's job does, until everything is gone.
    async fn purge(&self) {
        let now = LATER.plus_seconds(1);
        for what in [Purge::AccessTokens, Purge::Grants] {
            let mut pace = Pace::default();
            let mut rows = Vec::new();
            loop {
                rows.push(pace.rows());
                let step = self.store.purge(Self::deadline(), what, now, &mut pace).await.expect("a step");
                if step.is_last {
                    break;
                }
                tokio::time::sleep(step.took.saturating_mul(5)).await;
            }
            rows.sort_unstable();
            println!("{:?}: {} steps of {} rows in the middle", what, rows.len(), rows[rows.len() / 2]);
        }
    }

    async fn measure(self: &Arc<Self>, unit: &'static str, callers: usize, seconds: f64) {
        let stop = Arc::new(AtomicBool::new(false));
        let count = Arc::new(AtomicU64::new(0));
        let (before, cpu, began) = (self.store.stats(), cpu_us(), Instant::now());
        let tasks: Vec<_> = (0..callers)
            .map(|_| {
                let (bench, stop, count) = (Arc::clone(self), Arc::clone(&stop), Arc::clone(&count));
                tokio::spawn(async move {
                    while !stop.load(Relaxed) {
                        bench.run(unit, count.fetch_add(1, Relaxed)).await.expect("each unit goes well");
                    }
                })
            })
            .collect();
        tokio::time::sleep(Duration::from_secs_f64(seconds)).await;
        stop.store(true, Relaxed);
        for task in tasks {
            task.await.expect("no panic");
        }
        let (after, cpu, took) = (self.store.stats(), cpu_us() - cpu, began.elapsed());
        report(unit, &before, &after, cpu, took);
    }
}

fn report(unit: &str, before: &Stats, after: &Stats, cpu: f64, took: Duration) {
    let units = (after.units - before.units) as f64;
    let commits = (after.commits.count - before.commits.count) as f64;
    let commit = (after.commits.sum - before.commits.sum) as f64;
    println!(
        "{unit:20} {:8.0} units/s {:6.1} us cpu/unit {:6.1} units/commit {:7.0} us/commit {:4.0} % cpu",
        units / took.as_secs_f64(),
        cpu / units,
        units / commits,
        commit / commits,
        cpu / took.as_secs_f64() / 1e4,
    );
}

/// Processor time of this process so far, user and system, in microseconds (`proc_pid_stat(5)`: ticks of 10 ms).
fn cpu_us() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").expect("Linux has it");
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    let ticks = |at: usize| fields[at].parse::<f64>().expect("a number");
    (ticks(11) + ticks(12)) * 10_000.0
}

fn setting(name: &str, usual: f64) -> f64 {
    std::env::var(name).map_or(usual, |value| value.parse().expect("a number"))
}

fn main() {
    let folder = tempfile::tempdir_in(Path::new("target")).expect("a folder in target");
    let database = match std::env::args().nth(1) {
        Some(url) => Database::Postgres { url, max_connections: Database::CONNECTIONS },
        None => Database::Sqlite { folder: folder.path().to_owned(), synchronous: Synchronous::Full },
    };
    let store = Store::open(Settings::new(database)).expect("it opens");
    let units = std::env::var("UNITS").unwrap_or_else(|_| UNITS.join(","));
    let (callers, seconds) = (setting("CALLERS", 64.0) as usize, setting("SECONDS", 3.0));
    let families = setting("FAMILIES", 50_000.0) as usize;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
    runtime.expect("a runtime").block_on(async move {
        let bench = Arc::new(Bench::fill(store, families).await);
        for unit in UNITS.into_iter().filter(|unit| units.split(',').any(|wanted| wanted == *unit)) {
            bench.measure(unit, callers, seconds).await;
        }
        let over = setting("OVER", 0.0) as usize;
        if over > 0 {
            bench.fill_over(over).await;
            let before = bench.store.stats();
            tokio::join!(bench.purge(), bench.measure("refresh", callers, seconds));
            let after = bench.store.stats();
            println!("holds of the writer up to so many us:");
            for ((end, before), (_, after)) in before.holds.buckets.iter().zip(&after.holds.buckets) {
                println!("{end:>8} {:>8}", after - before);
            }
            println!("longest since the start {:?}, log {:?} bytes", after.longest_hold, after.log_bytes);
        }
    });
}
