//! What the store has under a name, and what is written there. A change is announced once it is there.

use crate::state::{Change, Shared};
use crate::storage::prompt::PromptStoreError;
use crate::storage::record::{self, RecordError};
use crate::storage::{Changes, StoreError};
use crate::tools::ToolError;
use crate::tools::transfer::item::{Complaint, Place, Thing};

/// What is there under the name of a thing, and its version.
pub(super) async fn found(shared: &Shared, thing: &Thing) -> Result<Option<(u32, Thing)>, ToolError> {
    match thing {
        Thing::Document(path, _) => match shared.documents.read(path, None).await {
            Ok(found) => Ok(Some((found.version, Thing::Document(found.path, found.body)))),
            Err(StoreError::NotFound(_)) => Ok(None),
            Err(error) => Err(error.into()),
        },
        Thing::Prompt(name, _) => match shared.prompts.prompt(name, None).await {
            Ok(found) => Ok(Some((found.version, Thing::Prompt(found.name, found.body)))),
            Err(PromptStoreError::NotFound(_)) => Ok(None),
            Err(error) => Err(error.into()),
        },
        Thing::Record(name, _) => match shared.records.record(name).await {
            Ok(found) => Ok(Some((found.version, Thing::Record(found.name, found.body)))),
            Err(RecordError::NotFound(_)) => Ok(None),
            Err(error) => Err(error.into()),
        },
    }
}

/// Creates it; returns its version.
pub(super) async fn create(shared: &Shared, thing: Thing) -> Result<u32, ToolError> {
    match thing {
        Thing::Document(path, body) => {
            let version = shared.documents.create(&path, body).await?.version;
            shared.announce(Change::Resources);
            shared.announce(Change::Resource(path.uri()));
            Ok(version)
        }
        Thing::Prompt(name, body) => {
            let version = shared.prompts.save_prompt(&name, None, body).await?.version;
            shared.announce(Change::Prompts);
            Ok(version)
        }
        Thing::Record(name, body) => {
            let version = shared.records.create_record(&name, body).await?.version;
            shared.announce(Change::Resource(name.uri()));
            Ok(version)
        }
    }
}

/// Changes it as a whole from this version; returns its new one.
pub(super) async fn change(shared: &Shared, thing: Thing, expected: u32) -> Result<u32, ToolError> {
    match thing {
        Thing::Document(path, body) => {
            let changes = Changes {
                title: Some(body.title),
                media_type: Some(body.media_type),
                content: Some(body.content),
                metadata: Some(body.metadata),
                tags: Some(body.tags),
            };
            let version = shared.documents.update(&path, expected, changes).await?.version;
            shared.announce(Change::Resources);
            shared.announce(Change::Resource(path.uri()));
            Ok(version)
        }
        Thing::Prompt(name, body) => {
            let version = shared.prompts.save_prompt(&name, Some(expected), body).await?.version;
            shared.announce(Change::Prompts);
            Ok(version)
        }
        Thing::Record(name, body) => {
            let whole = record::Change::Replace(body);
            let version = shared.records.update_record(&name, expected, whole).await?.version;
            shared.announce(Change::Resource(name.uri()));
            Ok(version)
        }
    }
}

/// The complaint that a thing is there already.
pub(super) fn in_the_way(place: Place, thing: &Thing) -> Complaint {
    let (code, message) = match thing {
        Thing::Document(path, _) => ("document_exists", StoreError::Exists(path.clone()).to_string()),
        Thing::Prompt(name, _) => ("prompt_exists", PromptStoreError::Exists(name.clone()).to_string()),
        Thing::Record(name, _) => ("record_exists", RecordError::Exists(name.clone()).to_string()),
    };
    Complaint { place, code, message }
}
