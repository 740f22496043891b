//! MCP on standard input and output: one message a line; nothing else is ever written to standard output.
//!
//! In: the process's own streams. Out: returns when the input ends or `stop` is cancelled, once calls under way were
//! answered, which have [`super::GRACE`].

use rmcp::ServiceExt;
use rmcp::service::ServerInitializeError;
use tokio_util::sync::CancellationToken;

use super::lines::{Ending, Lines};
use crate::server::ReferenceServer;

/// Why serving ended early.
#[derive(Debug, thiserror::Error)]
pub enum StdioError {
    /// The client's first messages were not MCP.
    #[error("no MCP session was established: {0}")]
    Initialize(#[from] Box<ServerInitializeError>),
    /// The service's task failed.
    #[error("serving failed: {0}")]
    Task(#[from] tokio::task::JoinError),
}

/// Serves one client on standard input and output.
///
/// # Errors
/// See [`StdioError`]. An end of input before any message, and a stop, are no errors.
pub async fn serve(server: ReferenceServer, stop: CancellationToken) -> Result<(), StdioError> {
    let ending = Ending::new(stop, server.endless());
    let cut = ending.cut.clone();
    let lines = Lines::new(tokio::io::stdin(), tokio::io::stdout(), ending);
    let running = match server.serve_with_ct(lines, cut).await {
        Ok(running) => running,
        Err(ServerInitializeError::ConnectionClosed(_) | ServerInitializeError::Cancelled) => {
            return Ok(());
        }
        Err(error) => return Err(StdioError::Initialize(Box::new(error))),
    };
    let reason = running.waiting().await?;
    tracing::info!(?reason, "stdio session ended");
    Ok(())
}
