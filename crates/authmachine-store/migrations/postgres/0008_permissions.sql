-- The permission engine: kinds and trees of objects, types that imply types, groups in groups, whole grants, delegations.

ALTER TABLE objects ADD COLUMN object_type TEXT COLLATE "C" NOT NULL DEFAULT 'object';
ALTER TABLE objects ADD COLUMN parent_id BIGINT REFERENCES objects (id) CHECK (parent_id <> id);
ALTER TABLE objects ADD COLUMN attributes TEXT COLLATE "C" CHECK (LENGTH(attributes) <= 4096);
ALTER TABLE objects ADD COLUMN disabled BOOLEAN NOT NULL DEFAULT FALSE;

-- implies: a JSON list of ids.
ALTER TABLE permission_types ADD COLUMN implies TEXT COLLATE "C" NOT NULL DEFAULT '[]';

-- trusted: whether what it says of a subject beats what is stored.
ALTER TABLE clients ADD COLUMN trusted BOOLEAN NOT NULL DEFAULT FALSE;

-- What would never be live says nothing.
DELETE FROM memberships WHERE not_after <= not_before;

-- A group in a group.
CREATE TABLE nestings (
    member_id BIGINT NOT NULL REFERENCES user_groups (id) ON DELETE CASCADE,
    group_id BIGINT NOT NULL REFERENCES user_groups (id) ON DELETE CASCADE,
    not_before BIGINT,
    not_after BIGINT,
    PRIMARY KEY (member_id, group_id),
    CHECK (member_id <> group_id),
    CHECK (not_before < not_after)
);

-- Which group is in which over nestings, at whatever time; each is in itself.
CREATE TABLE group_closure (
    member_id BIGINT NOT NULL REFERENCES user_groups (id) ON DELETE CASCADE,
    group_id BIGINT NOT NULL REFERENCES user_groups (id) ON DELETE CASCADE,
    PRIMARY KEY (member_id, group_id)
);

INSERT INTO group_closure (member_id, group_id) SELECT id, id FROM user_groups;

-- holder_kind: user, group, client, everyone. On one object or on all of a type. delegable: hops, 255 for any number.
CREATE TEMPORARY TABLE old_grants AS SELECT * FROM permission_grants;
DROP TABLE permission_grants;
CREATE TABLE permission_grants (
    id BIGINT PRIMARY KEY,
    holder_kind TEXT COLLATE "C" NOT NULL CHECK (holder_kind IN ('user', 'group', 'client', 'everyone')),
    holder_id BIGINT NOT NULL,
    object_id BIGINT REFERENCES objects (id) ON DELETE CASCADE,
    object_type TEXT COLLATE "C",
    type_id BIGINT NOT NULL REFERENCES permission_types (id),
    include_children BOOLEAN NOT NULL DEFAULT FALSE,
    delegable BIGINT NOT NULL DEFAULT 0 CHECK (delegable BETWEEN 0 AND 5 OR delegable = 255),
    not_before BIGINT,
    not_after BIGINT,
    condition TEXT COLLATE "C" CHECK (LENGTH(condition) <= 4096),
    condition_sha256 BYTEA NOT NULL DEFAULT '',
    source TEXT COLLATE "C" NOT NULL DEFAULT 'admin' CHECK (source IN ('admin', 'scim', 'import', 'api')),
    created_by TEXT COLLATE "C" NOT NULL DEFAULT '',
    created_at BIGINT NOT NULL,
    CHECK ((holder_kind = 'everyone') = (holder_id = 0)),
    CHECK ((object_id IS NULL) <> (object_type IS NULL)),
    CHECK (object_type IS NULL OR NOT include_children),
    CHECK (not_before < not_after),
    CHECK ((condition IS NULL) = (condition_sha256 = ''))
);
INSERT INTO permission_grants (id, holder_kind, holder_id, object_id, type_id, not_before, not_after, created_at)
    SELECT id, holder_kind, holder_id, object_id, type_id, not_before, not_after, created_at FROM old_grants
    WHERE not_before IS NULL OR not_after IS NULL OR not_before < not_after;
DROP TABLE old_grants;

-- from_user lends to to_user what from_user holds. created_by: a user, or nobody for an administrator.
CREATE TABLE delegations (
    id BIGINT PRIMARY KEY,
    from_user BIGINT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    to_user BIGINT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    object_id BIGINT NOT NULL REFERENCES objects (id) ON DELETE CASCADE,
    include_children BOOLEAN NOT NULL,
    type_id BIGINT NOT NULL REFERENCES permission_types (id),
    hops_left BIGINT NOT NULL CHECK (hops_left BETWEEN 0 AND 5),
    expires_at BIGINT,
    condition TEXT COLLATE "C" CHECK (LENGTH(condition) <= 4096),
    parent_id BIGINT REFERENCES delegations (id) ON DELETE SET NULL,
    created_by BIGINT,
    created_at BIGINT NOT NULL,
    ended_at BIGINT,
    end_reason TEXT COLLATE "C",
    CHECK (from_user <> to_user),
    CHECK ((ended_at IS NULL) = (end_reason IS NULL))
);

-- Where a row stood that may be gone by now: the grant's holder and target, who took a delegation, the group of a membership.
ALTER TABLE changes ADD COLUMN holder_kind TEXT COLLATE "C";
ALTER TABLE changes ADD COLUMN holder_id BIGINT;
ALTER TABLE changes ADD COLUMN object_id BIGINT;
ALTER TABLE changes ADD COLUMN object_type TEXT COLLATE "C";
ALTER TABLE changes ADD COLUMN group_id BIGINT;

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
