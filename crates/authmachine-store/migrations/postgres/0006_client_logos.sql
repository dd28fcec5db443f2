-- Copies of clients' logos, as browsers get them. png: none until it was fetched from the source.
CREATE TABLE client_logos (
    client_id BIGINT NOT NULL PRIMARY KEY REFERENCES clients (id) ON DELETE CASCADE,
    source TEXT COLLATE "C" NOT NULL,
    png BYTEA,
    fetched_at BIGINT NOT NULL
);

-- Clients that registered themselves go by their last use, and with a client what people allowed it.
CREATE INDEX clients_by_use ON clients (COALESCE(last_used_at, created_at)) WHERE registration_sha256 IS NOT NULL;
CREATE INDEX consents_by_client ON consents (client_id);
