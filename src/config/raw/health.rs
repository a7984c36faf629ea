//! `[cluster.NAME.health]` as written.

use std::time::Duration;

use super::field::Field;
use super::fields::Fields;
use super::listener::WAITING;
use super::values::{Wrong, request_path, text_of};
use crate::config::problem::short;
use crate::config::tree::Node;

/// `[cluster.NAME.health]`.
pub(in crate::config) struct Health {
    pub(in crate::config) probe: Field<ProbeKind>,
    pub(in crate::config) path: Field<String>,
    pub(in crate::config) send: Field<Vec<u8>>,
    pub(in crate::config) expect: Field<Vec<u8>>,
    pub(in crate::config) interval: Field<Duration>,
    pub(in crate::config) timeout: Field<Duration>,
    pub(in crate::config) fall: Field<u32>,
    pub(in crate::config) rise: Field<u32>,
}

/// `probe` of a cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::config) enum ProbeKind {
    Link,
    Tcp,
    Http,
    Frame,
}

impl ProbeKind {
    /// The word of the configuration.
    pub(in crate::config) const fn as_str(self) -> &'static str {
        match self {
            Self::Link => "link",
            Self::Tcp => "tcp",
            Self::Http => "http",
            Self::Frame => "frame",
        }
    }
}

impl Health {
    pub(super) fn read(fields: &mut Fields<'_>) -> Self {
        Self {
            probe: fields.word("probe", &PROBES),
            path: fields.value("path", |node| request_path(node, "\"/health\"")),
            send: fields.value("send", bytes_of),
            expect: fields.value("expect", bytes_of),
            interval: fields.duration("interval", WAITING),
            timeout: fields.duration("timeout", WAITING),
            fall: fields.number("fall", 1..=100),
            rise: fields.number("rise", 1..=100),
        }
    }
}

fn bytes_of(node: &Node) -> Result<Vec<u8>, Wrong> {
    let text = text_of(node, "\"00000004\"")?;
    let found = short(text);
    let (title, write) = if !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        (format!("\"{found}\" is not hex"), "write two of 0-9 a-f for each byte and nothing else")
    } else if !text.len().is_multiple_of(2) {
        (format!("\"{found}\" has half a byte: {} digits", text.len()), "write two digits for each byte")
    } else if text.len() > 2 * MOST_BYTES {
        (format!("\"{found}\" is longer than {MOST_BYTES} bytes"), "write a shorter one")
    } else {
        return Ok(text.as_bytes().chunks(2).map(byte_of).collect());
    };
    Err(Wrong::value(title, write.to_owned()))
}

fn byte_of(digits: &[u8]) -> u8 {
    let value = |digit: &u8| match digit {
        b'0'..=b'9' => digit - b'0',
        _ => (digit | 0x20) - b'a' + 10,
    };
    digits.iter().fold(0, |byte, digit| byte << 4 | value(digit))
}

/// The keys of `health`, to tell those who wrote them one table too high.
pub(super) const HEALTH: [&str; 8] =
    ["probe", "path", "send", "expect", "interval", "timeout", "fall", "rise"];

/// A probe asks whether a backend lives; more than this would be work.
const MOST_BYTES: usize = 4096;
const PROBES: [super::Word<ProbeKind>; 4] = [
    (ProbeKind::Link.as_str(), Some(ProbeKind::Link)),
    (ProbeKind::Tcp.as_str(), Some(ProbeKind::Tcp)),
    (ProbeKind::Http.as_str(), Some(ProbeKind::Http)),
    (ProbeKind::Frame.as_str(), Some(ProbeKind::Frame)),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_of_both_cases_become_bytes() {
        let bytes: Vec<u8> = [b"00", b"7f", b"aB", b"Ff"].map(|digits| byte_of(digits)).to_vec();
        assert_eq!(bytes, [0x00, 0x7F, 0xAB, 0xFF]);
    }
}
