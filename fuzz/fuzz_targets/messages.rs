//! Any bytes as a WebSocket, cut anywhere: the same messages, nothing held for bytes that did not come.
#![no_main]

#[path = "parts/messages_anywhere.rs"]
mod messages_anywhere;

libfuzzer_sys::fuzz_target!(|data: &[u8]| messages_anywhere::run(data));
