//! The engine's explanation as the page says it.

use authmachine_pages::{By, On, Why};
use authmachine_permissions::{Holder, Reach, Right};
use authmachine_provider::ids::UserId;

/// Why a right is held. `name` says how people call a user.
pub(super) fn view(right: &Right, name: &impl Fn(UserId) -> String) -> Why {
    let (by, until, types, reach) = match right {
        Right::Held(held) => {
            let groups: Vec<String> = held.groups.iter().map(|step| step.code.clone()).collect();
            let by = match held.grant.holder {
                Holder::Everyone => By::Everyone,
                _ if groups.is_empty() => By::Oneself,
                _ => By::Groups(groups),
            };
            // It ends with the grant, or with a membership on the way to it.
            let ends = held.groups.iter().map(|step| step.validity).chain([held.grant.validity]);
            (by, ends.filter_map(|validity| validity.not_after()).min(), &held.types, &held.reach)
        }
        Right::Lent(loan) => {
            (By::LentBy(name(loan.delegation.from)), loan.delegation.expires_at, &loan.types, &loan.reach)
        }
    };
    Why {
        by,
        until_ms: until.map(|end| end.ms()),
        implied_by: types.first().filter(|_| types.len() > 1).cloned(),
        on: match reach {
            Reach::Itself => On::Itself,
            Reach::AllOf(object_type) => On::AllOf(object_type.clone()),
            Reach::Above(above) => On::Above(above.last().cloned().unwrap_or_default()),
        },
    }
}
