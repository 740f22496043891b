//! `file_hash`.

use std::fmt::Write as _;
use std::fs::File;
use std::io::{self, Read as _};

use aws_lc_rs::digest;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::view::About;
use crate::directory::{FileError, FilePath};
use crate::tools::typed::{TypedError, reads, structured, typed_tool};
use crate::tools::{Call, Entry, Outcome};

/// Bytes that are read at once.
const CHUNK_BYTES: usize = 64 << 10;

pub(super) fn entry() -> Entry {
    let description = "Computes a digest of a file of the served directory, however large it is.";
    Entry::new(typed_tool::<Hash, Hashed>("file_hash", "Hash a file", description, reads()), hash)
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Hash {
    /// Path from the served directory on
    path: String,
    /// Algorithm; sha256 if not given
    #[serde(default)]
    algorithm: Algorithm,
}

#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum Algorithm {
    #[default]
    Sha256,
    Sha384,
    Sha512,
}

/// A digest.
#[derive(Serialize, JsonSchema)]
struct Hashed {
    #[serde(flatten)]
    about: About,
    /// The algorithm
    algorithm: Algorithm,
    /// The digest, hexadecimal
    digest: String,
}

async fn hash(call: Call) -> Outcome {
    let wanted: Hash = call.typed_arguments()?;
    let path = FilePath::parse(&wanted.path)?;
    let (file, stat) = call.directory()?.file(&path).await?;
    let algorithm = match wanted.algorithm {
        Algorithm::Sha256 => &digest::SHA256,
        Algorithm::Sha384 => &digest::SHA384,
        Algorithm::Sha512 => &digest::SHA512,
    };
    let hashing = tokio::task::spawn_blocking(move || digest_of(file, algorithm));
    let digest = hashing.await.map_err(|_| TypedError::Internal)?.map_err(FileError::Io)?;
    let mut hexadecimal = String::new();
    for byte in digest.as_ref() {
        // Writing to a string cannot fail.
        let _ = write!(hexadecimal, "{byte:02x}");
    }
    structured(&Hashed { about: About::from(&stat), algorithm: wanted.algorithm, digest: hexadecimal })
}

fn digest_of(mut file: File, algorithm: &'static digest::Algorithm) -> io::Result<digest::Digest> {
    let mut context = digest::Context::new(algorithm);
    let mut chunk = vec![0; CHUNK_BYTES];
    loop {
        match file.read(&mut chunk) {
            Ok(0) => return Ok(context.finish()),
            Ok(count) => context.update(chunk.get(..count).unwrap_or_default()),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}
