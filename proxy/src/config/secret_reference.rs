//! Secrets by reference: configuration says where a secret lies and never holds it.

use std::{
    fmt,
    path::{Path, PathBuf},
};

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize, de};
use zeroize::Zeroizing;

/// Shortest secret that is taken; shorter ones are guessable.
pub const SECRET_BYTES_MIN: usize = 12;
/// Largest file of a secret.
const SECRET_BYTES_MAX: u64 = 64 << 10;
/// Values that stand in examples and must be replaced.
const WELL_KNOWN: [&str; 7] = ["changeme", "change-me", "password", "secret", "example", "default", "placeholder"];

/// Where a secret lies: `{ env: NAME }` or `{ file: PATH }`. The secret itself is never written into configuration.
#[derive(Clone, PartialEq, Eq, Hash, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum SecretReference {
    /// Name of an environment variable.
    Env(String),
    /// Path of a file; one newline at its end is taken off.
    File(PathBuf),
}

impl fmt::Debug for SecretReference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Env(name) => write!(f, "SecretReference(env {name})"),
            Self::File(path) => write!(f, "SecretReference(file {})", path.display()),
        }
    }
}

/// A secret in memory: wiped when dropped, never shown.
#[derive(Clone)]
pub struct Secret(Zeroizing<String>);

impl Secret {
    /// The secret, for the one place that needs it.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// Why a secret cannot be had. Never holds any of it.
#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    /// The variable is not set, or not UTF-8.
    #[error("the environment variable {0} is not set")]
    NotSet(String),
    /// The file cannot be read.
    #[error("{path} cannot be read: {source}")]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// Longer than any credential.
    #[error("{0} is over 64 KiB: not a secret")]
    TooLarge(PathBuf),
    /// Too short.
    #[error("the secret has fewer than {SECRET_BYTES_MIN} bytes")]
    TooShort,
    /// Taken from an example.
    #[error("the secret is a well-known default")]
    WellKnown,
    /// Bytes that cannot stand in a header or a variable.
    #[error("the secret holds a control character")]
    ControlCharacter,
}

impl SecretReference {
    /// Reads the secret now. Relative paths are looked up from `base`.
    ///
    /// # Errors
    /// [`SecretError`]: missing, unreadable, too short or well-known.
    pub fn resolve(&self, base: &Path) -> Result<Secret, SecretError> {
        let text = Zeroizing::new(match self {
            Self::Env(name) => std::env::var(name).map_err(|_| SecretError::NotSet(name.clone()))?,
            Self::File(path) => read(&base.join(path))?,
        });
        let value = text.strip_suffix('\n').unwrap_or(&text);
        let value = value.strip_suffix('\r').unwrap_or(value);
        let lower = Zeroizing::new(value.to_ascii_lowercase());
        if WELL_KNOWN.iter().any(|known| lower.as_str() == *known) {
            return Err(SecretError::WellKnown);
        }
        if value.len() < SECRET_BYTES_MIN {
            return Err(SecretError::TooShort);
        }
        if value.chars().any(char::is_control) {
            return Err(SecretError::ControlCharacter);
        }
        Ok(Secret(Zeroizing::new(value.to_owned())))
    }
}

fn read(path: &Path) -> Result<String, SecretError> {
    let unreadable = |source| SecretError::Unreadable { path: path.to_owned(), source };
    let size = std::fs::metadata(path).map_err(unreadable)?.len();
    if size > SECRET_BYTES_MAX {
        return Err(SecretError::TooLarge(path.to_owned()));
    }
    std::fs::read_to_string(path).map_err(unreadable)
}

impl<'de> Deserialize<'de> for SecretReference {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ReferenceVisitor)
    }
}

/// Hand-written, because a derived one would repeat an inline secret in its error.
struct ReferenceVisitor;

const INLINE: &str = "a secret is never written here: say where it lies, `{ env: NAME }` or `{ file: PATH }`";

impl<'de> de::Visitor<'de> for ReferenceVisitor {
    type Value = SecretReference;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("`{ env: NAME }` or `{ file: PATH }`")
    }

    fn visit_map<A: de::MapAccess<'de>>(self, mut map: A) -> Result<SecretReference, A::Error> {
        let mut found = None;
        while let Some(key) = map.next_key::<String>()? {
            let reference = match key.as_str() {
                "env" => SecretReference::Env(map.next_value()?),
                "file" => SecretReference::File(map.next_value()?),
                _ => return Err(de::Error::custom(INLINE)),
            };
            if found.replace(reference).is_some() {
                return Err(de::Error::custom("either `env` or `file`, not both"));
            }
        }
        found.ok_or_else(|| de::Error::custom(INLINE))
    }

    fn visit_str<E: de::Error>(self, _: &str) -> Result<SecretReference, E> {
        Err(E::custom(INLINE))
    }

    fn visit_bool<E: de::Error>(self, _: bool) -> Result<SecretReference, E> {
        Err(E::custom(INLINE))
    }

    fn visit_i64<E: de::Error>(self, _: i64) -> Result<SecretReference, E> {
        Err(E::custom(INLINE))
    }

    fn visit_u64<E: de::Error>(self, _: u64) -> Result<SecretReference, E> {
        Err(E::custom(INLINE))
    }

    fn visit_i128<E: de::Error>(self, _: i128) -> Result<SecretReference, E> {
        Err(E::custom(INLINE))
    }

    fn visit_u128<E: de::Error>(self, _: u128) -> Result<SecretReference, E> {
        Err(E::custom(INLINE))
    }

    fn visit_f64<E: de::Error>(self, _: f64) -> Result<SecretReference, E> {
        Err(E::custom(INLINE))
    }

    fn visit_unit<E: de::Error>(self) -> Result<SecretReference, E> {
        Err(E::custom(INLINE))
    }

    fn visit_seq<A: de::SeqAccess<'de>>(self, _: A) -> Result<SecretReference, A::Error> {
        Err(de::Error::custom(INLINE))
    }
}
