//! The process: builds the world, binds, starts the workers, serves, drains, stops; and the embedded game of
//! `realmgate demo`.

pub mod demo;
mod descriptors;
mod gate;
mod run;
mod summary;

pub use gate::{Gate, Phase, StartError};
pub use run::{LogOptions, check, explain, run};
