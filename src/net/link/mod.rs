//! The shared link to one backend: one connection per worker that carries the frames of all its sessions. The
//! sessions write into its buffer; its task writes that buffer out once per turn, reads what comes back and
//! connects again when it is lost.

mod commands;
mod connection;
mod dispatch;
mod keep;
mod shared;
#[cfg(test)]
mod tests;

pub(super) use dispatch::{answer, report_of, serving_state, undelivered};
pub(super) use keep::keep;
pub(super) use shared::SharedLink;
