//! Replays the committed fuzzing corpora through the fuzz targets' own checks, as plain tests.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "tests, and the fuzz targets that they include"
)]

use std::path::Path;

#[path = "../../../fuzz/src/header_mirror.rs"]
mod header_mirror;
#[path = "../../../fuzz/src/http_chunks.rs"]
mod http_chunks;
#[path = "../../../fuzz/src/message_parse.rs"]
mod message_parse;
#[path = "../../../fuzz/src/sse_split.rs"]
mod sse_split;
#[path = "../../../fuzz/src/uri_canonical.rs"]
mod uri_canonical;

/// Fewer seeds than this means that the corpus was not found or was lost.
const SEEDS_MIN: usize = 15;

fn replay(target: &str, check: fn(&[u8])) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus").join(target);
    let mut seeds: Vec<_> = std::fs::read_dir(&folder)
        .unwrap_or_else(|error| panic!("{}: {error}", folder.display()))
        .map(|entry| entry.unwrap().path())
        .collect();
    seeds.sort();
    assert!(seeds.len() >= SEEDS_MIN, "{} seeds in {}", seeds.len(), folder.display());
    for seed in seeds {
        println!("{}", seed.display());
        check(&std::fs::read(&seed).unwrap());
    }
}

#[test]
fn message_parse_corpus_holds() {
    replay("message_parse", message_parse::check);
}

#[test]
fn sse_split_corpus_holds() {
    replay("sse_split", sse_split::check);
}

#[test]
fn header_mirror_corpus_holds() {
    replay("header_mirror", header_mirror::check);
}

#[test]
fn uri_canonical_corpus_holds() {
    replay("uri_canonical", uri_canonical::check);
}

#[test]
fn http_chunks_corpus_holds() {
    replay("http_chunks", http_chunks::check);
}
