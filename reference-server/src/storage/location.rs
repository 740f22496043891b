//! Which engine, by what the operator named: a URL of PostgreSQL, any other text as the path of a SQLite file, or nothing.

use std::borrow::Cow;
use std::ffi::{OsStr, OsString};
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use super::postgres::{self, Access, PostgresSettings, PostgresStore, UrlError};
use super::sqlite::{self, SqliteStore};
use super::{Limits, Store};

/// What the URLs of PostgreSQL start with.
const SCHEMES: [&str; 2] = ["postgres:", "postgresql:"];

/// Where an operator wants documents to be, as named. It may be a URL with a password, so `Debug` shows nothing of it.
#[derive(Clone, PartialEq, Eq)]
pub struct Named(OsString);

impl fmt::Debug for Named {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Named(…)")
    }
}

impl From<&OsStr> for Named {
    fn from(named: &OsStr) -> Self {
        Self(named.to_owned())
    }
}

impl From<OsString> for Named {
    fn from(named: OsString) -> Self {
        Self(named)
    }
}

impl Named {
    /// The URL of PostgreSQL that this is; everything else is a path, which `./` in front of it makes of any name.
    pub(super) fn postgres_url(&self) -> Option<Cow<'_, str>> {
        // Also a URL that is no text is none of a path: it would name a file after a password.
        Some(self.0.to_string_lossy()).filter(|named| SCHEMES.iter().any(|scheme| named.starts_with(scheme)))
    }

    /// The text, for whoever reads another kind of URL. It is not to be shown.
    pub(crate) fn text(&self) -> Cow<'_, str> {
        self.0.to_string_lossy()
    }

    pub(super) fn is(&self, name: &str) -> bool {
        self.0 == name
    }
}

/// Where documents are kept.
#[derive(Debug, Clone)]
pub enum Location {
    /// In memory, until the server stops.
    Memory,
    /// In a SQLite file.
    File(PathBuf),
    /// In PostgreSQL.
    Postgres(Box<PostgresSettings>),
}

/// Why no store could be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// SQLite's reasons.
    #[error(transparent)]
    Sqlite(#[from] sqlite::OpenError),
    /// PostgreSQL's reasons.
    #[error(transparent)]
    Postgres(#[from] postgres::OpenError),
}

impl Location {
    /// Reads what the operator named; `access` is for URLs.
    ///
    /// # Errors
    /// See [`UrlError`].
    pub fn of(named: Option<&Named>, access: &Access<'_>) -> Result<Self, UrlError> {
        let Some(named) = named else { return Ok(Self::Memory) };
        match named.postgres_url() {
            Some(url) => Ok(Self::Postgres(Box::new(PostgresSettings::parse(&url, access)?))),
            None => Ok(Self::File(PathBuf::from(&named.0))),
        }
    }

    /// Opens the store.
    ///
    /// # Errors
    /// See [`OpenError`].
    pub async fn open(&self, limits: Limits) -> Result<Arc<dyn Store>, OpenError> {
        Ok(match self {
            Self::Memory => Arc::new(SqliteStore::in_memory(limits).await?),
            Self::File(path) => Arc::new(SqliteStore::open(path, limits).await?),
            Self::Postgres(settings) => Arc::new(PostgresStore::open(settings, limits).await?),
        })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use std::path::Path;

    use super::*;

    fn of(named: &str) -> Result<Location, UrlError> {
        Location::of(Some(&Named::from(OsStr::new(named))), &Access::default())
    }

    #[test]
    fn urls_of_postgresql_are_told_from_paths() {
        for url in ["postgres://localhost/x", "postgresql://localhost/x"] {
            assert!(matches!(of(url), Ok(Location::Postgres(_))), "{url}");
        }
        for path in ["documents.db", "postgres", "./postgres://x", "sqlite:x", ":memory:", "Postgres://x"] {
            assert!(matches!(of(path), Ok(Location::File(file)) if file == Path::new(path)), "{path}");
        }
        assert!(matches!(of("postgres:x"), Err(UrlError::Url)));
        assert!(matches!(Location::of(None, &Access::default()), Ok(Location::Memory)));
    }

    #[test]
    fn nothing_named_is_shown() {
        let named = Named::from(OsStr::new("postgres://ann:hunter2@localhost/x"));
        assert!(!format!("{named:?} {:?}", Location::of(Some(&named), &Access::default())).contains("hunter2"));
    }
}
