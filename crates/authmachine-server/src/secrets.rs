//! Keys derived from the master key, each for one purpose (checklist G7, LG5).

use authmachine_jose::{MacKey, Sealer, derive_key, hex};
use authmachine_provider::Timestamp;
use base64ct::{Base64UrlUnpadded, Encoding as _};

/// The keys that protect what is stored and what goes through browsers.
pub struct Secrets {
    client_secrets: MacKey,
    throttles: MacKey,
    forms: MacKey,
    devices: MacKey,
    subjects: MacKey,
    sids: MacKey,
    browser_states: MacKey,
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
        let mac_key = |purpose| MacKey::new(&*derive_key(master_key, purpose));
        Self {
            client_secrets: mac_key("client secrets"),
            throttles: mac_key("throttles"),
            forms: mac_key("forms"),
            devices: mac_key("devices"),
            subjects: mac_key("pairwise subjects"),
            sids: mac_key("pairwise sids"),
            browser_states: mac_key("browser states"),
            answers: Sealer::new(master_key, "refresh answers"),
            signing_keys: Sealer::new(master_key, "signing keys"),
        }
    }

    /// What a client's row keeps of its secret.
    pub fn client_secret(&self, secret: &str) -> [u8; 32] {
        self.client_secrets.mac(&[secret])
    }

    /// Under what the tries on `name` at a `door` are counted: unknown names have a count too, and the store holds no names.
    pub fn throttle(&self, door: &str, name: &str) -> [u8; 32] {
        self.throttles.mac(&[door, "\0", name])
    }

    /// The anti-forgery token of a form for the browser with this cookie.
    pub fn form_token(&self, browser: &str, form: &str) -> String {
        let mac = self.forms.mac(&[form, "\0", browser]);
        hex(&mac[..16])
    }

    /// What proves that the browser with this `nonce` has signed in to `account` before.
    pub fn device(&self, account: &str, nonce: &str) -> String {
        let mac = self.devices.mac(&[account, "\0", nonce]);
        hex(&mac[..16])
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
        let mac = self.browser_states.mac(&[sid, "\0", &auth_time.ms().to_string()]);
        hex(&mac[..16])
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
fn in_sector(key: &MacKey, sector: Option<&str>, own: &str) -> String {
    match sector {
        Some(sector) => Base64UrlUnpadded::encode_string(&key.mac(&[sector, "\0", own])),
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
