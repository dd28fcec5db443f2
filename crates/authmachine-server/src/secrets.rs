//! Keys derived from the master key, each for one purpose (checklist G7, LG5).

use authmachine_jose::{MacKey, Sealer, constant_time_eq, derive_key, hex, sha256};
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
    pages: MacKey,
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
            pages: mac_key("page tokens"),
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

    /// A token that says where a page ended, for whoever asks the same question again (checklist AD8). It is the same each time, as the
    /// answers that carry it are.
    pub fn page_token(&self, bound_to: &str, text: &str) -> String {
        let encode = Base64UrlUnpadded::encode_string;
        format!("{}.{}", encode(text.as_bytes()), encode(&self.page_mac(bound_to, text)))
    }

    /// What a page token says, if it is one of ours and bound to the same.
    pub fn open_page_token(&self, bound_to: &str, token: &str) -> Option<String> {
        let (text, mac) = token.split_once('.')?;
        let text = String::from_utf8(Base64UrlUnpadded::decode_vec(text).ok()?).ok()?;
        let mac = Base64UrlUnpadded::decode_vec(mac).ok()?;
        constant_time_eq(&mac, &self.page_mac(bound_to, &text)).then_some(text)
    }

    fn page_mac(&self, bound_to: &str, text: &str) -> [u8; 16] {
        let place: String = hex(&sha256(bound_to.as_bytes()));
        let mac = self.pages.mac(&[&place, text]);
        mac[..16].try_into().expect("16 of 32 bytes")
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
    fn ad8_a_page_token_opens_for_the_same_caller_and_question_alone() {
        let secrets = Secrets::derive(&[1; 32]);
        let token = secrets.page_token("a", "2:x");
        assert_eq!(token, secrets.page_token("a", "2:x"), "answers are the same byte by byte");
        assert_eq!(secrets.open_page_token("a", &token).as_deref(), Some("2:x"));
        assert_eq!(secrets.open_page_token("b", &token), None);
        assert_eq!(Secrets::derive(&[2; 32]).open_page_token("a", &token), None);
        let other = secrets.page_token("a", "2:y");
        let mixed = format!("{}.{}", token.split('.').next().expect("a text"), &other[other.len() - 22..]);
        for forged in [mixed.as_str(), "", ".", "x", &token[..token.len() - 1], &format!("{token}A")] {
            assert_eq!(secrets.open_page_token("a", forged), None, "{forged}");
        }
    }

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
