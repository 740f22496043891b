//! The processes of this comparison, and how each is started.

use std::path::{Path, PathBuf};

use crate::{
    compare::targets::{Cpus, own_program, strings},
    error::{Error, Result},
    process::{Launch, Ready},
};

/// Who is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Target {
    BareAxum,
    BareRmcp,
    Reference,
}

impl Target {
    pub(super) const ALL: [Self; 3] = [Self::BareAxum, Self::BareRmcp, Self::Reference];

    pub(super) fn label(self) -> &'static str {
        match self {
            Self::BareAxum => "bare axum",
            Self::BareRmcp => "bare rmcp",
            Self::Reference => "reference server",
        }
    }

    /// `answer` is what the axum route says, `program` the reference server.
    pub(super) fn launch(self, cpus: &Cpus, answer: &Path, program: &Path) -> Result<Launch> {
        let (name, program, args) = match self {
            Self::BareAxum => {
                ("bare-axum", own_program()?, strings(&["bare-axum", "--answer", &answer.display().to_string()]))
            }
            Self::BareRmcp => ("bare-rmcp", own_program()?, strings(&["bare-rmcp"])),
            Self::Reference => ("reference-server", program.to_owned(), strings(&["--listen", "127.0.0.1:0"])),
        };
        Ok(Launch { name, program, args, ready: Ready::Line, cpus: cpus.target.clone() })
    }
}

/// `given`, or the reference server beside this program.
pub(super) fn find_server(given: Option<&Path>) -> Result<PathBuf> {
    let path = match given {
        Some(path) => path.to_owned(),
        None => own_program()?.with_file_name("doorward-reference-server"),
    };
    if path.is_file() { Ok(path) } else { Err(Error::NoServer { path }) }
}
