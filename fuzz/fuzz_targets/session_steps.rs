//! Any history of a session beside the shadow model of its rules.
#![no_main]

#[path = "../../tests/session_simulation/model.rs"]
mod model;

libfuzzer_sys::fuzz_target!(|data: &[u8]| model::run(data, "fuzz"));
