//! What happens without being asked for: following changes that others make, rotating keys, telling clients of logouts, and
//! cleaning up.

use std::time::Duration;

use authmachine_provider::Timestamp;
use authmachine_store::{Marker, Pace, Purge, StoreError};
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep};

use crate::app::App;
use crate::keys;
use crate::oidc::back_channel_logout;
use crate::oidc::registration;
use crate::permissions;

/// How often we look whether keys or clients have changed.
const LOOK_EVERY: Duration = Duration::from_millis(250);
/// Keys and clients are loaded at least this often: a retired key leaves the key set by the clock.
const RELOAD_EVERY: Duration = Duration::from_secs(60);
/// How often we look whether a signing key is to be made or has been followed.
const KEYS_EVERY: Duration = Duration::from_secs(60);
/// How long a job rests after the database did not answer.
const REST: Duration = Duration::from_secs(1);
/// How often we clean up.
const CLEAN_EVERY: Duration = Duration::from_secs(30);
/// The pause after a step, at least, and as many times as long as the step: a sixth of a writer's time, while there is something to do.
const CLEAN_PAUSE: (Duration, u32) = (Duration::from_millis(10), 5);
/// Clients that one step removes, each with all that it was allowed.
const CLEAN_CLIENTS: i64 = 20;
/// By more than this no clock is set in the course of things.
const CLOCK_MOVED_S: i64 = 60 * 60;
/// So long nothing is removed by a clock that was moved: time to see it, and to set it right.
const CLOCK_DOUBTED: Duration = Duration::from_secs(60 * 60);

/// The running jobs. Dropping them ends them, too.
#[derive(Debug)]
pub struct Jobs(JoinSet<()>);

/// Starts the jobs.
pub fn start(app: App) -> Jobs {
    let mut jobs = JoinSet::new();
    jobs.spawn(keep_current(app.clone()));
    jobs.spawn(follow_key_schedule(app.clone()));
    jobs.spawn(back_channel_logout::run(app.clone()));
    jobs.spawn(permissions::keep(app.clone()));
    jobs.spawn(clean_up(app));
    Jobs(jobs)
}

impl Jobs {
    /// Ends the jobs and waits until they are gone. A unit of work that has begun is finished by the store.
    pub async fn stop(mut self) {
        self.0.shutdown().await;
    }
}

/// Loads keys, documents and origins again when rows have changed, by this process or another.
async fn keep_current(app: App) {
    // Whoever makes the first keys loads them.
    app.wait_for_keys().await;
    let mut marker = Marker::default();
    let (mut is_stale, mut is_index_stale) = (false, false);
    let mut loaded_at = Instant::now();
    let mut ticks = interval(LOOK_EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let asked_at = std::time::Instant::now();
        let followed = async {
            // The store has its clients in memory follow.
            let changed = app.store.changed_since(&mut marker).await?;
            is_stale |= changed.clients || changed.signing_keys;
            is_index_stale |= changed.anything;
            app.permissions.follow(&app, asked_at, is_index_stale).await
        };
        match followed.await {
            Ok(()) => is_index_stale = false,
            Err(error) => {
                tracing::warn!(cause = %error, "Cannot see whether something has changed");
                sleep(REST).await;
                continue;
            }
        }
        if is_stale || loaded_at.elapsed() >= RELOAD_EVERY {
            match app.reload().await {
                Ok(()) => (is_stale, loaded_at) = (false, Instant::now()),
                Err(error) => {
                    tracing::error!(cause = %error, "Keys and clients cannot be loaded; those in use stay");
                    is_stale = true;
                    sleep(REST).await;
                }
            }
        }
    }
}

/// Makes the first signing keys, and the next ones in time.
async fn follow_key_schedule(app: App) {
    while let Err(error) = keys::make_first(&app).await {
        tracing::error!(cause = %error, "There are no signing keys, and the first ones cannot be made just now");
        sleep(REST).await;
    }
    let mut ticks = interval(KEYS_EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        if let Err(error) = keys::follow_schedule(&app).await {
            tracing::warn!(cause = %error, "Cannot look after the signing keys just now");
        }
    }
}

/// Removes what is over, in small steps.
async fn clean_up(app: App) {
    let mut ticks = interval(CLEAN_EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut trust = None;
    loop {
        ticks.tick().await;
        let trust = match &mut trust {
            Some(trust) => trust,
            // The clock may have been set while nothing ran. What was written last says when that was.
            None => match app.store.read(|reads| reads.newest_event_at()).await {
                Ok(newest) => trust.insert(Trust::new(newest.unwrap_or(app.now()), Instant::now())),
                Err(_) => continue,
            },
        };
        for what in Purge::ALL {
            if let Err(error) = purge(&app, what, trust).await {
                tracing::warn!(cause = %error, "Cannot clean up {} just now", what.table());
            }
        }
        if let Err(error) = remove_unused_clients(&app, trust).await {
            tracing::warn!(cause = %error, "Cannot remove unused clients just now");
        }
    }
}

/// Whether the clock may be believed that something is over: what is removed by a wrong one does not come back when it is set
/// right (checklist RB12).
struct Trust {
    /// What the clock said when it was last looked at, and the time of the machine, which nobody sets.
    now: Timestamp,
    steady: Instant,
    doubted_since: Option<Instant>,
}

impl Trust {
    fn new(now: Timestamp, steady: Instant) -> Self {
        Self { now, steady, doubted_since: None }
    }

    fn is_given(&mut self, now: Timestamp, steady: Instant) -> bool {
        let passed_s = i64::try_from((steady - self.steady).as_secs()).unwrap_or(i64::MAX);
        let moved_s = now.seconds_since(self.now).saturating_sub(passed_s);
        (self.now, self.steady) = (now, steady);
        if moved_s > CLOCK_MOVED_S {
            tracing::warn!(
                "The clock is {} h ahead of what was known last: nothing is removed for an hour",
                moved_s / 3_600
            );
            self.doubted_since = Some(steady);
        } else if moved_s < -CLOCK_MOVED_S {
            self.doubted_since = None;
        }
        self.doubted_since.is_none_or(|since| steady - since >= CLOCK_DOUBTED)
    }
}

/// Goes through one table.
async fn purge(app: &App, what: Purge, trust: &mut Trust) -> Result<(), StoreError> {
    let mut pace = Pace::default();
    while trust.is_given(app.now(), Instant::now()) {
        let step = app.store.purge(app.write_deadline(), what, app.now(), &mut pace).await?;
        if step.is_last {
            break;
        }
        let (least, times) = CLEAN_PAUSE;
        sleep(least.max(step.took * times)).await;
    }
    Ok(())
}

async fn remove_unused_clients(app: &App, trust: &mut Trust) -> Result<(), StoreError> {
    while trust.is_given(app.now(), Instant::now())
        && registration::remove_unused(app, CLEAN_CLIENTS).await? > 0
    {
        sleep(CLEAN_PAUSE.0).await;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rb12_a_clock_that_was_set_ahead_is_not_believed_for_an_hour() {
        const YEAR: i64 = 365 * 24 * 3_600;
        let (now, steady) = (Timestamp::from_seconds(1_800_000_000), Instant::now());
        let minutes = |n: u64| steady + Duration::from_secs(60 * n);
        let mut trust = Trust::new(now, steady);
        assert!(trust.is_given(now.plus_seconds(60), minutes(1)));
        assert!(trust.is_given(now.plus_seconds(60 + CLOCK_MOVED_S), minutes(1)), "summer time, by mistake");
        assert!(!trust.is_given(now.plus_seconds(10 * YEAR), minutes(2)));
        assert!(!trust.is_given(now.plus_seconds(10 * YEAR + 58 * 60), minutes(60)));
        assert!(trust.is_given(now.plus_seconds(10 * YEAR + 60 * 60), minutes(62)), "so it was meant");
        assert!(!trust.is_given(now.plus_seconds(20 * YEAR), minutes(63)));
        assert!(trust.is_given(now.plus_seconds(64 * 60), minutes(64)), "it was set right");
    }
}
