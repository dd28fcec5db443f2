//! Clients in memory, because nearly every request is one client's.
//!
//! An entry goes with the change of its client: by the unit of work that made it, after the commit and before the answer
//! ([`Tx::note`](crate::Tx)), and when another process made it by whoever follows the changes
//! ([`Store::changed_since`](crate::Store::changed_since)). While nobody follows them nothing is taken from here, so that no process
//! knows less than [`TRUSTED_FOR`] ago (checklist TK8). Only clients that exist are kept, never what a stranger named.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::{Duration, Instant};

use authmachine_provider::client::Client;
use authmachine_provider::ids::ClientId;

use crate::value::json;

/// How long after the last look at the changes entries are believed: three looks may fail.
pub const TRUSTED_FOR: Duration = Duration::from_millis(750);
/// The most clients.
const MAX_CLIENTS: usize = 10_000;
/// The most bytes.
const MAX_BYTES: usize = 16 * 1024 * 1024;

/// The clients in memory, by both their names.
pub(crate) struct ClientCache {
    state: RwLock<State>,
    trusted_for: Duration,
    hits: AtomicU64,
    misses: AtomicU64,
}

#[derive(Default)]
struct State {
    clients: HashMap<ClientId, Arc<Client>>,
    ids: HashMap<String, ClientId>,
    bytes: usize,
    /// How often something changed. Who loaded a client before a change keeps it from the cache.
    changes: u64,
    trusted_until: Option<Instant>,
}

/// What [`ClientCache::keep`] asks for: as of when a client is loaded.
#[derive(Clone, Copy)]
pub(crate) struct AsOf(u64);

/// What the cache holds, and how often it helped.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CacheStats {
    /// Clients in it.
    pub entries: u64,
    /// What they take, about.
    pub bytes: u64,
    /// How often a client was in it, since the start.
    pub hits: u64,
    /// How often it was not.
    pub misses: u64,
}

impl ClientCache {
    pub(crate) fn new(trusted_for: Duration) -> Self {
        Self { state: RwLock::default(), trusted_for, hits: AtomicU64::new(0), misses: AtomicU64::new(0) }
    }

    fn read(&self) -> RwLockReadGuard<'_, State> {
        // Nothing that can panic half-way runs under the lock.
        self.state.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, State> {
        self.state.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// The client in the row `id`; else what to [`keep`](Self::keep) it with once it is loaded.
    pub(crate) fn by_id(&self, id: ClientId) -> Result<Arc<Client>, AsOf> {
        self.find(|state| state.clients.get(&id))
    }

    /// The client with that `client_id`.
    pub(crate) fn by_client_id(&self, client_id: &str) -> Result<Arc<Client>, AsOf> {
        self.find(|state| state.clients.get(state.ids.get(client_id)?))
    }

    fn find(&self, find: impl FnOnce(&State) -> Option<&Arc<Client>>) -> Result<Arc<Client>, AsOf> {
        let state = self.read();
        let is_trusted = state.trusted_until.is_some_and(|until| Instant::now() < until);
        match find(&state).filter(|_| is_trusted) {
            Some(client) => {
                self.hits.fetch_add(1, Relaxed);
                Ok(client.clone())
            }
            None => {
                self.misses.fetch_add(1, Relaxed);
                Err(AsOf(state.changes))
            }
        }
    }

    /// Keeps a client that was loaded, unless something has changed since. When there is no room, all others go.
    pub(crate) fn keep(&self, client: &Arc<Client>, as_of: AsOf) {
        let bytes = bytes(client);
        let mut state = self.write();
        if state.changes != as_of.0 || bytes > MAX_BYTES {
            return;
        }
        state.remove(client.id);
        if state.clients.len() >= MAX_CLIENTS || state.bytes + bytes > MAX_BYTES {
            state.clear();
        }
        state.bytes += bytes;
        state.ids.insert(client.client_id.clone(), client.id);
        state.clients.insert(client.id, client.clone());
    }

    /// The client in the row `id` has changed.
    pub(crate) fn forget(&self, id: ClientId) {
        let mut state = self.write();
        state.changes += 1;
        state.remove(id);
    }

    /// Anything may have changed.
    pub(crate) fn forget_all(&self) {
        let mut state = self.write();
        state.changes += 1;
        state.clear();
    }

    /// Every change that was committed at `time` has been told.
    pub(crate) fn is_current_at(&self, time: Instant) {
        self.write().trusted_until = Some(time + self.trusted_for);
    }

    pub(crate) fn stats(&self) -> CacheStats {
        let state = self.read();
        CacheStats {
            entries: state.clients.len() as u64,
            bytes: state.bytes as u64,
            hits: self.hits.load(Relaxed),
            misses: self.misses.load(Relaxed),
        }
    }
}

impl State {
    fn remove(&mut self, id: ClientId) {
        if let Some(client) = self.clients.remove(&id) {
            self.ids.remove(&client.client_id);
            self.bytes -= bytes(&client);
        }
    }

    fn clear(&mut self) {
        self.clients.clear();
        self.ids.clear();
        self.bytes = 0;
    }
}

/// What a client takes, about: its texts, and what is around each.
fn bytes(client: &Client) -> usize {
    const AROUND: usize = 32;
    let texts =
        [&client.redirect_uris, &client.post_logout_redirect_uris, &client.objects].into_iter().flatten();
    let texts: usize = texts.map(|text| text.len() + AROUND).sum();
    let scopes: usize = client.scopes.iter().map(|scope| scope.len() + AROUND).sum();
    // Of the rest only the metadata can be long: parsed JSON takes a few times its text.
    size_of::<Client>()
        + 2 * client.client_id.len()
        + client.name.len()
        + texts
        + scopes
        + 4 * json(&client.metadata).len()
}

#[cfg(test)]
mod tests {
    use super::*;
    use authmachine_protocol::Timestamp;

    fn cache() -> ClientCache {
        let cache = ClientCache::new(TRUSTED_FOR);
        cache.is_current_at(Instant::now() + Duration::from_secs(3_600));
        cache
    }

    fn client(id: i64) -> Arc<Client> {
        Arc::new(Client::bare(ClientId(id), format!("c{id}"), Timestamp::from_ms(0)))
    }

    #[test]
    fn tk8_whoever_loaded_before_a_change_keeps_nothing() {
        let cache = cache();
        let load = || cache.by_id(ClientId(1)).expect_err("it is not there");
        for change in [|cache: &ClientCache| cache.forget(ClientId(1)), ClientCache::forget_all] {
            let as_of = load();
            change(&cache);
            cache.keep(&client(1), as_of);
            assert_eq!(cache.stats().entries, 0);
        }
        cache.keep(&client(1), load());
        assert_eq!(cache.by_client_id("c1").ok(), Some(client(1)));
    }

    #[test]
    fn ch2_the_cache_is_bounded_and_counts_what_it_holds() {
        let cache = cache();
        for id in 0..25_000 {
            let as_of = cache.by_id(ClientId(id)).expect_err("it is not there");
            cache.keep(&client(id), as_of);
            assert!(cache.by_id(ClientId(id)).is_ok());
            let stats = cache.stats();
            assert!((1..=MAX_CLIENTS as u64).contains(&stats.entries) && stats.bytes <= MAX_BYTES as u64);
        }
        for id in 0..25_000 {
            cache.forget(ClientId(id));
        }
        assert_eq!((cache.stats().entries, cache.stats().bytes), (0, 0));
        assert!(cache.read().ids.is_empty());
    }
}
