//! WebSocket as RFC 6455 has it, without I/O: bytes of a peer to whole messages, and headers for what is written.
//! Frame headers and close codes are read and written by `tungstenite`, and deflated messages by `flate2`; what a message
//! may cost is decided here. Every
//! length is checked in the header, before memory is reserved. Knows nothing of games' frames.

mod close;
mod decoder;
mod deflate;
mod fault;
mod header;
mod mask;
mod upgrade;

pub use close::{Close, LONGEST_REASON, append_close};
pub use decoder::{Incoming, MessageDecoder, MessageKind, Messages, Peer, Reading};
pub use deflate::{Deflater, Inflater};
pub use fault::WebSocketFault;
pub use header::{FrameKind, SentFrame, append_frame, append_head, head_length, measure_sent};
pub use mask::apply_mask;
pub use upgrade::{Upgrade, UpgradeRefusal, UpgradeRules, read_upgrade};
