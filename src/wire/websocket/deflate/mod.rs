//! Messages in fewer bytes: permessage-deflate, RFC 7692. Neither side carries anything over from one message to the
//! next, so that what deflates and inflates is one of each for a whole worker, and a silent session owns neither.

mod deflater;
mod inflater;
mod offer;

pub use deflater::Deflater;
pub use inflater::Inflater;
pub(super) use offer::agree;

/// The end of what is flushed: an empty block, which is not sent.
const FLUSHED: [u8; 4] = [0x00, 0x00, 0xFF, 0xFF];

/// The most bytes that deflating may add to what so many bytes do not get smaller by: some for each block, and for the
/// last.
#[must_use]
pub(super) const fn slack(length: u64) -> u64 {
    length / 1024 + 16
}

#[cfg(test)]
mod tests;
