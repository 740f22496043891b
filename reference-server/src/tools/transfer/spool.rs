//! A file on its way: in memory while it is small, else in the folder for temporary files, where no name leads to it.

use std::io::{self, Read, Seek, SeekFrom, Write};

use bytes::Bytes;
use sha2::{Digest as _, Sha256};
use tempfile::SpooledTempFile;

use crate::resources::files::INLINE_BYTES_MAX;

/// Bytes that are moved at once.
const CHUNK_BYTES: usize = 64 << 10;

/// A file on its way, of at most so many bytes.
#[derive(Debug)]
pub(super) struct Spool {
    file: SpooledTempFile,
    place: u64,
    bytes_max: u64,
}

impl Spool {
    /// An empty one. A write beyond `bytes_max` fails with [`io::ErrorKind::FileTooLarge`].
    pub(super) fn new(bytes_max: u64) -> Self {
        Self { file: SpooledTempFile::new(INLINE_BYTES_MAX), place: 0, bytes_max }
    }

    /// Its bytes, and their SHA-256 in hexadecimal digits. Leaves it at its beginning.
    pub(super) fn digest(&mut self) -> io::Result<(u64, String)> {
        let size = self.seek(SeekFrom::End(0))?;
        self.rewind()?;
        let mut hash = Sha256::new();
        io::copy(&mut *self, &mut HashWriter(&mut hash))?;
        self.rewind()?;
        Ok((size, hexadecimal(&hash.finalize())))
    }

    /// Its next bytes; none at its end.
    pub(super) async fn chunk(mut self) -> io::Result<(Self, Bytes)> {
        let reading = tokio::task::spawn_blocking(move || {
            let mut chunk = Vec::new();
            (&mut self).take(u64::try_from(CHUNK_BYTES).unwrap_or(u64::MAX)).read_to_end(&mut chunk)?;
            Ok((self, Bytes::from(chunk)))
        });
        reading.await.unwrap_or_else(|error| Err(io::Error::other(error)))
    }

    /// Takes bytes.
    pub(super) async fn with(mut self, bytes: Bytes) -> io::Result<Self> {
        let writing = tokio::task::spawn_blocking(move || self.write_all(&bytes).map(|()| self));
        writing.await.unwrap_or_else(|error| Err(io::Error::other(error)))
    }
}

struct HashWriter<'a>(&'a mut Sha256);

impl Write for HashWriter<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

pub(super) fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

impl Write for Spool {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let after = self.place.saturating_add(u64::try_from(bytes.len()).unwrap_or(u64::MAX));
        if after > self.bytes_max {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        let written = self.file.write(bytes)?;
        self.place = self.place.saturating_add(u64::try_from(written).unwrap_or(u64::MAX));
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

impl Read for Spool {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        let read = self.file.read(bytes)?;
        self.place = self.place.saturating_add(u64::try_from(read).unwrap_or(u64::MAX));
        Ok(read)
    }
}

impl Seek for Spool {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.place = self.file.seek(to)?;
        Ok(self.place)
    }
}
