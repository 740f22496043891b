//! What a server is called and which tools it has: everything, or what whoever embeds it chooses.

use rmcp::model::Implementation;

use crate::icons::Sign;
use crate::state::Shared;
use crate::tools::{self, Entry};

const INSTRUCTIONS: &str = "A store of documents, and a reference server for trying out and testing MCP clients and \
    proxies. Documents are stored, searched and read by the document_ tools and as doc:// resources; an update names the \
    version that it was made from. Where the operator serves a directory, the file_ tools and file:/// resources read and \
    write in it. The prompt_ tools keep the prompts that prompts/list offers beside the built-in ones. The record_ tools keep JSON objects in \
    collections and find them by what they hold; record_query explains its filters. Where it gives a store of objects, \
    the object_ tools and object:// resources keep large content in it. The files of read_file are built in and live in memory only.";

/// A server's name, instructions and tools.
#[derive(Debug)]
pub struct Offer {
    pub(super) name: Implementation,
    pub(super) instructions: Option<String>,
    pub(super) tools: Vec<Entry>,
}

impl Offer {
    /// Everything that this crate has and that works with the state.
    #[must_use]
    pub fn everything(shared: &Shared) -> Self {
        let name = Implementation::new(env!("CARGO_PKG_NAME"), env!("CARGO_PKG_VERSION"));
        Self {
            name: name.with_title("Doorward reference server").with_icons(Sign::Server.icons()),
            instructions: Some(INSTRUCTIONS.to_owned()),
            tools: tools::entries(shared),
        }
    }

    /// These tools, in this order, by a server of this name.
    #[must_use]
    pub fn of(name: &str, version: &str, tools: Vec<Entry>) -> Self {
        Self { name: Implementation::new(name, version), instructions: None, tools }
    }

    /// Tells models what the server is for.
    #[must_use]
    pub fn with_instructions(self, instructions: &str) -> Self {
        Self { instructions: Some(instructions.to_owned()), ..self }
    }
}
