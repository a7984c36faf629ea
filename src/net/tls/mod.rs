//! TLS at both sides: certificates and tickets of listeners, authorities and identity towards backends, and the player's
//! session over rustls without buffers of its own.

mod backend;
mod pem;
mod server;
mod session;
mod tickets;

pub use backend::BackendConnector;
pub use pem::{TlsFault, certificate_names};
pub(super) use server::ServerTls;
pub(super) use session::{Plain, TlsError, TlsSession, TlsVersion, encrypted_size};
pub use tickets::{TicketKeys, Tickets};
