//! Lines as they are read: each held to the rules, and all of them to what the last one tells.

use std::io::{self, BufRead as _, BufReader, Read as _};

use sha2::{Digest as _, Sha256};

use super::{End, FORMAT, Line, Stored, StoredRecord, VERSION};
use crate::tools::transfer::ITEMS_MAX;
use crate::tools::transfer::item::{Complaint, Item, Key, Part, Place, Thing};
use crate::tools::transfer::pack::Counted;
use crate::tools::transfer::spool::{Spool, hexadecimal};
use crate::tools::transfer::unpack::{Rules, Take};

/// Reads lines until the end, or until `take` wants no more.
pub(in crate::tools::transfer) fn read(spool: &mut Spool, rules: &mut Rules, take: Take<'_>) -> io::Result<()> {
    let mut reader = Reader {
        file: BufReader::new(spool),
        hash: Sha256::new(),
        line: 0,
        counted: Counted::default(),
        open: None,
        wrong: false,
    };
    loop {
        let part = match reader.next(rules)? {
            Next::Part(part) => part,
            Next::Nothing => continue,
            Next::End => return Ok(()),
            Next::Hopeless(complaint) => {
                let _more = take(Err(complaint));
                return Ok(());
            }
        };
        reader.wrong |= part.is_err();
        if take(part).is_break() {
            return Ok(());
        }
    }
}

enum Next {
    Part(Part),
    Nothing,
    End,
    /// Nothing behind it can be trusted.
    Hopeless(Complaint),
}

struct Reader<'a> {
    file: BufReader<&'a mut Spool>,
    hash: Sha256,
    line: usize,
    counted: Counted,
    /// What the last line was an earlier version of.
    open: Option<Key>,
    /// Whether a line was wrong, so that the counts do not have to be right.
    wrong: bool,
}

impl Reader<'_> {
    fn complaint(&self, code: &'static str, message: impl Into<String>) -> Complaint {
        Complaint { place: Place::Line(self.line), code, message: message.into() }
    }

    fn hopeless(&self, message: &str) -> Next {
        Next::Hopeless(self.complaint("invalid_line", message))
    }

    fn next(&mut self, rules: &mut Rules) -> io::Result<Next> {
        let before = self.hash.clone();
        self.line += 1;
        let mut bytes = vec![];
        (&mut self.file).take(rules.line_bytes_max()).read_until(b'\n', &mut bytes)?;
        if bytes.pop() != Some(b'\n') {
            let long = u64::try_from(bytes.len()).unwrap_or(u64::MAX).saturating_add(1) >= rules.line_bytes_max();
            return Ok(self.hopeless(if long { "the line is too long" } else { "the file ends before its last line" }));
        }
        self.hash.update(&bytes);
        self.hash.update(b"\n");
        if self.line > ITEMS_MAX {
            return Ok(self.hopeless("a file has at most 1000000 lines"));
        }
        let parsed = serde_json::from_slice(&bytes);
        match parsed {
            Ok(Line::Format { name, version: 1..=VERSION }) if self.line == 1 && name == FORMAT => Ok(Next::Nothing),
            _ if self.line == 1 => {
                Ok(self.hopeless("the first line does not say that this is an export that this server knows"))
            }
            Ok(Line::End(end)) => self.end(&end, before),
            Ok(Line::Format { .. }) => {
                Ok(Next::Part(Err(self.complaint("invalid_line", "this is the first line only"))))
            }
            Ok(line) => Ok(Next::Part(self.part(line, rules))),
            Err(error) => {
                let told = error.to_string();
                let told = told.split(" at line ").next().unwrap_or_default();
                let message = format!("not a line of an export: {told}, column {}", error.column());
                Ok(Next::Part(Err(self.complaint("invalid_line", message))))
            }
        }
    }

    fn end(&mut self, end: &End, before: Sha256) -> io::Result<Next> {
        if !self.file.fill_buf()?.is_empty() {
            return Ok(self.hopeless("there is something behind the last line"));
        }
        if self.wrong {
            return Ok(Next::End);
        }
        if let Some(key) = &self.open {
            return Ok(self.hopeless(&format!("the {key} has earlier versions and is not there itself")));
        }
        if end.counted() != self.counted {
            return Ok(self.hopeless("the file does not hold what its last line counts"));
        }
        if end.sha256.as_ref().is_some_and(|told| *told != hexadecimal(&before.finalize())) {
            let message =
                "the file is not the one that its last line tells the SHA-256 of; who has edited it leaves sha256 away";
            return Ok(self.hopeless(message));
        }
        Ok(Next::End)
    }

    fn part(&mut self, line: Line, rules: &mut Rules) -> Part {
        let place = Place::Line(self.line);
        let (thing, earlier, count) = match line {
            Line::Earlier(stored) => (document(&place, stored, rules)?, true, &mut self.counted.earlier),
            Line::Document(stored) => (document(&place, stored, rules)?, false, &mut self.counted.documents),
            Line::EarlierPrompt(stored) => {
                (rules.prompt(&place, &stored.name, stored.body)?, true, &mut self.counted.earlier_prompts)
            }
            Line::Prompt(stored) => {
                (rules.prompt(&place, &stored.name, stored.body)?, false, &mut self.counted.prompts)
            }
            Line::Record(StoredRecord { collection, id, body, .. }) => {
                (rules.record(&place, &collection, &id, body)?, false, &mut self.counted.records)
            }
            Line::Format { .. } | Line::End(_) => {
                return Err(self.complaint("invalid_line", "this line is in a wrong place"));
            }
        };
        *count += 1;
        let key = thing.key();
        if let Some(open) = self.open.take().filter(|open| *open != key) {
            let message = format!("earlier versions of the {open} come right before it, and this is the {key}");
            return Err(self.complaint("invalid_line", message));
        }
        if earlier {
            self.open = Some(key);
        } else {
            rules.once(&place, &key)?;
        }
        Ok(Item { place, thing, earlier })
    }
}

fn document(place: &Place, stored: Stored, rules: &Rules) -> Result<Thing, Complaint> {
    let Stored { path, title, media_type, content, metadata, tags, .. } = stored;
    rules.document(place, &path, title, media_type.unwrap_or_else(|| "text/plain".to_owned()), content, metadata, tags)
}
