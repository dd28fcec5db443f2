//! One master key, one set of signing keys and one password hash a process: making them anew for each test would take longer than
//! the tests.

use std::sync::OnceLock;

use authmachine_provider::keys::SigningKeyRecord;
use authmachine_provider::password;
use authmachine_server::keys;
use authmachine_server::secrets::Secrets;

use crate::clock::START;
use crate::user::PASSWORD;

/// The master key of every test's installation.
pub(crate) const MASTER_KEY: [u8; 32] = *b"the master key of all the tests.";

/// The signing keys of every test's installation, sealed.
pub(crate) fn signing_keys() -> &'static [SigningKeyRecord] {
    static KEYS: OnceLock<Vec<SigningKeyRecord>> = OnceLock::new();
    KEYS.get_or_init(|| {
        let secrets = Secrets::derive(&MASTER_KEY);
        // A day old: a key is there before the tokens that it signs.
        let made_at = START.plus_seconds(-86_400);
        keys::INITIAL.iter().map(|algorithm| keys::generate(*algorithm, &secrets, made_at)).collect()
    })
}

/// The hash of [`PASSWORD`].
pub(crate) fn password_hash() -> &'static str {
    static HASH: OnceLock<String> = OnceLock::new();
    HASH.get_or_init(|| authmachine_server::passwords::hash(&password::normalise(PASSWORD), &[7; 16]))
}
