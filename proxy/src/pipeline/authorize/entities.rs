//! The policy information point (PIP): Cedar entities of principals, resources and actions.
//!
//! In: the verified [`Principal`], names and URIs, the operator's entities file and labels. Out: entities whose parents
//! are all their ancestors, so that a slice needs no other entity to answer `in`. Invariants: every entity id is built
//! from parts, never parsed from text; the operator's file may speak of principals, groups and roles only, and where it
//! and a token give the same attribute, the file wins.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, HashSet},
    str::FromStr,
};

use cedar_policy::{Entities, Entity, EntityId, EntityTypeName, EntityUid, RestrictedExpression, Schema};

use super::{
    actions::ResourceKind,
    finding::{Finding, FindingKind, Severity},
    policy_store::SourceFile,
    schema::{AttributeType, NAMESPACE, PRINCIPAL_BUILT_IN, PRINCIPALS, PrincipalAttributes},
};
use crate::model::{Attribute, Principal, PrincipalKind};

/// An entity could not be built; never happens for names that this module makes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a Cedar entity could not be built")]
pub struct EntityError;

/// The entity type names, parsed once.
#[derive(Clone, Debug)]
pub(crate) struct Types {
    principals: [EntityTypeName; 3],
    group: EntityTypeName,
    role: EntityTypeName,
    action: EntityTypeName,
    resources: BTreeMap<ResourceKind, EntityTypeName>,
}

impl Types {
    pub(crate) fn new() -> Result<Self, EntityError> {
        let named = |name: &str| EntityTypeName::from_str(&format!("{NAMESPACE}::{name}")).map_err(|_| EntityError);
        let [user, agent, workload] = PRINCIPALS;
        let resources = ResourceKind::ALL
            .into_iter()
            .map(|kind| Ok((kind, named(kind.as_str())?)))
            .collect::<Result<_, EntityError>>()?;
        Ok(Self {
            principals: [named(user)?, named(agent)?, named(workload)?],
            group: named("Group")?,
            role: named("Role")?,
            action: named("Action")?,
            resources,
        })
    }

    fn principal(&self, kind: PrincipalKind) -> &EntityTypeName {
        let [user, agent, workload] = &self.principals;
        match kind {
            PrincipalKind::User => user,
            PrincipalKind::Agent => agent,
            PrincipalKind::Workload => workload,
        }
    }

    pub(crate) fn action_uid(&self, id: &str) -> EntityUid {
        uid(&self.action, id)
    }

    pub(crate) fn is_action(&self, uid: &EntityUid) -> bool {
        *uid.type_name() == self.action
    }

    fn may_stand_in_file(&self, uid: &EntityUid) -> bool {
        let name = uid.type_name();
        self.principals.contains(name) || *name == self.group || *name == self.role
    }

    pub(crate) fn knows(&self, name: &EntityTypeName) -> bool {
        self.principals.contains(name)
            || *name == self.group
            || *name == self.role
            || *name == self.action
            || self.resources.values().any(|known| known == name)
    }
}

fn uid(kind: &EntityTypeName, id: &str) -> EntityUid {
    EntityUid::from_type_name_and_id(kind.clone(), EntityId::new(id))
}

/// An entity with everything it is `in`.
#[derive(Clone, Debug)]
pub(crate) struct Placed {
    pub(crate) uid: EntityUid,
    pub(crate) entity: Entity,
    pub(crate) ancestors: HashSet<EntityUid>,
}

impl Placed {
    pub(crate) fn new(
        uid: EntityUid,
        attributes: HashMap<String, RestrictedExpression>,
        ancestors: HashSet<EntityUid>,
    ) -> Result<Self, EntityError> {
        let entity = Entity::new(uid.clone(), attributes, ancestors.clone()).map_err(|_| EntityError)?;
        Ok(Self { uid, entity, ancestors })
    }

    /// The entity itself or one of its ancestors.
    pub(crate) fn is_in(&self, other: &EntityUid) -> bool {
        self.uid == *other || self.ancestors.contains(other)
    }

    /// Itself, then its ancestors.
    pub(crate) fn lineage(&self) -> impl Iterator<Item = &EntityUid> {
        std::iter::once(&self.uid).chain(&self.ancestors)
    }
}

/// Reads the operator's entities file.
///
/// # Errors
/// A finding that names the file.
pub(crate) fn operator_entities(
    types: &Types,
    file: Option<&SourceFile>,
    schema: &Schema,
) -> Result<Entities, Finding> {
    let Some(file) = file else {
        return Ok(Entities::empty());
    };
    let refused = |message: String| Finding::new(Severity::Error, FindingKind::Entities, message).at(&file.name, 1);
    let entities = Entities::from_json_str(&file.text, Some(schema)).map_err(|error| {
        let cause = std::error::Error::source(&error).map(|cause| format!(": {cause}"));
        refused(format!("{error}{}", cause.unwrap_or_default()))
    })?;
    for entity in entities.iter() {
        let uid = entity.uid();
        if !types.is_action(&uid) && !types.may_stand_in_file(&uid) {
            return Err(refused(format!(
                "{uid} does not belong here: the file may hold users, agents, workloads, groups and roles"
            )));
        }
    }
    Ok(entities)
}

/// The principal with its groups, roles and attributes.
pub(crate) fn principal(
    types: &Types,
    declared: &PrincipalAttributes,
    operator: &Entities,
    principal: &Principal,
) -> Result<Placed, EntityError> {
    let own = uid(types.principal(principal.kind), &principal.id);
    let mut parents: HashSet<EntityUid> = HashSet::new();
    parents.extend(principal.groups.iter().map(|name| uid(&types.group, name)));
    parents.extend(principal.roles.iter().map(|name| uid(&types.role, name)));
    let mut attributes = HashMap::new();
    for (name, text) in PRINCIPAL_BUILT_IN.into_iter().zip([&principal.issuer, &principal.client_id]) {
        if let Some(text) = text {
            attributes.insert(name.to_owned(), RestrictedExpression::new_string(text.to_string()));
        }
    }
    for (name, value) in &principal.attributes {
        let built_in = PRINCIPAL_BUILT_IN.contains(&&**name);
        if let Some(kind) = declared.get(&**name).filter(|_| !built_in)
            && let Some(value) = attribute(*kind, value)
        {
            attributes.insert(name.to_string(), value);
        }
    }
    if let Some(entity) = operator.get(&own) {
        let (_, more, ancestors) = entity.clone().into_inner();
        attributes.extend(more);
        parents.extend(ancestors);
    }
    let mut ancestors = parents.clone();
    for parent in &parents {
        ancestors.extend(operator.ancestors(parent).into_iter().flatten().cloned());
    }
    Placed::new(own, attributes, ancestors)
}

/// The Cedar value, where it is of the declared type.
fn attribute(kind: AttributeType, value: &Attribute) -> Option<RestrictedExpression> {
    match (kind, value) {
        (AttributeType::String, Attribute::String(text)) => Some(RestrictedExpression::new_string(text.to_string())),
        (AttributeType::Long, Attribute::Long(number)) => Some(RestrictedExpression::new_long(*number)),
        (AttributeType::Bool, Attribute::Bool(flag)) => Some(RestrictedExpression::new_bool(*flag)),
        (AttributeType::Strings, Attribute::Strings(items)) => Some(strings(items.iter().map(|item| &**item))),
        _ => None,
    }
}

fn strings<'a>(items: impl Iterator<Item = &'a str>) -> RestrictedExpression {
    RestrictedExpression::new_set(items.map(|item| RestrictedExpression::new_string(item.to_owned())))
}

/// What a resource is, with the attributes of its kind.
#[derive(Clone, Debug)]
pub(crate) enum ResourceFacts<'a> {
    /// The upstream itself.
    Server,
    /// Prompt, secret or data class.
    Named(&'a str),
    /// A tool with the annotations its server claims.
    Tool(&'a str, &'a crate::catalogue::Claimed),
    /// MCP resource or template.
    Uri(UriParts<'a>),
    /// Task.
    Task(&'a str),
}

/// A URI taken apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct UriParts<'a> {
    pub(crate) uri: &'a str,
    pub(crate) scheme: &'a str,
    pub(crate) host: Option<&'a str>,
    pub(crate) path: Option<&'a str>,
}

impl<'a> ResourceFacts<'a> {
    pub(crate) fn item(&self) -> Option<&'a str> {
        match self {
            Self::Server => None,
            Self::Named(name) | Self::Tool(name, _) | Self::Task(name) => Some(name),
            Self::Uri(parts) => Some(parts.uri),
        }
    }

    fn attributes(&self, upstream: &str) -> HashMap<String, RestrictedExpression> {
        let text = |value: &str| RestrictedExpression::new_string(value.to_owned());
        let mut attributes = HashMap::new();
        let mut set = |name: &str, value| attributes.insert(name.to_owned(), value);
        match self {
            Self::Server => {
                set("name", text(upstream));
            }
            Self::Named(name) => {
                set("name", text(name));
            }
            Self::Tool(name, claimed) => {
                set("name", text(name));
                if let Ok(record) = RestrictedExpression::new_record(claimed_members(claimed)) {
                    set("claimed", record);
                }
            }
            Self::Task(id) => {
                set("task_id", text(id));
            }
            Self::Uri(parts) => {
                set("uri", text(parts.uri));
                set("scheme", text(parts.scheme));
                if let Some(host) = parts.host {
                    set("host", text(host));
                }
                if let Some(path) = parts.path {
                    set("path", text(path));
                }
            }
        }
        attributes
    }
}

fn claimed_members(claimed: &crate::catalogue::Claimed) -> Vec<(String, RestrictedExpression)> {
    let flags = [
        ("readOnlyHint", claimed.read_only),
        ("destructiveHint", claimed.destructive),
        ("idempotentHint", claimed.idempotent),
        ("openWorldHint", claimed.open_world),
    ];
    let mut members: Vec<_> = flags
        .into_iter()
        .filter_map(|(name, flag)| Some((name.to_owned(), RestrictedExpression::new_bool(flag?))))
        .collect();
    if let Some(title) = &claimed.title {
        members.push(("title".to_owned(), RestrictedExpression::new_string(title.to_string())));
    }
    members
}

/// A resource of an upstream: the id is `<upstream>/<name or URI>`, the parent its server; labels are its own and its
/// server's.
pub(crate) fn resource(
    types: &Types,
    labels: &Labels,
    upstream: &str,
    kind: ResourceKind,
    facts: &ResourceFacts<'_>,
) -> Result<Placed, EntityError> {
    let type_of = |kind| types.resources.get(&kind).ok_or(EntityError);
    let server = uid(type_of(ResourceKind::Server)?, upstream);
    let mut attributes = facts.attributes(upstream);
    attributes.insert("labels".to_owned(), strings(labels.of(upstream, facts.item()).into_iter()));
    match facts.item() {
        None => Placed::new(server, attributes, HashSet::new()),
        Some(item) => {
            let id = format!("{upstream}/{item}");
            Placed::new(uid(type_of(kind)?, &id), attributes, HashSet::from([server]))
        }
    }
}

/// Labels that the operator gives: `<upstream>` for a server and everything of it, `<upstream>/<name>` for one tool,
/// prompt or resource URI, `<upstream>/…/*` for all whose name or URI begins so.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Labels {
    exact: BTreeMap<String, Vec<String>>,
    prefixes: Vec<(String, Vec<String>)>,
}

impl Labels {
    /// From the configuration's map.
    pub fn new(map: &BTreeMap<String, Vec<String>>) -> Self {
        let mut labels = Self::default();
        for (key, values) in map {
            match key.strip_suffix('*') {
                Some(prefix) if prefix.ends_with('/') => {
                    labels.prefixes.push((prefix.to_owned(), values.clone()));
                }
                _ => {
                    labels.exact.insert(key.clone(), values.clone());
                }
            }
        }
        labels
    }

    fn of(&self, upstream: &str, item: Option<&str>) -> BTreeSet<&str> {
        let mut found: BTreeSet<&str> = BTreeSet::new();
        found.extend(self.exact.get(upstream).into_iter().flatten().map(String::as_str));
        if let Some(item) = item {
            let key = format!("{upstream}/{item}");
            found.extend(self.exact.get(&key).into_iter().flatten().map(String::as_str));
            for (prefix, values) in &self.prefixes {
                if key.starts_with(prefix.as_str()) {
                    found.extend(values.iter().map(String::as_str));
                }
            }
        }
        found
    }

    /// For the snapshot's hash.
    pub(crate) fn entries(&self) -> impl Iterator<Item = (&str, &[String])> {
        let exact = self.exact.iter().map(|(key, values)| (key.as_str(), values.as_slice()));
        let prefixes = self.prefixes.iter().map(|(key, values)| (key.as_str(), values.as_slice()));
        exact.chain(prefixes)
    }
}
