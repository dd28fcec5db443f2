//! Making events.

use authmachine_provider::Timestamp;
use authmachine_provider::event::{Event, EventKind};
use authmachine_provider::ids::{EventId, IdSource, Kind};

/// A new event of `kind` by `actor`, with nothing else said yet.
pub fn new(ids: &IdSource, now: Timestamp, kind: EventKind, actor: impl Into<String>) -> Event {
    Event {
        id: EventId(ids.next(Kind::Row, now)),
        at: now,
        kind,
        actor: actor.into(),
        user: None,
        client: None,
        request_id: crate::middleware::current_request_id(),
        address: crate::middleware::current_address(),
        detail: serde_json::Map::new(),
    }
}
