//! The registry: every cluster and backend the process has known, by stable name, with what is true of it now, and
//! the pick of who serves. A reload replaces the plan and finds its entries here again. State is atomic, so that
//! workers read it on a frame's way; nothing here reads a clock, moves a byte or knows what a link is.

mod backend;
mod events;
mod exceptions;
mod members;
mod pick;
mod places;
mod registry;
mod reports;
mod snapshot;
#[cfg(test)]
mod tests;

pub use backend::{Backend, ServingState};
pub use events::Events;
pub use members::Cluster;
pub use pick::{Ask, Fit, Miss, PickState, Picks};
pub use registry::{Registry, RoutePace};
pub use reports::{Mark, Report};
pub use snapshot::{BackendMemory, RouteMemory, Snapshot};
