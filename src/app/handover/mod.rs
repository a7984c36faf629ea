//! The upgrade of the program without a refused connection: the running process starts the program's file again
//! and hands over what must not be lost. `docs/upgrade.md` tells it to operators.
//!
//! Owns the protocol between the two processes and the life of the new one until it serves. Promises the old one
//! that whatever goes wrong is an error that says how far it came, that the new process is gone by then, and that
//! nothing of the old one's has changed. Refuses to know when to pause accepting: that is for who calls.
//!
//! | old: [`Heir`] | on the line | new: [`Predecessor`] |
//! |---|---|---|
//! | `spawn`, `ready` | package, one socket after the other → | `from_stdin`, `receive` |
//! | | ← ready | `ready`: it is configured, has the sockets and has tried its links |
//! | pauses accepting, `go` | go → | |
//! | `serving`: tells systemd, closes the line | ← serving | `serving`: it accepts |
//!
//! The line is a pair of Unix sockets, of which the new process finds one end as its stdin. A message is JSON behind
//! its length in four bytes. If the old process dies after the package has arrived, the new one serves.

mod error;
mod heir;
mod line;
mod memory;
mod package;
mod predecessor;
mod program;
mod read;

use std::time::Duration;

pub use error::{Cause, Fate, HandoverError, Step, TakeOverError};
pub use heir::Heir;
pub use line::LineError;
pub use package::{Handed, Owner, Package, next_start};
pub use predecessor::{Predecessor, Turn};
pub use program::{TAKE_OVER, arguments, program_file};

/// The longest time that an upgrade takes from its order on; then it has failed.
pub const LONGEST: Duration = Duration::from_secs(30);
