//! What the benches share that start real gateways and play both ends of every frame: processes, files, the
//! command line, sockets and verdicts. They find `Outcome`, `scenarios` and `frame` at the root of the bench.
#![allow(dead_code, reason = "each bench uses its part")]

pub(crate) mod certificates;
pub(crate) mod command;
pub(crate) mod connection;
pub(crate) mod cpu;
pub(crate) mod folder;
pub(crate) mod gateway;
pub(crate) mod http;
pub(crate) mod machine;
pub(crate) mod options;
pub(crate) mod patience;
pub(crate) mod serving;
pub(crate) mod verdict;
