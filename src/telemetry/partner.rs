//! What is logged of third parties. Never what they showed: no keys, no signatures, no queries.

use std::net::SocketAddr;

use tracing::{debug, error};

/// A request of a third party is not let through. By `request`, which the answer names too, an operator finds the reason
/// that the answer does not tell.
pub fn partner_refused(request: &str, partner: &str, route: &str, address: SocketAddr, reason: &'static str) {
    debug!(request, partner, http = route, %address, reason, "a partner's request was refused");
}

/// Nonces are not on disk; they are remembered in memory.
pub fn nonces_not_kept(folder: &str, why: &std::io::Error) {
    error!(folder, %why, "nonces could not be written: a restart would forget them");
}

/// What another process has written down of partners cannot be read; what was read before counts.
pub fn quotas_not_read(why: &str) {
    error!(why, "the quotas of partners could not be read");
}

/// What partners have had today is not on disk; it is counted in memory.
pub fn quotas_not_kept(folder: &str, why: &std::io::Error) {
    error!(folder, %why, "the quotas of partners could not be written: a crash would forget what was used since");
}
