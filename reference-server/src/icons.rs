//! Icons, as `data:` URIs: a client that shows them fetches nothing.
//!
//! Tools get theirs in [`crate::tools::Group::entries`], resources and templates in [`crate::resources`]. To add one: a
//! variant of [`Sign`] and its strokes.

use std::sync::OnceLock;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rmcp::model::Icon;

/// What an icon stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sign {
    /// The server.
    Server,
    /// Documents.
    Document,
    /// Prompts, stored and built in.
    Prompt,
    /// Structured records.
    Record,
    /// What goes out of the store and comes in.
    Transfer,
    /// Files of the served directory, and of the virtual tree.
    File,
    /// Large content.
    Object,
    /// The outside.
    Fetch,
    /// What is there for trying out.
    Sample,
    /// What the conformance suite prescribes.
    Fixture,
}

impl Sign {
    /// Strokes of a drawing of 24 by 24 units.
    fn strokes(self) -> &'static str {
        match self {
            Self::Server => "M6 22V2h12v20M2 22h20M14 12v1",
            Self::Document => "M5 2h9l5 5v15H5zM14 2v5h5M8 12h8M8 16h8",
            Self::Prompt => "M3 4h18v13H12l-5 4v-4H3zM7 8h10M7 12h6",
            Self::Record => "M3 4h18v16H3zM3 9h18M3 14h18M9 4v16",
            Self::Transfer => "M3 8h17M16 4l4 4-4 4M21 16H4M8 12l-4 4 4 4",
            Self::File => "M2 5h7l2 3h11v12H2z",
            Self::Object => "M12 2l9 5v10l-9 5-9-5V7zM3 7l9 5 9-5M12 12v10",
            Self::Fetch => "M12 2a10 10 0 1 0 0 20 10 10 0 1 0 0-20zM2 12h20M12 2c-5 6-5 14 0 20M12 2c5 6 5 14 0 20",
            Self::Sample => "M12 2l3 7 7 1-5 5 1 7-6-4-6 4 1-7-5-5 7-1z",
            Self::Fixture => "M9 2h6M10 2v7L4 21h16L14 9V2M7 15h10",
        }
    }

    fn drawn(self) -> Vec<Icon> {
        let svg = format!(
            "<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 24 24'><path d='{}' fill='none' stroke='#68a' stroke-width='2'/></svg>",
            self.strokes()
        );
        let source = format!("data:image/svg+xml;base64,{}", STANDARD.encode(svg));
        vec![Icon::new(source).with_mime_type("image/svg+xml").with_sizes(vec!["any".to_owned()])]
    }

    /// The icon. Made once, since lists of resources have many, and rmcp asks who the server is at every request.
    #[must_use]
    pub fn icons(self) -> Vec<Icon> {
        static DRAWN: [OnceLock<Vec<Icon>>; 10] = [const { OnceLock::new() }; 10];
        let drawn = DRAWN.get(self as usize).map(|place| place.get_or_init(|| self.drawn()).clone());
        drawn.unwrap_or_else(|| self.drawn())
    }
}
