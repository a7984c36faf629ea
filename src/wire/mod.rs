//! Bytes to frames and back, without I/O: the games' frame layouts, the notices the gateway writes in them, the
//! envelope of the shared link and the PROXY protocol header. Every length is checked before memory is
//! reserved. Knows nothing of routes, clusters or sessions.

mod layout;

pub use layout::{ByteOrder, FrameLayout, Framing, Heartbeat, IdField, Width};
