//! What this node knows of permissions: an [`Index`] in memory that follows the database, and the database itself wherever the index may
//! not be believed.
//!
//! A question goes to the index while that is at most a second or so behind, and to SQL before it is built, when nothing was heard of
//! the database for ten seconds, when the clocks of the two differ, when a newer revision is demanded than can be had at once, and
//! above the memory ceiling. Without either there is no answer: a store error, which every surface turns into 503.
//!
//! One request asks all its questions of one state of knowledge ([`ask`]).

mod checker;
mod counters;
mod keeper;
mod source;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::{Duration, Instant};

use arc_swap::ArcSwapOption;
use authmachine_permissions::Index;
use authmachine_store::{Feed, StoreError};
use axum::http::{HeaderMap, HeaderName};
use tokio::sync::{Mutex, Semaphore};

use crate::app::App;

pub use counters::Counters;
pub use keeper::{NoIndex, build, keep};
pub use source::Source;

/// How long a question waits for a revision that it demands.
const WAIT: Duration = Duration::from_millis(200);
/// Changes that are taken in one by one; after more the index is built again.
const MOST_CHANGES: i64 = 100_000;
/// How long a question that takes much effort waits for its turn.
const TURN: Duration = Duration::from_secs(1);

/// In an answer: the revision that it comes from.
pub const REVISION: HeaderName = HeaderName::from_static("authmachine-revision");
/// In a question: the revision that its answer must come from at least.
const AT_LEAST_REVISION: HeaderName = HeaderName::from_static("authmachine-at-least-revision");

/// The revision that a request demands; none is 0.
///
/// # Errors
/// What it says is no revision.
pub fn demanded_revision(headers: &HeaderMap) -> Result<u64, &'static str> {
    let Some(value) = headers.get(AT_LEAST_REVISION) else { return Ok(0) };
    let revision = value.to_str().ok().and_then(|text| text.parse().ok());
    revision.ok_or("AuthMachine-At-Least-Revision is not a revision.")
}

/// The node's index, and what is known of it.
#[derive(Debug)]
pub struct Permissions {
    index: ArcSwapOption<Index>,
    /// Held by whoever changes the index.
    turn: Mutex<()>,
    clock_differs: AtomicBool,
    /// Places for questions that take much effort.
    places: Arc<Semaphore>,
    /// The place of the check that runs.
    checking: Arc<Semaphore>,
    /// Shown by the metrics.
    pub counters: Arc<Counters>,
}

impl Default for Permissions {
    fn default() -> Self {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        Self {
            index: ArcSwapOption::empty(),
            turn: Mutex::default(),
            clock_differs: AtomicBool::new(false),
            places: Arc::new(Semaphore::new(cores)),
            checking: Arc::new(Semaphore::new(1)),
            counters: Arc::default(),
        }
    }
}

impl Permissions {
    /// Whether there is an index.
    pub fn has_index(&self) -> bool {
        self.index.load().is_some()
    }

    /// The index, unless the database knows more than it by now, or may.
    async fn index(&self, app: &App, at_least: u64) -> Option<Arc<Index>> {
        let index = self.index.load_full()?;
        if self.clock_differs.load(Relaxed) || self.counters.age() > app.settings.permissions.believed_for {
            return None;
        }
        // What this node wrote itself is seen at once. What was in the database after somebody heard of a revision, that revision is in,
        // unless it never was: then nobody is newer.
        let wanted = app.store.newest_revision().max(at_least);
        if index.revision() >= wanted {
            return Some(index);
        }
        let caught_up = tokio::time::timeout(WAIT, self.catch_up(app)).await;
        caught_up.ok()?.ok()?;
        self.index.load_full()
    }

    /// Whether the decision that the index makes now is one of those that are compared with the database's.
    fn is_sampled(&self, app: &App) -> bool {
        self.counters.decided.fetch_add(1, Relaxed).is_multiple_of(app.settings.permissions.sample_one_in)
    }

    /// Follows the database, which was asked at `asked_at` whether something changed.
    ///
    /// # Errors
    /// [`StoreError`]; the index stays as it is.
    pub async fn follow(&self, app: &App, asked_at: Instant, has_changed: bool) -> Result<(), StoreError> {
        if has_changed {
            return self.catch_up(app).await;
        }
        // Whoever is building has not looked since.
        if self.has_index() {
            self.counters.is_current_at(asked_at);
        }
        Ok(())
    }

    /// Takes in what came since. An index that cannot follow any more is dropped, and built again.
    async fn catch_up(&self, app: &App) -> Result<(), StoreError> {
        let _turn = self.turn.lock().await;
        let Some(index) = self.index.load_full() else { return Ok(()) };
        let asked_at = Instant::now();
        match newer(app, &index).await? {
            Newer::Same => {}
            Newer::Index(index) => self.put(index),
            Newer::Lost => {
                tracing::warn!("The permission index cannot follow the changes: it is built again");
                self.drop_index();
                return Ok(());
            }
        }
        self.counters.is_current_at(asked_at);
        Ok(())
    }

    /// Puts an index into the place of the one before.
    pub fn put(&self, index: Index) {
        self.counters.set_index(Some(&index));
        self.index.store(Some(Arc::new(index)));
    }

    /// Until another one is built the database answers.
    fn drop_index(&self) {
        self.counters.set_index(None);
        self.index.store(None);
    }
}

/// What became of an index.
enum Newer {
    Same,
    Index(Index),
    Lost,
}

/// The index with what came since.
async fn newer(app: &App, index: &Index) -> Result<Newer, StoreError> {
    let after = index.revision();
    Ok(match app.store.read(move |reads| reads.permission_feed(after, MOST_CHANGES)).await? {
        Feed::Entries(entries) if entries.is_empty() => Newer::Same,
        Feed::Entries(entries) => match index.apply(&entries) {
            Ok(index) => Newer::Index(index),
            Err(error) => {
                tracing::warn!("Changes cannot be taken into the permission index: {error}");
                Newer::Lost
            }
        },
        Feed::Lost => Newer::Lost,
    })
}

/// How long a question takes, and so where it runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effort {
    /// Microseconds: where it is asked.
    Little,
    /// Perhaps seconds: on a thread of its own, as many at a time as there are cores.
    Much,
}

/// An answer, and the revision that it comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Answered<T> {
    /// The answer.
    pub answer: T,
    /// The revision.
    pub revision: u64,
}

impl<T> Answered<T> {
    /// Another form of the same answer.
    pub fn map<U>(self, change: impl FnOnce(T) -> U) -> Answered<U> {
        Answered { answer: change(self.answer), revision: self.revision }
    }
}

/// Asks `question` of the index or, where that may not be believed, of the database; of a state that has the revision `at_least`, if
/// there is one. All that one question asks comes from one state.
///
/// # Errors
/// [`StoreError`]; also when too many questions take much effort at once.
pub async fn ask<T, F>(
    app: &App,
    effort: Effort,
    at_least: u64,
    question: F,
) -> Result<Answered<T>, StoreError>
where
    T: Send + 'static,
    F: Fn(&mut Source<'_>) -> Result<T, StoreError> + Send + 'static,
{
    let permissions = &app.permissions;
    let index = permissions.index(app, at_least).await;
    let place = match effort {
        Effort::Little => None,
        Effort::Much => {
            let place = permissions.places.clone().acquire_owned();
            let place = tokio::time::timeout(TURN, place)
                .await
                .map_err(|_| StoreError::Unavailable("too many long questions about permissions".into()))?;
            Some(place.expect("it is never closed"))
        }
    };
    let asked_app = app.clone();
    match (index, place) {
        (Some(index), None) => source::of_index(app, &index, question),
        (None, None) => app.store.read(move |reads| source::of_store(&asked_app, reads, &question)).await,
        (index, Some(place)) => {
            let run = move || {
                let _place = place;
                match index {
                    Some(index) => source::of_index(&asked_app, &index, question),
                    None => {
                        let app = asked_app.clone();
                        asked_app.store.read_blocking(move |reads| source::of_store(&app, reads, &question))
                    }
                }
            };
            match tokio::task::spawn_blocking(run).await {
                Ok(answered) => answered,
                Err(error) => std::panic::resume_unwind(error.into_panic()),
            }
        }
    }
}
