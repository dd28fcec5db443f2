//! The permission system: objects, permission types, groups, grants and delegations, and what follows them.
//!
//! Each write checks what it writes with the rules of `authmachine-permissions`, in its unit of work and after
//! [`hold_changes`](crate::Tx): of two that are each allowed alone the second sees the first. A write that is refused has done
//! nothing. Each change is noted in the feed with the place of its row.

pub(crate) mod delegations;
pub(crate) mod feed;
pub(crate) mod grants;
pub(crate) mod groups;
pub(crate) mod held;
pub(crate) mod lending;
pub(crate) mod objects;
pub(crate) mod slice;
pub(crate) mod snapshot;
pub(crate) mod types;

use std::sync::Arc;

use authmachine_permissions::{
    AttributesError, CodeError, Condition, EdgeError, GrantError, Holder, PermissionTypeError, Target,
    Validity,
};
use authmachine_provider::ids::{ClientId, GroupId, ObjectId, PermissionGrantId, UserId};

use crate::error::StoreError;
use crate::value::Row;

/// Why something of the permission system was not written. Nothing has happened then.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotWritten {
    /// Something else has that code.
    #[error("this code is taken")]
    CodeTaken,
    /// Codes are for ever: applications know them.
    #[error("a code cannot be changed")]
    CodeChanged,
    /// A code outside the grammar.
    #[error(transparent)]
    Code(#[from] CodeError),
    /// A cycle, or too deep.
    #[error(transparent)]
    Edge(#[from] EdgeError),
    /// A permission type and what it implies.
    #[error(transparent)]
    PermissionType(#[from] PermissionTypeError),
    /// A grant's parts do not fit together.
    #[error(transparent)]
    Grant(#[from] GrantError),
    /// Attributes that are too large.
    #[error(transparent)]
    Attributes(#[from] AttributesError),
    /// No such object.
    #[error("there is no such object")]
    UnknownObject,
    /// No such permission type.
    #[error("there is no such permission type")]
    UnknownType,
    /// No such group.
    #[error("there is no such group")]
    UnknownGroup,
    /// No such user.
    #[error("there is no such user")]
    UnknownUser,
    /// No such client.
    #[error("there is no such client")]
    UnknownClient,
    /// No such grant.
    #[error("there is no such grant")]
    UnknownGrant,
    /// The same holder, target, type and condition.
    #[error("this is granted already")]
    GrantedAlready(PermissionGrantId),
    /// An object in which others stand: what is granted on them through it would change without a word.
    #[error("other objects stand in this one: move or remove them first")]
    HasChildren,
    /// A permission type that others imply.
    #[error("other permission types imply this one: change them first")]
    IsImplied,
    /// A permission type that is granted or lent.
    #[error("this permission type is granted or lent: remove the grants first")]
    IsUsed,
}

/// A holder of two columns.
fn read_holder(row: &mut Row<'_>) -> Result<Holder, StoreError> {
    let of: fn(i64) -> Holder = row.word(|kind| match kind {
        "user" => Some((|id| Holder::User(UserId(id))) as fn(i64) -> Holder),
        "group" => Some(|id| Holder::Group(GroupId(id))),
        "client" => Some(|id| Holder::Client(ClientId(id))),
        "everyone" => Some(|_| Holder::Everyone),
        _ => None,
    })?;
    row.get().map(of)
}

/// A target of two columns, one of them NULL.
fn read_target(row: &mut Row<'_>) -> Result<Target, StoreError> {
    let (object, object_type): (Option<ObjectId>, Option<String>) = (row.get()?, row.get()?);
    match (object, object_type) {
        (Some(id), _) => Ok(Target::Object(id)),
        (None, Some(object_type)) => Ok(Target::AllOf(object_type)),
        (None, None) => Err(row.corrupt()),
    }
}

fn read_validity(row: &mut Row<'_>) -> Result<Validity, StoreError> {
    Validity::new(row.get()?, row.get()?).map_err(|_| row.corrupt())
}

fn read_condition(row: &mut Row<'_>) -> Result<Option<Arc<Condition>>, StoreError> {
    row.optional(1, |row| row.word(|text| Condition::parse(text).ok().map(Arc::new)))
}

/// Whether a condition may ask about the subject's attributes.
fn asks_about_subjects(condition: &str) -> bool {
    condition.contains("\"subject.")
}
