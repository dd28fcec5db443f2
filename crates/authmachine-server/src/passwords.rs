//! Hashing of people's passwords: Argon2id in a bounded pool, with quick refusal (checklist PW4, PW5).

use std::sync::{Arc, Mutex, PoisonError};

use argon2::password_hash::phc::{Output, ParamsString, PasswordHash, Salt};
use argon2::{Algorithm, Argon2, Block, Params, Version};
use authmachine_jose::constant_time_eq;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use zeroize::Zeroizing;

/// m = 19 MiB, t = 2, p = 1 (OWASP's and RFC 9106's range for interactive use).
const MEMORY_KIB: u32 = 19_456;
const ITERATIONS: u32 = 2;
/// Tries that may wait for a free core; with 15 ms each, the last waits about half a second a core.
const MAX_WAITING: usize = 32;
/// Room for more blocks of a KiB than are used: what is as large as this goes back to the system when it is freed, whatever the
/// allocator. Of smaller pieces glibc keeps one for each thread, and the threads that hash are many.
const ROOM_BLOCKS: usize = 33 * 1024;

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
    spare: Arc<Spare>,
    /// Checked when there is no account, so that both cases take the same time.
    dummy: Arc<str>,
}

/// Memory for hashes, as much as there are cores: from one hash to the next while there are more, and then given back.
#[derive(Default)]
struct Spare(Mutex<Vec<Vec<Block>>>);

impl Spare {
    fn take(&self) -> Vec<Block> {
        let spare = self.0.lock().unwrap_or_else(PoisonError::into_inner).pop();
        spare.unwrap_or_else(|| {
            let mut memory = Vec::with_capacity(ROOM_BLOCKS);
            memory.resize(params().block_count(), Block::new());
            memory
        })
    }

    fn give_back(&self, memory: Vec<Block>) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(memory);
    }

    fn free(&self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }
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
        Self {
            running: Arc::new(Semaphore::new(cores())),
            waiting: Arc::new(Semaphore::new(cores() + MAX_WAITING)),
            spare: Arc::default(),
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
        Ok(Place { pool: self.clone(), waiting: Some(waiting) })
    }

    fn is_idle(&self) -> bool {
        self.waiting.available_permits() == cores() + MAX_WAITING
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
    pool: PasswordHasher,
    waiting: Option<OwnedSemaphorePermit>,
}

impl Drop for Place {
    fn drop(&mut self) {
        self.waiting = None;
        if self.pool.is_idle() {
            self.pool.spare.free();
        }
    }
}

impl Place {
    /// As [`PasswordHasher::hash`].
    ///
    /// # Errors
    /// [`Busy`], when the pool is closed.
    pub async fn hash(&self, password: Zeroizing<String>) -> Result<String, Busy> {
        let salt = crate::random::bytes();
        self.run(move |memory| hash_in(memory, &password, &salt)).await
    }

    /// As [`PasswordHasher::verify`].
    ///
    /// # Errors
    /// [`Busy`], when the pool is closed.
    pub async fn verify(&self, password: Zeroizing<String>, stored: Option<String>) -> Result<Verdict, Busy> {
        let dummy = self.pool.dummy.clone();
        let salt = crate::random::bytes();
        self.run(move |memory| {
            let found = stored.is_some();
            let stored = stored.as_deref().unwrap_or(&dummy);
            let Ok(parsed) = PasswordHash::new(stored) else { return Verdict::Wrong };
            let right = is_right(memory, &parsed, &password);
            match (right && found, is_current(&parsed)) {
                (false, _) => Verdict::Wrong,
                (true, true) => Verdict::Right,
                (true, false) => Verdict::RightButOld(hash_in(memory, &password, &salt)),
            }
        })
        .await
    }

    async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut [Block]) -> T + Send + 'static,
    ) -> Result<T, Busy> {
        let core = self.pool.running.clone().acquire_owned().await.map_err(|_| Busy)?;
        let pool = self.pool.clone();
        tokio::task::spawn_blocking(move || {
            let mut memory = pool.spare.take();
            let result = work(&mut memory);
            pool.spare.give_back(memory);
            drop(core);
            // Whoever asked may have gone away meanwhile.
            if pool.is_idle() {
                pool.spare.free();
            }
            result
        })
        .await
        .map_err(|_| Busy)
    }
}

fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, std::num::NonZero::get)
}

fn params() -> Params {
    Params::new(MEMORY_KIB, ITERATIONS, 1, None).expect("the parameters are in Argon2's range")
}

/// Hashes `password` with `salt` into a PHC string.
pub fn hash(password: &Zeroizing<String>, salt: &[u8; 16]) -> String {
    hash_in(&mut Spare::default().take(), password, salt)
}

fn hash_in(memory: &mut [Block], password: &Zeroizing<String>, salt: &[u8; 16]) -> String {
    let mut out = [0; Params::DEFAULT_OUTPUT_LEN];
    let engine = Argon2::new(Algorithm::Argon2id, Version::V0x13, params());
    engine
        .hash_password_into_with_memory(password.as_bytes(), salt, &mut out, memory)
        .expect("16 bytes are a legal salt, and the memory is enough");
    let hash = PasswordHash {
        algorithm: Algorithm::Argon2id.ident(),
        version: Some(Version::V0x13.into()),
        params: ParamsString::try_from(&params()).expect("they are legal"),
        salt: Some(Salt::new(salt).expect("16 bytes are a legal salt")),
        hash: Some(Output::new(&out).expect("32 bytes are a legal output")),
    };
    hash.to_string()
}

/// Whether `password` has this hash. Of other parameters than ours one may need more memory than there is: then it brings its own.
fn is_right(memory: &mut [Block], parsed: &PasswordHash, password: &Zeroizing<String>) -> bool {
    let (Some(salt), Some(expected)) = (&parsed.salt, &parsed.hash) else { return false };
    let Ok(algorithm) = Algorithm::try_from(parsed.algorithm.as_str()) else { return false };
    let Ok(version) = parsed.version.map_or(Ok(Version::default()), Version::try_from) else { return false };
    let Ok(params) = Params::try_from(parsed) else { return false };
    let mut own = Vec::new();
    let memory = match params.block_count() <= memory.len() {
        true => memory,
        false => {
            own.resize(params.block_count(), Block::new());
            &mut own[..]
        }
    };
    let mut out = vec![0; expected.as_bytes().len()];
    let engine = Argon2::new(algorithm, version, params);
    let done = engine.hash_password_into_with_memory(password.as_bytes(), salt.as_ref(), &mut out, memory);
    done.is_ok() && constant_time_eq(&out, expected.as_bytes())
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
        let old: PasswordHash =
            argon2::PasswordHasher::hash_password_with_salt(&weak, b"old horse", &[1; 16]).expect("legal");
        let verdict = pool.verify(secret("old horse"), Some(old.to_string())).await.expect("free");
        assert!(
            matches!(verdict, Verdict::RightButOld(new) if new.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"))
        );
    }

    /// An allocator keeps what it gets back; of this it gets it once for each core.
    #[tokio::test]
    async fn rb9_hashes_share_their_memory_and_give_it_back() {
        let pool = PasswordHasher::default();
        let checks: Vec<_> = (0..20)
            .map(|_| {
                let pool = pool.clone();
                tokio::spawn(async move { pool.verify(Zeroizing::new("x".to_owned()), None).await })
            })
            .collect();
        let mut most = 0;
        for check in checks {
            assert_eq!(check.await.expect("no panic"), Ok(Verdict::Wrong));
            most = most.max(pool.spare.0.lock().expect("no panic").len());
        }
        assert!((1..=cores()).contains(&most), "{most}");
        assert_eq!(pool.spare.0.lock().expect("no panic").len(), 0);
    }

    #[tokio::test]
    async fn pw5_a_full_pool_refuses_at_once() {
        let pool = PasswordHasher::default();
        let places = u32::try_from(pool.waiting.available_permits()).expect("few");
        let _all = pool.waiting.clone().acquire_many_owned(places).await.expect("open");
        assert_eq!(pool.hash(Zeroizing::new("x".to_owned())).await, Err(Busy));
    }
}
