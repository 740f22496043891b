//! Which cache, by what the operator named.

use std::sync::Arc;

use super::redis::{RedisAccess, RedisUrlError};
use super::{Bounds, Cache, Memory, Redis, RedisSettings};
use crate::storage::location::Named;

pub use super::redis::{RedisAccess as Access, RedisUrlError as UrlError};

/// Which cache.
#[derive(Debug, Clone)]
pub enum CacheSettings {
    /// None.
    None,
    /// In this process's memory.
    Memory,
    /// In Redis, with memory before it.
    Redis(Box<RedisSettings>),
}

/// Why there is no such cache.
#[derive(Debug, thiserror::Error)]
pub enum CacheError {
    /// Not the name of one.
    #[error("--cache is memory:, none, or a URL redis:// or rediss://")]
    Name,
    /// Redis cannot be used so.
    #[error("--cache: {0}")]
    Redis(#[from] RedisUrlError),
    /// What ends with the process is nobody else's.
    #[error("--cache: Redis is for documents that others have, too: name a --database")]
    Alone,
    /// The operating system gave no random bytes.
    #[error("no random bytes: {0}")]
    Random(getrandom::Error),
}

impl CacheSettings {
    /// Reads what the operator named. `alone`: whether the documents end with the process.
    ///
    /// # Errors
    /// See [`CacheError`].
    pub fn of(named: &Named, access: &RedisAccess, alone: bool) -> Result<Self, CacheError> {
        match &*named.text() {
            "none" => Ok(Self::None),
            "memory:" => Ok(Self::Memory),
            url if url.starts_with("redis:") || url.starts_with("rediss:") => {
                if alone {
                    return Err(CacheError::Alone);
                }
                Ok(Self::Redis(Box::new(RedisSettings::parse(url, access)?)))
            }
            _ => Err(CacheError::Name),
        }
    }

    /// The cache; `None` where there is to be none.
    ///
    /// # Errors
    /// [`CacheError::Random`].
    pub fn open(self, bounds: Bounds) -> Result<Option<Arc<dyn Cache>>, CacheError> {
        Ok(match self {
            Self::None => None,
            Self::Memory => Some(Arc::new(Memory::new(bounds))),
            Self::Redis(settings) => Some(Arc::new(Redis::start(*settings, bounds).map_err(CacheError::Random)?)),
        })
    }
}
