//! `[listener.NAME]` as written.

use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::time::Duration;

use super::field::Field;
use super::fields::Fields;
use super::values::{Wrong, text_of};
use crate::base::Rate;
use crate::config::plan::{Network, Protocol, UnknownId};
use crate::config::site::{Located, Site};
use crate::config::tree::Node;

/// `[listener.NAME]`.
pub(in crate::config) struct Listener {
    pub(in crate::config) listen: Field<String>,
    pub(in crate::config) protocol: Field<Protocol>,
    pub(in crate::config) frame: Field<String>,
    pub(in crate::config) path: Field<String>,
    pub(in crate::config) origins: Field<Vec<Located<String>>>,
    pub(in crate::config) subprotocols: Field<Vec<Located<String>>>,
    pub(in crate::config) compression: Field<bool>,
    pub(in crate::config) tls: Field<Vec<Located<CertificatePair>>>,
    pub(in crate::config) unknown_id: Field<UnknownId>,
    pub(in crate::config) proxy_protocol: Field<ProxyProtocol>,
    pub(in crate::config) allow: Field<Vec<Located<Network>>>,
    pub(in crate::config) deny: Field<Vec<Located<Network>>>,
    pub(in crate::config) limits: Field<Limits>,
}

/// `proxy_protocol` of a listener.
pub(in crate::config) struct ProxyProtocol {
    pub(in crate::config) site: Site,
    pub(in crate::config) trusted: Field<Vec<Located<Network>>>,
}

/// One table of `tls`.
pub(in crate::config) struct CertificatePair {
    pub(in crate::config) site: Site,
    pub(in crate::config) certificate: Field<PathBuf>,
    pub(in crate::config) key: Field<PathBuf>,
    pub(in crate::config) client_ca: Field<PathBuf>,
}

/// `[listener.NAME.limits]`.
#[derive(Default)]
pub(in crate::config) struct Limits {
    pub(in crate::config) connections: Field<u32>,
    pub(in crate::config) connections_per_ip: Field<u32>,
    pub(in crate::config) new_per_ip: Field<Option<Rate>>,
    pub(in crate::config) handshakes: Field<u32>,
    pub(in crate::config) handshake_timeout: Field<Duration>,
    pub(in crate::config) login_timeout: Field<Duration>,
    pub(in crate::config) frame_timeout: Field<Duration>,
    pub(in crate::config) idle_timeout: Field<Duration>,
    pub(in crate::config) write_timeout: Field<Duration>,
    pub(in crate::config) frames_per_session: Field<Option<Rate>>,
    pub(in crate::config) send_buffer: Field<u32>,
}

impl Listener {
    pub(super) fn read(fields: &mut Fields<'_>) -> Self {
        Self {
            listen: fields.text("listen", "\"0.0.0.0:7000\""),
            protocol: fields.word("protocol", &PROTOCOLS),
            frame: fields.text("frame", "\"game\""),
            path: fields.text("path", "\"/play\""),
            origins: fields.list("origins", "[\"https://game.example.com\"]", text),
            subprotocols: fields.list("subprotocols", "[\"game.v1\"]", text),
            compression: fields.flag("compression"),
            tls: fields.tables("tls", TLS, true, CertificatePair::read),
            unknown_id: fields.word("unknown_id", &UNKNOWN_ID),
            proxy_protocol: fields.nested("proxy_protocol", PROXY, ProxyProtocol::read),
            allow: fields.networks("allow"),
            deny: fields.networks("deny"),
            limits: fields.nested("limits", "[listener.players.limits]", Limits::read),
        }
    }
}

fn text(node: &Node) -> Result<String, Wrong> {
    text_of(node, "\"https://game.example.com\"").map(str::to_owned)
}

impl ProxyProtocol {
    fn read(fields: &mut Fields<'_>) -> Self {
        Self { site: fields.site().clone(), trusted: fields.networks("trusted") }
    }
}

impl CertificatePair {
    pub(super) fn read(fields: &mut Fields<'_>) -> Self {
        Self {
            site: fields.site().clone(),
            certificate: fields.path("certificate", PEM),
            key: fields.path("key", PEM),
            client_ca: fields.path("client_ca", "\"tls/ca.pem\""),
        }
    }
}

impl Limits {
    fn read(fields: &mut Fields<'_>) -> Self {
        Self {
            connections: fields.number("connections", 1..=10_000_000),
            connections_per_ip: fields.number("connections_per_ip", 0..=10_000_000),
            new_per_ip: fields.rate_or_off("new_per_ip"),
            handshakes: fields.number("handshakes", 1..=1_000_000),
            handshake_timeout: fields.duration("handshake_timeout", WAITING),
            login_timeout: fields.duration("login_timeout", WAITING),
            frame_timeout: fields.duration("frame_timeout", WAITING),
            idle_timeout: fields.duration("idle_timeout", WAITING),
            write_timeout: fields.duration("write_timeout", WAITING),
            frames_per_session: fields.rate_or_off("frames_per_session"),
            send_buffer: fields.size("send_buffer", 1..=1 << 30),
        }
    }
}

/// The keys of `limits`, to tell those who wrote them one table too high.
pub(super) const LIMITS: [&str; 11] = [
    "connections",
    "connections_per_ip",
    "new_per_ip",
    "handshakes",
    "handshake_timeout",
    "login_timeout",
    "frame_timeout",
    "idle_timeout",
    "write_timeout",
    "frames_per_session",
    "send_buffer",
];

/// Shorter than the timers can tell apart would end every player at once.
pub(super) const WAITING: RangeInclusive<Duration> = Duration::from_millis(10)..=Duration::from_hours(24);
/// A path of a certificate for those who wrote none.
pub(super) const PEM: &str = "\"tls/game.pem\"";
const TLS: &str = "{ certificate = \"tls/game.pem\", key = \"tls/game.key\" }";
const PROXY: &str = "{ trusted = [\"10.0.0.0/8\"] }";
const PROTOCOLS: [super::Word<Protocol>; 3] =
    [("tcp", Some(Protocol::Tcp)), ("websocket", Some(Protocol::WebSocket)), ("http", Some(Protocol::Http))];
const UNKNOWN_ID: [super::Word<UnknownId>; 3] =
    [("notice", Some(UnknownId::Notice)), ("drop", Some(UnknownId::Drop)), ("close", Some(UnknownId::Close))];
