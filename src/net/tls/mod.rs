//! TLS at both sides: certificates of listeners, authorities and identity towards backends, and the player's
//! session over rustls without buffers of its own.

mod backend;
mod pem;
mod server;
mod session;

pub(super) use backend::BackendConnector;
pub use pem::TlsFault;
pub(super) use server::ServerTls;
pub use server::Tickets;
pub(super) use session::{TlsError, TlsSession, encrypted_size};
