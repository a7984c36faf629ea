//! The envelopes of the shared link, version 1, as `docs/link.md` fixes them: every type and every TLV, both
//! ways. Frames have a path of their own that builds no [`Message`]. What is written is read back before it
//! leaves, so that both sides refuse the same. Knows nothing of connections, sessions or accounts.

mod decoder;
mod error;
mod header;
mod kind;
mod limits;
mod list;
mod message;
mod parts;
mod read;
mod tlv;
mod write;

pub use decoder::{EnvelopeDecoder, Envelopes, RawEnvelope};
pub use error::EnvelopeError;
pub use header::{HEADER_LENGTH, Header, LENGTH_FIELD, LINK, append_frame_envelope, frame_head, measure};
pub use kind::{Kind, Subject};
pub use limits::{
    DEFAULT_MAX_ENVELOPE, MAX_ADDRESS, MAX_ATTRIBUTES, MAX_LOAD, MAX_NAME, MAX_PING, MAX_REDIRECTS,
    MAX_SESSIONS, MAX_TEXT, VERSION,
};
pub use list::{Redirects, Sessions};
pub use message::{Envelope, Message};
pub use parts::{BackendState, Exception, Hello, HelloAck, Kick, LoadReport, Open, Scope, Transport};
pub use tlv::Tlv;
