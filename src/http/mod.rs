//! Third parties and browsers: requests over HTTP/1.1 and HTTP/2, each decided under one world, on threads of its own so
//! that no flood of them costs players a turn. Players' frames are none of its business; what it makes a frame of itself is
//! a request that is converted.

mod answer;
mod arrival;
mod cache;
mod connection;
mod content;
mod convert;
mod files;
mod forward;
mod gate;
mod kept;
mod line;
mod outcome;
mod pulse;
mod screen;
mod service;
mod shelf;
mod stream;
mod tags;
mod thread;
mod turn;
mod upload;
mod visit;
mod web;
mod words;

pub use gate::Ledger;
pub use web::{Web, WebSetup};
