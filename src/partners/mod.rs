//! Who a third party is, and how much of its day is left: what a request shows of itself, the keys that prove it, the
//! nonces that were seen, the quota of a day. Knows no socket, no file and no clock: `now` is an argument, and what is
//! kept on disk goes in and out as text.

mod book;
mod claim;
mod daily;
mod keys;
mod nonces;
mod reading;
mod refusal;
mod signature;

pub use book::{Book, InFlight, Place, Refusals, Standing};
pub use claim::{Claim, Shown};
pub use daily::{Daily, Damaged, Taken, day_of, read as read_days, until_midnight, write as write_days};
pub use keys::{Keys, SecretFault};
pub use nonces::{Nonces, Spent, WINDOW};
pub use reading::{Reading, Readings, Room};
pub use refusal::Refusal;
pub use signature::{Request, Signed};
