#![no_main]

#[path = "../src/message_parse.rs"]
mod target;

libfuzzer_sys::fuzz_target!(|data: &[u8]| target::check(data));
