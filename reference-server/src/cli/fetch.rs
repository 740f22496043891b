//! Flags of `http_fetch`.

use doorward_reference_server::fetch::{FetchError, Fetcher, Network};

/// Whether the outside is fetched for callers.
#[derive(Debug, Clone, clap::Args)]
pub(super) struct FetchArguments {
    /// Offer http_fetch, which fetches addresses of the public internet for callers
    #[arg(long, env = "REFERENCE_SERVER_FETCH")]
    fetch: bool,

    /// Let http_fetch reach this network, too, such as 10.1.0.0/16; may be repeated
    #[arg(long, value_name = "NETWORK", requires = "fetch")]
    fetch_allow: Vec<Network>,
}

impl FetchArguments {
    /// What fetches, where it is switched on.
    ///
    /// # Errors
    /// See [`FetchError`].
    pub(super) fn fetcher(&self) -> Result<Option<Fetcher>, FetchError> {
        self.fetch.then(|| Fetcher::new(self.fetch_allow.clone())).transpose()
    }
}
