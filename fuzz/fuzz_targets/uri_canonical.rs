#![no_main]

#[path = "../src/uri_canonical.rs"]
mod target;

libfuzzer_sys::fuzz_target!(|data: &[u8]| target::check(data));
