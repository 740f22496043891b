//! Strict validation of policies against the generated schema.
//!
//! In: compiled policies, the mapped attributes, the catalogued tools. Out: findings for the set, and for each tool
//! whether policies about it can be typed. What does not depend on a tool's arguments is validated at load; policies that
//! read arguments are validated once for the methods and once for every tool whose scope they match, and what fails there
//! closes that tool only.

use std::collections::{BTreeMap, BTreeSet};

use cedar_policy::{PolicySet, Schema, ValidationError, ValidationMode, Validator};

use super::{
    actions::{ACTIONS, GROUPS, TOOLS_CALL, is_tool_action},
    argument_types::RecordType,
    decision::compiled::Compiled,
    entities::Types,
    finding::{Finding, FindingKind, Severity},
    policy_store::{SourceFile, line_of_label},
    schema::{self, Parts, PrincipalAttributes, ToolAction},
};

/// Stands for every tool that no policy names; not a possible name, because upstream names are not empty.
const ANY_TOOL: &str = "tools/call//";
/// Most named tools per schema: a policy is validated for each of them.
const NAMED_PER_SCHEMA: usize = 16;

/// Everything that validation looks at besides the policies.
#[derive(Clone, Copy)]
pub(crate) struct Subject<'a> {
    pub(crate) types: &'a Types,
    pub(crate) attributes: &'a PrincipalAttributes,
    pub(crate) files: &'a [SourceFile],
}

/// A generated schema; only a defect of ours or an attribute name that Cedar reserves makes it fail.
pub(crate) fn build_schema(parts: &Parts<'_>) -> Result<Schema, Finding> {
    Schema::from_json_value(schema::generate(parts)).map_err(|error| {
        Finding::new(Severity::Error, FindingKind::Type, format!("the schema cannot be built: {error}"))
    })
}

/// Ids of the tool actions that a policy names.
pub(crate) fn named_tools<'a>(types: &Types, policy: &'a Compiled) -> BTreeSet<&'a str> {
    policy
        .literals
        .iter()
        .filter(|uid| types.is_action(uid))
        .map(|uid| AsRef::<str>::as_ref(uid.id()))
        .filter(|id| is_tool_action(id))
        .collect()
}

/// Validates all that can be validated without a catalogue.
pub(crate) fn at_load(subject: Subject<'_>, policies: &[Compiled]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for policy in policies {
        unknown_types(subject.types, policy, &mut findings);
    }
    if !findings.is_empty() {
        return findings;
    }
    let (reading, plain): (Vec<_>, Vec<_>) = policies.iter().partition(|policy| reads_arguments(policy));
    plain_policies(subject, &plain, &mut findings);
    reading_policies(subject, &reading, &mut findings);
    findings
}

pub(crate) fn reads_arguments(policy: &Compiled) -> bool {
    policy.needs.whole || policy.needs.arguments.is_some()
}

/// Policies that read no arguments: for every method, every tool they name, and a tool that nobody names.
fn plain_policies(subject: Subject<'_>, policies: &[&Compiled], findings: &mut Vec<Finding>) {
    let empty = RecordType::default();
    let mut by_names: BTreeMap<BTreeSet<&str>, Vec<&Compiled>> = BTreeMap::new();
    for policy in policies {
        by_names.entry(named_tools(subject.types, policy)).or_default().push(policy);
    }
    let mut chunks: Vec<(BTreeSet<&str>, Vec<&Compiled>)> = Vec::new();
    for (names, policies) in by_names {
        match chunks.last_mut() {
            Some((all, members)) if all.union(&names).count() <= NAMED_PER_SCHEMA => {
                all.extend(names);
                members.extend(policies);
            }
            _ => chunks.push((names, policies)),
        }
    }
    for (names, policies) in chunks {
        let tools: Vec<_> =
            names.into_iter().chain([ANY_TOOL]).map(|id| ToolAction { id, arguments: &empty }).collect();
        let parts = Parts { attributes: subject.attributes, methods: true, tools: &tools, named: &[] };
        validate(subject, &parts, &policies, |_, _| true, findings);
    }
}

/// Policies that read arguments, as far as they match methods.
fn reading_policies(subject: Subject<'_>, policies: &[&Compiled], findings: &mut Vec<Finding>) {
    let policies: Vec<_> = policies.iter().copied().filter(|policy| may_match_methods(subject.types, policy)).collect();
    if policies.is_empty() {
        return;
    }
    let named: BTreeSet<_> = policies.iter().flat_map(|policy| named_tools(subject.types, policy)).collect();
    let named: Vec<_> = named.into_iter().collect();
    let parts = Parts { attributes: subject.attributes, methods: true, tools: &[], named: &named };
    // A policy that fits no method may still fit a tool.
    validate(subject, &parts, &policies, |_, error| !is_inapplicable(error), findings);
}

fn is_inapplicable(error: &ValidationError) -> bool {
    matches!(error, ValidationError::InvalidActionApplication(_))
}

/// Whether the scope names anything but tools.
fn may_match_methods(types: &Types, policy: &Compiled) -> bool {
    policy.scope_actions().is_none_or(|actions| {
        actions.iter().any(|uid| {
            let id: &str = uid.id().as_ref();
            !(types.is_action(uid) && (is_tool_action(id) || id == TOOLS_CALL))
        })
    })
}

/// Validates the policies about one tool; the first problem, if there is one.
pub(crate) fn for_tool(subject: Subject<'_>, policies: &[&Compiled], tool: ToolAction<'_>) -> Option<Finding> {
    if policies.is_empty() {
        return None;
    }
    let mut named: BTreeSet<_> = policies.iter().flat_map(|policy| named_tools(subject.types, policy)).collect();
    named.remove(tool.id);
    let named: Vec<_> = named.into_iter().collect();
    let parts = Parts { attributes: subject.attributes, methods: false, tools: &[tool], named: &named };
    let mut findings = Vec::new();
    validate(subject, &parts, policies, |_, error| !is_inapplicable(error), &mut findings);
    findings.into_iter().next()
}

fn validate(
    subject: Subject<'_>,
    parts: &Parts<'_>,
    policies: &[&Compiled],
    counts: impl Fn(&Compiled, &ValidationError) -> bool,
    findings: &mut Vec<Finding>,
) {
    let schema = match build_schema(parts) {
        Ok(schema) => schema,
        Err(finding) => {
            findings.push(finding);
            return;
        }
    };
    let mut set = PolicySet::new();
    let mut by_id: BTreeMap<&str, &Compiled> = BTreeMap::new();
    for policy in policies {
        by_id.insert(&policy.entry.id, policy);
        if set.add(policy.entry.policy.clone()).is_err() {
            findings
                .push(place(policy, Finding::new(Severity::Error, FindingKind::DuplicateId, "this id is used twice")));
            return;
        }
    }
    let result = Validator::new(schema).validate(&set, ValidationMode::Strict);
    let mut seen = BTreeSet::new();
    for error in result.validation_errors() {
        let Some(policy) = by_id.get(AsRef::<str>::as_ref(error.policy_id())) else {
            findings.push(Finding::new(Severity::Error, FindingKind::Type, error.to_string()));
            continue;
        };
        // One error is reported once, not for every kind of principal.
        if counts(policy, error) && seen.insert((policy.entry.id.clone(), error.to_string())) {
            findings.push(type_error(subject, policy, error));
        }
    }
}

fn type_error(subject: Subject<'_>, policy: &Compiled, error: &ValidationError) -> Finding {
    let mut message = error.to_string();
    if let Some(help) = miette::Diagnostic::help(error) {
        message.push_str(&format!(" ({help})"));
    }
    let finding = Finding::new(Severity::Error, FindingKind::Type, message).policy(&policy.entry.id);
    let text = subject.files.iter().find(|file| file.name == policy.entry.file);
    let line = text.map_or(policy.entry.line, |file| line_of_label(&file.text, error).max(policy.entry.line));
    finding.at(&policy.entry.file, line)
}

fn place(policy: &Compiled, finding: Finding) -> Finding {
    finding.at(&policy.entry.file, policy.entry.line).policy(&policy.entry.id)
}

/// Entity types and actions that do not exist: found even in policies that wait for a tool.
fn unknown_types(types: &Types, policy: &Compiled, findings: &mut Vec<Finding>) {
    let literals = policy.literals.iter().map(|uid| uid.type_name());
    for name in literals.chain(policy.scope_types()) {
        if !types.knows(name) {
            findings.push(place(
                policy,
                Finding::new(Severity::Error, FindingKind::Type, format!("there is no entity type {name}")),
            ));
        }
    }
    for uid in policy.literals.iter().filter(|uid| types.is_action(uid)) {
        let id: &str = uid.id().as_ref();
        let known = is_tool_action(id)
            || ACTIONS.iter().any(|action| action.id == id)
            || GROUPS.iter().any(|(group, _)| *group == id);
        if !known {
            findings.push(place(
                policy,
                Finding::new(Severity::Error, FindingKind::Type, format!("there is no action {uid}")),
            ));
        }
    }
}

/// Notes for policies that name an upstream or a tool that is not there (yet).
pub(crate) fn waiting(types: &Types, policies: &[Compiled], known: impl Fn(&str) -> Waiting) -> Vec<Finding> {
    let mut findings = Vec::new();
    for policy in policies {
        for id in named_tools(types, policy) {
            let (severity, kind, message) = match known(id) {
                Waiting::Known => continue,
                Waiting::Tool => (
                    Severity::Note,
                    FindingKind::ToolUnknown,
                    format!("{id:?} is not in the catalogue; the policy waits for it"),
                ),
                Waiting::Upstream => (
                    Severity::Warning,
                    FindingKind::UpstreamUnknown,
                    format!("{id:?} names no configured upstream; the form is tools/call/<upstream>/<tool>"),
                ),
            };
            findings.push(place(policy, Finding::new(severity, kind, message)));
        }
        if policy.permits_all() {
            findings.push(place(
                policy,
                Finding::new(Severity::Warning, FindingKind::PermitsAll, "this policy permits everything to everybody"),
            ));
        }
    }
    findings
}

/// Whether a tool that a policy names is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Waiting {
    /// It is.
    Known,
    /// Its upstream is, it is not.
    Tool,
    /// Not even its upstream.
    Upstream,
}
