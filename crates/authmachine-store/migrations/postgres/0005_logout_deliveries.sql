-- Clients that are still to be told that a session has ended. It has all that it takes: the session's row may go before.
CREATE TABLE logout_deliveries (
    session_id BIGINT NOT NULL,
    client_id BIGINT NOT NULL,
    sid TEXT COLLATE "C" NOT NULL,
    sub TEXT COLLATE "C" NOT NULL,
    attempts BIGINT NOT NULL,
    next_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    PRIMARY KEY (session_id, client_id)
);

CREATE INDEX logout_deliveries_by_client ON logout_deliveries (client_id, next_at);
