//! Tools that belong together, so that whoever embeds this server chooses which it offers.

use super::{Entry, demo, documents, fetch, file_access, files, fixtures, objects, prompts, records, transfer};
use crate::icons::Sign;
use crate::state::Shared;

/// Tools that belong together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Group {
    /// `echo` and `add`.
    FirstLook,
    /// The virtual tree in memory.
    VirtualFiles,
    /// Documents and their search.
    Documents,
    /// Stored prompts.
    Prompts,
    /// Structured records and their queries.
    Records,
    /// Export and import.
    Transfer,
    /// The served directory.
    Files,
    /// Objects.
    Objects,
    /// Addresses of the outside.
    Fetch,
    /// What the conformance suite prescribes.
    Fixtures,
}

impl Group {
    /// All of them, in the order of the list.
    pub const ALL: [Self; 10] = [
        Self::FirstLook,
        Self::VirtualFiles,
        Self::Documents,
        Self::Prompts,
        Self::Records,
        Self::Transfer,
        Self::Files,
        Self::Objects,
        Self::Fetch,
        Self::Fixtures,
    ];

    /// The tools of the group that can work with this state: none where it has no such part, or no samples.
    #[must_use]
    pub fn entries(self, shared: &Shared) -> Vec<Entry> {
        let mut entries = self.plain(shared);
        for entry in &mut entries {
            entry.tool.icons = Some(self.sign().icons());
        }
        entries
    }

    fn sign(self) -> Sign {
        match self {
            Self::FirstLook => Sign::Sample,
            Self::VirtualFiles | Self::Files => Sign::File,
            Self::Documents => Sign::Document,
            Self::Prompts => Sign::Prompt,
            Self::Records => Sign::Record,
            Self::Transfer => Sign::Transfer,
            Self::Objects => Sign::Object,
            Self::Fetch => Sign::Fetch,
            Self::Fixtures => Sign::Fixture,
        }
    }

    fn plain(self, shared: &Shared) -> Vec<Entry> {
        match self {
            Self::FirstLook if shared.has_samples() => demo::entries(),
            Self::VirtualFiles if shared.has_samples() => file_access::entries(),
            Self::Documents => documents::entries(),
            Self::Prompts => prompts::entries(),
            Self::Records => records::entries(),
            Self::Transfer => transfer::entries(),
            Self::Files if shared.directory().is_some() => files::entries(),
            Self::Objects if shared.objects().is_some() => objects::entries(),
            Self::Fetch if shared.fetcher().is_some() => fetch::entries(),
            // Last, since its last one comes and goes.
            Self::Fixtures if shared.has_samples() => fixtures::entries(),
            _ => vec![],
        }
    }
}
