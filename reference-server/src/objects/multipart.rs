//! Large content in parts. Either all of it becomes the object, or nothing does.

use std::time::Duration;

use bytes::Bytes;
use object_store::{MultipartUpload, PutPayload};

use super::ObjectError;
use super::content::Content;
use super::logged::{meaning, printable};

/// Bytes of a part, in memory until the store has it. Every store takes at least 10,000 parts: 80 GiB.
const PART_BYTES: usize = 8 << 20;

/// An upload that is given up unless it comes to its end, also when nobody waits for it any more.
pub(super) struct Upload {
    upload: Option<Box<dyn MultipartUpload>>,
    timeout: Duration,
}

impl Upload {
    pub(super) fn new(upload: Box<dyn MultipartUpload>, timeout: Duration) -> Self {
        Self { upload: Some(upload), timeout }
    }

    /// Sends `first` and the rest, and makes it the object; returns the number of bytes.
    ///
    /// # Errors
    /// See [`ObjectError`].
    pub(super) async fn run(mut self, first: Bytes, mut content: Content) -> Result<u64, ObjectError> {
        let mut sent = self.part(first).await?;
        loop {
            let (part, end) = content.next_part(PART_BYTES).await?;
            if !part.is_empty() {
                sent = sent.saturating_add(self.part(part).await?);
            }
            if end {
                break;
            }
        }
        let upload = self.upload.as_mut().ok_or(ObjectError::Unavailable)?;
        let completed = tokio::time::timeout(self.timeout, upload.complete()).await;
        completed.map_err(|_| ObjectError::Timeout)?.map_err(|error| meaning(error, None))?;
        self.upload = None;
        Ok(sent)
    }

    async fn part(&mut self, part: Bytes) -> Result<u64, ObjectError> {
        let length = u64::try_from(part.len()).unwrap_or(u64::MAX);
        let upload = self.upload.as_mut().ok_or(ObjectError::Unavailable)?;
        let sent = tokio::time::timeout(self.timeout, upload.put_part(PutPayload::from_bytes(part))).await;
        sent.map_err(|_| ObjectError::Timeout)?.map_err(|error| meaning(error, None))?;
        Ok(length)
    }
}

impl Drop for Upload {
    fn drop(&mut self) {
        let Some(mut upload) = self.upload.take() else {
            return;
        };
        let Ok(runtime) = tokio::runtime::Handle::try_current() else {
            return;
        };
        let timeout = self.timeout;
        runtime.spawn(async move {
            // What cannot be given up now is no object either; stores drop it by a rule for unfinished uploads.
            match tokio::time::timeout(timeout, upload.abort()).await {
                Ok(Ok(())) => tracing::info!("an upload was given up"),
                Ok(Err(error)) => {
                    tracing::warn!(error = %printable(&error), "an upload's parts were left in the store")
                }
                Err(_) => tracing::warn!("an upload's parts were left in the store: it did not answer in time"),
            }
        });
    }
}
