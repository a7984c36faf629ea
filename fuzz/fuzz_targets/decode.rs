//! Any bytes, in any layout, cut anywhere: the same frames, nothing held for bytes that did not come.
#![no_main]

#[path = "parts/decode_anywhere.rs"]
mod decode_anywhere;

libfuzzer_sys::fuzz_target!(|data: &[u8]| decode_anywhere::run(data));
