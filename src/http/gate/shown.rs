//! What the head of a request shows of whoever sent it.

use hyper::HeaderMap;
use hyper::header::HeaderName;

use crate::partners::Shown;

/// What holds a key.
pub(super) const API_KEY: HeaderName = HeaderName::from_static("x-api-key");

/// The headers that speak of a partner.
pub(super) fn read<'a>(headers: &'a HeaderMap, certificate: &'a [String]) -> Shown<'a> {
    let one = |name| only(headers, name);
    Shown {
        key: one("x-realmgate-key"),
        timestamp: one("x-realmgate-timestamp"),
        nonce: one("x-realmgate-nonce"),
        signature: one("x-realmgate-signature"),
        api_key: one(API_KEY.as_str()),
        authorization: one("authorization"),
        certificate,
    }
}

/// The only header of a name. What came more than once, or is no text, is there and says nothing.
fn only<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let mut values = headers.get_all(name).iter();
    let first = values.next()?;
    Some(first.to_str().ok().filter(|_| values.next().is_none()).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use hyper::header::HeaderValue;

    use super::*;

    #[test]
    fn a_header_that_comes_twice_is_there_and_says_nothing() {
        let mut headers = HeaderMap::new();
        assert_eq!(read(&headers, &[]).key, None);
        headers.append("x-realmgate-key", HeaderValue::from_static("adnet"));
        assert_eq!(read(&headers, &[]).key, Some("adnet"));
        headers.append("x-realmgate-key", HeaderValue::from_static("paynet"));
        assert_eq!(read(&headers, &[]).key, Some(""));
        headers.insert("x-api-key", HeaderValue::from_bytes(b"a.\xFF").expect("bytes"));
        assert_eq!(read(&headers, &[]).api_key, Some(""));
    }
}
