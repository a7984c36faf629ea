//! Decisions as plain values and functions: who is next, when to try again, what is shed, who leaves when. No
//! I/O, no clock and no dice of its own: `now` and the random generator are arguments.

mod backoff;
mod balance;
mod breaker;
mod drain;
mod health;
mod outlier;
mod shed;

pub use backoff::Backoff;
pub use balance::{Balance, Candidate, OnLoss, Picker};
pub use breaker::BreakerRules;
pub use drain::leave_at;
pub use health::HealthRules;
pub use outlier::OutlierRules;
pub use shed::{Marks, RouteClass};
