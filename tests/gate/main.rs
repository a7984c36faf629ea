//! The whole gate in one process, between fake players and fake backends.
#![expect(
    clippy::indexing_slicing,
    clippy::wildcard_enum_match_arm,
    reason = "a test may panic and names what it means"
)]

mod breakers;
mod changes;
mod dedicated;
mod ends;
mod facts;
mod fakes;
mod limits;
mod loss;
mod metrics;
mod probes;
mod release;
mod reload;
mod routing;
mod serve;
mod shared;
mod tls;
mod turmoil;
