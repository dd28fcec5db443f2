//! Slowing down those who guess (checklist BF1–BF3).

use authmachine_protocol::Timestamp;

/// Failures that cost nothing.
pub const FREE_TRIES: i64 = 5;
/// The longest delay.
pub const MAX_DELAY_S: i64 = 15 * 60;
/// Failures in a row after which strangers are not listened to until the count is forgotten (NIST SP 800-63B-4 §3.2.2).
pub const MAX_FAILURES: i64 = 100;
/// A count is forgotten this long after its last failure.
pub const FORGET_AFTER_S: i64 = 24 * 60 * 60;
/// Of a count that many people share, one failure is forgotten each so many seconds without another.
pub const DRAIN_S: i64 = 30;

/// The count of one account, client or source; the key is a MAC of its canonical name, so unknown names have one too.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Throttle {
    /// Failures in a row.
    pub failures: i64,
    /// When the last one was.
    pub last_failed_at: Option<Timestamp>,
}

/// Decides whether a try may be made at `now`, `free` failures costing nothing.
///
/// # Errors
/// The number of seconds to wait.
pub fn check(throttle: &Throttle, free: i64, now: Timestamp) -> Result<(), i64> {
    let Some(last) = throttle.last_failed_at.filter(|_| throttle.failures >= free) else { return Ok(()) };
    let doublings = u32::try_from(throttle.failures - free).unwrap_or(0).min(10);
    let delay_s = (1_i64 << doublings).min(MAX_DELAY_S);
    let until = last.plus_seconds(delay_s);
    // A clock that went back does not lengthen the delay (checklist RB12).
    if now >= until || now < last.plus_seconds(-MAX_DELAY_S) {
        Ok(())
    } else {
        Err(until.min(now.plus_seconds(delay_s)).seconds_since(now).max(0) + 1)
    }
}

/// Decides the same about a try at an account, which takes [`MAX_FAILURES`] in a row and no more.
///
/// # Errors
/// The number of seconds to wait.
pub fn check_account(throttle: &Throttle, now: Timestamp) -> Result<(), i64> {
    check(throttle, FREE_TRIES, now)?;
    let Some(last) = throttle.last_failed_at.filter(|_| throttle.failures >= MAX_FAILURES) else {
        return Ok(());
    };
    let until = last.plus_seconds(FORGET_AFTER_S);
    if now >= until || now < last.plus_seconds(-MAX_DELAY_S) {
        Ok(())
    } else {
        Err(until.seconds_since(now) + 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bf1_five_tries_are_free_then_the_delay_doubles_to_a_quarter_of_an_hour() {
        let now = Timestamp::from_seconds(1_800_000_000);
        let check = |failures, after_ms| {
            super::check(&Throttle { failures, last_failed_at: Some(now) }, FREE_TRIES, now.plus_ms(after_ms))
        };
        assert_eq!(check(4, 0), Ok(()));
        assert!(check(5, 0).is_err());
        assert_eq!(check(5, 1_000), Ok(()));
        assert!(check(6, 1_999).is_err());
        assert_eq!(check(6, 2_000), Ok(()));
        assert!(check(100, MAX_DELAY_S * 1_000 - 1).is_err());
        assert_eq!(check(i64::MAX, MAX_DELAY_S * 1_000), Ok(()));
        assert_eq!(super::check(&Throttle::default(), FREE_TRIES, now), Ok(()));
    }

    #[test]
    fn bf1_an_account_takes_a_hundred_failures_in_a_row() {
        let now = Timestamp::from_seconds(1_800_000_000);
        let check = |failures, after_ms| {
            check_account(&Throttle { failures, last_failed_at: Some(now) }, now.plus_ms(after_ms))
        };
        assert_eq!(check(4, 0), Ok(()));
        assert!(check(99, 0).is_err());
        assert_eq!(check(99, MAX_DELAY_S * 1_000), Ok(()));
        assert_eq!(check(100, MAX_DELAY_S * 1_000), Err(FORGET_AFTER_S - MAX_DELAY_S + 1));
        assert!(check(i64::MAX, FORGET_AFTER_S * 1_000 - 1).is_err());
        assert_eq!(check(100, FORGET_AFTER_S * 1_000), Ok(()));
        assert_eq!(check(100, -MAX_DELAY_S * 1_000 - 1), Ok(()), "a clock that went back locks nobody out");
    }
}
