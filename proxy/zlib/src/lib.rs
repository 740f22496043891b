//! Stands in for `libz-ng-sys`, which pingora-core asks for through flate2.
//!
//! `libz-ng-sys` needs CMake at build time; a fresh machine with Rust and a C compiler does not have it. Both crates
//! declare the same C interface, and Doorward never switches pingora's compression on, so stock zlib serves.
pub use libz_sys::*;
