//! The whole gate in one process, between fake players and fake backends.
#![expect(
    clippy::indexing_slicing,
    clippy::wildcard_enum_match_arm,
    reason = "a test may panic and names what it means"
)]

mod attack;
mod breakers;
mod changes;
mod convert;
mod convert_bodies;
mod dedicated;
mod door;
mod ends;
mod facts;
mod fakes;
mod gather;
mod greetings;
mod http;
mod large;
mod limits;
mod login;
mod loss;
mod metrics;
mod overload;
mod probes;
mod push;
mod push_one;
mod queue;
mod rates;
mod release;
mod reload;
mod reopen;
mod resume;
mod routing;
mod seats;
mod serve;
mod shared;
mod statics;
mod strangers;
mod tls;
mod turmoil;
mod websocket;
mod websocket_backend;
mod websocket_through;
