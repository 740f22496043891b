//! Fixtures of the conformance suite that return each kind of content, and one that always fails.

use rmcp::model::{CallToolResult, ContentBlock, ResourceContents};

use super::{Call, Entry, Outcome, no_arguments, text, tool};
use crate::resources::{PIXEL_PNG, SILENCE_WAV};

pub(super) fn entries() -> Vec<Entry> {
    vec![
        Entry::new(tool("test_simple_text", "Returns a text.", no_arguments()), simple_text),
        Entry::new(tool("test_image_content", "Returns an image of one red pixel.", no_arguments()), image),
        Entry::new(tool("test_audio_content", "Returns a silent sound.", no_arguments()), audio),
        Entry::new(tool("test_embedded_resource", "Returns an embedded resource.", no_arguments()), embedded),
        Entry::new(tool("test_multiple_content_types", "Returns text, image and resource.", no_arguments()), mixed),
        Entry::new(tool("test_error_handling", "Always fails.", no_arguments()), failing),
    ]
}

async fn simple_text(_call: Call) -> Outcome {
    Ok(text("This is a simple text response for testing."))
}

async fn image(_call: Call) -> Outcome {
    Ok(CallToolResult::success(vec![ContentBlock::image(PIXEL_PNG, "image/png")]).into())
}

async fn audio(_call: Call) -> Outcome {
    Ok(CallToolResult::success(vec![ContentBlock::audio(SILENCE_WAV, "audio/wav")]).into())
}

async fn embedded(_call: Call) -> Outcome {
    let resource = ResourceContents::text("This is an embedded resource content.", "test://embedded-resource")
        .with_mime_type("text/plain");
    Ok(CallToolResult::success(vec![ContentBlock::resource(resource)]).into())
}

async fn mixed(_call: Call) -> Outcome {
    let resource = ResourceContents::text(r#"{"test":"data","value":123}"#, "test://mixed-content-resource")
        .with_mime_type("application/json");
    let content = vec![
        ContentBlock::text("Multiple content types test:"),
        ContentBlock::image(PIXEL_PNG, "image/png"),
        ContentBlock::resource(resource),
    ];
    Ok(CallToolResult::success(content).into())
}

async fn failing(_call: Call) -> Outcome {
    Ok(CallToolResult::error(vec![ContentBlock::text("This tool intentionally returns an error for testing")]).into())
}
