//! The engines that the suite runs on.

use std::ffi::OsString;

use doorward_reference_server::storage::{
    Limits,
    location::{Location, Named},
    postgres::Access,
};

use super::Store;
use crate::{
    cache,
    support::{postgres::Postgres, redis::Redis, upstream::Server},
};

/// A place for documents, empty at first.
pub(crate) enum Engine {
    Sqlite(tempfile::TempDir),
    Postgres(Box<Postgres>),
    /// SQLite behind a cache, in memory or in this Redis.
    Cached(tempfile::TempDir, Option<Box<Redis>>),
}

impl Engine {
    pub(crate) fn sqlite() -> Self {
        Self::Sqlite(tempfile::tempdir().unwrap())
    }

    pub(crate) async fn postgres() -> Self {
        Self::Postgres(Box::new(Postgres::start().await))
    }

    pub(crate) fn cached(redis: Option<Redis>) -> Self {
        Self::Cached(tempfile::tempdir().unwrap(), redis.map(Box::new))
    }

    /// What `--database` names it.
    pub(crate) fn name(&self) -> OsString {
        match self {
            Self::Sqlite(folder) | Self::Cached(folder, _) => folder.path().join("documents.db").into(),
            Self::Postgres(server) => server.url().into(),
        }
    }

    /// What `--database` names another place of the same engine, empty at first.
    pub(crate) async fn another(&self, name: &str) -> OsString {
        match self {
            Self::Sqlite(folder) | Self::Cached(folder, _) => folder.path().join(name).into(),
            Self::Postgres(server) => {
                server.sql(&format!("CREATE DATABASE {name}")).await;
                server.url_of(name).into()
            }
        }
    }

    /// A server process with these documents.
    pub(crate) async fn server(&self) -> Server {
        Server::reference_on(&self.name()).await
    }

    /// One more store of the same documents, as another server process would have.
    pub(crate) async fn open(&self, limits: Limits) -> Store {
        let location = Location::of(Some(&Named::from(self.name())), &Access::default()).unwrap();
        let store = location.open(limits).await.unwrap();
        match self {
            Self::Cached(_, redis) => cache::cached(store, &cache::cache(redis.as_deref()).await).await,
            _ => store,
        }
    }

    /// How many inputs a property is tried with.
    pub(crate) fn cases(&self) -> u32 {
        match self {
            Self::Sqlite(_) | Self::Cached(..) => 2_000,
            Self::Postgres(_) => 500,
        }
    }
}
