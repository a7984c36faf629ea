//! Many gateways before the same backends, in steps of ten milliseconds. The gateways pick with the crate's own
//! code, from plans that are read from TOML; players, backends and the way between are modelled. No clock, no
//! sockets: a seed decides everything.

mod backends;
mod cases;
mod events;
mod gateways;
mod links;
mod outcome;
mod players;
mod sessions;
mod time;
mod world;

pub(crate) use cases::{Case, Policy, Scale};
pub(crate) use outcome::{Outcome, Sample};
pub(crate) use world::run;
