//! Who has something through whom.

use std::collections::{HashMap, HashSet};

use super::Delegation;
use crate::ids::DelegationId;

/// A delegation and what was passed on from it.
#[derive(Clone, Debug, PartialEq)]
pub struct Branch<'a> {
    /// The delegation.
    pub delegation: &'a Delegation,
    /// What its taker passed on.
    pub below: Vec<Branch<'a>>,
}

/// What was passed on from `root`, as a tree: «who has this through me». `all` holds at least what descends from it.
pub fn below<'a>(root: &'a Delegation, all: &'a [Delegation]) -> Branch<'a> {
    let mut children: HashMap<DelegationId, Vec<&Delegation>> = HashMap::new();
    for delegation in all {
        if let Some(parent) = delegation.parent {
            children.entry(parent).or_default().push(delegation);
        }
    }
    branch(root, &mut children)
}

/// Takes children as it goes, so that rows in a circle end.
fn branch<'a>(
    delegation: &'a Delegation,
    children: &mut HashMap<DelegationId, Vec<&'a Delegation>>,
) -> Branch<'a> {
    let below = children.remove(&delegation.id).unwrap_or_default();
    Branch { delegation, below: below.into_iter().map(|child| branch(child, children)).collect() }
}

/// The delegations that `delegation` was passed on from, nearest first.
pub fn above<'a>(
    delegation: &Delegation,
    find: impl Fn(DelegationId) -> Option<&'a Delegation>,
) -> Vec<&'a Delegation> {
    let mut seen = HashSet::from([delegation.id]);
    let mut chain: Vec<&Delegation> = Vec::new();
    let mut next = delegation.parent;
    while let Some(parent) = next.filter(|id| seen.insert(*id)).and_then(&find) {
        chain.push(parent);
        next = parent.parent;
    }
    chain
}

#[cfg(test)]
mod tests {
    use authmachine_protocol::Timestamp;

    use super::*;
    use crate::delegation::Party;
    use crate::ids::{ObjectId, PermissionTypeId, UserId};

    fn delegation(id: i64, from: i64, to: i64, parent: Option<i64>) -> Delegation {
        Delegation {
            id: DelegationId(id),
            from: UserId(from),
            to: UserId(to),
            object: ObjectId(1),
            include_children: false,
            permission: PermissionTypeId(1),
            hops_left: 3,
            expires_at: None,
            condition: None,
            parent: parent.map(DelegationId),
            created_by: Party::User(UserId(from)),
            created_at: Timestamp::from_ms(0),
            ended: None,
        }
    }

    fn shape(branch: &Branch<'_>) -> String {
        let below: Vec<String> = branch.below.iter().map(shape).collect();
        format!("{}({})", branch.delegation.to, below.join(" "))
    }

    #[test]
    fn the_tree_shows_who_has_it_through_whom_and_the_chain_leads_back() {
        let all = [
            delegation(1, 1, 2, None),
            delegation(2, 2, 3, Some(1)),
            delegation(3, 3, 4, Some(2)),
            delegation(4, 2, 5, Some(1)),
            delegation(5, 9, 6, None),
        ];
        assert_eq!(shape(&below(&all[0], &all)), "2(3(4()) 5())");
        let find = |id| all.iter().find(|d| d.id == id);
        let chain: Vec<i64> = above(&all[2], find).iter().map(|d| d.id.0).collect();
        assert_eq!(chain, [2, 1]);
    }

    #[test]
    fn rows_in_a_circle_end() {
        let all = [delegation(1, 1, 2, Some(2)), delegation(2, 2, 1, Some(1))];
        assert_eq!(shape(&below(&all[0], &all)), "2(1(2()))");
        assert_eq!(above(&all[0], |id| all.iter().find(|d| d.id == id)).len(), 1);
    }
}
