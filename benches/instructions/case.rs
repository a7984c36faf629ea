//! What is counted: the name of each case, how often it is repeated, and what one repetition is.

use crate::path::Shape;
use crate::pieces::{boxes, choice, wire};

/// One row of the table.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Case {
    /// Of the room, and of what is done there.
    pub(crate) name: &'static str,
    /// What is counted once.
    pub(crate) unit: &'static str,
    /// How many of them the shorter run does.
    pub(crate) times: u64,
    pub(crate) kind: Kind,
}

/// How it is run.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Kind {
    /// A part of the crate, by this program itself under callgrind.
    Piece(fn(u64)),
    /// The gateway's program under callgrind, between two ends that this process plays.
    Path(Shape),
}

/// The rows in their order.
pub(crate) const ALL: &[Case] = &[
    piece("decode/one-a-read", "a frame of 64 bytes, alone in its read", wire::decode_one),
    piece("decode/32-a-read", "a frame of 64 bytes, of 32 in a read", wire::decode_many),
    piece("route/by-place", "an ID below 65,536", choice::route_low),
    piece("route/by-range", "a higher ID, of a hundred ranges", choice::route_high),
    piece("route/rest", "an ID that only `\"*\"` has", choice::route_rest),
    piece("session/verdict", "a frame in a session that plays", choice::verdict),
    piece("pick/kept", "the backend that a sticky session keeps, of 8", choice::kept),
    piece("pick/round_robin", "a backend for a new session, of 8", choice::round_robin),
    piece("pick/random", "the same", choice::random),
    piece("pick/least_load", "the same", choice::least_load),
    piece("pick/modulo", "the same", choice::modulo),
    piece("pick/consistent_hash", "the same", choice::consistent_hash),
    piece("pick/backup", "the same", choice::backup),
    piece("pick/hot_standby", "the first two that live, of 8", choice::hot_standby),
    piece("envelope/append", "a frame of 64 bytes into a link's buffer", wire::append),
    piece("envelope/read", "a frame of 64 bytes, of 32 in a read of a link", wire::envelopes),
    piece("outbox/one", "a frame of 64 bytes in, and out again", boxes::one),
    piece("outbox/32", "the same, of 32 that go out at once", boxes::many),
    piece("websocket/one-a-read", "a masked message of 64 bytes, alone in its read", wire::message_one),
    piece("websocket/32-a-read", "a masked message of 64 bytes, of 32 in a read", wire::message_many),
    piece("websocket/mask-1k", "the mask of 1 KiB", wire::mask),
    path("path/shared-1", "a frame there and back, one connection", 4_000, Shape::SHARED_ONE),
    path("path/shared-200x1", "a frame there and back, of 200 times one", 20, Shape::SHARED_CROWD),
    path("path/shared-50x32", "a frame there and back, of 50 times 32", 6, Shape::SHARED_MANY),
    path("path/dedicated-1", "a frame there and back, one connection", 4_000, Shape::DEDICATED_ONE),
    path("path/dedicated-200x1", "a frame there and back, of 200 times one", 20, Shape::DEDICATED_CROWD),
    path("path/dedicated-50x32", "a frame there and back, of 50 times 32", 6, Shape::DEDICATED_MANY),
];

/// Enough that one instruction of one repetition stands out from what a start of the program differs by.
const PIECES: u64 = 32 * 1024;

const fn piece(name: &'static str, unit: &'static str, play: fn(u64)) -> Case {
    Case { name, unit, times: PIECES, kind: Kind::Piece(play) }
}

const fn path(name: &'static str, unit: &'static str, times: u64, shape: Shape) -> Case {
    Case { name, unit, times, kind: Kind::Path(shape) }
}
