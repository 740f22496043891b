//! Keeps the catalogue of one server current: at start, on `list_changed`, on a call of an unknown tool, and from time
//! to time.

use std::{sync::Arc, time::Duration};

use doorward_message::{Limits, Revision};
use http::HeaderValue;

use super::{
    Server, Upstream,
    own::{FetchError, OwnClient},
    upstream::Owner,
};
use crate::{catalogue::Catalogue, pipeline::door::Door};

/// The longest time between two looks.
const LOOK_EVERY: Duration = Duration::from_secs(300);
/// The least time between two looks: a server that changes its lists a thousand times a second is not followed.
const DEBOUNCE: Duration = Duration::from_millis(500);
/// The longest pause between two tries while the server cannot be reached.
const BACKOFF_MAX: Duration = Duration::from_secs(10);
/// A whole look.
const LOOK_TIMEOUT: Duration = Duration::from_secs(30);

/// Runs until dropped. Only for servers that can be asked outside a client's session: child processes are asked within
/// theirs, by [`fetch_within`].
pub async fn keep(door: Arc<Door>, server: Arc<Server>, limits: Arc<Limits>) {
    if matches!(server.upstream(), Upstream::Child(_)) {
        return;
    }
    let mut pause = Duration::from_millis(100);
    loop {
        match tokio::time::timeout(LOOK_TIMEOUT, OwnClient::probe(&server, &limits)).await {
            Ok(Ok(catalogue)) => {
                install(&door, &server, catalogue);
                pause = Duration::from_millis(100);
                tokio::time::sleep(DEBOUNCE).await;
                // Either way it is time for another look.
                let _ = tokio::time::timeout(LOOK_EVERY, server.stale.notified()).await;
            }
            failed => {
                let error = failed.map_or(FetchError::Fault(crate::model::Fault::UpstreamTimeout), |result| {
                    result.err().unwrap_or(FetchError::Unusable)
                });
                tracing::warn!(upstream = %server.name(), %error, "the catalogue could not be fetched; trying again");
                tokio::time::sleep(pause).await;
                pause = (pause * 2).min(BACKOFF_MAX);
            }
        }
    }
}

/// Fetches the catalogue within a session or process of a client's.
///
/// # Errors
/// [`FetchError`].
pub async fn fetch_within(
    door: &Door,
    server: &Server,
    limits: &Limits,
    revision: Revision,
    session: Option<HeaderValue>,
    owner: Owner,
) -> Result<(), FetchError> {
    let own = OwnClient::within(server, limits, revision, session, owner);
    let fetched = tokio::time::timeout(LOOK_TIMEOUT, own.list()).await;
    let catalogue = fetched.map_err(|_| FetchError::Fault(crate::model::Fault::UpstreamTimeout))??;
    install(door, server, catalogue);
    Ok(())
}

fn install(door: &Door, server: &Server, catalogue: Arc<Catalogue>) {
    let current = door.snapshot().pdp.catalogue(server.name()).map(|known| *known.hash());
    if current == Some(*catalogue.hash()) {
        return;
    }
    match door.install_catalogue(server, catalogue) {
        Ok(()) => {
            door.observer.metrics().catalogue_changed(server.name());
            tracing::info!(upstream = %server.name(), "catalogue taken over");
        }
        Err(error) => {
            tracing::error!(upstream = %server.name(), %error, "the catalogue was not taken over")
        }
    }
}
