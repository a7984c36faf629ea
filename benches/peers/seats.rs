//! Which core is whose.

use crate::lab::process::{OTHER_CORE, PROXY_CORE};
use crate::proxies::Peer;
use crate::works::Work;

/// The cores of one turn.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Seats {
    /// The proxy's.
    pub(crate) proxy: &'static str,
    /// The backend's.
    pub(crate) backend: &'static str,
    /// One for each loader.
    pub(crate) loaders: &'static [&'static str],
    /// The first so many of the machine are in use.
    pub(crate) count: usize,
}

const TWO: Seats = Seats { proxy: PROXY_CORE, backend: OTHER_CORE, loaders: &[OTHER_CORE], count: 2 };
/// Two for a proxy, two for loaders, which have more to do than the backend.
const FIVE: Seats = Seats { proxy: "0,1", backend: "4", loaders: &["2", "3"], count: 5 };

impl Seats {
    /// Those of a peer's turn.
    pub(crate) fn of(work: &Work, peer: Peer) -> Self {
        match (work.wants_cores(), are_cores_free(), peer) {
            (true, true, _) => FIVE,
            (true, false, Peer::TwoWorkers) => Self { proxy: "0,1", ..TWO },
            _ => TWO,
        }
    }
}

/// Whether two workers can have a core each, and those who make the load their own.
pub(crate) fn are_cores_free() -> bool {
    cores() >= FIVE.count
}

/// How many there are.
pub(crate) fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}
