#![no_main]

#[path = "../src/header_mirror.rs"]
mod target;

libfuzzer_sys::fuzz_target!(|data: &[u8]| target::check(data));
