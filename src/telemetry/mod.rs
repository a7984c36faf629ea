//! Counters and log lines: the only room that names a metric or a log field. Counting costs one plain store, since
//! every counter has one writing thread; reading adds up over the workers.

mod log;
mod meters;

pub use log::{
    LogFormat, SessionRecord, accept_paused, backend_ejected, backend_error, backend_exception,
    backend_health, backend_state, breaker_changed, cluster_panic, drain_began, drain_over, few_descriptors,
    init, link_lost, link_retry, link_up, notify_failed, reload_not_supported, session_ended, stopped,
    task_failed, unreachable_backend, up,
};
pub use meters::{Counter, ListenerMeter, Meters, Refusal, RouteCounts, RouteMeter, WorkerMeter};
