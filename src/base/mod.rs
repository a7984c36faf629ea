//! What every room speaks about: identifiers, sizes and durations as people write them, and why something
//! ended. Owns no rule and no state.

mod blame;
mod ids;
mod reason;
mod units;

pub use blame::Blame;
pub use ids::{BackendKey, ClusterKey, GatewayId, ProtocolId, SessionId};
pub use reason::Reason;
pub use units::{format_duration, format_size, millis, parse_duration, parse_size};
