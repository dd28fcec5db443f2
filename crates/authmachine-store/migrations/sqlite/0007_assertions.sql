-- Client assertions that were used: whoever inserts one first has used it.
CREATE TABLE assertion_ids (
    client_id INTEGER NOT NULL,
    jti_sha256 BLOB NOT NULL,
    expires_at INTEGER NOT NULL,
    PRIMARY KEY (client_id, jti_sha256)
) STRICT, WITHOUT ROWID;

CREATE INDEX assertion_ids_by_expiry ON assertion_ids (expires_at);
