//! The whole file as it is written: one field per section, in the order of the pipeline. Shape only; what the values
//! mean together is checked in [`super::validate`].

use std::{collections::BTreeMap, fmt, marker::PhantomData};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

pub use crate::{
    pipeline::{
        accept::settings::AcceptSettings,
        admit::{
            authentication::settings::{AuthenticationSettings, IssuerSettings, JwksSettings},
            rate_limit::settings::RateLimitSettings,
            session::settings::SessionSettings,
        },
        authorize::settings::AuthorizationSettings,
        dispatch::settings::{RouteSettings, UpstreamSettings},
        filter::settings::MaskingSettings,
        live::StreamSettings,
        observe::settings::{AuditSettings, ObserveSettings},
    },
    server::settings::{AdminSettings, DrainSettings, ListenSettings},
};

/// The configuration file of Doorward.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// Where clients connect: one listener or a list of them. Empty: `127.0.0.1:8080`, plain HTTP.
    pub listen: OneOrMany<ListenSettings>,
    /// What a request may look like.
    pub accept: AcceptSettings,
    /// Who may call.
    pub authentication: AuthenticationSettings,
    /// Sessions of legacy clients.
    pub sessions: SessionSettings,
    /// How often something may be called.
    pub rate_limits: Vec<RateLimitSettings>,
    /// Which policies decide. Empty: everything is refused.
    pub authorization: Option<AuthorizationSettings>,
    /// The MCP servers behind the door, by name. At least one.
    pub upstreams: BTreeMap<String, UpstreamSettings>,
    /// Which path leads to which server. Empty: `/mcp` for a single upstream, else `/<upstream>/mcp` for each.
    pub routes: BTreeMap<String, RouteSettings>,
    /// What is hidden in results.
    pub masking: MaskingSettings,
    /// Streams of events on their way to clients.
    pub streams: StreamSettings,
    /// What is recorded and where it goes.
    pub observe: ObserveSettings,
    /// The listener for operators. Empty: no such listener.
    pub admin: Option<AdminSettings>,
    /// How the process ends.
    pub drain: DrainSettings,
}

/// A list that may be written as its only member.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OneOrMany<T>(pub Vec<T>);

impl<T> Default for OneOrMany<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for OneOrMany<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        // Not an untagged enum: that would lose the place and the reason of an error inside.
        deserializer.deserialize_any(OneOrManyVisitor(PhantomData))
    }
}

struct OneOrManyVisitor<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> de::Visitor<'de> for OneOrManyVisitor<T> {
    type Value = OneOrMany<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("one entry or a list of entries")
    }

    fn visit_map<A: de::MapAccess<'de>>(self, map: A) -> Result<OneOrMany<T>, A::Error> {
        T::deserialize(de::value::MapAccessDeserializer::new(map)).map(|one| OneOrMany(vec![one]))
    }

    fn visit_seq<A: de::SeqAccess<'de>>(self, seq: A) -> Result<OneOrMany<T>, A::Error> {
        Vec::deserialize(de::value::SeqAccessDeserializer::new(seq)).map(OneOrMany)
    }
}

impl<T: Serialize> Serialize for OneOrMany<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(serializer)
    }
}

impl<T: JsonSchema> JsonSchema for OneOrMany<T> {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        format!("OneOrMany_{}", T::schema_name()).into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let one = generator.subschema_for::<T>();
        json_schema!({ "anyOf": [one, { "type": "array", "items": one }] })
    }
}
