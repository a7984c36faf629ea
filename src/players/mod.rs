//! Who plays, and together with whom: the directory that seats an account once, the tokens that prove an account, the
//! rooms that backends speak to, and what they say of a player to each other. Knows no socket, no frame and no clock:
//! `now` is an argument.

mod attributes;
mod directory;
mod memory;
mod rooms;
mod token;

pub use attributes::{Attributes, Unfit};
pub use directory::{Claim, Directory, Epoch, Seating};
pub use memory::Memory;
pub use rooms::{Crowded, ROOMS, ROOMS_OF_SESSION, Rooms};
pub use token::{Claims, KeyFault, TokenFault, Verifier, claimed_account};
