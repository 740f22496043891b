//! The engines that the suite runs on.

use std::ffi::OsString;

use doorward_reference_server::storage::{
    Limits,
    location::{Location, Named},
    postgres::Access,
};

use super::Store;
use crate::support::{postgres::Postgres, upstream::Server};

/// A place for documents, empty at first.
pub(crate) enum Engine {
    Sqlite(tempfile::TempDir),
    Postgres(Box<Postgres>),
}

impl Engine {
    pub(crate) fn sqlite() -> Self {
        Self::Sqlite(tempfile::tempdir().unwrap())
    }

    pub(crate) async fn postgres() -> Self {
        Self::Postgres(Box::new(Postgres::start().await))
    }

    /// What `--database` names it.
    pub(crate) fn name(&self) -> OsString {
        match self {
            Self::Sqlite(folder) => folder.path().join("documents.db").into(),
            Self::Postgres(server) => server.url().into(),
        }
    }

    /// What `--database` names another place of the same engine, empty at first.
    pub(crate) async fn another(&self, name: &str) -> OsString {
        match self {
            Self::Sqlite(folder) => folder.path().join(name).into(),
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
        Location::of(Some(&Named::from(self.name())), &Access::default()).unwrap().open(limits).await.unwrap()
    }

    /// How many inputs a property is tried with.
    pub(crate) fn cases(&self) -> u32 {
        match self {
            Self::Sqlite(_) => 2_000,
            Self::Postgres(_) => 500,
        }
    }
}
