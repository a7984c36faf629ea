//! Durations and sizes as operators write them: `"250ms"`, `"30s"`, `"10m"`, `"64KiB"`.

use std::time::Duration;

const DURATIONS: [(&str, u64); 4] = [("ms", 1_000), ("us", 1), ("s", 1_000_000), ("m", 60_000_000)];
const SIZES: [(&str, u64); 4] = [("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10), ("B", 1)];

/// Reads `"500us"`, `"250ms"`, `"30s"`, `"10m"`, `"1h"`. `None` for anything else, and for what overflows.
#[must_use]
pub fn parse_duration(text: &str) -> Option<Duration> {
    if let Some(hours) = text.strip_suffix('h') {
        return number(hours)?.checked_mul(3_600).map(Duration::from_secs);
    }
    scaled(text, &DURATIONS).map(Duration::from_micros)
}

/// Reads `"512B"`, `"64KiB"`, `"4MiB"`, `"1GiB"` into bytes. `None` for anything else, and for what overflows.
#[must_use]
pub fn parse_size(text: &str) -> Option<u64> {
    scaled(text, &SIZES)
}

/// Writes a duration in the largest unit that keeps it whole.
#[must_use]
pub fn format_duration(duration: Duration) -> String {
    let micros = u64::try_from(duration.as_micros()).unwrap_or(u64::MAX);
    let units = [("h", 3_600_000_000), ("m", 60_000_000), ("s", 1_000_000), ("ms", 1_000), ("us", 1)];
    largest(micros, &units, "s")
}

/// Writes a number of bytes in the largest unit that keeps it whole.
#[must_use]
pub fn format_size(bytes: u64) -> String {
    largest(bytes, &SIZES, "B")
}

fn scaled(text: &str, units: &[(&str, u64)]) -> Option<u64> {
    let (digits, scale) =
        units.iter().find_map(|(suffix, scale)| text.strip_suffix(suffix).map(|digits| (digits, scale)))?;
    number(digits)?.checked_mul(*scale)
}

fn number(digits: &str) -> Option<u64> {
    let plain = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
    plain.then(|| digits.parse().ok()).flatten()
}

fn largest(value: u64, units: &[(&str, u64)], zero: &str) -> String {
    units
        .iter()
        .find(|(_, scale)| value >= *scale && value.is_multiple_of(*scale))
        .map_or_else(|| format!("0{zero}"), |(suffix, scale)| format!("{}{suffix}", value / scale))
}

/// Whole milliseconds, as atomics keep them; `u64::MAX` for more than fit.
#[must_use]
pub const fn millis(duration: Duration) -> u64 {
    duration.as_secs().saturating_mul(1000).saturating_add(duration.subsec_millis() as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_in_every_unit_and_written_back() {
        for (text, micros) in [
            ("500us", 500),
            ("250ms", 250_000),
            ("30s", 30_000_000),
            ("10m", 600_000_000),
            ("1h", 3_600_000_000),
        ] {
            assert_eq!(parse_duration(text), Some(Duration::from_micros(micros)), "{text}");
            assert_eq!(format_duration(Duration::from_micros(micros)), text);
        }
        assert_eq!(format_duration(Duration::ZERO), "0s");
    }

    #[test]
    fn what_is_no_duration_is_none() {
        for text in
            ["", "30", "s", "-1s", "1.5s", "30 s", "1d", "99999999999999999999s", "18446744073709551615h"]
        {
            assert_eq!(parse_duration(text), None, "{text}");
        }
    }

    #[test]
    fn sizes_are_read_in_every_unit_and_written_back() {
        for (text, bytes) in
            [("0B", 0), ("512B", 512), ("64KiB", 65_536), ("4MiB", 4 << 20), ("1GiB", 1 << 30)]
        {
            assert_eq!(parse_size(text), Some(bytes), "{text}");
            assert_eq!(format_size(bytes), text);
        }
        for text in ["", "64", "KiB", "64KB", "64 KiB", "18446744073709551615GiB"] {
            assert_eq!(parse_size(text), None, "{text}");
        }
    }
}
