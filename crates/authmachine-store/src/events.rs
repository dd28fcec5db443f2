//! Events: the audit trail.

use authmachine_provider::Timestamp;
use authmachine_provider::event::{Event, EventKind};
use authmachine_provider::ids::EventId;

use crate::error::StoreError;
use crate::statements::statements;
use crate::unit::{Reads, Tx};
use crate::value::{Row, json, params};

statements! {
    INSERT = "INSERT INTO events (id, at, kind, actor, user_sub, client, request_id, address, detail)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)";
    LIST = "SELECT id, at, kind, actor, user_sub, client, request_id, address, detail FROM events
        WHERE id > $1 ORDER BY id LIMIT $2";
    NEWEST = "SELECT at FROM events ORDER BY id DESC LIMIT 1";
}

fn read(row: &mut Row<'_>) -> Result<Event, StoreError> {
    row.table("events");
    Ok(Event {
        id: row.get()?,
        at: row.get()?,
        kind: row.word(EventKind::from_word)?,
        actor: row.get()?,
        user: row.get()?,
        client: row.get()?,
        request_id: row.get()?,
        address: row.get()?,
        detail: row.json()?,
    })
}

impl Reads {
    /// The events after `after`, oldest first, at most `limit`.
    pub fn list_events(&mut self, after: Option<EventId>, limit: i64) -> Result<Vec<Event>, StoreError> {
        self.all(LIST, params![after.map_or(i64::MIN, |id| id.0), limit], read)
    }

    /// When the newest event was; `None` when there is none.
    pub fn newest_event_at(&mut self) -> Result<Option<Timestamp>, StoreError> {
        self.one(NEWEST, params![], |row| row.get())
    }
}

impl Tx {
    /// Stores an event, in the unit that makes it true.
    pub fn insert_event(&mut self, event: &Event) -> Result<(), StoreError> {
        let values = params![
            event.id,
            event.at,
            event.kind.as_str(),
            &event.actor,
            event.user.as_ref(),
            event.client.as_ref(),
            event.request_id.as_ref(),
            event.address.as_ref(),
            json(&event.detail),
        ];
        self.run(INSERT, values).map(drop)
    }
}
