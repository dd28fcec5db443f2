//! Sealed cookies: what the browser keeps for us and can neither read nor change.
//!
//! A cookie's value is `1` or `2` (its number of parts) and the box in base64url. The box is bound to the cookie's
//! name and to the version of what is in it, so that no cookie passes for another.

use std::fmt::Write as _;

use authmachine_jose::{Sealer, sha256};
use base64ct::{Base64UrlUnpadded, Encoding};
use http::{HeaderMap, HeaderValue, header};
use zeroize::Zeroizing;

use crate::builder::Secret;

/// Browsers drop a cookie over 4,096 bytes in silence, and some count its attributes too.
pub(crate) const MAX_COOKIE_BYTES: usize = 3_800;
const MAX_PARTS: usize = 2;
/// Changes with the form of what is inside, so that no process reads what another version wrote.
const VERSION: &str = "1";

/// Which cookie.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// The session.
    Session,
    /// Sign-ins in flight.
    Attempts,
    /// The raw ID token, for the logout route only.
    IdToken,
}

impl Kind {
    fn name(self) -> &'static str {
        match self {
            Self::Session => "session",
            Self::Attempts => "login",
            Self::IdToken => "id",
        }
    }
}

/// It would take more than fits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TooLarge {
    pub(crate) bytes: usize,
    pub(crate) limit: usize,
}

/// Seals and opens the cookies of one application.
pub(crate) struct Cookies {
    /// The first seals, all open.
    sealers: Vec<Sealer>,
    /// Tells apart what shares a host name: ports do not keep cookies apart.
    tag: String,
    https: bool,
    logout_path: String,
}

impl Cookies {
    pub(crate) fn new(keys: &[Secret], public_url: &str, client_id: &str, logout_path: &str) -> Self {
        let hash = sha256(format!("{public_url}\n{client_id}").as_bytes());
        Self {
            sealers: keys
                .iter()
                .map(|key| Sealer::new(key.reveal().as_bytes(), "authmachine-client cookies"))
                .collect(),
            tag: hash[..4].iter().fold("am".to_owned(), |mut tag, byte| {
                let _ = write!(tag, "{byte:02x}");
                tag
            }),
            https: public_url.starts_with("https:"),
            logout_path: logout_path.to_owned(),
        }
    }

    /// The name of part `part`, counted from 0.
    fn name(&self, kind: Kind, part: usize) -> String {
        let prefix = match (self.https, kind) {
            (false, _) => "",
            // RFC 6265bis §4.1.3.2 asks for `Path=/`, which this one has not.
            (true, Kind::IdToken) => "__Secure-",
            (true, _) => "__Host-",
        };
        let number = if part == 0 { String::new() } else { (part + 1).to_string() };
        format!("{prefix}{}-{}{number}", self.tag, kind.name())
    }

    fn aad(&self, kind: Kind) -> String {
        format!("{} {VERSION}", self.name(kind, 0))
    }

    /// Opens what the browser sent. `None` if there is nothing, or nothing of ours.
    pub(crate) fn open(&self, kind: Kind, headers: &HeaderMap) -> Option<Zeroizing<Vec<u8>>> {
        let first = find(headers, &self.name(kind, 0))?;
        let encoded = match (first.get(..1)?, &first[1..]) {
            ("1", all) => all.to_owned(),
            ("2", half) => format!("{half}{}", find(headers, &self.name(kind, 1))?),
            _ => return None,
        };
        let sealed = Base64UrlUnpadded::decode_vec(&encoded).ok()?;
        self.sealers.iter().find_map(|sealer| sealer.open(&sealed, self.aad(kind).as_bytes()))
    }

    /// `Set-Cookie` values that make the browser keep `content`. Only the session may take two cookies.
    pub(crate) fn seal(
        &self,
        kind: Kind,
        content: &[u8],
        headers: &HeaderMap,
    ) -> Result<Vec<HeaderValue>, TooLarge> {
        let encoded =
            Base64UrlUnpadded::encode_string(&self.sealers[0].seal(content, self.aad(kind).as_bytes()));
        // Name, `=`, and the digit; the second name is the longer one.
        let room = MAX_COOKIE_BYTES - self.name(kind, 1).len() - 2;
        let parts = if kind == Kind::Session { MAX_PARTS } else { 1 };
        let too_large = TooLarge { bytes: encoded.len(), limit: room * parts };
        if encoded.len() > room {
            let (first, second) = encoded.split_at_checked(room).ok_or(too_large)?;
            if parts == 1 || second.len() > room {
                return Err(too_large);
            }
            return Ok(vec![self.set(kind, 0, &format!("2{first}")), self.set(kind, 1, second)]);
        }
        let mut set = vec![self.set(kind, 0, &format!("1{encoded}"))];
        if find(headers, &self.name(kind, 1)).is_some() {
            set.push(self.unset(kind, 1));
        }
        Ok(set)
    }

    /// `Set-Cookie` values that take away a cookie. `headers` say which of its parts the browser has; the ID token's
    /// is sent to the logout route only, so it is always taken away.
    pub(crate) fn remove(&self, kind: Kind, headers: &HeaderMap) -> Vec<HeaderValue> {
        (0..MAX_PARTS)
            .filter(|part| match kind {
                Kind::IdToken => *part == 0,
                _ => find(headers, &self.name(kind, *part)).is_some(),
            })
            .map(|part| self.unset(kind, part))
            .collect()
    }

    fn set(&self, kind: Kind, part: usize, value: &str) -> HeaderValue {
        self.header(kind, part, value, "")
    }

    fn unset(&self, kind: Kind, part: usize) -> HeaderValue {
        self.header(kind, part, "", "; Max-Age=0")
    }

    fn header(&self, kind: Kind, part: usize, value: &str, life: &str) -> HeaderValue {
        let path = if kind == Kind::IdToken { self.logout_path.as_str() } else { "/" };
        let secure = if self.https { "; Secure" } else { "" };
        let name = self.name(kind, part);
        HeaderValue::try_from(format!("{name}={value}; Path={path}{life}{secure}; HttpOnly; SameSite=Lax"))
            .expect("names, paths and base64url are visible ASCII")
    }
}

/// The value of cookie `name`; the first one where a browser sends several.
fn find<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers
        .get_all(header::COOKIE)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .find(|(n, _)| *n == name)
        .map(|(_, value)| value)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cookies_with(keys: &[&str], public_url: &str) -> Cookies {
        let keys: Vec<_> = keys.iter().map(|key| Secret::new(key.repeat(32))).collect();
        Cookies::new(&keys, public_url, "app", "/logout")
    }

    fn cookies() -> Cookies {
        cookies_with(&["a"], "https://app.example")
    }

    /// What a browser with an empty jar sends back.
    fn sent_back(set: &[HeaderValue]) -> HeaderMap {
        let pairs: Vec<_> =
            set.iter().map(|v| v.to_str().expect("ASCII").split(';').next().expect("a pair")).collect();
        HeaderMap::from_iter([(header::COOKIE, HeaderValue::try_from(pairs.join("; ")).expect("ASCII"))])
    }

    fn sealed(cookies: &Cookies, kind: Kind, bytes: usize) -> Vec<HeaderValue> {
        cookies.seal(kind, &vec![7; bytes], &HeaderMap::new()).expect("it fits")
    }

    #[test]
    fn cookies_are_httponly_lax_and_bound_to_their_host() {
        let line = |cookies: &Cookies, kind| sealed(cookies, kind, 1)[0].to_str().expect("ASCII").to_owned();
        let https = cookies();
        let session = line(&https, Kind::Session);
        assert!(
            session.starts_with("__Host-am") && session.ends_with("; Path=/; Secure; HttpOnly; SameSite=Lax")
        );
        let id_token = line(&https, Kind::IdToken);
        assert!(
            id_token.starts_with("__Secure-am") && id_token.contains("; Path=/logout; Secure; HttpOnly;")
        );
        let here = cookies_with(&["a"], "http://localhost:5000");
        let there = cookies_with(&["a"], "http://localhost:5055");
        assert!(
            line(&here, Kind::Session).starts_with("am") && !line(&here, Kind::Session).contains("Secure")
        );
        assert_ne!(here.name(Kind::Session, 0), there.name(Kind::Session, 0), "ports share cookies");
    }

    #[test]
    fn cl8_a_cookie_opens_only_under_its_name_and_key() {
        let cookies = cookies();
        let set = cookies.seal(Kind::Session, b"secret", &HeaderMap::new()).expect("it fits");
        let line = set[0].to_str().expect("ASCII");
        assert!(!line.contains("secret"));
        assert_eq!(cookies.open(Kind::Session, &sent_back(&set)).expect("ours").as_slice(), b"secret");
        assert!(cookies.open(Kind::Session, &HeaderMap::new()).is_none());
        let renamed = line.replace("-session=", "-login=");
        let renamed = sent_back(&[HeaderValue::try_from(renamed).expect("ASCII")]);
        assert!(cookies.open(Kind::Attempts, &renamed).is_none());
        assert!(cookies_with(&["b"], "https://app.example").open(Kind::Session, &sent_back(&set)).is_none());
    }

    #[test]
    fn keys_can_be_changed_without_signing_anybody_out() {
        let set = sealed(&cookies_with(&["a"], "https://app.example"), Kind::Session, 10);
        let rotated = cookies_with(&["b", "a"], "https://app.example");
        assert!(rotated.open(Kind::Session, &sent_back(&set)).is_some());
        let new = sealed(&rotated, Kind::Session, 10);
        assert!(cookies_with(&["b"], "https://app.example").open(Kind::Session, &sent_back(&new)).is_some());
        assert!(cookies().open(Kind::Session, &sent_back(&new)).is_none(), "the first key seals");
    }

    #[test]
    fn a_session_is_split_in_two_at_most() {
        let cookies = cookies();
        for (bytes, parts) in [(10, 1), (2_700, 1), (2_900, 2), (5_500, 2)] {
            let set = sealed(&cookies, Kind::Session, bytes);
            assert_eq!(set.len(), parts, "{bytes}");
            for line in &set {
                let pair = line.to_str().expect("ASCII").split(';').next().expect("a pair");
                assert!(pair.len() <= MAX_COOKIE_BYTES, "{bytes}");
            }
            assert_eq!(cookies.open(Kind::Session, &sent_back(&set)).expect("whole").len(), bytes);
            assert!(parts == 1 || cookies.open(Kind::Session, &sent_back(&set[..1])).is_none(), "half");
        }
        let seal = |kind, bytes| cookies.seal(kind, &vec![7; bytes], &HeaderMap::new());
        assert!(seal(Kind::Session, 5_700).is_err());
        assert!(seal(Kind::IdToken, 2_900).is_err() && seal(Kind::Attempts, 2_900).is_err());
        // A session that shrinks takes its second half away.
        let large = sent_back(&sealed(&cookies, Kind::Session, 5_000));
        let small = cookies.seal(Kind::Session, b"x", &large).expect("it fits");
        assert!(
            small.len() == 2 && small[1].to_str().expect("ASCII").contains("session2=; Path=/; Max-Age=0")
        );
        assert_eq!(cookies.remove(Kind::Session, &large).len(), 2);
        assert_eq!(cookies.remove(Kind::IdToken, &HeaderMap::new()).len(), 1);
    }

    #[test]
    fn g10_malformed_cookies_are_nothing() {
        let cookies = cookies();
        let name = cookies.name(Kind::Session, 0);
        for bad in ["", "1", "2", "3abc", "1!!!!", "é", "1AAAA", "2AAAA"] {
            let value =
                HeaderValue::from_bytes(format!("x; {name}={bad}; ={bad}").as_bytes()).expect("a header");
            let headers = HeaderMap::from_iter([(header::COOKIE, value)]);
            assert!(cookies.open(Kind::Session, &headers).is_none(), "{bad}");
        }
    }
}
