-- What clients register beside what they may ask for. Four have columns of their own, since tokens and clean-up ask for them; the
-- rest is the JSON object `metadata`.
-- last_used_at: of clients that registered themselves, so that those that nobody uses may go.
ALTER TABLE clients ADD COLUMN userinfo_alg TEXT COLLATE "C";
ALTER TABLE clients ADD COLUMN sector TEXT COLLATE "C";
ALTER TABLE clients ADD COLUMN metadata TEXT COLLATE "C" NOT NULL DEFAULT '{}';
ALTER TABLE clients ADD COLUMN registration_sha256 BYTEA;
ALTER TABLE clients ADD COLUMN last_used_at BIGINT;
