//! What the comparisons with other proxies share: a network of their own, a core for the proxy, its start and its end,
//! certificates, figures over several rounds, and the one file that both write into.
#![allow(dead_code, reason = "each comparison uses its part")]

pub(crate) mod certificates;
pub(crate) mod command;
#[path = "../common/cpu.rs"]
pub(crate) mod cpu;
pub(crate) mod facts;
pub(crate) mod folder;
pub(crate) mod netns;
pub(crate) mod options;
pub(crate) mod process;
pub(crate) mod proxy;
pub(crate) mod report;
pub(crate) mod spread;
pub(crate) mod turns;
