//! What an export takes out of the store.

use std::collections::BTreeSet;

use super::TransferError;
use crate::storage::Document;
use crate::storage::record::{CollectionName, RecordName};

/// Most tags, and most collections, of a selection.
const NAMED_MAX: usize = 32;

/// What is asked for.
#[derive(Debug, Clone)]
pub(super) struct Selection {
    pub(super) documents: Documents,
    pub(super) prompts: bool,
    pub(super) records: Records,
    /// Earlier versions of what is chosen; records have none.
    pub(super) history: bool,
}

/// Which documents.
#[derive(Debug, Clone)]
pub(super) enum Documents {
    None,
    /// Those whose paths begin with the prefix, and that have every one of the tags.
    Of {
        prefix: String,
        tags: Vec<String>,
    },
}

/// Which records.
#[derive(Debug, Clone)]
pub(super) enum Records {
    None,
    All,
    /// Those of these collections.
    Of(BTreeSet<CollectionName>),
}

impl Selection {
    /// That it can choose anything, and names no more than may be.
    ///
    /// # Errors
    /// [`TransferError::Arguments`].
    pub(super) fn check(&self) -> Result<(), TransferError> {
        let tags = if let Documents::Of { tags, .. } = &self.documents { tags.len() } else { 0 };
        let collections = if let Records::Of(collections) = &self.records { collections.len() } else { 0 };
        if tags > NAMED_MAX || collections > NAMED_MAX {
            return Err(TransferError::Arguments("a selection has at most 32 tags and 32 collections"));
        }
        if matches!((&self.documents, self.prompts, &self.records), (Documents::None, false, Records::None)) {
            return Err(TransferError::Arguments("without documents, prompts and records there is nothing to export"));
        }
        Ok(())
    }

    /// Whether it is of documents as they are, and of nothing else.
    pub(super) fn is_plain(&self) -> bool {
        !self.prompts && !self.history && !self.has_records()
    }

    pub(super) fn has_records(&self) -> bool {
        !matches!(self.records, Records::None)
    }

    pub(super) fn takes(&self, document: &Document) -> bool {
        match &self.documents {
            Documents::None => false,
            Documents::Of { prefix, tags } => {
                document.path.as_str().starts_with(prefix) && tags.iter().all(|tag| document.body.tags.contains(tag))
            }
        }
    }

    pub(super) fn takes_record(&self, name: &RecordName) -> bool {
        match &self.records {
            Records::None => false,
            Records::All => true,
            Records::Of(collections) => collections.contains(name.collection()),
        }
    }
}
