//! Bytes to frames and back, without I/O: the games' frame layouts, the notices the gateway writes in them, the
//! envelope of the shared link, the PROXY protocol header, WebSocket's messages and the framing of HTTP requests.
//! Every length is checked before memory is reserved. Knows nothing of routes, clusters or sessions.

mod block;
mod cutter;
mod decode;
mod encode;
mod json;
mod layout;
pub mod link;
mod measure;
mod notice;
mod number;
mod proxy;
mod request;
pub mod websocket;

pub use block::{Begun, Block, Gap, Kept, LARGE, Lent, Torn};
pub use decode::{Frame, FrameDecoder, Frames};
pub use encode::EncodeError;
pub use layout::{ByteOrder, FrameLayout, Framing, Heartbeat, IdField, Width};
pub use measure::{FrameError, Measured};
pub use notice::{Notice, NoticeCode};
pub use number::read_field;
pub use proxy::{
    ProxyFault, ProxyHeader, append_proxy_v1, append_proxy_v1_local, append_proxy_v2, append_proxy_v2_local,
    looks_like_proxy, read_proxy,
};
pub use request::{
    BodyLength, LONGEST_LINE, MOST_FIELDS, Part, RequestFault, RequestFramer, RequestHead, Taken, is_host,
    is_path, read_length,
};
