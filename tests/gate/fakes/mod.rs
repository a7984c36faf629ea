//! Fluent fakes: a `Gate` in front of `Backend`s, and `Player`s that talk to it. Everything listens on port 0, and
//! waiting is always for an event, with one bound for the case that it never comes.

mod backend;
mod browser;
mod dedicated;
#[path = "../../common/folder.rs"]
mod folder;
mod gate;
mod issuer;
#[path = "../../common/log.rs"]
pub(crate) mod log;
mod messenger;
mod player;
#[path = "../../common/polling.rs"]
mod polling;
mod presser;
#[path = "../../common/unreachable.rs"]
mod unreachable;
#[path = "../../common/waiting.rs"]
mod waiting;

pub(crate) use backend::{Backend, Event, Manner};
pub(crate) use browser::Browser;
pub(crate) use dedicated::{Connection, Dedicated};
pub(crate) use folder::Folder;
pub(crate) use gate::{Certificates, Gate, GateBuilder};
pub(crate) use issuer::{Issuer, now};
pub(crate) use messenger::{Conversation, Messenger};
pub(crate) use player::{Frame, Player};
pub(crate) use polling::{until, until_shown};
pub(crate) use presser::{Heard, Presser, press};
pub(crate) use unreachable::unreachable;
pub(crate) use waiting::within;

/// A frame of the test game: length u32 (big-endian, counts what follows), ID u16, body.
pub(crate) fn frame(id: u16, body: &[u8]) -> Vec<u8> {
    let mut bytes = u32::try_from(body.len() + 2).expect("short").to_be_bytes().to_vec();
    bytes.extend_from_slice(&id.to_be_bytes());
    bytes.extend_from_slice(body);
    bytes
}
