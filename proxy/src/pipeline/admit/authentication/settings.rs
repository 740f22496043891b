//! The `authentication` section of the configuration.
//!
//! Only shapes and defaults live here; [`super::Authenticator::start`] checks what the shapes cannot say (URLs, prefixes,
//! readable files) and refuses to start otherwise.

use std::{collections::BTreeMap, path::PathBuf};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::config::units::{ByteSize, Span};
pub use crate::model::AttributeType;

/// Who may issue tokens, and what is read from them.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct AuthenticationSettings {
    /// The authorization servers whose tokens are accepted. Keys are looked up per issuer, never across issuers.
    pub issuers: Vec<IssuerSettings>,
    /// No token is asked for: every caller is `Mcp::Workload::"anonymous"`, which policy must still permit. Works on
    /// loopback addresses and unix sockets only.
    pub disabled: bool,
    /// The longest bearer token that is looked at.
    pub token_bytes_max: ByteSize,
    /// The most values that each of groups, roles and scopes may have. A token with more is refused.
    pub groups_max: usize,
    /// How many verified tokens are remembered. The least used ones are verified again.
    pub cached_tokens_max: usize,
}

impl Default for AuthenticationSettings {
    fn default() -> Self {
        Self {
            issuers: Vec::new(),
            disabled: false,
            token_bytes_max: ByteSize(16 << 10),
            groups_max: 200,
            cached_tokens_max: 10_000,
        }
    }
}

impl AuthenticationSettings {
    /// The attributes that principals may have, with their types: the schema that policies are checked against. Where two
    /// issuers map one name, the first one's type stands, and a token with another is refused by the policy's evaluation.
    pub fn principal_attributes(&self) -> BTreeMap<String, AttributeType> {
        let mapped = self.issuers.iter().flat_map(|issuer| &issuer.claims.attributes);
        let mut types = BTreeMap::new();
        for (name, attribute) in mapped {
            types.entry(name.clone()).or_insert(attribute.kind);
        }
        types
    }
}

/// One authorization server.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct IssuerSettings {
    /// The issuer identifier, compared with `iss` character by character.
    pub issuer: String,
    /// Accepted values of `aud`. Empty: the resource URI of the route that is called.
    #[serde(default)]
    pub audiences: Vec<String>,
    /// Accepted signature algorithms.
    #[serde(default = "default_algorithms")]
    pub algorithms: Vec<SignatureAlgorithm>,
    /// Where the keys are. Left out: found by the issuer's metadata (RFC 8414, OpenID Connect Discovery).
    #[serde(default)]
    pub jwks: Option<JwksSettings>,
    /// Put in front of the subject, the groups and the roles, so that issuers cannot speak for each other. Mandatory with
    /// several issuers; none may begin with another.
    #[serde(default)]
    pub prefix: String,
    /// Which claims become what policy sees.
    #[serde(default)]
    pub claims: ClaimSettings,
    /// The `typ` that a token's header must have, such as `at+jwt` (RFC 9068). Left out: `JWT`, `at+jwt` or none, and
    /// tokens that look like ID tokens are refused.
    #[serde(default)]
    pub token_type: Option<String>,
    /// How far clocks may be apart.
    #[serde(default = "default_leeway")]
    pub leeway: Span,
    /// How old the keys may become.
    #[serde(default)]
    pub staleness: StalenessSettings,
    /// What is fetched or read of the issuer's keys.
    #[serde(default)]
    pub key_set: KeySetSettings,
    /// PEM file with the only certificate authorities that the issuer's addresses are verified with. Left out: those of the
    /// system.
    #[serde(default)]
    pub ca: Option<PathBuf>,
}

impl IssuerSettings {
    /// An issuer with every default.
    pub fn new(issuer: &str) -> Self {
        Self {
            issuer: issuer.to_owned(),
            audiences: Vec::new(),
            algorithms: default_algorithms(),
            jwks: None,
            prefix: String::new(),
            claims: ClaimSettings::default(),
            token_type: None,
            leeway: default_leeway(),
            staleness: StalenessSettings::default(),
            key_set: KeySetSettings::default(),
            ca: None,
        }
    }
}

fn default_algorithms() -> Vec<SignatureAlgorithm> {
    use SignatureAlgorithm::{EdDsa, Es256, Ps256, Rs256};
    vec![Rs256, Ps256, Es256, EdDsa]
}

fn default_leeway() -> Span {
    Span::seconds(60)
}

/// A signature algorithm by its JWA name (RFC 7518 §3.1, RFC 8037 §3.1). There are no symmetric ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Deserialize, Serialize, JsonSchema)]
pub enum SignatureAlgorithm {
    /// RSASSA-PKCS1-v1_5 with SHA-256.
    #[serde(rename = "RS256")]
    Rs256,
    /// RSASSA-PKCS1-v1_5 with SHA-384.
    #[serde(rename = "RS384")]
    Rs384,
    /// RSASSA-PKCS1-v1_5 with SHA-512.
    #[serde(rename = "RS512")]
    Rs512,
    /// RSASSA-PSS with SHA-256.
    #[serde(rename = "PS256")]
    Ps256,
    /// RSASSA-PSS with SHA-384.
    #[serde(rename = "PS384")]
    Ps384,
    /// RSASSA-PSS with SHA-512.
    #[serde(rename = "PS512")]
    Ps512,
    /// ECDSA on P-256 with SHA-256.
    #[serde(rename = "ES256")]
    Es256,
    /// ECDSA on P-384 with SHA-384.
    #[serde(rename = "ES384")]
    Es384,
    /// EdDSA on Ed25519.
    #[serde(rename = "EdDSA")]
    EdDsa,
}

impl SignatureAlgorithm {
    /// The algorithm with this JWA name; `None` for every other name, `none` and the symmetric ones among them.
    pub fn from_name(name: &str) -> Option<Self> {
        Some(match name {
            "RS256" => Self::Rs256,
            "RS384" => Self::Rs384,
            "RS512" => Self::Rs512,
            "PS256" => Self::Ps256,
            "PS384" => Self::Ps384,
            "PS512" => Self::Ps512,
            "ES256" => Self::Es256,
            "ES384" => Self::Es384,
            "EdDSA" => Self::EdDsa,
            _ => return None,
        })
    }
}

/// Where an issuer's keys are.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "snake_case")]
pub enum JwksSettings {
    /// A JWK set in a file; read again when it changes.
    File(PathBuf),
    /// The address of a JWK set: https, or http on loopback.
    Url(String),
}

/// Which claims become what policy sees. Pointers are JSON pointers (RFC 6901) into the claims.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ClaimSettings {
    /// The principal's id: a string.
    pub subject: String,
    /// The principal's groups: a list of strings, or one string.
    pub groups: Option<String>,
    /// The principal's roles: a list of strings, or one string.
    pub roles: Option<String>,
    /// Typed attributes by the name that policy uses.
    pub attributes: BTreeMap<String, AttributeSettings>,
    /// What kind of principal the subject is.
    pub principal_kind: PrincipalKindSettings,
}

impl Default for ClaimSettings {
    fn default() -> Self {
        Self {
            subject: "/sub".to_owned(),
            groups: None,
            roles: None,
            attributes: BTreeMap::new(),
            principal_kind: PrincipalKindSettings::User,
        }
    }
}

/// One attribute.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AttributeSettings {
    /// JSON pointer to the claim.
    pub pointer: String,
    /// What the claim must be. A token where it is something else is refused.
    #[serde(rename = "type")]
    pub kind: AttributeType,
    /// Whether a token without the claim is refused.
    #[serde(default)]
    pub required: bool,
}

/// What kind of principal an issuer's subjects are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum PrincipalKindSettings {
    /// Always `Mcp::User`.
    User,
    /// Always `Mcp::Agent`.
    Agent,
    /// Always `Mcp::Workload`.
    Workload,
    /// `Mcp::Workload` where the subject is the client itself (client credentials, RFC 9068 §5), else `Mcp::User`.
    Detect,
}

/// How old an issuer's keys may become.
#[derive(Clone, Copy, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct StalenessSettings {
    /// After this the keys are fetched again, in the background. At least `key_set.fetch_interval_min`.
    pub max_age: Span,
    /// When they could not be had for this long, the issuer's tokens are answered with 503. At least `max_age`.
    pub max_stale: Span,
}

impl Default for StalenessSettings {
    fn default() -> Self {
        Self { max_age: Span::seconds(3_600), max_stale: Span::seconds(86_400) }
    }
}

/// Bounds on what is fetched or read of an issuer's keys.
#[derive(Clone, Copy, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct KeySetSettings {
    /// The largest JWK set or metadata document. A larger one is not used. 1KiB to 16MiB.
    pub document_bytes_max: ByteSize,
    /// The most keys of a JWK set, those that are not used among them. A set with more is not used. 1 to 1000.
    pub keys_max: u32,
    /// The least time from one fetch to the next, whatever the tokens ask for; a key file is looked at every 5 s. 1s to 1h.
    pub fetch_interval_min: Span,
}

impl Default for KeySetSettings {
    fn default() -> Self {
        Self { document_bytes_max: ByteSize(256 << 10), keys_max: 50, fetch_interval_min: Span::seconds(10) }
    }
}
