//! Maps a verified token's claims to the [`Principal`] that policy sees, as the issuer's configuration says.
//!
//! Refused (`ClaimsInvalid`): a mapped claim of the wrong type, an empty subject, more groups, roles or scopes than the limit, a
//! required attribute that is absent. Nothing is guessed, cut or skipped: a principal is whole or is not.

use std::collections::BTreeMap;

use doorward_message::Value;

use super::{
    claims::strings,
    settings::{AttributeType, IssuerSettings, PrincipalKindSettings},
};
use crate::model::{Attribute, Principal, PrincipalKind, principal::PrincipalParts, rejection::Authentication};

/// A JSON pointer (RFC 6901), taken apart.
#[derive(Clone, Debug)]
pub struct Pointer(Box<[Box<str>]>);

/// Why a JSON pointer could not be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a JSON pointer: it starts with `/`, and `~` is written `~0`, `/` within a name `~1`")]
pub struct PointerError(pub Box<str>);

impl Pointer {
    /// Reads the text form. The empty pointer (the whole claims) is refused: no claim is meant by it.
    pub fn parse(text: &str) -> Result<Self, PointerError> {
        let error = || PointerError(text.into());
        let rest = text.strip_prefix('/').ok_or_else(error)?;
        let parts = rest.split('/').map(|part| {
            let stray = part.replace("~0", "").replace("~1", "");
            if stray.contains('~') {
                return Err(error());
            }
            Ok(part.replace("~1", "/").replace("~0", "~").into_boxed_str())
        });
        Ok(Self(parts.collect::<Result<_, _>>()?))
    }

    fn find<'v>(&self, mut value: Value<'v>) -> Option<Value<'v>> {
        for part in &self.0 {
            value = if value.kind() == doorward_message::Kind::Array {
                value.elements().nth(part.parse().ok()?)?
            } else {
                value.get(part)?
            };
        }
        Some(value)
    }
}

/// An issuer's claim mapping, ready for use.
#[derive(Clone, Debug)]
pub struct Mapping {
    issuer: Box<str>,
    prefix: Box<str>,
    kind: PrincipalKindSettings,
    subject: Pointer,
    groups: Option<Pointer>,
    roles: Option<Pointer>,
    attributes: Vec<(Box<str>, Pointer, AttributeType, bool)>,
    values_max: usize,
}

impl Mapping {
    /// Reads the pointers of `settings`. Groups, roles and scopes may have `values_max` values each.
    pub fn new(settings: &IssuerSettings, values_max: usize) -> Result<Self, PointerError> {
        let claims = &settings.claims;
        let optional = |pointer: &Option<String>| pointer.as_deref().map(Pointer::parse).transpose();
        let attributes = claims.attributes.iter().map(|(name, attribute)| {
            let pointer = Pointer::parse(&attribute.pointer)?;
            Ok((name.as_str().into(), pointer, attribute.kind, attribute.required))
        });
        Ok(Self {
            issuer: settings.issuer.as_str().into(),
            prefix: settings.prefix.as_str().into(),
            kind: claims.principal_kind,
            subject: Pointer::parse(&claims.subject)?,
            groups: optional(&claims.groups)?,
            roles: optional(&claims.roles)?,
            attributes: attributes.collect::<Result<_, _>>()?,
            values_max,
        })
    }

    /// The principal of `claims`, whose credential ends at `expires_at`.
    pub fn principal(&self, claims: Value<'_>, expires_at: u64) -> Result<Principal, Authentication> {
        let subject = text(claims.get("sub"))?;
        let id = text(self.subject.find(claims))?;
        let client_id = match claims.get("client_id").or_else(|| claims.get("azp")) {
            None => None,
            some => Some(text(some)?),
        };
        Ok(Principal::new(PrincipalParts {
            kind: self.kind(&subject, client_id.as_deref()),
            id: self.prefixed(&id),
            issuer: Some(self.issuer.clone()),
            client_id,
            scopes: self.scopes(claims)?,
            groups: self.members(self.groups.as_ref(), claims)?,
            roles: self.members(self.roles.as_ref(), claims)?,
            attributes: self.attributes(claims)?,
            expires_at: Some(expires_at),
        }))
    }

    fn prefixed(&self, name: &str) -> Box<str> {
        format!("{}{name}", self.prefix).into_boxed_str()
    }

    fn kind(&self, subject: &str, client_id: Option<&str>) -> PrincipalKind {
        match self.kind {
            PrincipalKindSettings::User => PrincipalKind::User,
            PrincipalKindSettings::Agent => PrincipalKind::Agent,
            PrincipalKindSettings::Workload => PrincipalKind::Workload,
            PrincipalKindSettings::Detect if client_id == Some(subject) => PrincipalKind::Workload,
            PrincipalKindSettings::Detect => PrincipalKind::User,
        }
    }

    /// `scope` as in RFC 8693 §4.2 (one string, space-separated) or as a list, else `scp` in the same two forms.
    fn scopes(&self, claims: Value<'_>) -> Result<Vec<Box<str>>, Authentication> {
        let Some(value) = claims.get("scope").or_else(|| claims.get("scp")) else {
            return Ok(Vec::new());
        };
        if let Some(text) = value.as_str() {
            let scopes = text.split(' ').filter(|scope| !scope.is_empty());
            return self.bounded(scopes.map(Box::from).collect());
        }
        let scopes = strings(value).ok_or(Authentication::ClaimsInvalid)?;
        if scopes.iter().any(|scope| scope.is_empty() || scope.contains(' ')) {
            return Err(Authentication::ClaimsInvalid);
        }
        self.bounded(scopes)
    }

    fn members(&self, pointer: Option<&Pointer>, claims: Value<'_>) -> Result<Vec<Box<str>>, Authentication> {
        let Some(value) = pointer.and_then(|pointer| pointer.find(claims)) else {
            return Ok(Vec::new());
        };
        let values = strings(value).ok_or(Authentication::ClaimsInvalid)?;
        let values = self.bounded(values)?;
        Ok(values.iter().map(|name| self.prefixed(name)).collect())
    }

    fn bounded(&self, values: Vec<Box<str>>) -> Result<Vec<Box<str>>, Authentication> {
        if values.len() > self.values_max {
            return Err(Authentication::ClaimsInvalid);
        }
        Ok(values)
    }

    fn attributes(&self, claims: Value<'_>) -> Result<BTreeMap<Box<str>, Attribute>, Authentication> {
        let mut attributes = BTreeMap::new();
        for (name, pointer, kind, required) in &self.attributes {
            let Some(value) = pointer.find(claims) else {
                if *required {
                    return Err(Authentication::ClaimsInvalid);
                }
                continue;
            };
            let attribute = match kind {
                AttributeType::String => value.as_str().map(|text| Attribute::String(text.into())),
                AttributeType::Long => value.as_i64().map(Attribute::Long),
                AttributeType::Bool => value.as_bool().map(Attribute::Bool),
                AttributeType::Strings => strings(value).map(|items| Attribute::Strings(items.into_boxed_slice())),
            };
            let attribute = attribute.ok_or(Authentication::ClaimsInvalid)?;
            attributes.insert(name.clone(), attribute);
        }
        Ok(attributes)
    }
}

/// A string claim that is there and not empty.
fn text(value: Option<Value<'_>>) -> Result<Box<str>, Authentication> {
    let text = value.and_then(|value| value.as_str());
    match text {
        Some(text) if !text.is_empty() => Ok(text.into()),
        _ => Err(Authentication::ClaimsInvalid),
    }
}
