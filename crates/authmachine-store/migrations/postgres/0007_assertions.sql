-- Client assertions that were used: whoever inserts one first has used it.
CREATE TABLE assertion_ids (
    client_id BIGINT NOT NULL,
    jti_sha256 BYTEA NOT NULL,
    expires_at BIGINT NOT NULL,
    PRIMARY KEY (client_id, jti_sha256)
);

CREATE INDEX assertion_ids_by_expiry ON assertion_ids (expires_at);
