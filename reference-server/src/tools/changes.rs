//! Tools that change what the server offers, so that subscribers have something to hear about.

use rmcp::model::ToolAnnotations;

use super::{Call, Entry, Outcome, no_arguments, text, tool};
use crate::resources::WATCHED_URI;

/// Name of the tool that comes and goes.
pub(super) const DYNAMIC_TOOL: &str = "test_dynamic_tool";

pub(super) fn entries() -> Vec<Entry> {
    let writes = ToolAnnotations::new().read_only(false).destructive(false).idempotent(false).open_world(false);
    let entry = |name: &'static str, description: &'static str| {
        tool(name, description, no_arguments()).with_annotations(writes.clone())
    };
    vec![
        Entry::new(entry("test_trigger_tool_change", "Adds test_dynamic_tool to the list or takes it away."), tools),
        Entry::new(entry("test_trigger_prompt_change", "Adds test_dynamic_prompt or takes it away."), prompts),
        Entry::new(entry("test_trigger_resource_change", "Changes test://watched-resource."), resource),
        Entry::new(tool(DYNAMIC_TOOL, "Listed only while switched on.", no_arguments()), dynamic),
    ]
}

fn switched(listed: bool) -> &'static str {
    if listed { "added" } else { "removed" }
}

async fn tools(call: Call) -> Outcome {
    Ok(text(format!("{DYNAMIC_TOOL} {}", switched(call.server.shared.toggle_dynamic_tool()))))
}

async fn prompts(call: Call) -> Outcome {
    Ok(text(format!("dynamic prompt {}", switched(call.server.shared.toggle_dynamic_prompt()))))
}

async fn resource(call: Call) -> Outcome {
    Ok(text(format!("{WATCHED_URI} is now at version {}", call.server.shared.touch_watched(WATCHED_URI))))
}

async fn dynamic(_call: Call) -> Outcome {
    Ok(text("The dynamic tool is on."))
}
