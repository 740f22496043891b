#![no_main]

#[path = "../src/http_chunks.rs"]
mod target;

libfuzzer_sys::fuzz_target!(|data: &[u8]| target::check(data));
