//! realmgate: a game-aware load balancer and gateway.
//!
//! One process in front of a game's clusters. It terminates TLS, reads the players' length-prefixed frames,
//! routes each frame by its protocol ID to a cluster and carries the answers back. `docs/floor-plan.md` says
//! which room owns what and which rooms it may see; `docs/life-of-a-frame.md` follows one frame through them.

pub mod admin;
pub mod app;
pub mod base;
pub mod cluster;
pub mod config;
pub mod http;
pub mod net;
pub mod partners;
pub mod players;
pub mod policy;
pub mod router;
pub mod session;
pub mod telemetry;
pub mod wire;
