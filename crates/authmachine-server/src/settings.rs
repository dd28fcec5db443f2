//! What an installation is configured to do, checked: the value that `authmachine-cli` makes from file, environment and flags.

use std::net::IpAddr;
use std::time::Duration;

use authmachine_pages::Brand;
use authmachine_permissions::{AnswerShape, LendSettings};
use authmachine_protocol::redirect_uri;
use authmachine_provider::client::PkceRule;
use authmachine_provider::keys::Schedule;
use authmachine_provider::lives::Lives;
use url::Url;

use crate::fetch::FetchSettings;

/// The settings of a running provider.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The issuer.
    pub issuer: Issuer,
    /// How long things live.
    pub lives: Lives,
    /// When signing keys are made and take over.
    pub keys: Schedule,
    /// `pkce.required`.
    pub pkce: PkceRule,
    /// `oidc.implicit`: whether tokens may pass through browsers, for the clients that registered it (OIDC Core §3.2, §3.3).
    pub implicit: bool,
    /// `oidc.unsigned_request_objects`: whether request objects with `alg=none` are read (OIDC Core §6.1).
    pub unsigned_request_objects: bool,
    /// `oidc.unsigned_id_tokens`: whether clients that registered it get ID tokens with `alg=none` at the token endpoint (OIDC Core §2).
    pub unsigned_id_tokens: bool,
    /// Dynamic registration.
    pub registration: Registration,
    /// What people may lend each other.
    pub lending: LendSettings,
    /// Name and colour on the pages.
    pub brand: Brand,
    /// Proxies whose `X-Forwarded-For` is believed.
    pub trusted_proxies: Vec<IpAddr>,
    /// The fewest characters of a new password.
    pub min_password_characters: usize,
    /// Whom we may ask beyond the public internet.
    pub fetch: FetchSettings,
    /// Permissions.
    pub permissions: PermissionSettings,
}

impl Settings {
    /// The defaults for `issuer`.
    pub fn new(issuer: Issuer) -> Self {
        Self {
            issuer,
            lives: Lives::default(),
            keys: Schedule::default(),
            pkce: PkceRule::Auto,
            implicit: false,
            unsigned_request_objects: false,
            unsigned_id_tokens: false,
            registration: Registration::default(),
            lending: LendSettings::default(),
            brand: Brand::default(),
            trusted_proxies: Vec::new(),
            min_password_characters: authmachine_provider::password::MIN_CHARACTERS,
            fetch: FetchSettings::default(),
            permissions: PermissionSettings::default(),
        }
    }
}

/// Who may register clients by themselves (RFC 7591 §3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RegistrationMode {
    /// Nobody: the endpoint is not there.
    Off,
    /// Who holds an initial access token.
    Token,
    /// Everybody.
    Open,
}

/// Dynamic registration's settings (checklist DR1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Registration {
    /// Who may.
    pub mode: RegistrationMode,
    /// The most self-registered clients there are at a time.
    pub max_clients: i64,
    /// After how many seconds without a sign-in a self-registered client is removed.
    pub unused_s: i64,
}

impl Default for Registration {
    fn default() -> Self {
        Self { mode: RegistrationMode::Off, max_clients: 1_000, unused_s: 30 * 86_400 }
    }
}

/// How permissions are answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PermissionSettings {
    /// The most memory that the index may take, about; 0: there is none.
    pub index_max_bytes: usize,
    /// The shape of the permission call's answer.
    pub answer_shape: AnswerShape,
    /// Whether who borrows a right must meet the conditions of the lender's grant too.
    pub giver_conditions_bind_taker: bool,
    /// So long after the last look at the database the index is believed.
    pub believed_for: Duration,
    /// One in so many decisions of the index is compared with the database's.
    pub sample_one_in: u64,
}

impl Default for PermissionSettings {
    fn default() -> Self {
        Self {
            index_max_bytes: 1 << 30,
            answer_shape: AnswerShape::Merged,
            giver_conditions_bind_taker: false,
            believed_for: Duration::from_secs(10),
            sample_one_in: 1_000,
        }
    }
}

/// The issuer: where everything absolute comes from, never a request's headers (checklist HO1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Issuer {
    url: String,
    is_https: bool,
    cookie_suffix: String,
}

/// Why an issuer cannot be one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum IssuerError {
    /// Not an absolute http or https URL, or with user, query or fragment.
    #[error("it is not a plain URL such as https://id.example.com")]
    NotAUrl,
    /// A path behind the host.
    #[error("it has a path; an issuer is a host of its own, such as https://id.example.com")]
    HasPath,
    /// http beyond loopback.
    #[error("plain http is only for loopback; give the https address that browsers use")]
    PlainHttp,
}

impl Issuer {
    /// Checks an issuer (OIDC Core §16.15, checklist G9). One trailing slash is dropped, so that clients that drop it agree.
    ///
    /// # Errors
    /// [`IssuerError`].
    pub fn parse(text: &str) -> Result<Self, IssuerError> {
        let text = text.strip_suffix('/').unwrap_or(text);
        let url = Url::parse(text).map_err(|_| IssuerError::NotAUrl)?;
        if !matches!(url.scheme(), "http" | "https")
            || !url.username().is_empty()
            || url.query().is_some()
            || url.fragment().is_some()
        {
            return Err(IssuerError::NotAUrl);
        }
        if url.path() != "/" || text.matches('/').count() != 2 {
            return Err(IssuerError::HasPath);
        }
        // What we say must be what browsers and clients write: no capitals, no default port.
        if url.origin().ascii_serialization() != text {
            return Err(IssuerError::NotAUrl);
        }
        let is_https = url.scheme() == "https";
        if !is_https && !url.host().is_some_and(|host| redirect_uri::is_loopback(&host)) {
            return Err(IssuerError::PlainHttp);
        }
        let digest = authmachine_jose::sha256(text.as_bytes());
        let cookie_suffix = authmachine_jose::hex(&digest[..4]);
        Ok(Self { url: text.to_owned(), is_https, cookie_suffix })
    }

    /// `iss`, without a trailing slash. It is also the provider's origin.
    pub fn as_str(&self) -> &str {
        &self.url
    }

    /// The absolute URL of one of our paths, which starts with a slash.
    pub fn url(&self, path: &str) -> String {
        format!("{}{path}", self.url)
    }

    /// Whether browsers come by https.
    pub fn is_https(&self) -> bool {
        self.is_https
    }

    /// Whether `origin` is that of our own pages; on loopback also by another name of the machine.
    pub fn is_own_origin(&self, origin: &str) -> bool {
        redirect_uri::is_own_origin(&self.url, origin)
    }

    /// Tells the cookies of issuers on one host apart, since ports share cookies.
    pub(crate) fn cookie_suffix(&self) -> &str {
        &self.cookie_suffix
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cs1_only_on_loopback_an_origin_has_several_names() {
        let local = Issuer::parse("http://localhost:8000").expect("legal");
        for (origin, own) in [
            ("http://localhost:8000", true),
            ("http://127.0.0.1:8000", true),
            ("http://[::1]:8000", true),
            ("http://127.0.0.1:5000", false),
            ("https://localhost:8000", false),
            ("http://evil.example:8000", false),
            ("http://localhost.evil.example:8000", false),
            ("null", false),
            ("", false),
        ] {
            assert_eq!(local.is_own_origin(origin), own, "{origin}");
        }
        let public = Issuer::parse("https://id.example.com").expect("legal");
        assert!(public.is_own_origin("https://id.example.com"));
        for other in [
            "http://id.example.com",
            "https://127.0.0.1",
            "http://127.0.0.1:443",
            "https://id.example.com.evil.example",
        ] {
            assert!(!public.is_own_origin(other), "{other}");
        }
    }

    #[test]
    fn g9_an_issuer_is_https_or_loopback() {
        for good in [
            "https://id.example.com",
            "https://id.example.com/",
            "http://localhost:8000/",
            "http://127.0.0.1:1",
            "http://[::1]:8000",
        ] {
            assert!(Issuer::parse(good).is_ok(), "{good}");
        }
        assert_eq!(Issuer::parse("http://localhost:8000/").expect("legal").as_str(), "http://localhost:8000");
        for (bad, why) in [
            ("http://id.example.com", IssuerError::PlainHttp),
            ("https://id.example.com/auth", IssuerError::HasPath),
            ("https://id.example.com//", IssuerError::HasPath),
            ("https://ID.example.com", IssuerError::NotAUrl),
            ("https://id.example.com:443", IssuerError::NotAUrl),
            ("https://u@id.example.com", IssuerError::NotAUrl),
            ("https://id.example.com?x", IssuerError::NotAUrl),
            ("ftp://id.example.com", IssuerError::NotAUrl),
            ("id.example.com", IssuerError::NotAUrl),
            ("", IssuerError::NotAUrl),
        ] {
            assert_eq!(Issuer::parse(bad), Err(why), "{bad}");
        }
    }
}
