//! The one rule of every hierarchy: no cycles, and not too deep.

use std::collections::HashSet;
use std::hash::Hash;

/// Why an edge cannot be added to a hierarchy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EdgeError {
    /// Something would be above itself.
    #[error("this would make a cycle")]
    Cycle,
    /// The longest way through the new edge would have more edges than allowed.
    #[error("this would nest deeper than {0}")]
    TooDeep(usize),
}

/// Checks an edge from `lower` up to `upper` before it is written. `above` and `below` name a node's present neighbours,
/// the edge itself not among them; `most` is the longest chain of edges allowed.
///
/// # Errors
/// [`EdgeError`].
pub fn check_edge<N: Copy + Eq + Hash>(
    lower: N,
    upper: N,
    above: impl Fn(N) -> Vec<N>,
    below: impl Fn(N) -> Vec<N>,
    most: usize,
) -> Result<(), EdgeError> {
    let up = levels(upper, &above, most).ok_or(EdgeError::TooDeep(most))?;
    if lower == upper || up.iter().any(|level| level.contains(&lower)) {
        return Err(EdgeError::Cycle);
    }
    let down = levels(lower, &below, most).ok_or(EdgeError::TooDeep(most))?;
    if up.len() + down.len() - 1 > most { Err(EdgeError::TooDeep(most)) } else { Ok(()) }
}

/// What is 0, 1, 2 … steps from `start`; none if it goes on beyond `most` steps. A node may stand in more than one level.
fn levels<N: Copy + Eq + Hash>(
    start: N,
    next: &impl Fn(N) -> Vec<N>,
    most: usize,
) -> Option<Vec<HashSet<N>>> {
    let mut levels = vec![HashSet::from([start])];
    loop {
        let level: HashSet<N> = levels.last()?.iter().flat_map(|node| next(*node)).collect();
        if level.is_empty() {
            return Some(levels);
        }
        levels.push(level);
        if levels.len() > most + 1 {
            return None;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 1 → 2 → … → `length` + 1, and the edge from `lower` to `upper` beside it.
    fn check(length: u32, lower: u32, upper: u32, most: usize) -> Result<(), EdgeError> {
        let above = |n: u32| if (1..=length).contains(&n) { vec![n + 1] } else { vec![] };
        let below = |n: u32| if (2..=length + 1).contains(&n) { vec![n - 1] } else { vec![] };
        check_edge(lower, upper, above, below, most)
    }

    #[test]
    fn an_edge_makes_neither_a_cycle_nor_a_tower() {
        assert_eq!(check(3, 7, 7, 16), Err(EdgeError::Cycle), "to itself");
        assert_eq!(check(3, 4, 1, 16), Err(EdgeError::Cycle), "round");
        assert_eq!(check(3, 2, 4, 16), Ok(()), "a second way up is no cycle");
        assert_eq!(check(15, 0, 1, 16), Ok(()), "16 edges");
        assert_eq!(check(16, 0, 1, 16), Err(EdgeError::TooDeep(16)), "17 from below");
        assert_eq!(check(16, 17, 99, 16), Err(EdgeError::TooDeep(16)), "17 from above");
        assert_eq!(check(30, 0, 1, 16), Err(EdgeError::TooDeep(16)), "what is there is too deep already");
    }
}
