//! Single values: texts, numbers, words and names, and what to write instead of a wrong one.

use std::fmt::Display;
use std::ops::RangeInclusive;
use std::path::PathBuf;

use super::field::Field;
use super::fields::Fields;
use crate::config::nearest::nearest;
use crate::config::problem::{Problem, short};
use crate::config::site::Site;
use crate::config::tree::Node;

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

    pub(super) fn write(mut self, write: String) -> Self {
        self.write = write;
        self
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

    pub(super) fn path(&mut self, key: &'static str, like: &'static str) -> Field<PathBuf> {
        self.value(key, |node| text_of(node, like).map(PathBuf::from))
    }

    /// The name of a release group.
    pub(super) fn group(&mut self, key: &'static str) -> Field<String> {
        self.value(key, |node| {
            let name = text_of(node, "\"a\"")?;
            let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
            if name.len() <= 32 && name.bytes().all(plain) {
                Ok(name.to_owned())
            } else {
                let title = format!("\"{}\" is no good name of a group", short(name));
                Err(Wrong::value(title, "write 1 to 32 of the letters a-z A-Z 0-9 _ - .".to_owned()))
            }
        })
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
        self.value(key, |node| {
            let quoted = node.value.text().filter(|text| ["true", "false"].contains(text));
            let write = || match quoted {
                Some(text) => format!("write {text} without quotes"),
                None => "write true or false".to_owned(),
            };
            node.value.flag().ok_or_else(|| Wrong::kind("true or false", "").write(write()))
        })
    }

    pub(super) fn number<T>(&mut self, key: &'static str, range: RangeInclusive<T>) -> Field<T>
    where
        T: Copy + Display + PartialOrd + TryFrom<i128>,
    {
        self.value(key, |node| number_of(node, &range))
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
    let text = node.value.text().ok_or_else(|| Wrong::kind("text", like))?;
    if text.is_empty() {
        return Err(Wrong::value("the text is empty".to_owned(), format!("write something like {like}")));
    }
    Ok(text)
}

/// What stands in the first line of a request.
pub(super) fn request_path(node: &Node, like: &str) -> Result<String, Wrong> {
    let path = text_of(node, like)?;
    if path.starts_with('/') && path.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'#') {
        return Ok(path.to_owned());
    }
    let title = format!("\"{}\" is no path of a request", short(path));
    let write = format!(
        "write a path that begins with / and has only visible ASCII without spaces and without #: {like}"
    );
    Err(Wrong::value(title, write))
}

/// An integer of a node within its bounds.
pub(super) fn number_of<T>(node: &Node, range: &RangeInclusive<T>) -> Result<T, Wrong>
where
    T: Copy + Display + PartialOrd + TryFrom<i128>,
{
    let (low, high) = (range.start(), range.end());
    let between = || format!("write {low} to {high}");
    let Some(number) = node.value.integer() else {
        let write = match node.value.text().filter(|text| text.parse::<i64>().is_ok()) {
            Some(text) => format!("write {text} without quotes"),
            None => between(),
        };
        return Err(Wrong::kind("an integer", "").write(write));
    };
    let fits = number.and_then(|number| T::try_from(number).ok()).filter(|number| range.contains(number));
    let found = number.map_or_else(|| "a longer one".to_owned(), |number| number.to_string());
    fits.ok_or_else(|| Wrong::value(format!("expected {low} to {high}, found {found}"), between()))
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

const NO_DEFAULT: &str = "a wrong value does not quietly become the default";
const NAMES: &str = "write 1 to 64 of the letters a-z A-Z 0-9 _ -";
