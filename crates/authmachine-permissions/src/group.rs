//! Groups and who is in them.

use crate::graph::{EdgeError, check_edge};
use crate::ids::{GroupId, UserId};
use crate::validity::Validity;

/// The deepest that groups may stand in each other.
pub const MAX_GROUP_DEPTH: usize = 16;

/// A group, as far as decisions need it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    /// The row.
    pub id: GroupId,
    /// Its code, unique.
    pub code: String,
}

/// What can be in a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Member {
    /// A user.
    User(UserId),
    /// All that is in another group.
    Group(GroupId),
}

/// A user or group in a group, for some time. One at most for each pair.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Membership {
    /// Who.
    pub member: Member,
    /// In which group.
    pub group: GroupId,
    /// When.
    pub validity: Validity,
}

/// Checks that `member` may be put into `group`. `groups_of` and `groups_in` tell how groups stand in each other, at any
/// time: a membership that has not begun counts, since it will.
///
/// # Errors
/// [`EdgeError`].
pub fn check_membership(
    member: Member,
    group: GroupId,
    groups_of: impl Fn(GroupId) -> Vec<GroupId>,
    groups_in: impl Fn(GroupId) -> Vec<GroupId>,
) -> Result<(), EdgeError> {
    // A user is one more step below the groups.
    let below = |node| match node {
        Member::User(_) => vec![],
        Member::Group(id) => groups_in(id).into_iter().map(Member::Group).collect(),
    };
    let above = |node| match node {
        Member::User(_) => vec![],
        Member::Group(id) => groups_of(id).into_iter().map(Member::Group).collect(),
    };
    check_edge(member, Member::Group(group), above, below, MAX_GROUP_DEPTH)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_nest_in_no_circle_and_16_deep_at_most() {
        // 1 in 2 in … in 17
        let up = |id: GroupId| if id.0 < 17 { vec![GroupId(id.0 + 1)] } else { vec![] };
        let down = |id: GroupId| if id.0 > 1 { vec![GroupId(id.0 - 1)] } else { vec![] };
        let check = |member, group| check_membership(member, GroupId(group), up, down);
        assert_eq!(check(Member::User(UserId(1)), 2), Ok(()), "16 steps");
        assert_eq!(check(Member::User(UserId(1)), 1), Err(EdgeError::TooDeep(16)));
        assert_eq!(check(Member::Group(GroupId(17)), 1), Err(EdgeError::Cycle));
        assert_eq!(check(Member::Group(GroupId(5)), 5), Err(EdgeError::Cycle));
        assert_eq!(check(Member::Group(GroupId(17)), 18), Err(EdgeError::TooDeep(16)), "17 from the bottom");
    }
}
