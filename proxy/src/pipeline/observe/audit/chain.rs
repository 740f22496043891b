//! The hash chain: gives each record its place, its fingerprint and its line.
//!
//! A line is the record's canonical object with one more member at its end, `"fingerprint":"<64 hexadecimal digits>"`.
//! The fingerprint is SHA-256 over the canonical form (RFC 8785) of the object without that member. Each record names the
//! fingerprint of the one before in `prev`, across restarts and rotated files; `seq` counts from 0 within one run of the
//! process, which `chain_uid` names: the instance (kept as long as the file is continued), a dash, the run.

use aws_lc_rs::digest::{SHA256, digest};

use super::{
    canonical::Form,
    digest::DigestKey,
    record::{Place, Record},
};
use crate::pipeline::observe::random;

/// A fingerprint's length as text.
pub const FINGERPRINT_CHARS: usize = 64;

/// Where an earlier run of the process left off.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Predecessor {
    /// Its chain.
    pub chain_uid: String,
    /// The fingerprint of its last record.
    pub fingerprint: String,
}

/// SHA-256 as lower-case hexadecimal digits.
pub fn fingerprint(canonical: &str) -> String {
    let mut out = String::with_capacity(FINGERPRINT_CHARS);
    random::push_hex(&mut out, digest(&SHA256, canonical.as_bytes()).as_ref());
    out
}

/// Gives records their place. Lives on the writer's thread.
pub struct Chain {
    chain_uid: String,
    next_seq: u64,
    prev: Option<String>,
    digest_key: DigestKey,
    canonical: String,
}

/// A place in the chain to go back to when a line could not be written.
#[derive(Clone, Debug)]
pub struct Mark {
    next_seq: u64,
    prev: Option<String>,
}

impl Chain {
    /// A new run of the process, after an earlier one's last record where there is one.
    pub fn new(predecessor: Option<Predecessor>, digest_key: DigestKey) -> Self {
        let mut chain_uid = match &predecessor {
            // The instance's part stays as long as the file is continued.
            Some(earlier) => earlier.chain_uid.split('-').next().unwrap_or_default().to_owned(),
            None => {
                let mut instance = String::new();
                random::push_hex(&mut instance, &random::bytes::<8>());
                instance
            }
        };
        chain_uid.push('-');
        random::push_hex(&mut chain_uid, &random::bytes::<8>());
        Self {
            chain_uid,
            next_seq: 0,
            prev: predecessor.map(|earlier| earlier.fingerprint),
            digest_key,
            canonical: String::new(),
        }
    }

    /// The chain's name.
    pub fn uid(&self) -> &str {
        &self.chain_uid
    }

    /// Where the chain stands.
    pub fn mark(&self) -> Mark {
        Mark { next_seq: self.next_seq, prev: self.prev.clone() }
    }

    /// Takes back every record sealed since the mark.
    pub fn rewind(&mut self, mark: Mark) {
        self.next_seq = mark.next_seq;
        self.prev = mark.prev;
    }

    /// Appends the record's line, its line feed included.
    pub fn seal(&mut self, record: &Record, time_unix_ms: u64, lines: &mut String) {
        let arguments = match record {
            Record::Decision(decision) => decision.arguments.as_ref(),
            _ => None,
        };
        let arguments = arguments.map(|arguments| arguments.resolve(&self.digest_key));
        let place = Place { chain_uid: &self.chain_uid, seq: self.next_seq, prev: self.prev.as_deref(), time_unix_ms };
        self.canonical.clear();
        record.write(arguments.as_deref(), &place, &mut self.canonical, Form::Canonical);
        let fingerprint = fingerprint(&self.canonical);
        if self.canonical.bytes().all(|byte| (0x20..0x7f).contains(&byte)) {
            // Both forms are the same: nothing in it needs an escape.
            lines.push_str(&self.canonical);
        } else {
            record.write(arguments.as_deref(), &place, lines, Form::Line);
        }
        lines.pop();
        lines.push_str(",\"fingerprint\":\"");
        lines.push_str(&fingerprint);
        lines.push_str("\"}\n");
        self.next_seq += 1;
        self.prev = Some(fingerprint);
    }
}
