//! Any bytes from a backend: no panic, and what is understood is written back to the same meaning.
#![no_main]

#[path = "parts/envelope_again.rs"]
mod envelope_again;

libfuzzer_sys::fuzz_target!(|data: &[u8]| envelope_again::run(data));
