//! Listeners of two plans compared.

use super::change::{Change, ListenerChange, Swap};
use super::find;
use crate::config::plan::{Listener, ListenerLimits, Plan};

pub(super) fn compare(changes: &mut Vec<Change>, old: &Plan, new: &Plan) {
    let mut add = |listener: &Listener, what| {
        changes.push(Change::Listener { name: listener.name.clone(), what });
    };
    for listener in &old.listeners {
        match find(&new.listeners, Listener::name, &listener.name) {
            Some(later) => one(listener, later).into_iter().for_each(|what| add(listener, what)),
            None if listener.is_for_players() => {
                add(listener, ListenerChange::Removed(*listener.listen.get()));
            }
            None => add(listener, ListenerChange::Closed(*listener.listen.get())),
        }
    }
    for listener in &new.listeners {
        if find(&old.listeners, Listener::name, &listener.name).is_none() {
            add(listener, ListenerChange::Added(*listener.listen.get()));
        }
    }
}

fn one(old: &Listener, new: &Listener) -> Vec<ListenerChange> {
    let both_have = old.is_for_players() && new.is_for_players();
    let protocol = Swap::of(old.protocol.as_str(), new.protocol.as_str()).filter(|_| !both_have);
    let frame = || match Swap::of(old.frame.clone(), new.frame.clone()) {
        Some(names) => Some(ListenerChange::Frame(names)),
        None => (old.layout != new.layout).then(|| ListenerChange::Layout(new.frame.clone())),
    };
    let (doors, keys) = (access(old, new), limits(&old.limits, &new.limits));
    [
        Swap::of(*old.listen.get(), *new.listen.get()).map(ListenerChange::Address),
        protocol.map(ListenerChange::Protocol),
        both_have.then(frame).flatten(),
        certificates(old, new).map(ListenerChange::Certificates),
        (old.unknown_id != new.unknown_id).then_some(ListenerChange::UnknownId),
        (!doors.is_empty()).then_some(ListenerChange::Access(doors)),
        (!keys.is_empty()).then_some(ListenerChange::Limits(keys)),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// Only what they are called: what is in the files is read again at every reload.
fn certificates(old: &Listener, new: &Listener) -> Option<Swap<Vec<String>>> {
    let files = |listener: &Listener| {
        let pairs = listener.tls.iter().map(|pair| (pair.certificate.get().clone(), pair.key.get().clone()));
        pairs.collect::<Vec<_>>()
    };
    let shown = |listener: &Listener| {
        listener.tls.iter().map(|pair| pair.certificate.get().display().to_string()).collect()
    };
    (files(old) != files(new)).then(|| Swap { from: shown(old), to: shown(new) })
}

/// Who may come, and how.
fn access(old: &Listener, new: &Listener) -> Vec<&'static str> {
    let authority = |listener: &Listener| listener.client_ca.as_ref().map(|path| path.get().clone());
    let keys = [
        ("client_ca", authority(old) != authority(new)),
        ("proxy_protocol", old.proxies != new.proxies),
        ("allow", old.allow != new.allow),
        ("deny", old.deny != new.deny),
        ("protocol", old.protocol != new.protocol && old.is_for_players() && new.is_for_players()),
    ];
    [differing(&keys), handshake(old, new)].concat()
}

/// What a handshake must bring, where both have one.
fn handshake(old: &Listener, new: &Listener) -> Vec<&'static str> {
    let (Some(old), Some(new)) = (&old.websocket, &new.websocket) else { return Vec::new() };
    let keys = [
        ("path", old.path != new.path),
        ("origins", old.origins != new.origins),
        ("subprotocols", old.subprotocols != new.subprotocols),
        ("compression", old.compression != new.compression),
    ];
    differing(&keys)
}

fn limits(old: &ListenerLimits, new: &ListenerLimits) -> Vec<&'static str> {
    let keys = [
        ("connections", old.connections != new.connections),
        ("connections_per_ip", old.connections_per_ip != new.connections_per_ip),
        ("new_per_ip", old.new_per_ip != new.new_per_ip),
        ("handshakes", old.handshakes != new.handshakes),
        ("handshake_timeout", old.handshake_timeout != new.handshake_timeout),
        ("login_timeout", old.login_timeout != new.login_timeout),
        ("frame_timeout", old.frame_timeout != new.frame_timeout),
        ("idle_timeout", old.idle_timeout != new.idle_timeout),
        ("write_timeout", old.write_timeout != new.write_timeout),
        ("frames_per_session", old.frames_per_session != new.frames_per_session),
        ("send_buffer", old.send_buffer != new.send_buffer),
    ];
    differing(&keys)
}

fn differing(keys: &[(&'static str, bool)]) -> Vec<&'static str> {
    keys.iter().filter(|(_, differ)| *differ).map(|(key, _)| *key).collect()
}
