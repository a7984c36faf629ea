//! The PROXY protocol header as it is written: it tells a backend on a dedicated connection who the player is.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};

pub(super) const SIGNATURE: [u8; 12] = *b"\r\n\r\n\0\r\nQUIT\n";
pub(super) const VERSION_2_LOCAL: u8 = 0x20;
pub(super) const VERSION_2_PROXY: u8 = 0x21;
pub(super) const STREAM_OVER_IPV4: u8 = 0x11;
pub(super) const STREAM_OVER_IPV6: u8 = 0x21;
pub(super) const IPV4_LENGTH: u16 = 12;
pub(super) const IPV6_LENGTH: u16 = 36;

/// Appends a version 1 header, at most 107 bytes of text. IPv4 addresses in IPv6 clothes count as IPv4; a pair
/// of two families has no form in this version and is sent as `UNKNOWN`.
pub fn append_proxy_v1(source: SocketAddr, destination: SocketAddr, out: &mut Vec<u8>) {
    let (from, to) = (source.ip().to_canonical(), destination.ip().to_canonical());
    let family = match (from, to) {
        (IpAddr::V4(_), IpAddr::V4(_)) => "TCP4",
        (IpAddr::V6(_), IpAddr::V6(_)) => "TCP6",
        (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => {
            append_proxy_v1_local(out);
            return;
        }
    };
    let line = format!("PROXY {family} {from} {to} {} {}\r\n", source.port(), destination.port());
    out.extend_from_slice(line.as_bytes());
}

/// Appends a version 2 header: 28 bytes for IPv4, 52 for IPv6. Of a pair of two families the IPv4 address is
/// sent in IPv6 clothes.
pub fn append_proxy_v2(source: SocketAddr, destination: SocketAddr, out: &mut Vec<u8>) {
    out.extend_from_slice(&SIGNATURE);
    out.push(VERSION_2_PROXY);
    match (source.ip().to_canonical(), destination.ip().to_canonical()) {
        (IpAddr::V4(from), IpAddr::V4(to)) => {
            out.push(STREAM_OVER_IPV4);
            out.extend_from_slice(&IPV4_LENGTH.to_be_bytes());
            out.extend_from_slice(&from.octets());
            out.extend_from_slice(&to.octets());
        }
        (from, to) => {
            out.push(STREAM_OVER_IPV6);
            out.extend_from_slice(&IPV6_LENGTH.to_be_bytes());
            out.extend_from_slice(&as_ipv6(from).octets());
            out.extend_from_slice(&as_ipv6(to).octets());
        }
    }
    out.extend_from_slice(&source.port().to_be_bytes());
    out.extend_from_slice(&destination.port().to_be_bytes());
}

/// Appends a version 1 header for a connection that carries no player.
pub fn append_proxy_v1_local(out: &mut Vec<u8>) {
    out.extend_from_slice(b"PROXY UNKNOWN\r\n");
}

/// Appends a version 2 header for a connection that carries no player.
pub fn append_proxy_v2_local(out: &mut Vec<u8>) {
    out.extend_from_slice(&SIGNATURE);
    out.extend_from_slice(&[VERSION_2_LOCAL, 0, 0, 0]);
}

const fn as_ipv6(ip: IpAddr) -> Ipv6Addr {
    match ip {
        IpAddr::V4(ip) => ip.to_ipv6_mapped(),
        IpAddr::V6(ip) => ip,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn v1(source: &str, destination: &str) -> String {
        let mut out = Vec::new();
        append_proxy_v1(source.parse().unwrap(), destination.parse().unwrap(), &mut out);
        String::from_utf8(out).unwrap()
    }

    fn v2(source: &str, destination: &str) -> Vec<u8> {
        let mut out = Vec::new();
        append_proxy_v2(source.parse().unwrap(), destination.parse().unwrap(), &mut out);
        assert_eq!(&out[..13], b"\r\n\r\n\0\r\nQUIT\n\x21");
        out.split_off(13)
    }

    #[test]
    fn version_1_is_a_line_of_text() {
        assert_eq!(
            v1("203.0.113.9:50000", "10.0.0.1:7000"),
            "PROXY TCP4 203.0.113.9 10.0.0.1 50000 7000\r\n"
        );
        assert_eq!(v1("[::ffff:203.0.113.9]:1", "10.0.0.1:2"), "PROXY TCP4 203.0.113.9 10.0.0.1 1 2\r\n");
        assert_eq!(v1("[2001:db8::9]:1", "[2001:db8::1]:2"), "PROXY TCP6 2001:db8::9 2001:db8::1 1 2\r\n");
        assert_eq!(v1("[2001:db8::9]:1", "10.0.0.1:2"), "PROXY UNKNOWN\r\n");
        let longest = "[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]:65535";
        assert!(v1(longest, longest).len() <= 107);
    }

    #[test]
    fn a_connection_without_a_player_names_nobody() {
        let (mut text, mut binary) = (Vec::new(), Vec::new());
        append_proxy_v1_local(&mut text);
        append_proxy_v2_local(&mut binary);
        assert_eq!(text, b"PROXY UNKNOWN\r\n");
        assert_eq!(binary, b"\r\n\r\n\0\r\nQUIT\n\x20\0\0\0");
    }

    #[test]
    fn version_2_is_binary() {
        let expected = [0x11, 0, 12, 203, 0, 113, 9, 10, 0, 0, 1, 0xC3, 0x50, 0x1B, 0x58];
        assert_eq!(v2("203.0.113.9:50000", "10.0.0.1:7000"), expected);
        let mixed = v2("10.0.0.1:1", "[2001:db8::1]:2");
        assert_eq!(&mixed[..3], [0x21, 0, 36]);
        assert_eq!(&mixed[3..19], [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF, 10, 0, 0, 1]);
        assert_eq!(&mixed[19..21], [0x20, 0x01]);
        assert_eq!(mixed[35..], [0, 1, 0, 2]);
    }
}
