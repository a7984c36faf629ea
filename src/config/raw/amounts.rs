//! Durations, sizes and rates, and the right spelling of those that are nearly right.

use std::ops::RangeInclusive;
use std::time::Duration;

use super::field::Field;
use super::fields::Fields;
use super::values::Wrong;
use crate::base::{Rate, format_duration, format_size, parse_duration, parse_rate, parse_size};
use crate::config::problem::short;
use crate::config::tree::Node;

/// What a key of this sort takes, and what people write for it.
struct Sort<T> {
    expected: &'static str,
    parse: fn(&str) -> Option<T>,
    /// The right text for a bare number.
    bare: fn(u64) -> String,
    /// Units that people write, in small letters, and what they mean.
    meant: &'static [(&'static str, &'static str)],
    units: &'static str,
}

impl Fields<'_> {
    pub(super) fn duration(&mut self, key: &'static str, range: RangeInclusive<Duration>) -> Field<Duration> {
        self.value(key, |node| {
            let duration = amount(node, &TIME)?;
            in_range(duration, &range, |bound| format!("\"{}\"", format_duration(bound)))
        })
    }

    pub(super) fn size(&mut self, key: &'static str, range: RangeInclusive<u32>) -> Field<u32> {
        self.value(key, |node| {
            let bytes = amount(node, &SIZE)?;
            let wide = u64::from(*range.start())..=u64::from(*range.end());
            let bytes = in_range(bytes, &wide, |bound| format!("\"{}\"", format_size(bound)))?;
            u32::try_from(bytes).map_err(|_| Wrong::kind(SIZE.expected, "\"64KiB\""))
        })
    }

    /// A size of any length, or `"off"`: `None`.
    pub(super) fn size_or_off(&mut self, key: &'static str) -> Field<Option<u64>> {
        self.value(key, |node| match node.value.text() {
            Some("off") => Ok(None),
            Some(_) | None => amount(node, &SIZE_OR_OFF).map(Some),
        })
    }

    /// A rate above zero.
    pub(super) fn rate(&mut self, key: &'static str) -> Field<Rate> {
        self.value(key, |node| amount(node, &RATE))
    }

    /// A rate, or `"off"`: `None`.
    pub(super) fn rate_or_off(&mut self, key: &'static str) -> Field<Option<Rate>> {
        self.value(key, |node| match node.value.text() {
            Some("off") => Ok(None),
            Some(_) | None => amount(node, &RATE_OR_OFF).map(Some),
        })
    }
}

fn amount<T>(node: &Node, sort: &Sort<T>) -> Result<T, Wrong> {
    let Some(text) = node.value.text() else {
        let bare = node.value.integer().flatten().and_then(|number| u64::try_from(number).ok());
        let meant = bare.map(sort.bare).filter(|meant| (sort.parse)(meant).is_some());
        let write = meant.map_or_else(|| sort.units.to_owned(), |meant| format!("write \"{meant}\""));
        return Err(Wrong::kind(sort.expected, "").write(write));
    };
    (sort.parse)(text).ok_or_else(|| {
        let title = format!("expected {}, found \"{}\"", sort.expected, short(text));
        let write = meant(text, sort.meant)
            .filter(|meant| (sort.parse)(meant).is_some())
            .map_or_else(|| sort.units.to_owned(), |meant| format!("write \"{meant}\""));
        Wrong::value(title, write)
    })
}

fn in_range<T: Copy + PartialOrd>(
    value: T,
    range: &RangeInclusive<T>,
    show: impl Fn(T) -> String,
) -> Result<T, Wrong> {
    if range.contains(&value) {
        return Ok(value);
    }
    let (low, high) = (show(*range.start()), show(*range.end()));
    let title = format!("expected {low} to {high}, found {}", show(value));
    Err(Wrong::value(title, format!("write {low} to {high}")))
}

/// The right spelling of a number whose unit is nearly one.
fn meant(text: &str, units: &[(&str, &str)]) -> Option<String> {
    let text = text.trim();
    let digits = text.len() - text.trim_start_matches(|letter: char| letter.is_ascii_digit()).len();
    let (number, unit) = text.split_at_checked(digits)?;
    let unit = unit.trim().to_ascii_lowercase();
    let (_, right) = units.iter().find(|(wrong, _)| *wrong == unit)?;
    (!number.is_empty() && number.len() < 12).then(|| format!("{number}{right}"))
}

const TIME: Sort<Duration> = Sort {
    expected: "a duration such as \"30s\"",
    parse: parse_duration,
    bare: |number| format!("{number}s"),
    meant: &[
        ("", "s"),
        ("us", "us"),
        ("ms", "ms"),
        ("msec", "ms"),
        ("s", "s"),
        ("sec", "s"),
        ("secs", "s"),
        ("seconds", "s"),
        ("m", "m"),
        ("min", "m"),
        ("minutes", "m"),
        ("h", "h"),
        ("hours", "h"),
    ],
    units: "write a whole number and us, ms, s, m or h",
};

const SIZE: Sort<u64> = Sort {
    expected: "a size such as \"64KiB\"",
    parse: parse_size,
    bare: format_size,
    meant: &[
        ("", "B"),
        ("b", "B"),
        ("k", "KiB"),
        ("kb", "KiB"),
        ("kib", "KiB"),
        ("m", "MiB"),
        ("mb", "MiB"),
        ("mib", "MiB"),
        ("g", "GiB"),
        ("gb", "GiB"),
        ("gib", "GiB"),
    ],
    units: "write a whole number and B, KiB, MiB or GiB",
};

const SIZE_OR_OFF: Sort<u64> = Sort {
    expected: "a size such as \"64KiB\", or \"off\"",
    units: "write a whole number and B, KiB, MiB or GiB; \"off\": no limit",
    ..SIZE
};

const RATE: Sort<Rate> = Sort {
    expected: "a rate such as \"30/s\"",
    parse: parse_rate,
    bare: |number| format!("{number}/s"),
    meant: &[
        ("", "/s"),
        ("/s", "/s"),
        ("/sec", "/s"),
        ("/second", "/s"),
        ("ps", "/s"),
        ("/m", "/m"),
        ("/min", "/m"),
        ("/minute", "/m"),
        ("/h", "/h"),
        ("/hour", "/h"),
    ],
    units: "write a whole number above 0 and /s, /m or /h",
};

const RATE_OR_OFF: Sort<Rate> = Sort {
    expected: "a rate such as \"30/s\", or \"off\"",
    units: "write a whole number above 0 and /s, /m or /h; \"off\": no limit",
    ..RATE
};
