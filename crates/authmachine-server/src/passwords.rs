//! Hashing of people's passwords: Argon2id in a bounded pool, with quick refusal (checklist PW4, PW5).

use std::sync::Arc;

use argon2::password_hash::phc::PasswordHash;
use argon2::{Algorithm, Argon2, Params, PasswordHasher as _, PasswordVerifier as _, Version};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use zeroize::Zeroizing;

/// m = 19 MiB, t = 2, p = 1 (OWASP's and RFC 9106's range for interactive use).
const MEMORY_KIB: u32 = 19_456;
const ITERATIONS: u32 = 2;
/// Tries that may wait for a free core; with 15 ms each, the last waits about half a second a core.
const MAX_WAITING: usize = 32;

/// The pool is full: try again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Busy;

/// What a check of a password found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It is another one, or there is none.
    Wrong,
    /// It is the one.
    Right,
    /// It is the one, and its hash should be replaced by this one, made with today's parameters.
    RightButOld(String),
}

/// The pool: as many hashes at once as there are cores.
#[derive(Clone)]
pub struct PasswordHasher {
    running: Arc<Semaphore>,
    waiting: Arc<Semaphore>,
    /// Checked when there is no account, so that both cases take the same time.
    dummy: Arc<str>,
}

impl std::fmt::Debug for PasswordHasher {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("PasswordHasher")
    }
}

/// A hash of today's parameters that no password has, as far as anybody can know.
fn dummy() -> String {
    let (salt, hash) = ("A".repeat(22), "A".repeat(43));
    format!("$argon2id$v=19$m={MEMORY_KIB},t={ITERATIONS},p=1${salt}${hash}")
}

impl Default for PasswordHasher {
    fn default() -> Self {
        let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        Self {
            running: Arc::new(Semaphore::new(cores)),
            waiting: Arc::new(Semaphore::new(cores + MAX_WAITING)),
            dummy: dummy().into(),
        }
    }
}

impl PasswordHasher {
    /// A place in the pool, for tries that are counted only when they can be made.
    ///
    /// # Errors
    /// [`Busy`].
    pub fn place(&self) -> Result<Place, Busy> {
        let waiting = self.waiting.clone().try_acquire_owned().map_err(|_| Busy)?;
        Ok(Place { running: self.running.clone(), dummy: self.dummy.clone(), _waiting: waiting })
    }

    /// Hashes a new password, already in its normal form.
    ///
    /// # Errors
    /// [`Busy`].
    pub async fn hash(&self, password: Zeroizing<String>) -> Result<String, Busy> {
        self.place()?.hash(password).await
    }

    /// Checks a password, in its normal form, against a stored hash; with none it takes just as long and is wrong.
    ///
    /// # Errors
    /// [`Busy`].
    pub async fn verify(&self, password: Zeroizing<String>, stored: Option<String>) -> Result<Verdict, Busy> {
        self.place()?.verify(password, stored).await
    }
}

/// A place in the pool, until it is dropped.
#[derive(Debug)]
pub struct Place {
    running: Arc<Semaphore>,
    dummy: Arc<str>,
    _waiting: OwnedSemaphorePermit,
}

impl Place {
    /// As [`PasswordHasher::hash`].
    ///
    /// # Errors
    /// [`Busy`], when the pool is closed.
    pub async fn hash(&self, password: Zeroizing<String>) -> Result<String, Busy> {
        let salt = crate::random::bytes();
        self.run(move || hash(&password, &salt)).await
    }

    /// As [`PasswordHasher::verify`].
    ///
    /// # Errors
    /// [`Busy`], when the pool is closed.
    pub async fn verify(&self, password: Zeroizing<String>, stored: Option<String>) -> Result<Verdict, Busy> {
        let dummy = self.dummy.clone();
        let salt = crate::random::bytes();
        self.run(move || {
            let found = stored.is_some();
            let stored = stored.as_deref().unwrap_or(&dummy);
            let Ok(parsed) = PasswordHash::new(stored) else { return Verdict::Wrong };
            let right = engine().verify_password(password.as_bytes(), &parsed).is_ok();
            match (right && found, is_current(&parsed)) {
                (false, _) => Verdict::Wrong,
                (true, true) => Verdict::Right,
                (true, false) => Verdict::RightButOld(hash(&password, &salt)),
            }
        })
        .await
    }

    async fn run<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> Result<T, Busy> {
        let core = self.running.clone().acquire_owned().await.map_err(|_| Busy)?;
        tokio::task::spawn_blocking(move || {
            let result = work();
            drop(core);
            result
        })
        .await
        .map_err(|_| Busy)
    }
}

fn engine() -> Argon2<'static> {
    let params = Params::new(MEMORY_KIB, ITERATIONS, 1, None).expect("the parameters are in Argon2's range");
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
}

/// Hashes `password` with `salt` into a PHC string.
pub fn hash(password: &Zeroizing<String>, salt: &[u8; 16]) -> String {
    let hash: PasswordHash =
        engine().hash_password_with_salt(password.as_bytes(), salt).expect("16 bytes are a legal salt");
    hash.to_string()
}

fn is_current(hash: &PasswordHash) -> bool {
    let is = |name: &str, value: u32| hash.params.get_decimal(name) == Some(value);
    hash.algorithm.as_str() == "argon2id" && is("m", MEMORY_KIB) && is("t", ITERATIONS) && is("p", 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn pw4_passwords_are_hashed_with_argon2id_and_old_parameters_are_replaced() {
        let pool = PasswordHasher::default();
        let secret = |text: &str| Zeroizing::new(text.to_owned());
        let hash = pool.hash(secret("correct horse")).await.expect("free");
        assert!(hash.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{hash}");
        assert_eq!(pool.verify(secret("correct horse"), Some(hash.clone())).await, Ok(Verdict::Right));
        assert_eq!(pool.verify(secret("wrong horse"), Some(hash)).await, Ok(Verdict::Wrong));
        assert_eq!(pool.verify(secret(""), None).await, Ok(Verdict::Wrong));
        let nobody = dummy();
        assert!(is_current(&PasswordHash::new(&nobody).expect("it takes as long as a real one")));
        assert_eq!(pool.verify(secret("x"), Some("not a hash".to_owned())).await, Ok(Verdict::Wrong));

        let weak =
            Argon2::new(Algorithm::Argon2id, Version::V0x13, Params::new(64, 1, 1, None).expect("legal"));
        let old: PasswordHash = weak.hash_password_with_salt(b"old horse", &[1; 16]).expect("legal");
        let verdict = pool.verify(secret("old horse"), Some(old.to_string())).await.expect("free");
        assert!(
            matches!(verdict, Verdict::RightButOld(new) if new.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"))
        );
    }

    #[tokio::test]
    async fn pw5_a_full_pool_refuses_at_once() {
        let pool = PasswordHasher::default();
        let places = u32::try_from(pool.waiting.available_permits()).expect("few");
        let _all = pool.waiting.clone().acquire_many_owned(places).await.expect("open");
        assert_eq!(pool.hash(Zeroizing::new("x".to_owned())).await, Err(Busy));
    }
}
