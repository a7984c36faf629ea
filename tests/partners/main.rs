//! The real program between third parties and a backend that records what reaches it: who is let through, who is not
//! and why, and what is remembered over reloads, restarts and lives that are cut off.
#![expect(clippy::indexing_slicing, reason = "a test may panic and names what it means")]

mod certificates;
mod days;
mod disk;
mod document;
mod fakes;
mod limits;
mod proofs;
mod replays;
mod silence;
mod switch;
