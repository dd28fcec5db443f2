//! Delegations: a user lends another what it holds itself. An edge, never a copy: it gives nothing that its giver does not
//! hold at that moment.

mod rules;
mod tree;

use std::sync::Arc;

use authmachine_protocol::Timestamp;

use crate::condition::Condition;
use crate::ids::{DelegationId, ObjectId, PermissionTypeId, UserId};

pub use rules::{
    Ending, LendFacts, LendRequest, LendSettings, Lent, Party, Refusal, RightSource, Via, may_delegate,
    may_end,
};
pub use tree::{Branch, above, below};

/// The most hops of anything lent.
pub const MAX_HOPS: u8 = 5;

/// A delegation.
#[derive(Clone, Debug, PartialEq)]
pub struct Delegation {
    /// The row.
    pub id: DelegationId,
    /// Who lends.
    pub from: UserId,
    /// Who may use it.
    pub to: UserId,
    /// On which object.
    pub object: ObjectId,
    /// Whether it is on the object's descendants too.
    pub include_children: bool,
    /// What.
    pub permission: PermissionTypeId,
    /// How many times it may be passed on; at most [`MAX_HOPS`].
    pub hops_left: u8,
    /// Until when; in compatibility mode without end.
    pub expires_at: Option<Timestamp>,
    /// Under which condition beside the giver's, asked of the taker.
    pub condition: Option<Arc<Condition>>,
    /// The delegation that the giver passed on; none for a right of its own. For people: decisions ask the giver, not this.
    pub parent: Option<DelegationId>,
    /// Who made it: the giver, or an administrator in its place.
    pub created_by: Party,
    /// When it began.
    pub created_at: Timestamp,
    /// How it ended before its time.
    pub ended: Option<Ending>,
}

impl Delegation {
    /// Whether it has neither expired nor ended.
    pub fn is_live(&self, now: Timestamp) -> bool {
        self.ended.is_none() && self.expires_at.is_none_or(|end| now < end)
    }
}
