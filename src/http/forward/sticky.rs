//! What keeps a client at one backend: the key that keyed balances go by, and the cookie by which the gateway finds
//! a client's backend again.

use std::net::IpAddr;

use hyper::HeaderMap;
use hyper::Uri;
use hyper::header::{COOKIE, HeaderValue};

use crate::config::HashOn;
use crate::policy::stable_hash;

/// The key of a request; a request without one goes by its client's address.
pub(super) fn key(hash_on: &HashOn, headers: &HeaderMap, uri: &Uri, address: IpAddr) -> u64 {
    let value = match hash_on {
        HashOn::Header(name) => headers.get(name.as_str()).map(HeaderValue::as_bytes),
        HashOn::Cookie { name, .. } => cookie(headers, name),
        HashOn::Query(name) => uri.query().and_then(|query| parameter(query, name)).map(str::as_bytes),
        HashOn::Session | HashOn::Account | HashOn::ClientIp | HashOn::Field { .. } => None,
    };
    value.map_or_else(|| of_address(address), stable_hash)
}

/// The same key that players of this address have.
fn of_address(address: IpAddr) -> u64 {
    match address.to_canonical() {
        IpAddr::V4(ip) => stable_hash(&ip.octets()),
        IpAddr::V6(ip) => stable_hash(&ip.octets()),
    }
}

/// The cookie with a name; the first, as browsers send the nearest one first.
fn cookie<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a [u8]> {
    let pairs = headers.get_all(COOKIE).iter().flat_map(|line| line.as_bytes().split(|byte| *byte == b';'));
    let mut found = pairs.filter_map(|pair| {
        let pair = pair.trim_ascii();
        let end = pair.iter().position(|byte| *byte == b'=')?;
        let (key, value) = pair.split_at_checked(end)?;
        (key == name.as_bytes()).then(|| value.strip_prefix(b"=").unwrap_or(value))
    });
    found.next()
}

/// A parameter as it is written.
fn parameter<'a>(query: &'a str, name: &str) -> Option<&'a str> {
    let mut pairs = query.split('&').filter_map(|pair| pair.split_once('='));
    pairs.find(|(key, _)| *key == name).map(|(_, value)| value)
}

/// The mark of the backend that a client's cookie names.
pub(super) fn kept(headers: &HeaderMap, name: &str) -> Option<u64> {
    let value = cookie(headers, name)?;
    let is_mark = value.len() == MARK && value.iter().all(u8::is_ascii_hexdigit);
    u64::from_str_radix(std::str::from_utf8(value).ok().filter(|_| is_mark)?, 16).ok()
}

/// The mark of a backend: the same on every gateway, and it does not tell where the backend is.
pub(super) fn mark(address: &str) -> u64 {
    stable_hash(address.as_bytes())
}

/// What gives a client the cookie. It carries no authority, so pages of other sites may send it: a game in a frame
/// of a portal is one.
pub(super) fn set_cookie(name: &str, mark: u64, tls: bool) -> Option<HeaderValue> {
    let reach = if tls { "; Secure; SameSite=None" } else { "" };
    HeaderValue::from_str(&format!("{name}={mark:016x}; Path=/; HttpOnly{reach}")).ok()
}

/// Digits of a mark.
const MARK: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;

    const ADDRESS: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1));

    fn head(lines: &[(&'static str, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            headers.append(*name, value.parse().expect("a value"));
        }
        headers
    }

    fn key_of(hash_on: &HashOn, lines: &[(&'static str, &str)], uri: &str) -> u64 {
        key(hash_on, &head(lines), &uri.parse().expect("one"), ADDRESS)
    }

    #[test]
    fn each_kind_of_key_is_found_where_it_is() {
        let header = HashOn::Header("x-player".to_owned());
        assert_eq!(key_of(&header, &[("x-player", "p1")], "/"), stable_hash(b"p1"));
        let query = HashOn::Query("sid".to_owned());
        assert_eq!(key_of(&query, &[], "/a?xsid=1&sid=p%31&sid=3"), stable_hash(b"p%31"));
        let cookie = HashOn::Cookie { name: "sid".to_owned(), insert: false };
        assert_eq!(key_of(&cookie, &[("cookie", "a=b;  sid=x=y ; sid=z")], "/"), stable_hash(b"x=y"));
        assert_eq!(key_of(&cookie, &[("cookie", "asid=1"), ("cookie", "sid=2")], "/"), stable_hash(b"2"));
    }

    #[test]
    fn without_its_key_a_request_goes_by_its_address() {
        let by_address = stable_hash(&[192, 0, 2, 1]);
        for hash_on in [
            HashOn::ClientIp,
            HashOn::Header("x-player".to_owned()),
            HashOn::Query("sid".to_owned()),
            HashOn::Cookie { name: "sid".to_owned(), insert: false },
        ] {
            assert_eq!(key_of(&hash_on, &[("cookie", "sid")], "/?sid"), by_address, "{hash_on}");
        }
        let inner = key(
            &HashOn::ClientIp,
            &head(&[]),
            &Uri::from_static("/"),
            "::ffff:192.0.2.1".parse().expect("one"),
        );
        assert_eq!(inner, by_address);
    }

    #[test]
    fn a_cookie_of_the_gateway_comes_back_as_it_went() {
        let mark = mark("10.0.0.1:80");
        let text = set_cookie("gate", mark, true).expect("a value");
        let text = text.to_str().expect("text");
        assert!(text.ends_with("; Path=/; HttpOnly; Secure; SameSite=None"), "{text}");
        let pair = text.split(';').next().expect("a pair");
        assert_eq!(kept(&head(&[("cookie", pair)]), "gate"), Some(mark));
    }

    #[test]
    fn a_cookie_that_the_gateway_never_gave_is_none() {
        for value in
            ["gate=", "gate=12", "gate=zzzzzzzzzzzzzzzz", "gate=+123456789abcdef", "other=0123456789abcdef"]
        {
            assert_eq!(kept(&head(&[("cookie", value)]), "gate"), None, "{value}");
        }
    }
}
