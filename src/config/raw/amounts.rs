//! Durations and sizes, and the right spelling of those that are nearly right.

use std::ops::RangeInclusive;
use std::time::Duration;

use super::field::Field;
use super::fields::Fields;
use super::values::Wrong;
use crate::base::{format_duration, format_size, parse_duration, parse_size};
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
}

fn amount<T>(node: &Node, sort: &Sort<T>) -> Result<T, Wrong> {
    let Some(text) = node.value.text() else {
        let bare = node.value.integer().flatten().and_then(|number| u64::try_from(number).ok());
        let write =
            bare.map_or_else(|| sort.units.to_owned(), |number| format!("write \"{}\"", (sort.bare)(number)));
        return Err(Wrong::kind(sort.expected, "").write(write));
    };
    (sort.parse)(text).ok_or_else(|| {
        let title = format!("expected {}, found \"{}\"", sort.expected, short(text));
        let write = meant(text, sort.meant)
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
