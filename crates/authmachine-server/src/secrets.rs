//! Keys derived from the master key, each for one purpose (checklist G7, LG5).

use authmachine_jose::{Sealer, derive_key, hmac_sha256};
use authmachine_provider::Timestamp;
use base64ct::{Base64UrlUnpadded, Encoding as _};
use zeroize::Zeroizing;

/// The keys that protect what is stored and what goes through browsers.
pub struct Secrets {
    client_secrets: Zeroizing<[u8; 32]>,
    throttles: Zeroizing<[u8; 32]>,
    forms: Zeroizing<[u8; 32]>,
    devices: Zeroizing<[u8; 32]>,
    subjects: Zeroizing<[u8; 32]>,
    sids: Zeroizing<[u8; 32]>,
    browser_states: Zeroizing<[u8; 32]>,
    answers: Sealer,
    signing_keys: Sealer,
}

impl std::fmt::Debug for Secrets {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secrets(***)")
    }
}

impl Secrets {
    /// Derives them from the installation's master key.
    pub fn derive(master_key: &[u8; 32]) -> Self {
        Self {
            client_secrets: derive_key(master_key, "client secrets"),
            throttles: derive_key(master_key, "throttles"),
            forms: derive_key(master_key, "forms"),
            devices: derive_key(master_key, "devices"),
            subjects: derive_key(master_key, "pairwise subjects"),
            sids: derive_key(master_key, "pairwise sids"),
            browser_states: derive_key(master_key, "browser states"),
            answers: Sealer::new(master_key, "refresh answers"),
            signing_keys: Sealer::new(master_key, "signing keys"),
        }
    }

    /// What a client's row keeps of its secret.
    pub fn client_secret(&self, secret: &str) -> [u8; 32] {
        hmac_sha256(&*self.client_secrets, secret.as_bytes())
    }

    /// Under what the tries on `name` at a `door` are counted: unknown names have a count too, and the store holds no names.
    pub fn throttle(&self, door: &str, name: &str) -> [u8; 32] {
        hmac_sha256(&*self.throttles, format!("{door}\0{name}").as_bytes())
    }

    /// The anti-forgery token of a form for the browser with this cookie.
    pub fn form_token(&self, browser: &str, form: &str) -> String {
        let mac = hmac_sha256(&*self.forms, format!("{form}\0{browser}").as_bytes());
        mac[..16].iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// What proves that the browser with this `nonce` has signed in to `account` before.
    pub fn device(&self, account: &str, nonce: &str) -> String {
        let mac = hmac_sha256(&*self.devices, format!("{account}\0{nonce}").as_bytes());
        mac[..16].iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// `sub` of a user as the clients of a sector know it (OIDC Core §8.1): the same to all of them, another in every other sector,
    /// and without the key nobody finds one by the other. Without a sector it is the user's own.
    pub fn subject(&self, sector: Option<&str>, sub: &str) -> String {
        in_sector(&self.subjects, sector, sub)
    }

    /// `sid` of a session in the same manner: it must not tell either that two sectors have the same person.
    pub fn sid(&self, sector: Option<&str>, sid: &str) -> String {
        in_sector(&self.sids, sector, sid)
    }

    /// What frames of apps may know of a session since `auth_time`: it says nothing, and opens nothing.
    pub fn browser_state(&self, sid: &str, auth_time: Timestamp) -> String {
        let mac = hmac_sha256(&*self.browser_states, format!("{sid}\0{}", auth_time.ms()).as_bytes());
        mac[..16].iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// Seals and opens private signing keys, bound to their `kid`.
    pub fn signing_keys(&self) -> &Sealer {
        &self.signing_keys
    }

    /// Seals and opens the last answer to a refresh token, bound to its family.
    pub fn answers(&self) -> &Sealer {
        &self.answers
    }
}

/// What stands for `own` in a sector.
fn in_sector(key: &[u8; 32], sector: Option<&str>, own: &str) -> String {
    match sector {
        Some(sector) => {
            Base64UrlUnpadded::encode_string(&hmac_sha256(key, format!("{sector}\0{own}").as_bytes()))
        }
        None => own.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn g7_jw10_what_stands_for_a_user_hangs_on_key_purpose_and_sector() {
        let (secrets, others) = (Secrets::derive(&[1; 32]), Secrets::derive(&[2; 32]));
        let sub = secrets.subject(Some("a.example"), "alice");
        assert_eq!(sub, secrets.subject(Some("a.example"), "alice"));
        assert_eq!(sub.len(), 43, "256 bits, below the 255 characters of OIDC Core §2");
        for other in [
            secrets.subject(Some("b.example"), "alice"),
            secrets.subject(Some("a.example"), "bob"),
            secrets.subject(Some("a.exampl"), "ealice"),
            secrets.subject(None, "alice"),
            secrets.sid(Some("a.example"), "alice"),
            others.subject(Some("a.example"), "alice"),
        ] {
            assert_ne!(sub, other);
        }
        assert_eq!(secrets.subject(None, "alice"), "alice");
        assert_eq!(secrets.sid(None, "s"), "s");
    }
}
