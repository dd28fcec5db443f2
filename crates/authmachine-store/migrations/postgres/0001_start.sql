-- Times are milliseconds since 1970; ids are made by us (provider::ids); enums are the standard's words.
-- COLLATE "C": text compares byte for byte, as SQLite does.

-- Key and value pairs of the installation, such as what the master key must open.
CREATE TABLE meta (
    name TEXT COLLATE "C" PRIMARY KEY,
    value TEXT COLLATE "C" NOT NULL
);

-- Numbers that grow: the last revision, how far each sweep has come.
CREATE TABLE counters (
    name TEXT COLLATE "C" PRIMARY KEY,
    value BIGINT NOT NULL
);

CREATE TABLE users (
    id BIGINT PRIMARY KEY,
    sub TEXT COLLATE "C" NOT NULL UNIQUE,
    username TEXT COLLATE "C" NOT NULL,
    username_folded TEXT COLLATE "C" NOT NULL UNIQUE,
    email TEXT COLLATE "C",
    email_folded TEXT COLLATE "C" UNIQUE,
    email_verified BOOLEAN NOT NULL,
    status TEXT COLLATE "C" NOT NULL,
    claims TEXT COLLATE "C" NOT NULL,
    epoch BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL
);

CREATE TABLE passwords (
    user_id BIGINT PRIMARY KEY REFERENCES users (id) ON DELETE CASCADE,
    hash TEXT COLLATE "C" NOT NULL,
    changed_at BIGINT NOT NULL
);

-- objects: by code, since an object may be attached before it is made.
CREATE TABLE clients (
    id BIGINT PRIMARY KEY,
    client_id TEXT COLLATE "C" NOT NULL UNIQUE,
    name TEXT COLLATE "C" NOT NULL,
    secret_hmac BYTEA,
    auth_method TEXT COLLATE "C",
    kind TEXT COLLATE "C" NOT NULL,
    first_party BOOLEAN NOT NULL,
    pkce TEXT COLLATE "C",
    grant_types TEXT COLLATE "C" NOT NULL,
    scopes TEXT COLLATE "C" NOT NULL,
    id_token_alg TEXT COLLATE "C" NOT NULL,
    objects TEXT COLLATE "C" NOT NULL,
    disabled BOOLEAN NOT NULL,
    created_at BIGINT NOT NULL
);

-- kind: redirect, post_logout.
CREATE TABLE client_uris (
    client_id BIGINT NOT NULL REFERENCES clients (id) ON DELETE CASCADE,
    kind TEXT COLLATE "C" NOT NULL,
    place BIGINT NOT NULL,
    uri TEXT COLLATE "C" NOT NULL,
    PRIMARY KEY (client_id, kind, place)
);

-- purge_at: when the last thing issued in it has expired, and the row may go.
CREATE TABLE sessions (
    id BIGINT PRIMARY KEY,
    sha256 BYTEA NOT NULL,
    sid TEXT COLLATE "C" NOT NULL,
    user_id BIGINT NOT NULL,
    user_epoch BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    auth_time BIGINT NOT NULL,
    amr TEXT COLLATE "C" NOT NULL,
    last_seen_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    ended_at BIGINT,
    tokens_revoked_at BIGINT,
    user_agent TEXT COLLATE "C" NOT NULL,
    address TEXT COLLATE "C" NOT NULL,
    purge_at BIGINT NOT NULL
) WITH (fillfactor = 80);

CREATE TABLE session_clients (
    session_id BIGINT NOT NULL REFERENCES sessions (id) ON DELETE CASCADE,
    client_id BIGINT NOT NULL,
    PRIMARY KEY (session_id, client_id)
);

CREATE TABLE interactions (
    id BIGINT PRIMARY KEY,
    sha256 BYTEA NOT NULL,
    browser_sha256 BYTEA NOT NULL,
    request TEXT COLLATE "C" NOT NULL,
    done TEXT COLLATE "C" NOT NULL,
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL
);

-- The tables of tokens have no foreign keys and no further index: they are written the most, and each row is reached by its id.
CREATE TABLE grants (
    id BIGINT PRIMARY KEY,
    user_id BIGINT,
    client_id BIGINT NOT NULL,
    session_id BIGINT,
    scopes TEXT COLLATE "C" NOT NULL,
    claims TEXT COLLATE "C" NOT NULL,
    nonce TEXT COLLATE "C",
    auth_time BIGINT,
    amr TEXT COLLATE "C" NOT NULL,
    acr TEXT COLLATE "C",
    offline BOOLEAN NOT NULL,
    user_epoch BIGINT NOT NULL,
    consent_version BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    revoked_at BIGINT
) WITH (fillfactor = 80);

CREATE TABLE authorization_codes (
    id BIGINT PRIMARY KEY,
    sha256 BYTEA NOT NULL,
    grant_id BIGINT NOT NULL,
    client_id BIGINT NOT NULL,
    redirect_uri TEXT COLLATE "C" NOT NULL,
    code_challenge TEXT COLLATE "C",
    expires_at BIGINT NOT NULL,
    used_at BIGINT
) WITH (fillfactor = 80);

CREATE TABLE access_tokens (
    id BIGINT PRIMARY KEY,
    sha256 BYTEA NOT NULL,
    grant_id BIGINT NOT NULL,
    scopes TEXT COLLATE "C" NOT NULL,
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    revoked_at BIGINT
);

CREATE TABLE refresh_families (
    id BIGINT PRIMARY KEY,
    grant_id BIGINT NOT NULL,
    generation BIGINT NOT NULL,
    sha256 BYTEA NOT NULL,
    proof_sha256 BYTEA NOT NULL,
    scopes TEXT COLLATE "C" NOT NULL,
    idle_expires_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    revoked_at BIGINT,
    last_answer BYTEA,
    last_answer_until BIGINT
) WITH (fillfactor = 80);

CREATE TABLE consents (
    user_id BIGINT NOT NULL,
    client_id BIGINT NOT NULL,
    scopes TEXT COLLATE "C" NOT NULL,
    objects TEXT COLLATE "C" NOT NULL,
    version BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    PRIMARY KEY (user_id, client_id)
);

CREATE TABLE signing_keys (
    kid TEXT COLLATE "C" PRIMARY KEY,
    algorithm TEXT COLLATE "C" NOT NULL,
    private_sealed BYTEA NOT NULL,
    created_at BIGINT NOT NULL,
    retired_at BIGINT,
    expires_at BIGINT
);

CREATE TABLE objects (
    id BIGINT PRIMARY KEY,
    code TEXT COLLATE "C" NOT NULL UNIQUE,
    name TEXT COLLATE "C" NOT NULL
);

CREATE TABLE permission_types (
    id BIGINT PRIMARY KEY,
    code TEXT COLLATE "C" NOT NULL UNIQUE,
    name TEXT COLLATE "C" NOT NULL
);

CREATE TABLE user_groups (
    id BIGINT PRIMARY KEY,
    code TEXT COLLATE "C" NOT NULL UNIQUE,
    name TEXT COLLATE "C" NOT NULL
);

CREATE TABLE memberships (
    group_id BIGINT NOT NULL REFERENCES user_groups (id) ON DELETE CASCADE,
    user_id BIGINT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    not_before BIGINT,
    not_after BIGINT,
    PRIMARY KEY (user_id, group_id)
);

-- holder_kind: user, group.
CREATE TABLE permission_grants (
    id BIGINT PRIMARY KEY,
    holder_kind TEXT COLLATE "C" NOT NULL,
    holder_id BIGINT NOT NULL,
    object_id BIGINT NOT NULL REFERENCES objects (id) ON DELETE CASCADE,
    type_id BIGINT NOT NULL REFERENCES permission_types (id) ON DELETE CASCADE,
    not_before BIGINT,
    not_after BIGINT,
    created_at BIGINT NOT NULL,
    UNIQUE (holder_kind, holder_id, object_id, type_id)
);

CREATE TABLE api_tokens (
    id BIGINT PRIMARY KEY,
    name TEXT COLLATE "C" NOT NULL UNIQUE,
    sha256 BYTEA NOT NULL,
    scopes TEXT COLLATE "C" NOT NULL,
    all_objects BOOLEAN NOT NULL,
    objects TEXT COLLATE "C" NOT NULL,
    created_at BIGINT NOT NULL,
    expires_at BIGINT,
    revoked_at BIGINT,
    last_used_at BIGINT
);

CREATE TABLE throttles (
    name BYTEA PRIMARY KEY,
    failures BIGINT NOT NULL,
    last_failed_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL
);

CREATE TABLE events (
    id BIGINT PRIMARY KEY,
    at BIGINT NOT NULL,
    kind TEXT COLLATE "C" NOT NULL,
    actor TEXT COLLATE "C" NOT NULL,
    user_sub TEXT COLLATE "C",
    client TEXT COLLATE "C",
    request_id TEXT COLLATE "C",
    address TEXT COLLATE "C",
    detail TEXT COLLATE "C" NOT NULL
);

-- What caches and the permission index hold, as it changed. Tokens and sessions never stand here.
CREATE TABLE changes (
    revision BIGINT PRIMARY KEY,
    at BIGINT NOT NULL,
    kind TEXT COLLATE "C" NOT NULL,
    entity_id BIGINT NOT NULL
);

CREATE TABLE schema_steps (
    version BIGINT PRIMARY KEY
);

CREATE INDEX client_uris_by_uri ON client_uris (uri);
CREATE INDEX sessions_by_user ON sessions (user_id);
CREATE INDEX memberships_by_group ON memberships (group_id);
CREATE INDEX permission_grants_by_object ON permission_grants (object_id);
CREATE INDEX throttles_by_expiry ON throttles (expires_at);

INSERT INTO counters (name, value) VALUES ('revision', 0);
