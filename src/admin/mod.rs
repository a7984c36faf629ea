//! The operator's door: the API over HTTP and the metrics page. Reads what is true now by itself; what changes the
//! gateway it hands on as an [`Order`] and answers when that is done. Owns the file of runtime changes; knows nothing
//! of how a world is built.

mod access;
mod answer;
mod body;
mod changes;
pub mod ctl;
mod desk;
mod order;
mod paths;
mod plan;
mod server;
mod store;
mod views;

pub use access::Access;
pub use desk::Desk;
pub use order::{Order, Refused, Reloaded, Why};
pub use server::{Bounds, serve, serve_within};
pub use store::Store;
