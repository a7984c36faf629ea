//! What one envelope may make the other side hold.

/// The version of the link that these envelopes speak.
pub const VERSION: u16 = 1;
/// The limit on the length field where a HELLO names none, in bytes.
pub const DEFAULT_MAX_ENVELOPE: u32 = 1 << 20;
/// Names, accounts, rooms, zones, groups and client versions, in bytes.
pub const MAX_NAME: usize = 128;
/// A `host:port`, in bytes: the longest host name and the longest port.
pub const MAX_ADDRESS: usize = 259;
/// A text for people, in bytes; longer ones are cut.
pub const MAX_TEXT: usize = 1024;
/// The attributes of a session, in bytes of JSON.
pub const MAX_ATTRIBUTES: usize = 4096;
/// The payload of a PING, in bytes.
pub const MAX_PING: usize = 64;
/// The sessions of one MULTICAST.
pub const MAX_SESSIONS: usize = 8000;
/// The redirects of one KICK.
pub const MAX_REDIRECTS: usize = 16;
/// The load that stands for 100 %.
pub const MAX_LOAD: u16 = 10_000;

/// The front of a text for people that fits [`MAX_TEXT`].
pub(super) fn cut_text(text: &str) -> &str {
    text.get(..text.floor_char_boundary(MAX_TEXT)).unwrap_or_default()
}
