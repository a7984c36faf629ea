//! What may stand in `Host`, and between the scheme and the path of a target.

use std::net::Ipv6Addr;

/// A name in DNS has 253 letters at most.
const LONGEST_NAME: usize = 255;

/// Whether `bytes` name a host, with or without a port (RFC 9110, 7.2). Of the letters that a name may have by RFC 3986
/// those are left out that no host on a network has: a list such as `a,b` is none, nor is anything with a user.
#[must_use]
pub fn is_host(bytes: &[u8]) -> bool {
    if let Some(literal) = bytes.strip_prefix(b"[") {
        let Some(end) = literal.iter().position(|byte| *byte == b']') else { return false };
        let (address, rest) = literal.split_at_checked(end).unwrap_or_default();
        return is_ipv6(address) && rest.strip_prefix(b"]").is_some_and(is_end);
    }
    let end = bytes.iter().position(|byte| *byte == b':').unwrap_or(bytes.len());
    let (name, rest) = bytes.split_at_checked(end).unwrap_or_default();
    is_name(name) && is_end(rest)
}

fn is_name(name: &[u8]) -> bool {
    let letter = |byte: &u8| byte.is_ascii_alphanumeric() || b"-._~".contains(byte);
    !name.is_empty() && name.len() <= LONGEST_NAME && name.iter().all(letter)
}

fn is_ipv6(address: &[u8]) -> bool {
    std::str::from_utf8(address).is_ok_and(|text| text.parse::<Ipv6Addr>().is_ok())
}

/// Nothing, or a colon and a port; the port may be left out (RFC 3986, 3.2.3).
fn is_end(rest: &[u8]) -> bool {
    let Some(port) = rest.strip_prefix(b":") else { return rest.is_empty() };
    let plain = port.len() <= 5 && port.iter().all(u8::is_ascii_digit);
    let number = || std::str::from_utf8(port).is_ok_and(|text| text.parse::<u16>().is_ok());
    plain && (port.is_empty() || number())
}
