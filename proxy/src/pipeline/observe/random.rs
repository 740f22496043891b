//! Random ids: decisions, traces, spans, chains.
//!
//! Each thread draws from its own block of the process's generator (aws-lc-rs, seeded by the operating system), so an id
//! costs a copy. The ids are unpredictable, but none of them authorises anything.

use std::cell::RefCell;

use crate::model::{DecisionId, decision_id::hex_digits};

const BLOCK_BYTES: usize = 512;

struct Block {
    bytes: [u8; BLOCK_BYTES],
    used: usize,
}

thread_local! {
    static BLOCK: RefCell<Block> = const { RefCell::new(Block { bytes: [0; BLOCK_BYTES], used: BLOCK_BYTES }) };
}

/// `N` random bytes, `N` at most 512.
pub(crate) fn bytes<const N: usize>() -> [u8; N] {
    BLOCK.with_borrow_mut(|block| {
        if block.used + N > BLOCK_BYTES {
            // Without randomness ids repeat, which confuses records but grants nothing; the next call tries again.
            if aws_lc_rs::rand::fill(&mut block.bytes).is_err() {
                tracing::error!("the operating system gives no randomness");
            }
            block.used = 0;
        }
        let mut out = [0; N];
        if let Some(source) = block.bytes.get(block.used..block.used + N) {
            out.copy_from_slice(source);
        }
        block.used += N;
        out
    })
}

/// A new decision id.
pub fn decision_id() -> DecisionId {
    DecisionId::from_random(bytes())
}

/// `N` random bytes of which at least one is not zero, as trace and span ids must be (W3C Trace Context §3.2.2.3).
pub(crate) fn nonzero_bytes<const N: usize>() -> [u8; N] {
    loop {
        let id = bytes();
        if id != [0; N] {
            return id;
        }
    }
}

/// Appends bytes as lower-case hexadecimal digits.
pub(crate) fn push_hex(out: &mut String, bytes: &[u8]) {
    out.reserve(bytes.len() * 2);
    for byte in bytes {
        out.extend(hex_digits(*byte));
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn ids_of_several_threads_do_not_repeat() {
        let threads: Vec<_> =
            (0..4).map(|_| std::thread::spawn(|| (0..1_000).map(|_| bytes::<16>()).collect::<Vec<_>>())).collect();
        let ids: HashSet<_> = threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect();
        assert_eq!(ids.len(), 4_000);
    }
}
