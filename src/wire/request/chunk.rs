//! The line before a chunk, and the fields behind the last one.

use super::LARGEST_BODY;
use super::fault::RequestFault;
use super::field::{is_space, is_value_letter, read_field};

/// More digits than any size needs; zeros in front count.
const MOST_DIGITS: usize = 16;

/// The size that a line without its end says. Extensions are left unread; what they are made of is looked at, since
/// some readers end the line elsewhere when there are control characters in it.
pub(super) fn read_size(line: &[u8]) -> Result<u64, RequestFault> {
    let end = line.iter().position(|byte| !byte.is_ascii_hexdigit()).unwrap_or(line.len());
    let (digits, rest) = line.split_at_checked(end).ok_or(RequestFault::Chunk)?;
    if digits.is_empty() || digits.len() > MOST_DIGITS || !is_extension(rest) {
        return Err(RequestFault::Chunk);
    }
    let text = std::str::from_utf8(digits).map_err(|_| RequestFault::Chunk)?;
    let size = u64::from_str_radix(text, 16).map_err(|_| RequestFault::Chunk)?;
    if size <= LARGEST_BODY { Ok(size) } else { Err(RequestFault::Chunk) }
}

/// Nothing, or what begins with a semicolon; spaces may be before that (RFC 9112, 7.1.1).
fn is_extension(rest: &[u8]) -> bool {
    let first = rest.iter().find(|byte| !is_space(**byte));
    let begins = rest.is_empty() || first == Some(&b';');
    begins && rest.iter().all(is_value_letter)
}

/// Looks at one trailer without its end. What says how a message is read, who asks or where it goes has to be in the
/// head (RFC 9110, 6.5.1): whoever merges trailers into it would believe them.
pub(super) fn check_trailer(line: &[u8]) -> Result<(), RequestFault> {
    let (name, _) = read_field(line)?;
    let of_the_head = HEAD_ONLY.iter().any(|known| name.eq_ignore_ascii_case(known));
    let begins = |with: &&[u8]| name.get(..with.len()).is_some_and(|front| front.eq_ignore_ascii_case(with));
    if of_the_head || HEAD_ONLY_PREFIXES.iter().any(begins) { Err(RequestFault::Trailer) } else { Ok(()) }
}

const HEAD_ONLY: [&[u8]; 22] = [
    b"authorization",
    b"cache-control",
    b"connection",
    b"content-encoding",
    b"content-length",
    b"content-range",
    b"content-type",
    b"cookie",
    b"expect",
    b"forwarded",
    b"host",
    b"keep-alive",
    b"max-forwards",
    b"origin",
    b"pragma",
    b"range",
    b"te",
    b"trailer",
    b"transfer-encoding",
    b"upgrade",
    b"x-api-key",
    b"x-request-id",
];

const HEAD_ONLY_PREFIXES: [&[u8]; 5] = [b"if-", b"proxy-", b"sec-", b"x-forwarded-", b"x-realmgate-"];
