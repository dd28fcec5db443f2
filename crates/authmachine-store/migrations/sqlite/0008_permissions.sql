-- The permission engine: kinds and trees of objects, types that imply types, groups in groups, whole grants, delegations.

ALTER TABLE objects ADD COLUMN object_type TEXT NOT NULL DEFAULT 'object';
ALTER TABLE objects ADD COLUMN parent_id INTEGER REFERENCES objects (id) CHECK (parent_id <> id);
ALTER TABLE objects ADD COLUMN attributes TEXT CHECK (LENGTH(attributes) <= 4096);
ALTER TABLE objects ADD COLUMN disabled INTEGER NOT NULL DEFAULT 0 CHECK (disabled IN (0, 1));

-- implies: a JSON list of ids.
ALTER TABLE permission_types ADD COLUMN implies TEXT NOT NULL DEFAULT '[]';

-- trusted: whether what it says of a subject beats what is stored.
ALTER TABLE clients ADD COLUMN trusted INTEGER NOT NULL DEFAULT 0 CHECK (trusted IN (0, 1));

-- What would never be live says nothing.
DELETE FROM memberships WHERE not_after <= not_before;

-- A group in a group.
CREATE TABLE nestings (
    member_id INTEGER NOT NULL REFERENCES user_groups (id) ON DELETE CASCADE,
    group_id INTEGER NOT NULL REFERENCES user_groups (id) ON DELETE CASCADE,
    not_before INTEGER,
    not_after INTEGER,
    PRIMARY KEY (member_id, group_id),
    CHECK (member_id <> group_id),
    CHECK (not_before < not_after)
) STRICT, WITHOUT ROWID;

-- Which group is in which over nestings, at whatever time; each is in itself.
CREATE TABLE group_closure (
    member_id INTEGER NOT NULL REFERENCES user_groups (id) ON DELETE CASCADE,
    group_id INTEGER NOT NULL REFERENCES user_groups (id) ON DELETE CASCADE,
    PRIMARY KEY (member_id, group_id)
) STRICT, WITHOUT ROWID;

INSERT INTO group_closure (member_id, group_id) SELECT id, id FROM user_groups;

-- holder_kind: user, group, client, everyone. On one object or on all of a type. delegable: hops, 255 for any number.
CREATE TEMPORARY TABLE old_grants AS SELECT * FROM permission_grants;
DROP TABLE permission_grants;
CREATE TABLE permission_grants (
    id INTEGER PRIMARY KEY,
    holder_kind TEXT NOT NULL CHECK (holder_kind IN ('user', 'group', 'client', 'everyone')),
    holder_id INTEGER NOT NULL,
    object_id INTEGER REFERENCES objects (id) ON DELETE CASCADE,
    object_type TEXT,
    type_id INTEGER NOT NULL REFERENCES permission_types (id),
    include_children INTEGER NOT NULL DEFAULT 0 CHECK (include_children IN (0, 1)),
    delegable INTEGER NOT NULL DEFAULT 0 CHECK (delegable BETWEEN 0 AND 5 OR delegable = 255),
    not_before INTEGER,
    not_after INTEGER,
    condition TEXT CHECK (LENGTH(condition) <= 4096),
    condition_sha256 BLOB NOT NULL DEFAULT x'',
    source TEXT NOT NULL DEFAULT 'admin' CHECK (source IN ('admin', 'scim', 'import', 'api')),
    created_by TEXT NOT NULL DEFAULT '',
    created_at INTEGER NOT NULL,
    CHECK ((holder_kind = 'everyone') = (holder_id = 0)),
    CHECK ((object_id IS NULL) <> (object_type IS NULL)),
    CHECK (object_type IS NULL OR include_children = 0),
    CHECK (not_before < not_after),
    CHECK ((condition IS NULL) = (condition_sha256 = x''))
) STRICT;
INSERT INTO permission_grants (id, holder_kind, holder_id, object_id, type_id, not_before, not_after, created_at)
    SELECT id, holder_kind, holder_id, object_id, type_id, not_before, not_after, created_at FROM old_grants
    WHERE not_before IS NULL OR not_after IS NULL OR not_before < not_after;
DROP TABLE old_grants;

-- from_user lends to to_user what from_user holds. created_by: a user, or nobody for an administrator.
CREATE TABLE delegations (
    id INTEGER PRIMARY KEY,
    from_user INTEGER NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    to_user INTEGER NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    object_id INTEGER NOT NULL REFERENCES objects (id) ON DELETE CASCADE,
    include_children INTEGER NOT NULL CHECK (include_children IN (0, 1)),
    type_id INTEGER NOT NULL REFERENCES permission_types (id),
    hops_left INTEGER NOT NULL CHECK (hops_left BETWEEN 0 AND 5),
    expires_at INTEGER,
    condition TEXT CHECK (LENGTH(condition) <= 4096),
    parent_id INTEGER REFERENCES delegations (id) ON DELETE SET NULL,
    created_by INTEGER,
    created_at INTEGER NOT NULL,
    ended_at INTEGER,
    end_reason TEXT,
    CHECK (from_user <> to_user),
    CHECK ((ended_at IS NULL) = (end_reason IS NULL))
) STRICT;

-- Where a row stood that may be gone by now: the grant's holder and target, who took a delegation, the group of a membership.
ALTER TABLE changes ADD COLUMN holder_kind TEXT;
ALTER TABLE changes ADD COLUMN holder_id INTEGER;
ALTER TABLE changes ADD COLUMN object_id INTEGER;
ALTER TABLE changes ADD COLUMN object_type TEXT;
ALTER TABLE changes ADD COLUMN group_id INTEGER;

CREATE INDEX objects_by_parent ON objects (parent_id) WHERE parent_id IS NOT NULL;
CREATE INDEX objects_by_type ON objects (object_type, code);
CREATE INDEX nestings_by_group ON nestings (group_id);
CREATE INDEX group_closure_by_group ON group_closure (group_id);
CREATE UNIQUE INDEX permission_grants_once ON permission_grants
    (holder_kind, holder_id, (COALESCE(object_id, 0)), (COALESCE(object_type, '')), type_id, condition_sha256);
CREATE INDEX permission_grants_by_object ON permission_grants (object_id) WHERE object_id IS NOT NULL;
CREATE INDEX permission_grants_by_type ON permission_grants (object_type) WHERE object_type IS NOT NULL;
CREATE UNIQUE INDEX delegations_that_run
    ON delegations (from_user, to_user, object_id, type_id) WHERE ended_at IS NULL;
CREATE INDEX delegations_by_giver ON delegations (from_user);
CREATE INDEX delegations_by_taker ON delegations (to_user);
CREATE INDEX delegations_by_object ON delegations (object_id);
CREATE INDEX delegations_by_parent ON delegations (parent_id) WHERE parent_id IS NOT NULL;
