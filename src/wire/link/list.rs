//! Lists inside envelopes: given by the sender as slices, read by the receiver from the bytes that came.

use super::limits::{MAX_REDIRECTS, MAX_SESSIONS};
use super::tlv::{Tlv, checked_text, split_first};
use crate::base::SessionId;

/// The sessions of a MULTICAST, in the order of the wire.
#[derive(Clone, Copy, Debug)]
pub struct Sessions<'a>(SessionsFrom<'a>);

#[derive(Clone, Copy, Debug)]
enum SessionsFrom<'a> {
    Slice(&'a [SessionId]),
    Wire(&'a [[u8; 8]]),
}

impl<'a> Sessions<'a> {
    /// A list to send; at most [`MAX_SESSIONS`] are accepted.
    #[must_use]
    pub const fn new(sessions: &'a [SessionId]) -> Self {
        Self(SessionsFrom::Slice(sessions))
    }

    pub(super) fn from_wire(value: &'a [u8]) -> Option<Self> {
        let (ids, rest) = value.as_chunks::<8>();
        (rest.is_empty() && ids.len() <= MAX_SESSIONS).then_some(Self(SessionsFrom::Wire(ids)))
    }

    /// How many there are.
    #[must_use]
    pub const fn len(&self) -> usize {
        match self.0 {
            SessionsFrom::Slice(ids) => ids.len(),
            SessionsFrom::Wire(ids) => ids.len(),
        }
    }

    /// Whether there are none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = SessionId> + 'a {
        let (slice, wire): (&[SessionId], &[[u8; 8]]) = match self.0 {
            SessionsFrom::Slice(ids) => (ids, &[]),
            SessionsFrom::Wire(ids) => (&[], ids),
        };
        let from_wire = wire.iter().map(|id| SessionId::from_raw(u64::from_be_bytes(*id)));
        slice.iter().copied().chain(from_wire)
    }
}

impl PartialEq for Sessions<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.iter().eq(other.iter())
    }
}

impl Eq for Sessions<'_> {}

/// Where a kicked player may go, each `host:port`, the best first.
#[derive(Clone, Copy, Debug)]
pub struct Redirects<'a>(RedirectsFrom<'a>);

#[derive(Clone, Copy, Debug)]
enum RedirectsFrom<'a> {
    Slice(&'a [&'a str]),
    /// All fields of the envelope; those of other kinds are passed over.
    Wire(&'a [u8]),
}

impl<'a> Redirects<'a> {
    /// Nowhere.
    pub const NONE: Self = Self(RedirectsFrom::Slice(&[]));

    /// A list to send; at most [`MAX_REDIRECTS`] are accepted.
    #[must_use]
    pub const fn new(redirects: &'a [&'a str]) -> Self {
        Self(RedirectsFrom::Slice(redirects))
    }

    /// The redirects among the fields of an envelope; `None` if one is no address or there are too many.
    pub(super) fn from_wire(region: &'a [u8]) -> Option<Self> {
        let mut values = Values(region).filter(|(code, _)| *code == Tlv::Redirect.code());
        let valid =
            values.by_ref().take(MAX_REDIRECTS).all(|(_, value)| checked_text(Tlv::Redirect, value).is_ok());
        (valid && values.next().is_none()).then_some(Self(RedirectsFrom::Wire(region)))
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = &'a str> + 'a {
        let (slice, wire): (&[&str], &[u8]) = match self.0 {
            RedirectsFrom::Slice(redirects) => (redirects, &[]),
            RedirectsFrom::Wire(region) => (&[], region),
        };
        let redirects = Values(wire).filter(|(code, _)| *code == Tlv::Redirect.code());
        let from_wire = redirects.filter_map(|(_, value)| checked_text(Tlv::Redirect, value).ok());
        slice.iter().copied().chain(from_wire)
    }
}

impl PartialEq for Redirects<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.iter().eq(other.iter())
    }
}

impl Eq for Redirects<'_> {}

/// Every field of a region, whatever its kind.
struct Values<'a>(&'a [u8]);

impl<'a> Iterator for Values<'a> {
    type Item = (u8, &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let (code, value, behind) = split_first(self.0)?;
        self.0 = behind;
        Some((code, value))
    }
}
