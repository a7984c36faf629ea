//! PROXY headers as they come in: from the front of the bytes that are there so far, again and again until the
//! header is whole. Nothing is kept here and nothing is reserved for what a header claims.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use super::write::{SIGNATURE, STREAM_OVER_IPV4, STREAM_OVER_IPV6, VERSION_2_LOCAL, VERSION_2_PROXY};

/// What a whole header says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProxyHeader {
    /// The player and where it wanted to go; `None`: nobody is behind the connection, or nobody who is named.
    pub player: Option<(SocketAddr, SocketAddr)>,
    /// The header's bytes.
    pub length: usize,
}

/// Why the front of a connection is no PROXY header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProxyFault {
    /// It begins like neither version.
    Missing,
    /// It begins like one and goes on wrong.
    Malformed,
    /// It is longer than any that is taken.
    TooLong,
}

/// The longest line of version 1, its end included.
const LONGEST_LINE: usize = 107;
/// The longest header of version 2 that is taken. Addresses need 52 bytes; what proxies say in addition about
/// certificates takes hundreds.
const LONGEST: usize = 4096;
/// What is in front of the addresses in version 2.
const FIXED: usize = 16;
const WORD: &[u8] = b"PROXY ";
/// Families of version 2 whose addresses say nothing here: none, datagrams, Unix sockets.
const NAMELESS: [u8; 5] = [0x00, 0x12, 0x22, 0x31, 0x32];

/// Whether a connection that begins with `bytes` begins with a PROXY header; `None`: too few to tell.
#[must_use]
pub fn looks_like_proxy(bytes: &[u8]) -> Option<bool> {
    let begins = |with: &[u8]| bytes.starts_with(with);
    let may_begin = |with: &[u8]| with.starts_with(bytes);
    if begins(WORD) || begins(&SIGNATURE) {
        return Some(true);
    }
    if may_begin(WORD) || may_begin(&SIGNATURE) { None } else { Some(false) }
}

/// Reads the header at the front of `bytes`; `None`: it is not whole yet.
///
/// # Errors
/// As soon as it can be known that there is no header, or none that is taken.
pub fn read_proxy(bytes: &[u8]) -> Result<Option<ProxyHeader>, ProxyFault> {
    match looks_like_proxy(bytes) {
        None => Ok(None),
        Some(false) => Err(ProxyFault::Missing),
        Some(true) if bytes.starts_with(WORD) => read_line(bytes),
        Some(true) => read_binary(bytes),
    }
}

fn read_line(bytes: &[u8]) -> Result<Option<ProxyHeader>, ProxyFault> {
    let front = bytes.get(..LONGEST_LINE).unwrap_or(bytes);
    let Some(end) = front.iter().position(|byte| *byte == b'\n') else {
        return if front.len() < LONGEST_LINE { Ok(None) } else { Err(ProxyFault::TooLong) };
    };
    let line = front.get(..end).and_then(|line| line.strip_suffix(b"\r")).ok_or(ProxyFault::Malformed)?;
    let player = addresses_of_line(line).ok_or(ProxyFault::Malformed)?;
    Ok(Some(ProxyHeader { player, length: end + 1 }))
}

/// The outer `None`: it is wrong.
fn addresses_of_line(line: &[u8]) -> Option<Option<(SocketAddr, SocketAddr)>> {
    let mut words = std::str::from_utf8(line).ok()?.split(' ').skip(1);
    let is_family: fn(&IpAddr) -> bool = match words.next()? {
        "UNKNOWN" => return Some(None), // whatever follows is to be left unread
        "TCP4" => IpAddr::is_ipv4,
        "TCP6" => IpAddr::is_ipv6,
        _ => return None,
    };
    let mut address = || words.next()?.parse().ok().filter(is_family);
    let (from, to): (IpAddr, IpAddr) = (address()?, address()?);
    let (from_port, to_port) = (port(words.next()?)?, port(words.next()?)?);
    let player = (canonical(from, from_port), canonical(to, to_port));
    words.next().is_none().then_some(Some(player))
}

/// A port without signs or zeros in front, which a parser of numbers would take.
fn port(text: &str) -> Option<u16> {
    let plain = text.bytes().all(|byte| byte.is_ascii_digit()) && (text == "0" || !text.starts_with('0'));
    plain.then(|| text.parse().ok()).flatten()
}

fn read_binary(bytes: &[u8]) -> Result<Option<ProxyHeader>, ProxyFault> {
    let Some(fixed) = bytes.first_chunk::<FIXED>() else { return Ok(None) };
    let [.., command, family, high, low] = *fixed;
    let length = FIXED + usize::from(u16::from_be_bytes([high, low]));
    if command != VERSION_2_LOCAL && command != VERSION_2_PROXY {
        return Err(ProxyFault::Malformed);
    }
    if length > LONGEST {
        return Err(ProxyFault::TooLong);
    }
    let Some(body) = bytes.get(FIXED..length) else { return Ok(None) };
    let player = match (command, family) {
        (VERSION_2_LOCAL, _) => None, // the proxy's own, to see whether somebody is here
        (_, STREAM_OVER_IPV4) => Some(ipv4_pair(body).ok_or(ProxyFault::Malformed)?),
        (_, STREAM_OVER_IPV6) => Some(ipv6_pair(body).ok_or(ProxyFault::Malformed)?),
        (_, family) if NAMELESS.contains(&family) => None,
        _ => return Err(ProxyFault::Malformed),
    };
    Ok(Some(ProxyHeader { player, length }))
}

/// Both addresses, then both ports; what proxies add behind them is left unread.
fn ipv4_pair(body: &[u8]) -> Option<(SocketAddr, SocketAddr)> {
    let (from, rest) = body.split_first_chunk::<4>()?;
    let (to, rest) = rest.split_first_chunk::<4>()?;
    pair(Ipv4Addr::from(*from).into(), Ipv4Addr::from(*to).into(), rest)
}

fn ipv6_pair(body: &[u8]) -> Option<(SocketAddr, SocketAddr)> {
    let (from, rest) = body.split_first_chunk::<16>()?;
    let (to, rest) = rest.split_first_chunk::<16>()?;
    pair(Ipv6Addr::from(*from).into(), Ipv6Addr::from(*to).into(), rest)
}

fn pair(from: IpAddr, to: IpAddr, ports: &[u8]) -> Option<(SocketAddr, SocketAddr)> {
    let [a, b, c, d] = *ports.first_chunk::<4>()?;
    Some((canonical(from, u16::from_be_bytes([a, b])), canonical(to, u16::from_be_bytes([c, d]))))
}

/// IPv4 addresses in IPv6 clothes count as IPv4.
fn canonical(ip: IpAddr, port: u16) -> SocketAddr {
    SocketAddr::new(ip.to_canonical(), port)
}

#[cfg(test)]
mod tests;
