//! Unix milliseconds as a date and a time of day, in UTC.

/// The last millisecond of the year 9999.
const MAX_MS: i64 = 253_402_300_799_999;

/// A minute of the Gregorian calendar. Times outside 1970 to 9999 become its ends.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Minute {
    pub(crate) year: i64,
    pub(crate) month: i64,
    pub(crate) day: i64,
    pub(crate) hour: i64,
    pub(crate) minute: i64,
}

impl Minute {
    pub(crate) fn of_unix_ms(unix_ms: i64) -> Self {
        let minutes = unix_ms.clamp(0, MAX_MS) / 60_000;
        let (days, minute_of_day) = (minutes / 1440, minutes % 1440);
        // Days since 1 March of the year 0, where leap days end their years, and eras of 400 years are alike.
        let since_march_0 = days + 719_468;
        let (era, day_of_era) = (since_march_0 / 146_097, since_march_0 % 146_097);
        let year_of_era =
            (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
        let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let month_from_march = (5 * day_of_year + 2) / 153;
        let month = (month_from_march + 2) % 12 + 1;
        Self {
            year: era * 400 + year_of_era + i64::from(month <= 2),
            month,
            day: day_of_year - (153 * month_from_march + 2) / 5 + 1,
            hour: minute_of_day / 60,
            minute: minute_of_day % 60,
        }
    }

    /// For a `datetime` attribute (RFC 3339).
    pub(crate) fn rfc3339(&self) -> String {
        format!("{}Z", self.local())
    }

    /// For an input of the type `datetime-local`.
    pub(crate) fn local(&self) -> String {
        let Self { year, month, day, hour, minute } = self;
        format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_a_day_of_the_calendar() {
        for (unix_ms, text) in [
            (0, "1970-01-01T00:00Z"),
            (951_782_399_999, "2000-02-28T23:59Z"),
            (951_782_400_000, "2000-02-29T00:00Z"),
            (1_763_959_320_000, "2025-11-24T04:42Z"),
            (4_107_542_400_000, "2100-03-01T00:00Z"),
            (MAX_MS, "9999-12-31T23:59Z"),
            (i64::MAX, "9999-12-31T23:59Z"),
            (i64::MIN, "1970-01-01T00:00Z"),
        ] {
            assert_eq!(Minute::of_unix_ms(unix_ms).rfc3339(), text);
        }
    }
}
