//! Sessions of browsers at the provider.

use authmachine_protocol::Timestamp;

use crate::ids::{SessionId, UserId};
use crate::lives::{Lives, has_begun};
use crate::user::User;

/// A browser's session: who signed in, when and how.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Session {
    /// The row, and the id of the cookie's handle.
    pub id: SessionId,
    /// `sid` on the wire (OIDC Back-Channel Logout §2.1): random, no authority.
    pub sid: String,
    /// Who.
    pub user_id: UserId,
    /// The user's epoch at sign-in; the session is over once the user's is another.
    pub user_epoch: i64,
    /// When the row was made.
    pub created_at: Timestamp,
    /// When the user last proved themselves: `auth_time`.
    pub auth_time: Timestamp,
    /// How: `amr` values (RFC 8176), such as `pwd`.
    pub amr: Vec<String>,
    /// When the browser last used it, to the minute.
    pub last_seen_at: Timestamp,
    /// The absolute end.
    pub expires_at: Timestamp,
    /// Signed out: single sign-on and non-offline refresh tokens are over, access tokens run out.
    pub ended_at: Option<Timestamp>,
    /// Everything that the session issued is dead.
    pub tokens_revoked_at: Option<Timestamp>,
    /// The browser, as it called itself; only shown to its owner.
    pub user_agent: String,
    /// The address at sign-in; only shown to its owner.
    pub address: String,
}

/// How a session stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// The browser is signed in.
    Live,
    /// Unused for too long, past its end, signed out, or the user changed; kept only so that a logout with
    /// `revoke_tokens=1` finds its tokens.
    Over,
}

impl Session {
    /// Whether the browser is signed in: the one place that says so (checklist SE6).
    pub fn standing(&self, user: &User, lives: &Lives, now: Timestamp) -> Standing {
        let live = self.ended_at.is_none()
            && self.tokens_revoked_at.is_none()
            && has_begun(self.created_at, now)
            && now < self.expires_at
            && now < self.last_seen_at.plus_seconds(lives.session_idle_s)
            && user.id == self.user_id
            && user.may_sign_in()
            && user.epoch == self.user_epoch;
        if live { Standing::Live } else { Standing::Over }
    }
}

/// `last_seen_at` is written when it is older than this.
pub const TOUCH_AFTER_S: i64 = 60;
