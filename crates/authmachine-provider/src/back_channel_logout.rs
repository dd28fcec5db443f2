//! Telling clients from server to server that a session has ended (OpenID Connect Back-Channel Logout 1.0).

use authmachine_protocol::Timestamp;
use serde_json::{Map, Value, json};

use crate::ids::{ClientId, SessionId};

/// A client that is still to be told that a session has ended. The end of the session stores it, in the same unit of work.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogoutDelivery {
    /// The session: it ends once, so a client is told of it once.
    pub session_id: SessionId,
    /// The client.
    pub client_id: ClientId,
    /// The session's `sid`, which may outlive its row here.
    pub sid: String,
    /// The user's own `sub`.
    pub sub: String,
    /// How often it was tried, tries under way and cut ones included.
    pub attempts: u32,
    /// When it is tried next, if nobody has ended it by then.
    pub next_at: Timestamp,
    /// When it is given up, tried or not.
    pub expires_at: Timestamp,
}

/// How long clients are tried to be told.
pub const TRIED_FOR_S: i64 = 6 * 60 * 60;

/// How long after a try the next one follows, if it fails or nothing is heard of it. Each is longer than a try can take.
const WAITS_S: [i64; 7] = [10, 30, 2 * 60, 10 * 60, 60 * 60, 4 * 60 * 60, 10];

impl LogoutDelivery {
    /// When the try after the one that begins now is due; `None` if there is none to begin any more.
    pub fn begin(&self, now: Timestamp) -> Option<Timestamp> {
        let wait = WAITS_S.get(usize::try_from(self.attempts).ok()?).filter(|_| now < self.expires_at)?;
        Some(now.plus_seconds(*wait))
    }

    /// Whether no try follows the one that begins now.
    pub fn is_last(&self) -> bool {
        usize::try_from(self.attempts).is_ok_and(|attempts| attempts + 1 >= WAITS_S.len())
    }
}

/// `typ` of a logout token.
pub const TYP: &str = "logout+jwt";
/// How long a logout token may be used: each try has its own.
pub const TOKEN_S: i64 = 2 * 60;
/// The one member of `events`.
pub const EVENT: &str = "http://schemas.openid.net/event/backchannel-logout";

/// The claims of a logout token (Back-Channel Logout §2.4). `aud` is the `client_id`, `sub` the user as that client knows them.
pub fn claims(iss: &str, aud: &str, sub: &str, sid: &str, jti: &str, now: Timestamp) -> Map<String, Value> {
    let claims = json!({
        "iss": iss,
        "aud": aud,
        "sub": sub,
        "sid": sid,
        "iat": now.seconds(),
        "exp": now.plus_seconds(TOKEN_S).seconds(),
        "jti": jti,
        "events": { EVENT: {} },
    });
    match claims {
        Value::Object(claims) => claims,
        _ => unreachable!("braces make an object"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::NOW;

    fn delivery(attempts: u32) -> LogoutDelivery {
        LogoutDelivery {
            session_id: SessionId(1),
            client_id: ClientId(2),
            sid: "sid".to_owned(),
            sub: "alice-sub".to_owned(),
            attempts,
            next_at: NOW,
            expires_at: NOW.plus_seconds(TRIED_FOR_S),
        }
    }

    #[test]
    fn lo4_tries_are_bounded_and_farther_and_farther_apart() {
        let (mut now, mut waits) = (NOW, Vec::new());
        for attempts in 0.. {
            let Some(next_at) = delivery(attempts).begin(now) else { break };
            waits.push(next_at.seconds_since(now));
            now = next_at;
        }
        assert_eq!(waits, WAITS_S);
        assert!(waits[..6].is_sorted() && now.seconds_since(NOW) < TRIED_FOR_S);
        let last: Vec<bool> = (0..9).map(|attempts| delivery(attempts).is_last()).collect();
        assert_eq!(last, [false, false, false, false, false, false, true, true, true]);
        assert_eq!(delivery(0).begin(NOW.plus_seconds(TRIED_FOR_S)), None);
        assert!(delivery(0).begin(NOW.plus_seconds(TRIED_FOR_S - 1)).is_some());
    }

    #[test]
    fn lo4_a_logout_token_has_one_event_and_no_nonce() {
        let claims = claims("https://id.example", "shop", "alice-sub", "sid", "jti", NOW);
        let expected = json!({
            "iss": "https://id.example", "aud": "shop", "sub": "alice-sub", "sid": "sid", "jti": "jti",
            "iat": 1_800_000_000, "exp": 1_800_000_120,
            "events": { "http://schemas.openid.net/event/backchannel-logout": {} },
        });
        assert_eq!(Value::Object(claims), expected);
    }
}
