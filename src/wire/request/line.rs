//! The first line of a request: method, target, version.

use super::fault::RequestFault;
use super::field::is_token_letter;
use super::host::is_host;

/// No method in use is longer.
const LONGEST_METHOD: usize = 32;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Version {
    Http10,
    Http11,
}

/// What the first line says about how the rest is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct RequestLine<'a> {
    pub(super) version: Version,
    /// Of a target in absolute form: the host, which `Host` has to repeat.
    pub(super) authority: Option<&'a [u8]>,
}

impl<'a> RequestLine<'a> {
    /// Reads a line without its end.
    pub(super) fn read(line: &'a [u8]) -> Result<Self, RequestFault> {
        let mut words = line.split(|byte| *byte == b' ');
        let (Some(method), Some(target), Some(version), None) =
            (words.next(), words.next(), words.next(), words.next())
        else {
            return Err(RequestFault::RequestLine);
        };
        if method.is_empty() || method.len() > LONGEST_METHOD || !method.iter().all(is_token_letter) {
            return Err(RequestFault::RequestLine);
        }
        let version = match version {
            b"HTTP/1.1" => Version::Http11,
            b"HTTP/1.0" => Version::Http10,
            _ => return Err(RequestFault::Version),
        };
        Ok(Self { version, authority: read_target(method, target)? })
    }
}

/// The host of a target in absolute form. CONNECT asks for a tunnel to anywhere, which nobody gets here.
fn read_target<'a>(method: &[u8], target: &'a [u8]) -> Result<Option<&'a [u8]>, RequestFault> {
    if method == b"CONNECT" {
        return Err(RequestFault::Target);
    }
    if target == b"*" {
        return if method == b"OPTIONS" { Ok(None) } else { Err(RequestFault::Target) };
    }
    let (authority, path) = split_target(target).ok_or(RequestFault::Target)?;
    if is_path(path) { Ok(authority) } else { Err(RequestFault::Target) }
}

/// The host of a target, if it has one, and its path with the query.
fn split_target(target: &[u8]) -> Option<(Option<&[u8]>, &[u8])> {
    if target.starts_with(b"/") {
        return Some((None, target));
    }
    let rest = after_scheme(target, b"http://").or_else(|| after_scheme(target, b"https://"))?;
    let end = rest.iter().position(|byte| matches!(byte, b'/' | b'?')).unwrap_or(rest.len());
    let (authority, path) = rest.split_at_checked(end)?;
    is_host(authority).then_some((Some(authority), path))
}

fn after_scheme<'a>(target: &'a [u8], scheme: &[u8]) -> Option<&'a [u8]> {
    let (front, rest) = target.split_at_checked(scheme.len())?;
    front.eq_ignore_ascii_case(scheme).then_some(rest)
}

/// Whether `target`, a path with its query, has only letters of a URI (RFC 3986) and those that browsers send unescaped
/// all the same: `|` anywhere, more in the query. A `#` would be where some readers end the path.
#[must_use]
pub fn is_path(target: &[u8]) -> bool {
    let end = target.iter().position(|byte| *byte == b'?').unwrap_or(target.len());
    let (path, query) = target.split_at_checked(end).unwrap_or_default();
    let in_query = |byte: &u8| byte.is_ascii_graphic() && !b"\"#<>".contains(byte);
    path.iter().all(|byte| in_query(byte) && !b"\\^`{}".contains(byte)) && query.iter().all(in_query)
}
