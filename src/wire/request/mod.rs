//! Where an HTTP/1.1 request begins and ends (RFC 9112), told so strictly that nobody who reads the same bytes can
//! come to another end: what two readers might take differently is a fault. Bytes come in cut anywhere. Only a line
//! that is cut is copied, and nothing is reserved for what a request claims. What the request wants is not asked here.

mod chunk;
mod fault;
mod field;
mod framer;
mod head;
mod host;
mod line;

pub use fault::RequestFault;
pub use field::read_length;
pub use framer::{Part, RequestFramer, Taken};
pub use head::{BodyLength, RequestHead};
pub use host::is_host;
pub use line::is_path;

/// The longest line of a head or of trailers, its end included. It holds a target of 8 KiB and what is around it.
pub const LONGEST_LINE: usize = 8 * 1024 + 64;
/// The longest head, and the longest trailers.
const LONGEST_HEAD: usize = 32 * 1024;
/// The most fields of a head, and of trailers.
pub const MOST_FIELDS: usize = 100;
/// The largest body that can be claimed: what a signed number of 64 bits holds, since backends keep it in one.
const LARGEST_BODY: u64 = i64::MAX.cast_unsigned();

#[cfg(test)]
mod tests;
