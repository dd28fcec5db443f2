//! Points in time and durations as people write them.

use std::fmt;

use anyhow::{Result, bail};
use authmachine_provider::Timestamp;
use clap::Args;

/// The last second of the year 9999.
const MAX_S: i64 = 253_402_300_799;
/// The longest duration: a hundred years.
const MAX_DURATION_S: i64 = 100 * 366 * 86_400;

/// The time in which something holds.
#[derive(Args, Clone, Copy, Debug, Default)]
pub(crate) struct Span {
    /// From when it holds, such as 2027-01-31T18:00:00Z; by default at once
    #[arg(long, value_name = "T", value_parser = timestamp)]
    pub(crate) not_before: Option<Timestamp>,
    /// Until when it holds; by default without end
    #[arg(long, value_name = "T", value_parser = timestamp)]
    pub(crate) not_after: Option<Timestamp>,
}

impl Span {
    /// Whether there is any time in it.
    ///
    /// # Errors
    /// When its end comes before its beginning.
    pub(crate) fn check(&self) -> Result<()> {
        if let (Some(from), Some(until)) = (self.not_before, self.not_after)
            && until <= from
        {
            bail!("--not-after ({}) must come after --not-before ({})", rfc3339_of(until), rfc3339_of(from));
        }
        Ok(())
    }
}

/// ` from … until …`, as far as there are limits.
impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(from) = self.not_before {
            write!(f, " from {}", rfc3339_of(from))?;
        }
        if let Some(until) = self.not_after {
            write!(f, " until {}", rfc3339_of(until))?;
        }
        Ok(())
    }
}

/// Reads an end that may never come: `never`, a duration with its unit, or a point in time.
pub(crate) fn end(text: &str) -> Result<End, String> {
    let is_plain_number = text.bytes().all(|b| b.is_ascii_digit());
    match duration(text) {
        _ if text == "never" => Ok(End::Never),
        Some(seconds) if !is_plain_number => Ok(End::After { seconds }),
        _ => timestamp(text).map(End::At).map_err(|_| {
            "not a duration such as 90d, a time such as 2027-01-31T18:00:00Z, nor `never`".to_owned()
        }),
    }
}

/// When something ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// Not at all.
    Never,
    /// So long after now.
    After {
        /// Seconds.
        seconds: i64,
    },
    /// Then.
    At(Timestamp),
}

impl End {
    /// The point in time, seen from `now`.
    pub(crate) fn from(self, now: Timestamp) -> Option<Timestamp> {
        match self {
            Self::Never => None,
            Self::After { seconds } => Some(now.plus_seconds(seconds)),
            Self::At(time) => Some(time),
        }
    }
}

/// Reads a duration: `90s`, `10m`, `12h`, `14d`, or a plain number of seconds.
pub(crate) fn duration(text: &str) -> Option<i64> {
    let text = text.trim();
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let unit = match &text[digits.len()..] {
        "" | "s" => 1,
        "m" => 60,
        "h" => 3_600,
        "d" => 86_400,
        _ => return None,
    };
    let is_number = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
    let seconds = digits.parse::<i64>().ok().filter(|_| is_number)?.checked_mul(unit)?;
    (seconds <= MAX_DURATION_S).then_some(seconds)
}

/// Reads a point in time: RFC 3339, or seconds since 1970.
pub(crate) fn timestamp(text: &str) -> Result<Timestamp, String> {
    let seconds = if !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit()) {
        text.parse().ok()
    } else {
        rfc3339(text)
    };
    match seconds {
        Some(seconds) if (0..=MAX_S).contains(&seconds) => Ok(Timestamp::from_seconds(seconds)),
        _ => Err("not a time such as 2027-01-31T18:00:00Z, nor seconds since 1970".to_owned()),
    }
}

/// Seconds since 1970 of `YYYY-MM-DDTHH:MM:SS[.fraction](Z|±HH:MM)` (RFC 3339 §5.6). The fraction is dropped.
fn rfc3339(text: &str) -> Option<i64> {
    let number = |range: std::ops::Range<usize>| -> Option<i64> {
        text.get(range)?.bytes().try_fold(0, |n, b| b.is_ascii_digit().then(|| n * 10 + i64::from(b - b'0')))
    };
    let is_at =
        |at: usize, allowed: &str| text.as_bytes().get(at).is_some_and(|b| allowed.as_bytes().contains(b));
    if !(is_at(4, "-") && is_at(7, "-") && is_at(10, "Tt ") && is_at(13, ":") && is_at(16, ":")) {
        return None;
    }
    let (year, month, day) = (number(0..4)?, number(5..7)?, number(8..10)?);
    let (hour, minute, second) = (number(11..13)?, number(14..16)?, number(17..19)?);
    let rest = text.get(19..)?;
    let zone = match rest.strip_prefix('.') {
        Some(fraction) => fraction.trim_start_matches(|c: char| c.is_ascii_digit()),
        None => rest,
    };
    let at = text.len() - zone.len();
    let offset_minutes = match zone {
        "Z" | "z" => 0,
        _ if zone.len() == 6 && is_at(at, "+-") && is_at(at + 3, ":") => {
            let (hours, minutes) = (number(at + 1..at + 3)?, number(at + 4..at + 6)?);
            let sign = if zone.starts_with('-') { -1 } else { 1 };
            if hours > 23 || minutes > 59 { return None } else { sign * (hours * 60 + minutes) }
        }
        _ => return None,
    };
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let days_of_month = [31, 28 + i64::from(leap), 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    let days = days_of_month.get(usize::try_from(month - 1).ok()?)?;
    // A leap second counts as the second after it.
    if !(1..=*days).contains(&day) || hour > 23 || minute > 59 || second > 60 {
        return None;
    }
    Some(days_since_1970(year, month, day) * 86_400 + hour * 3_600 + (minute - offset_minutes) * 60 + second)
}

/// Years begin in March here, so that leap days end them, and eras of 400 years are alike.
fn days_since_1970(year: i64, month: i64, day: i64) -> i64 {
    let year = year - i64::from(month <= 2);
    let (era, year_of_era) = (year.div_euclid(400), year.rem_euclid(400));
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468
}

/// Writes a point in time in RFC 3339, in UTC, to the second.
pub(crate) fn rfc3339_of(time: Timestamp) -> String {
    let seconds = time.seconds().clamp(0, MAX_S);
    let (days, second_of_day) = (seconds / 86_400, seconds % 86_400);
    let since_march_0 = days + 719_468;
    let (era, day_of_era) = (since_march_0 / 146_097, since_march_0 % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let (month, day) = ((month_from_march + 2) % 12 + 1, day_of_year - (153 * month_from_march + 2) / 5 + 1);
    let year = era * 400 + year_of_era + i64::from(month <= 2);
    let (hour, minute, second) = (second_of_day / 3_600, second_of_day / 60 % 60, second_of_day % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_have_a_unit_or_are_seconds() {
        for (text, seconds) in
            [("0", 0), ("90", 90), ("90s", 90), ("10m", 600), ("12h", 43_200), ("14d", 1_209_600)]
        {
            assert_eq!(duration(text), Some(seconds), "{text}");
        }
        for bad in
            ["", "s", "-1", "+1", "1 h", "1w", "1hour", "1.5h", "99999999999999999999", "999999d", "never"]
        {
            assert_eq!(duration(bad), None, "{bad}");
        }
    }

    #[test]
    fn an_end_is_a_duration_a_time_or_never() {
        let now = Timestamp::from_seconds(1_000);
        let at = |text: &str| end(text).map(|end| end.from(now).map(Timestamp::seconds));
        assert_eq!(at("never"), Ok(None));
        assert_eq!(at("90s"), Ok(Some(1_090)));
        assert_eq!(at("1d"), Ok(Some(87_400)));
        // A plain number is a time here, as it is for --not-after.
        assert_eq!(at("90"), Ok(Some(90)));
        assert_eq!(at("2000-02-29T23:59:59Z"), Ok(Some(951_868_799)));
        for bad in ["", "soon", "1w", "-1d", "Never"] {
            assert!(at(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_span_ends_after_it_began() {
        let span = |from, until| Span { not_before: timestamp(from).ok(), not_after: timestamp(until).ok() };
        assert!(
            span("-", "-").check().is_ok()
                && span("5", "-").check().is_ok()
                && span("5", "6").check().is_ok()
        );
        assert!(span("5", "5").check().is_err());
        assert_eq!(span("-", "0").to_string(), " until 1970-01-01T00:00:00Z");
        assert_eq!(span("0", "-").to_string(), " from 1970-01-01T00:00:00Z");
        assert_eq!(span("-", "-").to_string(), "");
    }

    #[test]
    fn times_are_rfc_3339_or_unix_seconds() {
        for (text, seconds) in [
            ("0", 0),
            ("1970-01-01T00:00:00Z", 0),
            ("2000-02-29T23:59:59.999Z", 951_868_799),
            ("2100-03-01t00:00:00z", 4_107_542_400),
            ("2027-01-31T18:00:00+01:30", 1_801_413_000),
            ("2027-01-31 18:00:00-01:30", 1_801_423_800),
            ("1801414800", 1_801_414_800),
            ("9999-12-31T23:59:59Z", MAX_S),
        ] {
            assert_eq!(timestamp(text).map(Timestamp::seconds), Ok(seconds), "{text}");
        }
        for bad in [
            "",
            "tomorrow",
            "2027-01-31",
            "2027-01-31T18:00:00",
            "2027-02-29T00:00:00Z",
            "2027-13-01T00:00:00Z",
            "2027-00-01T00:00:00Z",
            "2027-01-01T24:00:00Z",
            "2027-01-01T00:00:00+24:00",
            "2027-01-01T00:00:00Zx",
            "1969-12-31T23:59:59Z",
            "２027-01-01T00:00:00Z",
            "-1",
            "99999999999999",
        ] {
            assert!(timestamp(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn what_is_written_reads_back() {
        for seconds in [0, 68_169_600, 951_782_399, 951_868_799, 1_763_959_320, 4_107_542_400, MAX_S] {
            let text = rfc3339_of(Timestamp::from_seconds(seconds));
            assert_eq!(rfc3339(&text), Some(seconds), "{text}");
        }
    }
}
