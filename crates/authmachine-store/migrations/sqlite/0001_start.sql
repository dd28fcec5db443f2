-- Times are milliseconds since 1970; ids are made by us (provider::ids); enums are the standard's words.

-- Key and value pairs of the installation, such as what the master key must open.
CREATE TABLE meta (
    name TEXT NOT NULL PRIMARY KEY,
    value TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- Numbers that grow: the last revision, how far each sweep has come.
CREATE TABLE counters (
    name TEXT NOT NULL PRIMARY KEY,
    value INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE users (
    id INTEGER PRIMARY KEY,
    sub TEXT NOT NULL UNIQUE,
    username TEXT NOT NULL,
    username_folded TEXT NOT NULL UNIQUE,
    email TEXT,
    email_folded TEXT UNIQUE,
    email_verified INTEGER NOT NULL,
    status TEXT NOT NULL,
    claims TEXT NOT NULL,
    epoch INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL
) STRICT;

CREATE TABLE passwords (
    user_id INTEGER PRIMARY KEY REFERENCES users (id) ON DELETE CASCADE,
    hash TEXT NOT NULL,
    changed_at INTEGER NOT NULL
) STRICT;

-- objects: by code, since an object may be attached before it is made.
CREATE TABLE clients (
    id INTEGER PRIMARY KEY,
    client_id TEXT NOT NULL UNIQUE,
    name TEXT NOT NULL,
    secret_hmac BLOB,
    auth_method TEXT,
    kind TEXT NOT NULL,
    first_party INTEGER NOT NULL,
    pkce TEXT,
    grant_types TEXT NOT NULL,
    scopes TEXT NOT NULL,
    id_token_alg TEXT NOT NULL,
    objects TEXT NOT NULL,
    disabled INTEGER NOT NULL,
    created_at INTEGER NOT NULL
) STRICT;

-- kind: redirect, post_logout.
CREATE TABLE client_uris (
    client_id INTEGER NOT NULL REFERENCES clients (id) ON DELETE CASCADE,
    kind TEXT NOT NULL,
    place INTEGER NOT NULL,
    uri TEXT NOT NULL,
    PRIMARY KEY (client_id, kind, place)
) STRICT, WITHOUT ROWID;

-- purge_at: when the last thing issued in it has expired, and the row may go.
CREATE TABLE sessions (
    id INTEGER PRIMARY KEY,
    sha256 BLOB NOT NULL,
    sid TEXT NOT NULL,
    user_id INTEGER NOT NULL,
    user_epoch INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    auth_time INTEGER NOT NULL,
    amr TEXT NOT NULL,
    last_seen_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    ended_at INTEGER,
    tokens_revoked_at INTEGER,
    user_agent TEXT NOT NULL,
    address TEXT NOT NULL,
    purge_at INTEGER NOT NULL
) STRICT;

CREATE TABLE session_clients (
    session_id INTEGER NOT NULL REFERENCES sessions (id) ON DELETE CASCADE,
    client_id INTEGER NOT NULL,
    PRIMARY KEY (session_id, client_id)
) STRICT, WITHOUT ROWID;

CREATE TABLE interactions (
    id INTEGER PRIMARY KEY,
    sha256 BLOB NOT NULL,
    browser_sha256 BLOB NOT NULL,
    request TEXT NOT NULL,
    done TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL
) STRICT;

-- The tables of tokens have no foreign keys and no further index: they are written the most, and each row is reached by its id.
CREATE TABLE grants (
    id INTEGER PRIMARY KEY,
    user_id INTEGER,
    client_id INTEGER NOT NULL,
    session_id INTEGER,
    scopes TEXT NOT NULL,
    claims TEXT NOT NULL,
    nonce TEXT,
    auth_time INTEGER,
    amr TEXT NOT NULL,
    acr TEXT,
    offline INTEGER NOT NULL,
    user_epoch INTEGER NOT NULL,
    consent_version INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    revoked_at INTEGER
) STRICT;

CREATE TABLE authorization_codes (
    id INTEGER PRIMARY KEY,
    sha256 BLOB NOT NULL,
    grant_id INTEGER NOT NULL,
    client_id INTEGER NOT NULL,
    redirect_uri TEXT NOT NULL,
    code_challenge TEXT,
    expires_at INTEGER NOT NULL,
    used_at INTEGER
) STRICT;

CREATE TABLE access_tokens (
    id INTEGER PRIMARY KEY,
    sha256 BLOB NOT NULL,
    grant_id INTEGER NOT NULL,
    scopes TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    revoked_at INTEGER
) STRICT;

CREATE TABLE refresh_families (
    id INTEGER PRIMARY KEY,
    grant_id INTEGER NOT NULL,
    generation INTEGER NOT NULL,
    sha256 BLOB NOT NULL,
    proof_sha256 BLOB NOT NULL,
    scopes TEXT NOT NULL,
    idle_expires_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    revoked_at INTEGER,
    last_answer BLOB,
    last_answer_until INTEGER
) STRICT;

CREATE TABLE consents (
    user_id INTEGER NOT NULL,
    client_id INTEGER NOT NULL,
    scopes TEXT NOT NULL,
    objects TEXT NOT NULL,
    version INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    PRIMARY KEY (user_id, client_id)
) STRICT, WITHOUT ROWID;

CREATE TABLE signing_keys (
    kid TEXT NOT NULL PRIMARY KEY,
    algorithm TEXT NOT NULL,
    private_sealed BLOB NOT NULL,
    created_at INTEGER NOT NULL,
    retired_at INTEGER,
    expires_at INTEGER
) STRICT, WITHOUT ROWID;

CREATE TABLE objects (
    id INTEGER PRIMARY KEY,
    code TEXT NOT NULL UNIQUE,
    name TEXT NOT NULL
) STRICT;

CREATE TABLE permission_types (
    id INTEGER PRIMARY KEY,
    code TEXT NOT NULL UNIQUE,
    name TEXT NOT NULL
) STRICT;

CREATE TABLE user_groups (
    id INTEGER PRIMARY KEY,
    code TEXT NOT NULL UNIQUE,
    name TEXT NOT NULL
) STRICT;

CREATE TABLE memberships (
    group_id INTEGER NOT NULL REFERENCES user_groups (id) ON DELETE CASCADE,
    user_id INTEGER NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    not_before INTEGER,
    not_after INTEGER,
    PRIMARY KEY (user_id, group_id)
) STRICT, WITHOUT ROWID;

-- holder_kind: user, group.
CREATE TABLE permission_grants (
    id INTEGER PRIMARY KEY,
    holder_kind TEXT NOT NULL,
    holder_id INTEGER NOT NULL,
    object_id INTEGER NOT NULL REFERENCES objects (id) ON DELETE CASCADE,
    type_id INTEGER NOT NULL REFERENCES permission_types (id) ON DELETE CASCADE,
    not_before INTEGER,
    not_after INTEGER,
    created_at INTEGER NOT NULL,
    UNIQUE (holder_kind, holder_id, object_id, type_id)
) STRICT;

CREATE TABLE api_tokens (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    sha256 BLOB NOT NULL,
    scopes TEXT NOT NULL,
    all_objects INTEGER NOT NULL,
    objects TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    expires_at INTEGER,
    revoked_at INTEGER,
    last_used_at INTEGER
) STRICT;

CREATE TABLE throttles (
    name BLOB NOT NULL PRIMARY KEY,
    failures INTEGER NOT NULL,
    last_failed_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE events (
    id INTEGER PRIMARY KEY,
    at INTEGER NOT NULL,
    kind TEXT NOT NULL,
    actor TEXT NOT NULL,
    user_sub TEXT,
    client TEXT,
    request_id TEXT,
    address TEXT,
    detail TEXT NOT NULL
) STRICT;

-- What caches and the permission index hold, as it changed. Tokens and sessions never stand here.
CREATE TABLE changes (
    revision INTEGER PRIMARY KEY,
    at INTEGER NOT NULL,
    kind TEXT NOT NULL,
    entity_id INTEGER NOT NULL
) STRICT;

CREATE TABLE schema_steps (
    version INTEGER PRIMARY KEY
) STRICT;

CREATE INDEX client_uris_by_uri ON client_uris (uri);
CREATE INDEX sessions_by_user ON sessions (user_id);
CREATE INDEX memberships_by_group ON memberships (group_id);
CREATE INDEX permission_grants_by_object ON permission_grants (object_id);
CREATE INDEX throttles_by_expiry ON throttles (expires_at);

INSERT INTO counters (name, value) VALUES ('revision', 0);
