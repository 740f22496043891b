#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic, reason = "tests")]

mod arguments;
mod equality;
mod lists;
mod support;

mod tools;
