//! From when until when something counts.

use authmachine_protocol::Timestamp;

/// A stretch of time, open at either side: live while `not_before <= now < not_after`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Validity {
    not_before: Option<Timestamp>,
    not_after: Option<Timestamp>,
}

/// A validity that would never be live.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the end of a validity comes after its beginning")]
pub struct NeverValid;

impl Validity {
    /// At any time.
    pub const ALWAYS: Self = Self { not_before: None, not_after: None };

    /// Checks that there is a moment at which it is live.
    ///
    /// # Errors
    /// [`NeverValid`].
    pub fn new(not_before: Option<Timestamp>, not_after: Option<Timestamp>) -> Result<Self, NeverValid> {
        match (not_before, not_after) {
            (Some(start), Some(end)) if end <= start => Err(NeverValid),
            _ => Ok(Self { not_before, not_after }),
        }
    }

    /// Whether it is live at `now`.
    pub fn contains(self, now: Timestamp) -> bool {
        self.not_before.is_none_or(|start| start <= now) && self.not_after.is_none_or(|end| now < end)
    }

    /// When it begins.
    pub const fn not_before(self) -> Option<Timestamp> {
        self.not_before
    }

    /// The first moment after it.
    pub const fn not_after(self) -> Option<Timestamp> {
        self.not_after
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_validity_is_live_from_its_start_until_just_before_its_end() {
        let at = Timestamp::from_ms;
        let validity = Validity::new(Some(at(10)), Some(at(20))).expect("an end after the start");
        for (now, live) in [(9, false), (10, true), (19, true), (20, false)] {
            assert_eq!(validity.contains(at(now)), live, "{now}");
        }
        assert!(Validity::ALWAYS.contains(at(i64::MIN)));
        assert_eq!(Validity::new(Some(at(10)), Some(at(10))), Err(NeverValid));
    }
}
