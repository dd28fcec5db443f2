-- subject_ids: sub, username, email; what a program means by the id of a user.
ALTER TABLE clients ADD COLUMN subject_ids TEXT NOT NULL DEFAULT 'sub';
ALTER TABLE clients ADD COLUMN permissions_in_id_token INTEGER NOT NULL DEFAULT 0;
ALTER TABLE api_tokens ADD COLUMN subject_ids TEXT NOT NULL DEFAULT 'sub';
