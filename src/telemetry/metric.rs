//! Every metric of the page: its name, what it is, its labels. Label values are words of this program or names from
//! the file, never text from the wire.

use Kind::{Counter, Gauge, Histogram};

/// What the numbers of a metric do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// They only grow while the process lives.
    Counter,
    /// They say how it is now.
    Gauge,
    /// They count durations.
    Histogram,
}

/// A metric with so many labels.
#[derive(Clone, Copy, Debug)]
pub struct Metric<const LABELS: usize> {
    /// The whole name.
    pub name: &'static str,
    /// What its numbers do.
    pub kind: Kind,
    /// The names of its labels.
    pub labels: [&'static str; LABELS],
    /// One line for people.
    pub help: &'static str,
}

/// A metric, whatever its labels are.
#[derive(Clone, Copy, Debug)]
pub struct Entry {
    /// The whole name.
    pub name: &'static str,
    /// What its numbers do.
    pub kind: Kind,
    /// The names of its labels.
    pub labels: &'static [&'static str],
    /// One line for people.
    pub help: &'static str,
}

impl Kind {
    /// The word of the page.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Counter => "counter",
            Gauge => "gauge",
            Histogram => "histogram",
        }
    }
}

/// The metrics, each with its constant, and the list of all in the order of the page.
macro_rules! metrics {
    ($($constant:ident $kind:ident $name:literal [$($label:literal)*] $help:literal;)*) => {
        $(
            #[doc = $help]
            pub const $constant: Metric<{ <[&str]>::len(&[$($label),*]) }> = Metric {
                name: concat!("realmgate_", $name),
                kind: $kind,
                labels: [$($label),*],
                help: $help,
            };
        )*
        /// Every metric, in the order of the page.
        pub const ALL: &[Entry] = &[$(Entry {
            name: $constant.name,
            kind: $constant.kind,
            labels: &$constant.labels,
            help: $constant.help,
        }),*];
    };
}

metrics! {
    BUILD_INFO Gauge "build_info" ["version"] "Always 1; the version of the program is the label.";
    LISTENER_CONNECTIONS Gauge "listener_connections" ["listener"] "Connections that a listener has now.";
    LISTENER_CONNECTIONS_LIMIT Gauge "listener_connections_limit" ["listener"] "The most connections that a listener takes (limits.connections).";
    LISTENER_ACCEPTED Counter "listener_accepted_total" ["listener"] "Connections that were given to a worker.";
    LISTENER_REFUSED Counter "listener_refused_total" ["listener" "reason"] "Connections that were closed at once.";
    LISTENER_HANDSHAKES Gauge "listener_handshakes" ["listener" "state"] "TLS handshakes of a listener that are in progress or wait for their turn.";
    TLS_HANDSHAKES Counter "tls_handshakes_total" ["result"] "TLS handshakes of players that have ended.";
    TLS_HANDSHAKE_SECONDS Histogram "tls_handshake_seconds" [] "How long the TLS handshakes that succeeded took, from the accepted connection on.";
    TLS_CERTIFICATE_EXPIRY Gauge "tls_certificate_expiry_timestamp_seconds" ["listener" "certificate"] "When a certificate of a listener expires, in seconds since 1970.";
    SESSIONS Gauge "sessions" ["worker"] "Sessions that a worker has or is about to have.";
    SESSION_STARTED Counter "session_started_total" [] "Sessions that began.";
    SESSION_ENDED Counter "session_ended_total" ["reason"] "Sessions that ended, by the end_reason of the access log.";
    SESSIONS_PARKED Gauge "sessions_parked" [] "Sessions whose player may come back; they count as sessions and not as connections.";
    SESSION_RESUMES Counter "session_resumes_total" ["result"] "Tokens that players showed to come back to their sessions.";
    SESSION_HEARTBEATS Counter "session_heartbeats_total" [] "Heartbeats of players that the gateway answered.";
    SESSION_UNKNOWN_IDS Counter "session_unknown_ids_total" [] "Frames with an ID that no route has.";
    SESSION_LOGINS Counter "session_logins_total" ["result"] "Logins of players: tokens that they showed, and BINDs of backends.";
    SESSION_OVER_RATE Counter "session_over_rate_total" [] "Frames beyond frames_per_session; they were not forwarded.";
    PLAYERS_IN Gauge "players_in" [] "Players that have logged in and play.";
    QUEUE_LENGTH Gauge "queue_length" [] "Places of the waiting line that are taken, those kept for a lost connection among them.";
    QUEUE_ADMITTED Counter "queue_admitted_total" [] "Players that were let in from the waiting line.";
    QUEUE_REFUSED Counter "queue_refused_total" ["reason"] "Players that had logged in and found the waiting line full.";
    NOTICES Counter "notices_total" ["code"] "Notices written to players.";
    ROUTE_FRAMES Counter "route_frames_total" ["route" "direction"] "Frames of a route: in from players, out to players.";
    ROUTE_BYTES Counter "route_bytes_total" ["route" "direction"] "Bytes of the frames of a route: in from players, out to players.";
    ROUTE_REFUSED Counter "route_refused_total" ["route" "reason"] "Frames of a route that were not forwarded.";
    ROUTE_BREAKER_STATE Gauge "route_breaker_state" ["route" "backend"] "The breaker of a route at a backend, of an HTTP route as http.NAME: 0 closed, 1 half open, 2 open.";
    ROUTE_MAINTENANCE Gauge "route_maintenance" ["route"] "Whether a route is closed for maintenance.";
    HTTP_REQUESTS Counter "http_requests_total" ["http" "partner" "status"] "Requests by HTTP route, partner and status of the answer; without a route the name is empty, and 499 is a client that went before its answer began.";
    HTTP_REQUEST_SECONDS Histogram "http_request_seconds" ["http"] "How long requests took, from their head to the head of their answer.";
    HTTP_RETRIES Counter "http_retries_total" ["http"] "Requests that were asked anew at another backend.";
    HTTP_TRIES_FAILED Counter "http_tries_failed_total" ["http" "reason"] "Tries to have a request answered by a backend that failed: nobody serves, those who do are full, no connection, no answer, not in time, the answer was 502, 503 or 504, or the client did not send its body.";
    HTTP_MALFORMED Counter "http_malformed_total" ["listener"] "Connections that were closed because what came on them is no HTTP or could be read in two ways.";
    PARTNER_REFUSED Counter "partner_refused_total" ["partner" "reason"] "Requests of a third party that were not let through; without a partner: nobody knows whose.";
    PARTNER_IN_FLIGHT Gauge "partner_in_flight" ["partner"] "Requests of a third party in progress.";
    PARTNER_TODAY Gauge "partner_requests_today" ["partner"] "Requests of a third party that count for this day of UTC.";
    CLUSTER_PANIC Gauge "cluster_panic" ["cluster"] "Whether so few backends of a cluster are healthy that health is ignored.";
    BACKEND_UP Gauge "backend_up" ["cluster" "backend"] "Whether the probes of a backend say that it lives.";
    BACKEND_SESSIONS Gauge "backend_sessions" ["cluster" "backend"] "Sessions of this gateway at a backend.";
    BACKEND_LOAD Gauge "backend_load_ratio" ["cluster" "backend" "kind"] "The load that a backend reported, and the one predicted from it and from what was sent since.";
    BACKEND_EJECTED Gauge "backend_ejected" ["cluster" "backend"] "Whether a backend is out for what real traffic said of it.";
    BACKEND_EJECTIONS Counter "backend_ejections_total" ["cluster" "backend"] "How often real traffic put a backend out.";
    BACKEND_PROBES Counter "backend_probes_total" ["cluster" "backend" "result"] "Probes of a backend that have ended.";
    BACKEND_PROBE_SECONDS Histogram "backend_probe_seconds" ["cluster" "backend"] "How long the probes of a backend took, those that failed among them.";
    LINK_UP Gauge "link_up" ["cluster" "backend"] "Shared links to a backend that are up, at most one for each worker.";
    LINK_BUFFERED Gauge "link_buffered_bytes" ["cluster" "backend"] "Bytes that wait in the shared links to a backend.";
    LINK_RECONNECTS Counter "link_reconnects_total" ["cluster" "backend"] "How often a shared link to a backend came up again.";
    LINK_UNDELIVERED Counter "link_undelivered_total" [] "Envelopes of backends for sessions that are gone, too slow or not theirs.";
    LINK_UNSAID Counter "link_unsaid_total" [] "Answers to backends, and changes of attributes, that were left out because the backend does not read.";
    LINK_IGNORED Counter "link_ignored_envelopes_total" [] "Envelopes of types that this version reads and does not act on.";
    LINK_STANDBY_DROPPED Counter "link_standby_dropped_total" [] "What a hot standby that is not the first said to players or of them.";
    LINK_BAD_FRAMES Counter "link_bad_frames_total" [] "Payloads of backends that are not one whole frame of the player's layout.";
    PUBLICATIONS Counter "publications_total" ["audience"] "Frames that backends sent once for many players.";
    PUBLICATION_FRAMES Counter "publication_frames_total" ["result"] "Frames for many by receiver: delivered, or why not.";
    ROOMS Gauge "rooms" ["worker"] "Rooms that sessions of a worker are in.";
    ROOM_MEMBERS Gauge "room_members" ["worker"] "Sessions of a worker in rooms, each counted once for each of its rooms.";
    CONFIG_RELOADS Counter "config_reloads_total" ["result"] "Reloads of the configuration.";
    CONFIG_LAST_RELOAD Gauge "config_last_reload_successful" [] "0 while the file on disk was refused and an older one is in force.";
    CONFIG_GENERATION Gauge "config_generation" [] "The number of the configuration in force, from 1.";
    ADMIN_REFUSED Counter "admin_refused_total" ["reason"] "Requests and connections that were not let in at the admin API.";
    WORKER_GATHERED_TURNS Counter "worker_gathered_turns_total" ["worker"] "Turns of a worker's event loop that were kept apart so that frames gather.";
    WORKER_LAG Gauge "worker_lag_seconds" ["worker"] "The worst delay of a worker's clockwork in the last 15 to 30 seconds; grows while the worker stands still.";
    OVERLOAD_PRESSURE Gauge "overload_pressure_ratio" ["resource"] "How near the process is to what it has of a resource: from 0.7 on optional routes are shed, from 0.9 on new sessions are refused.";
    PROCESS_CPU Counter "process_cpu_seconds_total" [] "User and system time of the process in seconds.";
    PROCESS_OPEN_FDS Gauge "process_open_fds" [] "File descriptors that the process has open.";
    PROCESS_MAX_FDS Gauge "process_max_fds" [] "File descriptors that the process may have open.";
    PROCESS_VIRTUAL_MEMORY Gauge "process_virtual_memory_bytes" [] "Virtual memory of the process.";
    PROCESS_RESIDENT_MEMORY Gauge "process_resident_memory_bytes" [] "Resident memory of the process.";
    PROCESS_START_TIME Gauge "process_start_time_seconds" [] "When the process started, in seconds since 1970.";
    PROCESS_THREADS Gauge "process_threads" [] "Threads of the process.";
}
