-- subject_ids: sub, username, email; what a program means by the id of a user.
ALTER TABLE clients ADD COLUMN subject_ids TEXT COLLATE "C" NOT NULL DEFAULT 'sub';
ALTER TABLE clients ADD COLUMN permissions_in_id_token BOOLEAN NOT NULL DEFAULT FALSE;
ALTER TABLE api_tokens ADD COLUMN subject_ids TEXT COLLATE "C" NOT NULL DEFAULT 'sub';
