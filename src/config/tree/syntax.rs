//! What is wrong with a text before it can be a tree.

use std::ops::Range;

use crate::config::problem::Problem;
use crate::config::site::Site;

/// No key of the configuration has more parts. Deeper ones would nest tables as deep as the line is long.
const MOST_DOTS: usize = 8;

/// The first key with too many parts: such a text must not reach the parser, whose tables would nest so deep that
/// dropping them overflows the stack.
pub(super) fn too_deep(text: &str) -> Option<usize> {
    let mut state = State::Plain;
    let mut dots = 0;
    let mut rest = text;
    while let Some(letter) = rest.chars().next() {
        let taken = state.step(rest, letter);
        if matches!(state, State::Plain) {
            dots = match letter {
                '.' => dots + 1,
                '\n' | '=' | ',' | '{' | '[' => 0,
                _ => dots,
            };
        }
        if dots > MOST_DOTS {
            return Some(text.len() - rest.len());
        }
        rest = rest.get(taken..).unwrap_or_default();
    }
    None
}

/// Where in TOML a letter stands.
enum State {
    Plain,
    Comment,
    /// A string and what ends it.
    Quoted(&'static str),
}

impl State {
    /// Takes the next piece of the text; the answer is its length in bytes.
    fn step(&mut self, rest: &str, letter: char) -> usize {
        match self {
            Self::Plain => self.leave_plain(rest, letter),
            Self::Comment if letter == '\n' => self.become_plain(1),
            Self::Comment => letter.len_utf8(),
            Self::Quoted(end) if rest.starts_with(*end) => {
                let length = end.len();
                self.become_plain(length)
            }
            Self::Quoted(end) if end.len() == 1 && letter == '\n' => self.become_plain(1),
            Self::Quoted(end) if end.starts_with('"') && letter == '\\' => {
                1 + rest.chars().nth(1).filter(|next| *next != '\n').map_or(0, char::len_utf8)
            }
            Self::Quoted(_) => letter.len_utf8(),
        }
    }

    fn leave_plain(&mut self, rest: &str, letter: char) -> usize {
        if letter == '#' {
            *self = Self::Comment;
        } else if let Some(quote) =
            ["\"\"\"", "'''", "\"", "'"].into_iter().find(|quote| rest.starts_with(quote))
        {
            *self = Self::Quoted(quote);
            return quote.len();
        }
        letter.len_utf8()
    }

    fn become_plain(&mut self, taken: usize) -> usize {
        *self = Self::Plain;
        taken
    }
}

/// A key of the same table that is written a second time, in the words of the parser.
pub(super) const DUPLICATE: &str = "duplicate key";

/// A parser's finding as a mistake; `search`: also for the first place of a key that is written twice.
pub(super) fn mistake(
    source: usize,
    text: &str,
    message: &str,
    span: Option<Range<usize>>,
    search: bool,
) -> Problem {
    let span = span.unwrap_or(text.len()..text.len());
    let site = Site { source, span: span.clone() };
    if message == DUPLICATE {
        return twice(text, &site, search);
    }
    Problem::at(&site, format!("this is not TOML: {message}"))
        .because("nothing of the file would have been read")
        .write("write `key = value`, texts in double quotes, tables as [name]")
}

fn twice(text: &str, site: &Site, search: bool) -> Problem {
    let name = text.get(site.span.clone()).unwrap_or("this key");
    let problem = Problem::at(site, format!("`{name}` is written twice"))
        .because("one of the two would have been lost")
        .write("keep one of them");
    match search.then(|| first_of(text, &site.span)).flatten() {
        Some(span) => problem.see(&Site { source: site.source, span }, "the first one"),
        None => problem,
    }
}

/// The parser keeps the first place to itself, so it is searched: the nearest earlier line that says the same up
/// to the end of the key, and for an inline table the nearest place on its own line.
fn first_of(text: &str, span: &Range<usize>) -> Option<Range<usize>> {
    let name = text.get(span.clone())?;
    let before = text.get(..span.start)?;
    let start = before.rfind('\n').map_or(0, |newline| newline + 1);
    let head = text.get(start..span.end)?.trim_start();
    let on_line = text.get(start..span.start)?.rfind(name).map(|at| start + at);
    let at = on_line.or_else(|| earlier_line(before.get(..start)?, head, name))?;
    Some(at..at + name.len())
}

fn earlier_line(before: &str, head: &str, name: &str) -> Option<usize> {
    let mut end = before.len();
    for line in before.split_inclusive('\n').rev() {
        end -= line.len();
        let rest = line.trim_start().strip_prefix(head);
        if rest.is_some_and(|rest| {
            !rest.starts_with(|next: char| next.is_alphanumeric() || "_-.".contains(next))
        }) {
            return Some(end + line.len() - line.trim_start().len() + head.len() - name.len());
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_dots_of_keys_count() {
        assert_eq!(too_deep("a = \"1.2.3.4.5.6.7.8.9.10.11\" # ...........\n"), None);
        assert_eq!(too_deep("a = [1.5, 2.5, 3.5, 4.5, 5.5, 6.5, 7.5, 8.5, 9.5, 10.5]"), None);
        assert_eq!(too_deep("a = '''\n. . . . . . . . . . . .\n'''"), None);
        assert!(too_deep(&"a.".repeat(9)).is_some());
        assert!(too_deep("x = \"\"\"\n\"\"\"\na.'b'.\"c\\\".\".d.e.f.g.h.i.j = 1").is_some());
    }
}
