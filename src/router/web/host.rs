//! The host that a request names.

use std::borrow::Cow;

/// The name in a `Host` header or an authority: in small letters, without the port and the dot of the root. `None`
/// where it is none.
#[must_use]
pub fn host_name(authority: &str) -> Option<Cow<'_, str>> {
    let (host, port) = match authority.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((address, rest)) => {
            address.parse::<std::net::Ipv6Addr>().ok()?;
            (authority.get(..address.len() + 2)?, rest.strip_prefix(':').or(rest.is_empty().then_some(""))?)
        }
        None => authority.split_once(':').unwrap_or((authority, "")),
    };
    let is_port = port.is_empty() || port.len() <= 5 && port.bytes().all(|byte| byte.is_ascii_digit());
    let host = host.strip_suffix('.').unwrap_or(host);
    let is_name = host.starts_with('[') || !host.is_empty() && host.bytes().all(may_be_in_a_name);
    if !is_port || !is_name {
        return None;
    }
    let is_small = !host.bytes().any(|byte| byte.is_ascii_uppercase());
    Some(if is_small { Cow::Borrowed(host) } else { Cow::Owned(host.to_ascii_lowercase()) })
}

fn may_be_in_a_name(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_is_its_name_without_case_port_and_root() {
        for (authority, name) in [
            ("open.example.com", "open.example.com"),
            ("OPEN.example.com:443", "open.example.com"),
            ("open.example.com.", "open.example.com"),
            ("open.example.com.:80", "open.example.com"),
            ("open.example.com:", "open.example.com"),
            ("192.0.2.1:8080", "192.0.2.1"),
            ("[2001:DB8::1]:443", "[2001:db8::1]"),
            ("[::1]", "[::1]"),
        ] {
            assert_eq!(host_name(authority).as_deref(), Some(name), "{authority}");
        }
        for authority in [
            "",
            ":80",
            ".",
            "a b",
            "user@host",
            "a/b",
            "a:b",
            "a:123456",
            "[::1",
            "[::1]80",
            "[x]",
            "a:1:2",
            "a,b",
        ] {
            assert_eq!(host_name(authority), None, "{authority}");
        }
    }
}
