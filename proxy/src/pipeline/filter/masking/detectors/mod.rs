//! The registry of masking detectors.

pub mod aws_access_key;

use std::{ops::Range, sync::Arc};

use super::MaskingError;

/// Recognises one kind of sensitive text.
#[async_trait::async_trait]
pub trait Detector: Send + Sync {
    /// Stable name, as in configuration and in the replacement.
    fn name(&self) -> &'static str;

    /// One line of documentation.
    fn description(&self) -> &'static str;

    /// Whether raw JSON without `\u` escapes can hold a match; may say yes wrongly, never no wrongly.
    fn may_match(&self, raw: &[u8]) -> bool;

    /// Byte ranges of the matches in decoded text, in linear time.
    ///
    /// # Errors
    /// [`MaskingError`] withholds the message.
    async fn find(&self, text: &str) -> Result<Vec<Range<usize>>, MaskingError>;
}

/// Every detector, in alphabetical order.
pub fn all() -> Vec<Arc<dyn Detector>> {
    vec![Arc::new(aws_access_key::AwsAccessKey::new())]
}

/// The detector with this name.
pub fn by_name(name: &str) -> Option<Arc<dyn Detector>> {
    all().into_iter().find(|detector| detector.name() == name)
}
