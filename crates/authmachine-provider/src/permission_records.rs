//! Rows of the permission system; what they mean is decided in `authmachine-permissions`.

use authmachine_protocol::Timestamp;

use crate::ids::{GroupId, ObjectId, PermissionGrantId, PermissionTypeId, UserId};

/// An object: something that permissions are about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Object {
    /// The row.
    pub id: ObjectId,
    /// Its code, unique.
    pub code: String,
    /// What people read.
    pub name: String,
}

/// A permission type, such as `read`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PermissionType {
    /// The row.
    pub id: PermissionTypeId,
    /// Its code, unique.
    pub code: String,
    /// What people read.
    pub name: String,
}

/// A group of users.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    /// The row.
    pub id: GroupId,
    /// Its code, unique.
    pub code: String,
    /// What people read.
    pub name: String,
}

/// Who holds a permission.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Holder {
    /// A user.
    User(UserId),
    /// Each member of a group.
    Group(GroupId),
}

/// A permission grant: a holder may do something on one object, for some time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PermissionGrant {
    /// The row.
    pub id: PermissionGrantId,
    /// Who.
    pub holder: Holder,
    /// On what.
    pub object_id: ObjectId,
    /// What.
    pub type_id: PermissionTypeId,
    /// From when.
    pub not_before: Option<Timestamp>,
    /// Until when; live while `now < not_after`.
    pub not_after: Option<Timestamp>,
    /// When it was given.
    pub created_at: Timestamp,
}

/// A permission grant with the words that people use: for lists.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PermissionGrantLine {
    /// The grant.
    pub grant: PermissionGrant,
    /// The user's name or the group's code.
    pub holder: String,
    /// The object's code.
    pub object: String,
    /// The type's code.
    pub permission_type: String,
}
