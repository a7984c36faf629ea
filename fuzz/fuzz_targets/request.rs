//! Any bytes as requests, cut anywhere: the same ends, and a head that passes is a head to another reader, too.
#![no_main]

#[path = "parts/request_ends.rs"]
mod request_ends;

libfuzzer_sys::fuzz_target!(|data: &[u8]| request_ends::run(data));
