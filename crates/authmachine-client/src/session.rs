//! What the sealed cookies hold.

use authmachine_protocol::{Timestamp, return_to};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use url::Url;

use crate::flow::Attempt;

/// The most sign-ins in flight in one browser.
const MAX_ATTEMPTS: usize = 5;

/// A signed-in user.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Session {
    #[serde(rename = "l")]
    pub(crate) login_id: String,
    #[serde(rename = "a")]
    pub(crate) access_token: String,
    #[serde(rename = "c")]
    pub(crate) claims: Map<String, Value>,
    #[serde(rename = "t")]
    pub(crate) signed_in_at: Timestamp,
    #[serde(rename = "e")]
    pub(crate) expires_at: Timestamp,
}

/// Sign-ins in flight, the oldest first, and the logout in flight.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Attempts {
    #[serde(rename = "a")]
    logins: Vec<Attempt>,
    #[serde(rename = "o", default, skip_serializing_if = "Option::is_none")]
    pub(crate) logout_state: Option<String>,
}

impl Attempts {
    /// Adds one; the oldest make room, and those that took too long go.
    pub(crate) fn add(&mut self, attempt: Attempt, now: Timestamp) {
        self.logins.retain(|attempt| attempt.is_live(now));
        self.logins.push(attempt);
        while self.logins.len() > MAX_ATTEMPTS {
            self.drop_oldest();
        }
    }

    /// Drops the oldest one, unless it is the only one.
    pub(crate) fn drop_oldest(&mut self) -> bool {
        let several = self.logins.len() > 1;
        if several {
            self.logins.remove(0);
        }
        several
    }

    /// Takes the one with this `state` out.
    pub(crate) fn take(&mut self, state: &str, now: Timestamp) -> Option<Attempt> {
        let at = self.logins.iter().position(|attempt| attempt.state == state)?;
        Some(self.logins.remove(at)).filter(|attempt| attempt.is_live(now))
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.logins.is_empty() && self.logout_state.is_none()
    }
}

/// Longer ones would crowd out the other sign-ins in flight.
const MAX_RETURN_TO_BYTES: usize = 1_000;

/// Where a sign-in returns to: `wanted` if it is a path of our own, and none of the sign-in routes themselves.
pub(crate) fn return_path(wanted: Option<&str>, own_routes: &[&str]) -> String {
    // As the browser will ask for it: without `/./` and `/../`.
    let path = |wanted: &str| {
        let url = Url::parse("http://own.invalid").and_then(|own| own.join(wanted));
        url.map(|url| url.path().to_owned()).unwrap_or_default()
    };
    wanted
        .filter(|wanted| return_to::is_own_path(wanted) && wanted.len() <= MAX_RETURN_TO_BYTES)
        .filter(|wanted| !own_routes.contains(&path(wanted).as_str()))
        .unwrap_or("/")
        .to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_seconds(1_800_000_000);

    fn attempt(n: i64) -> Attempt {
        Attempt {
            login_id: String::new(),
            state: format!("s{n}"),
            nonce: String::new(),
            code_verifier: String::new(),
            return_to: "/".into(),
            started_at: NOW.plus_seconds(n),
        }
    }

    #[test]
    fn cl2_a_state_is_taken_once_and_in_time() {
        let mut attempts = Attempts::default();
        attempts.add(attempt(0), NOW);
        attempts.add(attempt(1), NOW.plus_seconds(1));
        assert_eq!(attempts.take("s9", NOW.plus_seconds(2)), None);
        assert_eq!(attempts.take("s1", NOW.plus_seconds(2)), Some(attempt(1)));
        assert_eq!(attempts.take("s1", NOW.plus_seconds(2)), None);
        assert_eq!(attempts.take("s0", NOW.plus_seconds(600)), None, "too late");
        assert!(attempts.is_empty());
    }

    #[test]
    fn five_sign_ins_may_be_in_flight() {
        let mut attempts = Attempts::default();
        (0..7).for_each(|n| attempts.add(attempt(n), NOW.plus_seconds(n)));
        assert_eq!(attempts.logins.len(), 5);
        assert_eq!(attempts.take("s1", NOW.plus_seconds(7)), None);
        assert!(attempts.take("s2", NOW.plus_seconds(7)).is_some());
        attempts.add(attempt(700), NOW.plus_seconds(700));
        assert_eq!(attempts.logins.len(), 1, "old ones go");
    }

    #[test]
    fn ru7_return_to_stays_at_home() {
        let own = ["/login", "/logout"];
        for good in ["/", "/a?b=c#d", "/logins"] {
            assert_eq!(return_path(Some(good), &own), good);
        }
        for bad in [
            "//evil.example",
            "/\\evil.example",
            "https://evil.example",
            "javascript:alert(1)",
            "",
            "a",
            "/\t/evil.example",
            "/login",
            "/login?return_to=/login",
            "/logout#x",
            "/./login",
            "/a/../logout",
            "/%2e/logout?x",
        ] {
            assert_eq!(return_path(Some(bad), &own), "/", "{bad:?}");
        }
        assert_eq!(return_path(Some(&format!("/{}", "a".repeat(1_000))), &own), "/");
        assert_eq!(return_path(None, &own), "/");
    }
}
