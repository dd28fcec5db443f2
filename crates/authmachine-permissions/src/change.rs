//! What the engine is told: records as they are, and how they change.

use crate::delegation::Delegation;
use crate::grant::{Holder, PermissionGrant, Target};
use crate::group::{Group, Member, Membership};
use crate::ids::{ClientId, DelegationId, GroupId, ObjectId, PermissionGrantId, PermissionTypeId, UserId};
use crate::object::Object;
use crate::permission_type::PermissionType;
use crate::subject::{Client, User};

/// Anything that decisions depend on.
#[derive(Clone, Debug, PartialEq)]
pub enum Record {
    /// A user.
    User(User),
    /// A client.
    Client(Client),
    /// A group.
    Group(Group),
    /// Who is in a group.
    Membership(Membership),
    /// An object.
    Object(Object),
    /// A permission type.
    PermissionType(PermissionType),
    /// A permission grant.
    Grant(PermissionGrant),
    /// A delegation.
    Delegation(Delegation),
}

/// One change: what the record is now, or that it is gone. A record that others refer to may come and go at any time:
/// what refers to one that is not there counts as long as it is there.
#[derive(Clone, Debug, PartialEq)]
pub enum Change {
    /// New, or in place of the one before it.
    Put(Record),
    /// Gone.
    Remove(Removed),
    /// Something that decisions do not depend on: only its place in the feed counts.
    Elsewhere,
}

/// What names a record that is gone. Grants and delegations are found by where they stand, so they say it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Removed {
    /// A user.
    User(UserId),
    /// A client.
    Client(ClientId),
    /// A group.
    Group(GroupId),
    /// Who was in which group.
    Membership(Member, GroupId),
    /// An object.
    Object(ObjectId),
    /// A permission type.
    PermissionType(PermissionTypeId),
    /// Which grant of whom, on what.
    Grant(PermissionGrantId, Holder, Target),
    /// Which delegation, to whom.
    Delegation(DelegationId, UserId),
}

/// A change and its place in the feed, which has no gaps.
#[derive(Clone, Debug, PartialEq)]
pub struct FeedEntry {
    /// Its number: one more than the entry before it.
    pub revision: u64,
    /// What changed.
    pub change: Change,
}
