//! Tools that take long: as a task where the client knows tasks (SEP-2663), otherwise within the call.

use rmcp::model::{CallToolResponse, CallToolResult, CreateTaskResult};

use super::{Call, Outcome, ToolError};
use crate::tasks::{Reporter, Stop, Work, undeclared};

impl Call {
    /// Runs the operation as a task where the client knows tasks, otherwise within this call.
    ///
    /// # Errors
    /// Those of the operation, and [`ToolError::Task`].
    pub async fn long<F, R>(&self, operation: F) -> Outcome
    where
        F: FnOnce(Work) -> R,
        R: Future<Output = Result<CallToolResult, Stop>> + Send + 'static,
    {
        if self.knows_tasks() {
            return self.task(operation);
        }
        let work = Work::in_call(&self.context);
        // A client that goes away, or cancels its request, waits for nothing any more.
        let ended = tokio::select! {
            biased;
            () = self.context.ct.cancelled() => Err(Stop::Cancelled),
            ended = operation(work) => ended,
        };
        match ended {
            Ok(result) => Ok(result.into()),
            Err(Stop::Failed(error)) => Err(ToolError::Protocol(error)),
            Err(Stop::Cancelled) => Err(ToolError::Cancelled),
        }
    }

    /// Runs the operation as a task, which the client must know.
    ///
    /// # Errors
    /// [`ToolError::Protocol`] for a client that did not declare the extension, [`ToolError::Task`].
    pub fn task<F, R>(&self, operation: F) -> Outcome
    where
        F: FnOnce(Work) -> R,
        R: Future<Output = Result<CallToolResult, Stop>> + Send + 'static,
    {
        if !self.knows_tasks() {
            return Err(ToolError::Protocol(undeclared()));
        }
        let owner = self.server.owner(&self.context);
        let capabilities = self.context.client_capabilities().unwrap_or_default();
        let task = self.server.shared.tasks.begin(owner, capabilities, Reporter::to(&self.context), operation)?;
        Ok(CallToolResponse::Task(CreateTaskResult::new(task)))
    }

    fn knows_tasks(&self) -> bool {
        self.context.client_capabilities().is_some_and(|capabilities| capabilities.supports_tasks())
    }
}
