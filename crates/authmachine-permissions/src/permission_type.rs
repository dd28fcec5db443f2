//! Permission types, and which imply which.

use crate::code::{self, CodeError};
use crate::graph::{EdgeError, check_edge};
use crate::ids::PermissionTypeId;

/// The longest chain of implications.
pub const MAX_IMPLIED_DEPTH: usize = 4;
/// The most permission types of an installation.
pub const MAX_PERMISSION_TYPES: usize = 4096;

/// A permission type, such as `read`, and what one who holds it holds as well.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PermissionType {
    /// The row.
    pub id: PermissionTypeId,
    /// Its code, unique.
    pub code: String,
    /// The types that it implies directly.
    pub implies: Vec<PermissionTypeId>,
}

/// Why a permission type cannot be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PermissionTypeError {
    /// Its code.
    #[error(transparent)]
    Code(#[from] CodeError),
    /// What it implies.
    #[error(transparent)]
    Edge(#[from] EdgeError),
    /// It implies a type that does not exist.
    #[error("there is no permission type {0}")]
    Unknown(PermissionTypeId),
    /// There are [`MAX_PERMISSION_TYPES`] already.
    #[error("there are at most {MAX_PERMISSION_TYPES} permission types")]
    TooMany,
}

/// Checks `written`, new or changed, against all the others that there are.
///
/// # Errors
/// [`PermissionTypeError`].
pub fn check_permission_type(
    written: &PermissionType,
    others: &[PermissionType],
) -> Result<(), PermissionTypeError> {
    code::check_type_code(&written.code)?;
    let others = || others.iter().filter(|other| other.id != written.id);
    if others().count() >= MAX_PERMISSION_TYPES {
        return Err(PermissionTypeError::TooMany);
    }
    // Implications are added one after the other, each checked with those before it in place.
    for (place, implied) in written.implies.iter().enumerate() {
        if *implied != written.id && others().all(|other| other.id != *implied) {
            return Err(PermissionTypeError::Unknown(*implied));
        }
        let before = &written.implies[..place];
        let above = |id| {
            if id == written.id {
                return before.to_vec();
            }
            others().filter(|other| other.id == id).flat_map(|other| other.implies.clone()).collect()
        };
        let below = |id| {
            let own = before.contains(&id).then_some(written.id);
            others().filter(|other| other.implies.contains(&id)).map(|other| other.id).chain(own).collect()
        };
        check_edge(written.id, *implied, above, below, MAX_IMPLIED_DEPTH)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn implying(id: i64, implies: &[i64]) -> PermissionType {
        PermissionType {
            id: PermissionTypeId(id),
            code: format!("t{id}"),
            implies: implies.iter().copied().map(PermissionTypeId).collect(),
        }
    }

    #[test]
    fn implied_types_exist_make_no_cycle_and_no_long_chain() {
        // 1 → 2 → 3 → 4
        let others =
            [implying(1, &[2]), implying(2, &[3]), implying(3, &[4]), implying(4, &[]), implying(5, &[])];
        let check = |id, implies: &[i64]| check_permission_type(&implying(id, implies), &others);
        let cycle = Err(PermissionTypeError::Edge(EdgeError::Cycle));
        let deep = Err(PermissionTypeError::Edge(EdgeError::TooDeep(4)));
        assert_eq!(check(6, &[1]), Ok(()));
        assert_eq!(check(6, &[4, 3, 5]), Ok(()));
        assert_eq!(check(4, &[5]), Ok(()));
        assert_eq!(check(6, &[6]), cycle);
        assert_eq!(check(4, &[1]), cycle);
        assert_eq!(check(1, &[2, 2]), Ok(()), "said twice is said once");
        assert_eq!(check(4, &[5, 9]), Err(PermissionTypeError::Unknown(PermissionTypeId(9))));
        let longer = [&others[..3], &[implying(4, &[5]), implying(5, &[])]].concat();
        assert_eq!(check_permission_type(&implying(6, &[1]), &longer), deep);
    }

    #[test]
    fn there_are_at_most_4096_permission_types() {
        let others: Vec<_> = (1..=4096).map(|id| implying(id, &[])).collect();
        assert_eq!(check_permission_type(&implying(5000, &[]), &others), Err(PermissionTypeError::TooMany));
        assert_eq!(check_permission_type(&implying(1, &[2]), &others), Ok(()), "a change of one of them");
    }
}
