//! Players that speak WebSocket: a client by another hand in front of the whole gate.

mod closes;
mod compression;
mod handshakes;
mod many;
mod messages;
mod resume;

use realmgate::wire::websocket::{FrameKind, append_frame};

use crate::fakes::{Backend, Event, Gate, GateBuilder};

const MASK: [u8; 4] = [7, 0, 255, 42];

/// A WebSocket gate before an echo of shared links.
fn before(backend: &Backend) -> GateBuilder {
    Gate::builder().websocket().shared("battle", "\"1000-1999\"", &[backend.address()], "")
}

/// A frame of WebSocket as a client writes it, with this first byte.
fn raw(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    append_frame(FrameKind::Binary, payload, Some(MASK), &mut bytes);
    bytes[0] = first;
    bytes
}

/// The frames that a backend has had, in their order.
fn frames_of(events: &[Event]) -> Vec<Vec<u8>> {
    let bytes = events.iter().filter_map(|event| match event {
        Event::Frame { bytes, .. } => Some(bytes.clone()),
        _ => None,
    });
    bytes.collect()
}
