//! How much memory a kept value takes, near enough to bound it.

use std::io;

use serde::Serialize;

use super::Value;
use crate::storage::Document;
use crate::storage::prompt::Prompt;

/// What an entry takes beside its texts.
const OVERHEAD: u64 = 512;

pub(super) fn weight(value: &Value) -> u64 {
    OVERHEAD
        + match value {
            Value::Document(document) => of_document(document),
            Value::Prompt(prompt) => of_prompt(prompt),
            Value::Prompts(page) => page.items.iter().map(|prompt| of_prompt(prompt) + OVERHEAD).sum(),
        }
}

fn of_document(document: &Document) -> u64 {
    let body = &document.body;
    // Twice: its key has the path, too.
    let texts = [body.content.len(), body.title.len(), body.media_type.len(), 2 * document.path.as_str().len()];
    let texts: usize = texts.iter().sum();
    u64::try_from(texts).unwrap_or(u64::MAX) + 3 * json_length(&body.metadata) + 3 * json_length(&body.tags)
}

fn of_prompt(prompt: &Prompt) -> u64 {
    2 * json_length(&prompt.body)
}

fn json_length(value: &impl Serialize) -> u64 {
    let mut counted = Length(0);
    serde_json::to_writer(&mut counted, value).map_or(u64::MAX / 8, |()| counted.0)
}

struct Length(u64);

impl io::Write for Length {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0 += u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
