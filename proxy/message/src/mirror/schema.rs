//! The table of mirrored arguments, from the `x-mcp-header` annotations of a tool's `inputSchema`.

use crate::json::{Kind, Value};

use super::PARAM_PREFIX;

const ANNOTATION: &str = "x-mcp-header";

/// Keywords whose values are data, not schemas (JSON Schema 2020-12, Validation §6.1, §9).
const DATA_KEYWORDS: &[&str] = &["const", "default", "enum", "example", "examples"];

/// Keywords whose values map arbitrary names to schemas.
const MAP_KEYWORDS: &[&str] = &["$defs", "definitions", "dependentSchemas", "patternProperties"];

/// Why a tool with these annotations is not usable: clients must drop it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SchemaError {
    /// The schema is not an object.
    #[error("the input schema is not an object")]
    NotAnObject,
    /// The annotation is not a non-empty RFC 9110 token.
    #[error("an `x-mcp-header` is not a header token")]
    NotAToken,
    /// Two annotations have the same name when case is ignored.
    #[error("two parameters are mirrored as `{header}`")]
    Duplicate {
        /// The name.
        header: Box<str>,
    },
    /// Annotated elsewhere than on a property reached through `properties` alone.
    #[error("an `x-mcp-header` stands where no single argument is meant")]
    Unreachable,
    /// The property's type is not exactly `integer`, `string` or `boolean`.
    #[error("`{header}` mirrors a parameter that is not an integer, string or boolean")]
    Type {
        /// The name.
        header: Box<str>,
    },
}

/// The types that can be mirrored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ParamKind {
    /// Compared by value.
    Integer,
    /// Compared exactly, decoded.
    String,
    /// `true` or `false`.
    Boolean,
}

/// One mirrored argument.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Param {
    header: Box<str>,
    path: Box<[Box<str>]>,
    kind: ParamKind,
}

impl Param {
    /// The whole header name, `Mcp-Param-…`, in the schema's spelling.
    #[must_use]
    pub fn header_name(&self) -> &str {
        &self.header
    }

    /// Property names from the root of `arguments`.
    #[must_use]
    pub fn path(&self) -> &[Box<str>] {
        &self.path
    }

    /// Its type.
    #[must_use]
    pub fn kind(&self) -> ParamKind {
        self.kind
    }

    /// Whether header or argument is named like a secret. Headers are logged where bodies are not, so such a parameter
    /// should not be mirrored (T092); the caller decides what to do with the tool.
    #[must_use]
    pub fn looks_secret(&self) -> bool {
        const WORDS: &[&str] =
            &["password", "passwd", "secret", "token", "apikey", "credential", "authorization", "privatekey"];
        let names = self.path.last().into_iter().chain([&self.header]);
        names.into_iter().any(|name| {
            let plain: String =
                name.chars().filter(char::is_ascii_alphanumeric).map(|letter| letter.to_ascii_lowercase()).collect();
            WORDS.iter().any(|word| plain.contains(word))
        })
    }

    /// The argument, unless absent or `null`.
    pub(super) fn find<'a>(&self, arguments: Option<Value<'a>>) -> Option<Value<'a>> {
        self.path.iter().try_fold(arguments?, |value, name| value.get(name)).filter(|value| !value.is_null())
    }
}

/// A tool's mirrored arguments.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ParamTable {
    params: Vec<Param>,
}

impl ParamTable {
    /// Reads the annotations of a tool's `inputSchema`; without any the table is empty.
    ///
    /// # Errors
    /// [`SchemaError`]: the tool must not be offered.
    pub fn from_schema(schema: Value<'_>) -> Result<Self, SchemaError> {
        if schema.kind() != Kind::Object {
            return Err(SchemaError::NotAnObject);
        }
        let mut table = Self::default();
        table.walk(schema, &mut Vec::new(), true)?;
        Ok(table)
    }

    /// The mirrored arguments, in the schema's order.
    #[must_use]
    pub fn params(&self) -> &[Param] {
        &self.params
    }

    /// Depth is bounded: a parsed document is never deeper than `Limits::DEPTH_CEILING`.
    fn walk(&mut self, schema: Value<'_>, path: &mut Vec<Box<str>>, reachable: bool) -> Result<(), SchemaError> {
        for element in schema.elements() {
            self.walk(element, path, false)?;
        }
        for (keyword, value) in schema.members() {
            match keyword.as_ref() {
                ANNOTATION => self.annotation(schema, value, path, reachable)?,
                "properties" => {
                    for (name, property) in value.members() {
                        path.push(name.into());
                        self.walk(property, path, reachable)?;
                        path.pop();
                    }
                }
                keyword if MAP_KEYWORDS.contains(&keyword) => {
                    for (_, inner) in value.members() {
                        self.walk(inner, path, false)?;
                    }
                }
                keyword if DATA_KEYWORDS.contains(&keyword) => {}
                _ => self.walk(value, path, false)?,
            }
        }
        Ok(())
    }

    fn annotation(
        &mut self,
        schema: Value<'_>,
        value: Value<'_>,
        path: &[Box<str>],
        reachable: bool,
    ) -> Result<(), SchemaError> {
        if !reachable || path.is_empty() {
            return Err(SchemaError::Unreachable);
        }
        let name = value.as_str().filter(|name| is_token(name));
        let name = name.ok_or(SchemaError::NotAToken)?;
        let header: Box<str> = format!("{PARAM_PREFIX}{name}").into();
        let kind = match schema.get("type").and_then(Value::as_str).as_deref() {
            Some("integer") => ParamKind::Integer,
            Some("string") => ParamKind::String,
            Some("boolean") => ParamKind::Boolean,
            _ => return Err(SchemaError::Type { header }),
        };
        if self.params.iter().any(|param| param.header.eq_ignore_ascii_case(&header)) {
            return Err(SchemaError::Duplicate { header });
        }
        self.params.push(Param { header, path: path.into(), kind });
        Ok(())
    }
}

/// RFC 9110 §5.6.2.
fn is_token(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte))
}
