//! Content on its way in: counted while it comes, held as far as one request may hold, streamed beyond.

use bytes::{Bytes, BytesMut};
use futures_util::stream::BoxStream;
use futures_util::{StreamExt as _, TryStreamExt as _};

use super::{ObjectError, SINGLE_BYTES_MAX};

/// Content that comes in pieces, none larger than what one request may hold.
pub struct Content {
    pieces: BoxStream<'static, Result<Bytes, ObjectError>>,
    allowed: u64,
    left: u64,
}

/// The beginning of content.
pub(super) enum Beginning {
    /// All of it.
    Whole(Bytes),
    /// As much as one request may hold; there is more.
    Part(Bytes),
}

impl std::fmt::Debug for Content {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Content").field("allowed", &self.allowed).field("left", &self.left).finish()
    }
}

impl Content {
    /// What is there already.
    #[must_use]
    pub fn of(bytes: Vec<u8>, bytes_max: u64) -> Self {
        Self::stream(futures_util::stream::iter([Ok(Bytes::from(bytes))]), bytes_max)
    }

    /// What comes in pieces; an error means that the end never comes.
    #[must_use]
    pub fn stream(
        pieces: impl futures_util::Stream<Item = Result<Bytes, ObjectError>> + Send + 'static,
        bytes_max: u64,
    ) -> Self {
        Self { pieces: pieces.boxed(), allowed: bytes_max, left: bytes_max }
    }

    /// The next piece.
    ///
    /// # Errors
    /// [`ObjectError::TooLarge`] as soon as there is one byte too much; [`ObjectError::Cut`].
    pub(super) async fn next(&mut self) -> Result<Option<Bytes>, ObjectError> {
        let Some(piece) = self.pieces.try_next().await? else {
            return Ok(None);
        };
        let length = u64::try_from(piece.len()).unwrap_or(u64::MAX);
        self.left = self.left.checked_sub(length).ok_or(ObjectError::TooLarge(self.allowed))?;
        Ok(Some(piece))
    }

    /// Up to `bytes` or a piece more; `true` with it where that is the end.
    ///
    /// # Errors
    /// See [`Content::next`].
    pub(super) async fn next_part(&mut self, bytes: usize) -> Result<(Bytes, bool), ObjectError> {
        let mut part = BytesMut::new();
        while part.len() < bytes {
            match self.next().await? {
                Some(piece) => part.extend_from_slice(&piece),
                None => return Ok((part.freeze(), true)),
            }
        }
        Ok((part.freeze(), false))
    }

    /// What comes first.
    ///
    /// # Errors
    /// See [`Content::next`].
    pub(super) async fn beginning(&mut self) -> Result<Beginning, ObjectError> {
        let (bytes, end) = self.next_part(SINGLE_BYTES_MAX + 1).await?;
        let whole = end && bytes.len() <= SINGLE_BYTES_MAX;
        Ok(if whole { Beginning::Whole(bytes) } else { Beginning::Part(bytes) })
    }
}

/// All bytes of a stream, whose length the caller bounded.
pub(super) async fn whole(mut stream: super::Stream) -> Result<Vec<u8>, ObjectError> {
    let mut bytes = Vec::new();
    while let Some(piece) = stream.try_next().await? {
        bytes.extend_from_slice(&piece);
    }
    Ok(bytes)
}
