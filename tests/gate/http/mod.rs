//! The door for HTTP: both versions, plain and TLS, which route a request meets, and what nobody may do.

mod asker;
mod ends;
mod limits;
mod matching;
mod reload;
mod versions;

use std::net::SocketAddr;

use crate::fakes::{Gate, GateBuilder};

pub(crate) use asker::{Asker, Http2, Reply, get, tls};

/// A gate with a listener for HTTP beside that of the players. Nothing listens at the backend: who gets there learns so.
pub(crate) fn gate(limits: &str) -> GateBuilder {
    let off = if limits.contains("connections_per_ip") { "" } else { "connections_per_ip = 0\n" };
    door(&format!("[listener.open.limits]\n{off}new_per_ip = \"off\"\n{limits}"))
}

/// The same with other lines behind `[listener.open]`.
pub(crate) fn door(lines: &str) -> GateBuilder {
    door_at("127.0.0.1:0", lines)
}

/// The same at another address.
pub(crate) fn door_at(address: &str, lines: &str) -> GateBuilder {
    Gate::builder()
        .table("[cluster.none]\nlink = \"dedicated\"\nbackends = [{ address = \"127.0.0.1:1\" }]")
        .table("[route.none]\nids = [\"*\"]\ncluster = \"none\"")
        .table("[cluster.web]\nlink = \"http\"\nbackends = [{ address = \"127.0.0.1:1\" }]")
        .table(&format!("[listener.open]\nlisten = \"{address}\"\nprotocol = \"http\"\n{lines}"))
}

/// A route to the cluster.
pub(crate) fn route(name: &str, body: &str) -> String {
    format!("[http.{name}]\nlistener = \"open\"\ncluster = \"web\"\n{body}")
}

pub(crate) fn open(gate: &Gate) -> SocketAddr {
    gate.inner().address("open").expect("the listener for HTTP")
}

/// How many requests a route has answered, whatever the answer was; the empty name is no route.
pub(crate) fn answered(gate: &Gate, http: &str) -> u64 {
    gate.meters().http(http).answered().iter().map(|(_, _, count)| count).sum()
}

/// How many of them with this status.
pub(crate) fn with_status(gate: &Gate, http: &str, status: u16) -> u64 {
    gate.meters().http(http).of("").get(status)
}
