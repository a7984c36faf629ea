//! One field of a head or of trailers.

use super::fault::RequestFault;

/// The name and the value of a line without its end; the value without the spaces around it.
pub(super) fn read_field(line: &[u8]) -> Result<(&[u8], &[u8]), RequestFault> {
    if matches!(line, [b' ' | b'\t', ..]) {
        return Err(RequestFault::Folded);
    }
    let colon = line.iter().position(|byte| *byte == b':').ok_or(RequestFault::FieldName)?;
    let (name, rest) = line.split_at_checked(colon).ok_or(RequestFault::FieldName)?;
    if name.is_empty() || !name.iter().all(is_token_letter) {
        return Err(RequestFault::FieldName);
    }
    let value = rest.strip_prefix(b":").unwrap_or_default();
    if value.contains(&b'\r') {
        return Err(RequestFault::LineEnd);
    }
    if value.iter().all(is_value_letter) { Ok((name, trim(value))) } else { Err(RequestFault::FieldValue) }
}

/// The members of a list in a value; empty ones are left out.
pub(super) fn members(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    value.split(|byte| *byte == b',').map(trim).filter(|member| !member.is_empty())
}

/// A plain decimal number that a body may be long, as `Content-Length` says it; `None`: no such number.
#[must_use]
pub fn read_length(value: &[u8]) -> Option<u64> {
    let plain = !value.is_empty() && value.len() <= LONGEST_LENGTH && value.iter().all(u8::is_ascii_digit);
    let number = plain.then(|| std::str::from_utf8(value).ok()?.parse().ok()).flatten();
    number.filter(|number| *number <= super::LARGEST_BODY)
}

/// The largest number has so many digits.
const LONGEST_LENGTH: usize = 19;

pub(super) const fn is_token_letter(byte: &u8) -> bool {
    matches!(byte, b'0'..=b'9' | b'A'..=b'Z' | b'a'..=b'z' | b'!' | b'#' | b'$' | b'%' | b'&' | b'\'' | b'*'
        | b'+' | b'-' | b'.' | b'^' | b'_' | b'`' | b'|' | b'~')
}

/// Everything but control characters. Bytes from 0x80 on are old, and harmless.
pub(super) const fn is_value_letter(byte: &u8) -> bool {
    matches!(byte, b'\t' | b' '..=b'~' | 0x80..)
}

pub(super) const fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t')
}

fn trim(mut value: &[u8]) -> &[u8] {
    while let [first, rest @ ..] = value
        && is_space(*first)
    {
        value = rest;
    }
    while let [rest @ .., last] = value
        && is_space(*last)
    {
        value = rest;
    }
    value
}
