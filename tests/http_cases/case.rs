//! The files: notes, what is sent, and what is expected.
//!
//! `send TEXT` and `repeat N TEXT` add bytes (`\r \n \t \0 \\ \xHH`). Then, in the order of the requests:
//! `pass METHOD TARGET BODY` (the backend sees exactly this), `answer` (the gateway answers by itself, and the connection
//! goes on), `refuse` (the gateway answers 400 and closes; no backend sees a whole request) or `close` (the connection
//! ends in order, and nothing behind is read).

use std::fs;
use std::path::{Path, PathBuf};

/// One file.
#[derive(Clone, Debug)]
pub(crate) struct Case {
    pub(crate) name: String,
    pub(crate) bytes: Vec<u8>,
    pub(crate) expected: Vec<Expected>,
}

/// What becomes of one request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Expected {
    Pass(Seen),
    Answer,
    Refuse,
    Close,
}

/// A request as a backend reads it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Seen {
    pub(crate) method: String,
    pub(crate) target: String,
    pub(crate) body: Vec<u8>,
}

impl Seen {
    pub(crate) fn get(target: &str) -> Self {
        Self { method: "GET".to_owned(), target: target.to_owned(), body: Vec::new() }
    }
}

impl Case {
    /// Whether another request can be sent on the connection.
    pub(crate) fn lives(&self) -> bool {
        !self.expected.iter().any(|expected| matches!(expected, Expected::Refuse | Expected::Close))
    }

    /// What the backend has to see, without markers.
    pub(crate) fn seen(&self) -> Vec<Seen> {
        let passed = |expected: &Expected| match expected {
            Expected::Pass(seen) => Some(seen.clone()),
            Expected::Answer | Expected::Refuse | Expected::Close => None,
        };
        self.expected.iter().filter_map(passed).collect()
    }

    fn read(path: &Path) -> Self {
        let name = path.file_stem().expect("a name").to_string_lossy().into_owned();
        let mut case = Self { name, bytes: Vec::new(), expected: Vec::new() };
        for line in lines(path) {
            let (word, rest) = line.split_once(' ').unwrap_or((&line, ""));
            match word {
                "send" => case.bytes.extend(unescape(rest)),
                "repeat" => {
                    let (count, text) = rest.split_once(' ').expect("a number and a text");
                    case.bytes.extend(unescape(text).repeat(count.parse().expect("a number")));
                }
                "pass" => case.expected.push(Expected::Pass(read_seen(rest))),
                "answer" => case.expected.push(Expected::Answer),
                "refuse" => case.expected.push(Expected::Refuse),
                "close" => case.expected.push(Expected::Close),
                word => panic!("{}: {word}?", path.display()),
            }
        }
        assert!(!case.bytes.is_empty() && !case.expected.is_empty(), "{} is not whole", path.display());
        case
    }
}

/// `METHOD TARGET BODY`.
pub(crate) fn read_seen(text: &str) -> Seen {
    let mut words = text.splitn(3, ' ');
    let mut word = || words.next().unwrap_or_default().to_owned();
    let (method, target, body) = (word(), word(), word());
    assert!(!method.is_empty() && !target.is_empty(), "{text:?}");
    Seen { method, target: expand(&target), body: unescape(&body) }
}

/// A target may say `{8000a}` for as many letters.
fn expand(target: &str) -> String {
    let Some((front, rest)) =
        target.split_once('{').filter(|(_, rest)| rest.starts_with(|c: char| c.is_ascii_digit()))
    else {
        return target.to_owned();
    };
    let (inner, behind) = rest.split_once('}').expect("a closing brace");
    let (count, letter) = inner.split_at(inner.len() - 1);
    format!("{front}{}{behind}", letter.repeat(count.parse().expect("a number")))
}

/// Every file of a folder under `tests/http/`, by name.
pub(crate) fn files(folder: &str) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/http").join(folder);
    let entries = fs::read_dir(&folder).expect("a folder of cases");
    let mut paths: Vec<_> = entries.map(|entry| entry.expect("an entry").path()).collect();
    paths.sort();
    paths
}

pub(crate) fn requests() -> Vec<Case> {
    files("requests").iter().map(|path| Case::read(path)).collect()
}

/// The lines of a file without its notes, which say what it shows and which part of the standard decides.
pub(crate) fn lines(path: &Path) -> Vec<String> {
    let text = fs::read_to_string(path).expect("a case");
    let (notes, lines): (Vec<_>, Vec<_>) = text.lines().partition(|line| line.starts_with('#'));
    let decides = notes
        .iter()
        .any(|note| note.contains("RFC 9110") || note.contains("RFC 9112") || note.contains("RFC 9113"));
    assert!(notes.len() >= 2 && decides, "{} does not say why", path.display());
    lines.into_iter().filter(|line| !line.is_empty()).map(str::to_owned).collect()
}

pub(crate) fn unescape(text: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'\\' {
            bytes.push(byte);
            continue;
        }
        bytes.push(match rest.next().expect("an escape") {
            b'r' => b'\r',
            b'n' => b'\n',
            b't' => b'\t',
            b'0' => 0,
            b'\\' => b'\\',
            b'x' => {
                let digits = [rest.next().expect("a digit"), rest.next().expect("a digit")];
                u8::from_str_radix(std::str::from_utf8(&digits).expect("text"), 16).expect("two digits")
            }
            other => panic!("\\{} is no escape", char::from(other)),
        });
    }
    bytes
}
