//! One player's rules as a state machine: what may happen to a frame in which state, which backends the session
//! is bound to, and when it has waited long enough. Moves no bytes, reads no clock and picks no backend; the task
//! around it does.

mod awaited;
mod bindings;
mod end;
mod lockstep;
mod machine;
mod paces;
mod timers;

pub use awaited::Awaited;
pub use bindings::{Binding, Bindings, Opening};
pub use end::EndReason;
pub use lockstep::Lockstep;
pub use machine::{Expired, Membership, Rules, Session, Verdict};
pub use paces::Paces;
pub use timers::{Timer, Timers};
