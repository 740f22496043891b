//! The flags that `serve` and `wrap` share with the configuration file, and the ways in which a person names things.

use std::{net::SocketAddr, path::PathBuf};

use clap::Args;

use crate::{config::Flags, server::settings::ListenAddress};

/// Flags of `serve` and `wrap`.
#[derive(Clone, Debug, Default, Args)]
pub struct CommonFlags {
    /// Configuration file (YAML); flags go before it
    #[arg(short, long, value_name = "FILE", env = "DOORWARD_CONFIG")]
    pub config: Option<PathBuf>,
    /// Folder of Cedar policies, or a ready set by name
    #[arg(long, value_name = "DIR|bundle:NAME", env = "DOORWARD_POLICIES", help_heading = "Policy")]
    pub policies: Option<String>,
    /// Groups, roles and further attributes (Cedar entities, JSON)
    #[arg(long, value_name = "FILE", env = "DOORWARD_ENTITIES", help_heading = "Policy")]
    pub entities: Option<PathBuf>,
    /// Where to listen: IP:PORT or unix:/PATH; port 0 lets the system choose
    #[arg(long, value_name = "ADDR", env = "DOORWARD_LISTEN", help_heading = "Network")]
    pub listen: Option<ListenAddress>,
    /// Where operators find health and metrics: IP:PORT
    #[arg(long, value_name = "ADDR", env = "DOORWARD_ADMIN", help_heading = "Operation")]
    pub admin: Option<SocketAddr>,
    /// File for audit records, or - for standard output
    #[arg(long, value_name = "FILE", env = "DOORWARD_AUDIT", help_heading = "Operation")]
    pub audit: Option<PathBuf>,
}

impl CommonFlags {
    /// As settings.
    pub fn flags(&self) -> Flags {
        Flags {
            listen: self.listen.clone(),
            policies: self.policies.clone(),
            entities: self.entities.clone(),
            admin: self.admin,
            audit: self.audit.clone(),
            ..Flags::default()
        }
    }
}
