//! What becomes of each part of an import: created, changed, left, or refused. The same steps are taken twice, first
//! without writing.
//!
//! Earlier versions come before what they became. A new document gets them one after the other. One that is there, and is
//! what the file tells at the version that it has, goes on from there: so an import that was interrupted is completed.

mod store;

use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::item::{Complaint, Item, Key, Thing};
use crate::state::Shared;
use crate::tools::ToolError;

/// What happens to what is there already.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum OnConflict {
    /// Nothing is imported
    #[default]
    Fail,
    /// It stays as it is
    Skip,
    /// It gets a new version, unless it is the same
    Update,
}

/// What became of things of one kind.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub(super) struct Counts {
    /// New ones
    pub(super) created: u64,
    /// Those that got a new version
    pub(super) updated: u64,
    /// Those that are the same already
    pub(super) unchanged: u64,
    /// Those that were there and stayed
    pub(super) skipped: u64,
    /// Earlier versions that were written
    pub(super) earlier: u64,
}

/// What was imported.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Imported {
    /// Whether nothing was written, and this is what would be
    pub(super) dry_run: bool,
    /// Documents
    pub(super) documents: Counts,
    /// Prompts
    pub(super) prompts: Counts,
    /// Records
    pub(super) records: Counts,
}

/// Where the things of one name are.
enum Mode {
    /// It is not there.
    New,
    /// It is at this version, and what comes is the next.
    Following(u32),
    /// It is at this version and holds this; what the file tells of it earlier is passed over.
    Seeking(u32, Thing),
    /// It stays.
    Left,
}

struct Group {
    key: Key,
    mode: Mode,
    /// How many things of this name came, this one included.
    number: u32,
    /// Whether it was not there at first.
    is_new: bool,
}

/// Takes part after part.
pub(super) struct Apply {
    shared: Arc<Shared>,
    on_conflict: OnConflict,
    writes: bool,
    group: Option<Group>,
    imported: Imported,
}

impl Apply {
    pub(super) fn new(shared: &Arc<Shared>, on_conflict: OnConflict, writes: bool) -> Self {
        Self { shared: Arc::clone(shared), on_conflict, writes, group: None, imported: Imported::default() }
    }

    /// What was done so far.
    pub(super) fn imported(&self) -> Imported {
        self.imported
    }

    /// Does, or only decides, what is to be done with a part.
    ///
    /// # Errors
    /// Those of the store. A complaint where something is in the way.
    pub(super) async fn step(&mut self, item: Item) -> Result<Option<Complaint>, ToolError> {
        let key = item.thing.key();
        let mut group = match self.group.take().filter(|group| group.key == key) {
            Some(group) => group,
            None => {
                let mode = self.found(&item.thing).await?;
                if let (Mode::Seeking(..), OnConflict::Fail) = (&mode, self.on_conflict) {
                    let mode = Mode::Left;
                    self.group = item.earlier.then_some(Group { key, mode, number: 0, is_new: false });
                    return Ok(Some(store::in_the_way(item.place, &item.thing)));
                }
                let is_new = matches!(mode, Mode::New);
                Group { key, mode, number: 0, is_new }
            }
        };
        group.number = group.number.saturating_add(1);
        group.mode = self.next(group.mode, group.number, group.is_new, &item).await?;
        // Behind what something is, another thing begins.
        self.group = item.earlier.then_some(group);
        Ok(None)
    }

    async fn next(&mut self, mode: Mode, number: u32, is_new: bool, item: &Item) -> Result<Mode, ToolError> {
        let thing = &item.thing;
        match mode {
            Mode::Left => {
                if !item.earlier && self.on_conflict == OnConflict::Skip {
                    self.counts(thing).skipped += 1;
                }
                Ok(Mode::Left)
            }
            Mode::New => {
                let version = self.create(thing).await?;
                self.count(thing, item.earlier, true);
                Ok(Mode::Following(version))
            }
            Mode::Following(version) => {
                let version = self.change(thing, version).await?;
                self.count(thing, item.earlier, is_new);
                Ok(Mode::Following(version))
            }
            Mode::Seeking(version, there) if item.earlier => {
                let is_it = version == number && there == *thing;
                Ok(if is_it { Mode::Following(version) } else { Mode::Seeking(version, there) })
            }
            Mode::Seeking(_, there) if there == *thing => {
                self.counts(thing).unchanged += 1;
                Ok(Mode::Left)
            }
            Mode::Seeking(version, _) => {
                let version = self.change(thing, version).await?;
                self.count(thing, false, false);
                Ok(Mode::Following(version))
            }
        }
    }

    fn counts(&mut self, thing: &Thing) -> &mut Counts {
        match thing {
            Thing::Document(..) => &mut self.imported.documents,
            Thing::Prompt(..) => &mut self.imported.prompts,
            Thing::Record(..) => &mut self.imported.records,
        }
    }

    fn count(&mut self, thing: &Thing, earlier: bool, is_new: bool) {
        let counts = self.counts(thing);
        match (earlier, is_new) {
            (true, _) => counts.earlier += 1,
            (false, true) => counts.created += 1,
            (false, false) => counts.updated += 1,
        }
    }

    /// How things of this name begin.
    async fn found(&self, thing: &Thing) -> Result<Mode, ToolError> {
        Ok(match store::found(&self.shared, thing).await? {
            None => Mode::New,
            Some(_) if self.on_conflict == OnConflict::Skip => Mode::Left,
            Some((version, there)) => Mode::Seeking(version, there),
        })
    }

    /// Creates it; returns its version.
    async fn create(&self, thing: &Thing) -> Result<u32, ToolError> {
        if self.writes { store::create(&self.shared, thing.clone()).await } else { Ok(1) }
    }

    /// Changes it as a whole from this version; returns its new one.
    async fn change(&self, thing: &Thing, expected: u32) -> Result<u32, ToolError> {
        if self.writes {
            store::change(&self.shared, thing.clone(), expected).await
        } else {
            Ok(expected.saturating_add(1))
        }
    }
}
