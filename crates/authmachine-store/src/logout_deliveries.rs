//! Clients that are still to be told that a session has ended: a queue that survives a crash and that several nodes share.

use authmachine_provider::Timestamp;
use authmachine_provider::back_channel_logout::{LogoutDelivery, TRIED_FOR_S};
use authmachine_provider::client_metadata::ClientMetadata;
use authmachine_provider::ids::{ClientId, SessionId};

use crate::error::StoreError;
use crate::statements::statements;
use crate::unit::{Reads, Tx};
use crate::value::{Row, params};

fn read(row: &mut Row<'_>) -> Result<LogoutDelivery, StoreError> {
    row.table("logout_deliveries");
    Ok(LogoutDelivery {
        session_id: row.get()?,
        client_id: row.get()?,
        sid: row.get()?,
        sub: row.get()?,
        attempts: row.get()?,
        next_at: row.get()?,
        expires_at: row.get()?,
    })
}

statements! {
    /// Asked after the session has ended, so that whoever joined it before is among them.
    LIST_CLIENTS = "SELECT session_clients.client_id, clients.metadata FROM session_clients
        JOIN clients ON clients.id = session_clients.client_id WHERE session_clients.session_id = $1";
    /// Of the next client, what is due first: a client with a long queue costs no more than one with a short one.
    FIRST_OF_CLIENT = "SELECT session_id, client_id, sid, sub, attempts, next_at, expires_at FROM logout_deliveries
        WHERE client_id > $1 ORDER BY client_id, next_at LIMIT 1";
    INSERT = "INSERT INTO logout_deliveries (session_id, client_id, sid, sub, attempts, next_at, expires_at)
        SELECT sessions.id, CAST($1 AS BIGINT), sessions.sid, users.sub, 0, CAST($2 AS BIGINT), CAST($3 AS BIGINT)
        FROM sessions JOIN users ON users.id = sessions.user_id WHERE sessions.id = $4 ON CONFLICT DO NOTHING";
    /// Whoever moves it on may try: others find it at another time.
    CLAIM = "UPDATE logout_deliveries SET attempts = attempts + 1, next_at = $1
        WHERE session_id = $2 AND client_id = $3 AND next_at = $4";
    DELETE = "DELETE FROM logout_deliveries WHERE session_id = $1 AND client_id = $2";
}

impl Reads {
    /// Of each client that is not `busy`, the delivery that has been due for the longest time; at most `limit`. It begins behind the
    /// client `last` and goes round: who always has something due leaves the others their turn.
    pub fn list_due_logout_deliveries(
        &mut self,
        last: ClientId,
        busy: &[ClientId],
        now: Timestamp,
        limit: usize,
    ) -> Result<Vec<LogoutDelivery>, StoreError> {
        let mut due = Vec::new();
        for (from, to) in [(last.0, i64::MAX), (i64::MIN, last.0)] {
            let mut after = from;
            while due.len() < limit {
                let first = self.one(FIRST_OF_CLIENT, params![after], read)?;
                let Some(first) = first.filter(|first| first.client_id.0 <= to) else { break };
                after = first.client_id.0;
                if first.next_at <= now && !busy.contains(&first.client_id) {
                    due.push(first);
                }
            }
        }
        Ok(due)
    }
}

impl Tx {
    /// Has the clients of a session told that it has `ended` now, if they registered where.
    pub(crate) fn insert_logout_deliveries(
        &mut self,
        ended: SessionId,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let clients: Vec<(ClientId, ClientMetadata)> = self.all(LIST_CLIENTS, params![ended], |row| {
            row.table("clients");
            Ok((row.get()?, row.json()?))
        })?;
        let expires_at = now.plus_seconds(TRIED_FOR_S);
        for (client, metadata) in clients {
            if metadata.backchannel_logout_uri.is_some() {
                self.run(INSERT, params![client, now, expires_at, ended])?;
            }
        }
        Ok(())
    }

    /// Begins a try that is over by `next_at`, if nobody else has begun one since `delivery` was read.
    pub fn claim_logout_delivery(
        &mut self,
        delivery: &LogoutDelivery,
        next_at: Timestamp,
    ) -> Result<bool, StoreError> {
        let LogoutDelivery { session_id, client_id, next_at: seen, .. } = *delivery;
        Ok(self.run(CLAIM, params![next_at, session_id, client_id, seen])? == 1)
    }

    /// Ends a delivery; `false` when it had ended already.
    pub fn delete_logout_delivery(&mut self, delivery: &LogoutDelivery) -> Result<bool, StoreError> {
        Ok(self.run(DELETE, params![delivery.session_id, delivery.client_id])? == 1)
    }
}
