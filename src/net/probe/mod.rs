//! Active health probes: what asks every backend, each time on a connection of its own, whether it lives. Runs on
//! the control thread, so that busy workers make no backend look dead; `policy` counts the results and times the
//! next probe. Promises that time which this process lost is never held against a backend, and knows nothing of
//! sessions.

mod attempt;
mod failure;
mod frame;
mod http;
mod link;
mod patience;
mod prober;
mod report;
mod tcp;
mod watch;

pub use prober::{PROBES_AT_ONCE, Prober};
