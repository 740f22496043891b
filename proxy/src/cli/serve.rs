//! `doorward serve`: the door of one or many servers on the network.

use clap::Args;

use super::{Failure, Outcome, flags::CommonFlags};
use crate::config::{Config, Flags, Mode, Source};

const EXAMPLES: &str = "Examples:
  doorward serve --upstream http://127.0.0.1:9000/mcp --issuer https://idp.example.com --policies ./policies
  doorward serve --upstream http://127.0.0.1:9000/mcp --no-authentication --policies bundle:permit-all
  doorward serve -c doorward.yaml

Prints `listening on http://ADDR:PORT/mcp` when it is ready. SIGTERM lets calls under way finish; SIGHUP loads the
configuration and the policies again.";

/// Stand in front of MCP servers, over HTTP
#[derive(Clone, Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct Serve {
    #[command(flatten)]
    common: CommonFlags,
    /// The MCP server: http://…, https://… or unix:/PATH
    #[arg(long, value_name = "URL", env = "DOORWARD_UPSTREAM", help_heading = "Network")]
    upstream: Option<String>,
    /// Authorization server whose tokens are accepted
    #[arg(
        long,
        value_name = "URL",
        env = "DOORWARD_ISSUER",
        help_heading = "Authentication",
        conflicts_with = "no_authentication"
    )]
    issuer: Option<String>,
    /// Accepted audience of tokens [default: the route's resource URI]
    #[arg(long, value_name = "URI", env = "DOORWARD_AUDIENCE", help_heading = "Authentication", requires = "issuer")]
    audience: Option<String>,
    /// Ask for no token: every caller is Mcp::Workload::"anonymous" (loopback addresses and unix sockets only)
    #[arg(long, help_heading = "Authentication")]
    no_authentication: bool,
}

impl Serve {
    /// Where its configuration comes from.
    pub fn source(&self) -> Source {
        let flags = Flags {
            upstream: self.upstream.clone(),
            issuer: self.issuer.clone(),
            audience: self.audience.clone(),
            no_authentication: self.no_authentication,
            ..self.common.flags()
        };
        Source { file: self.common.config.clone(), flags, mode: Mode::Serve }
    }

    /// Serves until a signal ends it.
    ///
    /// # Errors
    /// The configuration does not hold, or the server cannot start.
    pub fn run(self) -> Result<Outcome, Failure> {
        let source = self.source();
        let config = Config::load(&source)?;
        super::serve_until_signal(config, &source)
    }
}
