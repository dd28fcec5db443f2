//! Builds the index, in the background; makes a new base when its changes are many; and looks at the clocks.

use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

use authmachine_permissions::{Index, IndexError, Record};
use authmachine_provider::Timestamp;
use authmachine_store::StoreError;
use tokio::time::{MissedTickBehavior, interval, sleep};

use super::{Newer, newer};
use crate::app::App;
use crate::clock::Clock;

/// How often is looked whether there is something to do.
const LOOK_EVERY: Duration = Duration::from_millis(250);
/// After a failure.
const REST: Duration = Duration::from_secs(5);
/// After an index that takes more memory than it may.
const REST_ABOVE_CEILING: Duration = Duration::from_secs(3_600);
/// How often the clock is compared with the database's.
const CLOCK_EVERY: Duration = Duration::from_secs(60);
/// By so much they may differ: what is valid until a moment ends everywhere at it.
const CLOCK_APART_MS: i64 = 2_000;

/// Keeps an index for as long as the server runs, unless there is to be none.
pub async fn keep(app: App) {
    if app.settings.permissions.index_max_bytes == 0 {
        return;
    }
    let mut ticks = interval(LOOK_EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut clock_asked_at: Option<Instant> = None;
    loop {
        ticks.tick().await;
        if clock_asked_at.is_none_or(|at| at.elapsed() >= CLOCK_EVERY) {
            compare_clocks(&app).await;
            clock_asked_at = Some(Instant::now());
        }
        let kept = match app.permissions.index.load_full() {
            None => build(&app).await,
            Some(index) if index.is_overlay_large() => compact(&app, index.as_ref().clone()).await,
            Some(_) => Ok(()),
        };
        match kept {
            Ok(()) => {}
            Err(NoIndex::TooLarge) => {
                tracing::warn!(
                    "The permission index would take more than permissions.index_max_mib: the database answers"
                );
                sleep(REST_ABOVE_CEILING).await;
            }
            Err(NoIndex::Index(error)) => {
                tracing::error!("The permission index cannot be built: {error}; the database answers");
                sleep(REST_ABOVE_CEILING).await;
            }
            Err(NoIndex::Store(error)) => {
                tracing::warn!(cause = %error, "The permission index cannot be built just now");
                sleep(REST).await;
            }
        }
    }
}

/// Why there is no index.
#[derive(Debug, thiserror::Error)]
pub enum NoIndex {
    /// It would take more memory than it may.
    #[error("the index would be too large")]
    TooLarge,
    /// The records do not fit into one.
    #[error(transparent)]
    Index(#[from] IndexError),
    /// The store cannot say.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Builds the index from all that the database has.
///
/// # Errors
/// [`NoIndex`].
pub async fn build(app: &App) -> Result<(), NoIndex> {
    let settings = app.settings.permissions;
    let (began, store) = (Instant::now(), app.store.clone());
    let built = on_a_thread(move || {
        store.permission_snapshot(|records, revision| {
            let mut bytes = 0;
            let fits = |record: &Record| {
                bytes += weight(record);
                bytes <= settings.index_max_bytes
            };
            let index =
                Index::build(records.take_while(fits), revision, settings.giver_conditions_bind_taker);
            if bytes > settings.index_max_bytes { Err(NoIndex::TooLarge) } else { Ok(index?) }
        })
    });
    let index = built.await??;
    app.permissions.counters.built(began.elapsed());
    tracing::info!(
        revision = index.revision(),
        ms = began.elapsed().as_millis(),
        mib = index.memory_bytes() >> 20,
        "The permission index is built"
    );
    install(app, index).await
}

/// Gives the same knowledge a new base.
async fn compact(app: &App, index: Index) -> Result<(), NoIndex> {
    let compacted = on_a_thread(move || index.compacted()).await?;
    install(app, compacted).await
}

/// Puts an index in place after it has what came meanwhile.
async fn install(app: &App, mut index: Index) -> Result<(), NoIndex> {
    let permissions = &app.permissions;
    let _turn = permissions.turn.lock().await;
    let asked_at = Instant::now();
    match newer(app, &index).await? {
        Newer::Same => {}
        Newer::Index(newer) => index = newer,
        Newer::Lost => {
            permissions.drop_index();
            return Ok(());
        }
    }
    permissions.put(index);
    permissions.counters.is_current_at(asked_at);
    Ok(())
}

async fn on_a_thread<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done,
        Err(error) => std::panic::resume_unwind(error.into_panic()),
    }
}

/// What a record takes in the index, about: measured with ten million grants, rounded up.
fn weight(record: &Record) -> usize {
    match record {
        Record::Grant(grant) if grant.condition.is_none() => 24,
        Record::Membership(_) => 16,
        Record::User(user) if user.attributes.is_none() => 32,
        Record::Object(object) if object.attributes.is_none() => 80 + object.code.len(),
        Record::Grant(_) | Record::Delegation(_) | Record::Client(_) | Record::Group(_) => 300,
        Record::User(_) | Record::Object(_) | Record::PermissionType(_) => 600,
    }
}

/// What ends by the clock ends everywhere at once only when all clocks are the same.
async fn compare_clocks(app: &App) {
    // A clock that stands still is a test's.
    let Clock::System = app.clock else { return };
    let before = app.now();
    match app.store.read(|reads| reads.clock()).await {
        Ok(Some(there)) => {
            let differs = are_apart(before, there, app.now());
            if differs {
                tracing::warn!(
                    "This machine's clock and the database's differ by more than {} s: the permission index is not used",
                    CLOCK_APART_MS / 1_000
                );
            }
            app.permissions.clock_differs.store(differs, Relaxed);
        }
        // An embedded database has no other clock.
        Ok(None) => {}
        Err(error) => tracing::debug!(cause = %error, "The database's clock cannot be read"),
    }
}

/// Whether a clock that said `there` between `before` and `after` is another than ours.
fn are_apart(before: Timestamp, there: Timestamp, after: Timestamp) -> bool {
    there.ms() < before.ms() - CLOCK_APART_MS || there.ms() > after.ms() + CLOCK_APART_MS
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clocks_are_apart_beyond_two_seconds_and_what_the_question_took() {
        let at = Timestamp::from_ms;
        for (there, apart) in
            [(8_000, false), (7_999, true), (12_500, false), (13_001, true), (10_200, false)]
        {
            assert_eq!(are_apart(at(10_000), at(there), at(11_000)), apart, "{there}");
        }
    }
}
