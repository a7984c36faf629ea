//! Any bytes as a deflated message: within its limit, and the same again when it is deflated anew.
#![no_main]

#[path = "parts/inflate_again.rs"]
mod inflate_again;

libfuzzer_sys::fuzz_target!(|data: &[u8]| inflate_again::run(data));
