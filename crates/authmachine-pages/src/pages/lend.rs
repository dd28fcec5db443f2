//! A right, to be lent to somebody.

use crate::{
    text::{Rich, Text},
    time::Minute,
};

/// The form. Posts `csrf`, `object`, `permission`, `to`, `until` and, where it may be passed on, `hops` to [`crate::paths::LEND`].
pub struct Lend {
    /// Binds the form to the browser that was shown it.
    pub csrf: String,
    /// The object's code.
    pub object: String,
    /// The permission type's code.
    pub permission: String,
    /// To whom, as it was typed.
    pub to: String,
    /// Until when, in UTC and in a browser's form (`2027-06-30T18:00`), as it was typed.
    pub until: String,
    /// How many times it may be passed on, as it was typed.
    pub hops: String,
    /// The most that it may be.
    pub most_hops: u8,
    /// The latest end, in Unix milliseconds.
    pub latest_ms: Option<i64>,
    /// Why the person sees the page again.
    pub error: Option<LendError>,
}

/// Why something was not lent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LendError {
    /// There is nobody of that name, or nobody who can use it: one wording.
    NobodyThere,
    /// That is the person itself.
    ToOneself,
    /// The person does not hold it, or not any more; or there is no such thing.
    NotHeld,
    /// The person holds it, but may not lend it.
    MayNotLend,
    /// Nothing is lent here.
    SwitchedOff,
    /// It may not be passed on so many times.
    TooManyHops {
        /// But so many.
        most: u8,
    },
    /// The end is no date and time.
    NoEnd,
    /// The end is too late.
    TooLate {
        /// The latest one, in Unix milliseconds.
        latest_ms: i64,
    },
    /// The end is over, or nearly.
    TooSoon,
    /// The person lends too much.
    TooManyGiven {
        /// How many may be lent at once.
        most: usize,
    },
    /// The other person was lent too much.
    TooManyTaken,
    /// Too many names that are nobody's.
    Throttled {
        /// When the next one counts.
        retry_after_s: u64,
    },
    /// Whether it may be lent cannot be found out.
    TooMuch,
    /// The form was too old, or not from here.
    Expired,
}

page!(Lend, "lend.html");

impl Lend {
    /// A moment as [`Lend::until`] has it.
    pub fn until_at(unix_ms: i64) -> String {
        Minute::of_unix_ms(unix_ms).local()
    }

    /// The latest end, as the field takes it.
    fn latest(&self) -> Option<String> {
        self.latest_ms.map(Self::until_at)
    }

    fn is_person_refused(&self) -> bool {
        use LendError::{NobodyThere, Throttled, ToOneself, TooManyTaken};
        matches!(self.error, Some(NobodyThere | ToOneself | TooManyTaken | Throttled { .. }))
    }

    fn is_end_refused(&self) -> bool {
        use LendError::{NoEnd, TooLate, TooSoon};
        matches!(self.error, Some(NoEnd | TooLate { .. } | TooSoon))
    }

    fn are_hops_refused(&self) -> bool {
        matches!(self.error, Some(LendError::TooManyHops { .. }))
    }
}

impl LendError {
    fn message(self, t: &Text) -> Rich {
        match self {
            Self::NobodyThere => t.rich("lend-error-nobody", &[]),
            Self::ToOneself => t.rich("lend-error-oneself", &[]),
            Self::NotHeld => t.rich("lend-error-not-held", &[]),
            Self::MayNotLend => t.rich("lend-error-may-not", &[]),
            Self::SwitchedOff => t.rich("lend-error-off", &[]),
            Self::TooManyHops { most: 0 } => t.rich("lend-error-no-hops", &[]),
            Self::TooManyHops { most } => t.rich("lend-error-hops", &[("most", &most.to_string())]),
            Self::NoEnd => t.rich("lend-error-no-end", &[]),
            Self::TooLate { latest_ms } => {
                t.rich("lend-error-too-late", &[("time", &t.time(latest_ms).to_string())])
            }
            Self::TooSoon => t.rich("lend-error-too-soon", &[]),
            Self::TooManyGiven { most } => t.rich("lend-error-given", &[("most", &most.to_string())]),
            Self::TooManyTaken => t.rich("lend-error-taken", &[]),
            Self::Throttled { retry_after_s } => {
                t.rich("error-throttled", &[("wait", &t.wait(retry_after_s))])
            }
            Self::TooMuch => t.rich("lend-error-too-much", &[]),
            Self::Expired => t.rich("error-form-expired", &[]),
        }
    }
}
