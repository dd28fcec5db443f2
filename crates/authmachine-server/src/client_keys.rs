//! The public keys of clients (OIDC Registration §2), which check their assertions and request objects: registered by value
//! (`jwks`), or lying at an address of the client's (`jwks_uri`), from where they are fetched when they are needed.
//!
//! Whoever names a client can make us look for keys. So its address is asked once in half a minute, whatever `kid` comes (checklist JW3,
//! DO6), and what is kept is bounded in sets and bytes (CH2). Another client at the same address has its own turn: it may be there
//! because the keys have just changed, as in the plans of the OpenID Foundation.

use std::collections::HashMap;
use std::str::from_utf8;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use authmachine_jose::strict_json::JsonError;
use authmachine_jose::{Algorithm, JoseError, JwkSet, JwkSetError, Verified, sha256};
use authmachine_provider::Timestamp;
use authmachine_provider::client::Client;
use base64ct::{Base64UrlUnpadded, Encoding as _};
use serde_json::Value;

use crate::app::App;

/// For how long fetched keys are used before they are fetched anew,
const FRESH_S: i64 = 60 * 60;
/// and for how long while that fails.
const USABLE_S: i64 = 24 * 60 * 60;
/// The time between two fetches for one client from its address.
const PAUSE_S: i64 = 30;
/// What a key set is served as (RFC 7517 §8.5).
const CONTENT_TYPES: [&str; 2] = ["application/json", "application/jwk-set+json"];
/// The most sets in memory,
const MAX_SETS: usize = 2_000;
/// and the most bytes of them.
const MAX_BYTES: usize = 64 * 1024 * 1024;
/// What a parsed key takes beside its text, at most: RSA of 8,192 bits, once for each padding.
const KEY_BYTES: usize = 8 * 1024;

/// Why a client's token is not taken as signed by it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ClientKeyError {
    /// It has registered none.
    #[error("the client has registered no keys")]
    NoKeys,
    /// Its keys cannot be fetched, or are no key set that may be used.
    #[error("the client's keys cannot be had")]
    Unavailable,
    /// The token, or its signature.
    #[error(transparent)]
    Token(#[from] JoseError),
}

/// Verifies `token`, signed by `client` with one of `allowed`, against its keys. Where the keys lie elsewhere and those at hand do not
/// fit, they are fetched, at most once.
///
/// # Errors
/// [`ClientKeyError`].
pub async fn verify(
    app: &App,
    client: &Client,
    token: &str,
    allowed: &[Algorithm],
) -> Result<Verified, ClientKeyError> {
    match (&client.metadata.jwks, &client.metadata.jwks_uri) {
        (Some(jwks), _) => app.client_keys.of_value(jwks)?.verify(token, allowed, app.now()),
        (None, Some(uri)) => verify_at(app, &Address::of(client, uri), token, allowed).await,
        (None, None) => Err(ClientKeyError::NoKeys),
    }
}

/// Where a client's keys lie.
#[derive(Clone)]
struct Address {
    uri: String,
    /// What they are kept by.
    source: String,
}

impl Address {
    fn of(client: &Client, uri: &str) -> Self {
        Self { uri: uri.to_owned(), source: format!("{} {uri}", client.client_id) }
    }
}

async fn verify_at(
    app: &App,
    address: &Address,
    token: &str,
    allowed: &[Algorithm],
) -> Result<Verified, ClientKeyError> {
    let now = app.now();
    let known = app.client_keys.known(&address.source);
    let outcome = known.verify(token, allowed, now);
    let is_settled = match &outcome {
        Ok(_) => known.is_fresh(now),
        // A key without `kid` may have been replaced, too.
        Err(
            ClientKeyError::Unavailable
            | ClientKeyError::Token(JoseError::UnknownKid | JoseError::NoKey | JoseError::Signature),
        ) => false,
        // Nothing that could be fetched makes it good.
        Err(_) => true,
    };
    if is_settled || !known.may_be_fetched(now) {
        return outcome;
    }
    // Not at `now`: what was fetched since would be of the future, and not count.
    fetch(app, address, known).await.verify(token, allowed, app.now())
}

/// Fetches the keys at `address`, unless somebody else just did.
async fn fetch(app: &App, address: &Address, known: Known) -> Known {
    let turn = known.turn.lock_owned().await;
    let known = app.client_keys.known(&address.source);
    if !known.may_be_fetched(app.now()) {
        return known;
    }
    // In a task of its own: whoever asked may go away, and would take with it what others wait for.
    let (app, Address { uri, source }) = (app.clone(), address.clone());
    let fetched = tokio::spawn(async move {
        let _turn = turn;
        let tried_at = app.now();
        let keys = fetch_now(&app, &uri).await;
        app.client_keys.note(&source, tried_at, keys)
    });
    fetched.await.unwrap_or_default()
}

/// What is at `uri`: keys, nothing that we could use, or something that ends the use of those we have.
async fn fetch_now(app: &App, uri: &str) -> Result<JwkSet, JwkSetError> {
    const UNREADABLE: JwkSetError = JwkSetError::Json(JsonError::Malformed);
    // Why it fails, the fetcher logs.
    let Ok(fetched) = app.fetcher.get(uri, &CONTENT_TYPES).await else { return Err(UNREADABLE) };
    let keys = from_utf8(&fetched.body).map_err(|_| UNREADABLE).and_then(JwkSet::parse);
    if let Err(error) = &keys {
        app.metrics.client_keys_refused();
        let host = url::Url::parse(uri).ok();
        let host = host.as_ref().and_then(url::Url::host_str).unwrap_or_default();
        tracing::warn!(host, cause = %error, "The key set of a client at {host} cannot be used");
    }
    keys
}

/// The key sets in memory.
#[derive(Default)]
pub struct ClientKeys(Mutex<Sets>);

#[derive(Default)]
struct Sets {
    /// By client and address, or by hash of what was registered.
    by_source: HashMap<String, Kept>,
    bytes: usize,
    uses: u64,
}

struct Kept {
    known: Known,
    bytes: usize,
    last_use: u64,
}

/// What is known of one source.
#[derive(Clone, Default)]
struct Known {
    keys: Option<Arc<JwkSet>>,
    /// When the keys were fetched; never, if they were registered by value.
    fetched_at: Option<Timestamp>,
    /// When the last fetch began, whatever came of it.
    tried_at: Option<Timestamp>,
    /// Whose turn it is to fetch.
    turn: Arc<tokio::sync::Mutex<()>>,
}

impl Known {
    fn verify(&self, token: &str, allowed: &[Algorithm], now: Timestamp) -> Result<Verified, ClientKeyError> {
        let usable =
            self.keys.as_ref().filter(|_| self.fetched_at.is_none_or(|at| is_within(at, USABLE_S, now)));
        match usable {
            Some(keys) => Ok(authmachine_jose::verify(token, keys, allowed)?),
            None => match authmachine_jose::verify(token, &JwkSet::default(), allowed) {
                Err(error) if !matches!(error, JoseError::UnknownKid | JoseError::NoKey) => Err(error.into()),
                _ => Err(ClientKeyError::Unavailable),
            },
        }
    }

    fn is_fresh(&self, now: Timestamp) -> bool {
        self.fetched_at.is_none_or(|at| is_within(at, FRESH_S, now))
    }

    fn may_be_fetched(&self, now: Timestamp) -> bool {
        !self.tried_at.is_some_and(|at| is_within(at, PAUSE_S, now))
    }
}

/// Whether `then` is less than `seconds` ago. It is not when the clock has been set back.
fn is_within(then: Timestamp, seconds: i64, now: Timestamp) -> bool {
    then <= now && now < then.plus_seconds(seconds)
}

impl ClientKeys {
    /// A set that was registered by value, parsed once.
    fn of_value(&self, jwks: &Value) -> Result<Known, ClientKeyError> {
        let text = jwks.to_string();
        let source = format!("sha256:{}", Base64UrlUnpadded::encode_string(&sha256(text.as_bytes())));
        let mut known = self.known(&source);
        if known.keys.is_none() {
            // It was looked at when it was registered.
            let keys = JwkSet::parse(&text).map_err(|_| ClientKeyError::Unavailable)?;
            known.keys = Some(Arc::new(keys));
            self.keep(&source, known.clone());
        }
        Ok(known)
    }

    fn known(&self, source: &str) -> Known {
        let mut sets = self.sets();
        sets.uses += 1;
        let last_use = sets.uses;
        match sets.by_source.get_mut(source) {
            Some(kept) => {
                kept.last_use = last_use;
                kept.known.clone()
            }
            None => {
                let known = Known::default();
                sets.keep(source, known.clone());
                known
            }
        }
    }

    /// Notes what came of a fetch for `source` that began at `tried_at`.
    fn note(&self, source: &str, tried_at: Timestamp, outcome: Result<JwkSet, JwkSetError>) -> Known {
        let mut known = Known { tried_at: Some(tried_at), ..self.known(source) };
        match outcome {
            Ok(keys) => (known.keys, known.fetched_at) = (Some(Arc::new(keys)), Some(tried_at)),
            // Who shows a private key has lost it, and it may be the one that we know (checklist JW8).
            Err(JwkSetError::PrivateKey) => (known.keys, known.fetched_at) = (None, None),
            // The last good set stays.
            Err(_) => {}
        }
        self.keep(source, known.clone());
        known
    }

    fn keep(&self, source: &str, known: Known) {
        self.sets().keep(source, known);
    }

    fn sets(&self) -> MutexGuard<'_, Sets> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Sets {
    fn keep(&mut self, source: &str, known: Known) {
        let of_keys = known.keys.as_deref().map_or(0, |keys| {
            let text = serde_json::to_string(keys).map_or(0, |text| text.len());
            text + keys.keys().len() * KEY_BYTES
        });
        let bytes = source.len() + size_of::<Kept>() + of_keys;
        self.remove(source);
        self.bytes += bytes;
        self.by_source.insert(source.to_owned(), Kept { known, bytes, last_use: self.uses });
        while self.by_source.len() > MAX_SETS || self.bytes > MAX_BYTES {
            let oldest = self.by_source.iter().min_by_key(|(_, kept)| kept.last_use);
            let Some(oldest) = oldest.map(|(source, _)| source.clone()) else { return };
            self.remove(&oldest);
        }
    }

    fn remove(&mut self, source: &str) {
        if let Some(kept) = self.by_source.remove(source) {
            self.bytes -= kept.bytes;
        }
    }
}

#[cfg(test)]
mod tests {
    use authmachine_jose::SigningKey;

    use super::*;

    const NOW: Timestamp = Timestamp::from_seconds(1_800_000_000);

    fn key(kid: &str) -> SigningKey {
        SigningKey::generate(Algorithm::EdDSA, kid).expect("a key")
    }

    fn set_of(key: &SigningKey) -> JwkSet {
        [key.public_jwk()].into_iter().collect()
    }

    #[test]
    fn ch2_sets_without_end_are_forgotten_the_longest_unused_first() {
        let keys = ClientKeys::default();
        let own = key("own");
        keys.note("https://own.example/", NOW, Ok(set_of(&own)));
        for n in 0..MAX_SETS + 10 {
            keys.note(&format!("https://{n}.example/"), NOW, Err(JwkSetError::Keys));
            assert!(keys.known("https://own.example/").keys.is_some(), "it is in use");
        }
        let sets = keys.sets();
        assert_eq!(sets.by_source.len(), MAX_SETS);
        assert!(!sets.by_source.contains_key("https://0.example/"));
    }

    #[test]
    fn ch2_large_sets_are_bounded_in_bytes() {
        let keys = ClientKeys::default();
        let large: Vec<_> =
            (0..100).map(|n| key(&format!("{n}{}", "x".repeat(2_000))).public_jwk()).collect();
        for n in 0..100 {
            keys.note(&format!("https://{n}.example/"), NOW, Ok(large.iter().cloned().collect()));
            assert!(keys.sets().bytes <= MAX_BYTES);
        }
        let sets = keys.sets();
        assert!((10..100).contains(&sets.by_source.len()));
        assert_eq!(sets.bytes, sets.by_source.values().map(|kept| kept.bytes).sum::<usize>());
    }

    #[test]
    fn the_last_good_set_stays_for_a_day_and_a_shown_private_key_ends_it() {
        let keys = ClientKeys::default();
        let own = key("own");
        let token = own.sign(None, b"{}").expect("it signs");
        const URI: &str = "https://own.example/";
        let verify = |known: Known, now| known.verify(&token, &[Algorithm::EdDSA], now).map(drop);
        assert_eq!(verify(keys.known(URI), NOW), Err(ClientKeyError::Unavailable));
        assert_eq!(verify(keys.note(URI, NOW, Ok(set_of(&own))), NOW), Ok(()));
        let known = keys.known(URI);
        assert!(known.is_fresh(NOW.plus_seconds(FRESH_S - 1)) && !known.is_fresh(NOW.plus_seconds(FRESH_S)));

        let later = NOW.plus_seconds(USABLE_S - 1);
        let known = keys.note(URI, later, Err(JwkSetError::Keys));
        assert_eq!(verify(known.clone(), later), Ok(()));
        assert!(!known.may_be_fetched(later.plus_seconds(PAUSE_S - 1)));
        assert!(known.may_be_fetched(later.plus_seconds(PAUSE_S)));
        assert!(known.may_be_fetched(later.plus_seconds(-1)), "the clock was set back");
        assert_eq!(verify(known, NOW.plus_seconds(USABLE_S)), Err(ClientKeyError::Unavailable));

        assert_eq!(verify(keys.note(URI, later, Ok(set_of(&own))), later), Ok(()));
        let known = keys.note(URI, later, Err(JwkSetError::PrivateKey));
        assert_eq!(verify(known, later), Err(ClientKeyError::Unavailable));
    }
}
