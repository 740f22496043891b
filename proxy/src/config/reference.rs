//! The reference of the configuration file, made from the same structs that read it: `docs/configuration.md`.

use std::fmt::Write as _;

use serde_json::{Map, Value};

/// The text of `docs/configuration.md`.
pub fn markdown() -> String {
    let schema = super::schema().to_value();
    let reference = Reference { schema: &schema };
    let mut out = String::from(HEAD);
    for (section, property) in properties(&schema) {
        let (target, many) = reference.target(property);
        let _ = writeln!(out, "## `{section}`\n\n{}\n", description(property));
        let mut rows = Vec::new();
        if properties(target).next().is_some() {
            reference.rows(target, &prefix(section, many), &mut rows, 0);
        } else {
            reference.row(section, property, false, &mut rows, 0);
        }
        out.push_str("| key | type | default | meaning |\n| --- | --- | --- | --- |\n");
        for row in rows {
            out.push_str(&row);
        }
        out.push('\n');
    }
    out.truncate(out.trim_end().len());
    out.push('\n');
    out
}

const HEAD: &str = "# Configuration

One YAML file, sections in the order of the pipeline. Unknown and repeated keys are errors. Secrets are never written
here, only where they lie: `{ env: NAME }` or `{ file: PATH }`. Sizes and times carry units (`4MiB`, `30s`). Relative
paths start from the file's folder. `${…}` is literal text. `doorward config check FILE` tells what is wrong.

```yaml
listen: { address: 127.0.0.1:8080 }
authentication:
  issuers:
    - issuer: https://idp.example.com
      claims: { groups: /groups }
rate_limits: [ { per: [principal, tool], limit: 60/min, burst: 10 } ]
authorization: { policies: \"bundle:permit-all\" }
upstreams:
  files: { url: http://127.0.0.1:9000/mcp }
routes:
  /mcp: { upstream: files, scopes_required: [mcp] }
admin: { address: 127.0.0.1:9090 }
```

This page is made by `doorward config reference`. `<name>` stands for a name of your choice, `[]` for each entry of a list.

";

struct Reference<'a> {
    schema: &'a Value,
}

/// How the members of a property are reached from it.
#[derive(Clone, Copy)]
enum Many {
    One,
    List,
    Map,
}

fn prefix(key: &str, many: Many) -> String {
    match many {
        Many::One => key.to_owned(),
        Many::List => format!("{key}[]"),
        Many::Map => format!("{key}.<name>"),
    }
}

fn properties(schema: &Value) -> impl Iterator<Item = (&str, &Value)> {
    let object: Option<&Map<String, Value>> = schema.get("properties").and_then(Value::as_object);
    object.into_iter().flatten().map(|(key, value)| (key.as_str(), value))
}

fn description(schema: &Value) -> String {
    let text = schema.get("description").and_then(Value::as_str).unwrap_or_default();
    text.split_whitespace().collect::<Vec<_>>().join(" ").replace('|', "\\|")
}

impl<'a> Reference<'a> {
    fn resolve(&self, schema: &'a Value) -> &'a Value {
        let Some(name) = schema.get("$ref").and_then(Value::as_str).and_then(|link| link.strip_prefix("#/$defs/"))
        else {
            return schema;
        };
        self.schema.get("$defs").and_then(|all| all.get(name)).unwrap_or(schema)
    }

    /// The object behind references, options, lists and maps.
    fn target(&self, schema: &'a Value) -> (&'a Value, Many) {
        let schema = self.resolve(schema);
        if let Some(options) = schema.get("anyOf").and_then(Value::as_array) {
            let list = options.iter().any(|option| option.get("type").and_then(Value::as_str) == Some("array"));
            if let Some(first) = options.first() {
                let (target, _) = self.target(first);
                return (target, if list { Many::List } else { Many::One });
            }
        }
        if let Some(items) = schema.get("items") {
            return (self.target(items).0, Many::List);
        }
        if let Some(values) = schema.get("additionalProperties").filter(|values| values.is_object()) {
            return (self.target(values).0, Many::Map);
        }
        (schema, Many::One)
    }

    fn rows(&self, object: &'a Value, path: &str, rows: &mut Vec<String>, depth: u8) {
        let required: Vec<&str> =
            object.get("required").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str).collect();
        for (key, property) in properties(object) {
            self.row(&format!("{path}.{key}"), property, required.contains(&key), rows, depth);
        }
    }

    fn row(&self, path: &str, property: &'a Value, required: bool, rows: &mut Vec<String>, depth: u8) {
        let (target, many) = self.target(property);
        let own = description(property);
        let meaning = if own.is_empty() { description(self.resolve(property)) } else { own };
        let default = match property.get("default") {
            _ if required => "required".to_owned(),
            None | Some(Value::Null) => "–".to_owned(),
            Some(Value::Array(list)) if list.is_empty() => "–".to_owned(),
            Some(Value::Object(_)) => "see below".to_owned(),
            Some(Value::String(text)) if text.is_empty() => "–".to_owned(),
            Some(value) => format!("`{}`", plain(value)),
        };
        let nested = properties(target).next().is_some() && depth < 6;
        rows.push(format!("| `{path}` | {} | {default} | {meaning} |\n", self.kind(property)));
        if nested {
            self.rows(target, &prefix(path, many), rows, depth + 1);
        }
    }

    /// The type in words.
    fn kind(&self, schema: &'a Value) -> String {
        let schema = self.resolve(schema);
        if let Some(options) = schema.get("anyOf").or_else(|| schema.get("oneOf")).and_then(Value::as_array) {
            let mut kinds: Vec<String> = Vec::new();
            for option in options {
                let kind = self.kind(option);
                if kind != "null" && !kinds.contains(&kind) {
                    kinds.push(kind);
                }
            }
            return kinds.join(" or ");
        }
        if let Some(value) = schema.get("const").and_then(Value::as_str) {
            return format!("`{value}`");
        }
        if let Some(values) = schema.get("enum").and_then(Value::as_array) {
            return values.iter().map(|value| format!("`{}`", plain(value))).collect::<Vec<_>>().join(" or ");
        }
        if let Some(items) = schema.get("items") {
            return format!("list of {}", self.kind(items));
        }
        if let Some(values) = schema.get("additionalProperties").filter(|values| values.is_object()) {
            return format!("names to {}", self.kind(values));
        }
        match schema.get("type") {
            Some(Value::String(text)) if text == "object" => self.object(schema),
            Some(Value::String(text)) if text == "string" => self.text(schema),
            Some(Value::String(text)) => text.clone(),
            Some(Value::Array(list)) => {
                let kinds = list.iter().filter_map(Value::as_str).filter(|kind| *kind != "null");
                kinds.collect::<Vec<_>>().join(" or ")
            }
            _ => "any".to_owned(),
        }
    }

    /// A variant such as `{ env: … }`, or a section.
    fn object(&self, schema: &'a Value) -> String {
        let closed = schema.get("additionalProperties") == Some(&Value::Bool(false));
        let mut keys = properties(schema);
        match (keys.next(), keys.next()) {
            (Some((key, _)), None) if closed && schema.get("title").is_none() => {
                format!("`{{ {key}: … }}`")
            }
            _ => "section".to_owned(),
        }
    }

    fn text(&self, schema: &Value) -> String {
        let pattern = schema.get("pattern").and_then(Value::as_str).unwrap_or_default();
        if pattern.contains("MiB") {
            "size".to_owned()
        } else if pattern.contains("ms") {
            "time".to_owned()
        } else if pattern.contains('/') {
            "rate".to_owned()
        } else {
            "text".to_owned()
        }
    }
}

/// A value as YAML would have it, on one line.
fn plain(value: &Value) -> String {
    match value {
        Value::String(text) if text.ends_with(' ') => format!("\"{text}\""),
        Value::String(text) => text.clone(),
        Value::Array(list) => format!("[{}]", list.iter().map(plain).collect::<Vec<_>>().join(", ")),
        other => other.to_string(),
    }
}
