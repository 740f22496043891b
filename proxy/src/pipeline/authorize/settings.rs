//! The section `authorization` of the configuration file.

use std::{collections::BTreeMap, path::PathBuf};

use crate::config::units::ByteSize;

/// Where policies come from and what the operator says about servers and tools.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AuthorizationSettings {
    /// A directory with `*.cedar` files (and, optionally, `entities.json`), or `bundle:NAME` for a bundle that comes with
    /// Doorward. An empty directory denies every call.
    pub policies: String,
    /// A Cedar entities file (JSON) with groups, roles and further attributes of principals. Default: `entities.json`
    /// beside the policies, if there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub entities: Option<PathBuf>,
    /// Labels that policies may trust, as `resource.labels`: `<upstream>` labels a server and everything of it,
    /// `<upstream>/<name>` one tool, prompt or resource URI, and a key that ends in `/*` all whose name or URI begins so.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, Vec<String>>,
    /// Largest file of policies or entities. A larger one refuses the start, or the reload; `doorward policy` knows the
    /// default only. 1KiB to 64MiB.
    #[serde(default = "file_bytes_max")]
    pub file_bytes_max: ByteSize,
    /// Most policy files in the directory. 1 to 100000.
    #[serde(default = "files_max")]
    pub files_max: u32,
}

fn file_bytes_max() -> ByteSize {
    ByteSize(1 << 20)
}

fn files_max() -> u32 {
    1_000
}

impl AuthorizationSettings {
    /// Policies of this directory or bundle, and every default.
    pub fn new(policies: String) -> Self {
        Self {
            policies,
            entities: None,
            labels: BTreeMap::new(),
            file_bytes_max: file_bytes_max(),
            files_max: files_max(),
        }
    }
}
