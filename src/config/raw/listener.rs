//! `[listener.NAME]` as written.

use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::time::Duration;

use super::field::Field;
use super::fields::Fields;
use crate::config::plan::UnknownId;
use crate::config::site::{Located, Site};

/// `[listener.NAME]`.
pub(in crate::config) struct Listener {
    pub(in crate::config) listen: Field<String>,
    pub(in crate::config) frame: Field<String>,
    pub(in crate::config) tls: Field<Vec<Located<CertificatePair>>>,
    pub(in crate::config) unknown_id: Field<UnknownId>,
    pub(in crate::config) limits: Field<Limits>,
}

/// One table of `tls`.
pub(in crate::config) struct CertificatePair {
    pub(in crate::config) site: Site,
    pub(in crate::config) certificate: Field<PathBuf>,
    pub(in crate::config) key: Field<PathBuf>,
}

/// `[listener.NAME.limits]`.
#[derive(Default)]
pub(in crate::config) struct Limits {
    pub(in crate::config) connections: Field<u32>,
    pub(in crate::config) handshake_timeout: Field<Duration>,
    pub(in crate::config) frame_timeout: Field<Duration>,
    pub(in crate::config) idle_timeout: Field<Duration>,
    pub(in crate::config) write_timeout: Field<Duration>,
    pub(in crate::config) send_buffer: Field<u32>,
}

impl Listener {
    pub(super) fn read(fields: &mut Fields<'_>) -> Self {
        fields.later(&["path", "proxy_protocol", "allow", "deny"]);
        let listener = Self {
            listen: fields.text("listen", "\"0.0.0.0:7000\""),
            frame: fields.text("frame", "\"game\""),
            tls: fields.tables("tls", TLS, true, CertificatePair::read),
            unknown_id: fields.word("unknown_id", &UNKNOWN_ID),
            limits: fields.nested("limits", "[listener.players.limits]", Limits::read),
        };
        // The word is checked and then says nothing: TCP is the only protocol.
        fields.word("protocol", &[("tcp", Some(())), ("websocket", None), ("http", None)]);
        listener
    }
}

impl CertificatePair {
    pub(super) fn read(fields: &mut Fields<'_>) -> Self {
        fields.later(&["client_ca"]);
        Self {
            site: fields.site().clone(),
            certificate: fields.path("certificate", PEM),
            key: fields.path("key", PEM),
        }
    }
}

impl Limits {
    fn read(fields: &mut Fields<'_>) -> Self {
        fields.later(&[
            "connections_per_ip",
            "new_per_ip",
            "handshakes",
            "login_timeout",
            "frames_per_session",
        ]);
        Self {
            connections: fields.number("connections", 1..=10_000_000),
            handshake_timeout: fields.duration("handshake_timeout", WAITING),
            frame_timeout: fields.duration("frame_timeout", WAITING),
            idle_timeout: fields.duration("idle_timeout", WAITING),
            write_timeout: fields.duration("write_timeout", WAITING),
            send_buffer: fields.size("send_buffer", 1..=1 << 30),
        }
    }
}

/// The keys of `limits`, to tell those who wrote them one table too high.
pub(super) const LIMITS: [&str; 6] =
    ["connections", "handshake_timeout", "frame_timeout", "idle_timeout", "write_timeout", "send_buffer"];

/// Shorter than the timers can tell apart would end every player at once.
pub(super) const WAITING: RangeInclusive<Duration> = Duration::from_millis(10)..=Duration::from_hours(24);
/// A path of a certificate for those who wrote none.
pub(super) const PEM: &str = "\"tls/game.pem\"";
const TLS: &str = "{ certificate = \"tls/game.pem\", key = \"tls/game.key\" }";
const UNKNOWN_ID: [super::Word<UnknownId>; 3] =
    [("notice", Some(UnknownId::Notice)), ("drop", Some(UnknownId::Drop)), ("close", Some(UnknownId::Close))];
