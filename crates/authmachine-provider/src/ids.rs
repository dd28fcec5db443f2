//! Row ids: ordered by time, made without asking the database.

use std::sync::atomic::{AtomicU64, Ordering};

/// Outside, a user is its `sub` and a client its `client_id`.
pub use authmachine_permissions::{
    ClientId, DelegationId, GroupId, ObjectId, PermissionGrantId, PermissionTypeId, UserId,
};
use authmachine_protocol::Timestamp;
use serde::{Deserialize, Serialize};

macro_rules! row_ids {
    ($($(#[$doc:meta])* $name:ident,)+) => {
        $($(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub i64);

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                self.0.fmt(f)
            }
        })+
    };
}

row_ids! {
    /// The row of a session at the provider. Outside, a session is its `sid`.
    SessionId,
    /// The row of an authorization grant: what a user (or a client for itself) allowed, parent of its tokens.
    GrantId,
    /// The row of an API token.
    ApiTokenId,
    /// The row of an event.
    EventId,
}

/// What an id names; four bits of it. Values are stored, so they never change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Kind {
    /// A row that is no handle: user, client, grant, object…
    Row = 0,
    /// An authorization code.
    AuthorizationCode = 1,
    /// An access token.
    AccessToken = 2,
    /// A refresh token family.
    RefreshToken = 3,
    /// A session.
    Session = 4,
    /// An authorization request that waits for a person.
    Interaction = 5,
    /// An API token.
    ApiToken = 6,
}

impl Kind {
    /// The kind that `id` carries.
    pub const fn of(id: i64) -> Option<Self> {
        Some(match id >> 59 {
            0 => Self::Row,
            1 => Self::AuthorizationCode,
            2 => Self::AccessToken,
            3 => Self::RefreshToken,
            4 => Self::Session,
            5 => Self::Interaction,
            6 => Self::ApiToken,
            _ => return None,
        })
    }
}

/// 2024-01-01T00:00:00Z: ids count milliseconds from here, 41 bits of them, until 2093.
pub const EPOCH_MS: i64 = 1_704_067_200_000;

/// Makes ids: `0 ‖ kind (4) ‖ milliseconds (41) ‖ node (6) ‖ counter (12)`, below 2⁶³, growing within a kind.
#[derive(Debug)]
pub struct IdSource {
    node: u8,
    /// Milliseconds ‖ counter of the last id, so that neither a clock going back nor a full counter repeats one.
    last: AtomicU64,
}

impl IdSource {
    /// A source for one process; `node` (its low six bits count) should differ between processes on one database.
    pub const fn new(node: u8) -> Self {
        Self { node: node & 0x3F, last: AtomicU64::new(0) }
    }

    /// The next id of `kind`; never the same twice from one source.
    pub fn next(&self, kind: Kind, now: Timestamp) -> i64 {
        let now = u64::try_from(now.ms().saturating_sub(EPOCH_MS)).unwrap_or(0) << 12;
        let step = |last: u64| Some(now.max(last + 1));
        let last =
            self.last.fetch_update(Ordering::Relaxed, Ordering::Relaxed, step).unwrap_or_else(|last| last);
        let tick = now.max(last + 1);
        let (ms, counter) = ((tick >> 12) & ((1 << 41) - 1), tick & 0xFFF);
        let id = ((kind as u64) << 59) | (ms << 18) | (u64::from(self.node) << 12) | counter;
        i64::try_from(id).expect("four bits of kind above bit 58 stay below bit 63")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_grow_and_tell_their_kind() {
        let ids = IdSource::new(63);
        let now = Timestamp::from_ms(EPOCH_MS + 1);
        let mut last = 0;
        for n in 0..10_000 {
            // The clock stands still, then goes back.
            let id = ids.next(Kind::AccessToken, now.plus_ms(-(n / 5_000)));
            assert!(id > last, "id {n}");
            assert_eq!(Kind::of(id), Some(Kind::AccessToken));
            last = id;
        }
        assert_eq!(Kind::of(ids.next(Kind::Row, now)), Some(Kind::Row));
        assert_eq!(Kind::of(i64::MAX), None);
        assert_eq!(Kind::of(-1), None);
    }

    #[test]
    fn two_nodes_never_make_the_same_id() {
        let (a, b) = (IdSource::new(1), IdSource::new(2));
        let now = Timestamp::from_ms(EPOCH_MS);
        let all: std::collections::HashSet<_> =
            (0..100).flat_map(|_| [a.next(Kind::Row, now), b.next(Kind::Row, now)]).collect();
        assert_eq!(all.len(), 200);
    }
}
