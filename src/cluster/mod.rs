//! The registry: every cluster and backend the process has known, by stable name, with what is true of it now.
//! A reload replaces the plan and finds its entries here again. Counters are atomic; nothing here blocks.

mod registry;

pub use registry::{Backend, Cluster, Registry};
