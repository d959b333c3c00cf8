//! Days and months in UTC, for quotas. Pure.

/// Milliseconds of a day.
pub const DAY_MS: u64 = 86_400_000;

/// Days since 1970-01-01.
#[must_use]
pub fn day(now_ms: u64) -> u64 {
    now_ms / DAY_MS
}

/// The first day of the month that `day` lies in, and the first of the next.
#[must_use]
pub fn month(day: u64) -> (u64, u64) {
    let (year, month, of_month) = civil(day);
    let first = day - (of_month - 1);
    (first, first + days_in(year, month))
}

/// Milliseconds until the next day begins.
#[must_use]
pub fn until_tomorrow_ms(now_ms: u64) -> u64 {
    DAY_MS - now_ms % DAY_MS
}

/// Milliseconds until the next month begins.
#[must_use]
pub fn until_next_month_ms(now_ms: u64) -> u64 {
    let (_, next) = month(day(now_ms));
    next * DAY_MS - now_ms
}

/// `2026-11-22`.
#[must_use]
pub fn date(day: u64) -> String {
    let (year, month, of_month) = civil(day);
    format!("{year:04}-{month:02}-{of_month:02}")
}

/// Year, month and day of the Gregorian calendar. Counts in years that begin on the first of March, so that the leap day is
/// a year's last; after Howard Hinnant, "chrono-compatible low-level date algorithms".
fn civil(day: u64) -> (u64, u64, u64) {
    let shifted = day + 719_468;
    let era = shifted / 146_097;
    let of_era = shifted % 146_097;
    let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let from_march = (5 * of_year + 2) / 153;
    let of_month = of_year - (153 * from_march + 2) / 5 + 1;
    let month = if from_march < 10 { from_march + 3 } else { from_march - 9 };
    let year = era * 400 + year_of_era + u64::from(month <= 2);
    (year, month, of_month)
}

fn days_in(year: u64, month: u64) -> u64 {
    let leap = year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    match month {
        2 => 28 + u64::from(leap),
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

#[cfg(test)]
mod tests {
    use super::{DAY_MS, date, day, month, until_next_month_ms, until_tomorrow_ms};

    #[test]
    fn known_days_have_their_dates() {
        // From `date -ud @SECONDS +%F`.
        for (seconds, expected) in [
            (0, "1970-01-01"),
            (951_782_400, "2000-02-29"),
            (1_709_164_800, "2024-02-29"),
            (1_795_305_600, "2026-11-22"),
            (4_107_542_400, "2100-03-01"),
        ] {
            assert_eq!(date(day(seconds * 1_000)), expected);
        }
    }

    #[test]
    fn every_month_follows_the_one_before_for_two_hundred_years() {
        let (mut first, mut count) = (0, 0);
        while date(first).as_str() < "2170-01-01" {
            let (begins, next) = month(first);
            assert_eq!(begins, first);
            assert_eq!(month(next - 1), (first, next), "its last day lies in it too");
            assert!(date(first).ends_with("-01"));
            (first, count) = (next, count + 1);
        }
        assert_eq!(count, 200 * 12);
    }

    #[test]
    fn a_quota_begins_anew_at_midnight_and_on_the_first() {
        let noon = 1_795_305_600_000 + DAY_MS / 2;
        assert_eq!(until_tomorrow_ms(noon), DAY_MS / 2);
        assert_eq!(until_next_month_ms(noon), 8 * DAY_MS + DAY_MS / 2);
    }
}
