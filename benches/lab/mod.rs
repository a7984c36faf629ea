//! What the comparisons with HAProxy and nginx share: a network of their own, a core for the proxy, certificates,
//! figures over several rounds, and the one file that both write into.
#![allow(dead_code, reason = "each comparison uses its part")]

pub(crate) mod certificates;
#[path = "../common/cpu.rs"]
pub(crate) mod cpu;
pub(crate) mod facts;
pub(crate) mod folder;
pub(crate) mod netns;
pub(crate) mod options;
pub(crate) mod process;
pub(crate) mod report;
pub(crate) mod spread;
