//! Verifies audit files: reads them line by line in constant memory and tells the first record that does not fit.
//!
//! In: files of one instance in the order of their writing (a rotated file, then its successor). Out: [`Report`]. Found
//! are: an edited record (its fingerprint does not match), a missing, moved, repeated or foreign one (its `seq`, `prev` or
//! `chain_uid` does not follow), a torn last line, and anything that is not a record in exactly the written form.
//!
//! Not found by the chain alone: records missing at the very end, and a file rewritten as a whole by somebody who computes
//! every fingerprint anew. Against the first, compare [`Report::head`] with a head noted elsewhere ([`Verifier::expect_head`]).

use std::{
    fmt,
    fs::File,
    io::{self, BufRead, BufReader, Read as _},
    path::{Path, PathBuf},
};

use serde_json::{Map, Value};

use super::{
    canonical::{Form, push_value},
    chain::{FINGERPRINT_CHARS, fingerprint},
};

/// A line over this size is no record of ours.
pub const LINE_BYTES_MAX: usize = 1 << 20;

/// Why a line does not fit.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Reason {
    /// Not a record in exactly the form in which records are written.
    #[error("this line is not a record in the form it was written in")]
    Malformed,
    /// Over [`LINE_BYTES_MAX`].
    #[error("this line is longer than any record")]
    TooLong,
    /// The fingerprint is not that of the record's content.
    #[error("the record was edited: its fingerprint does not match its content")]
    Edited,
    /// Records before this one are missing, or stand elsewhere.
    #[error("record {expected} is missing or was moved: {found} follows")]
    Missing {
        /// The next `seq`.
        expected: u64,
        /// The one found.
        found: u64,
    },
    /// A record of earlier in the chain stands here.
    #[error("the record was repeated or moved: {expected} should follow")]
    Repeated {
        /// The next `seq`.
        expected: u64,
    },
    /// `seq` follows but `prev` does not: the record belongs after another one.
    #[error("the record does not follow the one before: its `prev` names another")]
    Unlinked,
    /// A record of another chain, without the start record that would lead over to it.
    #[error("the record belongs to another chain, {chain_uid}")]
    Foreign {
        /// The other chain.
        chain_uid: String,
    },
    /// The last line is not complete: a crash in the middle of a write, or a cut.
    #[error("the last line is torn: {bytes} bytes without a line end")]
    Torn {
        /// Its length.
        bytes: u64,
    },
    /// The files end before the head that was expected.
    #[error("the expected last record is not there: records are missing at the end")]
    HeadMissing,
}

/// The first place that does not fit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The file.
    pub file: PathBuf,
    /// Its line, from 1.
    pub line: u64,
    /// The `seq` of the record, or the one that should stand here.
    pub seq: u64,
    /// Why.
    pub reason: Reason,
}

/// The last good record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Head {
    /// Its chain.
    pub chain_uid: String,
    /// Its place.
    pub seq: u64,
    /// Its fingerprint.
    pub fingerprint: String,
}

/// What a verification found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Good records.
    pub records: u64,
    /// Runs of the process among them.
    pub chains: u64,
    /// The first record's `prev`: the files continue an earlier one that was not given.
    pub continues: Option<String>,
    /// Records that were lost while the process ran, as `lost` records tell.
    pub lost: u64,
    /// The last good record.
    pub head: Option<Head>,
    /// The first place that does not fit; `None` if everything does.
    pub finding: Option<Finding>,
}

impl Report {
    /// Whether everything fits.
    pub fn is_good(&self) -> bool {
        self.finding.is_none()
    }
}

/// For people: the finding first, or that there is none; then what the files hold.
impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.finding {
            Some(Finding { file, line, seq, reason }) => {
                writeln!(f, "{}:{line}: record {seq}: {reason}", file.display())?;
                write!(f, "{} good records before it", self.records)?;
            }
            None => write!(f, "good: {} records of {} runs", self.records, self.chains)?,
        }
        if self.lost > 0 {
            write!(f, "\n{} records could not be kept while the process ran, as `lost` records tell", self.lost)?;
        }
        if let Some(prev) = &self.continues {
            write!(f, "\nthe first record continues an earlier file, whose last fingerprint is {prev}")?;
        }
        if let Some(Head { chain_uid, seq, fingerprint }) = &self.head {
            write!(f, "\nlast good record: chain {chain_uid}, seq {seq}, fingerprint {fingerprint}")?;
        }
        Ok(())
    }
}

/// Reads files in order.
#[derive(Debug, Default)]
pub struct Verifier {
    report: Report,
    expected_head: Option<String>,
    expected_head_seen: bool,
}

/// What the chain needs of a record whose content is proven.
pub(super) struct Link {
    pub(super) chain_uid: String,
    pub(super) seq: u64,
    prev: Option<String>,
    pub(super) fingerprint: String,
    is_start: bool,
    lost: u64,
}

impl Verifier {
    /// Starts at nothing.
    pub fn new() -> Self {
        Self::default()
    }

    /// A fingerprint that must be among the records, as noted elsewhere.
    #[must_use]
    pub fn expect_head(mut self, fingerprint: &str) -> Self {
        self.expected_head = Some(fingerprint.to_owned());
        self
    }

    /// Reads one file. After the first finding nothing more is read.
    ///
    /// # Errors
    /// If the file cannot be read.
    pub fn file(&mut self, path: &Path) -> io::Result<()> {
        let mut reader = BufReader::with_capacity(1 << 16, File::open(path)?);
        self.read(path, &mut reader)
    }

    /// Reads one file's content.
    ///
    /// # Errors
    /// If reading fails.
    pub fn read(&mut self, path: &Path, reader: &mut impl BufRead) -> io::Result<()> {
        let mut line = Vec::new();
        let mut number = 0;
        while self.report.finding.is_none() {
            line.clear();
            let limit = u64::try_from(LINE_BYTES_MAX + 1).unwrap_or(u64::MAX);
            if reader.by_ref().take(limit).read_until(b'\n', &mut line)? == 0 {
                break;
            }
            number += 1;
            if let Err((seq, reason)) = self.line(&line) {
                self.report.finding = Some(Finding { file: path.to_owned(), line: number, seq, reason });
            }
        }
        Ok(())
    }

    fn next_seq(&self) -> u64 {
        self.report.head.as_ref().map_or(0, |head| head.seq + 1)
    }

    fn line(&mut self, line: &[u8]) -> Result<(), (u64, Reason)> {
        let here = self.next_seq();
        let Some(text) = line.strip_suffix(b"\n") else {
            if line.len() > LINE_BYTES_MAX {
                return Err((here, Reason::TooLong));
            }
            return Err((here, Reason::Torn { bytes: line.len() as u64 }));
        };
        // Nothing that an unproven record says of itself is believed, its `seq` included.
        let link = parse(text).map_err(|reason| (here, reason))?;
        self.follows(&link).map_err(|reason| (link.seq, reason))?;
        if self.report.records == 0 {
            self.report.continues = link.prev;
        }
        self.report.records += 1;
        self.report.chains += u64::from(link.is_start || self.report.chains == 0);
        self.report.lost += link.lost;
        self.expected_head_seen |= self.expected_head.as_ref() == Some(&link.fingerprint);
        self.report.head = Some(Head { chain_uid: link.chain_uid, seq: link.seq, fingerprint: link.fingerprint });
        Ok(())
    }

    fn follows(&self, link: &Link) -> Result<(), Reason> {
        if link.is_start != (link.seq == 0) {
            return Err(Reason::Malformed);
        }
        let Some(head) = &self.report.head else {
            return Ok(());
        };
        let linked = link.prev.as_deref() == Some(head.fingerprint.as_str());
        if link.chain_uid != head.chain_uid {
            return if link.is_start && linked {
                Ok(())
            } else {
                Err(Reason::Foreign { chain_uid: link.chain_uid.clone() })
            };
        }
        let expected = head.seq + 1;
        match link.seq.cmp(&expected) {
            std::cmp::Ordering::Less => Err(Reason::Repeated { expected }),
            std::cmp::Ordering::Greater => Err(Reason::Missing { expected, found: link.seq }),
            std::cmp::Ordering::Equal if linked => Ok(()),
            std::cmp::Ordering::Equal => Err(Reason::Unlinked),
        }
    }

    /// The report.
    pub fn finish(mut self, last_file: &Path) -> Report {
        if self.report.finding.is_none() && self.expected_head.is_some() && !self.expected_head_seen {
            let (line, seq) = (self.report.records + 1, self.next_seq());
            let file = last_file.to_owned();
            self.report.finding = Some(Finding { file, line, seq, reason: Reason::HeadMissing });
        }
        self.report
    }
}

/// Verifies files in the order of their writing.
///
/// # Errors
/// If one cannot be read.
pub fn verify_files<P: AsRef<Path>>(files: &[P]) -> io::Result<Report> {
    let mut verifier = Verifier::new();
    for file in files {
        verifier.file(file.as_ref())?;
    }
    Ok(verifier.finish(files.last().map_or(Path::new(""), AsRef::as_ref)))
}

/// Proves one line's content: that it is a record, in exactly the written form, with its own fingerprint.
pub(super) fn parse(line: &[u8]) -> Result<Link, Reason> {
    const TAIL: &str = ",\"fingerprint\":\"";
    let text = std::str::from_utf8(line).map_err(|_| Reason::Malformed)?;
    let body_bytes = text.len().checked_sub(TAIL.len() + FINGERPRINT_CHARS + 2);
    let (body, tail) = body_bytes.and_then(|at| text.split_at_checked(at)).ok_or(Reason::Malformed)?;
    let claimed = tail.strip_prefix(TAIL).and_then(|tail| tail.strip_suffix("\"}"));
    let claimed = claimed.ok_or(Reason::Malformed)?;
    let mut object = String::with_capacity(body.len() + 1);
    object.push_str(body);
    object.push('}');
    let value: Value = serde_json::from_str(&object).map_err(|_| Reason::Malformed)?;
    let mut written = String::with_capacity(object.len());
    push_value(&mut written, &value, Form::Line).ok_or(Reason::Malformed)?;
    if written != object {
        return Err(Reason::Malformed);
    }
    let mut canonical = String::with_capacity(object.len());
    push_value(&mut canonical, &value, Form::Canonical).ok_or(Reason::Malformed)?;
    if fingerprint(&canonical) != claimed {
        return Err(Reason::Edited);
    }
    let Value::Object(members) = value else {
        return Err(Reason::Malformed);
    };
    link(&members, claimed).ok_or(Reason::Malformed)
}

fn link(members: &Map<String, Value>, claimed: &str) -> Option<Link> {
    let kind = members.get("kind")?.as_str()?;
    let prev = match members.get("prev") {
        Some(prev) => Some(prev.as_str()?.to_owned()),
        None => None,
    };
    Some(Link {
        chain_uid: members.get("chain_uid")?.as_str()?.to_owned(),
        seq: members.get("seq")?.as_u64()?,
        prev,
        fingerprint: claimed.to_owned(),
        is_start: kind == "start",
        lost: match kind {
            "lost" => members.get("count")?.as_u64()?,
            _ => 0,
        },
    })
}
