//! What every room speaks about: identifiers, sizes and durations as people write them, durations counted
//! in buckets, and why something ended. Owns no rule and no state.

mod address;
mod blame;
mod histogram;
mod ids;
mod phase;
mod rate;
mod reason;
mod units;

pub use address::AddressKey;
pub use blame::Blame;
pub use histogram::{Histogram, HistogramCounts};
pub use ids::{BackendKey, ClusterKey, GatewayId, NoSession, ProtocolId, SessionId};
pub use phase::Phase;
pub use rate::{Rate, format_rate, parse_rate};
pub use reason::Reason;
pub use units::{format_duration, format_size, millis, parse_duration, parse_size};
