//! `[cluster.NAME]` as written.

use std::path::PathBuf;
use std::time::Duration;

use super::field::Field;
use super::fields::Fields;
use super::hash_on::HashOn;
use super::health::Health;
use super::listener::{PEM, WAITING};
use super::outlier::Outlier;
use super::values::request_path;
use crate::config::MOST_WEIGHT;
use crate::config::plan::ProxyHeader;
use crate::config::site::{Located, Site};
use crate::policy::{Balance, OnLoss};

/// `[cluster.NAME]`.
pub(in crate::config) struct Cluster {
    pub(in crate::config) link: Field<Link>,
    pub(in crate::config) frame: Field<String>,
    pub(in crate::config) balance: Field<Balance>,
    pub(in crate::config) hash_on: Field<HashOn>,
    pub(in crate::config) sticky: Field<bool>,
    pub(in crate::config) on_loss: Field<OnLoss>,
    pub(in crate::config) slow_start: Field<Duration>,
    pub(in crate::config) panic_threshold: Field<u8>,
    pub(in crate::config) connect_timeout: Field<Duration>,
    pub(in crate::config) send_buffer: Field<u32>,
    pub(in crate::config) proxy_protocol: Field<ProxyHeader>,
    pub(in crate::config) websocket: Field<String>,
    pub(in crate::config) tls: Field<BackendTls>,
    pub(in crate::config) health: Field<Health>,
    pub(in crate::config) outlier: Field<Outlier>,
    pub(in crate::config) active: Field<String>,
    pub(in crate::config) backends: Field<Vec<Located<Backend>>>,
}

/// `link` of a cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::config) enum Link {
    Shared,
    Dedicated,
    Http,
}

/// `tls` of a cluster.
pub(in crate::config) struct BackendTls {
    pub(in crate::config) site: Site,
    pub(in crate::config) ca: Field<PathBuf>,
    pub(in crate::config) certificate: Field<PathBuf>,
    pub(in crate::config) key: Field<PathBuf>,
}

/// One table of `backends`.
pub(in crate::config) struct Backend {
    pub(in crate::config) site: Site,
    pub(in crate::config) address: Field<String>,
    pub(in crate::config) weight: Field<u32>,
    pub(in crate::config) zone: Field<String>,
    pub(in crate::config) group: Field<String>,
    pub(in crate::config) max_sessions: Field<u32>,
}

impl Cluster {
    pub(super) fn read(fields: &mut Fields<'_>) -> Self {
        Self {
            link: fields.word("link", &LINKS),
            frame: fields.text("frame", "\"game\""),
            balance: fields.word("balance", &BALANCES),
            hash_on: HashOn::read(fields),
            sticky: fields.flag("sticky"),
            on_loss: fields.word("on_loss", &ON_LOSS),
            slow_start: fields.duration("slow_start", Duration::ZERO..=*WAITING.end()),
            panic_threshold: fields.number("panic_threshold", 0..=100),
            connect_timeout: fields.duration("connect_timeout", WAITING),
            send_buffer: fields.size("send_buffer", 1..=1 << 30),
            proxy_protocol: fields.word("proxy_protocol", &PROXY),
            websocket: fields.value("websocket", |node| request_path(node, "\"/play\"")),
            tls: fields.nested("tls", "{ ca = \"tls/backend-ca.pem\" }", BackendTls::read),
            health: fields.nested("health", "[cluster.battle.health]", Health::read),
            outlier: fields.nested("outlier", "[cluster.battle.outlier]", Outlier::read),
            active: fields.group("active"),
            backends: fields.tables("backends", BACKENDS, false, Backend::read),
        }
    }
}

impl BackendTls {
    fn read(fields: &mut Fields<'_>) -> Self {
        Self {
            site: fields.site().clone(),
            ca: fields.path("ca", PEM),
            certificate: fields.path("certificate", PEM),
            key: fields.path("key", PEM),
        }
    }
}

impl Backend {
    fn read(fields: &mut Fields<'_>) -> Self {
        Self {
            site: fields.site().clone(),
            address: fields.text("address", "\"10.0.1.1:7100\""),
            weight: fields.number("weight", 0..=MOST_WEIGHT),
            zone: fields.name("zone"),
            group: fields.group("group"),
            max_sessions: fields.number("max_sessions", 1..=10_000_000),
        }
    }
}

const BACKENDS: &str = "[{ address = \"10.0.1.1:7100\" }]";
const LINKS: [super::Word<Link>; 3] =
    [("shared", Some(Link::Shared)), ("dedicated", Some(Link::Dedicated)), ("http", Some(Link::Http))];
const BALANCES: [super::Word<Balance>; 7] = [
    ("round_robin", Some(Balance::RoundRobin)),
    ("random", Some(Balance::Random)),
    ("least_load", Some(Balance::LeastLoad)),
    ("modulo", Some(Balance::Modulo)),
    ("consistent_hash", Some(Balance::ConsistentHash)),
    ("hot_standby", Some(Balance::HotStandby)),
    ("backup", Some(Balance::Backup)),
];
const ON_LOSS: [super::Word<OnLoss>; 2] = [("repick", Some(OnLoss::Repick)), ("close", Some(OnLoss::Close))];
const PROXY: [super::Word<ProxyHeader>; 3] =
    [("off", Some(ProxyHeader::Off)), ("v1", Some(ProxyHeader::V1)), ("v2", Some(ProxyHeader::V2))];
