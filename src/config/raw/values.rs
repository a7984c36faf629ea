//! Single values: durations, sizes, numbers, words and names, and what to write instead of a wrong one.

use std::fmt::Display;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::time::Duration;

use super::field::Field;
use super::fields::Fields;
use crate::base::{format_duration, format_size, parse_duration, parse_size};
use crate::config::nearest::nearest;
use crate::config::problem::Problem;
use crate::config::site::Site;
use crate::config::tree::{Node, Value};

/// What is wrong with a value.
pub(super) struct Wrong {
    title: Option<String>,
    expected: String,
    because: &'static str,
    write: String,
}

/// A word of the contract and what it means; `None`: this version does not have it.
pub(in crate::config) type Word<T> = (&'static str, Option<T>);

impl Wrong {
    /// Another type than the key takes.
    pub(super) fn kind(expected: &str, like: &str) -> Self {
        let write = format!("write something like {like}");
        Self { title: None, expected: expected.to_owned(), because: NO_DEFAULT, write }
    }

    /// The right type with a value that cannot be.
    pub(super) fn value(title: String, write: String) -> Self {
        Self { title: Some(title), expected: String::new(), because: NO_DEFAULT, write }
    }

    pub(super) fn because(mut self, because: &'static str) -> Self {
        self.because = because;
        self
    }

    pub(super) fn problem(self, key: &str, node: &Node) -> Problem {
        let title =
            self.title.unwrap_or_else(|| format!("expected {}, found {}", self.expected, node.value.kind()));
        Problem::at(&node.site, format!("`{key}`: {title}")).because(self.because).write(self.write)
    }
}

impl Fields<'_> {
    pub(super) fn text(&mut self, key: &'static str, like: &'static str) -> Field<String> {
        self.value(key, |node| text_of(node, like).map(str::to_owned))
    }

    pub(super) fn path(&mut self, key: &'static str) -> Field<PathBuf> {
        self.value(key, |node| text_of(node, "\"tls/game.pem\"").map(PathBuf::from))
    }

    pub(super) fn name(&mut self, key: &'static str) -> Field<String> {
        self.value(key, |node| {
            let name = text_of(node, "\"sh-a\"")?;
            if is_name(name) {
                Ok(name.to_owned())
            } else {
                Err(Wrong::value(odd_name(name), NAMES.to_owned()))
            }
        })
    }

    pub(super) fn flag(&mut self, key: &'static str) -> Field<bool> {
        self.value(key, |node| match &node.value {
            Value::Bool(yes) => Ok(*yes),
            Value::Text(text) if text == "true" || text == "false" => Err(Wrong {
                write: format!("write {text} without quotes"),
                ..Wrong::kind("true or false", "true")
            }),
            _ => {
                Err(Wrong { write: "write true or false".to_owned(), ..Wrong::kind("true or false", "true") })
            }
        })
    }

    pub(super) fn number<T>(&mut self, key: &'static str, range: RangeInclusive<T>) -> Field<T>
    where
        T: Copy + Display + PartialOrd + TryFrom<i128>,
    {
        self.value(key, |node| number_of(node, &range))
    }

    pub(super) fn duration(&mut self, key: &'static str, range: RangeInclusive<Duration>) -> Field<Duration> {
        self.value(key, |node| {
            let duration = duration_of(node)?;
            in_range(duration, &range, |bound| format!("\"{}\"", format_duration(bound)))
        })
    }

    pub(super) fn size(&mut self, key: &'static str, range: RangeInclusive<u32>) -> Field<u32> {
        self.value(key, |node| {
            let bytes = size_of(node)?;
            let wide = u64::from(*range.start())..=u64::from(*range.end());
            let bytes = in_range(bytes, &wide, |bound| format!("\"{}\"", format_size(bound)))?;
            u32::try_from(bytes).map_err(|_| Wrong::kind("a size", "\"64KiB\""))
        })
    }

    /// One of a few words.
    pub(super) fn word<T: Copy>(&mut self, key: &'static str, words: &[Word<T>]) -> Field<T> {
        self.value(key, |node| {
            let known: Vec<_> =
                words.iter().filter(|(_, value)| value.is_some()).map(|(word, _)| *word).collect();
            let all = known.iter().map(|word| format!("\"{word}\"")).collect::<Vec<_>>().join(" or ");
            let text = text_of(node, &all)?;
            match words.iter().find(|(word, _)| *word == text) {
                Some((_, Some(value))) => Ok(*value),
                Some((_, None)) => {
                    let wrong =
                        Wrong::value(format!("\"{text}\" is not supported yet"), format!("write {all}"));
                    Err(wrong.because("this version has no such rule"))
                }
                None => Err(unknown_word(text, &known, &all)),
            }
        })
    }
}

fn unknown_word(text: &str, known: &[&str], all: &str) -> Wrong {
    let write = match nearest(text, known.iter().copied()) {
        Some(near) => format!("write \"{near}\""),
        None => format!("write {all}"),
    };
    Wrong::value(format!("there is no \"{}\"", short(text)), write)
}

/// The text of a node.
pub(super) fn text_of<'n>(node: &'n Node, like: &str) -> Result<&'n str, Wrong> {
    match &node.value {
        Value::Text(text) if text.is_empty() => {
            Err(Wrong::value("the text is empty".to_owned(), format!("write something like {like}")))
        }
        Value::Text(text) => Ok(text),
        _ => Err(Wrong::kind("text", like)),
    }
}

/// An integer of a node within its bounds.
pub(super) fn number_of<T>(node: &Node, range: &RangeInclusive<T>) -> Result<T, Wrong>
where
    T: Copy + Display + PartialOrd + TryFrom<i128>,
{
    let (low, high) = (range.start(), range.end());
    let between = || format!("write {low} to {high}");
    match &node.value {
        Value::Integer(number) => {
            let fits =
                number.and_then(|number| T::try_from(number).ok()).filter(|number| range.contains(number));
            let found = number.map_or_else(|| "a longer one".to_owned(), |number| number.to_string());
            fits.ok_or_else(|| Wrong::value(format!("expected {low} to {high}, found {found}"), between()))
        }
        Value::Text(text) if text.parse::<i64>().is_ok() => {
            Err(Wrong { write: format!("write {text} without quotes"), ..Wrong::kind("an integer", "") })
        }
        _ => Err(Wrong { write: between(), ..Wrong::kind("an integer", "") }),
    }
}

fn duration_of(node: &Node) -> Result<Duration, Wrong> {
    const EXPECTED: &str = "a duration such as \"30s\"";
    match &node.value {
        Value::Integer(Some(number)) if *number >= 0 => {
            Err(Wrong { write: format!("write \"{number}s\" for seconds"), ..Wrong::kind(EXPECTED, "") })
        }
        Value::Text(text) => parse_duration(text).ok_or_else(|| {
            let title = format!("expected {EXPECTED}, found \"{}\"", short(text));
            let write = match meant(text, &TIMES) {
                Some(meant) => format!("write \"{meant}\""),
                None => "write a whole number and us, ms, s, m or h".to_owned(),
            };
            Wrong::value(title, write)
        }),
        _ => Err(Wrong::kind(EXPECTED, "\"30s\"")),
    }
}

fn size_of(node: &Node) -> Result<u64, Wrong> {
    const EXPECTED: &str = "a size such as \"64KiB\"";
    match &node.value {
        Value::Integer(Some(number)) if *number >= 0 => {
            let meant = u64::try_from(*number).map_or_else(|_| "64KiB".to_owned(), format_size);
            Err(Wrong { write: format!("write \"{meant}\""), ..Wrong::kind(EXPECTED, "") })
        }
        Value::Text(text) => parse_size(text).ok_or_else(|| {
            let title = format!("expected {EXPECTED}, found \"{}\"", short(text));
            let write = match meant(text, &SIZES) {
                Some(meant) => format!("write \"{meant}\""),
                None => "write a whole number and B, KiB, MiB or GiB".to_owned(),
            };
            Wrong::value(title, write)
        }),
        _ => Err(Wrong::kind(EXPECTED, "\"64KiB\"")),
    }
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

/// A mistake when a name would make a bad metric label.
pub(super) fn bad_name(name: &str, site: &Site) -> Option<Problem> {
    let problem =
        || Problem::at(site, odd_name(name)).because("names are labels of metrics and words of the shell");
    (!is_name(name)).then(|| problem().write(NAMES))
}

fn is_name(name: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-';
    (1..=64).contains(&name.len()) && name.bytes().all(plain)
}

fn odd_name(name: &str) -> String {
    match name.is_empty() {
        true => "the name is empty".to_owned(),
        false => format!("\"{}\" is no good name", short(name)),
    }
}

/// Titles stay lines, whatever the file quotes.
pub(in crate::config) fn short(text: &str) -> String {
    match text.char_indices().nth(60) {
        Some((at, _)) => format!("{}...", text.get(..at).unwrap_or_default()),
        None => text.to_owned(),
    }
}

const NO_DEFAULT: &str = "a value that cannot be read does not quietly become the default";
const NAMES: &str = "write 1 to 64 of the letters a-z A-Z 0-9 _ -";
const TIMES: [(&str, &str); 13] = [
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
];
const SIZES: [(&str, &str); 11] = [
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
];
