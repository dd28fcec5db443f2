-- What clients register beside what they may ask for. Four have columns of their own, since tokens and clean-up ask for them; the
-- rest is the JSON object `metadata`.
-- last_used_at: of clients that registered themselves, so that those that nobody uses may go.
ALTER TABLE clients ADD COLUMN userinfo_alg TEXT;
ALTER TABLE clients ADD COLUMN sector TEXT;
ALTER TABLE clients ADD COLUMN metadata TEXT NOT NULL DEFAULT '{}';
ALTER TABLE clients ADD COLUMN registration_sha256 BLOB;
ALTER TABLE clients ADD COLUMN last_used_at INTEGER;
