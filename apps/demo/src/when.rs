//! Times as people read them, in UTC.

use std::time::{Duration, SystemTime};

/// The last second of the year 9999.
const MAX_SECONDS: u64 = 253_402_300_799;

/// `2025-11-24 04:42:07 UTC`. Times outside 1970 to 9999 become its ends.
pub(crate) fn utc(seconds: u64) -> String {
    let seconds = seconds.min(MAX_SECONDS);
    let (days, second) = (seconds / 86_400, seconds % 86_400);
    // Days since 1 March of the year 0, where leap days end their years, and eras of 400 years are alike.
    let since_march_0 = days + 719_468;
    let (era, day_of_era) = (since_march_0 / 146_097, since_march_0 % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let month = (month_from_march + 2) % 12 + 1;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let year = era * 400 + year_of_era + u64::from(month <= 2);
    let (hour, minute, second) = (second / 3_600, second / 60 % 60, second % 60);
    format!("{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02} UTC")
}

/// The same of a [`SystemTime`].
pub(crate) fn utc_of(time: SystemTime) -> String {
    utc(time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs())
}

/// `+12 ms`, `+3.4 s`, `+5 min`: how long after `start`.
pub(crate) fn after(start: SystemTime, time: SystemTime) -> String {
    let passed = time.duration_since(start).unwrap_or(Duration::ZERO);
    match passed.as_millis() {
        ms @ ..1_000 => format!("+{ms} ms"),
        ms @ ..60_000 => format!("+{}.{} s", ms / 1_000, ms / 100 % 10),
        ms => format!("+{} min", ms / 60_000),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_a_day_of_the_calendar() {
        for (seconds, text) in [
            (0, "1970-01-01 00:00:00 UTC"),
            (951_782_399, "2000-02-28 23:59:59 UTC"),
            (951_782_400, "2000-02-29 00:00:00 UTC"),
            (1_763_959_327, "2025-11-24 04:42:07 UTC"),
            (4_107_542_400, "2100-03-01 00:00:00 UTC"),
            (u64::MAX, "9999-12-31 23:59:59 UTC"),
        ] {
            assert_eq!(utc(seconds), text);
        }
        assert_eq!(utc_of(SystemTime::UNIX_EPOCH - Duration::from_secs(1)), "1970-01-01 00:00:00 UTC");
    }

    #[test]
    fn spans_are_short() {
        let start = SystemTime::UNIX_EPOCH;
        for (ms, text) in
            [(0, "+0 ms"), (999, "+999 ms"), (1_049, "+1.0 s"), (59_999, "+59.9 s"), (125_000, "+2 min")]
        {
            assert_eq!(after(start, start + Duration::from_millis(ms)), text);
        }
        assert_eq!(after(start + Duration::from_secs(1), start), "+0 ms", "a clock that was set back");
    }
}
