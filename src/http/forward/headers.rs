//! What of a head goes on and what is for one connection only (RFC 9110, 7.6.1), and what the gateway says of the
//! client. Nobody's word for who the client is goes on: the file has no key that says whose to believe.

use std::net::{IpAddr, SocketAddr};

use hyper::header::{
    CONNECTION, CONTENT_LENGTH, COOKIE, Entry, FORWARDED, HOST, HeaderName, HeaderValue, TE, TRAILER,
    TRANSFER_ENCODING, UPGRADE,
};
use hyper::{HeaderMap, StatusCode};

/// Who asks, as a backend is told.
#[derive(Clone, Copy, Debug)]
pub(super) struct Origin<'a> {
    /// The client's address.
    pub(super) address: IpAddr,
    /// Whether it speaks TLS.
    pub(super) tls: bool,
    /// Where it came to; the host of a request that names none.
    pub(super) local: SocketAddr,
    /// The request's number.
    pub(super) id: &'a str,
    /// The partner that has proven to be one.
    pub(super) partner: Option<&'a str>,
}

const KEEP_ALIVE: HeaderName = HeaderName::from_static("keep-alive");
const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const X_FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
const X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const X_REALMGATE_PARTNER: HeaderName = HeaderName::from_static("x-realmgate-partner");
const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// For one connection only, besides what `Connection` names and what begins with `PROXY`.
const HOP_BY_HOP: [HeaderName; 5] = [CONNECTION, KEEP_ALIVE, TE, TRANSFER_ENCODING, UPGRADE];
const PROXY: &str = "proxy-";

/// What backends are told by proxies of the client and of its target, and by this one otherwise: a word of the client's
/// would be believed. `Proxy` is a setting to programs behind CGI.
const CLAIMS: [&str; 5] = ["proxy", "true-client-ip", "x-original-url", "x-real-ip", "x-rewrite-url"];
const FORWARDS: &str = "x-forwarded-";

/// Whether the head wants the connection to become a WebSocket's.
pub(super) fn wants_websocket(headers: &HeaderMap) -> bool {
    let is_named = || options(headers).any(|option| option.eq_ignore_ascii_case("upgrade"));
    let is_websocket = |value: &HeaderValue| value.as_bytes().eq_ignore_ascii_case(b"websocket");
    headers.get(UPGRADE).is_some_and(is_websocket) && is_named()
}

/// Makes of a client's head one for a backend. `websocket`: the connection is to become a WebSocket's.
pub(super) fn to_backend(headers: &mut HeaderMap, origin: &Origin<'_>, websocket: bool) {
    let takes_trailers = takes_trailers(headers);
    without_hops(headers);
    // Without this word none are sent: who merges trailers into the head would believe what they say of the client.
    headers.remove(TRAILER);
    without_claims(headers);
    one_cookie(headers);
    if takes_trailers {
        headers.insert(TE, HeaderValue::from_static("trailers"));
    }
    if websocket {
        upgrade(headers);
    }
    introduce(headers, origin);
    if !headers.contains_key(HOST) {
        put(headers, HOST, &origin.local.to_string());
    }
}

/// Makes of a backend's head one for the client. `websocket`: the connection becomes a WebSocket's.
pub(super) fn to_client(headers: &mut HeaderMap, status: StatusCode) {
    without_hops(headers);
    if status == StatusCode::SWITCHING_PROTOCOLS {
        upgrade(headers);
    }
    if status == StatusCode::NO_CONTENT {
        headers.remove(CONTENT_LENGTH); // backends say 0 there, and nobody may say anything (RFC 9110, 8.6)
    }
}

fn upgrade(headers: &mut HeaderMap) {
    headers.insert(CONNECTION, HeaderValue::from_static("upgrade"));
    headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
}

/// The words of `Connection`.
fn options(headers: &HeaderMap) -> impl Iterator<Item = &str> {
    let values = headers.get_all(CONNECTION).iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).map(str::trim)
}

fn without_hops(headers: &mut HeaderMap) {
    // Where a body ends and whom the request is for is nothing that a connection's word takes away.
    let may_go = |name: &HeaderName| *name != HOST && *name != CONTENT_LENGTH;
    let named: Vec<HeaderName> = options(headers)
        .filter(|option| !option.eq_ignore_ascii_case("close") && !option.eq_ignore_ascii_case("keep-alive"))
        .filter_map(|option| HeaderName::from_bytes(option.as_bytes()).ok())
        .filter(may_go)
        .collect();
    for name in named.iter().chain(&HOP_BY_HOP) {
        headers.remove(name);
    }
    remove_where(headers, |name| name.starts_with(PROXY));
}

fn remove_where(headers: &mut HeaderMap, is_out: impl Fn(&str) -> bool) {
    let out: Vec<HeaderName> = headers.keys().filter(|name| is_out(name.as_str())).cloned().collect();
    for name in out {
        headers.remove(name);
    }
}

/// Whether the client reads trailers, which is all that `TE` may say to the next one.
fn takes_trailers(headers: &HeaderMap) -> bool {
    let values = headers.get_all(TE).iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).any(|word| word.trim().eq_ignore_ascii_case("trailers"))
}

/// Takes out what a client says of itself and its target, and names that a backend behind CGI or WSGI cannot tell from
/// that, from the gateway's own, or from what says where a body ends: there `X_Forwarded_For` is `X-Forwarded-For`.
fn without_claims(headers: &mut HeaderMap) {
    let own = [&X_REALMGATE_PARTNER, &X_REQUEST_ID, &CONTENT_LENGTH, &TRANSFER_ENCODING];
    let is_claim = |name: &str| CLAIMS.contains(&name) || name.starts_with(FORWARDS);
    remove_where(headers, |name| {
        if !name.contains('_') {
            return is_claim(name);
        }
        let plain = name.replace('_', "-");
        is_claim(&plain) || plain.starts_with(PROXY) || own.iter().any(|own| own.as_str() == plain)
    });
}

/// HTTP/2 may send a cookie in pieces; HTTP/1.1 has one header for all (RFC 9113, 8.2.3).
fn one_cookie(headers: &mut HeaderMap) {
    if headers.get_all(COOKIE).iter().nth(1).is_none() {
        return;
    }
    let pieces: Vec<&[u8]> = headers.get_all(COOKIE).iter().map(HeaderValue::as_bytes).collect();
    if let Ok(whole) = HeaderValue::from_bytes(&pieces.join(&b"; "[..])) {
        headers.insert(COOKIE, whole);
    }
}

/// Says who asks, in the gateway's words alone.
fn introduce(headers: &mut HeaderMap, origin: &Origin<'_>) {
    let address = origin.address.to_canonical();
    let proto = HeaderValue::from_static(if origin.tls { "https" } else { "http" });
    put(headers, X_FORWARDED_FOR, &address.to_string());
    put(headers, FORWARDED, &forwarded(address, origin.tls, headers.get(HOST)));
    match headers.get(HOST).cloned() {
        Some(host) => drop(headers.insert(X_FORWARDED_HOST, host)),
        None => drop(headers.remove(X_FORWARDED_HOST)),
    }
    headers.insert(X_FORWARDED_PROTO, proto);
    put(headers, X_REQUEST_ID, origin.id);
    match origin.partner {
        Some(name) => put(headers, X_REALMGATE_PARTNER, name),
        None => drop(headers.remove(X_REALMGATE_PARTNER)),
    }
}

/// Puts one value in place of all there are.
fn put(headers: &mut HeaderMap, name: HeaderName, value: &str) {
    let value = HeaderValue::from_str(value);
    match (headers.entry(name), value) {
        (Entry::Occupied(mut known), Ok(value)) => drop(known.insert(value)),
        (Entry::Vacant(free), Ok(value)) => drop(free.insert(value)),
        (Entry::Occupied(known), Err(_)) => drop(known.remove_entry_mult().1.count()),
        (Entry::Vacant(_), Err(_)) => {}
    }
}

/// The element of RFC 7239.
fn forwarded(address: IpAddr, tls: bool, host: Option<&HeaderValue>) -> String {
    let proto = if tls { "https" } else { "http" };
    let who = match address {
        IpAddr::V4(ip) => format!("for={ip}"),
        IpAddr::V6(ip) => format!("for=\"[{ip}]\""),
    };
    let plain =
        |host: &&str| host.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'"' && byte != b'\\');
    match host.and_then(|host| host.to_str().ok()).filter(plain) {
        Some(host) => format!("{who};host=\"{host}\";proto={proto}"),
        None => format!("{who};proto={proto}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ORIGIN: Origin<'static> = Origin {
        address: IpAddr::V4(std::net::Ipv4Addr::new(203, 0, 113, 7)),
        tls: true,
        local: SocketAddr::new(IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 80),
        id: "0123456789abcdef0123456789abcdef",
        partner: None,
    };

    fn head(lines: &[(&str, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            let name: HeaderName = name.parse().expect("a name");
            headers.append(name, value.parse().expect("a value"));
        }
        headers
    }

    /// What a backend gets of these lines, without what the gateway says of the client.
    fn passed(lines: &[(&str, &str)]) -> Vec<(String, String)> {
        let mut headers = head(lines);
        to_backend(&mut headers, &ORIGIN, false);
        let own =
            |name: &str| name.starts_with("x-forwarded-") || name == "forwarded" || name == "x-request-id";
        let text = |value: &HeaderValue| value.to_str().expect("text").to_owned();
        headers
            .iter()
            .filter(|(name, value)| !own(name.as_str()) && *value != "127.0.0.1:80")
            .map(|(name, value)| (name.to_string(), text(value)))
            .collect()
    }

    fn pairs(lines: &[(&str, &str)]) -> Vec<(String, String)> {
        lines.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn what_is_for_one_connection_goes_no_further() {
        let lines = [
            ("host", "a.example"),
            ("connection", "keep-alive, X-Mine ,upgrade"),
            ("keep-alive", "timeout=5"),
            ("proxy-connection", "keep-alive"),
            ("proxy-authorization", "Basic QQ=="),
            ("proxy-status", "mine"),
            ("transfer-encoding", "chunked"),
            ("upgrade", "h2c"),
            ("x-mine", "1"),
            ("x-yours", "2"),
            ("trailer", "x-sum"),
        ];
        assert_eq!(passed(&lines), pairs(&[("host", "a.example"), ("x-yours", "2")]));
    }

    #[test]
    fn no_word_of_a_connection_takes_the_host_or_the_length_away() {
        let lines = [("host", "a.example"), ("content-length", "3"), ("connection", "host, content-length")];
        assert_eq!(passed(&lines), pairs(&[("host", "a.example"), ("content-length", "3")]));
    }

    #[test]
    fn of_te_only_trailers_are_told_on() {
        assert_eq!(passed(&[("te", "gzip, trailers")]), pairs(&[("te", "trailers")]));
        assert_eq!(passed(&[("te", "gzip")]), []);
    }

    #[test]
    fn a_request_that_names_no_host_is_for_where_it_came_to() {
        let mut headers = head(&[]);
        to_backend(&mut headers, &ORIGIN, false);
        assert_eq!(headers.get(HOST).map(HeaderValue::as_bytes), Some(&b"127.0.0.1:80"[..]));
        assert!(!headers.contains_key(X_FORWARDED_HOST), "the client said nothing of it");
    }

    #[test]
    fn cookies_in_pieces_become_one() {
        assert_eq!(passed(&[("cookie", "a=1"), ("cookie", "b=2")]), pairs(&[("cookie", "a=1; b=2")]));
    }

    #[test]
    fn nobodys_word_for_the_client_goes_on() {
        let lies = [
            ("host", "a.example:8443"),
            ("x-forwarded-for", "127.0.0.1"),
            ("x-forwarded-for", "10.0.0.1"),
            ("x-forwarded-host", "evil"),
            ("x-forwarded-proto", "gopher"),
            ("forwarded", "for=127.0.0.1"),
            ("x-request-id", "mine"),
            ("x-realmgate-partner", "adnet"),
            ("x_realmgate_partner", "adnet"),
            ("x_forwarded_for", "127.0.0.1"),
            ("x-realmgate_partner", "adnet"),
            ("content_length", "5"),
            ("transfer_encoding", "chunked"),
            ("x-real-ip", "127.0.0.1"),
            ("x_real_ip", "127.0.0.1"),
            ("true-client-ip", "127.0.0.1"),
            ("x-original-url", "/admin"),
            ("x-rewrite-url", "/admin"),
            ("x_rewrite-url", "/admin"),
            ("x-forwarded-port", "1"),
            ("x-forwarded-prefix", "/admin"),
            ("x_forwarded_prefix", "/admin"),
            ("proxy", "evil:3128"),
            ("proxy_authorization", "Basic QQ=="),
        ];
        let mut headers = head(&lies);
        to_backend(&mut headers, &ORIGIN, false);
        let mut lines: Vec<_> =
            headers.iter().map(|(name, value)| (name.as_str(), value.to_str().expect("text"))).collect();
        lines.sort_unstable();
        assert_eq!(
            lines,
            [
                ("forwarded", "for=203.0.113.7;host=\"a.example:8443\";proto=https"),
                ("host", "a.example:8443"),
                ("x-forwarded-for", "203.0.113.7"),
                ("x-forwarded-host", "a.example:8443"),
                ("x-forwarded-proto", "https"),
                ("x-request-id", ORIGIN.id),
            ]
        );
    }

    #[test]
    fn a_proven_partner_is_named() {
        let mut headers = head(&[("x-realmgate-partner", "somebody")]);
        to_backend(&mut headers, &Origin { partner: Some("adnet"), ..ORIGIN }, false);
        let all: Vec<_> = headers.get_all("x-realmgate-partner").iter().collect();
        assert_eq!(all, ["adnet"]);
    }

    #[test]
    fn an_address_of_version_6_is_quoted_and_one_of_version_4_in_it_is_not() {
        let forwarded =
            |address: &str| forwarded(address.parse::<IpAddr>().expect("one").to_canonical(), false, None);
        assert_eq!(forwarded("2001:db8::1"), "for=\"[2001:db8::1]\";proto=http");
        assert_eq!(forwarded("::ffff:192.0.2.1"), "for=192.0.2.1;proto=http");
    }

    #[test]
    fn only_a_websocket_may_change_what_a_connection_speaks() {
        let asks = |upgrade: &str, connection: &str| {
            wants_websocket(&head(&[("upgrade", upgrade), ("connection", connection)]))
        };
        assert!(asks("WebSocket", "keep-alive, Upgrade"));
        assert!(!asks("websocket", "keep-alive"));
        assert!(!asks("h2c", "upgrade"));
        let mut headers = head(&[("upgrade", "websocket"), ("connection", "keep-alive, Upgrade")]);
        to_backend(&mut headers, &ORIGIN, true);
        assert_eq!(
            (&headers["upgrade"], &headers["connection"]),
            (&"websocket".parse().unwrap(), &"upgrade".parse().unwrap())
        );
    }

    #[test]
    fn an_answer_keeps_what_is_not_for_one_connection() {
        let mut headers = head(&[
            ("connection", "close, x-hop"),
            ("x-hop", "1"),
            ("keep-alive", "timeout=5"),
            ("transfer-encoding", "chunked"),
            ("set-cookie", "a=1"),
            ("set-cookie", "b=2"),
            ("trailer", "x-sum"),
        ]);
        to_client(&mut headers, StatusCode::OK);
        let names: Vec<_> = headers.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["set-cookie", "set-cookie", "trailer"]);
    }
}
