//! Events: the audit trail.

use authmachine_protocol::Timestamp;
use serde::{Deserialize, Serialize};

use crate::ids::EventId;

/// What happened. Words are stored, so they never change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EventKind {
    /// A person signed in.
    SignIn,
    /// A sign-in was refused.
    SignInRefused,
    /// A person signed out.
    SignOut,
    /// Every token of a session was revoked at sign-out.
    SessionTokensRevoked,
    /// A client was told that a session has ended; `detail` says in which attempt.
    LogoutDelivered,
    /// A client could not be told; `detail` says why, and whether it is tried again.
    LogoutFailed,
    /// A person changed their password, or an operator set it.
    PasswordChanged,
    /// A person allowed a client something.
    ConsentGiven,
    /// A person refused a client.
    ConsentRefused,
    /// A person took back what they allowed.
    ConsentWithdrawn,
    /// Tokens were issued.
    TokensIssued,
    /// A token was revoked by its client.
    TokenRevoked,
    /// A code was presented twice: what it gave was revoked.
    CodeReused,
    /// A refresh token was presented twice: its family was revoked.
    RefreshTokenReused,
    /// A client's credentials were refused.
    ClientRefused,
    /// A client registered itself.
    ClientRegistered,
    /// A client changed what it had registered.
    ClientUpdated,
    /// A client is gone: by its own wish, an operator's, or because nobody used it; `detail` says what more there is to say.
    ClientDeleted,
    /// An operator made, changed, locked, unlocked or removed something; `detail` says what.
    UserCreated,
    /// See [`EventKind::UserCreated`].
    UserChanged,
    /// See [`EventKind::UserCreated`].
    UserLocked,
    /// See [`EventKind::UserCreated`].
    UserUnlocked,
    /// See [`EventKind::UserCreated`].
    ClientCreated,
    /// See [`EventKind::UserCreated`].
    ClientChanged,
    /// See [`EventKind::UserCreated`].
    ClientSecretRotated,
    /// See [`EventKind::UserCreated`].
    ObjectCreated,
    /// See [`EventKind::UserCreated`].
    ObjectChanged,
    /// See [`EventKind::UserCreated`].
    ObjectRemoved,
    /// See [`EventKind::UserCreated`].
    PermissionTypeCreated,
    /// See [`EventKind::UserCreated`].
    PermissionTypeChanged,
    /// See [`EventKind::UserCreated`].
    PermissionTypeRemoved,
    /// See [`EventKind::UserCreated`].
    GroupCreated,
    /// See [`EventKind::UserCreated`].
    GroupChanged,
    /// See [`EventKind::UserCreated`].
    GroupRemoved,
    /// See [`EventKind::UserCreated`].
    GroupMemberAdded,
    /// See [`EventKind::UserCreated`].
    GroupMemberRemoved,
    /// See [`EventKind::UserCreated`].
    PermissionGranted,
    /// See [`EventKind::UserCreated`].
    PermissionChanged,
    /// See [`EventKind::UserCreated`].
    PermissionRemoved,
    /// A user, or an operator in its place, lent what the user holds; `detail` says what to whom.
    DelegationCreated,
    /// The same was lent again, on other terms.
    DelegationChanged,
    /// A user wanted to lend something and may not; `detail` says what and why.
    DelegationRefused,
    /// What was lent was taken back, declined or ended by an operator; `detail` says which and why.
    DelegationEnded,
    /// See [`EventKind::UserCreated`].
    ApiTokenCreated,
    /// See [`EventKind::UserCreated`].
    ApiTokenRevoked,
    /// The next signing key was made and published.
    KeyPublished,
    /// A signing key took over, by the clock or by an operator.
    KeyRotated,
}

impl EventKind {
    /// The stored word, such as `sign_in`.
    pub fn as_str(self) -> String {
        match serde_json::to_value(self) {
            Ok(serde_json::Value::String(word)) => word,
            _ => unreachable!("a unit variant serialises as a string"),
        }
    }

    /// Reads the stored word.
    pub fn from_word(word: &str) -> Option<Self> {
        serde_json::from_value(word.into()).ok()
    }
}

/// One event. It holds ids and fixed words, never a secret.
#[derive(Clone, Debug, PartialEq)]
pub struct Event {
    /// The row.
    pub id: EventId,
    /// When.
    pub at: Timestamp,
    /// What.
    pub kind: EventKind,
    /// Who did it: a user's `sub`, `client:…`, `api_token:…`, `operator`, `server` or `anonymous`.
    pub actor: String,
    /// The user concerned, by `sub`.
    pub user: Option<String>,
    /// The client concerned, by `client_id`.
    pub client: Option<String>,
    /// The request, as the log names it.
    pub request_id: Option<String>,
    /// The address it came from.
    pub address: Option<String>,
    /// More, as a flat JSON object.
    pub detail: serde_json::Map<String, serde_json::Value>,
}
