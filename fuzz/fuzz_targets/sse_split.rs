#![no_main]

#[path = "../src/sse_split.rs"]
mod target;

libfuzzer_sys::fuzz_target!(|data: &[u8]| target::check(data));
