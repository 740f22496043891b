//! MCP on standard input and output: one message a line; nothing else is ever written to standard output.
//!
//! In: the process's own streams. Out: returns when the input ends or `stop` is cancelled.

use rmcp::ServiceExt;
use rmcp::service::ServerInitializeError;
use tokio_util::sync::CancellationToken;

use super::lines::Lines;
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
    let served = server.serve_with_ct(Lines::new(tokio::io::stdin(), tokio::io::stdout()), stop.clone());
    let running = match served.await {
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
