//! The policy set of the full pipeline: as many policies as asked for, of which each call needs one.
//!
//! One permits connecting, listing and subscribing, one forbids everything to a group that nobody is in, one for each permitted tool permits
//! its call to the callers' group, and the rest permit tools to groups that nobody is in. The tools from
//! [`tools_permitted`] on stay denied.

use std::{fmt::Write as _, path::Path};

use super::credentials::GROUP;
use crate::{
    error::{Error, Result},
    mcp::tool_name,
};

/// The name of the upstream that `doorward serve --upstream URL` gives it.
const UPSTREAM: &str = "upstream";
/// Policies that are there whatever the number of tools.
const FIXED: usize = 2;

/// How many of the tools (the first ones) the callers may call under a set of `policies` policies: four of five, as far
/// as there are policies for them.
pub(crate) fn tools_permitted(tools: usize, policies: usize) -> usize {
    (tools * 4 / 5).min(policies.saturating_sub(FIXED))
}

/// The text of the set.
pub(crate) fn text(policies: usize, tools: usize) -> String {
    let permitted = tools_permitted(tools, policies);
    let ours = format!("principal in Mcp::Group::\"{GROUP}\"");
    let mut text = format!(
        "@id(\"bench-base\")\npermit ({ours}, action in [Mcp::Action::\"connect\", Mcp::Action::\"list\", \
         Mcp::Action::\"subscriptions/listen\"], resource);\n\
         @id(\"bench-suspended\")\nforbid (principal in Mcp::Group::\"suspended\", action, resource);\n"
    );
    for number in 0..policies.saturating_sub(FIXED) {
        let (group, tool) = if number < permitted {
            (GROUP.to_owned(), number)
        } else {
            (format!("team-{number}"), number % tools.max(1))
        };
        let tool = tool_name(tool);
        // Writing to a String cannot fail.
        let _ = write!(
            text,
            "@id(\"bench-{number}\")\npermit (principal in Mcp::Group::\"{group}\", \
             action in Mcp::Action::\"tools/call\", resource == Mcp::Tool::\"{UPSTREAM}/{tool}\");\n"
        );
    }
    text
}

/// Writes the set as one file into `folder`, which is made.
pub(crate) fn write(folder: &Path, policies: usize, tools: usize) -> Result<()> {
    std::fs::create_dir_all(folder).map_err(Error::file("make", folder))?;
    let path = folder.join("bench.cedar");
    std::fs::write(&path, text(policies, tools)).map_err(Error::file("write", &path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn set_has_the_asked_size_and_permits_four_tools_of_five() {
        let text = text(100, 50);
        assert_eq!(text.matches("@id(").count(), 100);
        assert_eq!(tools_permitted(50, 100), 40);
        let ours = format!("Mcp::Group::\"{GROUP}\", action in Mcp::Action::\"tools/call\"");
        assert_eq!(text.matches(&ours).count(), 40);
        let denied = format!("{ours}, resource == Mcp::Tool::\"{UPSTREAM}/tool_40\"");
        assert!(!text.contains(&denied));
    }

    #[test]
    fn small_set_permits_as_many_tools_as_it_has_policies_for() {
        assert_eq!(tools_permitted(50, 10), 8);
        assert_eq!(text(10, 50).matches("@id(").count(), 10);
    }
}
