//! Counters and log lines: the only room that names a metric or a log field. Counting costs one plain store, since
//! every counter has one writing thread; reading adds up over the workers.

mod admin;
mod door;
mod handshake;
mod lag;
mod line;
mod log;
mod login;
mod meters;
pub mod metric;
mod page;
mod partner;
mod push;
mod reloads;
mod resumption;
mod web;

pub use admin::{AdminMeter, AdminRefusal};
pub use door::DoorRefusal;
pub use handshake::Handshake;
pub use lag::Lag;
pub use line::{LineMeter, LineRefusal};
pub use log::{
    LogFormat, LogLevel, RequestRecord, SessionRecord, accept_paused, backend_ejected, backend_error,
    backend_exception, backend_health, backend_state, breaker_changed, change_refused, cluster_panic,
    drain_began, drain_over, few_descriptors, hangup_not_passed_on, inherited_useless, init, link_lost,
    link_retry, link_up, listening, listening_no_more, memory_unknown, notify_failed, operator_asked,
    operator_kicked, override_matches_nothing, pressure_changed, request, requests_are_told, same_priority,
    session, stopped, task_failed, tickets_not_renewed, token_kept, token_readable, unreachable_backend, up,
    upgrade_begins, upgrade_failed, upgraded, world_changed, world_changes,
};
pub use login::LoginResult;
pub use meters::{Counter, Level, ListenerMeter, Meters, Refusal, RouteCounts, RouteMeter, WorkerMeter};
pub use page::{Number, Page};
pub use partner::{nonces_not_kept, partner_refused, quotas_not_kept, quotas_not_read};
pub use push::{Audience, Fate};
pub use reloads::{ReloadResult, Reloads};
pub use resumption::Resumption;
pub use web::{CLIENT_GONE, HttpMeter, Statuses, TryFailure, WebHandshakes};
