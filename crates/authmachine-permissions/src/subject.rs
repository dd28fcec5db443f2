//! Who acts: users, clients, and groups when one asks what a group may do.

use std::sync::Arc;

use crate::attributes::Attributes;
use crate::ids::{ClientId, GroupId, UserId};

/// Who a question is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Subject {
    /// A user.
    User(UserId),
    /// A client, for itself.
    Client(ClientId),
    /// A group: what each of its members has through it.
    Group(GroupId),
}

/// The kinds of [`Subject`], for searches.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SubjectKind {
    /// Users.
    User,
    /// Clients.
    Client,
    /// Groups.
    Group,
}

impl Subject {
    /// What kind it is.
    pub const fn kind(self) -> SubjectKind {
        match self {
            Self::User(_) => SubjectKind::User,
            Self::Client(_) => SubjectKind::Client,
            Self::Group(_) => SubjectKind::Group,
        }
    }
}

impl SubjectKind {
    /// AuthZEN's subject type, and `subject.type` in conditions.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Client => "client",
            Self::Group => "group",
        }
    }

    /// The kind of that name.
    pub fn parse(name: &str) -> Option<Self> {
        [Self::User, Self::Client, Self::Group].into_iter().find(|kind| kind.as_str() == name)
    }
}

/// A user, as far as decisions need it.
#[derive(Clone, Debug, PartialEq)]
pub struct User {
    /// The row.
    pub id: UserId,
    /// A disabled user may do nothing and lends nothing.
    pub disabled: bool,
    /// What conditions may ask about it.
    pub attributes: Option<Arc<Attributes>>,
}

/// A client, as far as decisions need it.
#[derive(Clone, Debug, PartialEq)]
pub struct Client {
    /// The row.
    pub id: ClientId,
    /// A disabled client may do nothing and gets no answer but no.
    pub disabled: bool,
    /// Whether what it says of a subject beats what is stored.
    pub trusted: bool,
    /// What conditions may ask about it.
    pub attributes: Option<Arc<Attributes>>,
}
