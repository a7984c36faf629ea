//! The process: builds the world, binds, starts the workers, serves, drains, stops; and the embedded game of
//! `realmgate demo`.

mod change;
mod chore;
pub mod demo;
mod descriptors;
mod diff;
mod doors;
mod effects;
mod files;
mod gate;
pub mod handover;
mod legacy;
mod office;
mod program;
mod rotation;
mod run;
mod serve;
mod start;
mod summary;
pub mod systemd;
mod upgrade;
mod watching;

pub use diff::diff;
pub use gate::{Gate, StartError};
pub use legacy::Legacy;
pub use run::{Asked, LogOptions, RunOptions, check, explain, run};
