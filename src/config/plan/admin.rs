//! `[admin]`: where operators and their tools arrive.

use std::net::SocketAddr;
use std::path::PathBuf;

use crate::config::site::Located;

/// `[admin]`.
#[derive(Clone, Debug)]
pub struct Admin {
    pub(in crate::config) listen: Located<SocketAddr>,
    pub(in crate::config) token_file: Option<Located<PathBuf>>,
}

impl Admin {
    /// Where the API and the metrics page listen.
    #[must_use]
    pub fn listen(&self) -> &Located<SocketAddr> {
        &self.listen
    }

    /// The file with the token that every request must show; never `None` where `listen` is not a loopback address.
    #[must_use]
    pub fn token_file(&self) -> Option<&Located<PathBuf>> {
        self.token_file.as_ref()
    }
}
