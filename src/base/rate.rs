//! Rates as operators write them: `"30/s"`, `"600/m"`, `"5/h"`.

/// So many in a second, a minute or an hour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// How many; at least one.
    pub count: u32,
    /// In how many seconds: 1, 60 or 3600.
    pub seconds: u32,
}

const UNITS: [(&str, u32); 3] = [("/s", 1), ("/m", 60), ("/h", 3600)];

impl Rate {
    /// The mean of one second.
    #[must_use]
    pub fn per_second(self) -> f64 {
        f64::from(self.count) / f64::from(self.seconds)
    }
}

/// Reads `"30/s"`, `"600/m"`, `"5/h"`. `None` for anything else, for none at all, and for more than 2^32 - 1.
#[must_use]
pub fn parse_rate(text: &str) -> Option<Rate> {
    let (digits, seconds) =
        UNITS.iter().find_map(|(suffix, seconds)| Some((text.strip_suffix(suffix)?, *seconds)))?;
    let plain = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    let count = plain.then(|| digits.parse().ok()).flatten().filter(|count| *count > 0)?;
    Some(Rate { count, seconds })
}

/// Writes a rate as it is read.
#[must_use]
pub fn format_rate(rate: Rate) -> String {
    let suffix = UNITS.iter().find(|(_, seconds)| *seconds == rate.seconds).map_or("", |(suffix, _)| suffix);
    format!("{}{suffix}", rate.count)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_are_read_in_every_unit_and_written_back() {
        for (text, count, seconds) in
            [("30/s", 30, 1), ("600/m", 600, 60), ("5/h", 5, 3600), ("4294967295/s", u32::MAX, 1)]
        {
            assert_eq!(parse_rate(text), Some(Rate { count, seconds }), "{text}");
            assert_eq!(format_rate(Rate { count, seconds }), text);
        }
        let per_second = |text| parse_rate(text).map(Rate::per_second);
        assert_eq!((per_second("600/m"), per_second("30/s")), (Some(10.0), Some(30.0)));
    }

    #[test]
    fn what_is_no_rate_is_none() {
        for text in ["", "30", "/s", "0/s", "-1/s", "1.5/s", "30 /s", "30/ s", "30/d", "4294967296/s"] {
            assert_eq!(parse_rate(text), None, "{text}");
        }
    }
}
