#![allow(clippy::unwrap_used, reason = "tests")]

use std::collections::BTreeSet;

use tokio::sync::mpsc;

use super::*;
use crate::storage::Body;
use crate::storage::record::{CollectionName, RecordName};
use crate::tools::transfer::selection::{Documents, Records};

fn document(path: &str) -> Document {
    let body = Body {
        title: "t".to_owned(),
        media_type: "text/plain".to_owned(),
        content: String::new(),
        metadata: serde_json::Map::new(),
        tags: BTreeSet::new(),
    };
    Document { path: DocumentPath::parse(path).unwrap(), version: 2, body, created_at: 0, updated_at: 0 }
}

fn record(id: &str) -> Record {
    let name = RecordName::parse(CollectionName::parse("c").unwrap(), id).unwrap();
    let body = serde_json::Map::new();
    Record::Structured(record::Record { name, version: 1, body, created_at: 0, updated_at: 0 })
}

fn packed(things_max: u64, parts: Vec<Record>) -> Result<Option<Packed>, ToolError> {
    let (send, receive) = mpsc::channel(parts.len());
    parts.into_iter().for_each(|part| send.try_send(part).unwrap());
    drop(send);
    let selection = Selection {
        documents: Documents::Of { prefix: String::new(), tags: vec![] },
        prompts: true,
        records: Records::All,
        history: true,
    };
    pack(receive, Format::Jsonl, selection, Bounds { bytes: 1 << 20, things: things_max }, Arc::default())
}

fn parts() -> Vec<Record> {
    let earlier = Record::Earlier(document("a"));
    vec![Record::Document(document("a")), earlier, record("a"), record("b"), Record::End]
}

#[test]
fn no_more_is_exported_than_an_import_takes() {
    let counted = packed(4, parts()).unwrap().unwrap().counted;
    assert_eq!(counted, Counted { documents: 1, earlier: 1, records: 2, ..Counted::default() });
    let refused = packed(3, parts()).unwrap_err();
    assert!(matches!(refused, ToolError::Transfer(TransferError::TooMany(3))), "{refused}");
}

#[test]
fn an_end_that_does_not_come_makes_no_export() {
    let mut cut = parts();
    cut.pop();
    assert!(packed(9, cut).unwrap().is_none());
}
