//! What is asked.

use authmachine_protocol::Timestamp;

use crate::attributes::Attributes;
use crate::ids::ClientId;
use crate::subject::Subject;

/// May `subject` do `permission` on `object`?
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Question<'a> {
    /// Who.
    pub subject: Subject,
    /// The code of the object.
    pub object: &'a str,
    /// The code of the permission type.
    pub permission: &'a str,
}

/// When and by whom something is asked, and what the asker says about it.
///
/// What the request says of resource, action and context beats what is stored: the asker owns the resource. What is stored of
/// the *subject* beats the asker's words, which only fill gaps, unless the asker is trusted.
#[derive(Clone, Copy, Debug)]
pub struct Circumstances<'a> {
    /// The one reading of the clock for this request.
    pub now: Timestamp,
    /// The client that asks; none when the server asks for its own pages.
    pub asker: Option<ClientId>,
    /// Properties of the subject.
    pub subject: &'a Attributes,
    /// Properties of the resource.
    pub resource: &'a Attributes,
    /// Properties of the action.
    pub action: &'a Attributes,
    /// The context.
    pub context: &'a Attributes,
}

impl Circumstances<'static> {
    /// Asked at `now` by the server itself, with nothing said.
    pub const fn at(now: Timestamp) -> Self {
        let none = Attributes::NONE;
        Self { now, asker: None, subject: none, resource: none, action: none, context: none }
    }
}
