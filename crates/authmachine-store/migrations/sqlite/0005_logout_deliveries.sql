-- Clients that are still to be told that a session has ended. It has all that it takes: the session's row may go before.
CREATE TABLE logout_deliveries (
    session_id INTEGER NOT NULL,
    client_id INTEGER NOT NULL,
    sid TEXT NOT NULL,
    sub TEXT NOT NULL,
    attempts INTEGER NOT NULL,
    next_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    PRIMARY KEY (session_id, client_id)
) STRICT, WITHOUT ROWID;

CREATE INDEX logout_deliveries_by_client ON logout_deliveries (client_id, next_at);
