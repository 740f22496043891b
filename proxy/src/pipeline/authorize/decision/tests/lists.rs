use super::support::{listed, pdp, user};

fn shown(policies: &str) -> Vec<&'static str> {
    let pdp = pdp(policies);
    let alice = user("alice", &["dev"]);
    ["ping", "read", "write"].into_iter().filter(|tool| listed(&pdp, &alice, tool)).collect()
}

#[test]
fn tool_that_depends_on_its_arguments_is_listed() {
    assert_eq!(
        shown(
            r#"permit (principal, action == Mcp::Action::"tools/call/fs/read", resource)
               when { context.arguments.path like "/data/*" };"#
        ),
        ["read"]
    );
}

#[test]
fn unconditional_forbid_hides() {
    assert_eq!(
        shown(
            r#"permit (principal, action, resource);
               forbid (principal, action == Mcp::Action::"tools/call/fs/write", resource);"#
        ),
        ["ping", "read"]
    );
}

#[test]
fn forbid_that_depends_does_not_hide() {
    assert_eq!(
        shown(
            r#"permit (principal, action, resource);
               forbid (principal, action == Mcp::Action::"tools/call/fs/write", resource)
               when { context.arguments.path like "/etc/*" };"#
        ),
        ["ping", "read", "write"]
    );
}

#[test]
fn known_part_of_a_condition_decides() {
    assert_eq!(
        shown(
            r#"permit (principal, action == Mcp::Action::"tools/call/fs/read", resource)
               when { principal in Mcp::Group::"ops" && context.arguments.path like "/data/*" };
               permit (principal, action == Mcp::Action::"tools/call/fs/write", resource)
               when { principal in Mcp::Group::"dev" && context.arguments.path like "/data/*" };"#
        ),
        ["write"]
    );
    assert_eq!(
        shown(
            r#"permit (principal, action, resource);
               forbid (principal, action == Mcp::Action::"tools/call/fs/write", resource)
               when { principal in Mcp::Group::"dev" || context.arguments.path like "/data/*" };"#
        ),
        ["ping", "read"]
    );
}

#[test]
fn tool_without_the_argument_is_hidden_where_policy_asks_for_it() {
    assert_eq!(
        shown(
            r#"permit (principal, action in Mcp::Action::"tools/call", resource)
               when { context.arguments has path && context.arguments.path like "/data/*" };"#
        ),
        ["read", "write"]
    );
}

#[test]
fn tool_that_needs_an_approval_is_listed() {
    assert_eq!(
        shown(
            r#"permit (principal, action == Mcp::Action::"tools/call/fs/write", resource) when { context.approved };
               permit (principal, action == Mcp::Action::"tools/call/fs/read", resource) unless { context.approved };"#
        ),
        ["read", "write"]
    );
}

#[test]
fn time_is_known_while_listing() {
    assert_eq!(shown("permit (principal, action, resource) when { context.hour == 11 };"), [] as [&str; 0]);
    assert_eq!(shown("permit (principal, action, resource) when { context.hour == 10 };").len(), 3);
}
