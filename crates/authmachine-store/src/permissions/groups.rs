//! Groups, who is in them, and the closure: which group is in which, over any number of steps.
//!
//! The closure holds reachability alone, at whatever time, of groups alone. Limits of time lie on the edges, and a reader that
//! takes candidates from the closure asks the edges between them (see `docs/decisions/0009-groups-and-their-closure-in-sql.md`).

use std::collections::HashMap;

use authmachine_permissions::{check_group_code, check_membership};
use authmachine_provider::ids::{GroupId, UserId};
use authmachine_provider::permission_records::{Group, Member, Membership, MembershipLine, Named};
use authmachine_provider::user::User;

use super::{NotWritten, read_validity};
use crate::changes::{GROUP, MEMBERSHIP, NESTING, Place};
use crate::error::StoreError;
use crate::statements::statements;
use crate::unit::{Reads, Tx};
use crate::users;
use crate::value::{Row, params};

statements! {
    FIND = "SELECT id, code, name FROM user_groups WHERE code = $1";
    FIND_BY_ID = "SELECT id, code, name FROM user_groups WHERE id = $1";
    LIST_GROUPS = "SELECT id, code, name FROM user_groups WHERE code > $1 ORDER BY code LIMIT $2";
    PUT = "INSERT INTO user_groups (id, code, name) VALUES ($1, $2, $3)
        ON CONFLICT (id) DO UPDATE SET name = excluded.name";
    INTO_CLOSURE = "INSERT INTO group_closure (member_id, group_id) VALUES ($1, $1) ON CONFLICT DO NOTHING";
    /// With its memberships and its places in the closure.
    DELETE = "DELETE FROM user_groups WHERE id = $1";
    DELETE_GRANTS = "DELETE FROM permission_grants WHERE holder_kind = 'group' AND holder_id = $1";

    PUT_MEMBERSHIP = "INSERT INTO memberships (user_id, group_id, not_before, not_after) VALUES ($1, $2, $3, $4)
        ON CONFLICT (user_id, group_id) DO UPDATE SET not_before = excluded.not_before, not_after = excluded.not_after";
    DELETE_MEMBERSHIP = "DELETE FROM memberships WHERE user_id = $1 AND group_id = $2";
    PUT_NESTING = "INSERT INTO nestings (member_id, group_id, not_before, not_after) VALUES ($1, $2, $3, $4)
        ON CONFLICT (member_id, group_id) DO UPDATE SET not_before = excluded.not_before, not_after = excluded.not_after";
    DELETE_NESTING = "DELETE FROM nestings WHERE member_id = $1 AND group_id = $2";
    NESTINGS_OF = "SELECT member_id, group_id FROM nestings WHERE member_id = $1
        UNION ALL SELECT member_id, group_id FROM nestings WHERE group_id = $2";

    LIST_MEMBERS = concat!("SELECT ", users::columns!(), " FROM memberships
        JOIN users ON users.id = memberships.user_id WHERE memberships.group_id = $1 ORDER BY users.id");
    USERS_IN = "SELECT memberships.user_id, memberships.group_id, memberships.not_before, memberships.not_after,
            users.username, user_groups.code
        FROM memberships JOIN users ON users.id = memberships.user_id
        JOIN user_groups ON user_groups.id = memberships.group_id
        WHERE memberships.group_id = $1 AND memberships.user_id > $2 ORDER BY memberships.user_id LIMIT $3";
    GROUPS_IN = "SELECT nestings.member_id, nestings.group_id, nestings.not_before, nestings.not_after,
            inner_groups.code, user_groups.code
        FROM nestings JOIN user_groups AS inner_groups ON inner_groups.id = nestings.member_id
        JOIN user_groups ON user_groups.id = nestings.group_id
        WHERE nestings.group_id = $1 AND nestings.member_id > $2 ORDER BY nestings.member_id LIMIT $3";
    GROUPS_OF_USER = "SELECT memberships.user_id, memberships.group_id, memberships.not_before, memberships.not_after,
            users.username, user_groups.code
        FROM memberships JOIN users ON users.id = memberships.user_id
        JOIN user_groups ON user_groups.id = memberships.group_id
        WHERE memberships.user_id = $1 AND memberships.group_id > $2 ORDER BY memberships.group_id LIMIT $3";
    GROUPS_OF_GROUP = "SELECT nestings.member_id, nestings.group_id, nestings.not_before, nestings.not_after,
            inner_groups.code, user_groups.code
        FROM nestings JOIN user_groups AS inner_groups ON inner_groups.id = nestings.member_id
        JOIN user_groups ON user_groups.id = nestings.group_id
        WHERE nestings.member_id = $1 AND nestings.group_id > $2 ORDER BY nestings.group_id LIMIT $3";

    LIST_CLOSURE = "SELECT member_id, group_id FROM group_closure ORDER BY member_id, group_id";
    /// The edges up from a group, and up from where they lead.
    EDGES_UP = "SELECT nestings.member_id, nestings.group_id FROM group_closure
        JOIN nestings ON nestings.member_id = group_closure.group_id WHERE group_closure.member_id = $1";
    EDGES_DOWN = "SELECT nestings.member_id, nestings.group_id FROM group_closure
        JOIN nestings ON nestings.group_id = group_closure.member_id WHERE group_closure.group_id = $1";
    /// Whatever is in the inner group ($1) is in whatever the outer one ($2) is in.
    CLOSE = "INSERT INTO group_closure (member_id, group_id) SELECT below.member_id, above.group_id
        FROM group_closure AS below, group_closure AS above WHERE below.group_id = $1 AND above.member_id = $2
        ON CONFLICT DO NOTHING";
    /// All that may have come over the edge from $1 to $2,
    OPEN = "DELETE FROM group_closure WHERE member_id IN (SELECT member_id FROM group_closure WHERE group_id = $1)
        AND group_id IN (SELECT group_id FROM group_closure WHERE member_id = $2)";
    /// and, a step at a time from above, what has another way.
    CLOSE_AGAIN = "INSERT INTO group_closure (member_id, group_id) SELECT DISTINCT nestings.member_id, above.group_id
        FROM group_closure AS below JOIN nestings ON nestings.member_id = below.member_id
        JOIN group_closure AS above ON above.member_id = nestings.group_id
        WHERE below.group_id = $1 AND above.group_id IN (SELECT group_id FROM group_closure WHERE member_id = $2)
        ON CONFLICT DO NOTHING";
}

fn read_named(row: &mut Row<'_>) -> Result<Named<Group>, StoreError> {
    Ok(Named { record: read(row)?, name: row.get()? })
}

pub(super) fn read(row: &mut Row<'_>) -> Result<Group, StoreError> {
    row.table("user_groups");
    Ok(Group { id: row.get()?, code: row.get()? })
}

pub(super) fn read_membership(row: &mut Row<'_>) -> Result<Membership, StoreError> {
    row.table("memberships");
    Ok(Membership { member: Member::User(row.get()?), group: row.get()?, validity: read_validity(row)? })
}

pub(super) fn read_nesting(row: &mut Row<'_>) -> Result<Membership, StoreError> {
    row.table("nestings");
    Ok(Membership { member: Member::Group(row.get()?), group: row.get()?, validity: read_validity(row)? })
}

/// Edges between groups, by one of their ends.
type Edges = HashMap<GroupId, Vec<GroupId>>;

impl Reads {
    /// The group with that code.
    pub fn find_group(&mut self, code: &str) -> Result<Option<Named<Group>>, StoreError> {
        self.one(FIND, params![code], read_named)
    }

    /// The group in the row `id`.
    pub fn find_group_by_id(&mut self, id: GroupId) -> Result<Option<Named<Group>>, StoreError> {
        self.one(FIND_BY_ID, params![id], read_named)
    }

    /// The groups after the code `after`, by code, at most `limit`.
    pub fn list_groups(&mut self, after: Option<&str>, limit: i64) -> Result<Vec<Named<Group>>, StoreError> {
        self.all(LIST_GROUPS, params![after.unwrap_or_default(), limit], read_named)
    }

    /// The users who are in a group themselves, whether their membership is live or not.
    pub fn list_members(&mut self, group: GroupId) -> Result<Vec<User>, StoreError> {
        self.all(LIST_MEMBERS, params![group], users::read)
    }

    /// Who is in a group itself, after the member `after`: first users, then groups, oldest first, at most `limit`.
    pub fn list_memberships_in(
        &mut self,
        group: GroupId,
        after: Option<Member>,
        limit: i64,
    ) -> Result<Vec<MembershipLine>, StoreError> {
        let (users_after, groups_after) = match after {
            None => (Some(i64::MIN), i64::MIN),
            Some(Member::User(id)) => (Some(id.0), i64::MIN),
            Some(Member::Group(id)) => (None, id.0),
        };
        let mut lines = match users_after {
            Some(after) => {
                self.all(USERS_IN, params![group, after, limit], |row| line(row, read_membership))?
            }
            None => Vec::new(),
        };
        let left = limit - i64::try_from(lines.len()).unwrap_or(limit);
        if left > 0 {
            lines.extend(
                self.all(GROUPS_IN, params![group, groups_after, left], |row| line(row, read_nesting))?,
            );
        }
        Ok(lines)
    }

    /// The groups that a member is in itself, after the group `after`, oldest first, at most `limit`.
    pub fn list_memberships_of(
        &mut self,
        member: Member,
        after: Option<GroupId>,
        limit: i64,
    ) -> Result<Vec<MembershipLine>, StoreError> {
        let after = after.map_or(i64::MIN, |id| id.0);
        match member {
            Member::User(id) => {
                self.all(GROUPS_OF_USER, params![id, after, limit], |row| line(row, read_membership))
            }
            Member::Group(id) => {
                self.all(GROUPS_OF_GROUP, params![id, after, limit], |row| line(row, read_nesting))
            }
        }
    }

    /// Which group is in which, at whatever time, each in itself: for tests and for whoever checks the closure.
    pub fn list_group_closure(&mut self) -> Result<Vec<(GroupId, GroupId)>, StoreError> {
        self.all(LIST_CLOSURE, &[], |row| Ok((row.get()?, row.get()?)))
    }

    fn edges(&mut self, sql: &'static str, group: GroupId) -> Result<Vec<(GroupId, GroupId)>, StoreError> {
        self.all(sql, params![group], |row| Ok((row.get()?, row.get()?)))
    }
}

fn line(
    row: &mut Row<'_>,
    read: fn(&mut Row<'_>) -> Result<Membership, StoreError>,
) -> Result<MembershipLine, StoreError> {
    Ok(MembershipLine { membership: read(row)?, member: row.get()?, group: row.get()? })
}

impl Tx {
    /// Stores a new group, or the name of one that is there.
    pub fn put_group(&mut self, group: &Named<Group>) -> Result<Result<(), NotWritten>, StoreError> {
        self.hold_changes()?;
        match self.find_group_by_id(group.id)? {
            Some(known) if known.code != group.code => return Ok(Err(NotWritten::CodeChanged)),
            Some(_) => {}
            None => {
                if let Err(error) = check_group_code(&group.code) {
                    return Ok(Err(error.into()));
                }
                if self.find_group(&group.code)?.is_some() {
                    return Ok(Err(NotWritten::CodeTaken));
                }
            }
        }
        self.run(PUT, params![group.id, &group.code, &group.name])?;
        self.run(INTO_CLOSURE, params![group.id])?;
        self.note(GROUP, group.id.0, None).map(Ok)
    }

    /// Removes a group, and with it who was in it, in what it was, and what it was granted; `false` when there is none. Its
    /// members stay what they are, without what they had by it.
    pub fn remove_group(&mut self, id: GroupId) -> Result<bool, StoreError> {
        self.hold_changes()?;
        for (member, group) in self.all(NESTINGS_OF, params![id, id], |row| Ok((row.get()?, row.get()?)))? {
            self.remove_nesting(member, group)?;
        }
        self.run(DELETE_GRANTS, params![id])?;
        if self.run(DELETE, params![id])? == 0 {
            return Ok(false);
        }
        // Memberships and grants of what is not there count for nothing: one change says it all.
        self.note(GROUP, id.0, None)?;
        Ok(true)
    }

    /// Puts a user or group into a group for some time; a membership that is there gets this time.
    pub fn put_membership(&mut self, membership: &Membership) -> Result<Result<(), NotWritten>, StoreError> {
        self.hold_changes()?;
        let Membership { member, group, validity } = *membership;
        if self.find_group_by_id(group)?.is_none() {
            return Ok(Err(NotWritten::UnknownGroup));
        }
        let up = self.edges(EDGES_UP, group)?;
        let down = match member {
            Member::User(id) => {
                if self.find_user(id)?.is_none() {
                    return Ok(Err(NotWritten::UnknownUser));
                }
                Vec::new()
            }
            Member::Group(id) => {
                if self.find_group_by_id(id)?.is_none() {
                    return Ok(Err(NotWritten::UnknownGroup));
                }
                self.edges(EDGES_DOWN, id)?
            }
        };
        let (mut groups_of, mut groups_in) = (Edges::new(), Edges::new());
        // A change of time must not be in its own way.
        let is_other = |edge: &&(GroupId, GroupId)| (Member::Group(edge.0), edge.1) != (member, group);
        for (inner, outer) in up.iter().filter(is_other) {
            groups_of.entry(*inner).or_default().push(*outer);
        }
        for (inner, outer) in down.iter().filter(is_other) {
            groups_in.entry(*outer).or_default().push(*inner);
        }
        let find = |edges: &Edges, id| edges.get(&id).cloned().unwrap_or_default();
        let checked = check_membership(member, group, |id| find(&groups_of, id), |id| find(&groups_in, id));
        if let Err(error) = checked {
            return Ok(Err(error.into()));
        }
        let (not_before, not_after) = (validity.not_before(), validity.not_after());
        let place = Place { group: Some(group), ..Place::default() };
        match member {
            Member::User(id) => {
                self.run(PUT_MEMBERSHIP, params![id, group, not_before, not_after])?;
                self.note_at(MEMBERSHIP, id.0, place, None)?;
            }
            Member::Group(id) => {
                self.run(PUT_NESTING, params![id, group, not_before, not_after])?;
                self.run(CLOSE, params![id, group])?;
                self.note_at(NESTING, id.0, place, None)?;
            }
        }
        Ok(Ok(()))
    }

    /// Takes a user or group out of a group; `false` when it was not in it.
    pub fn remove_membership(&mut self, member: Member, group: GroupId) -> Result<bool, StoreError> {
        self.hold_changes()?;
        match member {
            Member::User(id) => self.remove_user_from(id, group),
            Member::Group(id) => self.remove_nesting(id, group),
        }
    }

    fn remove_user_from(&mut self, user: UserId, group: GroupId) -> Result<bool, StoreError> {
        if self.run(DELETE_MEMBERSHIP, params![user, group])? == 0 {
            return Ok(false);
        }
        self.note_at(MEMBERSHIP, user.0, Place { group: Some(group), ..Place::default() }, None)?;
        Ok(true)
    }

    fn remove_nesting(&mut self, member: GroupId, group: GroupId) -> Result<bool, StoreError> {
        if self.run(DELETE_NESTING, params![member, group])? == 0 {
            return Ok(false);
        }
        self.run(OPEN, params![member, group])?;
        while self.run(CLOSE_AGAIN, params![member, group])? > 0 {}
        self.note_at(NESTING, member.0, Place { group: Some(group), ..Place::default() }, None)?;
        Ok(true)
    }
}
