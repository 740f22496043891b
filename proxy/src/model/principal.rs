//! Who is calling: the subject of every decision.

use std::collections::BTreeMap;

/// What kind of Cedar entity the caller is (`Mcp::User`, `Mcp::Agent`, `Mcp::Workload`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum PrincipalKind {
    /// A person.
    User,
    /// Client software that acts for a user.
    Agent,
    /// A machine identity; also `anonymous` where authentication is switched off.
    Workload,
}

impl PrincipalKind {
    /// The Cedar entity type name, without namespace.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::User => "User",
            Self::Agent => "Agent",
            Self::Workload => "Workload",
        }
    }
}

/// The Cedar type of a principal's attribute, as the configuration declares it.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Deserialize, serde::Serialize, schemars::JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum AttributeType {
    /// A Cedar `String`.
    String,
    /// A Cedar `Long`: a whole number in 64 bits.
    Long,
    /// A Cedar `Bool`.
    Bool,
    /// A Cedar `Set<String>`.
    Strings,
}

/// A typed attribute of a principal, mapped from a claim by the issuer's configuration.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Attribute {
    /// A Cedar `String`.
    String(Box<str>),
    /// A Cedar `Long`.
    Long(i64),
    /// A Cedar `Bool`.
    Bool(bool),
    /// A Cedar `Set<String>`.
    Strings(Box<[Box<str>]>),
}

/// The authenticated caller with everything that policy may know of it. Immutable; shared behind an `Arc` by the
/// token cache, so that one verified token is mapped once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Principal {
    /// The Cedar entity type.
    pub kind: PrincipalKind,
    /// The Cedar entity id: the subject, with the issuer's prefix where one is configured.
    pub id: Box<str>,
    /// The token's issuer; `None` on stdio and without authentication.
    pub issuer: Option<Box<str>>,
    /// `client_id` or `azp` of the token.
    pub client_id: Option<Box<str>>,
    /// OAuth scopes, sorted, without duplicates.
    pub scopes: Box<[Box<str>]>,
    /// `Mcp::Group` parents, sorted, without duplicates.
    pub groups: Box<[Box<str>]>,
    /// `Mcp::Role` parents, sorted, without duplicates.
    pub roles: Box<[Box<str>]>,
    /// Typed attributes by name.
    pub attributes: BTreeMap<Box<str>, Attribute>,
    /// When the credential ends, in seconds since the Unix epoch.
    pub expires_at: Option<u64>,
    digest: [u8; 32],
}

/// Everything of a [`Principal`] but its digest.
#[derive(Clone, Debug)]
pub struct PrincipalParts {
    /// See [`Principal::kind`].
    pub kind: PrincipalKind,
    /// See [`Principal::id`].
    pub id: Box<str>,
    /// See [`Principal::issuer`].
    pub issuer: Option<Box<str>>,
    /// See [`Principal::client_id`].
    pub client_id: Option<Box<str>>,
    /// See [`Principal::scopes`].
    pub scopes: Vec<Box<str>>,
    /// See [`Principal::groups`].
    pub groups: Vec<Box<str>>,
    /// See [`Principal::roles`].
    pub roles: Vec<Box<str>>,
    /// See [`Principal::attributes`].
    pub attributes: BTreeMap<Box<str>, Attribute>,
    /// See [`Principal::expires_at`].
    pub expires_at: Option<u64>,
}

impl Principal {
    /// Sorts the sets and takes the digest over everything a decision can depend on.
    pub fn new(parts: PrincipalParts) -> Self {
        let scopes = sorted(parts.scopes);
        let groups = sorted(parts.groups);
        let roles = sorted(parts.roles);
        let mut hash = Hasher::new();
        hash.field(parts.kind.as_str());
        hash.field(&parts.id);
        hash.optional(parts.issuer.as_deref());
        hash.optional(parts.client_id.as_deref());
        hash.list(&scopes);
        hash.list(&groups);
        hash.list(&roles);
        hash.attributes(&parts.attributes);
        Self {
            kind: parts.kind,
            id: parts.id,
            issuer: parts.issuer,
            client_id: parts.client_id,
            scopes,
            groups,
            roles,
            attributes: parts.attributes,
            expires_at: parts.expires_at,
            digest: hash.finish(),
        }
    }

    /// The caller where authentication is switched off (loopback and unix sockets only).
    pub fn anonymous() -> Self {
        Self::local(PrincipalKind::Workload, "anonymous")
    }

    /// A principal that configuration names, as on stdio.
    pub fn local(kind: PrincipalKind, id: &str) -> Self {
        Self::new(PrincipalParts {
            kind,
            id: id.into(),
            issuer: None,
            client_id: None,
            scopes: Vec::new(),
            groups: Vec::new(),
            roles: Vec::new(),
            attributes: BTreeMap::new(),
            expires_at: None,
        })
    }

    /// SHA-256 over kind, id, issuer, client, scopes, groups, roles and attributes. Two tokens of one subject that
    /// differ in any of them never share a cached decision.
    pub fn digest(&self) -> &[u8; 32] {
        &self.digest
    }

    /// The Cedar form, `Mcp::User::"alice"`, for logs and audit records.
    pub fn display(&self) -> String {
        format!("Mcp::{}::{:?}", self.kind.as_str(), self.id)
    }
}

fn sorted(mut values: Vec<Box<str>>) -> Box<[Box<str>]> {
    values.sort_unstable();
    values.dedup();
    values.into_boxed_slice()
}

/// Length-prefixed hashing: no two different field lists give the same input.
struct Hasher(aws_lc_rs::digest::Context);

impl Hasher {
    fn new() -> Self {
        Self(aws_lc_rs::digest::Context::new(&aws_lc_rs::digest::SHA256))
    }

    fn field(&mut self, value: &str) {
        self.0.update(&(value.len() as u64).to_le_bytes());
        self.0.update(value.as_bytes());
    }

    fn optional(&mut self, value: Option<&str>) {
        self.0.update(&[u8::from(value.is_some())]);
        self.field(value.unwrap_or_default());
    }

    fn list(&mut self, values: &[Box<str>]) {
        self.0.update(&(values.len() as u64).to_le_bytes());
        for value in values {
            self.field(value);
        }
    }

    fn attributes(&mut self, attributes: &BTreeMap<Box<str>, Attribute>) {
        self.0.update(&(attributes.len() as u64).to_le_bytes());
        for (name, value) in attributes {
            self.field(name);
            match value {
                Attribute::String(text) => {
                    self.0.update(b"s");
                    self.field(text);
                }
                Attribute::Long(number) => {
                    self.0.update(b"l");
                    self.0.update(&number.to_le_bytes());
                }
                Attribute::Bool(flag) => {
                    self.0.update(if *flag { b"t" } else { b"f" });
                }
                Attribute::Strings(items) => {
                    self.0.update(b"a");
                    self.list(items);
                }
            }
        }
    }

    fn finish(self) -> [u8; 32] {
        let mut out = [0; 32];
        for (to, from) in out.iter_mut().zip(self.0.finish().as_ref()) {
            *to = *from;
        }
        out
    }
}
