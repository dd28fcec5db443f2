-- From when a key signs. Those that are there sign since they were made.
ALTER TABLE signing_keys ADD COLUMN active_from BIGINT;
