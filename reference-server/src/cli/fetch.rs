//! Flags of `http_fetch`.

use doorward_reference_server::fetch::{FETCHES_MAX, FetchError, Fetcher, Network};

/// Whether the outside is fetched for callers.
#[derive(Debug, Clone, clap::Args)]
pub(super) struct FetchArguments {
    /// Offer http_fetch, which fetches addresses of the public internet for callers
    #[arg(long, env = "REFERENCE_SERVER_FETCH")]
    fetch: bool,

    /// Let http_fetch reach this network, too, such as 10.1.0.0/16; may be repeated, or name several with commas
    /// between
    #[arg(
        long,
        value_name = "NETWORK",
        env = "REFERENCE_SERVER_FETCH_ALLOW",
        value_delimiter = ',',
        requires = "fetch"
    )]
    fetch_allow: Vec<Network>,

    /// Most fetches at once
    #[arg(long, value_name = "COUNT", env = "REFERENCE_SERVER_MAX_FETCHES", default_value_t = FETCHES_MAX,
        value_parser = fetches_max)]
    max_fetches: usize,
}

fn fetches_max(text: &str) -> Result<usize, &'static str> {
    match text.parse() {
        Ok(count @ 1..=1_024) => Ok(count),
        _ => Err("must be from 1 to 1024"),
    }
}

impl FetchArguments {
    /// What fetches, where it is switched on.
    ///
    /// # Errors
    /// See [`FetchError`].
    pub(super) fn fetcher(&self) -> Result<Option<Fetcher>, FetchError> {
        let fetcher = self.fetch.then(|| Fetcher::new(self.fetch_allow.clone())).transpose()?;
        Ok(fetcher.map(|fetcher| fetcher.with_fetches_max(self.max_fetches)))
    }
}
