//! The file as it is written: every key of the contract that this version knows, typed and with its place, and
//! nothing filled in. Unknown keys are mistakes here; whether the values go together is asked in `check`.

mod admin;
mod amounts;
mod breaker;
mod cluster;
mod field;
mod fields;
mod frame;
mod hash_on;
mod health;
mod http;
mod limit;
mod listener;
mod login;
mod maintenance;
mod networks;
mod outlier;
mod partner;
mod release;
mod route;
mod top;
mod values;

pub(super) use admin::Admin;
pub(super) use breaker::{Breaker, Reply};
pub(super) use cluster::{Backend, BackendTls, Cluster, Link};
pub(super) use field::{Field, Named};
pub(super) use frame::{Frame, Heartbeat, Id, IdKind, Length, LengthKind};
pub(super) use hash_on::{HashField, HashOn, HttpKey};
pub(super) use health::{Health, ProbeKind};
pub(super) use http::Http;
pub(super) use limit::Limit;
pub(super) use listener::{CertificatePair, Limits, Listener, ProxyProtocol};
pub(super) use login::{Login, Queue, Token};
pub(super) use maintenance::Maintenance;
pub(super) use outlier::Outlier;
pub(super) use partner::{Auth, AuthKind, Partner};
pub(super) use release::{Canary, Release};
pub(super) use route::{Ids, Route};
pub(super) use top::{Drain, Gateway, Net};
pub(super) use values::Word;

use super::mistakes::Mistakes;
use super::site::Site;
use super::tree::Table;
use fields::Fields;

/// Everything the files say.
pub(super) struct Raw {
    pub(super) gateway: Gateway,
    pub(super) net: Net,
    pub(super) drain: Drain,
    pub(super) admin: Field<Admin>,
    pub(super) release: Field<Release>,
    pub(super) login: Field<Login>,
    pub(super) frames: Vec<Named<Frame>>,
    pub(super) listeners: Vec<Named<Listener>>,
    pub(super) clusters: Vec<Named<Cluster>>,
    pub(super) routes: Vec<Named<Route>>,
    pub(super) partners: Vec<Named<Partner>>,
    pub(super) http: Vec<Named<Http>>,
    /// Whether anything stands below `listener` and `route`, readable or not.
    pub(super) any_listener: bool,
    pub(super) any_route: bool,
}

/// Reads the merged tree.
pub(super) fn read(root: &Table, mistakes: &Mistakes) -> Raw {
    let nowhere = Site { source: 0, span: 0..0 };
    let mut fields = Fields::new(mistakes, root, String::new(), nowhere);
    let raw = Raw {
        gateway: fields.section("gateway", Gateway::read),
        net: fields.section("net", Net::read),
        drain: fields.section("drain", Drain::read),
        admin: fields.nested("admin", "[admin]", Admin::read),
        release: fields.nested("release", "[release]", Release::read),
        login: fields.nested("login", "[login]", Login::read),
        frames: fields.named("frame", Frame::read),
        listeners: fields.named("listener", Listener::read),
        clusters: fields.named("cluster", Cluster::read),
        routes: fields.named("route", Route::read),
        partners: fields.named("partner", Partner::read),
        http: fields.named("http", Http::read),
        any_listener: is_written(root, "listener"),
        any_route: is_written(root, "route"),
    };
    fields.done();
    raw
}

fn is_written(root: &Table, name: &str) -> bool {
    let entry = root.entries.get(name);
    entry.is_some_and(|entry| entry.node.value.table().is_none_or(|table| !table.entries.is_empty()))
}
