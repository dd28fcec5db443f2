//! Clients that are still to be told that a session has ended: a queue that survives a crash and that several nodes share.

use authmachine_provider::Timestamp;
use authmachine_provider::back_channel_logout::{LogoutDelivery, TRIED_FOR_S};
use authmachine_provider::client_metadata::ClientMetadata;
use authmachine_provider::ids::{ClientId, SessionId, UserId};

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
    /// Asked after the sessions have ended, so that whoever joined them before is among them.
    LIST_CLIENTS = "SELECT session_clients.session_id, session_clients.client_id, clients.metadata FROM sessions
        JOIN session_clients ON session_clients.session_id = sessions.id
        JOIN clients ON clients.id = session_clients.client_id WHERE sessions.user_id = $1 AND sessions.ended_at = $2";
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
    /// Of each client that is not `busy`, the delivery that has been due for the longest time; at most `limit`.
    pub fn list_due_logout_deliveries(
        &mut self,
        busy: &[ClientId],
        now: Timestamp,
        limit: usize,
    ) -> Result<Vec<LogoutDelivery>, StoreError> {
        let mut due = Vec::new();
        let mut after = i64::MIN;
        while due.len() < limit {
            let Some(first) = self.one(FIRST_OF_CLIENT, params![after], read)? else { break };
            after = first.client_id.0;
            if first.next_at <= now && !busy.contains(&first.client_id) {
                due.push(first);
            }
        }
        Ok(due)
    }
}

impl Tx {
    /// Has the clients of a user's sessions told that these have `ended` now, if they registered where.
    pub(crate) fn insert_logout_deliveries(
        &mut self,
        user: UserId,
        ended: &[SessionId],
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let clients: Vec<(SessionId, ClientId, ClientMetadata)> =
            self.all(LIST_CLIENTS, params![user, now], |row| {
                row.table("clients");
                Ok((row.get()?, row.get()?, row.json()?))
            })?;
        let expires_at = now.plus_seconds(TRIED_FOR_S);
        for (session, client, metadata) in clients {
            if ended.contains(&session) && metadata.backchannel_logout_uri.is_some() {
                self.run(INSERT, params![client, now, expires_at, session])?;
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
