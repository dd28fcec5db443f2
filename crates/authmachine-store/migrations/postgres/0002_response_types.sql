-- What a client may ask for at the authorization endpoint: a JSON array, since a response type has spaces. Those that are there
-- could ask for codes alone.
ALTER TABLE clients ADD COLUMN response_types TEXT NOT NULL DEFAULT '["code"]';
