//! What every handler has at hand.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use authmachine_pages::Site;
use authmachine_provider::Timestamp;
use authmachine_provider::event::{Event, EventKind};
use authmachine_provider::ids::IdSource;
use authmachine_store::{Store, StoreError};
use tokio::sync::SetOnce;

use crate::client_keys::ClientKeys;
use crate::clock::Clock;
use crate::fetch::{FetchSetupError, Fetcher};
use crate::keys::{KeyError, KeyRing};
use crate::metrics::Metrics;
use crate::oidc::back_channel_logout::Deliveries;
use crate::oidc::check_session;
use crate::oidc::discovery::Documents;
use crate::passwords::PasswordHasher;
use crate::permissions::Permissions;
use crate::secrets::Secrets;
use crate::settings::Settings;

/// The running provider. Cheap to clone.
#[derive(Clone)]
pub struct App(Arc<Inner>);

/// What is behind an [`App`].
pub struct Inner {
    /// The settings.
    pub settings: Settings,
    /// The store.
    pub store: Store,
    /// The clock.
    pub clock: Clock,
    /// Row ids.
    pub ids: IdSource,
    /// Derived keys.
    pub secrets: Secrets,
    /// Password hashing.
    pub passwords: PasswordHasher,
    /// Brand and static files of the pages.
    pub site: Arc<Site>,
    /// The way to ask others.
    pub fetcher: Fetcher,
    /// Public keys of clients.
    pub client_keys: ClientKeys,
    /// What sign-outs and the job that tells clients of them tell each other.
    pub deliveries: Deliveries,
    /// Who may do what, as far as this node knows it.
    pub permissions: Permissions,
    /// Counters.
    pub metrics: Metrics,
    has_keys: SetOnce<()>,
    current: ArcSwap<Current>,
}

/// What is derived from rows that change seldom; replaced as a whole when they do.
pub struct Current {
    /// Signing keys.
    pub keys: KeyRing,
    /// Discovery and key set as prepared bytes.
    pub documents: Documents,
    /// Origins of registered redirect URIs, for CORS.
    pub origins: HashSet<String>,
    /// The same as a policy names them, if they fit into one.
    pub frame_ancestors: Option<String>,
}

/// Why the provider cannot start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The keys do not open.
    #[error(transparent)]
    Keys(#[from] KeyError),
    /// The fetcher.
    #[error(transparent)]
    Fetch(#[from] FetchSetupError),
    /// The store.
    #[error("the database does not answer: {0}")]
    Store(#[from] StoreError),
}

impl std::ops::Deref for App {
    type Target = Inner;

    fn deref(&self) -> &Inner {
        &self.0
    }
}

/// How long a unit of work may take, its turn and all: who waits longer is told within two seconds that it may try again
/// (checklist RB10).
const WRITE_DEADLINE: Duration = Duration::from_millis(1_500);
/// The same while nobody waits for an answer.
const START_DEADLINE: Duration = Duration::from_secs(10);

impl App {
    /// Opens the installation in `store` with its `master_key`. A new one gets its signing keys by a job ([`crate::jobs`]): RSA
    /// keys take a tenth of a second, in which it answers what needs none ([`App::wait_for_keys`]).
    ///
    /// # Errors
    /// [`StartError`].
    pub async fn start(
        settings: Settings,
        store: Store,
        master_key: &[u8; 32],
        clock: Clock,
    ) -> Result<Self, StartError> {
        let secrets = Secrets::derive(master_key);
        let has_keys = SetOnce::new();
        let current = match load_current(&settings, &store, &secrets, clock.now()).await {
            Ok(current) => {
                let _ = has_keys.set(());
                current
            }
            Err(StartError::Keys(KeyError::None)) => Current::of_new_installation(&settings),
            Err(error) => return Err(error),
        };
        let fetcher = Fetcher::new(&settings.fetch)?;
        let site = Arc::new(Site::new(settings.brand.clone(), ""));
        // Drawn by lot, two of 64 numbers would be the same too often.
        let node = store.write(Instant::now() + START_DEADLINE, |tx| tx.next_node()).await?;
        let permissions = Permissions::default();
        let metrics = Metrics::new(fetcher.counters(), permissions.counters.clone());
        metrics.set_keys(current.keys.times(clock.now()));
        Ok(Self(Arc::new(Inner {
            settings,
            store,
            clock,
            ids: IdSource::new(node),
            secrets,
            passwords: PasswordHasher::default(),
            site,
            permissions,
            metrics,
            fetcher,
            client_keys: ClientKeys::default(),
            deliveries: Deliveries::default(),
            has_keys,
            current: ArcSwap::from_pointee(current),
        })))
    }

    /// The time now.
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// Keys, documents and origins of this moment.
    pub fn current(&self) -> Arc<Current> {
        self.current.load_full()
    }

    /// Loads keys, documents and origins again.
    ///
    /// # Errors
    /// [`StartError`]; what was in use stays.
    pub async fn reload(&self) -> Result<(), StartError> {
        let now = self.now();
        let current = load_current(&self.settings, &self.store, &self.secrets, now).await?;
        self.metrics.set_keys(current.keys.times(now));
        self.current.store(Arc::new(current));
        let _ = self.has_keys.set(());
        Ok(())
    }

    /// Waits until there are signing keys, which is no wait but in the first moments of a new installation.
    pub async fn wait_for_keys(&self) {
        self.has_keys.wait().await;
    }

    /// The latest moment at which a unit of work that is asked for now may begin.
    pub fn write_deadline(&self) -> Instant {
        Instant::now() + WRITE_DEADLINE
    }

    /// A new event, to be inserted in the unit of work that it documents.
    pub fn event(&self, kind: EventKind, actor: impl Into<String>) -> Event {
        crate::events::new(&self.ids, self.now(), kind, actor)
    }
}

impl Current {
    fn of_new_installation(settings: &Settings) -> Self {
        let keys = KeyRing::to_be_made();
        let documents = Documents::prepare(settings, &keys);
        Self { keys, documents, origins: HashSet::new(), frame_ancestors: None }
    }
}

async fn load_current(
    settings: &Settings,
    store: &Store,
    secrets: &Secrets,
    now: Timestamp,
) -> Result<Current, StartError> {
    let (records, clients) =
        store.read(|reads| Ok((reads.list_signing_keys()?, reads.list_clients()?))).await?;
    let keys = KeyRing::open(records, secrets, now)?;
    let documents = Documents::prepare(settings, &keys);
    let origins: HashSet<String> = clients
        .iter()
        .filter(|client| !client.disabled)
        .flat_map(|client| {
            client.redirect_uris.iter().filter_map(|uri| authmachine_protocol::redirect_uri::origin(uri))
        })
        .collect();
    let frame_ancestors = check_session::frame_ancestors(&origins);
    Ok(Current { keys, documents, origins, frame_ancestors })
}
