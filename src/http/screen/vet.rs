//! What is looked at when a head has been parsed: of requests what no framing shows, and what HTTP/2 leaves to those
//! behind it; of answers what hyper's client takes and a reader behind the gateway might not.

use hyper::header::{
    CONNECTION, CONTENT_LENGTH, COOKIE, HOST, HeaderName, HeaderValue, TE, TRANSFER_ENCODING, UPGRADE,
};
use hyper::{HeaderMap, Method, Request, StatusCode, Uri, Version};

use crate::wire::{LONGEST_LINE, MOST_FIELDS, RequestFault, is_host, is_path, read_length};

/// Why an answer of a backend is not given on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::http) enum AnswerFault {
    /// A `Content-Length` that is no plain number, or more than one.
    Length,
    /// A `Transfer-Encoding` other than one `chunked`.
    Coding,
    /// Both.
    TwoLengths,
    /// The length of a body where there can be none.
    NoBody,
}

/// Fields that speak of one connection only; HTTP/2 has none of them (RFC 9113, 8.2.2).
const OF_CONNECTIONS: [HeaderName; 5] = [
    CONNECTION,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
    TRANSFER_ENCODING,
    UPGRADE,
];

/// Looks at the head of a request, of either version.
///
/// # Errors
/// When it is malformed, or says two things about where it goes: it is answered 400; 431 where it is only too much.
pub(in crate::http) fn vet_request<B>(request: &Request<B>) -> Result<(), RequestFault> {
    vet_target(request.method(), request.uri())?;
    vet_host(request)?;
    let mut lengths = request.headers().get_all(CONTENT_LENGTH).iter();
    let length = lengths.next();
    if length.is_some_and(|value| read_length(value.as_bytes()).is_none()) || lengths.next().is_some() {
        return Err(RequestFault::Length);
    }
    if request.version() == Version::HTTP_2 { vet_fields(request.headers()) } else { Ok(()) }
}

fn vet_target(method: &Method, uri: &Uri) -> Result<(), RequestFault> {
    let path = uri.path_and_query().map_or("", |path| path.as_str());
    let scheme = uri.scheme_str().is_none_or(|scheme| scheme == "http" || scheme == "https");
    let form = match path {
        "*" => method == Method::OPTIONS,
        path => path.starts_with('/') && is_path(path.as_bytes()),
    };
    if scheme && form && method != Method::CONNECT { Ok(()) } else { Err(RequestFault::Target) }
}

/// One host, in `Host`, in the target or in both; a request of HTTP/1.0 may have none.
fn vet_host<B>(request: &Request<B>) -> Result<(), RequestFault> {
    let mut fields = request.headers().get_all(HOST).iter();
    let (field, second) = (fields.next().map(|value| value.as_bytes()), fields.next());
    let target = request.uri().authority().map(|authority| authority.as_str().as_bytes());
    let sound = match (field, target) {
        (None, None) => request.version() == Version::HTTP_10,
        (Some(host), None) | (None, Some(host)) => is_host(host),
        (Some(field), Some(target)) => is_host(field) && field.eq_ignore_ascii_case(target),
    };
    if sound && second.is_none() { Ok(()) } else { Err(RequestFault::Host) }
}

/// What RFC 9113 forbids and no reader of HTTP/2 has to notice, and what is too much where lines are read. In HTTP/1.1
/// some of it would be framing.
fn vet_fields(headers: &HeaderMap) -> Result<(), RequestFault> {
    vet_sizes(headers)?;
    if OF_CONNECTIONS.iter().any(|name| headers.contains_key(name)) {
        return Err(RequestFault::FieldName);
    }
    let space = |byte: Option<&u8>| byte.is_some_and(|byte| matches!(byte, b' ' | b'\t'));
    let padded = |value: &[u8]| space(value.first()) || space(value.last());
    let te = headers.get_all(TE).iter().all(|value| value.as_bytes() == b"trailers");
    if !te || headers.values().any(|value| padded(value.as_bytes())) {
        return Err(RequestFault::FieldValue);
    }
    Ok(())
}

/// No more than HTTP/1.1 may have. The pieces of a cookie are one line (RFC 9113, 8.2.3).
fn vet_sizes(headers: &HeaderMap) -> Result<(), RequestFault> {
    let pieces = headers.get_all(COOKIE);
    if headers.len() - pieces.iter().count().saturating_sub(1) > MOST_FIELDS {
        return Err(RequestFault::TooManyFields);
    }
    let line = |name: &HeaderName, length: usize| name.as_str().len() + length + ": \r\n".len();
    let cookie = line(&COOKIE, pieces.iter().map(|piece| piece.len() + "; ".len()).sum());
    let longest = headers.iter().map(|(name, value)| line(name, value.len())).fold(cookie, usize::max);
    if longest > LONGEST_LINE { Err(RequestFault::LineTooLong) } else { Ok(()) }
}

/// Looks at the head of a backend's answer, as it came.
///
/// # Errors
/// When its end could be taken for another one: the client gets 502, and the backend's connection is not used again.
pub(in crate::http) fn vet_answer(status: StatusCode, headers: &HeaderMap) -> Result<(), AnswerFault> {
    let mut lengths = headers.get_all(CONTENT_LENGTH).iter();
    let mut codings = headers.get_all(TRANSFER_ENCODING).iter();
    let (length, coding) = (lengths.next(), codings.next());
    if length.is_some() && coding.is_some() {
        return Err(AnswerFault::TwoLengths);
    }
    if length.is_some_and(|value| read_length(value.as_bytes()).is_none()) || lengths.next().is_some() {
        return Err(AnswerFault::Length);
    }
    let chunked = |value: &[u8]| value.eq_ignore_ascii_case(b"chunked");
    if coding.is_some_and(|value| !chunked(value.as_bytes())) || codings.next().is_some() {
        return Err(AnswerFault::Coding);
    }
    // Many a backend says of 204 that its length is 0. It may not, but nobody reads that in two ways.
    let is_nothing = |value: &HeaderValue| read_length(value.as_bytes()) == Some(0);
    let length = length.filter(|value| status != StatusCode::NO_CONTENT || !is_nothing(value));
    let bodiless = status.is_informational() || status == StatusCode::NO_CONTENT;
    if bodiless && (length.is_some() || coding.is_some()) { Err(AnswerFault::NoBody) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hyper::Response;

    fn request(
        version: Version,
        method: &str,
        uri: &str,
        fields: &[(&str, &str)],
    ) -> Result<(), RequestFault> {
        let request = Request::builder().version(version).method(method).uri(uri);
        let request = fields.iter().fold(request, |request, (name, value)| request.header(*name, *value));
        vet_request(&request.body(()).unwrap())
    }

    #[test]
    fn a_request_has_one_host_wherever_it_says_it() {
        let two = |uri, fields: &[(&str, &str)]| request(Version::HTTP_2, "GET", uri, fields);
        assert_eq!(two("https://gate.test/", &[]), Ok(()));
        assert_eq!(two("https://gate.test/", &[("host", "GATE.test")]), Ok(()));
        assert_eq!(two("/", &[("host", "gate.test")]), Ok(()));
        assert_eq!(two("https://gate.test/", &[("host", "other.test")]), Err(RequestFault::Host));
        assert_eq!(two("https://u@gate.test/", &[]), Err(RequestFault::Host));
        assert_eq!(two("/", &[("host", "a"), ("host", "a")]), Err(RequestFault::Host));
        assert_eq!(two("/", &[]), Err(RequestFault::Host));
        assert_eq!(request(Version::HTTP_10, "GET", "/", &[]), Ok(()));
    }

    #[test]
    fn a_request_of_http_2_has_nothing_of_connections_and_no_spaces_around_values() {
        let with = |name, value| request(Version::HTTP_2, "GET", "https://gate.test/", &[(name, value)]);
        assert_eq!(with("te", "trailers"), Ok(()));
        assert_eq!(with("te", "gzip"), Err(RequestFault::FieldValue));
        assert_eq!(with("x-any", "a "), Err(RequestFault::FieldValue));
        for name in &OF_CONNECTIONS {
            assert_eq!(with(name.as_str(), "x"), Err(RequestFault::FieldName), "{name}");
        }
        let host = ("host", "gate.test");
        assert_eq!(request(Version::HTTP_11, "GET", "/", &[host, ("connection", "close")]), Ok(()));
    }

    #[test]
    fn a_target_is_a_path_and_asks_for_no_tunnel() {
        let target = |method, uri| request(Version::HTTP_2, method, uri, &[("host", "gate.test")]);
        assert_eq!(target("OPTIONS", "*"), Ok(()));
        for (method, uri) in [("GET", "*"), ("CONNECT", "gate.test:80"), ("GET", "ftp://gate.test/")] {
            assert_eq!(target(method, uri), Err(RequestFault::Target), "{method} {uri}");
        }
        let lengths = [("host", "a"), ("content-length", "1"), ("content-length", "1")];
        assert_eq!(request(Version::HTTP_11, "PUT", "/", &lengths), Err(RequestFault::Length));
    }

    fn answer(status: u16, fields: &[(&str, &str)]) -> Result<(), AnswerFault> {
        let answer = Response::builder().status(status);
        let answer = fields.iter().fold(answer, |answer, (name, value)| answer.header(*name, *value));
        let (head, ()) = answer.body(()).unwrap().into_parts();
        vet_answer(head.status, &head.headers)
    }

    #[test]
    fn an_answer_says_its_length_once() {
        let (length, chunked) = (("content-length", "5"), ("transfer-encoding", "Chunked"));
        assert_eq!(answer(200, &[]), Ok(()), "it ends with its connection");
        assert_eq!(answer(200, &[length]), Ok(()));
        assert_eq!(answer(200, &[chunked]), Ok(()));
        assert_eq!(answer(304, &[length]), Ok(()), "what it would be long");
        assert_eq!(answer(200, &[length, chunked]), Err(AnswerFault::TwoLengths));
        assert_eq!(answer(200, &[length, length]), Err(AnswerFault::Length));
        assert_eq!(answer(200, &[("content-length", "5, 5")]), Err(AnswerFault::Length));
        assert_eq!(answer(200, &[("transfer-encoding", "gzip, chunked")]), Err(AnswerFault::Coding));
        assert_eq!(answer(200, &[chunked, chunked]), Err(AnswerFault::Coding));
        assert_eq!(answer(204, &[length]), Err(AnswerFault::NoBody));
        assert_eq!(answer(204, &[chunked]), Err(AnswerFault::NoBody));
        assert_eq!(answer(204, &[("content-length", "0")]), Ok(()), "wrong and plain");
        assert_eq!(answer(101, &[("content-length", "0")]), Err(AnswerFault::NoBody));
    }
}
