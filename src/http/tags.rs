//! What a request says of the answer it has already: entity tags (RFC 9110, section 13) and ranges (section 14).

use std::ops::Range;

use hyper::header::{HeaderMap, HeaderName, IF_MATCH, IF_NONE_MATCH, IF_RANGE, RANGE};

/// What a request is given of an answer that has a strong or weak entity tag.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::http) enum Share {
    /// All of it.
    Whole,
    /// These bytes of it.
    Part(Range<usize>),
    /// Nothing: it has it already.
    NotModified,
    /// Nothing: it wanted another one.
    Failed,
    /// Nothing: there are no such bytes.
    Beyond,
}

/// What a GET with these headers is given of an answer of so many bytes.
pub(in crate::http) fn share(asked: &HeaderMap, tag: &str, length: usize) -> Share {
    if asked.contains_key(IF_MATCH) && !names(asked, &IF_MATCH, tag, is_same) {
        return Share::Failed;
    }
    if names(asked, &IF_NONE_MATCH, tag, is_alike) {
        return Share::NotModified;
    }
    let mut ranges = asked.get_all(RANGE).iter();
    let (Some(range), None) = (ranges.next(), ranges.next()) else { return Share::Whole };
    let is_of_this =
        asked.get(IF_RANGE).is_none_or(|known| known.to_str().is_ok_and(|known| is_same(known, tag)));
    match range.to_str().ok().filter(|_| is_of_this).and_then(|range| part(range, length)) {
        None => Share::Whole,
        Some(part) if part.is_empty() => Share::Beyond,
        Some(part) => Share::Part(part),
    }
}

/// Whether a list of tags, in one header or in several, has this one.
fn names(asked: &HeaderMap, header: &HeaderName, tag: &str, same: impl Fn(&str, &str) -> bool) -> bool {
    let lists = asked.get_all(header).iter().filter_map(|value| value.to_str().ok());
    lists.into_iter().any(|list| list.trim() == "*" || Tags(list).any(|known| same(known, tag)))
}

/// The same bytes: both are strong.
fn is_same(one: &str, other: &str) -> bool {
    one == other && one.starts_with('"')
}

/// As good as the same: weak ones count.
fn is_alike(one: &str, other: &str) -> bool {
    opaque(one) == opaque(other)
}

fn opaque(tag: &str) -> &str {
    tag.strip_prefix("W/").unwrap_or(tag)
}

/// The tags of a list. A comma may be part of a tag.
struct Tags<'a>(&'a str);

impl<'a> Iterator for Tags<'a> {
    type Item = &'a str;

    fn next(&mut self) -> Option<&'a str> {
        let list = self.0.trim_start_matches([' ', '\t', ',']);
        let mark = if list.starts_with("W/") { 3 } else { 1 };
        let inner = list.get(mark..).filter(|_| opaque(list).starts_with('"'))?;
        let end = mark + inner.find('"')? + 1;
        self.0 = list.get(end..).unwrap_or_default();
        list.get(..end)
    }
}

/// The bytes that one range asks for, none where it lies behind the end; `None` for what is not one range of bytes.
fn part(range: &str, length: usize) -> Option<Range<usize>> {
    let (first, last) = range.strip_prefix("bytes=")?.trim().split_once('-')?;
    match (number(first), number(last)) {
        (Some(first), Some(last)) if last < first => None,
        (Some(first), Some(last)) => Some(first.min(length)..last.saturating_add(1).min(length)),
        (Some(first), None) if last.is_empty() => Some(first.min(length)..length),
        (None, Some(count)) if first.is_empty() => Some(length.saturating_sub(count)..length),
        (Some(_) | None, Some(_) | None) => None,
    }
}

/// A number of digits alone; one that is too large is behind every end.
fn number(text: &str) -> Option<usize> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    digits.then(|| text.parse().unwrap_or(usize::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;
    use hyper::header::HeaderValue;

    const TAG: &str = "\"abc\"";

    fn asks(headers: &[(HeaderName, &'static str)]) -> Share {
        let mut asked = HeaderMap::new();
        for (name, value) in headers {
            asked.append(name, HeaderValue::from_static(value));
        }
        share(&asked, TAG, 10)
    }

    #[test]
    fn who_has_it_already_gets_nothing() {
        for list in ["\"abc\"", "W/\"abc\"", "*", " \"x\", W/\"a,b\" ,\"abc\"", ",,\"abc\""] {
            assert_eq!(asks(&[(IF_NONE_MATCH, list)]), Share::NotModified, "{list}");
        }
        for list in ["\"x\"", "abc", "", "\"abc", "\"a\"bc\"", "W/abc", "\"x,\"abc\"", "\"*\""] {
            assert_eq!(asks(&[(IF_NONE_MATCH, list)]), Share::Whole, "{list}");
        }
        let two = [(IF_NONE_MATCH, "\"x\""), (IF_NONE_MATCH, "\"abc\"")];
        assert_eq!(asks(&two), Share::NotModified);
        let both = [(IF_NONE_MATCH, "\"abc\""), (RANGE, "bytes=0-1")];
        assert_eq!(asks(&both), Share::NotModified);
    }

    #[test]
    fn who_wants_another_one_fails() {
        assert_eq!(asks(&[(IF_MATCH, "\"x\"")]), Share::Failed);
        assert_eq!(asks(&[(IF_MATCH, "W/\"abc\"")]), Share::Failed, "a weak one proves nothing");
        assert_eq!(asks(&[(IF_MATCH, "\"x\", \"abc\"")]), Share::Whole);
        assert_eq!(asks(&[(IF_MATCH, "*")]), Share::Whole);
    }

    #[test]
    fn one_range_is_given_and_what_is_no_range_is_ignored() {
        let cases = [
            ("bytes=0-0", Share::Part(0..1)),
            ("bytes=2-5", Share::Part(2..6)),
            ("bytes=7-", Share::Part(7..10)),
            ("bytes=-3", Share::Part(7..10)),
            ("bytes=-30", Share::Part(0..10)),
            ("bytes=5-99999999999999999999999", Share::Part(5..10)),
            ("bytes=10-", Share::Beyond),
            ("bytes=99999999999999999999999-", Share::Beyond),
            ("bytes=-0", Share::Beyond),
        ];
        for (range, given) in cases {
            assert_eq!(asks(&[(RANGE, range)]), given, "{range}");
        }
        for range in
            ["bytes=5-2", "bytes=-", "bytes=a-b", "bytes=0-1,4-5", "lines=0-1", "bytes 0-1", "bytes=+1-2", ""]
        {
            assert_eq!(asks(&[(RANGE, range)]), Share::Whole, "{range}");
        }
        assert_eq!(asks(&[(RANGE, "bytes=0-1"), (RANGE, "bytes=2-3")]), Share::Whole);
        assert_eq!(
            share(&HeaderMap::from_iter([(RANGE, HeaderValue::from_static("bytes=0-"))]), TAG, 0),
            Share::Beyond
        );
    }

    #[test]
    fn a_range_of_another_one_is_no_range() {
        let of = |known| asks(&[(RANGE, "bytes=0-1"), (IF_RANGE, known)]);
        assert_eq!(of("\"abc\""), Share::Part(0..2));
        for known in ["\"x\"", "W/\"abc\"", "Sat, 21 Nov 2026 10:00:00 GMT"] {
            assert_eq!(of(known), Share::Whole, "{known}");
        }
    }
}
