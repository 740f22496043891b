//! Fixtures that report while they work: log messages and progress.

#![expect(deprecated, reason = "logging is deprecated from 2026-07-28 but part of every served revision")]

use std::time::Duration;

use rmcp::model::{LoggingLevel, ProgressNotificationParam};

use super::{Call, Entry, Outcome, no_arguments, text, tool};

/// Pause between two reports, long enough to see that they are not sent all at once.
const PAUSE: Duration = Duration::from_millis(50);

pub(super) fn entries() -> Vec<Entry> {
    vec![
        Entry::new(tool("test_tool_with_logging", "Sends three log messages.", no_arguments()), logging),
        Entry::new(
            tool("test_logging_tool", "Sends log messages if the request asks for them.", no_arguments()),
            logging,
        ),
        Entry::new(tool("test_tool_with_progress", "Reports progress three times.", no_arguments()), progress),
        Entry::new(tool("test_reconnection", "Answers after a pause.", no_arguments()), slow),
    ]
}

async fn logging(call: Call) -> Outcome {
    call.server.log(&call.context, LoggingLevel::Info, "Tool execution started").await;
    tokio::time::sleep(PAUSE).await;
    call.server.log(&call.context, LoggingLevel::Info, "Tool processing data").await;
    tokio::time::sleep(PAUSE).await;
    call.server.log(&call.context, LoggingLevel::Info, "Tool execution completed").await;
    Ok(text("Logged three messages to whoever asked for them."))
}

async fn progress(call: Call) -> Outcome {
    let token = call.context.meta.get_progress_token();
    for (step, done) in [0.0, 50.0, 100.0].into_iter().enumerate() {
        if step > 0 {
            tokio::time::sleep(PAUSE).await;
        }
        if let Some(token) = token.clone() {
            let report = ProgressNotificationParam::new(token, done).with_total(100.0);
            if let Err(error) = call.context.peer.notify_progress(report).await {
                tracing::debug!(%error, "progress not delivered");
            }
        }
    }
    Ok(text("Reported progress three times."))
}

async fn slow(_call: Call) -> Outcome {
    tokio::time::sleep(PAUSE * 4).await;
    Ok(text("Reconnection test completed successfully"))
}
