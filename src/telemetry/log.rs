//! Every line the process logs: what happened, with the same field names everywhere. No frame bodies, ever.

use std::io::IsTerminal;
use std::net::SocketAddr;
use std::str::FromStr;
use std::time::Duration;

use tracing::{Level, debug, error, info, warn};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::LevelFilter;

use crate::base::SessionId;
use crate::cluster::ServingState;
use crate::policy::{self, BreakerState, Resource};
use crate::session::EndReason;

/// How lines are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

/// What the access log says of a session.
#[derive(Clone, Debug)]
pub struct SessionRecord<'a> {
    /// The session.
    pub session: SessionId,
    /// Whose it is, once that is known.
    pub account: Option<&'a str>,
    /// The player's address.
    pub address: SocketAddr,
    /// `tcp`, `tls`, `ws` or `wss`.
    pub transport: &'static str,
    /// The TLS version, empty on plain connections.
    pub tls: &'static str,
    /// The listener's name.
    pub listener: &'a str,
    /// From accept on.
    pub duration: Duration,
    /// Whole frames from the player.
    pub frames_in: u64,
    /// Whole frames to the player, notices included.
    pub frames_out: u64,
    /// Plain bytes from the player.
    pub bytes_in: u64,
    /// Plain bytes to the player.
    pub bytes_out: u64,
    /// Names of the routes it used.
    pub routes: &'a [&'a str],
    /// Why it ended; `None` while it lives.
    pub end: Option<EndReason>,
}

/// What the access log says of a request.
#[derive(Clone, Debug)]
pub struct RequestRecord<'a> {
    /// Its number, 32 hexadecimal digits.
    pub request: &'a str,
    /// The client's address.
    pub address: SocketAddr,
    /// The listener's name.
    pub listener: &'a str,
    /// The HTTP route; empty: none.
    pub http: &'a str,
    /// The partner that has proven who it is; empty: none.
    pub partner: &'a str,
    /// The method.
    pub method: &'a str,
    /// The path, without the query.
    pub path: &'a str,
    /// The version of HTTP.
    pub version: &'static str,
    /// The status of the answer.
    pub status: u16,
    /// Bytes of the answer's body.
    pub bytes_out: u64,
    /// From the head of the request to the end of the answer.
    pub duration: Duration,
}

/// Which lines are written: a level, and other levels for single targets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogLevel(String);

impl LogLevel {
    /// Warnings and errors only.
    #[must_use]
    pub fn warn() -> Self {
        Self("warn".to_owned())
    }
}

impl FromStr for LogLevel {
    type Err = String;

    /// A word that is no level would be taken for a target, and everything else would be silent.
    fn from_str(text: &str) -> Result<Self, String> {
        let is_level = |part: &str| !part.is_empty() && part.parse::<LevelFilter>().is_ok();
        let wrong = text.split(',').find(|part| !is_level(part) && !part.contains('='));
        match (wrong, EnvFilter::try_new(text)) {
            (None, Ok(_)) => Ok(Self(text.to_owned())),
            (wrong, _) => Err(format!(
                "\"{}\" is no level; write error, warn, info, debug or trace, and for requests of HTTP as well \
                 info,{REQUESTS}=debug",
                wrong.unwrap_or(text)
            )),
        }
    }
}

/// Whether standard error is a terminal whose user has not said otherwise (no-color.org).
fn takes_colours() -> bool {
    std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|word| word.is_empty())
}

/// Starts logging to standard error; a second call does nothing.
pub fn init(format: LogFormat, level: &LogLevel) {
    let filter = EnvFilter::new(&level.0);
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_target(false)
        .with_ansi(takes_colours())
        .log_internal_errors(false) // where a line cannot be written, neither can that: it would panic who logs
        .with_writer(std::io::stderr);
    let started = match format {
        LogFormat::Text => builder.try_init(),
        LogFormat::Json => builder.json().flatten_event(true).try_init(),
    };
    drop(started);
}

/// The access log: a session that is over, or has been here for long.
pub fn session(record: &SessionRecord<'_>) {
    info!(
        session = %record.session,
        account = record.account.unwrap_or_default(),
        address = %record.address,
        transport = record.transport,
        tls = record.tls,
        listener = record.listener,
        duration_ms = u64::try_from(record.duration.as_millis()).unwrap_or(u64::MAX),
        frames_in = record.frames_in,
        frames_out = record.frames_out,
        bytes_in = record.bytes_in,
        bytes_out = record.bytes_out,
        routes = record.routes.join(","),
        end_reason = record.end.map_or("", EndReason::as_str),
        "{}",
        if record.end.is_some() { "session" } else { "session so far" }
    );
}

/// Whether anybody reads of requests.
#[must_use]
pub fn requests_are_told() -> bool {
    tracing::enabled!(target: REQUESTS, Level::DEBUG)
}

/// The access log of requests. No headers, no queries, no bodies: they hold what is secret.
pub fn request(record: &RequestRecord<'_>) {
    debug!(
        target: REQUESTS,
        request = record.request,
        address = %record.address,
        listener = record.listener,
        http = record.http,
        partner = record.partner,
        method = record.method,
        path = record.path,
        version = record.version,
        status = record.status,
        bytes_out = record.bytes_out,
        duration_ms = u64::try_from(record.duration.as_millis()).unwrap_or(u64::MAX),
        "request"
    );
}

/// Whoever wants to read of requests writes `info,realmgate::http=debug` as the level.
const REQUESTS: &str = "realmgate::http";

/// The threads that speak HTTP do not stand back behind the workers.
pub fn same_priority() {
    warn!(
        "the system does not let threads for HTTP have a lower priority: they compete with those of players"
    );
}

/// The process serves.
pub fn up(workers: usize) {
    info!(workers, version = env!("CARGO_PKG_VERSION"), "up");
}

/// A listener takes connections.
pub fn listening(listener: &str, address: SocketAddr) {
    info!(listener, %address, "listening");
}

/// A listener takes no connections any more.
pub fn listening_no_more(listener: &str, address: SocketAddr) {
    info!(listener, %address, "no longer listening; sessions that are in stay");
}

/// A shared link works.
pub fn link_up(cluster: &str, backend: &str, worker: usize, name: &str) {
    info!(cluster, backend, worker, name, "link up");
}

/// A shared link is gone.
pub fn link_lost(cluster: &str, backend: &str, worker: usize, why: &str) {
    warn!(
        cluster,
        backend, worker, why, "link lost; its sessions are bound elsewhere or closed, as on_loss says"
    );
}

/// A shared link could not be made.
pub fn link_retry(cluster: &str, backend: &str, worker: usize, why: &str, wait: Duration) {
    let wait_ms = u64::try_from(wait.as_millis()).unwrap_or(u64::MAX);
    warn!(cluster, backend, worker, why, wait_ms, "no link; trying again");
}

/// A connection to a backend of a dedicated cluster could not be made.
pub fn unreachable_backend(cluster: &str, backend: &str, why: &str) {
    warn!(cluster, backend, why, "cannot connect; another backend is picked if there is one");
}

/// A backend wrote what it must not, or said that the gateway did.
pub fn backend_error(cluster: &str, backend: &str, what: &str, text: &str) {
    warn!(cluster, backend, text, "{what}");
}

/// A backend said something else of its readiness than before.
pub fn backend_state(cluster: &str, backend: &str, state: ServingState, text: Option<&str>) {
    info!(
        cluster,
        backend,
        state = state.as_str(),
        text = text.unwrap_or_default(),
        "the backend's own state"
    );
}

/// A backend said that it fails for some protocol IDs.
pub fn backend_exception(
    cluster: &str,
    backend: &str,
    ids: (u32, u32),
    length: Duration,
    text: Option<&str>,
) {
    let (first_id, last_id) = ids;
    let (for_s, text) = (length.as_secs_f64(), text.unwrap_or_default());
    warn!(
        cluster,
        backend, first_id, last_id, for_s, text, "the backend fails for these IDs; others get them"
    );
}

/// Real traffic failed too often at a backend.
pub fn backend_ejected(cluster: &str, backend: &str, out: Duration) {
    warn!(cluster, backend, for_s = out.as_secs_f64(), "ejected: too many failures in a row");
}

/// What a row of probes says of a backend has changed.
pub fn backend_health(cluster: &str, backend: &str, up: bool, why: &str) {
    if up {
        info!(cluster, backend, "up: its probes succeed");
    } else {
        warn!(cluster, backend, why, "down: its probes fail");
    }
}

/// So few backends of a cluster are healthy that health is ignored, or no longer so.
pub fn cluster_panic(cluster: &str, panic: bool) {
    if panic {
        error!(
            cluster,
            "fewer are healthy than panic_threshold: all are used, and critical routes are unavailable"
        );
    } else {
        info!(cluster, "enough are healthy again: only they are used");
    }
}

/// A route's breaker at one backend has changed.
pub fn breaker_changed(route: &str, backend: &str, state: BreakerState, remaining: Option<Duration>) {
    let state = state.as_str();
    match remaining {
        Some(remaining) => warn!(route, backend, state, for_s = remaining.as_secs_f64(), "breaker"),
        None => info!(route, backend, state, "breaker"),
    }
}

/// The accept loop waits because the machine gives no more sockets.
pub fn accept_paused(listener: &str, why: &str) {
    error!(listener, why, "accepting pauses; raise LimitNOFILE or lower limits.connections");
}

/// Another level of pressure: what is given up, and which resource decides.
pub fn pressure_changed(level: policy::Level, resource: Resource, pressure: f64) {
    let (resource, pressure) = (resource.as_str(), (pressure * 100.0).round());
    match level {
        policy::Level::Calm => info!(resource, pressure, "calm again: nothing is shed"),
        policy::Level::Shedding => {
            warn!(resource, pressure, "under pressure: frames of optional routes are refused")
        }
        policy::Level::Refusing => error!(resource, pressure, "under pressure: new sessions are refused"),
    }
}

/// Neither the machine nor its control groups say what memory the process may have.
pub fn memory_unknown() {
    warn!(
        "nobody says what memory there is: nothing is shed before it runs out; let /proc/meminfo be readable"
    );
}

/// A task ended by a panic; only its own session or link is touched.
pub fn task_failed(what: &str, session: Option<SessionId>) {
    let session = session.map(|session| session.to_string()).unwrap_or_default();
    error!(what, session, "a task failed; this is a bug of the gateway");
}

/// The order to stop has come.
pub fn drain_began(sessions: usize, lame_duck: Duration, spread: Duration, deadline: Duration) {
    info!(
        sessions,
        lame_duck_s = lame_duck.as_secs_f64(),
        spread_s = spread.as_secs_f64(),
        deadline_s = deadline.as_secs_f64(),
        "stopping: accepting goes on for lame_duck, then sessions are told and closed over spread"
    );
}

/// Every session has left, or the deadline has.
pub fn drain_over(cut: usize) {
    if cut == 0 {
        info!(cut, "every session has left");
    } else {
        warn!(cut, "the deadline has passed; the sessions still here are cut");
    }
}

/// The machine does not let the gateway hold as many connections as its configuration allows.
pub fn few_descriptors(limit: u64, needed: u64) {
    warn!(limit, needed, "file descriptors may run out; raise LimitNOFILE or lower limits.connections");
}

/// A new world is about to come into force: what is different, and what that does to live sessions.
pub fn world_changes(generation: u64, who: &str, changes: &[String], effects: &[String]) {
    if changes.is_empty() {
        info!(generation, who, "no difference; certificates, tokens and lists were read again");
        return;
    }
    info!(generation, who, changes = changes.join("; "), "changing");
    info!(generation, effects = effects.join("; "), "what that does to live sessions");
}

/// A new world is in force.
pub fn world_changed(generation: u64, took: Duration) {
    let took_ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
    info!(generation, took_ms, "in force");
}

/// A reload or a runtime change was refused; nothing has changed.
pub fn change_refused(who: &str, why: &str) {
    error!(who, why, "refused; the configuration in force stays");
}

/// An operator ended sessions.
pub fn operator_kicked(who: &str, whom: &str, sessions: usize) {
    info!(who, whom, sessions, "kicked by the operator");
}

/// A new process is started to take over.
pub fn upgrade_begins(who: &str, program: &str) {
    info!(who, program, "upgrading: a new process is started");
}

/// The new process serves.
pub fn upgraded(pid: u32) {
    info!(pid, "the new process serves; this one lets its sessions go");
}

/// The new process did not come to serve.
pub fn upgrade_failed(who: &str, why: &str) {
    error!(who, why, "the upgrade has failed; this process serves on");
}

/// A runtime change is about something that the file does not have any more.
pub fn override_matches_nothing(what: &str) {
    warn!(
        what,
        "a runtime change matches nothing in the file any more; `realmgate ctl overrides clear` drops all of them"
    );
}

/// The new process was not told of a reload that was asked for while it started.
pub fn hangup_not_passed_on(pid: u32, why: &str) {
    warn!(pid, why, "a reload asked for meanwhile did not reach the new process; reload once more");
}

/// There is no new key for session tickets.
pub fn tickets_not_renewed(why: &str) {
    error!(why, "session tickets go on with their old key: the machine gives no randomness");
}

/// systemd could not be told.
pub fn notify_failed(why: &str) {
    warn!(why, "systemd was not told of the state");
}

/// The process ends.
pub fn stopped() {
    info!("stopped");
}

/// A socket of systemd's is none that players could arrive at.
pub fn inherited_useless(place: usize, why: &str) {
    warn!(
        place,
        why, "a socket of the socket unit is not used; write ListenStream= with an address and a port"
    );
}

/// An operator asked for a change through the API, and how that was answered; status 0: nobody waited for the answer.
pub fn operator_asked(who: &str, what: &str, status: u16) {
    info!(who, what, status, "asked through the API");
}

/// The file of the API's token that the process was started with is not to be used any more, and the configuration names
/// another one or none.
pub fn token_kept(why: &str) {
    warn!(
        why,
        "the token of the API stays as it was; another file counts from the next restart or upgrade on"
    );
}

/// The token of the API is no secret on this machine.
pub fn token_readable(path: &str, mode: u32) {
    let mode = format!("{mode:o}");
    warn!(path, mode, "every user of this machine can read the token of the API; chmod 640");
}
