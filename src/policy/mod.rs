//! Decisions as plain values and functions: who is next, when to try again, what is shed. No I/O, no clock and
//! no dice of its own: `now` and the random generator are arguments.

mod balance;
mod shed;

pub use balance::{Balance, OnLoss};
pub use shed::RouteClass;
