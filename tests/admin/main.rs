//! The operator's door: the API in front of a running gate, and `realmgate ctl` in front of a running program.

mod bounds;
mod changes;
mod ctl;
mod ctl_changes;
mod door;
mod fakes;
mod live;
mod reads;
