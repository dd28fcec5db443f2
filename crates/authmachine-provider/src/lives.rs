//! How long things live. All in seconds.

use authmachine_protocol::Timestamp;

/// The clocks of two nodes, and one before and after it was set right, differ by less.
const CLOCKS_DIFFER_S: i64 = 120;

/// Whether what was made at `made_at` is good already. What was made while the clock was far ahead is not, once it is right again:
/// it would live longer than it should (checklist RB12).
pub(crate) fn has_begun(made_at: Timestamp, now: Timestamp) -> bool {
    made_at <= now.plus_seconds(CLOCKS_DIFFER_S)
}

/// The lives of everything that this installation hands out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lives {
    /// A session without use.
    pub session_idle_s: i64,
    /// A session, used or not.
    pub session_s: i64,
    /// An authorization code.
    pub code_s: i64,
    /// An access token.
    pub access_token_s: i64,
    /// An access token of a first-party client, which may never refresh.
    pub first_party_access_token_s: i64,
    /// An ID token.
    pub id_token_s: i64,
    /// A refresh token without use.
    pub refresh_idle_s: i64,
    /// A refresh token family, rotated or not.
    pub refresh_s: i64,
    /// An authorization request that waits for a person.
    pub interaction_s: i64,
    /// How long the answer to a rotated refresh token may be had again; 0 is never.
    pub refresh_grace_s: i64,
}

impl Default for Lives {
    fn default() -> Self {
        const MINUTE: i64 = 60;
        const HOUR: i64 = 60 * MINUTE;
        const DAY: i64 = 24 * HOUR;
        Self {
            session_idle_s: HOUR,
            session_s: 12 * HOUR,
            code_s: MINUTE,
            access_token_s: HOUR,
            first_party_access_token_s: 12 * HOUR,
            id_token_s: 10 * MINUTE,
            refresh_idle_s: 14 * DAY,
            refresh_s: 90 * DAY,
            interaction_s: 30 * MINUTE,
            refresh_grace_s: 0,
        }
    }
}
