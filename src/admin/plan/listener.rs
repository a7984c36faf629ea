//! Where players arrive and what their frames look like, as JSON.

use std::path::PathBuf;

use serde_json::{Value, json};

use crate::base::format_duration;
use crate::config::{CertificatePair, Listener, ListenerLimits, Located, NamedLayout, Network, UnknownId};
use crate::wire::{ByteOrder, Framing, IdField};

pub(super) fn frame(frame: &NamedLayout) -> Value {
    let layout = frame.layout();
    json!({
        "name": frame.name(),
        "max_length": layout.max_length,
        "length": length(layout.framing),
        "id": layout.id.map(id),
        "has_ids": layout.id.is_some(),
        "heartbeat": layout.heartbeat.map(|beat| json!({ "id": beat.id.0, "reply": beat.reply.0 })),
        "notice": layout.notice.map(|id| id.0),
    })
}

fn length(framing: Framing) -> Value {
    match framing {
        Framing::Fixed { offset, width, order, adjust } => json!({
            "kind": "fixed",
            "offset": offset,
            "width": width.bytes(),
            "order": first(order),
            "adjust": adjust,
        }),
        Framing::Varint { offset, max_width } => {
            json!({ "kind": "varint", "offset": offset, "max_width": max_width })
        }
        Framing::Message => json!({ "kind": "message" }),
        Framing::Opaque => json!({ "kind": "opaque" }),
    }
}

fn id(field: IdField) -> Value {
    match field {
        IdField::Fixed { offset, width, order, mask, shift } => json!({
            "kind": "fixed",
            "offset": offset,
            "width": width.bytes(),
            "order": first(order),
            "mask": mask,
            "shift": shift,
        }),
        IdField::Varint => json!({ "kind": "varint" }),
    }
}

const fn first(order: ByteOrder) -> &'static str {
    match order {
        ByteOrder::Big => "big",
        ByteOrder::Little => "little",
    }
}

pub(super) fn view(listener: &Listener) -> Value {
    let unknown_id = match listener.unknown_id() {
        UnknownId::Notice => "notice",
        UnknownId::Drop => "drop",
        UnknownId::Close => "close",
    };
    let websocket = listener.websocket();
    json!({
        "name": listener.name(),
        "listen": listener.listen().get().to_string(),
        "protocol": listener.protocol().as_str(),
        "frame": listener.frame(),
        "path": websocket.map(|rules| rules.path()),
        "origins": websocket.map(|rules| rules.origins()),
        "subprotocols": websocket.map(|rules| rules.subprotocols()),
        "compression": websocket.map(|rules| rules.compression()),
        "unknown_id": unknown_id,
        "tls": certificates(listener),
        "proxy_protocol": listener.proxies().map(|trusted| json!({ "trusted": networks(trusted) })),
        "allow": networks(listener.allowed()),
        "deny": networks(listener.denied()),
        "limits": limits(listener.limits()),
    })
}

fn certificates(listener: &Listener) -> Vec<Value> {
    let path = |file: &Located<PathBuf>| file.get().display().to_string();
    let pair = |pair: &CertificatePair| {
        json!({
            "certificate": path(pair.certificate()),
            "key": path(pair.key()),
            "client_ca": listener.client_ca().map(path),
        })
    };
    listener.tls().iter().map(pair).collect()
}

fn networks(networks: &[Network]) -> Vec<String> {
    networks.iter().map(ToString::to_string).collect()
}

fn limits(limits: &ListenerLimits) -> Value {
    json!({
        "connections": limits.connections(),
        "connections_per_ip": limits.connections_per_ip(),
        "new_per_ip": limits.new_per_ip().map(|rate| rate.to_string()),
        "handshakes": limits.handshakes(),
        "handshake_timeout": format_duration(limits.handshake_timeout()),
        "login_timeout": format_duration(limits.login_timeout()),
        "frame_timeout": format_duration(limits.frame_timeout()),
        "idle_timeout": format_duration(limits.idle_timeout()),
        "write_timeout": format_duration(limits.write_timeout()),
        "frames_per_session": limits.frames_per_session().map(|rate| rate.to_string()),
        "send_buffer": limits.send_buffer(),
    })
}
