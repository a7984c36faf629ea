//! The PROXY protocol (haproxy.org, proxy-protocol.txt), versions 1 and 2: a header in front of everything else of a
//! connection that says who is behind it. Written towards dedicated backends, read from trusted proxies.

mod read;
mod write;

pub use read::{ProxyFault, ProxyHeader, looks_like_proxy, read_proxy};
pub use write::{append_proxy_v1, append_proxy_v1_local, append_proxy_v2, append_proxy_v2_local};
