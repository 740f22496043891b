//! AWS access key ids: `AKIA` or `ASIA` and 16 capitals or digits, standing alone.

use std::ops::Range;

use super::{Detector, MaskingError};

const KEY_BYTES: usize = 20;

/// See the module.
#[derive(Default)]
pub struct AwsAccessKey(());

impl AwsAccessKey {
    /// The detector.
    pub fn new() -> Self {
        Self(())
    }
}

#[async_trait::async_trait]
impl Detector for AwsAccessKey {
    fn name(&self) -> &'static str {
        "aws_access_key"
    }

    fn description(&self) -> &'static str {
        "AWS access key ids (AKIA… and ASIA…)"
    }

    fn may_match(&self, raw: &[u8]) -> bool {
        ["AKIA", "ASIA"].iter().any(|prefix| memchr::memmem::find(raw, prefix.as_bytes()).is_some())
    }

    async fn find(&self, text: &str) -> Result<Vec<Range<usize>>, MaskingError> {
        let bytes = text.as_bytes();
        let is_key_byte = |byte: &u8| byte.is_ascii_uppercase() || byte.is_ascii_digit();
        let mut found = Vec::new();
        let mut at = 0;
        while let Some(start) = bytes.get(at..).and_then(|rest| memchr::memmem::find(rest, b"IA")).map(|i| i + at) {
            at = start + 2;
            let begin = start.saturating_sub(2);
            let Some(candidate) = bytes.get(begin..begin + KEY_BYTES) else {
                continue;
            };
            let prefixed = candidate.starts_with(b"AKIA") || candidate.starts_with(b"ASIA");
            let alone = !bytes.get(begin + KEY_BYTES).is_some_and(u8::is_ascii_alphanumeric)
                && !begin.checked_sub(1).and_then(|i| bytes.get(i)).is_some_and(u8::is_ascii_alphanumeric);
            if prefixed && alone && candidate.iter().all(is_key_byte) {
                found.push(begin..begin + KEY_BYTES);
                at = begin + KEY_BYTES;
            }
        }
        Ok(found)
    }
}
