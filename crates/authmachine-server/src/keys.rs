//! The signing keys in use, parsed once, and the published key set as prepared bytes.

use std::collections::HashMap;
use std::sync::Arc;

use authmachine_jose::{Algorithm, JwkSet, SigningKey};
use authmachine_provider::Timestamp;
use authmachine_provider::event::{Event, EventKind};
use authmachine_provider::keys::{self as schedule, SigningKeyRecord, State};
use authmachine_store::{StoreError, Tx};
use bytes::Bytes;
use tokio::task::spawn_blocking;

use crate::app::{App, StartError};
use crate::metrics::KeyTimes;
use crate::secrets::Secrets;

/// The keys of this time; replaced as a whole when the store's change. Which of them signs, the clock says.
pub struct KeyRing {
    records: Vec<SigningKeyRecord>,
    algorithms: Vec<Algorithm>,
    /// Those that sign now or later, by `kid`.
    signers: HashMap<String, Arc<SigningKey>>,
    /// Every published key, next and retired ones as well: verifies our own tokens when they come back as hints.
    pub published: JwkSet,
    /// The key set as it is served.
    pub body: Bytes,
}

/// Who the audit trail says it was.
const ACTOR: &str = "server";

/// Why the keys cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// The sealed key does not open: another master key, or a damaged row.
    #[error(
        "signing key {0} does not open with this master key; is authmachine.key the one that this database was made with?"
    )]
    Sealed(String),
    /// It opened and is not a key.
    #[error("signing key {0} is damaged")]
    Damaged(String),
    /// There are none at all.
    #[error("there are no signing keys")]
    None,
    /// No key signs with the default algorithm.
    #[error("there is no active RS256 signing key")]
    NoDefault,
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl KeyRing {
    /// Opens the keys in `records`.
    ///
    /// # Errors
    /// [`KeyError`].
    pub fn open(
        mut records: Vec<SigningKeyRecord>,
        secrets: &Secrets,
        now: Timestamp,
    ) -> Result<Self, KeyError> {
        if records.is_empty() {
            return Err(KeyError::None);
        }
        records.retain(|record| record.is_published(now));
        let mut signers = HashMap::new();
        let mut published = Vec::new();
        for record in &records {
            let sealed = KeyError::Sealed;
            let pkcs8 = secrets
                .signing_keys()
                .open(&record.private_sealed, record.kid.as_bytes())
                .ok_or_else(|| sealed(record.kid.clone()))?;
            let key = SigningKey::from_pkcs8(record.algorithm, record.kid.clone(), &pkcs8)
                .map_err(|_| KeyError::Damaged(record.kid.clone()))?;
            published.push(key.public_jwk());
            if record.retired_at.is_none() {
                signers.insert(record.kid.clone(), Arc::new(key));
            }
        }
        let published: JwkSet = published.into_iter().collect();
        let body = serde_json::to_vec(&published).expect("a key set is JSON").into();
        let algorithms = schedule::algorithms(&records).collect();
        let ring = Self { records, algorithms, signers, published, body };
        if ring.signer(Algorithm::RS256, now).is_none() { Err(KeyError::NoDefault) } else { Ok(ring) }
    }

    /// What a new installation has until its keys are made: it knows which there will be.
    pub(crate) fn to_be_made() -> Self {
        Self {
            records: Vec::new(),
            algorithms: INITIAL.to_vec(),
            signers: HashMap::new(),
            published: JwkSet::default(),
            body: Bytes::new(),
        }
    }

    /// The key that signs with `algorithm` at `now`.
    pub fn signer(&self, algorithm: Algorithm, now: Timestamp) -> Option<&Arc<SigningKey>> {
        self.signers.get(&schedule::active(&self.records, algorithm, now)?.kid)
    }

    /// The algorithms that can be had, the default first.
    pub fn algorithms(&self) -> &[Algorithm] {
        &self.algorithms
    }

    /// For the metrics: from when the key of each algorithm signs, and from when the next one.
    pub fn times(&self, now: Timestamp) -> Vec<KeyTimes> {
        let times = schedule::algorithms(&self.records).filter_map(|algorithm| {
            let since = schedule::active(&self.records, algorithm, now)?.active_from;
            let next = schedule::next(&self.records, algorithm, now).map(|next| next.active_from);
            Some(KeyTimes { algorithm, since, next })
        });
        times.collect()
    }
}

/// The algorithms for which a new installation makes keys.
pub const INITIAL: [Algorithm; 4] = Algorithm::ALL;

/// Makes a new key, which signs from `now` on, and seals it for the store.
///
/// # Panics
/// When the system has no randomness to give.
pub fn generate(algorithm: Algorithm, secrets: &Secrets, now: Timestamp) -> SigningKeyRecord {
    seal(&new_key(algorithm), secrets, now)
}

/// Makes a new key for each of `algorithms`, at once and beside what else runs: RSA keys take their time.
pub(crate) async fn generate_all(
    algorithms: impl IntoIterator<Item = Algorithm>,
    secrets: &Secrets,
    now: Timestamp,
) -> Vec<SigningKeyRecord> {
    let making: Vec<_> =
        algorithms.into_iter().map(|algorithm| spawn_blocking(move || new_key(algorithm))).collect();
    let mut made = Vec::new();
    for key in making {
        made.push(seal(&key.await.expect("making a key does not panic"), secrets, now));
    }
    made
}

fn new_key(algorithm: Algorithm) -> SigningKey {
    SigningKey::generate(algorithm, "").expect("the system's random generator works").with_thumbprint_kid()
}

/// Seals `key`, which signs from `now` on, for the store.
pub fn seal(key: &SigningKey, secrets: &Secrets, now: Timestamp) -> SigningKeyRecord {
    SigningKeyRecord {
        kid: key.kid().to_owned(),
        algorithm: key.algorithm(),
        private_sealed: secrets.signing_keys().seal(&key.to_pkcs8(), key.kid().as_bytes()),
        created_at: now,
        active_from: now,
        retired_at: None,
        expires_at: None,
    }
}

/// Makes the first keys of an installation, which then signs, or finds that there are some. An installation that has keys keeps
/// its choice: only a new one gets the initial set.
///
/// # Errors
/// [`StartError`].
pub async fn make_first(app: &App) -> Result<(), StartError> {
    if app.store.read(|reads| reads.list_signing_keys()).await?.is_empty() {
        let new = generate_all(INITIAL, &app.secrets, app.now()).await;
        let is_done = app.store.write(app.write_deadline(), move |tx| {
            tx.lock_signing_keys()?;
            let is_new = tx.list_signing_keys()?.is_empty();
            if is_new {
                new.iter().try_for_each(|key| tx.insert_signing_key(key))?;
            }
            Ok(is_new)
        });
        if is_done.await? {
            tracing::info!("There were no signing keys: made the first ones");
        }
    }
    app.reload().await
}

/// Does what the schedule asks for: makes and publishes the next keys, and writes down which have been followed. Any number of
/// nodes may do it at once. The key sets follow the change.
///
/// # Errors
/// [`StoreError`].
pub async fn follow_schedule(app: &App) -> Result<(), StoreError> {
    let now = app.now();
    let settings = &app.settings;
    let (schedule, stays_s) = (settings.keys, schedule::stays_s(&settings.lives));
    let keys = app.store.read(|reads| reads.list_signing_keys()).await?;
    let plan = schedule::plan(&keys, schedule, stays_s, now);
    if plan.is_empty() {
        return Ok(());
    }
    let mut made = generate_all(plan.make.iter().map(|next| next.algorithm), &app.secrets, now).await;
    for (key, next) in made.iter_mut().zip(&plan.make) {
        key.active_from = next.active_from;
    }
    let event = |kind| app.event(kind, ACTOR);
    let mut events: Vec<Event> =
        made.iter().map(|key| published(event(EventKind::KeyPublished), key)).collect();
    events.extend(
        plan.retire
            .iter()
            .map(|old| rotated(event(EventKind::KeyRotated), old.algorithm, &old.successor, Some(&old.kid))),
    );
    let (planned, new) = (plan.clone(), made.clone());
    let is_done = app.store.write(app.write_deadline(), move |tx| {
        tx.lock_signing_keys()?;
        // Another node may have been faster.
        if schedule::plan(&tx.list_signing_keys()?, schedule, stays_s, now) != planned {
            return Ok(false);
        }
        new.iter().try_for_each(|key| tx.insert_signing_key(key))?;
        for old in &planned.retire {
            tx.retire_signing_key(&old.kid, old.retired_at, old.expires_at)?;
        }
        events.iter().try_for_each(|event| tx.insert_event(event))?;
        Ok(true)
    });
    if is_done.await? {
        for key in &made {
            let (kid, algorithm) = (&key.kid, key.algorithm);
            let hours = key.active_from.seconds_since(now) / 3_600;
            tracing::info!(%kid, "Published the next {algorithm} key {kid}, which takes over in {hours} h");
        }
        for old in &plan.retire {
            let (kid, algorithm) = (&old.successor, old.algorithm);
            tracing::info!(%kid, "The {algorithm} key {kid} has taken over from {}", old.kid);
        }
    }
    Ok(())
}

/// Says in `event` which key was published, and when it takes over.
pub fn published(mut event: Event, key: &SigningKeyRecord) -> Event {
    let detail = [
        ("alg", key.algorithm.as_str().into()),
        ("kid", key.kid.as_str().into()),
        ("active_from", key.active_from.seconds().into()),
    ];
    event.detail.extend(detail.map(|(name, value)| (name.to_owned(), value)));
    event
}

/// Says in `event` which key signs now, and in whose place.
pub fn rotated(mut event: Event, algorithm: Algorithm, kid: &str, old_kid: Option<&str>) -> Event {
    let detail = [("alg", algorithm.as_str().into()), ("kid", kid.into()), ("old_kid", old_kid.into())];
    event.detail.extend(detail.map(|(name, value)| (name.to_owned(), value)));
    event
}

/// Puts `new` in the place of every key of its algorithm, at once: for a key that is not trusted any more. The active one stays
/// published until `last_token_ends`, when the last token that it signed has expired; the next one has signed nothing, and goes.
/// The `kid` of the one that signed.
///
/// # Errors
/// [`StoreError`].
pub fn rotate(
    tx: &mut Tx,
    new: &SigningKeyRecord,
    last_token_ends: Timestamp,
) -> Result<Option<String>, StoreError> {
    let now = new.created_at;
    tx.lock_signing_keys()?;
    let keys = tx.list_signing_keys()?;
    for old in keys.iter().filter(|old| old.algorithm == new.algorithm && old.retired_at.is_none()) {
        let is_next = schedule::state(&keys, old, now) == State::Next;
        tx.retire_signing_key(&old.kid, now, if is_next { now } else { last_token_ends })?;
    }
    tx.insert_signing_key(new)?;
    Ok(schedule::active(&keys, new.algorithm, now).map(|old| old.kid.clone()))
}

/// Publishes `new`, which signs `publish_before_s` later; where nothing signs with its algorithm, at once. The key that takes over
/// next: `new`, unless one was published already.
///
/// # Errors
/// [`StoreError`].
pub fn publish(
    tx: &mut Tx,
    new: &SigningKeyRecord,
    publish_before_s: i64,
) -> Result<SigningKeyRecord, StoreError> {
    let now = new.created_at;
    tx.lock_signing_keys()?;
    let keys = tx.list_signing_keys()?;
    if let Some(next) = schedule::next(&keys, new.algorithm, now) {
        return Ok(next.clone());
    }
    let mut new = new.clone();
    if schedule::active(&keys, new.algorithm, now).is_some() {
        new.active_from = now.plus_seconds(publish_before_s);
    }
    tx.insert_signing_key(&new)?;
    Ok(new)
}
