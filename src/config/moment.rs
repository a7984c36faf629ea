//! Moments of people's time: `2026-11-21T10:00:00Z`.

use std::time::{Duration, SystemTime};

use toml::value::{Date, Datetime, Offset, Time};

/// Reads `"2026-11-21T10:00:00Z"` and `"2026-11-21T18:00:00+08:00"`. `None` for anything else, without an offset, and
/// for what UTC's calendar has in a year of five digits: what is written with those could not be read again.
#[must_use]
pub fn parse_moment(text: &str) -> Option<SystemTime> {
    let end = SystemTime::UNIX_EPOCH.checked_add(YEAR_10000)?;
    instant(&text.parse().ok()?).filter(|moment| *moment < end)
}

/// Writes a moment in UTC, whole seconds: `2026-11-21T10:00:00Z`. What is before 1970 is written as 1970.
#[must_use]
pub fn format_moment(moment: SystemTime) -> String {
    let seconds = moment.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs();
    let (year, month, day) = date_of(seconds / DAY);
    let (hour, minute, second) = (seconds / 3600 % 24, seconds / 60 % 60, seconds % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
}

/// The moment that is meant; `None` where date, time or offset is missing, and where it cannot be counted.
pub(super) fn instant(date: &Datetime) -> Option<SystemTime> {
    let (Some(day), Some(time), Some(offset)) = (date.date, date.time, date.offset) else { return None };
    let minutes = match offset {
        Offset::Z => 0,
        Offset::Custom { minutes } => i64::from(minutes),
    };
    let seconds = days_until(day) * 86_400 + seconds_of(time) - minutes * 60;
    let length = Duration::new(seconds.unsigned_abs(), 0);
    let whole = if seconds < 0 {
        SystemTime::UNIX_EPOCH.checked_sub(length)
    } else {
        SystemTime::UNIX_EPOCH.checked_add(length)
    };
    whole?.checked_add(Duration::from_nanos(u64::from(time.nanosecond.unwrap_or(0))))
}

/// The same date with what it lacks; `None` when there is no date to complete.
pub(super) fn completed(date: &Datetime) -> Option<String> {
    let midnight = Time { hour: 0, minute: 0, second: Some(0), nanosecond: None };
    let whole = Datetime {
        date: Some(date.date?),
        time: Some(date.time.unwrap_or(midnight)),
        offset: Some(Offset::Z),
    };
    Some(whole.to_string())
}

fn seconds_of(time: Time) -> i64 {
    i64::from(time.hour) * 3600 + i64::from(time.minute) * 60 + i64::from(time.second.unwrap_or(0))
}

/// Days from 1970 to a date. A year is counted from March on, so that the day that comes and goes is its last.
fn days_until(date: Date) -> i64 {
    let (month, day) = (i64::from(date.month), i64::from(date.day));
    let year = i64::from(date.year) - i64::from(month < 3);
    let from_march = (month + 9) % 12;
    let leap_days = year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400);
    year * 365 + leap_days + (from_march * 153 + 2) / 5 + day - 1 - TO_1970
}

/// The other way round: the years of 400, the leap days within, and the months of 153 days in five.
fn date_of(days: u64) -> (u64, u64, u64) {
    let days = days + TO_1970.unsigned_abs();
    let (era, day) = (days / ERA, days % ERA);
    let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let from_march = (5 * day + 2) / 153;
    let month = if from_march < 10 { from_march + 3 } else { from_march - 9 };
    (era * 400 + year + u64::from(month < 3), month, day - (153 * from_march + 2) / 5 + 1)
}

const DAY: u64 = 86_400;
/// From 1970 until the first year of five digits.
const YEAR_10000: Duration = Duration::from_secs(253_402_300_800);
/// Days of 400 years.
const ERA: u64 = 146_097;
/// Days from the first of March of the year 0 to 1970.
const TO_1970: i64 = 719_468;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_moments_are_counted_and_written_back() {
        for (text, seconds) in [
            ("1970-01-01T00:00:00Z", 0),
            ("2000-02-29T12:00:00Z", 951_825_600),
            ("2001-09-09T01:46:40Z", 1_000_000_000),
            ("2026-11-21T10:00:00Z", 1_795_255_200),
            ("2100-03-01T00:00:00Z", 4_107_542_400),
        ] {
            let moment = SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
            assert_eq!(parse_moment(text), Some(moment), "{text}");
            assert_eq!(format_moment(moment), text);
        }
    }

    #[test]
    fn every_day_of_four_centuries_is_written_back() {
        for day in 0..ERA {
            let moment = SystemTime::UNIX_EPOCH + Duration::from_secs(day * DAY);
            assert_eq!(parse_moment(&format_moment(moment)), Some(moment), "day {day}");
        }
    }

    #[test]
    fn an_offset_says_which_moment_is_meant_and_without_one_none_is() {
        let utc = parse_moment("2026-11-21T10:00:00Z");
        assert!(utc.is_some());
        assert_eq!(parse_moment("2026-11-21T18:00:00+08:00"), utc);
        assert_eq!(parse_moment("2026-11-21T02:00:00-08:00"), utc);
        for text in ["2026-11-21T10:00:00", "2026-11-21", "10:00:00", "", "tomorrow", "2026-02-30T10:00:00Z"]
        {
            assert_eq!(parse_moment(text), None, "{text}");
        }
        let last = parse_moment("9999-12-31T23:59:59Z").expect("a year of four digits");
        assert_eq!(parse_moment(&format_moment(last)), Some(last));
        for text in ["9999-12-31T23:59:59-08:00", "9999-12-31T16:00:00-08:00"] {
            assert_eq!(parse_moment(text), None, "{text} is of the year 10000 in UTC");
        }
        let before = parse_moment("1969-12-31T23:59:59Z");
        assert_eq!(before, SystemTime::UNIX_EPOCH.checked_sub(Duration::from_secs(1)));
    }
}
